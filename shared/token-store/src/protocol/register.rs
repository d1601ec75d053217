//! The workflow's side: a task waits.

use super::{Intent, Next, Sealed, When, writes};
use crate::{
    Delivery, TaskToken,
    item::{Item, Pair, Registered, whole_millis},
    update::Update,
    wait::{LateOutcomes, Wait},
};

/// Wants to register a wait.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Register {
    registered: Registered,
    takes: LateOutcomes,
    when: When,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Registration {
    /// The wait is registered; its outcome has not come.
    Waiting,
    /// As [`Registration::Waiting`], and the key was taken from another execution whose task may still wait. No outcome of
    /// this key reaches that task any more: tell somebody.
    Displaced {
        /// The ARN of the other execution.
        execution: String,
    },
    /// The outcome was there already, and this is how its delivery ended.
    Completed(Delivery),
    /// The wait is registered and the outcome is there, but it could not be sent now. The wait goes on:
    /// [`redeliver`](crate::Rendezvous::redeliver) delivers the outcome later. Do not fail the task.
    Undelivered,
    /// A newer wait of the same execution has the key, so this one's task is over. Nothing was written.
    Superseded,
    /// Another wait has the key: one of another execution that began later, or one that began in the same millisecond.
    /// Nothing was written, so no outcome of this key reaches this task: fail it.
    Occupied,
}

impl Register {
    /// A wait that is registered at `when`.
    #[must_use]
    pub fn new(token: TaskToken, mut wait: Wait, takes: LateOutcomes, when: When) -> Self {
        wait.deadline = whole_millis(wait.deadline);
        Self { registered: Registered { token, wait, at: when.now, displaced: None }, takes, when }
    }

    /// What to do about an older wait.
    fn take_over(&self, item: &Item, found: &Registered) -> Next<Registration> {
        let Self { registered, takes, when } = self;
        let same_execution = found.wait.execution == registered.wait.execution;
        Next::Update(match (&item.completed, item.delivery()) {
            (None, _) if !same_execution && found.wait.deadline > when.now => {
                writes::register_over(registered, found, *when)
            }
            (None, _) => self.opening(),
            (Some(completed), None | Some(Delivery::Unconfirmed))
                if found.wait.is_of(&registered.wait.entry()) && writes::is_success(&completed.outcome) =>
            {
                writes::register_on_unused(registered, *when)
            }
            // It may have been sent, and the older task may still wait, so that must be settled before it is replaced.
            (Some(_), None) => return Next::Repeat,
            (Some(_), Some(Delivery::Delivered | Delivery::Refused)) => {
                writes::register_anew(registered, *when)
            }
            (Some(_), Some(Delivery::Late)) if same_execution || *takes == LateOutcomes::OfAnyExecution => {
                writes::register_on_late(registered, *takes, *when)
            }
            (Some(_), Some(Delivery::Late | Delivery::Unconfirmed)) => {
                writes::register_aside(registered, *takes, *when)
            }
        })
    }
}

impl Registration {
    /// The answer in one lower-case word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Displaced { .. } => "displaced",
            Self::Completed(_) => "completed",
            Self::Undelivered => "undelivered",
            Self::Superseded => "superseded",
            Self::Occupied => "occupied",
        }
    }
}

impl Sealed for Register {}

impl Intent for Register {
    type Answer = Registration;

    fn when(&self) -> When {
        self.when
    }

    fn opening(&self) -> Update {
        writes::register(&self.registered, self.when)
    }

    fn refused(&self, item: Option<&Item>) -> Next<Registration> {
        let opening = || Next::Update(self.opening());
        let Some(item) = item else { return opening() };
        if item.has_expired(self.when.now) {
            return Next::Update(writes::register_anew(&self.registered, self.when));
        }
        let Some(found) = &item.registered else { return opening() };
        let own = &self.registered;
        if found.token == own.token {
            return match (&item.completed, item.delivery()) {
                (None, _) => Next::Done(self.alone(item)),
                (Some(_), Some(delivery)) => Next::Done(Registration::Completed(delivery)),
                (Some(_), None) => Next::Repeat,
            };
        }
        if found.wait.started < own.wait.started {
            return self.take_over(item, found);
        }
        let successor = found.wait.execution == own.wait.execution && found.wait.started > own.wait.started;
        Next::Done(if successor { Registration::Superseded } else { Registration::Occupied })
    }

    fn overtaken(&self, item: Option<&Item>) -> Next<Registration> {
        self.refused(item)
    }

    fn alone(&self, item: &Item) -> Registration {
        let displaced = item.registered.as_ref().and_then(|registered| registered.displaced.clone());
        displaced.map_or(Registration::Waiting, |execution| Registration::Displaced { execution })
    }

    fn settled(&self, pair: &Pair, delivery: Delivery, item: Option<&Item>) -> Next<Registration> {
        if self.is_own(pair) && delivery != Delivery::Refused {
            Next::Done(Registration::Completed(delivery))
        } else {
            self.refused(item)
        }
    }

    fn outlived(&self, pair: &Pair, _: Option<&Item>) -> Next<Registration> {
        self.settled(pair, Delivery::Unconfirmed, None)
    }

    fn is_own(&self, pair: &Pair) -> bool {
        pair.registered.token == self.registered.token
    }

    fn unsent(&self, pair: &Pair) -> Option<Next<Registration>> {
        Some(if self.is_own(pair) {
            Next::Done(Registration::Undelivered)
        } else {
            Next::Update(writes::register_unsettled(&self.registered, pair, self.when))
        })
    }
}
