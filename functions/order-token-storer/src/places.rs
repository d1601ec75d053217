//! The places of the shop, of which an execution has one while it runs.

use aws_sdk_dynamodb::{
    Client,
    error::{BoxError, SdkError},
    types::AttributeValue,
};

/// Whether there was a place to give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freed {
    /// It is free now.
    Now,
    /// The execution had none.
    Nothing,
}

/// Gives places back. Its IAM permission is `dynamodb:UpdateItem` on the counting table.
pub(crate) trait Places {
    /// Gives back the place of an execution, by the execution's name.
    fn free(&self, execution_name: &str) -> impl Future<Output = Result<Freed, PlacesError>> + Send;
}

/// The place may or may not be free.
#[derive(Debug, thiserror::Error)]
#[error("the place could not be given back")]
pub(crate) struct PlacesError(#[source] pub(crate) BoxError);

/// [`Places`] in DynamoDB: the map `places` of the item `orderID`, as the state machine writes it.
pub(crate) struct DynamoDbPlaces {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl Places for DynamoDbPlaces {
    async fn free(&self, execution_name: &str) -> Result<Freed, PlacesError> {
        let freed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("PK", AttributeValue::S("orderID".to_owned()))
            .update_expression("REMOVE places.#gone")
            .condition_expression("attribute_exists(places.#gone)")
            .expression_attribute_names("#gone", execution_name)
            .send()
            .await;
        match freed.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Freed::Now),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(Freed::Nothing),
            Err(error) => Err(PlacesError(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        operation::update_item::{UpdateItemError, UpdateItemOutput},
        types::error::{ConditionalCheckFailedException, RequestLimitExceeded},
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    async fn free(rule: &Rule) -> Result<Freed, PlacesError> {
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [rule]);
        DynamoDbPlaces { client, table: "counting".into() }.free("42").await
    }

    #[tokio::test]
    async fn a_place_is_given_back_by_the_name_of_its_execution() {
        let rule = mock!(Client::update_item)
            .match_requests(|request| {
                request.table_name() == Some("counting")
                    && request.key().unwrap()["PK"] == AttributeValue::S("orderID".into())
                    && request.update_expression() == Some("REMOVE places.#gone")
                    && request.condition_expression() == Some("attribute_exists(places.#gone)")
                    && request.expression_attribute_names().unwrap()["#gone"] == "42"
            })
            .then_output(|| UpdateItemOutput::builder().build());

        assert_eq!(free(&rule).await.unwrap(), Freed::Now);
    }

    #[tokio::test]
    async fn an_execution_without_a_place_gives_nothing_back() {
        let rule = mock!(Client::update_item).then_error(|| {
            UpdateItemError::ConditionalCheckFailedException(
                ConditionalCheckFailedException::builder().build(),
            )
        });

        assert_eq!(free(&rule).await.unwrap(), Freed::Nothing);
    }

    #[tokio::test]
    async fn a_table_that_refuses_is_reported_with_its_cause() {
        let rule = mock!(Client::update_item).then_error(|| {
            UpdateItemError::RequestLimitExceeded(
                RequestLimitExceeded::builder().message("slow down").build(),
            )
        });

        let error = free(&rule).await.unwrap_err();

        assert_eq!(
            function_runtime::error::chain(&error),
            "the place could not be given back: RequestLimitExceeded: slow down"
        );
    }
}
