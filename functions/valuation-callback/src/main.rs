//! `valuation-callback`: the webhook that the valuation service calls, signed by Standard Webhooks.

mod answer;
mod failure;
mod handler;
mod signing_key_cache;
mod valuation;

use std::{convert::Infallible, time::Duration};

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use function_runtime::{
    callbacks::rendezvous, environment::required, http::Request, run, sdk_config, telemetry,
};
use signing_keys::SecretsManagerKeys;

use crate::{handler::Webhooks, signing_key_cache::SigningKeyCache};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = sdk_config().await;
    let source =
        SecretsManagerKeys::new(aws_sdk_secretsmanager::Client::new(&sdk), required("SIGNING_SECRET_ARN")?);
    let refresh_after = Duration::from_secs(required("SIGNING_KEYS_REFRESH_SECONDS")?);
    let webhooks =
        Webhooks { keys: SigningKeyCache::new(source, refresh_after), rendezvous: rendezvous(&sdk)? };

    run(async |event: LambdaFunctionUrlRequest| {
        let answer = handler::handle(&webhooks, &Request::from(event)).await;
        Ok::<_, Infallible>(LambdaFunctionUrlResponse::from(answer))
    })
    .await
}
