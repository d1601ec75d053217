//! Stand-ins for what the service works with.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, SystemTime},
};

use signing_keys::{KeySource, SigningKeys, SigningKeysError};

use crate::{
    backlog::{Added, Backlog, BacklogError},
    event::Response,
    sender::{SendError, WebhookSender},
    webhook::{SignedWebhook, WebhookAnswer},
};

/// 48 bytes in base64, as Secrets Manager makes them for the template.
pub(crate) const CURRENT: &str = "c3VtbWVyc3VtbWVyc3VtbWVyc3VtbWVyc3VtbWVyc3VtbWVyc3VtbWVyc3VtbWVy";
pub(crate) const PREVIOUS: &str = "d2ludGVyd2ludGVyd2ludGVyd2ludGVyd2ludGVyd2ludGVyd2ludGVyd2ludGVy";

/// Keys that never change, or that cannot be read.
pub(crate) struct FixedKeys {
    pub(crate) secret: Option<String>,
}

impl Default for FixedKeys {
    fn default() -> Self {
        Self { secret: Some(format!(r#"{{"current":"{CURRENT}","previous":"{PREVIOUS}"}}"#)) }
    }
}

impl KeySource for FixedKeys {
    async fn read(&self) -> Result<SigningKeys, SigningKeysError> {
        let locked = || SigningKeysError::Unavailable("access denied".into());
        SigningKeys::parse(self.secret.as_ref().ok_or_else(locked)?)
    }
}

/// Records the webhooks and answers all of them with one status.
#[derive(Default)]
pub(crate) struct RecordingSender {
    sent: Mutex<Vec<(String, SignedWebhook)>>,
    status: AtomicU16,
}

impl RecordingSender {
    pub(crate) fn sent(&self) -> Vec<(String, SignedWebhook)> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

impl WebhookSender for RecordingSender {
    async fn send(&self, url: &str, webhook: &SignedWebhook) -> Result<WebhookAnswer, SendError> {
        self.sent.lock().unwrap().push((url.to_owned(), webhook.clone()));
        Ok(match self.status.load(Ordering::Relaxed) {
            0 => WebhookAnswer { status: 200, answer: Some("delivered".into()) },
            status => WebhookAnswer { status, answer: None },
        })
    }
}

/// Remembers what is to be done.
#[derive(Default)]
pub(crate) struct MemoryBacklog {
    pub(crate) responses: Mutex<HashMap<String, (Duration, Response)>>,
    pub(crate) broken: bool,
}

impl Backlog for MemoryBacklog {
    async fn add(
        &self,
        delay: Duration,
        response: &Response,
        _now: SystemTime,
    ) -> Result<Added, BacklogError> {
        if self.broken {
            return Err(BacklogError("throttled".into()));
        }
        let mut responses = self.responses.lock().unwrap();
        let reference = response.valuation_reference.clone();
        if responses.contains_key(&reference) {
            return Ok(Added::Before);
        }
        responses.insert(reference, (delay, response.clone()));
        Ok(Added::Now)
    }
}
