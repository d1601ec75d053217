//! What AWS answered when it did not do what was asked, without what was asked.

use std::error::Error;

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_sfn::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

/// Codes of temporary errors that the SDK's own classifiers leave out: another write to the same item at the same time,
/// and a KMS key that is throttled.
const CONTENDED: [&str; 3] =
    ["TransactionConflictException", "ReplicatedWriteConflictException", "KmsThrottlingException"];

/// The part of an SDK error that may be logged.
///
/// The SDK's own errors print the whole response in their `Debug`, and a response of the store holds the task
/// token. This keeps the code, the message and the request id, and cuts the sent token out of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}{}", request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default())]
pub struct AwsFailure {
    /// The service's error code, or `Timeout`, `Dispatch`, `Response`, `Construction` when the service said nothing.
    pub code: String,
    /// The service's explanation.
    pub message: String,
    /// For the support of AWS.
    pub request_id: Option<String>,
}

impl AwsFailure {
    /// Reads `error`; `secrets` were sent, so an answer might repeat them.
    pub(crate) fn new<E>(error: &SdkError<E, HttpResponse>, secrets: &[&str]) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (code, message) = match error {
            SdkError::ServiceError(answer) => (
                answer.err().code().unwrap_or("Unknown"),
                answer.err().message().unwrap_or_default().to_owned(),
            ),
            SdkError::TimeoutError(_) => ("Timeout", causes(error)),
            SdkError::DispatchFailure(_) => ("Dispatch", causes(error)),
            SdkError::ResponseError(_) => ("Response", causes(error)),
            _ => ("Construction", causes(error)),
        };
        let message = secrets.iter().fold(message, |message, secret| message.replace(secret, "[REDACTED]"));
        Self { code: code.to_owned(), message, request_id: error.request_id().map(str::to_owned) }
    }
}

/// Whether the same request may succeed later: AWS was busy or broken, or did not answer.
pub(crate) fn is_temporary<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(answer) => {
            answer.raw().status().is_server_error()
                || answer.raw().status().as_u16() == 429
                || answer.err().code().is_some_and(|code| {
                    [THROTTLING_ERRORS, TRANSIENT_ERRORS, &CONTENDED]
                        .iter()
                        .any(|codes| codes.contains(&code))
                })
        }
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    }
}

/// The causes in one line, by `Display`: their `Debug` may hold a response.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError;

    use super::*;

    type Failed = SdkError<SendTaskSuccessError, HttpResponse>;

    #[test]
    fn what_never_came_to_an_answer_says_why() {
        let failure = AwsFailure::new(&Failed::timeout_error("no answer in 3 s to the token"), &["token"]);

        assert_eq!(failure.to_string(), "Timeout: request has timed out: no answer in 3 s to the [REDACTED]");
    }

    #[test]
    fn a_request_that_could_not_be_made_is_not_made_again() {
        assert!(!is_temporary(&Failed::construction_failure("no region")));
        assert!(is_temporary(&Failed::timeout_error("no answer")));
    }
}
