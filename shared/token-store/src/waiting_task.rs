//! What a workflow hands to the function that registers its wait.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::{
    TaskToken,
    wait::{InvalidWait, LONGEST_WAIT_SECONDS, LateOutcomes, Wait, WaitStarted},
};

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
///
/// Each name may begin with a capital instead: `TaskToken`. Other fields beside these are ignored, so the rest of an
/// event can be read by `#[serde(flatten)]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingTask {
    /// The token that resumes the task.
    #[serde(alias = "TaskToken")]
    pub task_token: TaskToken,
    /// The execution that waits: its ARN.
    #[serde(alias = "Execution")]
    pub execution: String,
    /// When its state was entered.
    #[serde(alias = "EnteredTime")]
    pub entered_time: String,
    /// How often the execution was redriven.
    #[serde(alias = "RedriveCount")]
    pub redrive_count: u32,
    /// How often the state was retried.
    #[serde(alias = "RetryCount")]
    pub retry_count: u32,
    /// How long Step Functions waits, in seconds.
    #[serde(alias = "TimeoutSeconds")]
    pub timeout_seconds: u64,
    /// Which late outcomes the task takes: `"ofThisExecution"`, as without the field, or `"ofAnyExecution"`.
    #[serde(default, alias = "LateOutcomes")]
    pub late_outcomes: LateOutcomes,
}

impl WaitingTask {
    /// The token and the wait, which began before `now` and ends at most its timeout after `now`.
    ///
    /// # Errors
    ///
    /// [`InvalidWait`] when the state's values do not say when it was entered, or when they are out of range.
    pub(crate) fn begun(self, now: SystemTime) -> Result<(TaskToken, Wait), InvalidWait> {
        let started = WaitStarted::new(&self.entered_time, self.redrive_count, self.retry_count)?;
        let started = started.not_after(now)?;
        if self.timeout_seconds > LONGEST_WAIT_SECONDS {
            return Err(InvalidWait::TimeoutSeconds);
        }
        let deadline = now.checked_add(Duration::from_secs(self.timeout_seconds));
        let deadline = deadline.ok_or(InvalidWait::TimeoutSeconds)?;
        Ok((self.task_token, Wait { started, deadline, execution: self.execution }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const TASK: &str = r#"{
        "taskToken": "token",
        "execution": "arn",
        "enteredTime": "2026-03-01T12:00:00.000Z",
        "redriveCount": 1,
        "retryCount": 2,
        "timeoutSeconds": 900
    }"#;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn task(json: &str) -> WaitingTask {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_task_says_which_wait_it_is_and_when_it_ends() {
        let (token, wait) = task(TASK).begun(now()).unwrap();

        assert_eq!(token.expose(), "token");
        assert_eq!(wait.started.as_str(), "2026-03-01T12:00:00.000Z#0001#0002");
        assert_eq!(wait.deadline, now() + Duration::from_secs(900));
        assert_eq!(wait.execution, "arn");
    }

    #[test]
    fn a_task_is_read_with_capitals_too_and_opts_in_to_late_outcomes() {
        let capitals = r#"{
            "TaskToken": "token",
            "Execution": "arn",
            "EnteredTime": "2026-03-01T12:00:00.000Z",
            "RedriveCount": 1,
            "RetryCount": 2,
            "TimeoutSeconds": 900
        }"#;
        let opted_in = TASK.replace("900", r#"900, "lateOutcomes": "ofAnyExecution", "more": []"#);

        assert_eq!(task(capitals), task(TASK));
        assert_eq!(task(TASK).late_outcomes, LateOutcomes::OfThisExecution);
        assert_eq!(task(&opted_in).late_outcomes, LateOutcomes::OfAnyExecution);
    }

    #[test]
    fn a_task_without_its_time_is_refused() {
        let task = task(&TASK.replace("2026-03-01T", ""));

        assert_eq!(task.begun(now()), Err(InvalidWait::EnteredTime));
    }

    #[test]
    fn a_timeout_that_no_clock_reaches_is_an_error_and_no_panic() {
        for seconds in ["100000000", "18446744073709551615"] {
            assert_eq!(task(&TASK.replace("900", seconds)).begun(now()), Err(InvalidWait::TimeoutSeconds));
        }
        assert!(task(&TASK.replace("900", "99999999")).begun(now()).is_ok());
    }

    #[test]
    fn a_task_that_was_entered_far_in_the_future_is_refused() {
        let task = task(&TASK.replace("2026", "2126"));

        assert_eq!(task.begun(now()), Err(InvalidWait::FutureEnteredTime));
    }
}
