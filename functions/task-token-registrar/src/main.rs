//! `task-token-registrar`: registers a wait for workflows that start their job by an SDK integration.

mod handler;

use function_runtime::{callbacks::rendezvous, run, sdk_config, telemetry};

use crate::handler::RegistrationRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let rendezvous = rendezvous(&sdk)?;

    run(async |request: RegistrationRequest| handler::handle(&rendezvous, request).await).await
}
