//! The writes of the protocol: every condition stands here, once.

use std::time::SystemTime;

use crate::{
    Change, Completed, Delivery, Pair, Predicate, RETENTION, Recorded, Registered, Update, WaitStarted,
    Write, item::whole_seconds,
};

/// Joins a parked outcome, displaces an older wait that has no outcome, or is the first to come.
pub(super) fn register(registered: &Registered) -> Update {
    let Registered { wait, at, .. } = registered;
    Update {
        write: Write::Register,
        any_of: vec![
            vec![Predicate::Absent],
            vec![Predicate::Live(*at), Predicate::NotRegistered],
            vec![Predicate::OlderWait(wait.started.clone()), Predicate::NoOutcome],
        ],
        changes: half_registered(registered, []),
    }
}

/// Starts from nothing: what is there has expired, or was delivered to an older wait.
pub(super) fn register_anew(registered: &Registered) -> Update {
    let Registered { wait, at, .. } = registered;
    Update {
        write: Write::RegisterAnew,
        any_of: vec![
            vec![Predicate::Expired(*at)],
            vec![Predicate::OlderWait(wait.started.clone()), Predicate::Recorded(Delivery::Delivered)],
        ],
        changes: half_registered(
            registered,
            [Change::RemoveCompleted, Change::RemoveDelivery, Change::RemoveUnconfirmed],
        ),
    }
}

/// Takes over an outcome that nobody has used.
pub(super) fn register_on_late(registered: &Registered) -> Update {
    Update {
        write: Write::RegisterOnLate,
        any_of: vec![vec![
            Predicate::OlderWait(registered.wait.started.clone()),
            Predicate::Recorded(Delivery::Late),
        ]],
        changes: half_registered(registered, [Change::RemoveDelivery]),
    }
}

/// Leaves aside an outcome that somebody may have used.
pub(super) fn register_aside(registered: &Registered) -> Update {
    Update {
        write: Write::RegisterAside,
        any_of: vec![vec![
            Predicate::OlderWait(registered.wait.started.clone()),
            Predicate::Recorded(Delivery::Unconfirmed),
        ]],
        changes: half_registered(registered, [Change::SetAsideCompleted, Change::RemoveDelivery]),
    }
}

/// Joins a wait that has no outcome, or is parked.
pub(super) fn complete(completed: &Completed) -> Update {
    Update {
        write: Write::Complete,
        any_of: vec![vec![Predicate::Absent], vec![Predicate::Live(completed.at), Predicate::NoOutcome]],
        changes: half_completed(completed, []),
    }
}

/// Is parked in place of what has expired.
pub(super) fn complete_anew(completed: &Completed) -> Update {
    Update {
        write: Write::CompleteAnew,
        any_of: vec![vec![Predicate::Expired(completed.at)]],
        changes: half_completed(completed, [Change::RemoveRegistered, Change::RemoveDelivery]),
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

/// Records how the delivery of `pair` ended. A delivery that was seen overrules one that could not be confirmed.
pub(super) fn record(pair: &Pair, delivery: Delivery, at: SystemTime) -> Update {
    let same_wait = Predicate::SameWait(pair.wait_started().clone());
    let (write, all_of) = match delivery {
        Delivery::Delivered => (Write::RecordDelivered, vec![same_wait]),
        Delivery::Late => (Write::RecordLate, vec![same_wait, Predicate::FirstAttempt]),
        Delivery::Unconfirmed => (Write::RecordUnconfirmed, vec![same_wait, Predicate::NotRecorded]),
    };
    Update {
        write,
        any_of: vec![all_of],
        changes: vec![Change::SetDelivery(Recorded { delivery, at }), Change::RemovePending],
    }
}

fn half_registered(registered: &Registered, others: impl IntoIterator<Item = Change>) -> Vec<Change> {
    let Registered { wait, at, .. } = registered;
    let mut changes = vec![
        Change::SetRegistered(registered.clone()),
        Change::FirstAttempt,
        Change::SetPending { since: *at },
        Change::SetExpiry(whole_seconds(wait.deadline.max(*at) + RETENTION)),
    ];
    changes.extend(others);
    changes
}

fn half_completed(completed: &Completed, others: impl IntoIterator<Item = Change>) -> Vec<Change> {
    let mut changes = vec![
        Change::SetCompleted(completed.clone()),
        // An outcome of its own makes the one of an older wait useless; and the two need not fit into one item.
        Change::RemoveUnconfirmed,
        Change::FirstAttempt,
        Change::SetPending { since: completed.at },
        Change::SetExpiry(whole_seconds(completed.at + RETENTION)),
    ];
    changes.extend(others);
    changes
}

impl Pair {
    /// Which wait the pair belongs to.
    pub(super) fn wait_started(&self) -> &WaitStarted {
        &self.registered.wait.started
    }
}
