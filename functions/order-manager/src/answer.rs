//! What the caller is told.

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlResponse;
use function_runtime::http::json;
use http::StatusCode;
use orders::Order;
use serde::Serialize;

/// An HTTP answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) body: Body,
}

/// The JSON of an answer.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Body {
    /// What was done, or why not: one word for programs, a sentence for people.
    Word { status: &'static str, message: String },
    /// An order.
    Order(Box<Order>),
    /// A page of orders; `next` asks for the page after it.
    Orders {
        orders: Vec<Order>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
}

impl Answer {
    pub(crate) fn new(code: StatusCode, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, body: Body::Word { status, message: message.into() } }
    }
}

impl From<Answer> for LambdaFunctionUrlResponse {
    fn from(answer: Answer) -> Self {
        json(answer.code, &answer.body)
    }
}
