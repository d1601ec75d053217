//! `chunk-processor`: S3 tells, by a queue, that a chunk is there; this counts what is in it, and the last one resumes the
//! workflow.

mod event;
mod failure;
mod handler;
mod objects;
mod sum;

use aws_lambda_events::event::sqs::SqsEventObj;
use function_runtime::{callbacks::rendezvous, object_timeouts, run, sdk_config, telemetry};

use crate::{event::S3Event, handler::Processor, objects::S3Objects};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let s3 = aws_sdk_s3::config::Builder::from(&sdk).timeout_config(object_timeouts());
    let processor = Processor {
        objects: S3Objects { client: aws_sdk_s3::Client::from_conf(s3.build()) },
        rendezvous: rendezvous(&sdk)?,
    };

    run(async |event: SqsEventObj<S3Event>| handler::handle(&processor, &event).await).await
}
