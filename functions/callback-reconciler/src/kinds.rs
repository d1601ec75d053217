//! The kinds of callback keys that are looked after.

use std::str::FromStr;

/// One or more kinds, written with commas between them: `valuation,job`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kinds(pub(crate) Vec<String>);

/// A list of kinds with nothing in it, or before or after a comma.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a kind in the list is empty")]
pub(crate) struct EmptyKind;

impl FromStr for Kinds {
    type Err = EmptyKind;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let kind = |kind: &str| Some(kind.trim().to_owned()).filter(|kind| !kind.is_empty());
        list.split(',').map(kind).collect::<Option<_>>().map(Self).ok_or(EmptyKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_with_commas() {
        assert_eq!("valuation".parse(), Ok(Kinds(vec!["valuation".into()])));
        assert_eq!("valuation, job".parse(), Ok(Kinds(vec!["valuation".into(), "job".into()])));
    }

    #[test]
    fn an_empty_kind_is_refused() {
        for list in ["", "valuation,", ",job"] {
            assert_eq!(list.parse::<Kinds>(), Err(EmptyKind), "{list}");
        }
    }
}
