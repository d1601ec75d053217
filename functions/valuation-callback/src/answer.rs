//! What the sender is told.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use function_runtime::http::json;
use http::StatusCode;
use serde::Serialize;

/// An HTTP answer: `{"status", "message"}`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    #[serde(skip)]
    pub(crate) code: StatusCode,
    /// One word for programs.
    pub(crate) status: &'static str,
    /// A sentence for people.
    pub(crate) message: String,
}

impl Answer {
    pub(crate) fn new(code: StatusCode, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }
}

impl From<Answer> for LambdaFunctionUrlResponse {
    fn from(answer: Answer) -> Self {
        json(answer.code, &answer)
    }
}
