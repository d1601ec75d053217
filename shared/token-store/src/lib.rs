//! Where a Step Functions task token and the outcome it waits for meet, whichever comes first.
//!
//! A workflow that waits for something outside need not poll: its task hands out a **task token** and waits to be
//! called back (`.waitForTaskToken`). Somebody must then bring the token together with the **outcome** that the
//! outside world reports, often in another function, often with nothing in common but a name. That is harder than it
//! looks: the outcome may come before the token is saved, twice, with another content, or after the task has timed
//! out; and the function that delivers it may crash halfway. This crate is that meeting place.
//!
//! ```
#![doc = include_str!("../examples/callback.rs")]
//! ```
//!
//! # The protocol
//!
//! Both sides know a [`CallbackKey`], `<kind>#<id>`. One item of a table holds what is known under it: the
//! workflow's half (the token and which wait it is), the outside world's half (the [`Outcome`]), and what became of them.
//!
//! 1. Each side writes its half with one conditional update, and gets the whole item back, even when the update is
//!    refused. There is no lock, no read before the write and no state attribute: the state is which parts are there.
//! 2. The call that sees both halves and no delivery sends the outcome to the task.
//! 3. Then it records how that ended: [`Delivery::Delivered`]; [`Delivery::Late`], when the task was gone before
//!    the outcome was first sent; [`Delivery::Unconfirmed`], when it was gone at a repeat, so that the first sending
//!    may have been what closed it; [`Delivery::Refused`], when Step Functions cannot read the output: then the wait goes
//!    on and the key takes a corrected outcome.
//!
//! After a crash anywhere, the same call again, or [`redeliver`](Rendezvous::redeliver), goes on from what is stored. A
//! repeat counts itself in the item *before* it sends. So a first attempt that finds the task gone knows whether another
//! call may have delivered meanwhile, and what is recorded as late is known to be unused.
//!
//! # What it promises
//!
//! A model checker explores every interleaving of these steps (`tests/model`), with the code that runs here:
//!
//! 1. Nothing is lost: once both halves are written, a repeat resumes the task or records why not.
//! 2. The first outcome recorded for a wait, which Step Functions does not refuse, is the only one that it can receive.
//! 3. A token only ever receives the outcome recorded under its own key.
//! 4. A newer wait (a retry, a redrive) replaces an older one and never the reverse. It receives an outcome that was late
//!    for the older wait of the same execution, and an unconfirmed success if it is another attempt of the same state
//!    entry: had the earlier attempt used it, there would be no other. Other unconfirmed outcomes are set aside for
//!    people. A living wait of another execution is not displaced in silence: [`Registration::Displaced`].
//! 5. A task token appears in no log line and no error text: [`TaskToken`] does not print itself.
//!
//! [`protocol`] says what it assumes of Step Functions.
//!
//! # Fan-in
//!
//! When many parts complete one key, [`gather`](Rendezvous::gather) notes each [`Part`] at a cost that does not depend on
//! how many there are, and lets the one that finds nothing missing combine them. The model holds it to this: exactly one
//! combined outcome is ever sent, no part is missing in it, and a crash anywhere is made good by the repeat of the part
//! that crashed.
//!
//! # A limit
//!
//! One thing no protocol can know: on a key that is waited on again, an outcome that comes once more after the newer
//! wait has registered counts as that wait's own. Give each question its own key where its answers can repeat.
//!
//! # Map
//!
//! - The calls: [`Rendezvous`], and what they answer: [`Registration`], [`Completion`], [`Heartbeat`], [`Gathering`].
//! - The values: [`CallbackKey`], [`TaskToken`], [`WaitingTask`], [`Outcome`], [`Part`]. Their errors stand in [`key`],
//!   [`token`], [`wait`], [`outcome`] and [`part`].
//! - The ports, [`TokenStore`], [`store::PartStore`] and [`TaskCallbacks`], one for each set of permissions, and their
//!   adapters: [`DynamoDbTokenStore`] and [`StepFunctionsTaskCallbacks`] (feature `aws`, on by default); [`testing`].
//! - For an adapter of your own: [`update`] and [`tally`], the writes as data, on an [`item`]; [`store`] and [`callbacks`].
//! - [`protocol`]: every decision, without input and output.

#[cfg(feature = "aws")]
pub mod aws;
pub mod callbacks;
mod gather;
pub mod item;
pub mod key;
pub mod outcome;
pub mod part;
pub mod protocol;
mod rendezvous;
pub mod store;
pub mod tally;
pub mod testing;
pub mod token;
pub mod update;
pub mod wait;
mod waiting_task;

#[cfg(feature = "aws")]
pub use aws::{DynamoDbTokenStore, StepFunctionsTaskCallbacks};
pub use callbacks::TaskCallbacks;
pub use gather::{GatherError, Gathering};
pub use item::Delivery;
pub use key::CallbackKey;
pub use outcome::Outcome;
pub use part::Part;
pub use protocol::{Completion, Registration};
pub use rendezvous::{Heartbeat, Rendezvous, RendezvousError};
pub use store::TokenStore;
pub use token::TaskToken;
pub use waiting_task::WaitingTask;
