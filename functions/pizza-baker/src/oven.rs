//! The oven: a message that is delayed costs nothing, a function that sleeps does.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    error::{BoxError, SdkError},
};

use crate::message::OrderMessage;

/// The longest delay that SQS offers for a message, 900 s.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// Keeps an order for a while and then gives it back to the baker.
pub(crate) trait Oven {
    /// Puts the order into the oven for `delay`, rounded up to seconds, at most [`LONGEST_DELAY`].
    fn put_back(
        &self,
        message: &OrderMessage,
        delay: Duration,
    ) -> impl Future<Output = Result<(), OvenError>> + Send;
}

/// The queue did not take the message.
#[derive(Debug, thiserror::Error)]
#[error("the order could not be put into the oven")]
pub(crate) struct OvenError(#[source] pub(crate) BoxError);

/// An [`Oven`] that is the order queue itself.
pub(crate) struct SqsOven {
    pub(crate) client: Client,
    pub(crate) queue_url: String,
}

impl Oven for SqsOven {
    async fn put_back(&self, message: &OrderMessage, delay: Duration) -> Result<(), OvenError> {
        let delay_seconds = delay.min(LONGEST_DELAY).as_millis().div_ceil(1000);
        self.client
            .send_message()
            .queue_url(&self.queue_url)
            .delay_seconds(i32::try_from(delay_seconds).expect("at most 900"))
            .message_body(message.to_body())
            .send()
            .await
            .map_err(|error| OvenError(SdkError::into_service_error(error).into()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::operation::send_message::{SendMessageError, SendMessageOutput};
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use serde_json::json;

    use super::*;

    fn oven(rule: &Rule) -> SqsOven {
        SqsOven { client: mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [rule]), queue_url: "orders".into() }
    }

    fn message() -> OrderMessage {
        OrderMessage::from_body(r#"{"execution":"arn","taskToken":"token","input":{"order":"pizza"}}"#)
            .unwrap()
    }

    #[tokio::test]
    async fn the_whole_message_goes_back_into_the_queue_delayed_by_whole_seconds() {
        let rule = mock!(Client::send_message)
            .match_requests(|request| {
                let body: serde_json::Value = serde_json::from_str(request.message_body().unwrap()).unwrap();
                request.queue_url() == Some("orders")
                    && request.delay_seconds() == Some(3)
                    && body
                        == json!({ "execution": "arn", "taskToken": "token", "input": { "order": "pizza" } })
            })
            .then_output(|| SendMessageOutput::builder().build());

        oven(&rule).put_back(&message(), Duration::from_millis(2_001)).await.unwrap();

        assert_eq!(rule.num_calls(), 1);
    }

    #[tokio::test]
    async fn a_delay_is_at_most_that_of_sqs() {
        let rule = mock!(Client::send_message)
            .match_requests(|request| request.delay_seconds() == Some(900))
            .then_output(|| SendMessageOutput::builder().build());

        oven(&rule).put_back(&message(), Duration::MAX).await.unwrap();

        assert_eq!(rule.num_calls(), 1);
    }

    #[tokio::test]
    async fn a_queue_that_refuses_is_reported_with_its_cause() {
        let rule = mock!(Client::send_message).then_error(|| {
            SendMessageError::QueueDoesNotExist(
                aws_sdk_sqs::types::error::QueueDoesNotExist::builder().message("no such queue").build(),
            )
        });

        let error = oven(&rule).put_back(&message(), Duration::ZERO).await.unwrap_err();

        assert_eq!(
            function_runtime::error::chain(&error),
            "the order could not be put into the oven: QueueDoesNotExist: no such queue"
        );
    }
}
