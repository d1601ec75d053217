//! The keys that the valuation service signs with, kept between invocations.

use std::time::{Duration, Instant};

use signing_keys::{KeySource, SigningKeys, SigningKeysError};
use standardwebhooks::Webhook;
use tokio::sync::Mutex;

/// Keeps the keys and reads them again when a signature fails and they are old.
pub(crate) struct SigningKeyCache<S> {
    source: S,
    /// How old keys must be before a failed signature has them read again, so that forgers cannot make us read.
    refresh_after: Duration,
    cached: Mutex<Option<Cached>>,
}

struct Cached {
    keys: SigningKeys,
    read_at: Instant,
}

impl<S: KeySource> SigningKeyCache<S> {
    pub(crate) fn new(source: S, refresh_after: Duration) -> Self {
        Self { source, refresh_after, cached: Mutex::new(None) }
    }

    #[cfg(test)]
    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// Whether one of the keys has signed, by the newest keys if necessary.
    ///
    /// # Errors
    ///
    /// [`SigningKeysError`] when keys must be read and cannot be.
    pub(crate) async fn any(
        &self,
        mut signed: impl FnMut(&Webhook) -> bool,
    ) -> Result<bool, SigningKeysError> {
        let mut cached = self.cached.lock().await;
        if let Some(Cached { keys, read_at }) = &*cached
            && (keys.any(&mut signed) || read_at.elapsed() < self.refresh_after)
        {
            return Ok(keys.any(signed));
        }
        let keys = self.source.read().await?;
        Ok(cached.insert(Cached { keys, read_at: Instant::now() }).keys.any(signed))
    }
}
