//! The port to Step Functions: send an outcome, send a heartbeat.

use std::error::Error;

use crate::{Outcome, TaskToken};

/// What may be said to a waiting task. Its IAM permissions are `states:SendTaskSuccess`,
/// `states:SendTaskFailure` and `states:SendTaskHeartbeat`.
pub trait TaskCallbacks: Send + Sync {
    /// Ends the task with `outcome`, and so resumes its workflow.
    ///
    /// # Errors
    ///
    /// Every variant of [`CallbackError`].
    fn send_outcome(
        &self,
        token: &TaskToken,
        outcome: &Outcome,
    ) -> impl Future<Output = Result<(), CallbackError>> + Send;

    /// Tells the workflow that the work goes on. It resets the clock of `HeartbeatSeconds`, never that of
    /// `TimeoutSeconds`.
    ///
    /// # Errors
    ///
    /// [`CallbackError::TaskClosed`] when nobody waits any more, so that the worker can stop; else every variant
    /// but [`CallbackError::InvalidOutput`].
    fn send_heartbeat(&self, token: &TaskToken) -> impl Future<Output = Result<(), CallbackError>> + Send;
}

/// Error from Step Functions about an outcome or a heartbeat. No variant's text holds a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// The task has ended: it timed out, its execution stopped, or an outcome was delivered before. Step Functions
    /// does not say which. Do not retry.
    #[error("the task has closed")]
    TaskClosed {
        /// Whether an earlier attempt of this same call may have closed it.
        attempt: Attempt,
    },
    /// Step Functions never made this token. Do not retry.
    #[error("Step Functions does not know the task token")]
    InvalidToken,
    /// Step Functions cannot read the output. Do not retry.
    #[error("Step Functions refused the output")]
    InvalidOutput,
    /// Step Functions, its KMS key or the network is busy or broken; the outcome may or may not have arrived. Retry
    /// later, with backoff.
    #[error("Step Functions is unavailable")]
    Unavailable {
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Step Functions refuses and will refuse again until somebody repairs permissions or a KMS key. Keep the
    /// outcome and alarm.
    #[error("Step Functions refused the request")]
    Rejected {
        /// What was refused.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl<C: TaskCallbacks> TaskCallbacks for &C {
    async fn send_outcome(&self, token: &TaskToken, outcome: &Outcome) -> Result<(), CallbackError> {
        (**self).send_outcome(token, outcome).await
    }

    async fn send_heartbeat(&self, token: &TaskToken) -> Result<(), CallbackError> {
        (**self).send_heartbeat(token).await
    }
}

/// Whether an outcome is sent for the first time.
///
/// It decides what a closed task means. At the first attempt the task was gone before the outcome came, so the
/// outcome was not used. At a repeat an earlier attempt may have delivered it, so nobody can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// Nothing was sent before.
    First,
    /// Something was, or may have been, sent before.
    Repeat,
}
