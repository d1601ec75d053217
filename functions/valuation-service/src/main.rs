//! `valuation-service`: the mock third party. Its front desk takes requests for valuations, its responder calls back;
//! `property.nameOrNumber` says how they misbehave (see `behaviour`).
//!
//! Between the two lies the state machine `valuation-service`, which waits: no function runs meanwhile.

mod answer;
mod backlog;
mod behaviour;
mod event;
mod front_desk;
mod handler;
mod responder;
mod sender;
#[cfg(test)]
mod stand_ins;
mod webhook;

use std::time::{Duration, SystemTime};

use function_runtime::{environment::required, run, sdk_config, telemetry};
use signing_keys::SecretsManagerKeys;

use crate::{
    backlog::StepFunctionsBacklog, front_desk::FrontDesk, responder::Responder, sender::HttpWebhookSender,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let keys =
        SecretsManagerKeys::new(aws_sdk_secretsmanager::Client::new(&sdk), required("SIGNING_SECRET_ARN")?);
    let front_desk = FrontDesk {
        backlog: StepFunctionsBacklog {
            client: aws_sdk_sfn::Client::new(&sdk),
            state_machine_arn: required("VALUATION_SERVICE_STATE_MACHINE_ARN")?,
        },
        responder: Responder { keys, sender: HttpWebhookSender::new()? },
        customer_callback_url: required("CUSTOMER_CALLBACK_URL")?,
        delay: Duration::from_secs(required("VALUATION_DELAY_SECONDS")?),
        late: Duration::from_secs(required("VALUATION_LATE_SECONDS")?),
    };

    run(async |event| handler::handle(&front_desk, event, SystemTime::now()).await).await
}
