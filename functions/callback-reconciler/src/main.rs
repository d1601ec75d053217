//! `callback-reconciler`: on a schedule, finishes deliveries that a crash has left open, and reports what waits.

mod census;
mod handler;
mod kinds;

use std::time::{Duration, SystemTime};

use function_runtime::{environment::required, run, sdk_config, telemetry};
use serde::de::IgnoredAny;
use token_store::{DynamoDbTokenStore, StepFunctionsTaskCallbacks};

use crate::{handler::Reconciler, kinds::Kinds};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let reconciler = Reconciler {
        kinds: required::<Kinds>("CALLBACK_KINDS")?,
        after: Duration::from_secs(required("RECONCILE_AFTER_SECONDS")?),
        store: DynamoDbTokenStore::new(
            aws_sdk_dynamodb::Client::new(&sdk),
            required::<String>("TASK_TOKENS_TABLE")?,
        ),
        callbacks: StepFunctionsTaskCallbacks::new(aws_sdk_sfn::Client::new(&sdk)),
    };

    // Whatever the schedule says, it says "now".
    run(async |_: IgnoredAny| handler::handle(&reconciler, SystemTime::now()).await).await
}
