//! Which of the two entries an event is for.

use std::time::SystemTime;

use function_runtime::http::Request;
use signing_keys::KeySource;

use crate::{
    backlog::Backlog,
    event::{Event, Output},
    front_desk::{self, FrontDesk},
    responder::{RespondError, respond},
    sender::WebhookSender,
};

/// Answers a request for a valuation, or sends the webhooks of a response.
///
/// # Errors
///
/// Those of the responder: every failure of the front desk has its HTTP status.
pub(crate) async fn handle(
    front_desk: &FrontDesk<impl Backlog, impl KeySource, impl WebhookSender>,
    event: Event,
    now: SystemTime,
) -> Result<Output, RespondError> {
    match event {
        Event::Respond { response } => respond(&front_desk.responder, &response, now).await.map(Output::Sent),
        Event::Request(request) => {
            let answer = front_desk::handle(front_desk, &Request::from(*request), now).await;
            Ok(Output::Answer(Box::new(answer.into())))
        }
    }
}
