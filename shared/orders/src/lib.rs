//! A coffee order: what may become of it, where its record is kept, and what others are told about it.
//!
//! Two sides write the record. People write what they want, through `order-manager`: ask for an order, submit a drink,
//! complete, cancel. The workflow tells by events what happened, and `order-token-storer` writes it down. Events come
//! twice and in any order, people repeat themselves, and both come at the same time. So every rule about what may follow
//! what stands in one place without input or output, [`Order`]'s methods, and [`change`] is the one way to apply them:
//! read, decide, write what was decided unless somebody else has written meanwhile, and then decide anew.
//!
//! - [`Order`], [`OrderState`], [`Drink`], [`OrderId`], [`UserId`]: the record.
//! - [`Fact`], [`Progress`]: what the workflow says.
//! - [`Decision`], [`Refusal`]: what a rule answers.
//! - [`OrderBook`], the port to the records: [`DynamoDbOrderBook`], and [`MemoryOrderBook`] for tests.
//! - [`EventBus`], the port to those who listen, and [`Announcement`]: [`EventBridgeBus`], and [`RecordingBus`] for
//!   tests.

mod announcement;
mod book;
mod dynamodb;
mod event_bus;
mod id;
mod memory;
mod order;
mod progress;

pub use announcement::Announcement;
pub use book::{ChangeError, Cursor, Entry, OrderBook, OrderBookError, Page, Written, change};
pub use dynamodb::DynamoDbOrderBook;
pub use event_bus::{EventBridgeBus, EventBus, EventBusError, RecordingBus};
pub use id::{InvalidId, OrderId, UserId};
pub use memory::MemoryOrderBook;
pub use order::{
    CANCELLATION_CAUSE, Decision, Drink, Order, OrderState, Refusal, Run, UnknownState, epoch_ms,
};
pub use progress::{Fact, Progress};
