//! `document-splitter`: splits a document on S3 into chunks, counts what is done, and deletes the artifacts after a failure.

mod artifacts;
mod documents;
mod handler;
#[cfg(test)]
mod memory;
mod s3;
mod split;

use function_runtime::{environment::required, object_timeouts, run, sdk_config, telemetry};

use crate::{
    handler::{Request, Splitter},
    s3::S3Bucket,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let s3 = aws_sdk_s3::config::Builder::from(&sdk).timeout_config(object_timeouts());
    let splitter = Splitter {
        chunk_size: required("CHUNK_BYTES")?,
        bucket: S3Bucket::new(aws_sdk_s3::Client::from_conf(s3.build()), required("DOCUMENT_BUCKET")?),
    };

    run(async |request: Request| handler::handle(&splitter, request).await).await
}
