//! A stand-in for Step Functions in tests and examples.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    Outcome, TaskCallbacks, TaskToken,
    callbacks::{Attempt, CallbackError},
};

/// Records what is sent and answers as Step Functions does: a token takes one outcome, after that its task is closed.
///
/// ```
/// use token_store::{Outcome, TaskCallbacks, TaskToken, callbacks::CallbackError, testing::RecordingTaskCallbacks};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let callbacks = RecordingTaskCallbacks::default();
/// let token = TaskToken::new("token")?;
/// let outcome = Outcome::success("1")?;
///
/// callbacks.send_outcome(&token, &outcome).await?;
/// let again = callbacks.send_outcome(&token, &outcome).await;
///
/// assert_eq!(callbacks.sent(), [(token, outcome)]);
/// assert!(matches!(again, Err(CallbackError::TaskClosed { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct RecordingTaskCallbacks {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sent: Vec<(TaskToken, Outcome)>,
    heartbeats: Vec<TaskToken>,
    closed: HashSet<TaskToken>,
    failures: VecDeque<CallbackError>,
}

impl RecordingTaskCallbacks {
    /// The outcomes that were taken, in order. Refused ones are not among them.
    #[must_use]
    pub fn sent(&self) -> Vec<(TaskToken, Outcome)> {
        self.state().sent.clone()
    }

    /// The tokens of the heartbeats that were taken, in order.
    #[must_use]
    pub fn heartbeats(&self) -> Vec<TaskToken> {
        self.state().heartbeats.clone()
    }

    /// Closes the task, as its timeout or the end of its execution does.
    pub fn close(&self, token: &TaskToken) {
        self.state().closed.insert(token.clone());
    }

    /// Lets the next call that is not failed yet fail with `error`; several queue up.
    pub fn fail_next(&self, error: CallbackError) {
        self.state().failures.push_back(error);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, token: &TaskToken) -> Result<(), CallbackError> {
        if let Some(failure) = self.failures.pop_front() {
            return Err(failure);
        }
        if self.closed.contains(token) {
            return Err(CallbackError::TaskClosed { attempt: Attempt::First });
        }
        Ok(())
    }
}

impl TaskCallbacks for RecordingTaskCallbacks {
    async fn send_outcome(&self, token: &TaskToken, outcome: &Outcome) -> Result<(), CallbackError> {
        let mut state = self.state();
        state.answer(token)?;
        state.sent.push((token.clone(), outcome.clone()));
        state.closed.insert(token.clone());
        Ok(())
    }

    async fn send_heartbeat(&self, token: &TaskToken) -> Result<(), CallbackError> {
        let mut state = self.state();
        state.answer(token)?;
        state.heartbeats.push(token.clone());
        Ok(())
    }
}
