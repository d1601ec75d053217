//! The fan-in call: the protocol of many parts, driven against the ports.

use std::{error::Error, time::SystemTime};

use crate::{
    CallbackKey, Completion, Outcome, Part, RendezvousError, StoreError, TaskCallbacks, TokenStore, complete,
    protocol::{GatherStep, Gathered, gather as begin},
    store::PartStore,
};

/// How often a call writes before it gives up. It needs three writes; more only for what has expired.
const MOST_WRITES: usize = 12;

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gathering {
    /// Other parts are missing.
    Incomplete,
    /// Nothing is missing: this call has combined all parts, and this is what became of the outcome.
    Complete(Completion),
    /// All parts had been combined and their outcome recorded before.
    AlreadyComplete,
}

/// Why a part was not gathered. The same call again goes on from what is stored.
#[derive(Debug, thiserror::Error)]
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
    #[error("the items were changed by others {MOST_WRITES} times")]
    Contended,
}

/// Fan-in: notes that `part` is done, and completes `key` with the outcome of `combine` once no part is missing.
///
/// What the part has left behind must be stored before. `combine` is polled when all parts are noted, by the call that
/// finds it so, or by a repeat of that call after a crash; it must find what all of them have left, and give the same
/// outcome whenever it runs. The key takes the first outcome and sends it once, whoever else combines at the same
/// time.
///
/// Call it again after an error or a crash, and for every duplicate: a part counts once. It costs one write of at most
/// 1 KB for each part, however many there are; one more for the last part of each [`Part::GROUP`]; and what
/// [`complete`] costs and one more for the last of all. The key has at most 400 bytes, or the writes cost more.
///
/// # Errors
///
/// Every variant of [`GatherError`]. After [`GatherError::Rendezvous`] the outcome may be recorded, as [`complete`] says.
pub async fn gather<E: Error + 'static>(
    store: &(impl TokenStore + PartStore),
    callbacks: &impl TaskCallbacks,
    key: &CallbackKey,
    part: Part,
    combine: impl Future<Output = Result<Outcome, E>>,
    now: SystemTime,
) -> Result<Gathering, GatherError<E>> {
    let mut step = begin(part, now);
    let mut combine = Some(combine);
    let mut completed = None;
    let mut writes = 0;
    loop {
        step = match step {
            GatherStep::Tally(_) if writes == MOST_WRITES => return Err(GatherError::Contended),
            GatherStep::Tally(tallying) => {
                writes += 1;
                let tallied = store.tally(key, tallying.update()).await?;
                tallying.resume(tallied)
            }
            GatherStep::Combine(combining) => {
                let combine = combine.take().expect("a call combines once");
                let outcome = combine.await.map_err(GatherError::Combine)?;
                completed = Some(complete(store, callbacks, key, outcome, now).await?);
                combining.recorded()
            }
            GatherStep::Done(gathered) => {
                return match (gathered, completed) {
                    (Gathered::OtherCount { begun_with }, _) => Err(GatherError::OtherCount { begun_with }),
                    (Gathered::Incomplete, _) => Ok(Gathering::Incomplete),
                    (Gathered::Whole, Some(completion)) => Ok(Gathering::Complete(completion)),
                    (Gathered::Whole | Gathered::Before, _) => Ok(Gathering::AlreadyComplete),
                };
            }
        };
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
    use std::io;

    use super::*;
    use crate::{
        Item, PendingPage, PendingQuery, RecordingTaskCallbacks, Tallied, TallyUpdate, Update, Written,
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
        let gathered = gather(&AlwaysChanged, &callbacks, &key, part, combine, SystemTime::UNIX_EPOCH).await;

        let error = gathered.unwrap_err();
        assert!(matches!(error, GatherError::Contended));
        assert!(error.is_retryable(|_| false));
        assert_eq!(error.to_string(), "the items were changed by others 12 times");
    }
}
