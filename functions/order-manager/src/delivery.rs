//! Brings what people do to the workflow, and says what became of it.

use std::time::SystemTime;

use function_runtime::callbacks;
use http::StatusCode;
use orders::OrderId;
use token_store::{
    CallbackError, CallbackKey, Completion, Outcome, RendezvousError, TaskCallbacks, TokenStore, complete,
};
use tracing::{info, warn};

use crate::{answer::Answer, handler::OrderManager, refused::Refused};

impl<B, M, E, S: TokenStore, C: TaskCallbacks> OrderManager<B, M, E, S, C> {
    /// Brings an outcome to the workflow that waits for it, or will.
    pub(crate) async fn deliver(
        &self,
        kind: &str,
        id: &OrderId,
        outcome: Outcome,
        now: SystemTime,
    ) -> Result<Completion, Refused> {
        let key = key(kind, id);
        let completion = match complete(&self.store, &self.callbacks, &key, outcome, now).await {
            // Recorded as late: nobody can wait with such a token.
            Err(RendezvousError::Callback(CallbackError::InvalidToken)) => Completion::Late,
            // Recorded; the reconciler delivers it when Step Functions lets it.
            Err(RendezvousError::Callback(error)) => {
                warn!(callback_key = key.as_str(), error = error.to_string(), "not delivered yet");
                Completion::Parked
            }
            completion => completion?,
        };
        info!(callback_key = key.as_str(), ?completion, "outcome taken");
        callbacks::completed(&key, completion);
        Ok(completion)
    }
}

/// The key that an order waits under.
pub(crate) fn key(kind: &str, id: &OrderId) -> CallbackKey {
    CallbackKey::new(kind, id.as_str()).expect("an order id has no control characters")
}

/// Whether the workflow has, or will get, this very outcome.
pub(crate) fn is_recorded(completion: &Completion) -> bool {
    !matches!(completion, Completion::Conflict | Completion::Late)
}

/// Whether the workflow has it.
pub(crate) fn is_delivered(completion: &Completion) -> bool {
    matches!(completion, Completion::Delivered { .. } | Completion::Duplicate)
}

/// What the caller is told.
pub(crate) fn completed(completion: Completion) -> Answer {
    match completion {
        Completion::Delivered { .. } => Answer::new(StatusCode::OK, "delivered", "the workflow goes on"),
        Completion::Duplicate => Answer::new(StatusCode::OK, "duplicate", "the same was done before"),
        Completion::Unconfirmed => {
            Answer::new(StatusCode::OK, "unconfirmed", "it is recorded and was probably delivered")
        }
        Completion::Parked => Answer::new(
            StatusCode::ACCEPTED,
            "parked",
            "no workflow waits for this yet; it is kept and delivered",
        ),
        Completion::Conflict => {
            Answer::new(StatusCode::CONFLICT, "conflict", "something else was done with the order before")
        }
        Completion::Late => {
            Answer::new(StatusCode::GONE, "late", "the workflow does not wait for this any more")
        }
    }
}
