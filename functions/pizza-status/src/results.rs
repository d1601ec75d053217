//! The results that the baker records.

use aws_sdk_dynamodb::{
    Client,
    error::{BoxError, SdkError},
    types::AttributeValue,
};

/// Finds the result of an order.
pub(crate) trait Results {
    /// The recorded answer, JSON text, or nothing while the pizza is in the oven.
    fn find(&self, execution: &str) -> impl Future<Output = Result<Option<String>, ResultsError>> + Send;
}

/// The table did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the results table did not answer")]
pub(crate) struct ResultsError(#[source] pub(crate) BoxError);

/// [`Results`] in DynamoDB, as `pizza-baker` records them.
pub(crate) struct DynamoDbResults {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl Results for DynamoDbResults {
    async fn find(&self, execution: &str) -> Result<Option<String>, ResultsError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("execution", AttributeValue::S(execution.to_owned()))
            .projection_expression("answer")
            .send()
            .await
            .map_err(|error| ResultsError(SdkError::into_service_error(error).into()))?;

        let answer = found.item.and_then(|mut item| item.remove("answer"));
        Ok(answer.and_then(|answer| answer.as_s().ok().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::get_item::{GetItemError, GetItemOutput};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    fn results(rule: &aws_smithy_mocks::Rule) -> DynamoDbResults {
        DynamoDbResults {
            client: mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule]),
            table: "results".into(),
        }
    }

    #[tokio::test]
    async fn the_answer_is_read_under_the_execution() {
        let rule = mock!(Client::get_item)
            .match_requests(|request| {
                request.table_name() == Some("results")
                    && request.key().unwrap()["execution"] == AttributeValue::S("arn".into())
                    && request.projection_expression() == Some("answer")
            })
            .then_output(|| GetItemOutput::builder().item("answer", AttributeValue::S("{}".into())).build());

        let answer = results(&rule).find("arn").await.unwrap();

        assert_eq!(answer.as_deref(), Some("{}"));
    }

    #[tokio::test]
    async fn a_missing_item_is_no_answer() {
        let rule = mock!(Client::get_item).then_output(|| GetItemOutput::builder().build());

        assert_eq!(results(&rule).find("arn").await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_error_of_the_table_is_reported_with_its_cause() {
        let rule = mock!(Client::get_item).then_error(|| {
            GetItemError::InternalServerError(
                aws_sdk_dynamodb::types::error::InternalServerError::builder().message("try later").build(),
            )
        });

        let error = results(&rule).find("arn").await.unwrap_err();

        assert_eq!(
            function_runtime::error::chain(&error),
            "the results table did not answer: InternalServerError: try later"
        );
    }
}
