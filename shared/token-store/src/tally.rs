//! Which parts of a set are done, in items that stay small: what is stored, and its conditional writes, as data.
//!
//! DynamoDB bills a write by the size of the whole item, so one item with all parts would cost more with each part, and
//! one item for each part would need a transaction with a counter, at four times the price and in conflict with all
//! others. Here a set is cut into groups of [`Part::GROUP`] parts. A group is one item with the numbers of its done
//! parts; one more item has the numbers of the full groups. Both are sets, so to add a number twice changes nothing,
//! and no item grows beyond 1 KB, one write unit.

use std::{collections::BTreeSet, time::SystemTime};

use crate::{Part, item::epoch_seconds};

/// Which item of the sets of parts of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyName {
    /// The round of the set.
    pub round: u32,
    /// The item of that set.
    pub of: TallyOf,
}

/// What an item of a set counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TallyOf {
    /// The done parts of one group, by the number of the group.
    Group(u32),
    /// The full groups.
    Groups,
}

/// One item of a set of parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tally {
    /// How many parts the whole set has.
    pub of: u32,
    /// The numbers of the done parts, counted within their group, or of the full groups.
    pub members: BTreeSet<u32>,
    /// Whether the outcome of the whole set is recorded. Only the item of [`TallyOf::Groups`] says so.
    pub combined: bool,
    /// When the item may be deleted, in whole seconds. From then on it counts as absent.
    pub expires_at: SystemTime,
}

/// One atomic write of one item of a set: if one of the alternatives holds, all changes are made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TallyUpdate {
    /// The item.
    pub name: TallyName,
    /// The condition: every predicate of at least one alternative.
    pub any_of: Vec<Vec<TallyPredicate>>,
    /// The changes.
    pub changes: Vec<TallyChange>,
}

/// Something that must be true of the item before a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TallyPredicate {
    /// There is no item.
    Absent,
    /// The item is of a set of this many parts.
    SameCount(u32),
    /// The item has not expired at this time.
    Live(SystemTime),
    /// The item has expired at this time.
    Expired(SystemTime),
}

/// A change of one part of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TallyChange {
    /// Writes how many parts the set has.
    SetCount(u32),
    /// Adds a number, if it is not there yet.
    Add(u32),
    /// Forgets all numbers but this.
    Only(u32),
    /// Says that the outcome is recorded.
    SetCombined,
    /// Forgets that.
    RemoveCombined,
    /// Keeps the item until then.
    SetExpiry(SystemTime),
}

/// What a [`TallyUpdate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tallied {
    /// The condition held; this is the item afterwards.
    Stored(Tally),
    /// The condition did not hold; this is the item, if there is one.
    Refused(Option<Tally>),
}

impl TallyName {
    /// Whether nothing is missing in `tally`, which has this name, of a set as large as that of `part`.
    pub(crate) fn is_full(self, tally: &Tally, part: Part) -> bool {
        let expected = match self.of {
            TallyOf::Group(group) => part.parts_in(group),
            TallyOf::Groups => part.groups(),
        };
        tally.members.len() == expected as usize
    }
}

impl Tally {
    /// Whether the item counts as absent at `now`, although the store may not have deleted it yet.
    #[must_use]
    pub fn has_expired(&self, now: SystemTime) -> bool {
        epoch_seconds(self.expires_at) <= epoch_seconds(now)
    }
}

impl TallyUpdate {
    /// What the item becomes, or `None` if the condition does not hold.
    #[must_use]
    pub fn apply(&self, tally: Option<&Tally>) -> Option<Tally> {
        let holds = self.any_of.iter().any(|all_of| all_of.iter().all(|predicate| predicate.holds(tally)));
        holds.then(|| {
            let mut tally = tally.cloned().unwrap_or_else(nothing);
            for change in &self.changes {
                change.make(&mut tally);
            }
            tally
        })
    }
}

impl TallyPredicate {
    fn holds(self, tally: Option<&Tally>) -> bool {
        let Some(tally) = tally else { return self == Self::Absent };
        match self {
            Self::Absent => false,
            Self::SameCount(of) => tally.of == of,
            Self::Live(now) => !tally.has_expired(now),
            Self::Expired(now) => tally.has_expired(now),
        }
    }
}

impl TallyChange {
    fn make(self, tally: &mut Tally) {
        match self {
            Self::SetCount(of) => tally.of = of,
            Self::Add(member) => {
                tally.members.insert(member);
            }
            Self::Only(member) => tally.members = BTreeSet::from([member]),
            Self::SetCombined => tally.combined = true,
            Self::RemoveCombined => tally.combined = false,
            Self::SetExpiry(at) => tally.expires_at = at,
        }
    }
}

fn nothing() -> Tally {
    Tally { of: 0, members: BTreeSet::new(), combined: false, expires_at: SystemTime::UNIX_EPOCH }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absence_holds_for_what_is_not_there() {
        let now = SystemTime::UNIX_EPOCH;
        let predicates = [
            (TallyPredicate::Absent, true),
            (TallyPredicate::SameCount(0), false),
            (TallyPredicate::Live(now), false),
            (TallyPredicate::Expired(now), false),
        ];

        for (predicate, holds) in predicates {
            assert_eq!(predicate.holds(None), holds, "{predicate:?}");
        }
    }
}
