//! `chunk-processor`: S3 tells that a chunk is there; this counts what is in it, and the last one resumes the workflow.

mod event;
mod failure;
mod handler;
mod objects;
mod sum;

use std::time::SystemTime;

use function_runtime::{environment::required, run, sdk_config, telemetry};
use token_store::{DynamoDbTokenStore, StepFunctionsTaskCallbacks};

use crate::{event::S3Event, handler::Processor, objects::S3Objects};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let processor = Processor {
        objects: S3Objects { client: aws_sdk_s3::Client::new(&sdk) },
        store: DynamoDbTokenStore::new(
            aws_sdk_dynamodb::Client::new(&sdk),
            required::<String>("TASK_TOKENS_TABLE")?,
        ),
        callbacks: StepFunctionsTaskCallbacks::new(aws_sdk_sfn::Client::new(&sdk)),
    };

    run(async |event: S3Event| handler::handle(&processor, &event, SystemTime::now()).await).await
}
