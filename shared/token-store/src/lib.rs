//! Where a Step Functions task token and the outcome it waits for meet, whichever comes first.

#[cfg(feature = "aws")]
mod aws;
mod callbacks;
mod item;
mod key;
mod memory;
mod outcome;
pub mod protocol;
mod recording;
mod rendezvous;
mod store;
mod token;
mod update;
mod wait;
mod waiting_task;

#[cfg(feature = "aws")]
pub use aws::{AwsFailure, StepFunctionsTaskCallbacks};
pub use callbacks::{Attempt, CallbackError, TaskCallbacks};
pub use item::{Completed, Delivery, Item, Pair, RETENTION, Recorded, Registered};
pub use key::{CallbackKey, InvalidCallbackKey};
pub use memory::MemoryTokenStore;
pub use outcome::{Failure, Outcome, OutcomeError, Output};
pub use protocol::{Completion, Registration};
pub use recording::RecordingTaskCallbacks;
pub use rendezvous::{Heartbeat, RendezvousError, complete, heartbeat, redeliver, register};
pub use store::{
    Pending, PendingCursor, PendingPage, PendingQuery, PendingState, StoreError, TokenStore, Written,
};
pub use token::{InvalidTaskToken, TaskToken};
pub use update::{Change, Predicate, Update, Write};
pub use wait::{InvalidWait, Wait, WaitStarted};
pub use waiting_task::WaitingTask;
