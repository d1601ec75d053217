//! Waiting for what a stack does in its own time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::time::sleep;

/// Longer than anything on the local stack takes; only a failing test waits that long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(180);

/// Tries until there is something, at most [`DEADLINE`].
pub(crate) async fn eventually<T>(what: &str, attempt: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let give_up = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = attempt().await? {
            return Ok(found);
        }
        if Instant::now() > give_up {
            bail!("not within {} s: {what}", DEADLINE.as_secs());
        }
        sleep(Duration::from_millis(100)).await;
    }
}
