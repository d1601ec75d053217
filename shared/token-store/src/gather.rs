//! The fan-in call: the protocol of many parts, driven against the ports.

use std::error::Error;

use crate::{
    CallbackKey, Completion, Outcome, Part, Rendezvous, RendezvousError, TaskCallbacks, TokenStore,
    protocol::{GatherStep, Gathered, MOST_WRITES, gather as begin},
    store::{PartStore, StoreError},
};

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gathering {
    /// Other parts are missing.
    Incomplete,
    /// Nothing is missing: this call has combined all parts, and this is what became of the outcome.
    Complete(Completion),
    /// All parts of this round had been combined and their outcome recorded before.
    AlreadyComplete,
}

/// Error from [`Rendezvous::gather`]. The same call again goes on from what is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError<E: Error + 'static> {
    /// The part could not be noted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outcome could not be recorded or delivered.
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    /// The parts could not be combined.
    #[error("the parts could not be combined")]
    Combine(#[source] E),
    /// The set was begun with another number of parts. Do not retry.
    #[error("the set was begun with {begun_with} parts")]
    OtherCount {
        /// That number.
        begun_with: u32,
    },
    /// Other calls changed the items all the time. Retry.
    #[error("gave up after {MOST_WRITES} conflicting writes")]
    Contended,
}

impl<S: TokenStore + PartStore, C: TaskCallbacks> Rendezvous<S, C> {
    /// Fan-in: notes that `part` is done, and completes `key` with the outcome of `combine` once no part is missing.
    ///
    /// What the part has left behind must be stored before. `combine` is polled when all parts are noted, by the call
    /// that finds it so, or by a repeat of that call after a crash; it must find what all of them have left, and give the
    /// same outcome whenever it runs. The key takes the first outcome and sends it once, however many calls combine at
    /// the same time.
    ///
    /// Call it again after an error or a crash, and for every duplicate: a part counts once. When the key is waited on
    /// again and its parts are done again, give them another [round](Part::of_round): parts of a finished round are
    /// duplicates.
    ///
    /// It costs one write of at most 1 KB for each part, however many there are; one more for the last part of each
    /// [`Part::GROUP`]; and what [`complete`](Rendezvous::complete) costs and one more for the last of all. The key has
    /// at most 400 bytes, or the writes cost more.
    ///
    /// # Errors
    ///
    /// Every variant of [`GatherError`]. After [`GatherError::Rendezvous`] the outcome may be recorded, as
    /// [`complete`](Rendezvous::complete) says.
    pub async fn gather<E: Error + 'static>(
        &self,
        key: &CallbackKey,
        part: Part,
        combine: impl Future<Output = Result<Outcome, E>>,
    ) -> Result<Gathering, GatherError<E>> {
        let mut step = begin(part, self.when());
        let mut combine = Some(combine);
        let mut completed = None;
        let mut writes = 0;
        loop {
            step = match step {
                GatherStep::Tally(_) if writes == MOST_WRITES => return Err(GatherError::Contended),
                GatherStep::Tally(tallying) => {
                    writes += 1;
                    let tallied = self.store.tally(key, tallying.update()).await?;
                    tallying.resume(tallied)
                }
                GatherStep::Combine(combining) => {
                    let combine = combine.take().expect("a call combines once");
                    let outcome = combine.await.map_err(GatherError::Combine)?;
                    completed = Some(self.complete(key, outcome).await?);
                    combining.recorded()
                }
                GatherStep::Done(gathered) => {
                    return match (gathered, completed) {
                        (Gathered::OtherCount { begun_with }, _) => {
                            Err(GatherError::OtherCount { begun_with })
                        }
                        (Gathered::Incomplete, _) => Ok(Gathering::Incomplete),
                        (Gathered::Whole, Some(completion)) => Ok(Gathering::Complete(completion)),
                        (Gathered::Whole | Gathered::Before, _) => Ok(Gathering::AlreadyComplete),
                    };
                }
            };
        }
    }
}

impl<E: Error + 'static> GatherError<E> {
    /// Whether the same call may succeed later; `combine` says it of its own errors.
    pub fn is_retryable(&self, combine: impl FnOnce(&E) -> bool) -> bool {
        match self {
            Self::Store(error) => matches!(error, StoreError::Unavailable { .. }),
            Self::Rendezvous(error) => error.is_retryable(),
            Self::Combine(error) => combine(error),
            Self::OtherCount { .. } => false,
            Self::Contended => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use super::*;
    use crate::{
        item::{Item, RETENTION},
        store::{PendingPage, PendingQuery, Written},
        tally::{Tallied, TallyUpdate},
        testing::RecordingTaskCallbacks,
        update::Update,
    };

    /// A store whose items change before every write.
    struct AlwaysChanged;

    impl TokenStore for AlwaysChanged {
        async fn update(&self, _: &CallbackKey, _: &Update) -> Result<Written, StoreError> {
            Ok(Written::Refused(None))
        }

        async fn get(&self, _: &CallbackKey) -> Result<Option<Item>, StoreError> {
            Ok(None)
        }

        async fn pending(&self, _: &PendingQuery) -> Result<PendingPage, StoreError> {
            Ok(PendingPage { entries: vec![], next: None })
        }

        fn retention(&self) -> Duration {
            RETENTION
        }
    }

    impl PartStore for AlwaysChanged {
        async fn tally(&self, _: &CallbackKey, _: &TallyUpdate) -> Result<Tallied, StoreError> {
            Ok(Tallied::Refused(None))
        }
    }

    #[tokio::test]
    async fn a_part_that_is_always_overtaken_gives_up_and_can_be_retried() {
        let key = CallbackKey::new("document", "poem").unwrap();
        let callbacks = RecordingTaskCallbacks::default();
        let combine = async { Err(io::Error::other("not all parts are there")) };

        let part = Part::new(1, 1).unwrap();
        let gathered = Rendezvous::new(AlwaysChanged, callbacks).gather(&key, part, combine).await;

        let error = gathered.unwrap_err();
        assert!(matches!(error, GatherError::Contended));
        assert!(error.is_retryable(|_| false));
        assert_eq!(error.to_string(), "gave up after 12 conflicting writes");
    }
}
