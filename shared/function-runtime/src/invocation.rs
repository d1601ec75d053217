//! Runs a handler under the Lambda runtime.

use std::time::Instant;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use tracing::{error, info};

use crate::error::{NamedError, chain, diagnostic};

/// Serves invocations with `handler` until the environment is shut down.
///
/// Every invocation writes one log line, `invocation finished` with `duration_ms` or `invocation failed` with
/// `error_name` and the causes; the runtime's span adds `requestId`. A failure reaches the caller as the error's
/// stable name and message, so Step Functions can match it.
///
/// # Errors
///
/// When the runtime API cannot be reached; the Lambda service then replaces the environment.
pub async fn run<Event, Output, Failure, Handler, Answer>(
    handler: Handler,
) -> Result<(), lambda_runtime::Error>
where
    Event: for<'de> Deserialize<'de>,
    Output: Serialize,
    Failure: NamedError,
    Handler: Fn(Event) -> Answer,
    Answer: Future<Output = Result<Output, Failure>>,
{
    let handler = &handler;
    // Boxed: handlers nest futures deeper than the compiler likes to lay out in one piece.
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| Box::pin(observe(handler(event.payload)))))
        .await
}

async fn observe<Output, Failure: NamedError>(
    answer: impl Future<Output = Result<Output, Failure>>,
) -> Result<Output, Diagnostic> {
    let started = Instant::now();
    let result = answer.await;
    let duration_ms = started.elapsed().as_secs_f64() * 1000.0;

    match result {
        Ok(output) => {
            info!(duration_ms, "invocation finished");
            Ok(output)
        }
        Err(failure) => {
            error!(duration_ms, error_name = failure.name(), error = chain(&failure), "invocation failed");
            Err(diagnostic(&failure))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the status table did not answer")]
    struct StatusUnavailable(#[source] std::io::Error);

    impl NamedError for StatusUnavailable {
        fn name(&self) -> &'static str {
            "StatusUnavailable"
        }
    }

    #[tokio::test]
    async fn a_failure_reaches_the_caller_under_its_stable_name_without_its_causes() {
        let failure = StatusUnavailable(std::io::Error::other("10.0.0.7 refused"));

        let diagnostic = observe(async { Err::<(), _>(failure) }).await.unwrap_err();

        assert_eq!(diagnostic.error_type, "StatusUnavailable");
        assert_eq!(diagnostic.error_message, "the status table did not answer");
    }

    #[test]
    fn the_log_has_the_causes() {
        let failure = StatusUnavailable(std::io::Error::other("10.0.0.7 refused"));

        assert_eq!(chain(&failure), "the status table did not answer: 10.0.0.7 refused");
    }
}
