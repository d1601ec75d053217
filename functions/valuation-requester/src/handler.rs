//! Asks for a valuation and registers the wait under its reference.
//!
//! The service is asked first, because only it knows the reference. Its callback may come before the answer is read, or
//! before the wait is registered: it is parked under the reference and delivered by the registration.

use function_runtime::{
    NamedError,
    callbacks::{RegistrationError, kinds, register},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use token_store::{Registration, Rendezvous, TaskCallbacks, TokenStore, WaitingTask};

use crate::service::{ServiceError, ValuationService};

/// What the requester works with.
pub(crate) struct Requester<V, S, C> {
    pub(crate) service: V,
    pub(crate) rendezvous: Rendezvous<S, C>,
}

/// What the workflow hands over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValuationRequest {
    wait: WaitingTask,
    loan_application: LoanApplication,
}

#[derive(Debug, Deserialize)]
struct LoanApplication {
    property: Value,
}

/// What was done, for the log of the execution.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Requested {
    valuation_reference: String,
    /// Whether the valuation was there before the wait.
    early: bool,
}

/// Why the wait could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

impl NamedError for RequestError {
    fn name(&self) -> &'static str {
        match self {
            Self::Service(ServiceError::Unavailable(_)) => "ValuationServiceUnavailable",
            Self::Service(ServiceError::Refused(_)) => "ValuationRefused",
            Self::Service(ServiceError::NoReference(_)) | Self::Registration(RegistrationError::Key(_)) => {
                "ValuationReferenceMissing"
            }
            Self::Registration(error) if error.is_retryable() => "RegistrationUnavailable",
            Self::Registration(_) => "RegistrationRefused",
        }
    }
}

/// Asks for a valuation and registers the task token under its reference.
///
/// Asked again for the same execution, by a retry or a redrive, the service gives the same reference: the newer wait
/// takes over from the older one, and finds a valuation that came too late for it.
///
/// # Errors
///
/// Every variant of [`RequestError`]; `…Unavailable` is worth a retry.
pub(crate) async fn handle(
    requester: &Requester<impl ValuationService, impl TokenStore, impl TaskCallbacks>,
    request: ValuationRequest,
) -> Result<Requested, RequestError> {
    let ValuationRequest { wait, loan_application } = request;
    let reference = requester.service.request(&loan_application.property, &wait.execution).await?;
    let registration = register(&requester.rendezvous, kinds::VALUATION, &reference, wait).await?;
    let early = matches!(registration, Registration::Completed(_) | Registration::Undelivered);
    Ok(Requested { valuation_reference: reference, early })
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Mutex,
        time::{Duration, SystemTime, UNIX_EPOCH},
    };

    use serde_json::json;
    use token_store::{
        CallbackKey, Outcome, TaskToken,
        callbacks::CallbackError,
        testing::{MemoryTokenStore, RecordingTaskCallbacks},
    };

    use super::*;

    /// Gives one reference for each idempotency key.
    #[derive(Default)]
    struct Valuer {
        asked: Mutex<Vec<(Value, String)>>,
        refuses: bool,
    }

    impl ValuationService for Valuer {
        async fn request(&self, property: &Value, idempotency_key: &str) -> Result<String, ServiceError> {
            if self.refuses {
                return Err(ServiceError::Refused(reqwest::StatusCode::UNPROCESSABLE_ENTITY));
            }
            self.asked.lock().unwrap().push((property.clone(), idempotency_key.to_owned()));
            Ok(format!("VAL-{}", idempotency_key.rsplit(':').next().unwrap()))
        }
    }

    type TestRequester = Requester<Valuer, MemoryTokenStore, RecordingTaskCallbacks>;

    fn requester() -> TestRequester {
        Requester {
            service: Valuer::default(),
            rendezvous: Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default())
                .with_clock(now),
        }
    }

    fn sample() -> Value {
        serde_json::from_str(include_str!("../../../events/valuation-requester/request.json")).unwrap()
    }

    /// The same application after `retries` retries, with the token that Step Functions then hands out.
    fn retried(retries: u32) -> ValuationRequest {
        let mut request = sample();
        request["wait"]["retryCount"] = retries.into();
        request["wait"]["taskToken"] = format!("token {retries}").into();
        serde_json::from_value(request).unwrap()
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn key() -> CallbackKey {
        CallbackKey::new("valuation", "VAL-loan-17").unwrap()
    }

    #[tokio::test]
    async fn the_wait_is_registered_under_the_reference_of_the_service() {
        let requester = requester();

        let requested = handle(&requester, retried(0)).await.unwrap();

        assert_eq!(requested, Requested { valuation_reference: "VAL-loan-17".into(), early: false });
        let asked = requester.service.asked.lock().unwrap().clone();
        let property = json!({ "nameOrNumber": "999", "postcode": "PO1 1CE" });
        assert_eq!(asked[0].0, property);
        assert!(asked[0].1.ends_with(":loan-17"), "{}", asked[0].1);
        let item = requester.rendezvous.store.get(&key()).await.unwrap().unwrap();
        let registered = item.registered.unwrap();
        assert_eq!(registered.token, TaskToken::new("token 0").unwrap());
        assert_eq!(registered.wait.deadline, now() + Duration::from_secs(86_400));
    }

    #[tokio::test]
    async fn an_early_valuation_is_delivered_by_the_registration() {
        let requester = requester();
        let valued = Outcome::success("{}").unwrap();
        requester.rendezvous.complete(&key(), valued.clone()).await.unwrap();

        let requested = handle(&requester, retried(0)).await.unwrap();

        assert!(requested.early);
        assert_eq!(requester.rendezvous.callbacks.sent(), [(TaskToken::new("token 0").unwrap(), valued)]);
    }

    #[tokio::test]
    async fn a_retry_asks_with_the_same_key_and_takes_the_reference_over() {
        let requester = requester();

        handle(&requester, retried(0)).await.unwrap();
        handle(&requester, retried(1)).await.unwrap();

        let asked = requester.service.asked.lock().unwrap().clone();
        assert_eq!(asked[0], asked[1]);
        let item = requester.rendezvous.store.get(&key()).await.unwrap().unwrap();
        assert_eq!(item.registered.unwrap().token, TaskToken::new("token 1").unwrap());
    }

    #[tokio::test]
    async fn an_early_valuation_that_cannot_be_sent_now_is_left_to_the_reconciler() {
        let requester = requester();
        let valued = Outcome::success("{}").unwrap();
        requester.rendezvous.complete(&key(), valued.clone()).await.unwrap();
        let throttled = CallbackError::Unavailable { source: "throttled".into() };
        requester.rendezvous.callbacks.fail_next(throttled);

        let requested = handle(&requester, retried(0)).await.unwrap();
        requester.rendezvous.redeliver(&key()).await.unwrap();

        assert!(requested.early);
        assert_eq!(requester.rendezvous.callbacks.sent(), [(TaskToken::new("token 0").unwrap(), valued)]);
    }

    #[tokio::test]
    async fn errors_have_the_names_that_the_workflow_matches() {
        let mut refusing = requester();
        refusing.service.refuses = true;
        assert_eq!(handle(&refusing, retried(0)).await.unwrap_err().name(), "ValuationRefused");

        let mut never = retried(0);
        never.wait.entered_time = "yesterday".into();
        assert_eq!(handle(&requester(), never).await.unwrap_err().name(), "RegistrationRefused");
    }
}
