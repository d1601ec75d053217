//! The port to the records, and the one way to change one.

use std::{error::Error, time::SystemTime};

use crate::{Decision, Order, OrderId, OrderState};

/// How often a change is decided anew before it gives up: each time somebody else has changed the record.
const MOST_ATTEMPTS: usize = 8;

/// Where the records are. Its IAM permissions on DynamoDB are `dynamodb:GetItem` and `dynamodb:PutItem` on the table and
/// `dynamodb:Query` on its index; a function needs only those of the methods that it calls.
pub trait OrderBook: Send + Sync {
    /// Reads a record as the last write left it.
    ///
    /// # Errors
    ///
    /// Every variant of [`OrderBookError`] but [`OrderBookError::Contended`].
    fn get(&self, id: &OrderId) -> impl Future<Output = Result<Option<Entry>, OrderBookError>> + Send;

    /// Writes a record over the one that was read, `None` meaning that there was none, unless it has changed since.
    ///
    /// # Errors
    ///
    /// [`OrderBookError::Unavailable`]; the record may or may not be written then.
    fn put(
        &self,
        order: &Order,
        over: Option<&Entry>,
        now: SystemTime,
    ) -> impl Future<Output = Result<Written, OrderBookError>> + Send;

    /// Lists the orders of a state, oldest first, one page at a time. The list follows the writes after a moment.
    ///
    /// # Errors
    ///
    /// Every variant of [`OrderBookError`] but [`OrderBookError::Contended`].
    fn list(
        &self,
        state: OrderState,
        after: Option<&Cursor>,
    ) -> impl Future<Output = Result<Page, OrderBookError>> + Send;
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The record.
    pub order: Order,
    /// Counts its writes.
    pub version: u64,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The record is written.
    Stored,
    /// Somebody else has written since it was read; nothing was done.
    Overtaken,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The orders, oldest first.
    pub orders: Vec<Order>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Cursor>,
}

/// The last order of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When it was asked for.
    pub created_at_epoch_ms: u64,
    /// Which it is.
    pub id: OrderId,
}

/// Why the records could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OrderBookError {
    /// The table did not do what was asked; later it may.
    #[error("the order book is unavailable")]
    Unavailable {
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A record is not as this crate writes it.
    #[error("the order's attribute {attribute} cannot be read")]
    Malformed {
        /// Name of the attribute.
        attribute: &'static str,
    },
    /// Others changed the record all the time. Retry.
    #[error("the order was changed by others {MOST_ATTEMPTS} times")]
    Contended,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<R> {
    /// The rule refused it.
    #[error(transparent)]
    Refused(R),
    /// The records could not be read or written.
    #[error(transparent)]
    Book(#[from] OrderBookError),
}

/// Changes a record by a rule, and returns it as it then is.
///
/// The rule sees the record and decides; it is asked again when somebody else was faster. The same change again finds it
/// made.
///
/// # Errors
///
/// [`ChangeError::Refused`] with what the rule says against it, [`ChangeError::Book`] when the change may not be made.
pub async fn change<R>(
    book: &impl OrderBook,
    id: &OrderId,
    now: SystemTime,
    rule: impl Fn(Option<&Order>) -> Result<Decision, R>,
) -> Result<Order, ChangeError<R>> {
    for _ in 0..MOST_ATTEMPTS {
        let found = book.get(id).await?;
        match rule(found.as_ref().map(|entry| &entry.order)).map_err(ChangeError::Refused)? {
            Decision::Keep(order) => return Ok(order),
            Decision::Write(order) => match book.put(&order, found.as_ref(), now).await? {
                Written::Stored => return Ok(order),
                Written::Overtaken => {}
            },
        }
    }
    Err(OrderBookError::Contended.into())
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Mutex, time::UNIX_EPOCH};

    use super::*;
    use crate::{MemoryOrderBook, Refusal};

    fn id() -> OrderId {
        "42".parse().unwrap()
    }

    fn order() -> Order {
        Order::new(id(), "ada".parse().unwrap(), 1_000)
    }

    #[tokio::test]
    async fn what_a_rule_decides_is_written_and_returned() {
        let book = MemoryOrderBook::default();

        let made = change(&book, &id(), UNIX_EPOCH, |found| {
            assert_eq!(found, None);
            Ok::<_, Refusal>(Decision::Write(order()))
        })
        .await;
        assert_eq!(made.unwrap(), order());
        let cancelled =
            change(&book, &id(), UNIX_EPOCH, |found| found.unwrap().cancel("enough", 2_000)).await;

        assert_eq!(cancelled.unwrap().state, OrderState::Cancelled);
        assert_eq!(book.get(&id()).await.unwrap().unwrap().order.state, OrderState::Cancelled);
    }

    #[tokio::test]
    async fn a_refusal_writes_nothing() {
        let book = MemoryOrderBook::default();

        let refused = change(&book, &id(), UNIX_EPOCH, |_| Err(Refusal::NotFound)).await;

        assert!(matches!(refused, Err(ChangeError::Refused(Refusal::NotFound))));
        assert_eq!(book.get(&id()).await.unwrap(), None);
    }

    /// Somebody writes between each read and write, as often as it says.
    struct Busy {
        book: MemoryOrderBook,
        left: Mutex<usize>,
    }

    impl OrderBook for Busy {
        async fn get(&self, id: &OrderId) -> Result<Option<Entry>, OrderBookError> {
            let found = self.book.get(id).await?;
            let busy = {
                let mut left = self.left.lock().unwrap();
                let busy = *left > 0;
                *left = left.saturating_sub(1);
                busy
            };
            if busy {
                let number = found.as_ref().and_then(|entry| entry.order.number).unwrap_or(0) + 1;
                self.book.put(&Order { number: Some(number), ..order() }, found.as_ref(), UNIX_EPOCH).await?;
            }
            Ok(found)
        }

        async fn put(
            &self,
            order: &Order,
            over: Option<&Entry>,
            now: SystemTime,
        ) -> Result<Written, OrderBookError> {
            self.book.put(order, over, now).await
        }

        async fn list(&self, state: OrderState, after: Option<&Cursor>) -> Result<Page, OrderBookError> {
            self.book.list(state, after).await
        }
    }

    async fn cancel(times: usize) -> (Result<Order, ChangeError<Infallible>>, Order) {
        let busy = Busy { book: MemoryOrderBook::default(), left: Mutex::new(times) };
        let result = change(&busy, &id(), UNIX_EPOCH, |found| {
            let found = found.cloned().unwrap_or_else(order);
            Ok(Decision::Write(Order { state: OrderState::Cancelled, ..found }))
        })
        .await;
        (result, busy.book.get(&id()).await.unwrap().unwrap().order)
    }

    #[tokio::test]
    async fn what_others_write_meanwhile_is_seen_and_kept() {
        let (result, stored) = cancel(7).await;

        assert_eq!(result.unwrap(), stored);
        assert_eq!((stored.state, stored.number), (OrderState::Cancelled, Some(7)));
    }

    #[tokio::test]
    async fn a_change_that_is_always_overtaken_gives_up() {
        let (result, stored) = cancel(8).await;

        assert!(matches!(result, Err(ChangeError::Book(OrderBookError::Contended))));
        assert_eq!(stored.state, OrderState::Requested);
    }
}
