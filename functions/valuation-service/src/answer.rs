//! What the customer is told.

use ::http::StatusCode;
use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use function_runtime::http;
use serde_json::{Value, json};

/// An HTTP answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    /// 201: the property will be valued, under this reference.
    pub(crate) fn accepted(reference: &str) -> Self {
        Self { code: StatusCode::CREATED, body: json!({ "valuationReference": reference }) }
    }

    /// Anything else: `{"status": <one word for programs>, "message": <a sentence for people>}`.
    pub(crate) fn refusal(code: StatusCode, status: &str, message: impl Into<String>) -> Self {
        Self { code, body: json!({ "status": status, "message": message.into() }) }
    }
}

impl From<Answer> for LambdaFunctionUrlResponse {
    fn from(answer: Answer) -> Self {
        http::json(answer.code, &answer.body)
    }
}
