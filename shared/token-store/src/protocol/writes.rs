//! The writes of the protocol: every condition stands here, once.

use super::When;
use crate::{
    Delivery, Outcome,
    item::{Completed, Pair, Recorded, Registered, later, whole_seconds},
    update::{Change, Predicate, Update, Write},
    wait::LateOutcomes,
};

/// Joins a parked outcome, displaces an older wait that has no outcome, or is the first to come. The older wait is one of
/// the same execution, so that its task is over, or one whose deadline has passed.
pub(super) fn register(registered: &Registered, when: When) -> Update {
    let Registered { wait, at, .. } = registered;
    let older = || Predicate::OlderWait(wait.started.clone());
    Update {
        write: Write::Register,
        any_of: vec![
            vec![Predicate::Absent],
            vec![Predicate::Live(*at), Predicate::NotRegistered],
            vec![older(), Predicate::NoOutcome, Predicate::SameExecution(wait.execution.clone())],
            vec![older(), Predicate::NoOutcome, Predicate::Overdue(*at)],
        ],
        changes: half_registered(registered, when, []),
    }
}

/// Displaces `found`, an older wait of another execution whose deadline has not passed, and notes which one it was: the
/// answer must say so, even when it is asked for again.
pub(super) fn register_over(registered: &Registered, found: &Registered, when: When) -> Update {
    let displacing = displacing(registered, found);
    Update {
        write: Write::RegisterOver,
        any_of: vec![vec![Predicate::SameWait(found.token.clone()), Predicate::NoOutcome]],
        changes: half_registered(&displacing, when, []),
    }
}

/// Starts from nothing: what is there has expired, or was delivered to an older wait.
pub(super) fn register_anew(registered: &Registered, when: When) -> Update {
    let Registered { wait, at, .. } = registered;
    Update {
        write: Write::RegisterAnew,
        any_of: vec![
            vec![Predicate::Expired(*at)],
            vec![Predicate::OlderWait(wait.started.clone()), Predicate::Recorded(Delivery::Delivered)],
        ],
        changes: half_registered(
            registered,
            when,
            [
                Change::RemoveCompleted,
                Change::RemoveDelivery,
                Change::RemoveUnconfirmed,
                Change::RemoveRefused,
            ],
        ),
    }
}

/// Takes over an outcome that nobody has used.
pub(super) fn register_on_late(registered: &Registered, takes: LateOutcomes, when: When) -> Update {
    let Registered { wait, .. } = registered;
    let mut all_of = vec![Predicate::OlderWait(wait.started.clone()), Predicate::Recorded(Delivery::Late)];
    if takes == LateOutcomes::OfThisExecution {
        all_of.push(Predicate::SameExecution(wait.execution.clone()));
    }
    Update {
        write: Write::RegisterOnLate,
        any_of: vec![all_of],
        changes: half_registered(registered, when, [Change::RemoveDelivery]),
    }
}

/// Takes over a success that an earlier attempt of the same state entry has not used, although it may have been sent to
/// that attempt: had the attempt used it, the entry would have succeeded and this attempt would not exist. So the outcome
/// is sent to this wait as a first attempt. Those who still send it to the earlier attempt find its task closed, and what
/// they record is bound to the earlier token and refused.
pub(super) fn register_on_unused(registered: &Registered, when: When) -> Update {
    let Registered { wait, .. } = registered;
    let unused = |delivery| {
        vec![
            Predicate::SameEntry(wait.entry()),
            Predicate::OlderWait(wait.started.clone()),
            Predicate::Success,
            delivery,
        ]
    };
    Update {
        write: Write::RegisterOnUnused,
        any_of: vec![unused(Predicate::NotRecorded), unused(Predicate::Recorded(Delivery::Unconfirmed))],
        changes: half_registered(registered, when, [Change::RemoveDelivery]),
    }
}

/// Leaves aside an outcome that is not this wait's: a failure that may be the reason for this attempt, an outcome that
/// another state entry may have used, or one that was late for another execution.
pub(super) fn register_aside(registered: &Registered, takes: LateOutcomes, when: When) -> Update {
    let Registered { wait, .. } = registered;
    let recorded = |delivery, whose| {
        vec![Predicate::OlderWait(wait.started.clone()), Predicate::Recorded(delivery), whose]
    };
    let mut any_of = vec![
        recorded(Delivery::Unconfirmed, Predicate::Failure),
        recorded(Delivery::Unconfirmed, Predicate::OtherEntry(wait.entry())),
    ];
    if takes == LateOutcomes::OfThisExecution {
        any_of.push(recorded(Delivery::Late, Predicate::OtherExecution(wait.execution.clone())));
    }
    Update {
        write: Write::RegisterAside,
        any_of,
        changes: half_registered(registered, when, [Change::SetAsideCompleted, Change::RemoveDelivery]),
    }
}

/// Leaves aside the outcome of the older wait in `pair`, to which it could not be sent now: this registration must not
/// fail for that.
pub(super) fn register_unsettled(registered: &Registered, pair: &Pair, when: When) -> Update {
    let found = &pair.registered;
    let displacing = displacing(registered, found);
    Update {
        write: Write::RegisterUnsettled,
        any_of: vec![vec![
            Predicate::SameWait(found.token.clone()),
            Predicate::Whole,
            Predicate::NotRecorded,
        ]],
        changes: half_registered(&displacing, when, [Change::SetAsideCompleted]),
    }
}

/// Joins a wait that has no outcome, or is parked. An item that has a wait is kept until that wait's deadline and the
/// retention have passed, however early the outcome comes.
pub(super) fn complete(completed: &Completed, when: When) -> Update {
    Update {
        write: Write::Complete,
        any_of: vec![vec![Predicate::Absent], vec![Predicate::Live(completed.at), Predicate::NoOutcome]],
        changes: half_completed(completed, [Change::SetExpiryIfNone(kept_from(completed.at, when))]),
    }
}

/// Is parked in place of what has expired.
pub(super) fn complete_anew(completed: &Completed, when: When) -> Update {
    Update {
        write: Write::CompleteAnew,
        any_of: vec![vec![Predicate::Expired(completed.at)]],
        changes: half_completed(
            completed,
            [
                Change::SetExpiry(kept_from(completed.at, when)),
                Change::RemoveRegistered,
                Change::RemoveDelivery,
            ],
        ),
    }
}

/// Says, before anything is sent, that a closed task may be the doing of another attempt. Without this write the
/// first attempt could take for late what a repeat has delivered meanwhile.
pub(super) fn repeat() -> Update {
    Update {
        write: Write::Repeat,
        any_of: vec![vec![Predicate::Whole, Predicate::NotRecorded]],
        changes: vec![Change::NextAttempt],
    }
}

/// Records how the delivery of `pair` ended. A delivery that was seen overrules one that could not be confirmed. What was
/// not seen is recorded only of the outcome that was sent: a corrected one may stand in its place.
pub(super) fn record(pair: &Pair, delivery: Delivery, when: When) -> Update {
    let same_wait = || Predicate::SameWait(pair.registered.token.clone());
    let same_outcome = || Predicate::SameOutcome(pair.completed.outcome.clone());
    let ended = || vec![Change::SetDelivery(Recorded { delivery, at: when.now }), Change::RemovePending];
    let (write, all_of, changes) = match delivery {
        Delivery::Delivered => (Write::RecordDelivered, vec![same_wait()], ended()),
        Delivery::Late => (
            Write::RecordLate,
            vec![same_wait(), same_outcome(), Predicate::FirstAttempt, Predicate::NotRecorded],
            ended(),
        ),
        Delivery::Unconfirmed => {
            (Write::RecordUnconfirmed, vec![same_wait(), same_outcome(), Predicate::NotRecorded], ended())
        }
        Delivery::Refused => (
            Write::RecordRefused,
            vec![same_wait(), same_outcome(), Predicate::NotRecorded],
            vec![Change::RefuseCompleted, Change::SetPending { since: pair.registered.at }],
        ),
    };
    Update { write, any_of: vec![all_of], changes }
}

fn half_registered(
    registered: &Registered,
    when: When,
    others: impl IntoIterator<Item = Change>,
) -> Vec<Change> {
    let Registered { wait, at, .. } = registered;
    let mut changes = vec![
        Change::SetRegistered(registered.clone()),
        Change::FirstAttempt,
        Change::SetPending { since: *at },
        Change::SetExpiry(kept_from(wait.deadline.max(*at), when)),
    ];
    changes.extend(others);
    changes
}

fn half_completed(completed: &Completed, others: impl IntoIterator<Item = Change>) -> Vec<Change> {
    let mut changes = vec![
        Change::SetCompleted(completed.clone()),
        // An outcome of its own makes the one of an older wait useless; and the two need not fit into one item.
        Change::RemoveUnconfirmed,
        Change::RemoveRefused,
        Change::FirstAttempt,
        Change::SetPending { since: completed.at },
    ];
    changes.extend(others);
    changes
}

fn displacing(registered: &Registered, found: &Registered) -> Registered {
    let other = Some(&found.wait.execution).filter(|execution| **execution != registered.wait.execution);
    Registered { displaced: other.cloned(), ..registered.clone() }
}

fn kept_from(time: std::time::SystemTime, when: When) -> std::time::SystemTime {
    whole_seconds(later(time, when.retention))
}

/// Whether the outcome is a success.
pub(super) fn is_success(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Success(_))
}
