//! The calls: the protocol, driven against the two ports.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    CallbackKey, Delivery, Outcome, TaskCallbacks, TokenStore, WaitingTask,
    callbacks::CallbackError,
    item::{Item, Pair},
    protocol::{
        Call, Complete, Completion, Intent, MOST_WRITES, Redeliver, Register, Registration, Sent, Stopped,
        Todo, When,
    },
    store::{PendingCursor, PendingPage, PendingQuery, StoreError},
    wait::InvalidWait,
};

/// A store and the callbacks to Step Functions: where the two halves of a wait meet.
///
/// Each function has one, made when it starts. It holds no state of its own.
#[derive(Clone)]
pub struct Rendezvous<S, C> {
    /// Where the halves are kept.
    pub store: S,
    /// How outcomes reach their tasks.
    pub callbacks: C,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// Error from every call but [`gather`](Rendezvous::gather). What was written stays, and the same call again goes on from
/// there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RendezvousError {
    /// The waiting task does not say when it began, or its times are out of range. Nothing was written. Do not retry.
    #[error(transparent)]
    Wait(#[from] InvalidWait),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Step Functions did not take the outcome or the heartbeat.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// Other calls changed the item all the time. Retry.
    #[error("gave up after {MOST_WRITES} conflicting writes")]
    Contended,
}

/// What a heartbeat found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
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

impl<S: TokenStore, C: TaskCallbacks> Rendezvous<S, C> {
    /// Joins a store and the callbacks to Step Functions, by the clock of the system.
    #[must_use]
    pub fn new(store: S, callbacks: C) -> Self {
        Self { store, callbacks, clock: Arc::new(SystemTime::now) }
    }

    /// As this, with another clock: for tests. Each call reads it when it begins.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// The workflow's half: registers `task` under `key`, and delivers the outcome if it is there already.
    ///
    /// Call it again after an error or a crash: the same wait, which is one with the same token, is registered once. It
    /// costs one write, or two when it delivers; a key that an older wait has used, or that has expired, costs a few more.
    ///
    /// It never fails for what became of an older wait or its token, and never because an outcome could not be sent
    /// now: that is [`Registration::Undelivered`]. See [`Registration`] for the two answers that mean that no outcome of
    /// this key will reach a task: [`Registration::Occupied`] and [`Registration::Displaced`].
    ///
    /// # Errors
    ///
    /// [`RendezvousError::Wait`]: nothing was written. [`RendezvousError::Store`] and [`RendezvousError::Contended`]: the
    /// wait may not be registered. [`RendezvousError::Callback`] with [`CallbackError::InvalidToken`]: Step Functions
    /// never made the token of `task`; the outcome that was there is recorded as late and kept for a newer wait.
    pub async fn register(
        &self,
        key: &CallbackKey,
        task: WaitingTask,
    ) -> Result<Registration, RendezvousError> {
        let when = self.when();
        let late_outcomes = task.late_outcomes;
        let (token, wait) = task.begun(when.now)?;
        self.drive(key, Register::new(token, wait, late_outcomes, when)).await
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
    pub async fn complete(&self, key: &CallbackKey, outcome: Outcome) -> Result<Completion, RendezvousError> {
        self.drive(key, Complete::new(outcome, self.when())).await
    }

    /// Finishes a delivery that a crash or an outage has left open. `None` means that nothing was open.
    ///
    /// # Errors
    ///
    /// [`RendezvousError::Store`], [`RendezvousError::Callback`] and [`RendezvousError::Contended`]: the delivery is
    /// still open, except after [`CallbackError::InvalidToken`].
    pub async fn redeliver(&self, key: &CallbackKey) -> Result<Option<Delivery>, RendezvousError> {
        self.drive(key, Redeliver::new(self.when())).await
    }

    /// Tells the task that waits under `key` that the work goes on, and the worker whether anybody still waits for it.
    ///
    /// It costs one read, because a worker outside knows the key and not the token.
    ///
    /// # Errors
    ///
    /// [`RendezvousError::Store`] and [`RendezvousError::Callback`]: nobody knows whether the task lives.
    pub async fn heartbeat(&self, key: &CallbackKey) -> Result<Heartbeat, RendezvousError> {
        let now = self.now();
        let item = self.store.get(key).await?.filter(|item| !item.has_expired(now));
        let Some(Item { registered: Some(registered), completed, .. }) = item else {
            return Ok(Heartbeat::NotRegistered);
        };
        if completed.is_some() {
            return Ok(Heartbeat::Gone);
        }
        match self.callbacks.send_heartbeat(&registered.token).await {
            Ok(()) => Ok(Heartbeat::Alive),
            Err(CallbackError::TaskClosed { .. }) => Ok(Heartbeat::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists what waits of one kind of key for at least `older_than`, oldest first, one page at a time: `after` is the
    /// `next` of the page before. The list follows the writes after a moment.
    ///
    /// # Errors
    ///
    /// Every variant of [`StoreError`].
    pub async fn pending(
        &self,
        kind: &str,
        older_than: Duration,
        after: Option<PendingCursor>,
    ) -> Result<PendingPage, StoreError> {
        let query = PendingQuery { kind: kind.to_owned(), older_than, now: self.now(), after };
        self.store.pending(&query).await
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.clock)()
    }

    pub(crate) fn when(&self) -> When {
        When::new(self.now(), self.store.retention())
    }

    async fn drive<I: Intent>(&self, key: &CallbackKey, intent: I) -> Result<I::Answer, RendezvousError> {
        let mut call = Call::new(intent);
        let mut unsent = None;
        loop {
            call = match call.todo() {
                Todo::Write(update) => {
                    let written = self.store.update(key, update).await?;
                    call.written(written)
                }
                Todo::Send(pair) => {
                    let Pair { registered, completed } = pair;
                    let sent = self.callbacks.send_outcome(&registered.token, &completed.outcome).await;
                    let sent = match sent {
                        Ok(()) => Sent::Taken,
                        Err(CallbackError::TaskClosed { attempt }) => Sent::Closed(attempt),
                        Err(CallbackError::InvalidToken) => Sent::InvalidToken,
                        Err(CallbackError::InvalidOutput) => Sent::InvalidOutput,
                        Err(error) => {
                            unsent = Some(error);
                            Sent::Failed
                        }
                    };
                    call.sent(sent)
                }
                Todo::Answer(answer) => return Ok(answer.clone()),
                Todo::Stopped(Stopped::Contended) => return Err(RendezvousError::Contended),
                Todo::Stopped(Stopped::InvalidToken) => return Err(CallbackError::InvalidToken.into()),
                Todo::Stopped(Stopped::Unsent) => {
                    return Err(unsent.expect("a call stops unsent after an error").into());
                }
            };
        }
    }
}

impl<S: fmt::Debug, C: fmt::Debug> fmt::Debug for Rendezvous<S, C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, callbacks, clock: _ } = self;
        formatter
            .debug_struct("Rendezvous")
            .field("store", store)
            .field("callbacks", callbacks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{item::RETENTION, store::Written, testing::RecordingTaskCallbacks, update::Update};

    /// A store whose items change before every write.
    #[derive(Debug)]
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

        fn retention(&self) -> Duration {
            RETENTION
        }
    }

    fn rendezvous() -> Rendezvous<AlwaysChanged, RecordingTaskCallbacks> {
        Rendezvous::new(AlwaysChanged, RecordingTaskCallbacks::default())
    }

    #[tokio::test]
    async fn a_call_that_is_always_overtaken_gives_up_and_can_be_retried() {
        let key = CallbackKey::new("valuation", "VAL-17").unwrap();
        let outcome = Outcome::success("1").unwrap();

        let error = rendezvous().complete(&key, outcome).await.unwrap_err();

        assert!(matches!(error, RendezvousError::Contended));
        assert!(error.is_retryable());
        assert_eq!(error.to_string(), "gave up after 12 conflicting writes");
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_is_the_callers_to_retry() {
        let key = CallbackKey::new("valuation", "VAL-17").unwrap();

        let error = rendezvous().heartbeat(&key).await.unwrap_err();

        assert!(matches!(error, RendezvousError::Store(StoreError::Unavailable { .. })));
        assert!(error.is_retryable());
        assert_eq!(error.to_string(), "the token store is unavailable");
    }

    #[test]
    fn a_rendezvous_shows_what_it_is_made_of() {
        let shown = format!("{:?}", rendezvous());

        assert!(shown.starts_with("Rendezvous { store: AlwaysChanged, callbacks: Recording"), "{shown}");
    }

    #[test]
    fn what_stays_refused_is_not_retried() {
        let refused: [RendezvousError; 5] = [
            InvalidWait::EnteredTime.into(),
            StoreError::Rejected { source: "no permission".into() }.into(),
            StoreError::Malformed { attribute: "outcome" }.into(),
            CallbackError::InvalidToken.into(),
            CallbackError::Rejected { source: "no permission".into() }.into(),
        ];

        assert!(!refused.iter().any(RendezvousError::is_retryable));
    }
}
