//! What every Lambda function of this workspace needs, and no more.
//!
//! A function's `main.rs` is the same few lines everywhere: [`telemetry::init`], read the configuration with
//! [`environment::required`], build the clients from [`sdk_config`], then hand the handler to [`run`].
//!
//! - [`callbacks`]: metrics of what became of callbacks.
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

use aws_config::{BehaviorVersion, SdkConfig};

/// Reads the SDK configuration that the Lambda service provides: region and credentials from the environment.
///
/// Call it once, at init: all clients built from it share one HTTP connection pool.
pub async fn sdk_config() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::latest()).await
}
