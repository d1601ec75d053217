//! The responder: sends the webhooks of a response.

use std::time::SystemTime;

use function_runtime::NamedError;
use signing_keys::{KeySource, SigningKeysError};
use tracing::info;

use crate::{
    behaviour::webhooks,
    event::Response,
    sender::{SendError, WebhookSender},
    webhook::WebhookAnswer,
};

/// What the responder works with.
pub(crate) struct Responder<K, S> {
    pub(crate) keys: K,
    pub(crate) sender: S,
}

/// Why not every webhook of a response was sent and taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RespondError {
    #[error(transparent)]
    Keys(#[from] SigningKeysError),
    /// Retryable.
    #[error(transparent)]
    Unanswered(#[from] SendError),
    /// Retryable: the receiver is busy or broken.
    #[error("the webhook was answered with status {0}")]
    NotTaken(u16),
}

impl NamedError for RespondError {
    fn name(&self) -> &'static str {
        match self {
            Self::Keys(SigningKeysError::Unavailable(_)) => "SigningKeysUnavailable",
            Self::Keys(SigningKeysError::Malformed) => "SigningKeysMalformed",
            Self::Unanswered(_) | Self::NotTaken(_) => "WebhookNotTaken",
        }
    }
}

/// Sends the webhooks of `response`, one after the other, and says how they were answered.
///
/// Each answer writes a log line `webhook sent` with `valuation_reference`, `webhook_id`, `status` and `answer`. A
/// retry begins anew, with the same ids: who receives webhooks must expect them twice.
///
/// # Errors
///
/// Every variant of [`RespondError`]. A webhook that is refused for good, by 4xx, is no error.
pub(crate) async fn respond(
    responder: &Responder<impl KeySource, impl WebhookSender>,
    response: &Response,
    now: SystemTime,
) -> Result<Vec<WebhookAnswer>, RespondError> {
    let keys = responder.keys.read().await?;
    let mut answers = Vec::new();
    for webhook in webhooks(response) {
        let signed = webhook.sign(&keys, now);
        let answer = responder.sender.send(&response.callback_url, &signed).await?;
        info!(
            valuation_reference = response.valuation_reference,
            webhook_id = webhook.id,
            status = answer.status,
            answer = answer.answer,
            "webhook sent"
        );
        if answer.asks_for_a_retry() {
            return Err(RespondError::NotTaken(answer.status));
        }
        answers.push(answer);
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        behaviour::Behaviour,
        event::Event,
        stand_ins::{FixedKeys, RecordingSender},
    };

    type TestResponder = Responder<FixedKeys, RecordingSender>;

    fn responder() -> TestResponder {
        Responder { keys: FixedKeys::default(), sender: RecordingSender::default() }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_772_357_406)
    }

    fn response(behaviour: Behaviour) -> Response {
        let sample = include_str!("../../../events/valuation-service/respond.json");
        let Event::Respond { response } = serde_json::from_str(sample).unwrap() else { panic!("a request") };
        Response { behaviour, ..response }
    }

    #[tokio::test]
    async fn a_valuation_is_sent_to_the_callback_url() {
        let responder = responder();

        let answers = respond(&responder, &response(Behaviour::Normal), now()).await.unwrap();

        assert_eq!(answers, [WebhookAnswer { status: 200, answer: Some("delivered".into()) }]);
        let sent = responder.sender.sent();
        let [(url, webhook)] = &sent[..] else { panic!("one webhook") };
        assert_eq!(url, "https://example.com/valuation-callback/");
        assert_eq!(webhook.headers[0], ("webhook-id", "msg_VAL-9f86d081884c7d65_1".to_owned()));
        assert_eq!(webhook.headers[1], ("webhook-timestamp", "1772357406".to_owned()));
        assert_eq!(
            serde_json::from_str::<Value>(&webhook.body).unwrap(),
            json!({ "valuationReference": "VAL-9f86d081884c7d65", "propertyValue": 666_000 })
        );
    }

    #[tokio::test]
    async fn a_replay_is_the_same_request_again() {
        let responder = responder();

        respond(&responder, &response(Behaviour::Replayed), now()).await.unwrap();

        let sent = responder.sender.sent();
        assert_eq!(sent.len(), 2);
        assert!(sent[0] == sent[1]);
    }

    #[tokio::test]
    async fn a_refused_webhook_is_done_and_a_receiver_that_is_down_is_tried_again() {
        let refusing = responder();
        refusing.sender.answer_with(401);
        let down = responder();
        down.sender.answer_with(503);

        let refused = respond(&refusing, &response(Behaviour::Forged), now()).await.unwrap();
        let not_taken = respond(&down, &response(Behaviour::Duplicate), now()).await.unwrap_err();

        assert_eq!(refused[0].status, 401);
        assert_eq!(not_taken.name(), "WebhookNotTaken");
        assert_eq!(down.sender.sent().len(), 1);
    }

    #[tokio::test]
    async fn errors_have_the_names_that_the_state_machine_matches() {
        let locked = Responder { keys: FixedKeys { secret: None }, sender: RecordingSender::default() };
        let broken =
            Responder { keys: FixedKeys { secret: Some("{}".into()) }, sender: RecordingSender::default() };

        for (responder, name) in [(locked, "SigningKeysUnavailable"), (broken, "SigningKeysMalformed")] {
            let error = respond(&responder, &response(Behaviour::Normal), now()).await.unwrap_err();
            assert_eq!(error.name(), name);
        }
    }
}
