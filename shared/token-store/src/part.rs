//! One part of a set that is gathered.

/// One of the parts that together complete a callback key: part `number` of `of`, counted from 1.
///
/// ```
/// use token_store::{Part, part::InvalidPart};
///
/// let part = Part::new(3, 42)?;
/// assert_eq!((part.number(), part.of()), (3, 42));
/// assert_eq!(Part::new(43, 42), Err(InvalidPart::Number));
/// # Ok::<(), InvalidPart>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    number: u32,
    of: u32,
    group: u32,
    round: u32,
}

/// Error from [`Part::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPart {
    /// The number is not one of the set's.
    #[error("a part's number is at least 1 and at most the number of parts")]
    Number,
    /// The set has no parts, or more than fit.
    #[error("a set has at least 1 part and at most {}", Part::MOST)]
    Count,
}

impl Part {
    /// How many parts have one item of the store: their numbers take a third of 1 KB.
    pub const GROUP: u32 = 128;
    /// The most parts of a set: as many groups as parts in a group.
    pub const MOST: u32 = Self::GROUP * Self::GROUP;

    /// Part `number` of a set of `of` parts.
    ///
    /// # Errors
    ///
    /// [`InvalidPart::Count`] when `of` is 0 or more than [`Part::MOST`], [`InvalidPart::Number`] when the number is
    /// none of 1 to `of`.
    pub fn new(number: u32, of: u32) -> Result<Self, InvalidPart> {
        Self::in_groups_of(Self::GROUP, number, of)
    }

    /// As [`Part::new`], with groups of another size: a model checker explores small ones. All parts of a set have the
    /// same.
    ///
    /// # Errors
    ///
    /// As [`Part::new`], with a limit of `group` times `group` parts.
    pub fn in_groups_of(group: u32, number: u32, of: u32) -> Result<Self, InvalidPart> {
        if of == 0 || of > group * group {
            return Err(InvalidPart::Count);
        }
        if number == 0 || number > of {
            return Err(InvalidPart::Number);
        }
        Ok(Self { number, of, group, round: 0 })
    }

    /// The same part of another round: a set of its own.
    ///
    /// When a key is waited on again and its parts are done again, number the rounds, for example by
    /// `State.RetryCount`. A part without a round is of round 0. A duplicate of an earlier round's part cannot be told from
    /// a part of the new round by anything else.
    #[must_use]
    pub fn of_round(self, round: u32) -> Self {
        Self { round, ..self }
    }

    /// Which part.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    /// Of how many.
    #[must_use]
    pub fn of(self) -> u32 {
        self.of
    }

    /// Of which round.
    #[must_use]
    pub fn round(self) -> u32 {
        self.round
    }

    /// The group of the part, counted from 0.
    pub(crate) fn group(self) -> u32 {
        (self.number - 1) / self.group
    }

    /// The part's number within its group, counted from 0.
    pub(crate) fn member(self) -> u32 {
        (self.number - 1) % self.group
    }

    /// How many groups the set has.
    pub(crate) fn groups(self) -> u32 {
        self.of.div_ceil(self.group)
    }

    /// How many parts a group has: the last one may have fewer.
    pub(crate) fn parts_in(self, group: u32) -> u32 {
        (self.of - group * self.group).min(self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_from_1_to_16384() {
        assert_eq!(Part::MOST, 16_384);
        assert_eq!(Part::new(16_384, 16_384).map(Part::number), Ok(16_384));
        assert_eq!(Part::new(1, 16_385), Err(InvalidPart::Count));
        assert_eq!(Part::new(1, 0), Err(InvalidPart::Count));
        assert_eq!(Part::new(0, 1), Err(InvalidPart::Number));
        assert_eq!(Part::new(2, 1), Err(InvalidPart::Number));
    }

    #[test]
    fn every_part_has_its_own_place_in_a_group_and_the_last_group_may_be_smaller() {
        let places = |of: u32| (1..=of).map(move |number| Part::new(number, of).unwrap());
        for of in [1, 127, 128, 129, 256, 10_000, Part::MOST] {
            let first = Part::new(1, of).unwrap();
            let last = places(of).next_back().unwrap();

            assert!(places(of).map(|part| (part.group(), part.member())).is_sorted());
            assert_eq!(last.group() + 1, first.groups());
            assert_eq!((0..first.groups()).map(|group| first.parts_in(group)).sum::<u32>(), of);
            assert_eq!(last.member() + 1, last.parts_in(last.group()));
        }
    }
}
