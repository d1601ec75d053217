//! `callback-reconciler`: on a schedule, finishes deliveries that a crash has left open, and reports what waits.

mod census;
mod handler;

use std::time::{Duration, SystemTime};

use function_runtime::{callbacks::rendezvous, environment::required, run, sdk_config, telemetry};
use serde::de::IgnoredAny;

use crate::handler::Reconciler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let reconciler = Reconciler {
        after: Duration::from_secs(required("RECONCILE_AFTER_SECONDS")?),
        rendezvous: rendezvous(&sdk)?,
    };

    // Whatever the schedule says, it says "now".
    run(async |_: IgnoredAny| handler::handle(&reconciler, SystemTime::now()).await).await
}
