//! A webhook: what it says, how it is signed, how it is answered.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use signing_keys::SigningKeys;
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook as Signer,
};

/// A webhook to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) body: String,
    /// Which key signs.
    pub(crate) key: Key,
    /// How long ago it pretends to have been signed.
    pub(crate) age: Duration,
}

/// Which key signs a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Current,
    /// The one before; the current one until there has been a rotation.
    Previous,
    /// One that the receiver does not know.
    Forged,
}

/// A webhook as it is sent, headers and body. No `Debug`: who has the signature can replay the webhook.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SignedWebhook {
    pub(crate) headers: [(&'static str, String); 3],
    pub(crate) body: String,
}

/// How the receiver answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct WebhookAnswer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The `status` word of the body, if it has one.
    pub(crate) answer: Option<String>,
}

impl Webhook {
    /// Signs by Standard Webhooks: HMAC-SHA256 over `<id>.<seconds>.<body>`.
    pub(crate) fn sign(&self, keys: &SigningKeys, now: SystemTime) -> SignedWebhook {
        let signed_at = now - self.age;
        let seconds = signed_at.duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let timestamp = i64::try_from(seconds).expect("a clock before the end of the universe");
        let sign = |key: &Signer| {
            let signed = key.sign(&self.id, timestamp, self.body.as_bytes());
            signed.expect("only a body that is not UTF-8 cannot be signed")
        };
        let signature = match self.key {
            Key::Current => sign(keys.current()),
            Key::Previous => sign(keys.previous().unwrap_or_else(|| keys.current())),
            Key::Forged => sign(&Signer::from_bytes(vec![0; 48]).expect("any 24 to 64 bytes are a key")),
        };
        SignedWebhook {
            headers: [
                (HEADER_WEBHOOK_ID, self.id.clone()),
                (HEADER_WEBHOOK_TIMESTAMP, timestamp.to_string()),
                (HEADER_WEBHOOK_SIGNATURE, signature),
            ],
            body: self.body.clone(),
        }
    }
}

impl WebhookAnswer {
    /// Whether the receiver could not take the webhook now and may take it later.
    pub(crate) fn asks_for_a_retry(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};
    use standardwebhooks::{Webhook as Verifier, WebhookError};

    use super::*;
    use crate::stand_ins::{CURRENT, PREVIOUS};

    fn verify(webhook: &Webhook, key: &str) -> Result<(), WebhookError> {
        let secret = format!(r#"{{"current":"{CURRENT}","previous":"{PREVIOUS}"}}"#);
        let signed = webhook.sign(&SigningKeys::parse(&secret).unwrap(), SystemTime::now());
        let headers: HeaderMap = signed
            .headers
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        Verifier::new(key).unwrap().verify(signed.body.as_bytes(), &headers)
    }

    fn webhook() -> Webhook {
        Webhook { id: "msg_1".into(), body: "{}".into(), key: Key::Current, age: Duration::ZERO }
    }

    #[test]
    fn a_webhook_is_signed_so_that_standard_webhooks_verify_it() {
        assert!(verify(&webhook(), CURRENT).is_ok());
        assert!(verify(&Webhook { key: Key::Previous, ..webhook() }, PREVIOUS).is_ok());
        assert!(verify(&Webhook { body: String::new(), ..webhook() }, CURRENT).is_ok());
    }

    #[test]
    fn a_forged_or_stale_webhook_is_refused() {
        let forged = Webhook { key: Key::Forged, ..webhook() };
        let stale = Webhook { age: Duration::from_secs(600), ..webhook() };

        for key in [CURRENT, PREVIOUS] {
            assert!(matches!(verify(&forged, key), Err(WebhookError::InvalidSignature)));
        }
        assert!(matches!(verify(&stale, CURRENT), Err(WebhookError::TimestampTooOldError)));
    }

    #[test]
    fn a_retry_is_for_a_receiver_that_is_busy_or_broken() {
        let retried = |status| WebhookAnswer { status, answer: None }.asks_for_a_retry();

        assert!([408, 429, 500, 503].into_iter().all(retried));
        assert!(![200, 202, 400, 401, 409, 410, 413].into_iter().any(retried));
    }
}
