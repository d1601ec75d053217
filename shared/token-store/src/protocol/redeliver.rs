//! The reconciler's side: both halves are there and nobody has recorded a delivery.

use super::{Intent, Next, Sealed, When, writes};
use crate::{
    Delivery,
    item::{Item, Pair},
    update::Update,
};

/// Wants to finish a delivery that another call has left open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redeliver {
    when: When,
}

impl Redeliver {
    /// A repeat at `when`.
    #[must_use]
    pub fn new(when: When) -> Self {
        Self { when }
    }
}

impl Sealed for Redeliver {}

impl Intent for Redeliver {
    /// How the delivery ended, or `None` if there was nothing left to deliver.
    type Answer = Option<Delivery>;

    fn when(&self) -> When {
        self.when
    }

    fn opening(&self) -> Update {
        writes::repeat()
    }

    fn refused(&self, _: Option<&Item>) -> Next<Option<Delivery>> {
        Next::Done(None)
    }

    fn overtaken(&self, item: Option<&Item>) -> Next<Option<Delivery>> {
        // A corrected outcome may stand where a refused one was.
        let open = item.is_some_and(|item| item.delivery.is_none() && item.pair().is_some());
        if open { Next::Repeat } else { Next::Done(None) }
    }

    fn alone(&self, _: &Item) -> Option<Delivery> {
        None
    }

    fn settled(&self, _: &Pair, delivery: Delivery, _: Option<&Item>) -> Next<Option<Delivery>> {
        Next::Done(Some(delivery))
    }

    fn outlived(&self, pair: &Pair, _: Option<&Item>) -> Next<Option<Delivery>> {
        self.settled(pair, Delivery::Unconfirmed, None)
    }

    fn is_own(&self, _: &Pair) -> bool {
        true
    }

    fn unsent(&self, _: &Pair) -> Option<Next<Option<Delivery>>> {
        None
    }
}
