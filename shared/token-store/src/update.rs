//! One conditional write, as data: what a store must find and what it then changes.
//!
//! The protocol is written once, in these terms. DynamoDB gets an [`Update`] as a condition expression and an
//! update expression; [`Update::apply`] is the same for a store in memory, and for the model that checks it.

use std::time::SystemTime;

use crate::{Completed, Delivery, Item, Recorded, Registered, WaitStarted};

/// One atomic write of one item: if one of the alternatives holds, all changes are made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Update {
    /// Which of the protocol's writes this is.
    pub write: Write,
    /// The condition: every predicate of at least one alternative.
    pub any_of: Vec<Vec<Predicate>>,
    /// The changes, each to another part of the item.
    pub changes: Vec<Change>,
}

/// The writes of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    /// A wait registers: first of all, beside a parked outcome, or instead of an older wait.
    Register,
    /// A wait registers under a key that is finished or has expired, and starts from nothing.
    RegisterAnew,
    /// A wait registers and takes over the outcome that came too late for an older one.
    RegisterOnLate,
    /// A wait registers and leaves the unconfirmed outcome of an older one aside.
    RegisterAside,
    /// An outcome is recorded: beside a wait, or parked.
    Complete,
    /// An outcome is recorded under a key that has expired, and parked.
    CompleteAnew,
    /// Somebody sets out to deliver the two halves once more.
    Repeat,
    /// The outcome was delivered.
    RecordDelivered,
    /// The task was gone at the first and only attempt.
    RecordLate,
    /// The task was gone, and an earlier attempt may be why.
    RecordUnconfirmed,
}

/// Something that must be true of the item before a write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Predicate {
    /// There is no item.
    Absent,
    /// The item has not expired at this time.
    Live(SystemTime),
    /// The item has expired at this time.
    Expired(SystemTime),
    /// No wait is registered.
    NotRegistered,
    /// The registered wait is older than this one.
    OlderWait(WaitStarted),
    /// The registered wait is this one.
    SameWait(WaitStarted),
    /// No outcome is recorded.
    NoOutcome,
    /// Both halves are there.
    Whole,
    /// No delivery is recorded.
    NotRecorded,
    /// The delivery is recorded as this.
    Recorded(Delivery),
    /// Only the call that completed the pair has set out to deliver it.
    FirstAttempt,
}

/// A change of one part of the item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// Writes the workflow's half.
    SetRegistered(Registered),
    /// Removes it.
    RemoveRegistered,
    /// Writes the outside world's half.
    SetCompleted(Completed),
    /// Removes it.
    RemoveCompleted,
    /// Moves the outcome out of its half, into `unconfirmed`, and removes the half.
    SetAsideCompleted,
    /// Removes the outcome that was set aside.
    RemoveUnconfirmed,
    /// Records how the delivery ended.
    SetDelivery(Recorded),
    /// Forgets a recorded delivery.
    RemoveDelivery,
    /// Starts to count attempts: the writer of this is the first.
    FirstAttempt,
    /// Counts one more attempt.
    NextAttempt,
    /// Lists the item among those that wait.
    SetPending {
        /// Since when.
        since: SystemTime,
    },
    /// Takes the item off that list.
    RemovePending,
    /// Keeps the item until then.
    SetExpiry(SystemTime),
}

impl Update {
    /// What the item becomes, or `None` if the condition does not hold.
    #[must_use]
    pub fn apply(&self, item: Option<&Item>) -> Option<Item> {
        let holds = self.any_of.iter().any(|all_of| all_of.iter().all(|predicate| predicate.holds(item)));
        holds.then(|| {
            let mut item = item.cloned().unwrap_or_else(nothing);
            for change in &self.changes {
                change.make(&mut item);
            }
            item
        })
    }
}

impl Predicate {
    fn holds(&self, item: Option<&Item>) -> bool {
        let Some(item) = item else { return self.holds_for_nothing() };
        let wait = || item.registered.as_ref().map(|registered| &registered.wait.started);
        match self {
            Self::Absent => false,
            Self::Live(now) => !item.has_expired(*now),
            Self::Expired(now) => item.has_expired(*now),
            Self::NotRegistered => item.registered.is_none(),
            Self::OlderWait(started) => wait().is_some_and(|wait| wait < started),
            Self::SameWait(started) => wait() == Some(started),
            Self::NoOutcome => item.completed.is_none(),
            Self::Whole => item.registered.is_some() && item.completed.is_some(),
            Self::NotRecorded => item.delivery.is_none(),
            Self::Recorded(delivery) => item.delivery() == Some(*delivery),
            Self::FirstAttempt => item.attempts == 1,
        }
    }

    /// As in DynamoDB, an item that is not there has no attributes, and nothing compares with them.
    fn holds_for_nothing(&self) -> bool {
        matches!(self, Self::Absent | Self::NotRegistered | Self::NoOutcome | Self::NotRecorded)
    }
}

impl Change {
    fn make(&self, item: &mut Item) {
        match self {
            Self::SetRegistered(registered) => item.registered = Some(registered.clone()),
            Self::RemoveRegistered => item.registered = None,
            Self::SetCompleted(completed) => item.completed = Some(completed.clone()),
            Self::RemoveCompleted => item.completed = None,
            Self::SetAsideCompleted => {
                item.unconfirmed = item.completed.take().map(|completed| completed.outcome);
            }
            Self::RemoveUnconfirmed => item.unconfirmed = None,
            Self::SetDelivery(recorded) => item.delivery = Some(*recorded),
            Self::RemoveDelivery => item.delivery = None,
            Self::FirstAttempt => item.attempts = 1,
            Self::NextAttempt => item.attempts += 1,
            Self::SetPending { since } => item.pending_since = Some(*since),
            Self::RemovePending => item.pending_since = None,
            Self::SetExpiry(at) => item.expires_at = *at,
        }
    }
}

fn nothing() -> Item {
    Item {
        registered: None,
        completed: None,
        delivery: None,
        attempts: 0,
        unconfirmed: None,
        pending_since: None,
        expires_at: SystemTime::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Delivery;

    #[test]
    fn what_is_not_there_has_no_attribute_and_compares_with_nothing() {
        let now = SystemTime::UNIX_EPOCH;
        let started = WaitStarted::new("2026-03-01T09:30:00.000Z", 0, 0).unwrap();
        let predicates = [
            (Predicate::Absent, true),
            (Predicate::Live(now), false),
            (Predicate::Expired(now), false),
            (Predicate::NotRegistered, true),
            (Predicate::OlderWait(started.clone()), false),
            (Predicate::SameWait(started), false),
            (Predicate::NoOutcome, true),
            (Predicate::Whole, false),
            (Predicate::NotRecorded, true),
            (Predicate::Recorded(Delivery::Delivered), false),
            (Predicate::FirstAttempt, false),
        ];

        for (predicate, holds) in predicates {
            assert_eq!(predicate.holds(None), holds, "{predicate:?}");
        }
    }
}
