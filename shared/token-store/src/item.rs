//! What is stored under one callback key: up to two halves and, in the end, what became of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Outcome, TaskToken, wait::Wait};

/// How long a store keeps an item after it was last needed, unless it is told otherwise. Step Functions redrives an
/// execution for 14 days after its end, and a redriven wait must still find a late outcome.
pub const RETENTION: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// What is stored under one callback key. There is no state attribute: the state is which parts are there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// The workflow's half.
    pub registered: Option<Registered>,
    /// The outside world's half.
    pub completed: Option<Completed>,
    /// What became of the two halves.
    pub delivery: Option<Recorded>,
    /// How many calls have set out to deliver the two halves. More than one means that a closed task may have been
    /// closed by the other.
    pub attempts: u32,
    /// An outcome that an older wait may or may not have used. It is kept for people until the newer wait, which
    /// displaced it, has an outcome of its own.
    pub unconfirmed: Option<Outcome>,
    /// The outcome that Step Functions refused for good, for people, until another outcome comes.
    pub refused: Option<Outcome>,
    /// Since when the item waits, unless a delivery is recorded.
    pub pending_since: Option<SystemTime>,
    /// When the item may be deleted, in whole seconds. From then on it counts as absent.
    pub expires_at: SystemTime,
}

/// The workflow's half: a task that waits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Registered {
    /// The token that resumes the task.
    pub token: TaskToken,
    /// Which wait it is.
    pub wait: Wait,
    /// When the half was written.
    pub at: SystemTime,
    /// The other execution whose task may still have waited when this wait took the key.
    pub displaced: Option<String>,
}

/// The outside world's half: how the task ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Completed {
    /// The first outcome that came, or the first after a refused one.
    pub outcome: Outcome,
    /// When the half was written.
    pub at: SystemTime,
}

/// A delivery that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// How it ended.
    pub delivery: Delivery,
    /// When that was recorded.
    pub at: SystemTime,
}

/// How the delivery of an outcome ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// The task took the outcome.
    Delivered,
    /// The task was gone before the outcome was sent for the first time. Nobody used the outcome, so a newer wait of the
    /// same execution receives it.
    Late,
    /// The task was gone when the outcome was sent again. An earlier attempt may have delivered it, so it is not handed
    /// to a newer wait, except a success to a retry or redrive of the same state entry: an earlier attempt that had
    /// used a success would have no retry.
    Unconfirmed,
    /// Step Functions refused the output for good (`InvalidOutput`). The wait goes on, and the key takes another outcome.
    Refused,
}

/// Both halves of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The task that waits.
    pub registered: Registered,
    /// Its outcome.
    pub completed: Completed,
}

impl Item {
    /// Both halves, if they are there.
    #[must_use]
    pub fn pair(&self) -> Option<Pair> {
        let (registered, completed) = self.registered.clone().zip(self.completed.clone())?;
        Some(Pair { registered, completed })
    }

    /// Whether the item counts as absent at `now`, although the store may not have deleted it yet.
    #[must_use]
    pub fn has_expired(&self, now: SystemTime) -> bool {
        epoch_seconds(self.expires_at) <= epoch_seconds(now)
    }

    /// What became of the two halves, if that is known.
    #[must_use]
    pub fn delivery(&self) -> Option<Delivery> {
        self.delivery.map(|recorded| recorded.delivery)
    }
}

impl Delivery {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Late => "late",
            Self::Unconfirmed => "unconfirmed",
            Self::Refused => "refused",
        }
    }
}

/// Seconds since 1970, the unit of DynamoDB's TTL. A time before that is 0.
pub(crate) fn epoch_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Milliseconds since 1970, the unit of the other times.
pub(crate) fn epoch_millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `time` and `duration` later, at most until the year 9999: what is kept for so long is kept for ever.
pub(crate) fn later(time: SystemTime, duration: Duration) -> SystemTime {
    let latest = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    time.checked_add(duration).map_or(latest, |later| later.min(latest))
}

/// `time` as every store keeps it, so that all of them return the same.
pub(crate) fn whole_millis(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(epoch_millis(time))
}

/// `time` as the expiry is kept.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(epoch_seconds(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_expires_with_the_second_it_names() {
        let expires_at = UNIX_EPOCH + Duration::from_secs(100);
        let item = Item {
            registered: None,
            completed: None,
            delivery: None,
            attempts: 1,
            unconfirmed: None,
            refused: None,
            pending_since: None,
            expires_at,
        };

        assert!(!item.has_expired(expires_at - Duration::from_millis(1)));
        assert!(item.has_expired(expires_at));
    }

    #[test]
    fn an_item_is_kept_a_day_longer_than_an_execution_can_be_redriven() {
        assert_eq!(RETENTION.as_secs(), 1_296_000);
    }

    #[test]
    fn a_time_that_no_clock_reaches_ends_with_the_year_9999() {
        let latest = UNIX_EPOCH + Duration::from_secs(253_402_300_799);

        assert_eq!(later(UNIX_EPOCH, Duration::MAX), latest);
        assert_eq!(later(UNIX_EPOCH, Duration::from_secs(253_402_300_800)), latest);
        assert_eq!(later(UNIX_EPOCH, Duration::from_secs(7)), UNIX_EPOCH + Duration::from_secs(7));
    }

    #[test]
    fn times_are_cut_not_rounded() {
        let time = UNIX_EPOCH + Duration::from_nanos(1_999_999_999);

        assert_eq!(whole_millis(time), UNIX_EPOCH + Duration::from_millis(1_999));
        assert_eq!(whole_seconds(time), UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(epoch_millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
    }
}
