//! The outside world's side: an outcome has come.

use std::time::{Duration, SystemTime};

use super::{Intent, Next, writes};
use crate::{Completed, Delivery, Item, Outcome, Pair, Update, item::whole_millis};

/// Wants to record an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Complete {
    completed: Completed,
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Completion {
    /// The task took the outcome.
    Delivered {
        /// How long the task had been registered when the outcome came; zero for an outcome that came first.
        waited: Duration,
    },
    /// No wait is registered yet. The outcome is kept and is delivered to the wait that comes.
    Parked,
    /// The same outcome again, and it was delivered before.
    Duplicate,
    /// Another outcome is recorded, so this one was not taken.
    Conflict,
    /// The task had closed before the outcome came. The outcome is kept for a newer wait of the key.
    Late,
    /// The outcome was sent again and the task has closed: probably by the first sending, but nobody can say.
    Unconfirmed,
}

impl Complete {
    /// An outcome that came at `now`.
    #[must_use]
    pub fn new(outcome: Outcome, now: SystemTime) -> Self {
        Self { completed: Completed { outcome, at: whole_millis(now) } }
    }
}

impl Intent for Complete {
    type Answer = Completion;

    fn now(&self) -> SystemTime {
        self.completed.at
    }

    fn opening(&self) -> Update {
        writes::complete(&self.completed)
    }

    fn refused(&self, item: Option<&Item>) -> Next<Completion> {
        let opening = || Next::Update(self.opening());
        let Some(item) = item else { return opening() };
        if item.has_expired(self.now()) {
            return Next::Update(writes::complete_anew(&self.completed));
        }
        let Some(found) = &item.completed else { return opening() };
        if found.outcome != self.completed.outcome {
            return Next::Done(Completion::Conflict);
        }
        match item.delivery() {
            Some(Delivery::Delivered) => Next::Done(Completion::Duplicate),
            Some(Delivery::Late) => Next::Done(Completion::Late),
            Some(Delivery::Unconfirmed) => Next::Done(Completion::Unconfirmed),
            None if item.registered.is_none() => Next::Done(Completion::Parked),
            None => Next::Repeat,
        }
    }

    fn overtaken(&self, item: Option<&Item>) -> Next<Completion> {
        // This outcome was here and is gone: somebody else settled it. To record it once more would hand it to the
        // newer wait, although the older one may have used it.
        match item.and_then(|item| item.completed.as_ref()) {
            Some(found) if found.outcome == self.completed.outcome => self.refused(item),
            _ => Next::Done(Completion::Unconfirmed),
        }
    }

    fn alone(&self) -> Completion {
        Completion::Parked
    }

    fn settled(&self, pair: &Pair, delivery: Delivery, _: Option<&Item>) -> Next<Completion> {
        if pair.completed.outcome != self.completed.outcome {
            return Next::Done(Completion::Unconfirmed);
        }
        let waited = pair.completed.at.duration_since(pair.registered.at).unwrap_or_default();
        Next::Done(match delivery {
            Delivery::Delivered => Completion::Delivered { waited },
            Delivery::Late => Completion::Late,
            Delivery::Unconfirmed => Completion::Unconfirmed,
        })
    }
}
