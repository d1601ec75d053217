//! Registers a wait.
//!
//! A job's id is known only when the job has been started, so its end may be reported before the wait is registered.
//! The report is then parked under the callback key, and the registration delivers it.

use function_runtime::{
    NamedError,
    callbacks::{RegistrationError, register},
};
use serde::{Deserialize, Serialize};
use token_store::{Registration, Rendezvous, TaskCallbacks, TokenStore, WaitingTask};

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

/// What became of the registration: `{"registration": "waiting"}`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    registration: &'static str,
}

impl From<Registration> for Answer {
    fn from(registration: Registration) -> Self {
        Self { registration: registration.as_str() }
    }
}

/// Why the wait is not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrarError {
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

impl NamedError for RegistrarError {
    fn name(&self) -> &'static str {
        match self {
            Self::Registration(error) if error.is_retryable() => "RegistrationUnavailable",
            Self::Registration(_) => "RegistrationRefused",
        }
    }
}

/// Registers the wait. The same request again registers it once.
///
/// # Errors
///
/// [`RegistrarError`]; `RegistrationUnavailable` is worth a retry.
pub(crate) async fn handle(
    rendezvous: &Rendezvous<impl TokenStore, impl TaskCallbacks>,
    request: RegistrationRequest,
) -> Result<Answer, RegistrarError> {
    let RegistrationRequest { kind, id, task } = request;
    Ok(register(rendezvous, &kind, &id, task).await?.into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use serde_json::{Value, json};
    use token_store::{
        CallbackKey, Outcome, TaskToken,
        callbacks::CallbackError,
        testing::{MemoryTokenStore, RecordingTaskCallbacks},
    };

    use super::*;

    const RUN: &str = "2c07e424-21e4-4ee3-b70f-4fb55b2ecf79";

    type TestRegistrar = Rendezvous<MemoryTokenStore, RecordingTaskCallbacks>;

    fn registrar() -> TestRegistrar {
        Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default()).with_clock(now)
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

        let answer = handle(&registrar, with("taskToken", "token")).await.unwrap();

        assert_eq!(serde_json::to_value(answer).unwrap(), json!({ "registration": "waiting" }));
        let registered = registrar.store.get(&key()).await.unwrap().unwrap().registered.unwrap();
        assert_eq!(registered.token, TaskToken::new("token").unwrap());
        assert_eq!(registered.wait.deadline, now() + Duration::from_secs(3_600));
        assert_eq!(registered.wait.execution, sample()["execution"].as_str().unwrap());
    }

    #[tokio::test]
    async fn an_outcome_that_came_before_is_delivered() {
        let registrar = registrar();
        let ended = Outcome::success("{}").unwrap();
        registrar.complete(&key(), ended.clone()).await.unwrap();

        let answer = handle(&registrar, with("taskToken", "token")).await.unwrap();

        assert_eq!(answer.registration, "completed");
        assert_eq!(registrar.callbacks.sent(), [(TaskToken::new("token").unwrap(), ended)]);
    }

    #[tokio::test]
    async fn the_same_request_again_registers_once_and_an_older_wait_changes_nothing() {
        let registrar = registrar();
        let request = |retry: u32| {
            let mut request = sample();
            request["retryCount"] = retry.into();
            request["taskToken"] = format!("token {retry}").into();
            serde_json::from_value(request).unwrap()
        };

        let answers = [
            handle(&registrar, request(1)).await.unwrap().registration,
            handle(&registrar, request(1)).await.unwrap().registration,
            handle(&registrar, request(0)).await.unwrap().registration,
        ];

        assert_eq!(answers, ["waiting", "waiting", "superseded"]);
    }

    #[tokio::test]
    async fn a_wait_of_a_redriven_execution_is_newer() {
        let registrar = registrar();
        handle(&registrar, with("taskToken", "first")).await.unwrap();

        let redriven = handle(&registrar, with("redriveCount", 1)).await.unwrap();

        assert_eq!(redriven.registration, "waiting");
        let registered = registrar.store.get(&key()).await.unwrap().unwrap().registered.unwrap();
        assert_ne!(registered.token, TaskToken::new("first").unwrap());
    }

    #[tokio::test]
    async fn an_outcome_that_cannot_be_sent_now_does_not_fail_the_workflow() {
        let registrar = registrar();
        let ended = Outcome::success("{}").unwrap();
        registrar.complete(&key(), ended.clone()).await.unwrap();
        registrar.callbacks.fail_next(CallbackError::Rejected { source: "access denied".into() });

        let answer = handle(&registrar, with("taskToken", "token")).await.unwrap();
        registrar.redeliver(&key()).await.unwrap();

        assert_eq!(answer.registration, "undelivered");
        assert_eq!(registrar.callbacks.sent(), [(TaskToken::new("token").unwrap(), ended)]);
    }

    #[tokio::test]
    async fn errors_have_the_names_that_the_workflow_matches() {
        let wrong_kind = handle(&registrar(), with("kind", "Job")).await.unwrap_err();
        let no_id = handle(&registrar(), with("id", "")).await.unwrap_err();
        let never = handle(&registrar(), with("enteredTime", "yesterday")).await.unwrap_err();

        assert_eq!(wrong_kind.name(), "RegistrationRefused");
        assert_eq!(no_id.name(), "RegistrationRefused");
        assert_eq!(never.name(), "RegistrationRefused");
    }
}
