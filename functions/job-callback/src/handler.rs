//! Completes the wait for a job.
//!
//! The event may come before the workflow has registered its wait, twice, or for a run that nobody waits for: the
//! rendezvous under the key `job#<id of the run>` takes all of that. An event that fails is tried twice more by the
//! Lambda service and then lies in the dead-letter queue.

use function_runtime::{
    NamedError,
    callbacks::{complete, kinds},
};
use token_store::{
    CallbackKey, Rendezvous, RendezvousError, TaskCallbacks, TokenStore, key::InvalidCallbackKey,
};

use crate::job_event::{EventFields, FieldMissing, JobEnd, JobEvent};

/// What the callback works with.
pub(crate) struct JobCallback<S, C> {
    pub(crate) fields: EventFields,
    pub(crate) rendezvous: Rendezvous<S, C>,
}

/// Why an event did not complete anything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallbackError {
    /// Terminal: the rule lets an event through that is not of the configured service.
    #[error(transparent)]
    Event(#[from] FieldMissing),
    /// Terminal: the id of the run cannot be a callback key.
    #[error("the id of the run cannot be a callback key")]
    RunId(#[from] InvalidCallbackKey),
    /// Retryable, unless a permission or a token is wrong.
    #[error("the end of the job could not be recorded or delivered")]
    Rendezvous(#[from] RendezvousError),
}

impl NamedError for CallbackError {
    fn name(&self) -> &'static str {
        match self {
            Self::Event(_) | Self::RunId(_) => "EventMalformed",
            Self::Rendezvous(error) if error.is_retryable() => "CallbackUnavailable",
            Self::Rendezvous(_) => "CallbackRefused",
        }
    }
}

/// Completes the wait for the job whose end the event tells.
///
/// # Errors
///
/// Every variant of [`CallbackError`].
pub(crate) async fn handle(
    callback: &JobCallback<impl TokenStore, impl TaskCallbacks>,
    event: &JobEvent,
) -> Result<(), CallbackError> {
    let JobEnd { run_id, outcome } = event.end(&callback.fields)?;
    let key = CallbackKey::new(kinds::JOB, &run_id)?;
    complete(&callback.rendezvous, &key, outcome).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use token_store::{
        Outcome, TaskToken,
        callbacks::CallbackError as SendError,
        testing::{MemoryTokenStore, RecordingTaskCallbacks, waiting_task},
    };

    use super::*;

    const SUCCESSFUL: &str = include_str!("../../../events/job-callback/flow-run-successful.json");
    const FAILED: &str = include_str!("../../../events/job-callback/flow-run-failed.json");

    type TestCallback = JobCallback<MemoryTokenStore, RecordingTaskCallbacks>;

    fn callback() -> TestCallback {
        JobCallback {
            fields: EventFields {
                run_id: "execution-id".into(),
                status: "status".into(),
                success: "Execution Successful".into(),
                reason: "error-message".into(),
            },
            rendezvous: Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default()),
        }
    }

    fn key() -> CallbackKey {
        CallbackKey::new("job", "2c07e424-21e4-4ee3-b70f-4fb55b2ecf79").unwrap()
    }

    fn token() -> TaskToken {
        TaskToken::new("token").unwrap()
    }

    async fn begin_to_wait(callback: &TestCallback) {
        callback.rendezvous.register(&key(), waiting_task(token())).await.unwrap();
    }

    async fn receive(callback: &TestCallback, event: &str) -> Result<(), CallbackError> {
        handle(callback, &serde_json::from_str(event).unwrap()).await
    }

    #[tokio::test]
    async fn the_workflow_that_waits_for_the_run_is_resumed_once() {
        let callback = callback();
        begin_to_wait(&callback).await;

        receive(&callback, SUCCESSFUL).await.unwrap();
        receive(&callback, SUCCESSFUL).await.unwrap();

        let sent = callback.rendezvous.callbacks.sent();
        assert!(matches!(&sent[..], [(to, Outcome::Success(_))] if *to == token()));
    }

    #[tokio::test]
    async fn a_failed_run_fails_the_workflow_with_the_reason() {
        let callback = callback();
        begin_to_wait(&callback).await;

        receive(&callback, FAILED).await.unwrap();

        let sent = callback.rendezvous.callbacks.sent();
        let [(_, Outcome::Failure(failure))] = &sent[..] else { panic!("one failure") };
        assert_eq!(failure.error(), "JobFailed");
        assert!(failure.cause().ends_with(": The file input/example.json is not valid JSON"));
    }

    #[tokio::test]
    async fn the_end_of_a_run_that_nobody_waits_for_is_kept() {
        let callback = callback();

        receive(&callback, SUCCESSFUL).await.unwrap();
        begin_to_wait(&callback).await;

        assert_eq!(callback.rendezvous.callbacks.sent().len(), 1);
    }

    #[tokio::test]
    async fn an_event_that_may_succeed_later_fails_so_that_it_is_tried_again() {
        let callback = callback();
        begin_to_wait(&callback).await;

        callback.rendezvous.callbacks.fail_next(SendError::Unavailable { source: "throttled".into() });
        let unavailable = receive(&callback, SUCCESSFUL).await.unwrap_err();
        callback.rendezvous.callbacks.fail_next(SendError::Rejected { source: "access denied".into() });
        let refused = receive(&callback, SUCCESSFUL).await.unwrap_err();
        receive(&callback, SUCCESSFUL).await.unwrap();

        assert_eq!((unavailable.name(), refused.name()), ("CallbackUnavailable", "CallbackRefused"));
        assert_eq!(callback.rendezvous.callbacks.sent().len(), 1);
    }

    #[tokio::test]
    async fn an_event_that_is_not_the_end_of_a_run_is_malformed() {
        let without_run = include_str!("../../../events/job-callback/without-run.json");
        let strange_run = SUCCESSFUL.replace("2c07e424-21e4", r"\u0000");

        let without_run = receive(&callback(), without_run).await.unwrap_err();
        let strange_run = receive(&callback(), &strange_run).await.unwrap_err();

        assert_eq!((without_run.name(), strange_run.name()), ("EventMalformed", "EventMalformed"));
    }
}
