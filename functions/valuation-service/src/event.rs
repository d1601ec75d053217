//! What the function is invoked with, and what it returns.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use serde::{Deserialize, Serialize};

use crate::{behaviour::Behaviour, webhook::WebhookAnswer};

/// The two entries. Whoever calls the URL cannot choose: the Lambda service wraps all that they send.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Event {
    /// From the state machine, when the delay is over.
    Respond { response: Response },
    /// From the function URL.
    Request(Box<LambdaFunctionUrlRequest>),
}

/// A response to be sent: `{"valuationReference", "callbackUrl", "behaviour"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Response {
    pub(crate) valuation_reference: String,
    pub(crate) callback_url: String,
    pub(crate) behaviour: Behaviour,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Output {
    /// How each webhook was answered, for the log of the execution.
    Sent(Vec<WebhookAnswer>),
    /// For the function URL.
    Answer(Box<LambdaFunctionUrlResponse>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_says_which_entry_it_is_for() {
        let respond = include_str!("../../../events/valuation-service/respond.json");
        let request = include_str!("../../../events/valuation-service/request.json");

        let Event::Respond { response } = serde_json::from_str(respond).unwrap() else { panic!("a request") };
        let Event::Request(request) = serde_json::from_str(request).unwrap() else { panic!("a response") };

        assert_eq!(response.valuation_reference, "VAL-9f86d081884c7d65");
        assert_eq!(response.behaviour, Behaviour::Normal);
        assert_eq!(request.headers["idempotency-key"], "loan-17");
    }
}
