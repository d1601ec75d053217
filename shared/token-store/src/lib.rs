//! Where a Step Functions task token and the outcome it waits for meet, whichever comes first.
//!
//! A workflow that waits for something outside need not poll: its task hands out a **task token** and waits to be
//! called back (`.waitForTaskToken`). Somebody must then bring the token together with the **outcome** that the
//! outside world reports, often in another function, often with nothing in common but a name. That is harder than it
//! looks: the outcome may come before the token is saved, twice, with another content, or after the task has timed
//! out; and whoever delivers it may crash halfway. This crate is that meeting place.
//!
//! # The protocol
//!
//! Both sides know a [`CallbackKey`], `<kind>#<id>`. One item of a table holds what is known under it: the
//! workflow's half (token and [`Wait`]), the outside world's half ([`Outcome`]), and what became of them.
//!
//! 1. Each side writes its half with one conditional update, and gets the whole item back, even when the update is
//!    refused. There is no lock, no read before the write and no state attribute: the state is which parts are there.
//! 2. Whoever sees both halves and no delivery sends the outcome to the task.
//! 3. Then it records how that ended: [`Delivery::Delivered`]; [`Delivery::Late`], when the task was gone before
//!    the outcome was first sent; [`Delivery::Unconfirmed`], when it was gone at a repeat, so that the first sending
//!    may have been what closed it.
//!
//! After a crash anywhere, the same call again, or [`redeliver`], goes on from what is stored. A repeat counts itself
//! in the item *before* it sends. So a first attempt that finds the task gone knows whether somebody else may have
//! delivered meanwhile, and what is recorded as late is known to be unused.
//!
//! A model checker explores every interleaving of these steps (`tests/model`), with the code that runs here:
//!
//! 1. Nothing is lost: once both halves are written, a repeat resumes the task or records why not.
//! 2. The first outcome recorded for a wait is the only one that is ever sent for it.
//! 3. A token only ever receives the outcome recorded under its own key.
//! 4. A newer wait (a retry, a redrive) replaces an older one and never the reverse. It receives a late outcome; an
//!    unconfirmed one is set aside for people, because the older wait may have used it.
//! 5. A task token appears in no log line and no error text: [`TaskToken`] does not print itself.
//!
//! # Fan-in
//!
//! When many parts complete one key, [`gather()`] notes each [`Part`] at a cost that does not depend on how many there
//! are, and lets the one that finds nothing missing combine them. The model holds it to this: exactly one combined
//! outcome is ever sent, no part is missing in it, and whoever crashes anywhere is made good by the repeat of its own
//! part.
//!
//! # A limit
//!
//! One thing no protocol can know: on a key that is waited on again, an outcome that comes once more after the newer
//! wait has registered counts as that wait's own. Give each question its own key where its answers can repeat.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use token_store::{
//!     CallbackKey, Completion, MemoryTokenStore, Outcome, RecordingTaskCallbacks, Registration, TaskToken, Wait,
//!     WaitStarted, complete, register,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // On AWS: `DynamoDbTokenStore::new(client, table)` and `StepFunctionsTaskCallbacks::new(client)`.
//! let store = MemoryTokenStore::default();
//! let step_functions = RecordingTaskCallbacks::default();
//! let key = CallbackKey::new("valuation", "VAL-17")?;
//!
//! // One function registers the wait, with what the context object of the workflow says.
//! let token = TaskToken::new("AQCEAAAAKgAAAAMAAAAA")?;
//! let wait = Wait {
//!     started: WaitStarted::new("2026-03-01T09:30:00.000Z", 0, 0)?,
//!     deadline: SystemTime::now() + Duration::from_secs(900),
//!     execution: "arn:aws:states:eu-west-1:123456789012:execution:loan:42".to_owned(),
//! };
//! let registered = register(&store, &step_functions, &key, token.clone(), wait, SystemTime::now()).await?;
//! assert_eq!(registered, Registration::Waiting);
//!
//! // Another one is called back, and again.
//! let outcome = Outcome::success(r#"{"propertyValue":350000}"#)?;
//! let completed = complete(&store, &step_functions, &key, outcome.clone(), SystemTime::now()).await?;
//! let again = complete(&store, &step_functions, &key, outcome.clone(), SystemTime::now()).await?;
//!
//! assert!(matches!(completed, Completion::Delivered { .. }));
//! assert_eq!(again, Completion::Duplicate);
//! assert_eq!(step_functions.sent(), [(token, outcome)]);
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! - The calls: [`register`], [`complete`], [`redeliver`], [`heartbeat`] (`rendezvous`), [`gather()`] for an outcome that many
//!   parts make together, and [`TokenStore::pending`] for what waits.
//! - The values: [`CallbackKey`], [`TaskToken`], [`Wait`], [`WaitingTask`], [`Outcome`], and the [`Item`] that holds them.
//! - [`protocol`]: every decision, without input and output. Its writes are data, [`Update`]s of [`Predicate`]s and
//!   [`Change`]s, so that each condition stands in one place. Those of [`gather()`] are [`TallyUpdate`]s.
//! - The ports, [`TokenStore`], [`PartStore`] and [`TaskCallbacks`], one for each set of permissions.
//! - Their adapters: [`DynamoDbTokenStore`] and [`StepFunctionsTaskCallbacks`] (feature `aws`, on by default);
//!   [`MemoryTokenStore`] and [`RecordingTaskCallbacks`] for tests.

#[cfg(feature = "aws")]
mod aws;
mod callbacks;
mod gather;
mod item;
mod key;
mod memory;
mod outcome;
mod part;
pub mod protocol;
mod recording;
mod rendezvous;
mod store;
mod tally;
mod token;
mod update;
mod wait;
mod waiting_task;

#[cfg(feature = "aws")]
pub use aws::{AwsFailure, DynamoDbTokenStore, StepFunctionsTaskCallbacks};
pub use callbacks::{Attempt, CallbackError, TaskCallbacks};
pub use gather::{GatherError, Gathering, gather};
pub use item::{Completed, Delivery, Item, Pair, RETENTION, Recorded, Registered};
pub use key::{CallbackKey, InvalidCallbackKey};
pub use memory::MemoryTokenStore;
pub use outcome::{Failure, Outcome, OutcomeError, Output};
pub use part::{InvalidPart, Part};
pub use protocol::{Completion, Registration};
pub use recording::RecordingTaskCallbacks;
pub use rendezvous::{Heartbeat, RendezvousError, complete, heartbeat, redeliver, register};
pub use store::{
    PartStore, Pending, PendingCursor, PendingPage, PendingQuery, PendingState, StoreError, TokenStore,
    Written,
};
pub use tally::{Tallied, Tally, TallyChange, TallyName, TallyPredicate, TallyUpdate};
pub use token::{InvalidTaskToken, TaskToken};
pub use update::{Change, Predicate, Update, Write};
pub use wait::{InvalidWait, Wait, WaitStarted};
pub use waiting_task::WaitingTask;
