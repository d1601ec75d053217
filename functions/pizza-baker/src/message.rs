//! The message of the order queue.

use aws_lambda_events::event::sqs::SqsMessage;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use token_store::TaskToken;

/// A message as SQS delivers it.
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) body: String,
}

impl From<SqsMessage> for Delivery {
    fn from(message: SqsMessage) -> Self {
        Self { id: message.message_id.unwrap_or_default(), body: message.body.unwrap_or_default() }
    }
}

/// An order on its way between the workflow, the queue and the baker:
/// `{"execution", "taskToken"?, "input", "readyAtEpochMs"?}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderMessage {
    /// ARN of the execution that ordered.
    pub(crate) execution: String,
    /// Resumes the execution, when it waits to be called back. Without it the execution polls.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub(crate) task_token: Option<TaskToken>,
    /// Input of the execution.
    pub(crate) input: Value,
    /// When the pizza is ready, in milliseconds since the epoch. Unset until it is in the oven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ready_at_epoch_ms: Option<u64>,
}

/// Why a message of the queue is not an order. Nobody can be told: it ends in the dead-letter queue.
#[derive(Debug, thiserror::Error)]
#[error("the message is not an order")]
pub(crate) struct UnreadableMessage(#[from] serde_json::Error);

impl OrderMessage {
    /// Reads a message body.
    pub(crate) fn from_body(body: &str) -> Result<Self, UnreadableMessage> {
        Ok(serde_json::from_str(body)?)
    }

    /// Writes a message body, token included: only for the queue.
    pub(crate) fn to_body(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and JSON values always serialize")
    }
}

fn exposed<S: Serializer>(token: &Option<TaskToken>, serializer: S) -> Result<S::Ok, S::Error> {
    token.as_ref().map(TaskToken::expose).serialize(serializer)
}
