//! `job-callback`: EventBridge tells the end of a job; this completes the wait for it.

mod failure;
mod handler;
mod job_event;

use function_runtime::{callbacks::rendezvous, environment::required, run, sdk_config, telemetry};

use crate::{
    handler::JobCallback,
    job_event::{EventFields, JobEvent},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let callback = JobCallback {
        fields: EventFields {
            run_id: required("RUN_ID_FIELD")?,
            status: required("STATUS_FIELD")?,
            success: required("SUCCESS_STATUS")?,
            reason: required("REASON_FIELD")?,
        },
        rendezvous: rendezvous(&sdk)?,
    };

    run(async |event: JobEvent| handler::handle(&callback, &event).await).await
}
