//! Takes a callback: who signed it, what it says, and what became of it.

use function_runtime::{
    callbacks::{complete, http_answer},
    error::chain,
    http::Request,
};
use http::{Method, StatusCode};
use signing_keys::{KeySource, SigningKeysError};
use token_store::{Completion, Rendezvous, RendezvousError, TaskCallbacks, TokenStore};
use tracing::{error, warn};

use crate::{answer::Answer, signing_key_cache::SigningKeyCache, valuation::Valuation};

/// The largest body that is read, in bytes: no larger output could be handed to the workflow.
const LARGEST_BODY: usize = 262_144;

/// What the webhook works with.
pub(crate) struct Webhooks<K, S, C> {
    pub(crate) keys: SigningKeyCache<K>,
    pub(crate) rendezvous: Rendezvous<S, C>,
}

/// Answers a callback. It never fails: every failure has its HTTP status.
pub(crate) async fn handle(
    webhooks: &Webhooks<impl KeySource, impl TokenStore, impl TaskCallbacks>,
    request: &Request,
) -> Answer {
    // Links are opened by mail scanners; a callback is sent.
    if request.method != Method::POST {
        return Answer::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method not allowed",
            "send the callback by POST",
        );
    }
    if request.body.len() > LARGEST_BODY {
        let message = format!("the body has more than {LARGEST_BODY} bytes");
        return Answer::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", message);
    }
    match webhooks.keys.any(|key| key.verify(&request.body, &request.headers).is_ok()).await {
        Ok(true) => {}
        Ok(false) => {
            warn!("callback refused: no valid signature");
            let message = "the signature is missing, wrong, or more than 5 minutes old";
            return Answer::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        }
        Err(unreadable) => return without_keys(&unreadable),
    }
    let valuation = match Valuation::from_body(&request.body) {
        Ok(valuation) => valuation,
        Err(invalid) => return Answer::new(StatusCode::BAD_REQUEST, "malformed", invalid.to_string()),
    };

    match complete(&webhooks.rendezvous, &valuation.key, valuation.outcome).await {
        Ok(completion) => taken(completion),
        Err(failure) => {
            let callback_key = valuation.key.as_str();
            error!(callback_key, error = chain(&failure), "callback not delivered");
            failed(&failure)
        }
    }
}

/// A sender of Standard Webhooks repeats for days what is not answered with 2xx, and takes 410 for the end of the
/// endpoint. What it could not change by a repetition is taken, and told apart by the body.
fn taken(completion: Completion) -> Answer {
    let (code, status, message) = http_answer(completion);
    let code = match completion {
        Completion::Conflict => StatusCode::OK,
        Completion::Late => StatusCode::ACCEPTED,
        _ => code,
    };
    Answer::new(code, status, message)
}

fn failed(failure: &RendezvousError) -> Answer {
    match failure {
        // The valuation is recorded; the reconciler delivers it when Step Functions takes it.
        RendezvousError::Callback(_) => {
            Answer::new(StatusCode::ACCEPTED, "parked", "the valuation is recorded and will be delivered")
        }
        _ => unavailable(),
    }
}

fn without_keys(unreadable: &SigningKeysError) -> Answer {
    error!(error = chain(unreadable), "callback not checked");
    unavailable()
}

fn unavailable() -> Answer {
    Answer::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "nothing was recorded; send it again later")
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        sync::{
            Mutex,
            atomic::{AtomicU32, Ordering},
        },
        time::{Duration, SystemTime, UNIX_EPOCH},
    };

    use aws_lambda_events::event::lambda_function_urls::{
        LambdaFunctionUrlRequest, LambdaFunctionUrlResponse,
    };
    use http::HeaderMap;
    use serde_json::json;
    use signing_keys::SigningKeys;
    use standardwebhooks::Webhook;
    use token_store::{
        CallbackKey, Outcome, TaskToken,
        callbacks::CallbackError,
        testing::{MemoryTokenStore, RecordingTaskCallbacks, waiting_task},
    };

    use super::*;

    const CURRENT: &str = "Y3VycmVudCBrZXkgb2YgMjQgYnl0ZXMh";
    const PREVIOUS: &str = "cHJldmlvdXMga2V5LCAyNCBieXRlcyEh";
    const FORGED: &str = "Zm9yZ2VkIGtleSBvZiAyNCBieXRlcyEh";

    /// A secret that can be rotated and counts how often it is read.
    struct Secret {
        text: Mutex<Option<String>>,
        reads: AtomicU32,
    }

    impl KeySource for Secret {
        async fn read(&self) -> Result<SigningKeys, SigningKeysError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let text = self.text.lock().unwrap().clone();
            SigningKeys::parse(&text.ok_or_else(|| SigningKeysError::Unavailable("throttled".into()))?)
        }
    }

    type TestWebhooks = Webhooks<Secret, MemoryTokenStore, RecordingTaskCallbacks>;

    fn webhooks() -> TestWebhooks {
        let secret = Secret { text: Mutex::new(None), reads: AtomicU32::new(0) };
        let webhooks = Webhooks {
            keys: SigningKeyCache::new(secret, Duration::ZERO),
            rendezvous: Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default()),
        };
        webhooks.rotate(CURRENT, "");
        webhooks
    }

    impl TestWebhooks {
        fn rotate(&self, current: &str, previous: &str) {
            let secret = json!({ "current": current, "previous": previous }).to_string();
            *self.keys.source().text.lock().unwrap() = Some(secret);
        }

        async fn wait_for(&self, reference: &str) -> TaskToken {
            let token = TaskToken::new(format!("token of {reference}")).unwrap();
            let key = CallbackKey::new("valuation", reference).unwrap();
            self.rendezvous.register(&key, waiting_task(token.clone())).await.unwrap();
            token
        }

        async fn call(&self, key: &str, body: &str) -> (u16, &'static str) {
            self.answer(&signed(key, body)).await
        }

        async fn answer(&self, request: &Request) -> (u16, &'static str) {
            let answer = handle(self, request).await;
            (answer.code.as_u16(), answer.status)
        }
    }

    fn signed(key: &str, body: &str) -> Request {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        signed_at(key, body, now.cast_signed())
    }

    fn signed_at(key: &str, body: &str, timestamp: i64) -> Request {
        let signature = Webhook::new(key).unwrap().sign("msg_1", timestamp, body.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_1".parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        Request { method: Method::POST, path: "/".into(), query: HashMap::new(), headers, body: body.into() }
    }

    fn sample(event: &str) -> Request {
        Request::from(serde_json::from_str::<LambdaFunctionUrlRequest>(event).unwrap())
    }

    const VALUED: &str = r#"{"valuationReference":"VAL-17","propertyValue":666000}"#;
    const VALUED_OTHERWISE: &str = r#"{"valuationReference":"VAL-17","propertyValue":1}"#;
    const FAILED: &str = r#"{"valuationReference":"VAL-17","failed":true}"#;

    #[tokio::test]
    async fn a_callback_resumes_the_workflow_once_and_says_what_became_of_its_repetitions() {
        let webhooks = webhooks();
        let token = webhooks.wait_for("VAL-17").await;

        assert_eq!(webhooks.call(CURRENT, VALUED).await, (200, "delivered"));
        assert_eq!(webhooks.call(CURRENT, VALUED).await, (200, "duplicate"));
        assert_eq!(webhooks.call(CURRENT, VALUED_OTHERWISE).await, (200, "conflict"));

        assert_eq!(webhooks.rendezvous.callbacks.sent(), [(token, Outcome::success(VALUED).unwrap())]);
    }

    #[tokio::test]
    async fn a_failed_valuation_fails_the_workflow() {
        let webhooks = webhooks();
        let token = webhooks.wait_for("VAL-17").await;

        assert_eq!(webhooks.call(CURRENT, FAILED).await, (200, "delivered"));

        let failure = Outcome::failure("ValuationFailed", "The valuation failed");
        assert_eq!(webhooks.rendezvous.callbacks.sent(), [(token, failure)]);
    }

    #[tokio::test]
    async fn an_early_callback_is_parked_and_a_late_one_is_kept() {
        let webhooks = webhooks();

        assert_eq!(webhooks.call(CURRENT, VALUED).await, (202, "parked"));
        webhooks.wait_for("VAL-17").await;
        assert_eq!(webhooks.rendezvous.callbacks.sent().len(), 1);

        let token = webhooks.wait_for("VAL-18").await;
        webhooks.rendezvous.callbacks.close(&token);
        assert_eq!(webhooks.call(CURRENT, &VALUED.replace("17", "18")).await, (202, "late"));
    }

    #[tokio::test]
    async fn only_the_current_and_the_previous_key_are_accepted_and_only_in_time() {
        let webhooks = webhooks();
        webhooks.rotate(CURRENT, PREVIOUS);
        let old = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed() - 301;

        assert_eq!(webhooks.call(CURRENT, VALUED).await, (202, "parked"));
        assert_eq!(webhooks.call(PREVIOUS, VALUED).await, (202, "parked"));
        assert_eq!(webhooks.call(FORGED, VALUED).await, (401, "unauthorized"));
        assert_eq!(webhooks.answer(&signed_at(CURRENT, VALUED, old)).await, (401, "unauthorized"));
        let mut altered = signed(CURRENT, VALUED);
        altered.body = VALUED_OTHERWISE.into();
        assert_eq!(webhooks.answer(&altered).await, (401, "unauthorized"));
    }

    #[tokio::test]
    async fn a_rotated_key_is_found_when_a_signature_fails() {
        let webhooks = webhooks();

        assert_eq!(webhooks.call(CURRENT, VALUED).await, (202, "parked"));
        assert_eq!(webhooks.call(CURRENT, VALUED).await, (202, "parked"));
        assert_eq!(webhooks.keys.source().reads.load(Ordering::Relaxed), 1, "keys are kept");
        webhooks.rotate(FORGED, CURRENT);
        assert_eq!(webhooks.call(FORGED, VALUED).await, (202, "parked"));
        assert_eq!(webhooks.keys.source().reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn forgers_do_not_make_us_read_the_secret() {
        let mut webhooks = webhooks();
        let secret = Secret { text: Mutex::new(None), reads: AtomicU32::new(0) };
        webhooks.keys = SigningKeyCache::new(secret, Duration::from_secs(60));
        webhooks.rotate(CURRENT, "");

        for _ in 0..5 {
            assert_eq!(webhooks.call(FORGED, VALUED).await, (401, "unauthorized"));
        }

        assert_eq!(webhooks.keys.source().reads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn without_keys_the_sender_is_asked_to_come_again() {
        let webhooks = webhooks();
        *webhooks.keys.source().text.lock().unwrap() = None;

        let answer = handle(&webhooks, &signed(CURRENT, VALUED)).await;

        let response = LambdaFunctionUrlResponse::from(answer);
        assert_eq!(response.status_code, 503);
        assert_eq!(response.headers["retry-after"], "5");
        assert_eq!(
            response.body.unwrap(),
            r#"{"status":"unavailable","message":"nothing was recorded; send it again later"}"#
        );
        webhooks.rotate("not base64!", "");
        assert_eq!(webhooks.call(CURRENT, VALUED).await, (503, "unavailable"));
    }

    #[tokio::test]
    async fn when_step_functions_is_busy_the_valuation_is_kept_and_the_repetition_delivers_it() {
        let webhooks = webhooks();
        webhooks.wait_for("VAL-17").await;
        webhooks.rendezvous.callbacks.fail_next(CallbackError::Unavailable { source: "throttled".into() });

        assert_eq!(webhooks.call(CURRENT, VALUED).await, (202, "parked"));
        assert_eq!(webhooks.call(CURRENT, VALUED).await, (200, "delivered"));
    }

    #[tokio::test]
    async fn a_valuation_for_a_token_that_was_never_valid_is_late_and_one_that_is_refused_can_be_corrected() {
        let webhooks = webhooks();
        webhooks.wait_for("VAL-17").await;
        let token = webhooks.wait_for("VAL-18").await;

        webhooks.rendezvous.callbacks.fail_next(CallbackError::InvalidToken);
        assert_eq!(webhooks.call(CURRENT, VALUED).await, (202, "late"));
        webhooks.rendezvous.callbacks.fail_next(CallbackError::InvalidOutput);
        assert_eq!(webhooks.call(CURRENT, &VALUED.replace("17", "18")).await, (422, "refused"));
        let corrected = VALUED_OTHERWISE.replace("17", "18");
        assert_eq!(webhooks.call(CURRENT, &corrected).await, (200, "delivered"));

        assert_eq!(webhooks.rendezvous.callbacks.sent(), [(token, Outcome::success(corrected).unwrap())]);
    }

    #[tokio::test]
    async fn malformed_empty_and_oversized_bodies_are_refused() {
        let webhooks = webhooks();

        assert_eq!(webhooks.call(CURRENT, "{").await, (400, "malformed"));
        assert_eq!(webhooks.call(CURRENT, "").await, (400, "malformed"));
        assert_eq!(webhooks.call(CURRENT, &"x".repeat(LARGEST_BODY + 1)).await, (413, "too large"));
        let answer = handle(&webhooks, &signed(CURRENT, r#"{"propertyValue":1}"#)).await;
        assert_eq!(answer.message, "`valuationReference` must be a text");
    }

    #[tokio::test]
    async fn events_are_read_as_lambda_sends_them() {
        let valued = sample(include_str!("../../../events/valuation-callback/valued.json"));
        let encoded = sample(include_str!("../../../events/valuation-callback/base64-body.json"));
        let unsigned = sample(include_str!("../../../events/valuation-callback/unsigned.json"));
        let link = sample(include_str!("../../../events/valuation-callback/opened-as-a-link.json"));

        assert_eq!(valued.body, encoded.body);
        assert_eq!(valued.headers["webhook-id"], "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk");
        assert_eq!(Valuation::from_body(&valued.body).unwrap().key.id(), "VAL-17");
        let failed = sample(include_str!("../../../events/valuation-callback/failed.json"));
        assert!(matches!(Valuation::from_body(&failed.body).unwrap().outcome, Outcome::Failure(_)));
        assert_eq!(webhooks().answer(&unsigned).await, (401, "unauthorized"));
        assert_eq!(webhooks().answer(&link).await, (405, "method not allowed"));
    }
}
