//! The outside world's side: an outcome has come.

use std::time::Duration;

use super::{Intent, Next, Sealed, When, writes};
use crate::{
    Delivery, Outcome,
    item::{Completed, Item, Pair},
    update::Update,
};

/// Wants to record an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Complete {
    completed: Completed,
    when: When,
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// The task had closed before the outcome came. The outcome is kept for a newer wait of the same execution.
    Late,
    /// The outcome was sent again and the task has closed: probably by the first sending, but nobody can say.
    Unconfirmed,
    /// Step Functions refused the output for good. The task waits on, and the key takes a corrected outcome.
    Refused,
}

impl Complete {
    /// An outcome that came at `when`.
    #[must_use]
    pub fn new(outcome: Outcome, when: When) -> Self {
        Self { completed: Completed { outcome, at: when.now }, when }
    }
}

impl Completion {
    /// The answer in one lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Parked => "parked",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Late => "late",
            Self::Unconfirmed => "unconfirmed",
            Self::Refused => "refused",
        }
    }
}

impl Sealed for Complete {}

impl Intent for Complete {
    type Answer = Completion;

    fn when(&self) -> When {
        self.when
    }

    fn opening(&self) -> Update {
        writes::complete(&self.completed, self.when)
    }

    fn refused(&self, item: Option<&Item>) -> Next<Completion> {
        let opening = || Next::Update(self.opening());
        let Some(item) = item else { return opening() };
        if item.has_expired(self.when.now) {
            return Next::Update(writes::complete_anew(&self.completed, self.when));
        }
        let Some(found) = &item.completed else { return opening() };
        if found.outcome != self.completed.outcome {
            return Next::Done(Completion::Conflict);
        }
        match item.delivery() {
            Some(Delivery::Delivered) => Next::Done(Completion::Duplicate),
            Some(Delivery::Late) => Next::Done(Completion::Late),
            Some(Delivery::Unconfirmed) => Next::Done(Completion::Unconfirmed),
            Some(Delivery::Refused) => Next::Done(Completion::Refused),
            None if item.registered.is_none() => Next::Done(Completion::Parked),
            None => Next::Repeat,
        }
    }

    fn overtaken(&self, item: Option<&Item>) -> Next<Completion> {
        let own = &self.completed.outcome;
        match item {
            Some(Item { completed: Some(found), .. }) if found.outcome == *own => self.refused(item),
            Some(Item { refused: Some(refused), .. }) if refused == own => Next::Done(Completion::Refused),
            // This outcome was here and is gone: another call settled it. To record it once more would hand it to the
            // newer wait, although the older one may have used it.
            _ => Next::Done(Completion::Unconfirmed),
        }
    }

    fn alone(&self, _: &Item) -> Completion {
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
            Delivery::Refused => Completion::Refused,
        })
    }

    fn outlived(&self, _: &Pair, item: Option<&Item>) -> Next<Completion> {
        // The newer wait may have taken this outcome over.
        self.overtaken(item)
    }

    fn is_own(&self, _: &Pair) -> bool {
        true
    }

    fn unsent(&self, _: &Pair) -> Option<Next<Completion>> {
        None
    }
}
