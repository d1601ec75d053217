//! What every Lambda function of this workspace needs, and no more.
//!
//! A function's `main.rs` is the same few lines everywhere: [`telemetry::init`], read the configuration with
//! [`environment::required`], build the clients from [`sdk_config`], then hand the handler to [`run`].
//!
//! - [`callbacks`]: the rendezvous, with a log line and metrics for each call.
//! - [`environment`]: typed configuration; a missing variable stops the init and is named.
//! - [`error`]: errors with stable names, the names that Step Functions matches in `Retry` and `Catch`.
//! - [`http`]: requests and answers of a function URL.
//! - [`invocation`]: runs the handler and writes one log line for each invocation.
//! - [`metrics`]: CloudWatch metrics, written as log lines.
//! - [`telemetry`]: JSON logs.

pub mod callbacks;
pub mod environment;
pub mod error;
pub mod http;
pub mod invocation;
pub mod metrics;
pub mod telemetry;

pub use error::NamedError;
pub use invocation::run;

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, timeout::TimeoutConfig};

/// Reads the SDK configuration that the Lambda service provides: region and credentials from the environment.
///
/// Requests have the timeouts of [`request_timeouts`]. Call it once, at init: all clients built from it share one HTTP
/// connection pool.
pub async fn sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(request_timeouts()).load().await
}

/// The timeouts of small requests: 2 s for one attempt, 5 s with all retries.
///
/// Without them, a connection that falls silent lasts until the Lambda service ends the function, after 10 s, and nobody
/// hears which request it was. Five seconds leave the function time to report the error.
#[must_use]
pub fn request_timeouts() -> TimeoutConfig {
    let (attempt, operation) = (Duration::from_secs(2), Duration::from_secs(5));
    TimeoutConfig::builder().operation_attempt_timeout(attempt).operation_timeout(operation).build()
}

/// The timeouts of requests that carry whole objects of up to 8 MiB: 30 s for one attempt, 100 s with all retries. For
/// functions that have minutes.
#[must_use]
pub fn object_timeouts() -> TimeoutConfig {
    let (attempt, operation) = (Duration::from_secs(30), Duration::from_secs(100));
    TimeoutConfig::builder().operation_attempt_timeout(attempt).operation_timeout(operation).build()
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, time::Instant};

    use aws_config::Region;
    use aws_sdk_dynamodb::{Client, config::Credentials, error::SdkError};

    use super::*;

    #[tokio::test]
    async fn a_silent_connection_is_an_error_before_a_function_of_ten_seconds_is_killed() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let sdk = sdk_config().await.into_builder();
        let sdk = sdk
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(Credentials::new(
                "id", "key", None, None, "test",
            )))
            .endpoint_url(format!("http://{}", silent.local_addr().unwrap()))
            .build();
        let started = Instant::now();

        let error = Client::new(&sdk).list_tables().send().await.unwrap_err();

        assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
        let took = started.elapsed();
        assert!((Duration::from_secs(4)..Duration::from_secs(7)).contains(&took), "{took:?}");
    }
}
