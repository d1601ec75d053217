//! `valuation-requester`: asks the valuation service, then registers the task token under its reference.

mod handler;
mod service;

use std::time::SystemTime;

use function_runtime::{environment::required, run, sdk_config, telemetry};
use token_store::{DynamoDbTokenStore, StepFunctionsTaskCallbacks};

use crate::{
    handler::{Requester, ValuationRequest},
    service::HttpValuationService,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let requester = Requester {
        service: HttpValuationService::new(
            required("VALUATION_SERVICE_URL")?,
            required("VALUATION_CALLBACK_URL")?,
        )?,
        store: DynamoDbTokenStore::new(
            aws_sdk_dynamodb::Client::new(&sdk),
            required::<String>("TASK_TOKENS_TABLE")?,
        ),
        callbacks: StepFunctionsTaskCallbacks::new(aws_sdk_sfn::Client::new(&sdk)),
    };

    run(async |request: ValuationRequest| handler::handle(&requester, request, SystemTime::now()).await).await
}
