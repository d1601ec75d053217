//! `document-splitter`: splits a document on S3 into chunks, registers the wait for them, and clears up after a failure.

mod artifacts;
mod documents;
mod handler;
#[cfg(test)]
mod memory;
mod s3;
mod split;

use std::time::SystemTime;

use function_runtime::{environment::required, run, sdk_config, telemetry};
use token_store::{DynamoDbTokenStore, StepFunctionsTaskCallbacks};

use crate::{
    handler::{Request, Splitter},
    s3::S3Bucket,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let splitter = Splitter {
        chunk_size: required("CHUNK_BYTES")?,
        bucket: S3Bucket::new(aws_sdk_s3::Client::new(&sdk), required("DOCUMENT_BUCKET")?),
        store: DynamoDbTokenStore::new(
            aws_sdk_dynamodb::Client::new(&sdk),
            required::<String>("TASK_TOKENS_TABLE")?,
        ),
        callbacks: StepFunctionsTaskCallbacks::new(aws_sdk_sfn::Client::new(&sdk)),
    };

    run(async |request: Request| handler::handle(&splitter, request, SystemTime::now()).await).await
}
