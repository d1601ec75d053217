//! The port to the order processor.

use aws_sdk_sfn::{
    Client,
    error::{BoxError, SdkError},
};
use orders::OrderId;

/// What came of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// An execution of this name runs.
    Now,
    /// There was one, and it has ended or had another input.
    Before,
}

/// Starts executions. Its IAM permission is `states:StartExecution` on the machine.
pub(crate) trait OrderProcessor {
    /// Starts the execution `name`, unless there is or was one.
    fn start(
        &self,
        name: &OrderId,
        input: &str,
    ) -> impl Future<Output = Result<Start, ProcessorError>> + Send;
}

/// The execution may or may not be started.
#[derive(Debug, thiserror::Error)]
#[error("the order processor could not be started")]
pub(crate) struct ProcessorError(#[source] BoxError);

/// An [`OrderProcessor`] of Step Functions, which keeps a name for 90 days after its execution has ended. The same name
/// and input again, while it runs, is the same execution.
pub(crate) struct StepFunctionsProcessor {
    pub(crate) client: Client,
    /// The ARN of the machine.
    pub(crate) machine: String,
}

impl OrderProcessor for StepFunctionsProcessor {
    async fn start(&self, name: &OrderId, input: &str) -> Result<Start, ProcessorError> {
        let started = self
            .client
            .start_execution()
            .state_machine_arn(&self.machine)
            .name(name.as_str())
            .input(input)
            .send()
            .await;
        match started.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Start::Now),
            Err(error) if error.is_execution_already_exists() => Ok(Start::Before),
            Err(error) => Err(ProcessorError(error.into())),
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

    use super::*;

    async fn start(rule: &Rule) -> Result<Start, ProcessorError> {
        let client = mock_client!(aws_sdk_sfn, RuleMode::MatchAny, [rule]);
        let processor = StepFunctionsProcessor { client, machine: "machine".into() };
        processor.start(&"42".parse().unwrap(), "{}").await
    }

    #[tokio::test]
    async fn an_execution_is_started_by_name() {
        let rule = mock!(Client::start_execution)
            .match_requests(|request| {
                request.state_machine_arn() == Some("machine")
                    && request.name() == Some("42")
                    && request.input() == Some("{}")
            })
            .then_output(|| {
                let started = StartExecutionOutput::builder().execution_arn("arn");
                started.start_date(DateTime::from_secs(0)).build().unwrap()
            });

        assert_eq!(start(&rule).await.unwrap(), Start::Now);
    }

    #[tokio::test]
    async fn a_name_that_was_used_is_a_start_before() {
        let rule = mock!(Client::start_execution).then_error(|| {
            StartExecutionError::ExecutionAlreadyExists(ExecutionAlreadyExists::builder().build())
        });

        assert_eq!(start(&rule).await.unwrap(), Start::Before);
    }

    #[tokio::test]
    async fn a_start_that_fails_is_reported_with_its_cause() {
        let rule = mock!(Client::start_execution).then_error(|| {
            StartExecutionError::ExecutionLimitExceeded(
                ExecutionLimitExceeded::builder().message("too many").build(),
            )
        });

        let error = start(&rule).await.unwrap_err();

        assert_eq!(
            chain(&error),
            "the order processor could not be started: ExecutionLimitExceeded: too many"
        );
    }
}
