//! What waits, counted.

use std::time::SystemTime;

use function_runtime::metrics::Unit;
use token_store::store::{Pending, PendingState};

/// What waits of one kind: how many, and since when the oldest. A parked outcome is an orphan while no wait has come
/// for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    waiting: u64,
    oldest_wait_seconds: u64,
    orphaned: u64,
    oldest_orphan_seconds: u64,
    undelivered: u64,
}

impl Census {
    /// Counts an entry of the list. A wait whose deadline has passed stays on the list, for an outcome that comes late,
    /// but nobody waits any more: it is not counted.
    pub(crate) fn count(&mut self, pending: &Pending, now: SystemTime) {
        let seconds = now.duration_since(pending.since).map_or(0, |age| age.as_secs());
        match pending.state {
            PendingState::Waiting if pending.deadline.is_some_and(|deadline| deadline <= now) => {}
            PendingState::Waiting => {
                self.waiting += 1;
                self.oldest_wait_seconds = self.oldest_wait_seconds.max(seconds);
            }
            PendingState::Parked => {
                self.orphaned += 1;
                self.oldest_orphan_seconds = self.oldest_orphan_seconds.max(seconds);
            }
            _ => self.undelivered += 1,
        }
    }

    /// The metrics. What nobody waits for is 0 and not missing, so that an alarm ends.
    pub(crate) fn metrics(&self) -> [(&'static str, Unit, u64); 5] {
        [
            ("Waiting", Unit::Count, self.waiting),
            ("OldestWaitSeconds", Unit::Seconds, self.oldest_wait_seconds),
            ("Orphaned", Unit::Count, self.orphaned),
            ("OldestOrphanSeconds", Unit::Seconds, self.oldest_orphan_seconds),
            ("Undelivered", Unit::Count, self.undelivered),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use token_store::CallbackKey;

    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn pending(state: PendingState, seconds: u64) -> Pending {
        Pending {
            key: CallbackKey::new("valuation", "VAL-17").unwrap(),
            state,
            since: now() - Duration::from_secs(seconds),
            deadline: None,
            execution: None,
        }
    }

    fn census(entries: &[Pending]) -> Census {
        let mut census = Census::default();
        for entry in entries {
            census.count(entry, now());
        }
        census
    }

    #[test]
    fn each_state_is_counted_with_its_own_oldest_age() {
        let census = census(&[
            pending(PendingState::Waiting, 40),
            pending(PendingState::Parked, 30),
            pending(PendingState::Waiting, 20),
            pending(PendingState::Undelivered, 10),
            pending(PendingState::Parked, 5),
        ]);

        assert_eq!(
            census.metrics(),
            [
                ("Waiting", Unit::Count, 2),
                ("OldestWaitSeconds", Unit::Seconds, 40),
                ("Orphaned", Unit::Count, 2),
                ("OldestOrphanSeconds", Unit::Seconds, 30),
                ("Undelivered", Unit::Count, 1),
            ]
        );
    }

    #[test]
    fn a_wait_that_has_timed_out_is_not_counted() {
        let until = |deadline| Pending { deadline: Some(deadline), ..pending(PendingState::Waiting, 40) };

        let census = census(&[until(now()), until(now() + Duration::from_millis(1))]);

        assert_eq!(census.waiting, 1);
    }

    #[test]
    fn nothing_is_reported_as_nothing() {
        assert!(census(&[]).metrics().iter().all(|(_, _, value)| *value == 0));
    }
}
