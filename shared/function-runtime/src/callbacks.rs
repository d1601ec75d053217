//! The rendezvous as the functions use it: each call writes one log line and its metrics.
//!
//! The metrics count calls, by kind of callback key: `Delivered` with `CallbackWaitMs`, `Parked`, `Duplicate`, `Conflict`,
//! `Late`, `Unconfirmed`, `Refused`, and `Superseded`: a task that waits for an outcome which goes to another execution.

use aws_config::SdkConfig;
use http::StatusCode;
use token_store::{
    CallbackKey, Completion, Delivery, DynamoDbTokenStore, Outcome, Registration, Rendezvous,
    RendezvousError, StepFunctionsTaskCallbacks, TaskCallbacks, TokenStore, WaitingTask,
    callbacks::CallbackError, key::InvalidCallbackKey,
};
use tracing::{error, info, warn};

use crate::{
    environment::{EnvironmentError, required},
    metrics::{self, Unit, publish},
};

/// The kinds of callback keys: one for each thing that a workflow waits for. The reconciler looks after all of them.
pub mod kinds {
    /// A valuation, by its reference.
    pub const VALUATION: &str = "valuation";
    /// A job, by the id of its run.
    pub const JOB: &str = "job";
    /// What a customer orders, by the order's id.
    pub const ORDER_SUBMISSION: &str = "order-submission";
    /// That a barista has made an order, by the order's id.
    pub const ORDER_COMPLETION: &str = "order-completion";
    /// The chunks of a document, by the name of the split.
    pub const DOCUMENT: &str = "document";

    /// All of them.
    pub const ALL: [&str; 5] = [VALUATION, JOB, ORDER_SUBMISSION, ORDER_COMPLETION, DOCUMENT];
}

/// Error from [`register`].
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Terminal: nobody looks after keys of this kind.
    #[error("the kind of the callback key is not one of this stack")]
    Kind,
    /// Terminal.
    #[error("the id cannot be a callback key")]
    Key(#[from] InvalidCallbackKey),
    /// Terminal: no outcome would reach the task.
    #[error("another task waits under the callback key")]
    Occupied,
    /// Retryable, unless a permission, a token or a time is wrong.
    #[error("the task token could not be registered")]
    Rendezvous(#[from] RendezvousError),
}

impl RegistrationError {
    /// Whether the same registration may succeed later. Functions name the error by it, `RegistrationUnavailable` or
    /// `RegistrationRefused`, each in its own code: `cargo xtask check` compares the names there with the state machines.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Rendezvous(error) if error.is_retryable())
    }
}

/// The rendezvous of this stack, in the table `TASK_TOKENS_TABLE`; its metrics name the stack, `STACK_NAME`. Call it once,
/// at init.
///
/// # Errors
///
/// When one of the two environment variables is missing.
pub fn rendezvous(
    sdk: &SdkConfig,
) -> Result<Rendezvous<DynamoDbTokenStore, StepFunctionsTaskCallbacks>, EnvironmentError> {
    let table: String = required("TASK_TOKENS_TABLE")?;
    metrics::name_stack(required("STACK_NAME")?);
    Ok(Rendezvous::new(
        DynamoDbTokenStore::new(aws_sdk_dynamodb::Client::new(sdk), table),
        StepFunctionsTaskCallbacks::new(aws_sdk_sfn::Client::new(sdk)),
    ))
}

/// Registers the task under `kind` and `id`, and delivers an outcome that came before. The same task again registers it
/// once.
///
/// # Errors
///
/// Every variant of [`RegistrationError`].
pub async fn register(
    rendezvous: &Rendezvous<impl TokenStore, impl TaskCallbacks>,
    kind: &str,
    id: &str,
    task: WaitingTask,
) -> Result<Registration, RegistrationError> {
    if !kinds::ALL.contains(&kind) {
        return Err(RegistrationError::Kind);
    }
    let key = CallbackKey::new(kind, id)?;
    let (callback_key, execution) = (key.as_str(), task.execution.clone());
    let registration = rendezvous.register(&key, task).await?;
    match &registration {
        Registration::Displaced { execution: displaced } => {
            warn!(callback_key, execution, displaced, "wait registered instead of another execution's");
            count(&key, "Superseded");
        }
        Registration::Occupied => {
            warn!(callback_key, execution, "wait not registered: another task has the key");
            count(&key, "Superseded");
            return Err(RegistrationError::Occupied);
        }
        Registration::Completed(delivery) => {
            info!(callback_key, execution, delivery = delivery.as_str(), "wait registered");
            redelivered(&key, *delivery);
        }
        // The reconciler counts what waits and what is undelivered.
        registration => info!(callback_key, execution, ?registration, "wait registered"),
    }
    Ok(registration)
}

/// Records `outcome` under `key` and delivers it if a task waits.
///
/// An outcome for a token that Step Functions never made is [`Completion::Late`], everywhere: nobody can wait with such a
/// token, and the outcome is kept for a newer wait.
///
/// # Errors
///
/// As [`Rendezvous::complete`].
pub async fn complete(
    rendezvous: &Rendezvous<impl TokenStore, impl TaskCallbacks>,
    key: &CallbackKey,
    outcome: Outcome,
) -> Result<Completion, RendezvousError> {
    let completion = match rendezvous.complete(key, outcome).await {
        Err(RendezvousError::Callback(CallbackError::InvalidToken)) => {
            error!(callback_key = key.as_str(), "the registered task token was never valid");
            Completion::Late
        }
        completion => completion?,
    };
    info!(callback_key = key.as_str(), ?completion, "callback completed");
    completed(key, completion);
    Ok(completion)
}

/// Counts what became of an outcome.
pub fn completed(key: &CallbackKey, completion: Completion) {
    publish(key.kind(), &of_completion(completion));
}

/// Counts how the delivery of an outcome ended that had come before.
pub fn redelivered(key: &CallbackKey, delivery: Delivery) {
    count(key, metric(delivery.as_str()));
}

/// What the caller of an HTTP interface is told of its outcome: the status code, one word for programs, a sentence for
/// people.
#[must_use]
pub fn http_answer(completion: Completion) -> (StatusCode, &'static str, &'static str) {
    let (code, message) = match completion {
        Completion::Delivered { .. } => (StatusCode::OK, "the workflow continues"),
        Completion::Duplicate => (StatusCode::OK, "the same outcome was delivered before"),
        Completion::Unconfirmed => (StatusCode::OK, "the outcome is recorded and was probably delivered"),
        Completion::Conflict => (StatusCode::CONFLICT, "another outcome is recorded"),
        Completion::Late => {
            (StatusCode::GONE, "the workflow has stopped waiting; the outcome is kept in case it waits again")
        }
        Completion::Refused => (StatusCode::UNPROCESSABLE_ENTITY, "Step Functions refuses the outcome"),
        _ => (
            StatusCode::ACCEPTED,
            "no workflow waits for this yet; the outcome is kept and will be delivered",
        ),
    };
    (code, completion.as_str(), message)
}

fn of_completion(completion: Completion) -> Vec<(&'static str, Unit, u64)> {
    let mut metrics = vec![(metric(completion.as_str()), Unit::Count, 1)];
    if let Completion::Delivered { waited } = completion {
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        metrics.push(("CallbackWaitMs", Unit::Milliseconds, waited_ms));
    }
    metrics
}

fn count(key: &CallbackKey, name: &'static str) {
    publish(key.kind(), &[(name, Unit::Count, 1)]);
}

/// The metric that counts what this word says.
fn metric(word: &'static str) -> &'static str {
    match word {
        "delivered" => "Delivered",
        "parked" => "Parked",
        "duplicate" => "Duplicate",
        "conflict" => "Conflict",
        "late" => "Late",
        "refused" => "Refused",
        _ => "Unconfirmed",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use token_store::{
        TaskToken,
        testing::{MemoryTokenStore, RecordingTaskCallbacks, waiting_task},
    };

    use super::*;

    const ALL: [Completion; 7] = [
        Completion::Delivered { waited: Duration::from_millis(6_021) },
        Completion::Parked,
        Completion::Duplicate,
        Completion::Conflict,
        Completion::Late,
        Completion::Unconfirmed,
        Completion::Refused,
    ];

    fn rendezvous() -> Rendezvous<MemoryTokenStore, RecordingTaskCallbacks> {
        Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default())
    }

    fn task(token: &str) -> WaitingTask {
        waiting_task(TaskToken::new(token).unwrap())
    }

    fn outcome() -> Outcome {
        Outcome::success("1").unwrap()
    }

    #[test]
    fn every_end_counts_once_under_its_name_and_a_delivery_tells_how_long_the_task_had_waited() {
        let names = ALL.map(|completion| of_completion(completion)[0].0);

        assert_eq!(names, ["Delivered", "Parked", "Duplicate", "Conflict", "Late", "Unconfirmed", "Refused"]);
        assert_eq!(of_completion(ALL[0])[1..], [("CallbackWaitMs", Unit::Milliseconds, 6_021)]);
        assert_eq!(of_completion(ALL[1]).len(), 1);
    }

    #[test]
    fn every_end_has_its_http_answer() {
        let answers = ALL.map(|completion| (http_answer(completion).0.as_u16(), http_answer(completion).1));

        assert_eq!(
            answers,
            [
                (200, "delivered"),
                (202, "parked"),
                (200, "duplicate"),
                (409, "conflict"),
                (410, "late"),
                (200, "unconfirmed"),
                (422, "refused"),
            ]
        );
    }

    /// A workflow that names another kind would be refused, and one of these that no code or workflow uses would be looked
    /// after for nothing.
    #[test]
    fn the_workflows_name_these_kinds_and_no_others() {
        let machines = [
            include_str!("../../../statemachines/call-job.asl.json"),
            include_str!("../../../statemachines/document-processor.asl.json"),
        ];

        let named = machines.map(|machine| {
            let machine = machine.replace('\'', "\"");
            let (_, kind) = machine.split_once("\"kind\": \"").unwrap();
            kind.split('"').next().unwrap().to_owned()
        });

        assert_eq!(named, [kinds::JOB, kinds::DOCUMENT]);
    }

    #[tokio::test]
    async fn an_outcome_for_a_token_that_was_never_valid_is_late() {
        let rendezvous = rendezvous();
        let key = CallbackKey::new(kinds::JOB, "17").unwrap();
        register(&rendezvous, kinds::JOB, "17", task("garbage")).await.unwrap();
        rendezvous.callbacks.fail_next(CallbackError::InvalidToken);

        assert_eq!(complete(&rendezvous, &key, outcome()).await.unwrap(), Completion::Late);
    }

    #[tokio::test]
    async fn a_throttled_delivery_does_not_fail_the_registration() {
        let rendezvous = rendezvous();
        let key = CallbackKey::new(kinds::JOB, "17").unwrap();
        complete(&rendezvous, &key, outcome()).await.unwrap();
        rendezvous.callbacks.fail_next(CallbackError::Unavailable { source: "throttled".into() });

        let registration = register(&rendezvous, kinds::JOB, "17", task("token")).await.unwrap();

        assert_eq!(registration, Registration::Undelivered);
        assert_eq!(rendezvous.redeliver(&key).await.unwrap(), Some(Delivery::Delivered));
    }

    #[tokio::test]
    async fn a_task_that_no_outcome_would_reach_fails() {
        let rendezvous = rendezvous();
        register(&rendezvous, kinds::JOB, "17", task("token")).await.unwrap();

        let occupied = register(&rendezvous, kinds::JOB, "17", task("another token")).await.unwrap_err();
        let unknown = register(&rendezvous, "jobs", "17", task("token")).await.unwrap_err();

        assert!(matches!(occupied, RegistrationError::Occupied));
        assert!(matches!(unknown, RegistrationError::Kind));
        assert!(!occupied.is_retryable() && !unknown.is_retryable());
    }
}
