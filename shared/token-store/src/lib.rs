//! Where a Step Functions task token and the outcome it waits for meet, whichever comes first.

#[cfg(feature = "aws")]
mod aws;
mod callbacks;
mod outcome;
mod recording;
mod token;

#[cfg(feature = "aws")]
pub use aws::{AwsFailure, StepFunctionsTaskCallbacks};
pub use callbacks::{Attempt, CallbackError, TaskCallbacks};
pub use outcome::{Failure, Outcome, OutcomeError, Output};
pub use recording::RecordingTaskCallbacks;
pub use token::{InvalidTaskToken, TaskToken};
