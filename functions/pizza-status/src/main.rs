//! `pizza-status`: what the polling workflow asks, every few seconds, until its pizza is ready.

mod handler;
mod results;

use function_runtime::{environment::required, run, sdk_config, telemetry};

use crate::{handler::Question, results::DynamoDbResults};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let results = DynamoDbResults {
        client: aws_sdk_dynamodb::Client::new(&sdk),
        table: required("PIZZA_STATUS_TABLE")?,
    };

    run(async |question: Question| handler::handle(&results, &question).await).await
}
