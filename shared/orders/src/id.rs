//! Who orders, and which order.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest order id, in characters. It names an execution, which has at most 80.
const LONGEST_ORDER_ID: usize = 64;
/// The longest user id, in characters.
const LONGEST_USER_ID: usize = 128;

/// The id of an order: 1 to 64 letters, digits, hyphens and underscores.
///
/// ```
/// use orders::OrderId;
///
/// assert!("2026-03-01_17".parse::<OrderId>().is_ok());
/// assert_eq!("17/b".parse::<OrderId>().unwrap_err().to_string(), "an order id is made of 1 to 64 of a-z, A-Z, 0-9, '-' and '_'");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct OrderId(String);

/// The id of a customer or a barista: 1 to 128 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct UserId(String);

/// Why a text is no id. The message is for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Not an [`OrderId`].
    #[error("an order id is made of 1 to {LONGEST_ORDER_ID} of a-z, A-Z, 0-9, '-' and '_'")]
    Order,
    /// Not a [`UserId`].
    #[error("a user id has 1 to {LONGEST_USER_ID} characters and no control characters")]
    User,
}

impl OrderId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OrderId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let valid = (1..=LONGEST_ORDER_ID).contains(&text.len()) && text.chars().all(fits);
        if valid { Ok(Self(text)) } else { Err(InvalidId::Order) }
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let valid =
            (1..=LONGEST_USER_ID).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if valid { Ok(Self(text)) } else { Err(InvalidId::User) }
    }
}

impl FromStr for OrderId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.to_owned().try_into()
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_can_name_an_execution() {
        assert_eq!("aZ9-_".parse::<OrderId>().unwrap().as_str(), "aZ9-_");
        assert!("x".repeat(64).parse::<OrderId>().is_ok());
        for text in ["", "a b", "a/b", "a#b", "é", "a\n", &"x".repeat(65)] {
            assert_eq!(text.parse::<OrderId>(), Err(InvalidId::Order), "{text:?}");
        }
    }

    #[test]
    fn a_user_id_is_whatever_a_user_pool_makes_of_it() {
        assert_eq!("zoë@example.org".parse::<UserId>().unwrap().to_string(), "zoë@example.org");
        assert!("é".repeat(128).parse::<UserId>().is_ok());
        for text in ["", "a\0", "a\n", &"x".repeat(129)] {
            assert_eq!(text.parse::<UserId>(), Err(InvalidId::User), "{text:?}");
        }
    }
}
