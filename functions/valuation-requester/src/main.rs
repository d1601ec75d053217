//! `valuation-requester`: asks the valuation service, then registers the task token under its reference.

mod handler;
mod service;

use function_runtime::{callbacks::rendezvous, environment::required, run, sdk_config, telemetry};

use crate::{
    handler::{Requester, ValuationRequest},
    service::HttpValuationService,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let requester = Requester {
        service: HttpValuationService::new(
            required("VALUATION_SERVICE_URL")?,
            required("VALUATION_CALLBACK_URL")?,
        )?,
        rendezvous: rendezvous(&sdk)?,
    };

    run(async |request: ValuationRequest| handler::handle(&requester, request).await).await
}
