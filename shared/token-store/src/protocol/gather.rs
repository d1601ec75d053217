//! Many parts, one outcome: who finds that nothing is missing combines what the parts have left behind.
//!
//! 1. Add the part to its group. The store returns the whole group.
//! 2. The group is full: add it to the full groups.
//! 3. All groups are full: combine, complete the key with the outcome, then note that this is done.
//!
//! Whoever crashes in between is repeated, sees again what it saw, and goes on from there. Several may combine the same
//! set at once; the key takes the first outcome.

use std::time::SystemTime;

use super::When;
use crate::{
    Part,
    item::{later, whole_seconds},
    tally::{Tallied, Tally, TallyChange, TallyName, TallyOf, TallyPredicate, TallyUpdate},
};

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GatherStep {
    /// Make a conditional update.
    Tally(Tallying),
    /// Combine all parts and complete the key with the outcome.
    Combine(Combining),
    /// Nothing more: the answer.
    Done(Gathered),
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gathered {
    /// Other parts are missing.
    Incomplete,
    /// This call has combined all parts.
    Whole,
    /// All parts had been combined before.
    Before,
    /// The set was begun with another number of parts. Nothing was written.
    OtherCount {
        /// That number.
        begun_with: u32,
    },
}

/// A call that waits for the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tallying {
    gather: Gather,
    update: TallyUpdate,
}

/// A call that waits for the outcome to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Combining {
    gather: Gather,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Gather {
    part: Part,
    when: When,
}

/// Begins a call for a part that is done.
#[must_use]
pub fn gather(part: Part, when: When) -> GatherStep {
    let gather = Gather { part, when };
    gather.write(gather.add(gather.name(TallyOf::Group(part.group()))))
}

impl Tallying {
    /// The update to make.
    #[must_use]
    pub fn update(&self) -> &TallyUpdate {
        &self.update
    }

    /// Goes on with what the store said.
    #[must_use]
    pub fn resume(self, tallied: Tallied) -> GatherStep {
        let Self { gather, update } = self;
        let name = update.name;
        match tallied {
            // The outcome is recorded, whatever became of the note.
            _ if update.changes == [TallyChange::SetCombined] => GatherStep::Done(Gathered::Whole),
            Tallied::Stored(tally) if !name.is_full(&tally, gather.part) => {
                GatherStep::Done(Gathered::Incomplete)
            }
            Tallied::Stored(tally) => match name.of {
                TallyOf::Group(_) => gather.write(gather.add(gather.name(TallyOf::Groups))),
                TallyOf::Groups if tally.combined => GatherStep::Done(Gathered::Before),
                TallyOf::Groups => GatherStep::Combine(Combining { gather }),
            },
            Tallied::Refused(found) => gather.refused(name, found.as_ref()),
        }
    }
}

impl Combining {
    /// Goes on when the outcome is recorded under the key.
    #[must_use]
    pub fn recorded(self) -> GatherStep {
        self.gather.write(self.gather.set_combined())
    }
}

impl Gather {
    fn write(self, update: TallyUpdate) -> GatherStep {
        GatherStep::Tally(Tallying { gather: self, update })
    }

    fn refused(self, name: TallyName, found: Option<&Tally>) -> GatherStep {
        match found {
            Some(tally) if tally.has_expired(self.when.now) => self.write(self.add_anew(name)),
            Some(tally) if tally.of != self.part.of() => {
                GatherStep::Done(Gathered::OtherCount { begun_with: tally.of })
            }
            _ => self.write(self.add(name)),
        }
    }

    /// Adds the part to its group, or its group to the groups.
    fn add(self, name: TallyName) -> TallyUpdate {
        TallyUpdate {
            name,
            any_of: vec![
                vec![TallyPredicate::Absent],
                vec![TallyPredicate::SameCount(self.part.of()), TallyPredicate::Live(self.when.now)],
            ],
            changes: vec![
                TallyChange::SetCount(self.part.of()),
                TallyChange::Add(self.member(name)),
                TallyChange::SetExpiry(self.expiry()),
            ],
        }
    }

    /// As [`Gather::add`], in place of what has expired.
    fn add_anew(self, name: TallyName) -> TallyUpdate {
        TallyUpdate {
            name,
            any_of: vec![vec![TallyPredicate::Expired(self.when.now)]],
            changes: vec![
                TallyChange::SetCount(self.part.of()),
                TallyChange::Only(self.member(name)),
                TallyChange::RemoveCombined,
                TallyChange::SetExpiry(self.expiry()),
            ],
        }
    }

    /// Spares whoever repeats a part the work of combining all of them. The item is there: no call outlives it.
    fn set_combined(self) -> TallyUpdate {
        TallyUpdate {
            name: self.name(TallyOf::Groups),
            any_of: vec![vec![TallyPredicate::SameCount(self.part.of())]],
            changes: vec![TallyChange::SetCombined],
        }
    }

    fn name(self, of: TallyOf) -> TallyName {
        TallyName { round: self.part.round(), of }
    }

    fn member(self, name: TallyName) -> u32 {
        match name.of {
            TallyOf::Group(_) => self.part.member(),
            TallyOf::Groups => self.part.group(),
        }
    }

    fn expiry(self) -> SystemTime {
        whole_seconds(later(self.when.now, self.when.retention))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        time::{Duration, UNIX_EPOCH},
    };

    use super::*;
    use crate::item::RETENTION;

    #[test]
    fn a_part_that_finds_its_expired_group_begun_anew_by_another_joins_that() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let tally = |expires_at| Tally { of: 3, members: BTreeSet::from([1]), combined: false, expires_at };
        let tallying = |step| {
            let GatherStep::Tally(tallying) = step else { panic!("no write: {step:?}") };
            tallying
        };

        let first = tallying(gather(Part::new(2, 3).unwrap(), When::new(now, RETENTION)));
        let joining = first.update().clone();
        let anew = tallying(first.resume(Tallied::Refused(Some(tally(now)))));
        let beginning = anew.update().clone();
        let again = tallying(anew.resume(Tallied::Refused(Some(tally(now + RETENTION)))));

        assert_ne!(beginning, joining);
        assert_eq!(again.update(), &joining);
    }
}
