//! The reconciler's side: both halves are there and nobody has recorded a delivery.

use std::time::SystemTime;

use super::{Intent, Next, writes};
use crate::{Delivery, Item, Pair, Update, item::whole_millis};

/// Wants to finish a delivery that somebody else has left open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redeliver {
    now: SystemTime,
}

impl Redeliver {
    /// A repeat at `now`.
    #[must_use]
    pub fn new(now: SystemTime) -> Self {
        Self { now: whole_millis(now) }
    }
}

impl Intent for Redeliver {
    /// How the delivery ended, or `None` if there was nothing left to deliver.
    type Answer = Option<Delivery>;

    fn now(&self) -> SystemTime {
        self.now
    }

    fn opening(&self) -> Update {
        writes::repeat()
    }

    fn refused(&self, _: Option<&Item>) -> Next<Option<Delivery>> {
        Next::Done(None)
    }

    fn overtaken(&self, _: Option<&Item>) -> Next<Option<Delivery>> {
        Next::Done(None)
    }

    fn alone(&self) -> Option<Delivery> {
        None
    }

    fn settled(&self, _: &Pair, delivery: Delivery, _: Option<&Item>) -> Next<Option<Delivery>> {
        Next::Done(Some(delivery))
    }
}
