//! The task token: a bearer credential, kept out of every text.

use std::fmt;

use serde::Deserialize;

/// The longest token that Step Functions accepts, in characters (`SendTaskSuccess` in the API reference).
const LONGEST: usize = 2_048;

/// The token of one waiting task.
///
/// Whoever has it can resume the workflow, so it has no `Display` and no `Serialize`, and its `Debug` prints
/// `[REDACTED]`: only [`TaskToken::expose`] gives it away, and a reader can search for that word.
///
/// ```
/// use token_store::TaskToken;
///
/// let token = TaskToken::new("AQCEAAAAKgAAAAMAAAAA")?;
/// assert_eq!(format!("{token:?}"), "TaskToken([REDACTED])");
/// assert_eq!(token.expose(), "AQCEAAAAKgAAAAMAAAAA");
/// # Ok::<(), token_store::token::InvalidTaskToken>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct TaskToken(String);

/// Error from [`TaskToken::new`]: the string is empty, or longer than 2,048 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task token has 1 to {LONGEST} characters, this text has {characters}")]
pub struct InvalidTaskToken {
    /// Length of the refused text. The text itself is not kept: it may be most of a credential.
    pub characters: usize,
}

impl TaskToken {
    /// Takes a token as Step Functions made it.
    ///
    /// # Errors
    ///
    /// [`InvalidTaskToken`] when the text is empty or longer than 2,048 characters.
    pub fn new(token: impl Into<String>) -> Result<Self, InvalidTaskToken> {
        let token = token.into();
        match token.chars().count() {
            1..=LONGEST => Ok(Self(token)),
            characters => Err(InvalidTaskToken { characters }),
        }
    }

    /// Gives the credential away, for a request to Step Functions or a message to oneself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TaskToken {
    type Error = InvalidTaskToken;

    fn try_from(token: String) -> Result<Self, Self::Error> {
        Self::new(token)
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TaskToken([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_1_to_2048_characters() {
        assert_eq!(TaskToken::new("").unwrap_err().characters, 0);
        assert_eq!(TaskToken::new("t").unwrap().expose(), "t");
        assert_eq!(TaskToken::new("é".repeat(2_048)).unwrap().expose().chars().count(), 2_048);
        assert_eq!(TaskToken::new("t".repeat(2_049)).unwrap_err().characters, 2_049);
    }

    #[test]
    fn debug_and_errors_do_not_show_the_token() {
        let token = TaskToken::new("secret-token").unwrap();
        let refused = TaskToken::new("secret-token".repeat(200)).unwrap_err();

        assert_eq!(format!("{token:?}"), "TaskToken([REDACTED])");
        assert_eq!(format!("{:?}", Some(&token)), "Some(TaskToken([REDACTED]))");
        assert_eq!(refused.to_string(), "a task token has 1 to 2048 characters, this text has 2400");
        assert!(!format!("{refused:?}").contains("secret"));
    }

    #[test]
    fn a_token_is_read_from_json_and_checked() {
        let token: TaskToken = serde_json::from_str(r#""AQCEAAAA""#).unwrap();
        let refused = serde_json::from_str::<TaskToken>(r#""""#).unwrap_err();

        assert_eq!(token.expose(), "AQCEAAAA");
        assert_eq!(refused.to_string(), "a task token has 1 to 2048 characters, this text has 0");
    }
}
