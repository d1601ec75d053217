//! The callback key: the name under which both sides know one wait.

use std::{fmt, str::FromStr};

/// The longest key, in bytes: DynamoDB stores partition keys of up to 2,048, and the items of [`gather`] have up to 21
/// bytes before the key, `parts/4294967295.127#`.
///
/// [`gather`]: crate::Rendezvous::gather
const LONGEST: usize = 2_048 - 21;

/// `<kind>#<id>`, for example `valuation#VAL-17`: the name that the workflow and the outside world both know.
///
/// The kind says what is waited for, and is how waits are listed and counted. The id is unique within its kind.
///
/// ```
/// use token_store::CallbackKey;
///
/// let key = CallbackKey::new("valuation", "VAL-17")?;
/// assert_eq!(key.to_string(), "valuation#VAL-17");
/// assert_eq!("valuation#VAL-17".parse(), Ok(key));
/// # Ok::<(), token_store::key::InvalidCallbackKey>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallbackKey {
    text: String,
    kind_length: usize,
}

/// Error from [`CallbackKey::new`] and from parsing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCallbackKey {
    /// The kind is not made of lower-case letters, digits and hyphens, or there is none.
    #[error("the kind of a callback key is made of a-z, 0-9 and '-'")]
    Kind,
    /// The id is empty or holds control characters.
    #[error("the id of a callback key has at least one character and no control characters")]
    Id,
    /// The key is longer than 2,027 bytes.
    #[error("a callback key has at most {LONGEST} bytes")]
    TooLong,
}

impl CallbackKey {
    /// Joins a kind and an id. Ids often come from outside, so they are checked.
    ///
    /// # Errors
    ///
    /// [`InvalidCallbackKey`], which says what is wrong without repeating the text.
    pub fn new(kind: &str, id: &str) -> Result<Self, InvalidCallbackKey> {
        let is_kind = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if kind.is_empty() || !kind.chars().all(is_kind) {
            return Err(InvalidCallbackKey::Kind);
        }
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(InvalidCallbackKey::Id);
        }
        let text = format!("{kind}#{id}");
        if text.len() > LONGEST {
            return Err(InvalidCallbackKey::TooLong);
        }
        Ok(Self { text, kind_length: kind.len() })
    }

    /// What is waited for.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.text[..self.kind_length]
    }

    /// Which one of its kind.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.text[self.kind_length + 1..]
    }

    /// The whole key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for CallbackKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for CallbackKey {
    type Err = InvalidCallbackKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, id) = text.split_once('#').ok_or(InvalidCallbackKey::Kind)?;
        Self::new(kind, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_text() {
        let key: CallbackKey = "order-completion#42#b".parse().unwrap();

        assert_eq!((key.kind(), key.id()), ("order-completion", "42#b"));
        assert_eq!(
            (key.as_str(), key.to_string().as_str()),
            ("order-completion#42#b", "order-completion#42#b")
        );
        assert_eq!(key, CallbackKey::new("order-completion", "42#b").unwrap());
    }

    #[test]
    fn a_kind_is_made_of_lower_case_letters_digits_and_hyphens() {
        assert_eq!(CallbackKey::new("job-2", "1").unwrap().kind(), "job-2");
        for kind in ["", "Job", "job#2", "job 2", "jöb"] {
            assert_eq!(CallbackKey::new(kind, "1"), Err(InvalidCallbackKey::Kind), "{kind}");
        }
        assert_eq!("valuation".parse::<CallbackKey>(), Err(InvalidCallbackKey::Kind));
    }

    #[test]
    fn an_id_has_characters_and_none_of_them_controls() {
        for id in ["", "a\nb", "a\0"] {
            assert_eq!(CallbackKey::new("job", id), Err(InvalidCallbackKey::Id), "{id:?}");
        }
    }

    #[test]
    fn a_key_has_at_most_2027_bytes() {
        assert_eq!(CallbackKey::new("job", &"x".repeat(2_023)).unwrap().as_str().len(), 2_027);
        assert_eq!(CallbackKey::new("job", &"x".repeat(2_024)), Err(InvalidCallbackKey::TooLong));
    }
}
