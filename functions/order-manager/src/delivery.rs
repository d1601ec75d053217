//! Brings what people do to the workflow, and says what became of it.

use function_runtime::callbacks;
use orders::OrderId;
use token_store::{CallbackKey, Completion, Outcome, RendezvousError, TaskCallbacks, TokenStore};
use tracing::warn;

use crate::{answer::Answer, handler::OrderManager, refused::Refused};

impl<B, M, E, S: TokenStore, C: TaskCallbacks> OrderManager<B, M, E, S, C> {
    /// Brings an outcome to the workflow that waits for it, or will.
    pub(crate) async fn deliver(
        &self,
        kind: &str,
        id: &OrderId,
        outcome: Outcome,
    ) -> Result<Completion, Refused> {
        let key = key(kind, id);
        match callbacks::complete(&self.rendezvous, &key, outcome).await {
            // Recorded; the reconciler delivers it when Step Functions takes it.
            Err(RendezvousError::Callback(error)) => {
                warn!(callback_key = key.as_str(), error = error.to_string(), "not delivered yet");
                callbacks::completed(&key, Completion::Parked);
                Ok(Completion::Parked)
            }
            completion => Ok(completion?),
        }
    }
}

/// The key that an order waits under.
pub(crate) fn key(kind: &str, id: &OrderId) -> CallbackKey {
    CallbackKey::new(kind, id.as_str()).expect("an order id has no control characters")
}

/// Whether the workflow has, or will get, this very outcome.
pub(crate) fn is_recorded(completion: &Completion) -> bool {
    !matches!(completion, Completion::Conflict | Completion::Late | Completion::Refused)
}

/// Whether the workflow has it.
pub(crate) fn is_delivered(completion: &Completion) -> bool {
    matches!(completion, Completion::Delivered { .. } | Completion::Duplicate)
}

/// What the caller is told.
pub(crate) fn completed(completion: Completion) -> Answer {
    let (code, status, message) = callbacks::http_answer(completion);
    Answer::new(code, status, message)
}
