//! `pizza-baker`: consumes the order queue, bakes, then resumes the waiting workflow or records the result.

mod failure;
mod handler;
mod message;
mod order;
mod oven;
mod pizza;
mod status_board;

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use function_runtime::{environment::required, run, sdk_config, telemetry};
use token_store::StepFunctionsTaskCallbacks;

use crate::{handler::Baker, message::Delivery, oven::SqsOven, status_board::DynamoDbStatusBoard};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let baker = Baker {
        oven: SqsOven { client: aws_sdk_sqs::Client::new(&sdk), queue_url: required("ORDER_QUEUE_URL")? },
        status_board: DynamoDbStatusBoard {
            client: aws_sdk_dynamodb::Client::new(&sdk),
            table: required("PIZZA_STATUS_TABLE")?,
        },
        callbacks: StepFunctionsTaskCallbacks::new(aws_sdk_sfn::Client::new(&sdk)),
        bake_time: Duration::from_secs(required("BAKE_SECONDS")?),
        heartbeat: Duration::from_secs(required("HEARTBEAT_SECONDS")?),
    };

    run(async |event: SqsEvent| {
        let batch: Vec<_> = event.records.into_iter().map(Delivery::from).collect();
        let mut response = SqsBatchResponse::default();
        response.set_failures(handler::handle(&baker, &batch, SystemTime::now()).await);
        Ok::<_, Infallible>(response)
    })
    .await
}
