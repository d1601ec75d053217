//! `order-starter`: turns `Validator.NewOrder` into an execution of the order processor, one for each order.

mod handler;
mod processor;

use function_runtime::{environment::required, run, sdk_config, telemetry};

use crate::{handler::NewOrder, processor::StepFunctionsProcessor};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let processor = StepFunctionsProcessor {
        client: aws_sdk_sfn::Client::new(&sdk),
        machine: required("ORDER_PROCESSOR_STATE_MACHINE_ARN")?,
    };

    run(async |event: NewOrder| handler::handle(&processor, &event).await).await
}
