//! `task-token-registrar`: registers a wait for workflows that start their job by an SDK integration.

mod handler;

use std::time::SystemTime;

use function_runtime::{environment::required, run, sdk_config, telemetry};
use token_store::{DynamoDbTokenStore, StepFunctionsTaskCallbacks};

use crate::handler::{Registrar, RegistrationRequest};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let registrar = Registrar {
        store: DynamoDbTokenStore::new(
            aws_sdk_dynamodb::Client::new(&sdk),
            required::<String>("TASK_TOKENS_TABLE")?,
        ),
        callbacks: StepFunctionsTaskCallbacks::new(aws_sdk_sfn::Client::new(&sdk)),
    };

    run(async |request: RegistrationRequest| handler::handle(&registrar, request, SystemTime::now()).await)
        .await
}
