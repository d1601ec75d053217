//! The workflow's side: a task waits.

use std::{cmp::Ordering, time::SystemTime};

use super::{Intent, Next, writes};
use crate::{Delivery, Item, Pair, Registered, TaskToken, Update, Wait, item::whole_millis};

/// Wants to register a wait.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Register {
    registered: Registered,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Registration {
    /// The wait is registered; its outcome has not come.
    Waiting,
    /// The outcome was there already, and this is how its delivery ended.
    Completed(Delivery),
    /// A newer wait has the key, so this one's task is over. Nothing was written.
    Superseded,
}

impl Register {
    /// A wait that is registered at `now`.
    #[must_use]
    pub fn new(token: TaskToken, mut wait: Wait, now: SystemTime) -> Self {
        wait.deadline = whole_millis(wait.deadline);
        Self { registered: Registered { token, wait, at: whole_millis(now) } }
    }
}

impl Intent for Register {
    type Answer = Registration;

    fn now(&self) -> SystemTime {
        self.registered.at
    }

    fn opening(&self) -> Update {
        writes::register(&self.registered)
    }

    fn refused(&self, item: Option<&Item>) -> Next<Registration> {
        let opening = || Next::Update(self.opening());
        let Some(item) = item else { return opening() };
        if item.has_expired(self.now()) {
            return Next::Update(writes::register_anew(&self.registered));
        }
        let Some(found) = &item.registered else { return opening() };
        match (found.wait.started.cmp(&self.registered.wait.started), &item.completed, item.delivery()) {
            (Ordering::Greater, _, _) => Next::Done(Registration::Superseded),
            (Ordering::Equal, None, _) => Next::Done(Registration::Waiting),
            (Ordering::Equal, Some(_), Some(delivery)) => Next::Done(Registration::Completed(delivery)),
            (Ordering::Less, None, _) => opening(),
            // Also for an older wait: its outcome may have been sent, so that must be settled before it is replaced.
            (Ordering::Equal | Ordering::Less, Some(_), None) => Next::Repeat,
            (Ordering::Less, Some(_), Some(delivery)) => Next::Update(match delivery {
                Delivery::Delivered => writes::register_anew(&self.registered),
                Delivery::Late => writes::register_on_late(&self.registered),
                Delivery::Unconfirmed => writes::register_aside(&self.registered),
            }),
        }
    }

    fn overtaken(&self, item: Option<&Item>) -> Next<Registration> {
        self.refused(item)
    }

    fn alone(&self) -> Registration {
        Registration::Waiting
    }

    fn settled(&self, pair: &Pair, delivery: Delivery, item: Option<&Item>) -> Next<Registration> {
        if pair.wait_started() == &self.registered.wait.started {
            Next::Done(Registration::Completed(delivery))
        } else {
            self.refused(item)
        }
    }
}
