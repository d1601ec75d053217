//! Registers a wait.
//!
//! A job's id is known only when the job has been started, so its end may be reported before the wait is registered.
//! The report is then parked under the callback key, and the registration delivers it.

use std::time::SystemTime;

use function_runtime::{NamedError, callbacks};
use serde::{Deserialize, Serialize};
use token_store::{
    CallbackKey, InvalidCallbackKey, InvalidWait, Registration, RendezvousError, TaskCallbacks, TokenStore,
    WaitingTask, register,
};
use tracing::info;

/// What the registrar works with.
pub(crate) struct Registrar<S, C> {
    pub(crate) store: S,
    pub(crate) callbacks: C,
}

/// What the workflow hands over: the two parts of the callback key, beside the fields of the waiting task.
#[derive(Debug, Deserialize)]
pub(crate) struct RegistrationRequest {
    /// What is waited for, for example `job`.
    kind: String,
    /// Which one: the id that the end of the job will be reported with.
    id: String,
    #[serde(flatten)]
    task: WaitingTask,
}

/// What became of the registration: `{"registration": "Waiting"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "registration")]
pub(crate) enum Answer {
    /// The wait is registered and goes on.
    Waiting,
    /// The outcome was there already.
    Completed,
    /// A newer wait has the key; nothing was written.
    Superseded,
}

/// Why the wait is not registered, or its outcome not delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// Terminal: the kind or the id cannot be a callback key.
    #[error("the kind and the id cannot be a callback key")]
    Key(#[from] InvalidCallbackKey),
    /// Terminal: the context of the waiting state is not what Step Functions writes.
    #[error("the workflow does not say when its wait began")]
    Wait(#[from] InvalidWait),
    /// Retryable, unless a permission or a token is wrong.
    #[error("the task token could not be registered")]
    Rendezvous(#[from] RendezvousError),
}

impl NamedError for RegistrationError {
    fn name(&self) -> &'static str {
        match self {
            Self::Rendezvous(error) if error.is_retryable() => "RegistrationUnavailable",
            Self::Rendezvous(_) | Self::Key(_) | Self::Wait(_) => "RegistrationRefused",
        }
    }
}

/// Registers the wait. The same request again registers it once.
///
/// # Errors
///
/// Every variant of [`RegistrationError`]; `RegistrationUnavailable` is worth a retry.
pub(crate) async fn handle(
    registrar: &Registrar<impl TokenStore, impl TaskCallbacks>,
    request: RegistrationRequest,
    now: SystemTime,
) -> Result<Answer, RegistrationError> {
    let key = CallbackKey::new(&request.kind, &request.id)?;
    let (token, wait) = request.task.begun(now)?;
    let execution = wait.execution.clone();

    let registration = register(&registrar.store, &registrar.callbacks, &key, token, wait, now).await?;
    info!(callback_key = key.as_str(), execution, ?registration, "wait registered");
    callbacks::registered(&key, registration);
    Ok(match registration {
        Registration::Waiting => Answer::Waiting,
        Registration::Completed(_) => Answer::Completed,
        Registration::Superseded => Answer::Superseded,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};
    use token_store::{
        CallbackError, MemoryTokenStore, Outcome, RecordingTaskCallbacks, TaskToken, complete,
    };

    use super::*;

    const RUN: &str = "2c07e424-21e4-4ee3-b70f-4fb55b2ecf79";

    type TestRegistrar = Registrar<MemoryTokenStore, RecordingTaskCallbacks>;

    fn registrar() -> TestRegistrar {
        Registrar { store: MemoryTokenStore::default(), callbacks: RecordingTaskCallbacks::default() }
    }

    fn sample() -> Value {
        serde_json::from_str(include_str!("../../../events/task-token-registrar/job.json")).unwrap()
    }

    /// The sample with another value in one field.
    fn with(field: &str, value: impl Into<Value>) -> RegistrationRequest {
        let mut request = sample();
        request[field] = value.into();
        serde_json::from_value(request).unwrap()
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn key() -> CallbackKey {
        CallbackKey::new("job", RUN).unwrap()
    }

    #[tokio::test]
    async fn the_wait_is_registered_under_kind_and_id() {
        let registrar = registrar();

        let answer = handle(&registrar, with("taskToken", "token"), now()).await.unwrap();

        assert_eq!(serde_json::to_value(answer).unwrap(), json!({ "registration": "Waiting" }));
        let registered = registrar.store.get(&key()).await.unwrap().unwrap().registered.unwrap();
        assert_eq!(registered.token, TaskToken::new("token").unwrap());
        assert_eq!(registered.wait.deadline, now() + Duration::from_secs(3_600));
        assert_eq!(registered.wait.execution, sample()["execution"].as_str().unwrap());
    }

    #[tokio::test]
    async fn an_outcome_that_came_before_is_delivered() {
        let registrar = registrar();
        let ended = Outcome::success("{}").unwrap();
        complete(&registrar.store, &registrar.callbacks, &key(), ended.clone(), now()).await.unwrap();

        let answer = handle(&registrar, with("taskToken", "token"), now()).await.unwrap();

        assert_eq!(answer, Answer::Completed);
        assert_eq!(registrar.callbacks.sent(), [(TaskToken::new("token").unwrap(), ended)]);
    }

    #[tokio::test]
    async fn the_same_request_again_registers_once_and_an_older_wait_changes_nothing() {
        let registrar = registrar();

        let answers = [
            handle(&registrar, with("retryCount", 1), now()).await.unwrap(),
            handle(&registrar, with("retryCount", 1), now()).await.unwrap(),
            handle(&registrar, with("retryCount", 0), now()).await.unwrap(),
        ];

        assert_eq!(answers, [Answer::Waiting, Answer::Waiting, Answer::Superseded]);
    }

    #[tokio::test]
    async fn a_wait_of_a_redriven_execution_is_newer() {
        let registrar = registrar();
        handle(&registrar, with("retryCount", 1), now()).await.unwrap();

        let redriven = handle(&registrar, with("redriveCount", 1), now()).await.unwrap();

        assert_eq!(redriven, Answer::Waiting);
    }

    #[tokio::test]
    async fn errors_have_the_names_that_the_workflow_matches() {
        let wrong_kind = handle(&registrar(), with("kind", "Job"), now()).await.unwrap_err();
        let no_id = handle(&registrar(), with("id", ""), now()).await.unwrap_err();
        let never = handle(&registrar(), with("enteredTime", "yesterday"), now()).await.unwrap_err();

        assert_eq!(wrong_kind.name(), "RegistrationRefused");
        assert_eq!(no_id.name(), "RegistrationRefused");
        assert_eq!(never.name(), "RegistrationRefused");

        let busy = registrar();
        let ended = Outcome::success("{}").unwrap();
        complete(&busy.store, &busy.callbacks, &key(), ended, now()).await.unwrap();
        busy.callbacks.fail_next(CallbackError::Unavailable { source: "throttled".into() });
        let unavailable = handle(&busy, with("retryCount", 0), now()).await.unwrap_err();
        busy.callbacks.fail_next(CallbackError::Rejected { source: "access denied".into() });
        let rejected = handle(&busy, with("retryCount", 0), now()).await.unwrap_err();

        assert_eq!(unavailable.name(), "RegistrationUnavailable");
        assert_eq!(rejected.name(), "RegistrationRefused");
    }
}
