//! One conditional write, as data: what a store must find and what it then changes.
//!
//! The protocol is written once, in these terms. DynamoDB gets an [`Update`] as a condition expression and an
//! update expression; [`Update::apply`] is the same for a store in memory, and for the model that checks it.

use std::time::SystemTime;

use crate::{
    Delivery, Outcome, TaskToken,
    item::{Completed, Item, Recorded, Registered},
    wait::{Entry, WaitStarted},
};

/// One atomic write of one item: if one of the alternatives holds, all changes are made.
///
/// An adapter must translate every [`Predicate`] and [`Change`], so both are exhaustive: a new one breaks the build of an
/// adapter that does not know it, and not its behaviour.
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
#[non_exhaustive]
pub enum Write {
    /// A wait registers: first of all, beside a parked outcome, or instead of an older wait.
    Register,
    /// A wait registers instead of an older one of another execution, whose task may still wait.
    RegisterOver,
    /// A wait registers under a key that is finished or has expired, and starts from nothing.
    RegisterAnew,
    /// A wait registers and takes over the outcome that came too late for an older one.
    RegisterOnLate,
    /// A retry or redrive of a state entry registers and takes over the success that the earlier attempt did not use.
    RegisterOnUnused,
    /// A wait registers and leaves the outcome of an older one aside.
    RegisterAside,
    /// As [`Write::RegisterAside`], when the outcome could not be sent to the older wait.
    RegisterUnsettled,
    /// An outcome is recorded: beside a wait, or parked.
    Complete,
    /// An outcome is recorded under a key that has expired, and parked.
    CompleteAnew,
    /// A call is about to deliver the two halves once more.
    Repeat,
    /// The outcome was delivered.
    RecordDelivered,
    /// The task was gone at the first and only attempt.
    RecordLate,
    /// The task was gone, and an earlier attempt may be why.
    RecordUnconfirmed,
    /// Step Functions refused the outcome for good, and the wait goes on.
    RecordRefused,
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
    /// The registered wait is the one with this token.
    SameWait(TaskToken),
    /// The registered wait is of this execution.
    SameExecution(String),
    /// The registered wait is of another execution.
    OtherExecution(String),
    /// The registered wait is an attempt of this state entry.
    SameEntry(Entry),
    /// The registered wait is of another state entry.
    OtherEntry(Entry),
    /// The deadline of the registered wait has passed at this time.
    Overdue(SystemTime),
    /// No outcome is recorded.
    NoOutcome,
    /// The recorded outcome is a success.
    Success,
    /// The recorded outcome is a failure.
    Failure,
    /// This outcome is recorded.
    SameOutcome(Outcome),
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
    /// Moves the outcome out of its half, into `refused`, and removes the half.
    RefuseCompleted,
    /// Removes the outcome that was refused.
    RemoveRefused,
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
    /// Keeps the item until then, unless it has an expiry already.
    SetExpiryIfNone(SystemTime),
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
        let registered = item.registered.as_ref();
        let wait = || registered.map(|registered| &registered.wait);
        let outcome = || item.completed.as_ref().map(|completed| &completed.outcome);
        match self {
            Self::Absent => false,
            Self::Live(now) => !item.has_expired(*now),
            Self::Expired(now) => item.has_expired(*now),
            Self::NotRegistered => registered.is_none(),
            Self::OlderWait(started) => wait().is_some_and(|wait| wait.started < *started),
            Self::SameWait(token) => registered.is_some_and(|registered| registered.token == *token),
            Self::SameExecution(execution) => wait().is_some_and(|wait| wait.execution == *execution),
            Self::OtherExecution(execution) => wait().is_some_and(|wait| wait.execution != *execution),
            Self::SameEntry(entry) => wait().is_some_and(|wait| wait.is_of(entry)),
            Self::OtherEntry(entry) => wait().is_some_and(|wait| !wait.is_of(entry)),
            Self::Overdue(now) => wait().is_some_and(|wait| wait.deadline <= *now),
            Self::NoOutcome => item.completed.is_none(),
            Self::Success => matches!(outcome(), Some(Outcome::Success(_))),
            Self::Failure => matches!(outcome(), Some(Outcome::Failure(_))),
            Self::SameOutcome(same) => outcome() == Some(same),
            Self::Whole => registered.is_some() && item.completed.is_some(),
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
            Self::RefuseCompleted => item.refused = item.completed.take().map(|completed| completed.outcome),
            Self::RemoveRefused => item.refused = None,
            Self::SetDelivery(recorded) => item.delivery = Some(*recorded),
            Self::RemoveDelivery => item.delivery = None,
            Self::FirstAttempt => item.attempts = 1,
            Self::NextAttempt => item.attempts += 1,
            Self::SetPending { since } => item.pending_since = Some(*since),
            Self::RemovePending => item.pending_since = None,
            Self::SetExpiry(at) => item.expires_at = *at,
            Self::SetExpiryIfNone(at) if item.expires_at == SystemTime::UNIX_EPOCH => item.expires_at = *at,
            Self::SetExpiryIfNone(_) => {}
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
        refused: None,
        pending_since: None,
        expires_at: SystemTime::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_has_no_attribute_and_compares_with_nothing() {
        let now = SystemTime::UNIX_EPOCH;
        let started = WaitStarted::new("2026-03-01T09:30:00.000Z", 0, 0).unwrap();
        let entry = Entry { execution: "arn".into(), entered: started.entered().into() };
        let predicates = [
            (Predicate::Absent, true),
            (Predicate::Live(now), false),
            (Predicate::Expired(now), false),
            (Predicate::NotRegistered, true),
            (Predicate::OlderWait(started), false),
            (Predicate::SameWait(TaskToken::new("token").unwrap()), false),
            (Predicate::SameExecution("arn".into()), false),
            (Predicate::OtherExecution("arn".into()), false),
            (Predicate::SameEntry(entry.clone()), false),
            (Predicate::OtherEntry(entry), false),
            (Predicate::Overdue(now), false),
            (Predicate::NoOutcome, true),
            (Predicate::Success, false),
            (Predicate::Failure, false),
            (Predicate::SameOutcome(Outcome::failure("", "")), false),
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
