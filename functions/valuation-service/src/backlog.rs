//! The backlog: the responses that are to be sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sfn::{
    Client,
    error::{BoxError, SdkError},
};
use serde_json::json;

use crate::event::Response;

/// Keeps responses until they are to be sent.
pub(crate) trait Backlog: Send + Sync {
    /// Has `response` sent after `delay`, unless one with its reference was added before.
    fn add(
        &self,
        delay: Duration,
        response: &Response,
        now: SystemTime,
    ) -> impl Future<Output = Result<Added, BacklogError>> + Send;
}

/// Whether this call added the response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    Now,
    Before,
}

/// The backlog did not take the response.
#[derive(Debug, thiserror::Error)]
#[error("the response could not be scheduled")]
pub(crate) struct BacklogError(#[source] pub(crate) BoxError);

/// A [`Backlog`] of executions of the state machine `valuation-service`, named by the reference: a name is taken for 90
/// days after its execution has ended.
pub(crate) struct StepFunctionsBacklog {
    pub(crate) client: Client,
    pub(crate) state_machine_arn: String,
}

impl Backlog for StepFunctionsBacklog {
    async fn add(
        &self,
        delay: Duration,
        response: &Response,
        now: SystemTime,
    ) -> Result<Added, BacklogError> {
        // While an execution runs, Step Functions takes the same name with the same input again, and does not say so.
        // The time makes each input another one.
        let requested_at = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()).to_string();
        let input = json!({
            "delaySeconds": delay.as_secs(),
            "requestedAtEpochNanoseconds": requested_at,
            "response": response,
        });
        let started = self
            .client
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(&response.valuation_reference)
            .input(input.to_string())
            .send()
            .await;

        match started.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Added::Now),
            Err(error) if error.is_execution_already_exists() => Ok(Added::Before),
            Err(error) => Err(BacklogError(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::{
        operation::start_execution::{StartExecutionError, StartExecutionOutput},
        primitives::DateTime,
        types::error::{ExecutionAlreadyExists, ExecutionLimitExceeded},
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use function_runtime::error::chain;
    use serde_json::Value;

    use super::*;
    use crate::behaviour::Behaviour;

    async fn add(rule: &Rule) -> Result<Added, BacklogError> {
        let backlog = StepFunctionsBacklog {
            client: mock_client!(aws_sdk_sfn, RuleMode::MatchAny, [rule]),
            state_machine_arn: "machine".into(),
        };
        let response = Response {
            valuation_reference: "VAL-17".into(),
            callback_url: "https://example.com/".into(),
            behaviour: Behaviour::Duplicate,
        };
        backlog.add(Duration::from_secs(6), &response, UNIX_EPOCH + Duration::from_nanos(5)).await
    }

    #[tokio::test]
    async fn an_execution_named_by_the_reference_is_started_with_the_response() {
        let rule = mock!(Client::start_execution)
            .match_requests(|request| {
                let input: Value = serde_json::from_str(request.input().unwrap()).unwrap();
                let expected = json!({
                    "delaySeconds": 6,
                    "requestedAtEpochNanoseconds": "5",
                    "response": {
                        "valuationReference": "VAL-17",
                        "callbackUrl": "https://example.com/",
                        "behaviour": "duplicate",
                    },
                });
                request.state_machine_arn() == Some("machine")
                    && request.name() == Some("VAL-17")
                    && input == expected
            })
            .then_output(|| {
                let output = StartExecutionOutput::builder().execution_arn("arn");
                output.start_date(DateTime::from_secs(0)).build().unwrap()
            });

        assert_eq!(add(&rule).await.unwrap(), Added::Now);
    }

    #[tokio::test]
    async fn a_reference_that_is_known_is_not_valued_again() {
        let rule = mock!(Client::start_execution).then_error(|| {
            StartExecutionError::ExecutionAlreadyExists(ExecutionAlreadyExists::builder().build())
        });

        assert_eq!(add(&rule).await.unwrap(), Added::Before);
    }

    #[tokio::test]
    async fn a_start_that_is_refused_is_reported_with_its_cause() {
        let rule = mock!(Client::start_execution).then_error(|| {
            let error = ExecutionLimitExceeded::builder().message("a million run").build();
            StartExecutionError::ExecutionLimitExceeded(error)
        });

        let error = add(&rule).await.unwrap_err();

        assert_eq!(
            chain(&error),
            "the response could not be scheduled: ExecutionLimitExceeded: a million run"
        );
    }
}
