//! The callbacks port on Step Functions.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_sdk_sfn::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, http::HttpResponse,
        interceptors::FinalizerInterceptorContextRef,
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
    operation::{
        send_task_failure::SendTaskFailureError, send_task_heartbeat::SendTaskHeartbeatError,
        send_task_success::SendTaskSuccessError,
    },
};

use super::failure::{AwsFailure, is_temporary};
use crate::{
    Outcome, TaskCallbacks, TaskToken,
    callbacks::{Attempt, CallbackError},
};

/// [`TaskCallbacks`] by `SendTaskSuccess`, `SendTaskFailure` and `SendTaskHeartbeat`.
///
/// The client's own retries stay on. A retry after an attempt that got no answer may find the task closed by that
/// very attempt: then [`CallbackError::TaskClosed`] says [`Attempt::Repeat`].
#[derive(Debug, Clone)]
pub struct StepFunctionsTaskCallbacks {
    client: Client,
}

impl StepFunctionsTaskCallbacks {
    /// Uses `client`, with its retries and timeouts.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl TaskCallbacks for StepFunctionsTaskCallbacks {
    async fn send_outcome(&self, token: &TaskToken, outcome: &Outcome) -> Result<(), CallbackError> {
        let attempts = Attempts::default();
        match outcome {
            Outcome::Success(output) => self
                .client
                .send_task_success()
                .task_token(token.expose())
                .output(output.json())
                .customize()
                .interceptor(attempts.clone())
                .send()
                .await
                .map(drop)
                .map_err(|error| callback_error(&error, success_refusal, token, &attempts)),
            Outcome::Failure(failure) => self
                .client
                .send_task_failure()
                .task_token(token.expose())
                .error(failure.error())
                .cause(failure.cause())
                .customize()
                .interceptor(attempts.clone())
                .send()
                .await
                .map(drop)
                .map_err(|error| callback_error(&error, failure_refusal, token, &attempts)),
        }
    }

    async fn send_heartbeat(&self, token: &TaskToken) -> Result<(), CallbackError> {
        self.client
            .send_task_heartbeat()
            .task_token(token.expose())
            .send()
            .await
            .map(drop)
            .map_err(|error| callback_error(&error, heartbeat_refusal, token, &Attempts::default()))
    }
}

/// What the modelled errors of the three operations mean.
enum Refusal {
    TaskClosed,
    InvalidToken,
    InvalidOutput,
    Other,
}

fn success_refusal(error: &SendTaskSuccessError) -> Refusal {
    match error {
        SendTaskSuccessError::TaskTimedOut(_) | SendTaskSuccessError::TaskDoesNotExist(_) => {
            Refusal::TaskClosed
        }
        SendTaskSuccessError::InvalidToken(_) => Refusal::InvalidToken,
        SendTaskSuccessError::InvalidOutput(_) => Refusal::InvalidOutput,
        _ => Refusal::Other,
    }
}

fn failure_refusal(error: &SendTaskFailureError) -> Refusal {
    match error {
        SendTaskFailureError::TaskTimedOut(_) | SendTaskFailureError::TaskDoesNotExist(_) => {
            Refusal::TaskClosed
        }
        SendTaskFailureError::InvalidToken(_) => Refusal::InvalidToken,
        _ => Refusal::Other,
    }
}

fn heartbeat_refusal(error: &SendTaskHeartbeatError) -> Refusal {
    match error {
        SendTaskHeartbeatError::TaskTimedOut(_) | SendTaskHeartbeatError::TaskDoesNotExist(_) => {
            Refusal::TaskClosed
        }
        SendTaskHeartbeatError::InvalidToken(_) => Refusal::InvalidToken,
        _ => Refusal::Other,
    }
}

fn callback_error<E>(
    error: &SdkError<E, HttpResponse>,
    refusal: impl Fn(&E) -> Refusal,
    token: &TaskToken,
    attempts: &Attempts,
) -> CallbackError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let source = || Box::new(AwsFailure::new(error, &[token.expose()]));
    match error.as_service_error().map_or(Refusal::Other, refusal) {
        Refusal::TaskClosed => CallbackError::TaskClosed { attempt: attempts.of_last_answer() },
        Refusal::InvalidToken => CallbackError::InvalidToken,
        Refusal::InvalidOutput => CallbackError::InvalidOutput,
        Refusal::Other if is_temporary(error) => CallbackError::Unavailable { source: source() },
        Refusal::Other => CallbackError::Rejected { source: source() },
    }
}

/// Sees whether any of the client's attempts at one call went without a clear answer.
#[derive(Debug, Clone, Default)]
struct Attempts {
    one_unanswered: Arc<AtomicBool>,
}

impl Attempts {
    fn of_last_answer(&self) -> Attempt {
        if self.one_unanswered.load(Ordering::Relaxed) { Attempt::Repeat } else { Attempt::First }
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A 4xx answer says that nothing was done; a 5xx answer, like none, says nothing at all.
        if context.response().is_none_or(|response| response.status().is_server_error()) {
            self.one_unanswered.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
