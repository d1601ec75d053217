//! The status board, where polling workflows look for their pizza.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::{
    Client,
    error::{BoxError, SdkError},
    types::AttributeValue,
};
use serde::Serialize;

use crate::pizza::Pizza;

/// How long a result is kept: longer than any workflow asks for it.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What the workflow reads when it asks the next time.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "UPPERCASE")]
pub(crate) enum Status {
    /// The pizza is ready.
    Succeeded { pizza: Pizza },
    /// The order cannot be baked.
    Failed { reason: String },
}

/// Whether this call wrote the result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    Now,
    Before,
}

/// Records results, one for each execution.
pub(crate) trait StatusBoard {
    /// Records `status` for the execution, unless a result is there already.
    fn record(
        &self,
        execution: &str,
        status: &Status,
        now: SystemTime,
    ) -> impl Future<Output = Result<Recorded, StatusBoardError>> + Send;
}

/// The table did not take the result.
#[derive(Debug, thiserror::Error)]
#[error("the result could not be recorded")]
pub(crate) struct StatusBoardError(#[source] pub(crate) BoxError);

/// A [`StatusBoard`] in DynamoDB: items `{execution, answer, expires_at_epoch_seconds}`, `answer` being the JSON
/// text that `pizza-status` answers with.
pub(crate) struct DynamoDbStatusBoard {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl StatusBoard for DynamoDbStatusBoard {
    async fn record(
        &self,
        execution: &str,
        status: &Status,
        now: SystemTime,
    ) -> Result<Recorded, StatusBoardError> {
        let answer = serde_json::to_string(status).expect("texts always serialize");
        let expires_at = now.duration_since(UNIX_EPOCH).expect("a clock after 1970") + KEPT_FOR;
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("execution", AttributeValue::S(execution.to_owned()))
            .item("answer", AttributeValue::S(answer))
            .item("expires_at_epoch_seconds", AttributeValue::N(expires_at.as_secs().to_string()))
            .condition_expression("attribute_not_exists(execution)")
            .send()
            .await;

        match written.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Recorded::Now),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(Recorded::Before),
            Err(error) => Err(StatusBoardError(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        operation::put_item::{PutItemError, PutItemOutput},
        types::error::{ConditionalCheckFailedException, ProvisionedThroughputExceededException},
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    fn board(rule: &Rule) -> DynamoDbStatusBoard {
        DynamoDbStatusBoard {
            client: mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule]),
            table: "results".into(),
        }
    }

    async fn record(rule: &Rule) -> Result<Recorded, StatusBoardError> {
        let status = Status::Failed { reason: "no dough".into() };
        board(rule).record("arn", &status, UNIX_EPOCH + Duration::from_secs(1_000)).await
    }

    #[tokio::test]
    async fn a_result_is_written_once_and_expires_after_a_week() {
        let rule = mock!(Client::put_item)
            .match_requests(|request| {
                let item = request.item().unwrap();
                request.table_name() == Some("results")
                    && request.condition_expression() == Some("attribute_not_exists(execution)")
                    && item["execution"] == AttributeValue::S("arn".into())
                    && item["answer"]
                        == AttributeValue::S(r#"{"status":"FAILED","reason":"no dough"}"#.into())
                    && item["expires_at_epoch_seconds"] == AttributeValue::N("605800".into())
            })
            .then_output(|| PutItemOutput::builder().build());

        assert_eq!(record(&rule).await.unwrap(), Recorded::Now);
    }

    #[tokio::test]
    async fn a_result_that_is_there_stays() {
        let rule = mock!(Client::put_item).then_error(|| {
            PutItemError::ConditionalCheckFailedException(ConditionalCheckFailedException::builder().build())
        });

        assert_eq!(record(&rule).await.unwrap(), Recorded::Before);
    }

    #[tokio::test]
    async fn a_table_that_refuses_is_reported_with_its_cause() {
        let rule = mock!(Client::put_item).then_error(|| {
            PutItemError::ProvisionedThroughputExceededException(
                ProvisionedThroughputExceededException::builder().message("slow down").build(),
            )
        });

        let error = record(&rule).await.unwrap_err();

        assert_eq!(
            function_runtime::error::chain(&error),
            "the result could not be recorded: ProvisionedThroughputExceededException: slow down"
        );
    }
}
