//! What a workflow hands to the function that registers its wait.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::{InvalidWait, TaskToken, Wait, WaitStarted};

/// A task that waits, as a state of Amazon States Language describes itself from its context object:
///
/// ```json
/// {
///   "taskToken": "{% $states.context.Task.Token %}",
///   "execution": "{% $states.context.Execution.Id %}",
///   "enteredTime": "{% $states.context.State.EnteredTime %}",
///   "redriveCount": "{% $states.context.Execution.RedriveCount %}",
///   "retryCount": "{% $states.context.State.RetryCount %}",
///   "timeoutSeconds": "{% 900 %}"
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingTask {
    /// The token that resumes the task.
    pub task_token: TaskToken,
    /// The execution that waits: its ARN.
    pub execution: String,
    /// When its state was entered.
    pub entered_time: String,
    /// How often the execution was redriven.
    pub redrive_count: u32,
    /// How often the state was retried.
    pub retry_count: u32,
    /// How long Step Functions waits, in seconds.
    pub timeout_seconds: u64,
}

impl WaitingTask {
    /// The token and the wait, which began about `now`.
    ///
    /// # Errors
    ///
    /// [`InvalidWait`] when the state's values do not say when it was entered.
    pub fn begun(self, now: SystemTime) -> Result<(TaskToken, Wait), InvalidWait> {
        let started = WaitStarted::new(&self.entered_time, self.redrive_count, self.retry_count)?;
        let deadline = now + Duration::from_secs(self.timeout_seconds);
        Ok((self.task_token, Wait { started, deadline, execution: self.execution }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = r#"{
        "taskToken": "token",
        "execution": "arn",
        "enteredTime": "2026-03-01T12:00:00.000Z",
        "redriveCount": 1,
        "retryCount": 2,
        "timeoutSeconds": 900
    }"#;

    #[test]
    fn a_task_says_which_wait_it_is_and_when_it_ends() {
        let task: WaitingTask = serde_json::from_str(TASK).unwrap();

        let (token, wait) = task.begun(SystemTime::UNIX_EPOCH).unwrap();

        assert_eq!(token.expose(), "token");
        assert_eq!(wait.started.as_str(), "2026-03-01T12:00:00.000Z#0001#0002");
        assert_eq!(wait.deadline, SystemTime::UNIX_EPOCH + Duration::from_secs(900));
        assert_eq!(wait.execution, "arn");
    }

    #[test]
    fn a_task_without_its_time_is_refused() {
        let task: WaitingTask = serde_json::from_str(&TASK.replace("2026-03-01T", "")).unwrap();

        assert_eq!(task.begun(SystemTime::UNIX_EPOCH), Err(InvalidWait::EnteredTime));
    }
}
