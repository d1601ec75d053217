//! The calls: the protocol, driven against the two ports.

use std::time::SystemTime;

use crate::{
    Attempt, CallbackError, CallbackKey, Delivery, Item, Outcome, StoreError, TaskCallbacks, TaskToken,
    TokenStore, Wait,
    protocol::{Complete, Completion, Intent, Redeliver, Register, Registration, Sent, Step, begin},
};

/// How often a call writes before it gives up. It needs three writes; more only while other calls change the item.
const MOST_WRITES: usize = 12;

/// Why a call did not come to its end. What was written stays, and the same call again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RendezvousError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Step Functions did not take the outcome or the heartbeat.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// Other calls changed the item all the time. Retry.
    #[error("the item was changed by others {MOST_WRITES} times")]
    Contended,
}

/// What a heartbeat found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heartbeat {
    /// The task waits, and knows that the work goes on.
    Alive,
    /// Nobody waits any more: the task has closed or its outcome is recorded. The worker can stop.
    Gone,
    /// No wait is registered yet.
    NotRegistered,
}

impl RendezvousError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Unavailable { .. })
                | Self::Callback(CallbackError::Unavailable { .. })
                | Self::Contended
        )
    }
}

/// The workflow's half: registers `token` under `key`, and delivers the outcome if it is there already.
///
/// Call it again after an error or a crash: the same wait is registered once. It costs one write, or two when it
/// delivers; a key that an older wait has used, or that has expired, costs a few more.
///
/// # Errors
///
/// [`RendezvousError::Store`]: the wait may not be registered. [`RendezvousError::Callback`]: both halves are stored
/// and the delivery is open, except after [`CallbackError::InvalidToken`], where it is recorded as late: nobody
/// waits with such a token. [`RendezvousError::Contended`]: the wait may not be registered.
pub async fn register(
    store: &impl TokenStore,
    callbacks: &impl TaskCallbacks,
    key: &CallbackKey,
    token: TaskToken,
    wait: Wait,
    now: SystemTime,
) -> Result<Registration, RendezvousError> {
    drive(store, callbacks, key, Register::new(token, wait, now)).await
}

/// The outside world's half: records `outcome` under `key`, and delivers it if a task waits.
///
/// Call it again after an error or a crash: the first outcome stays the only one. It costs one write, or two when it
/// delivers.
///
/// # Errors
///
/// [`RendezvousError::Store`] and [`RendezvousError::Contended`]: the outcome may not be recorded.
/// [`RendezvousError::Callback`]: it is recorded and its delivery is open, except after
/// [`CallbackError::InvalidToken`], where it is recorded as late and kept for a newer wait.
pub async fn complete(
    store: &impl TokenStore,
    callbacks: &impl TaskCallbacks,
    key: &CallbackKey,
    outcome: Outcome,
    now: SystemTime,
) -> Result<Completion, RendezvousError> {
    drive(store, callbacks, key, Complete::new(outcome, now)).await
}

/// Finishes a delivery that a crash or an outage has left open. `None` means that nothing was open.
///
/// # Errors
///
/// [`RendezvousError::Store`], [`RendezvousError::Callback`] and [`RendezvousError::Contended`]: the delivery is
/// still open, except after [`CallbackError::InvalidToken`].
pub async fn redeliver(
    store: &impl TokenStore,
    callbacks: &impl TaskCallbacks,
    key: &CallbackKey,
    now: SystemTime,
) -> Result<Option<Delivery>, RendezvousError> {
    drive(store, callbacks, key, Redeliver::new(now)).await
}

/// Tells the task that waits under `key` that the work goes on, and the worker whether anybody still waits for it.
///
/// It costs one read, because whoever works outside knows the key and not the token.
///
/// # Errors
///
/// [`RendezvousError::Store`] and [`RendezvousError::Callback`]: nobody knows whether the task lives.
pub async fn heartbeat(
    store: &impl TokenStore,
    callbacks: &impl TaskCallbacks,
    key: &CallbackKey,
    now: SystemTime,
) -> Result<Heartbeat, RendezvousError> {
    let item = store.get(key).await?.filter(|item| !item.has_expired(now));
    let Some(Item { registered: Some(registered), completed, .. }) = item else {
        return Ok(Heartbeat::NotRegistered);
    };
    if completed.is_some() {
        return Ok(Heartbeat::Gone);
    }
    match callbacks.send_heartbeat(&registered.token).await {
        Ok(()) => Ok(Heartbeat::Alive),
        Err(CallbackError::TaskClosed { .. }) => Ok(Heartbeat::Gone),
        Err(error) => Err(error.into()),
    }
}

async fn drive<I: Intent>(
    store: &impl TokenStore,
    callbacks: &impl TaskCallbacks,
    key: &CallbackKey,
    intent: I,
) -> Result<I::Answer, RendezvousError> {
    let mut step = begin(intent);
    let mut invalid_token = None;
    let mut writes = 0;
    loop {
        step = match step {
            Step::Write(_) if writes == MOST_WRITES => return Err(RendezvousError::Contended),
            Step::Write(writing) => {
                writes += 1;
                let written = store.update(key, writing.update()).await?;
                writing.resume(written)
            }
            Step::Send(sending) => {
                let pair = sending.pair();
                let sent = match callbacks.send_outcome(&pair.registered.token, &pair.completed.outcome).await
                {
                    Ok(()) => Sent::Taken,
                    Err(CallbackError::TaskClosed { attempt }) => Sent::Closed(attempt),
                    Err(error @ CallbackError::InvalidToken) => {
                        // Nobody can wait with it. It is recorded, so that nothing tries it again, and reported.
                        invalid_token = Some(error);
                        Sent::Closed(Attempt::First)
                    }
                    Err(error) => return Err(error.into()),
                };
                sending.resume(sent)
            }
            Step::Done(answer) => return invalid_token.map_or(Ok(answer), |error| Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PendingPage, PendingQuery, RecordingTaskCallbacks, Update, Written};

    /// A store whose items change before every write.
    struct AlwaysChanged;

    impl TokenStore for AlwaysChanged {
        async fn update(&self, _: &CallbackKey, _: &Update) -> Result<Written, StoreError> {
            Ok(Written::Refused(None))
        }

        async fn get(&self, _: &CallbackKey) -> Result<Option<Item>, StoreError> {
            Err(StoreError::Unavailable { source: "no answer".into() })
        }

        async fn pending(&self, _: &PendingQuery) -> Result<PendingPage, StoreError> {
            Err(StoreError::Rejected { source: "no permission".into() })
        }
    }

    #[tokio::test]
    async fn a_call_that_is_always_overtaken_gives_up_and_can_be_retried() {
        let key = CallbackKey::new("valuation", "VAL-17").unwrap();
        let outcome = Outcome::success("1").unwrap();

        let error = complete(
            &AlwaysChanged,
            &RecordingTaskCallbacks::default(),
            &key,
            outcome,
            SystemTime::UNIX_EPOCH,
        )
        .await
        .unwrap_err();

        assert!(matches!(error, RendezvousError::Contended));
        assert!(error.is_retryable());
        assert_eq!(error.to_string(), "the item was changed by others 12 times");
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_is_the_callers_to_retry() {
        let key = CallbackKey::new("valuation", "VAL-17").unwrap();
        let callbacks = RecordingTaskCallbacks::default();

        let error = heartbeat(&AlwaysChanged, &callbacks, &key, SystemTime::UNIX_EPOCH).await.unwrap_err();

        assert!(matches!(error, RendezvousError::Store(StoreError::Unavailable { .. })));
        assert!(error.is_retryable());
        assert_eq!(error.to_string(), "the token store is unavailable");
    }

    #[test]
    fn what_stays_refused_is_not_retried() {
        let refused: [RendezvousError; 4] = [
            StoreError::Rejected { source: "no permission".into() }.into(),
            StoreError::Malformed { attribute: "outcome" }.into(),
            CallbackError::InvalidToken.into(),
            CallbackError::Rejected { source: "no permission".into() }.into(),
        ];

        assert!(!refused.iter().any(RendezvousError::is_retryable));
    }
}
