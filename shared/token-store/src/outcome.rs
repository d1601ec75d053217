//! What the outside world says of a task: its output, or why it failed.

use std::fmt;

use serde::{Serialize, de::IgnoredAny};

/// The largest output that Step Functions accepts, in bytes of UTF-8.
const LARGEST_OUTPUT: usize = 262_144;
/// The longest error name that Step Functions accepts, in UTF-16 code units, as AWS counts characters.
const LONGEST_ERROR: usize = 256;
/// The longest cause that Step Functions accepts, in UTF-16 code units.
const LONGEST_CAUSE: usize = 32_768;

/// How a task ended. Whatever can be constructed can be sent: the limits of Step Functions are met here, before
/// anything is written that could never be delivered.
///
/// Two outcomes are equal when their bytes are: `{"a":1}` and `{ "a": 1 }` are two outcomes, and the second conflicts
/// with the first. A caller that receives the same fact in several spellings reads it and writes it anew, for example by
/// [`Outcome::json`] of a struct.
///
/// `Debug` shows sizes, not contents, because the contents are somebody's data.
///
/// ```
/// use token_store::{Outcome, outcome::OutcomeError};
///
/// let success = Outcome::json(&["a", "struct", "or anything else that serializes"])?;
/// let failure = Outcome::failure("ValuationFailed", "the surveyor found no such house");
///
/// assert_eq!(Outcome::success("350000 pounds").unwrap_err(), OutcomeError::OutputNotJson);
/// # Ok::<(), OutcomeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The task succeeded. Sent by `SendTaskSuccess`.
    Success(Output),
    /// The task failed. Sent by `SendTaskFailure`.
    Failure(Failure),
}

/// The output of a task: JSON text of at most 262,144 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Output(String);

/// Why a task failed: an error name of at most 256 UTF-16 code units and a cause of at most 32,768.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    error: String,
    cause: String,
}

/// Error from [`Outcome::success`] and [`Outcome::json`]: Step Functions would refuse the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The output is larger than a state may be.
    #[error("the output has {bytes} bytes, Step Functions takes at most {LARGEST_OUTPUT}")]
    OutputTooLarge {
        /// Size of the refused output.
        bytes: usize,
    },
    /// The output is not one JSON value, so `SendTaskSuccess` would refuse it.
    #[error("the output is not JSON")]
    OutputNotJson,
}

impl Outcome {
    /// A success with `value`, as JSON.
    ///
    /// # Errors
    ///
    /// [`OutcomeError::OutputTooLarge`] above 262,144 bytes, [`OutcomeError::OutputNotJson`] for a value that cannot be
    /// JSON: a map whose keys are no strings.
    pub fn json(value: &impl Serialize) -> Result<Self, OutcomeError> {
        Self::success(serde_json::to_string(value).map_err(|_| OutcomeError::OutputNotJson)?)
    }

    /// A success with `output` as the JSON text that the workflow continues with.
    ///
    /// # Errors
    ///
    /// [`OutcomeError::OutputTooLarge`] above 262,144 bytes, [`OutcomeError::OutputNotJson`] for other text.
    pub fn success(output: impl Into<String>) -> Result<Self, OutcomeError> {
        let output = output.into();
        if output.len() > LARGEST_OUTPUT {
            return Err(OutcomeError::OutputTooLarge { bytes: output.len() });
        }
        serde_json::from_str::<IgnoredAny>(&output).map_err(|_| OutcomeError::OutputNotJson)?;
        Ok(Self::Success(Output(output)))
    }

    /// A failure with the `error` that the workflow's `Retry` and `Catch` match, and its `cause` for people.
    ///
    /// Both are cut to what Step Functions accepts, which counts UTF-16 code units: a failure that says less is better
    /// than one that is not sent.
    #[must_use]
    pub fn failure(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Failure(Failure {
            error: cut(error.into(), LONGEST_ERROR),
            cause: cut(cause.into(), LONGEST_CAUSE),
        })
    }
}

impl Output {
    /// What a store has kept. It was checked when it was made, by whatever this crate's rules were then.
    #[cfg(feature = "aws")]
    pub(crate) fn stored(json: String) -> Self {
        Self(json)
    }

    /// The JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.0
    }
}

impl Failure {
    /// The error name, as `Retry` and `Catch` match it.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.error
    }

    /// The explanation for people.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} bytes]", self.0.len())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} and {} bytes]", self.error.len(), self.cause.len())
    }
}

/// The longest beginning of `text` that has at most so many UTF-16 code units, in whole characters.
fn cut(mut text: String, most_units: usize) -> String {
    let units = text.char_indices().scan(0, |units, (at, character)| {
        *units += character.len_utf16();
        Some((at, *units))
    });
    let end = units.skip_while(|(_, units)| *units <= most_units).map(|(at, _)| at).next();
    if let Some(end) = end {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_of_262144_bytes_is_taken_and_one_more_is_refused() {
        let largest = format!("\"{}\"", "x".repeat(262_142));
        let larger = format!("\"{}\"", "x".repeat(262_143));

        let taken = Outcome::success(largest.clone()).unwrap();
        let refused = Outcome::success(larger).unwrap_err();

        assert!(matches!(taken, Outcome::Success(output) if output.json() == largest));
        assert_eq!(refused, OutcomeError::OutputTooLarge { bytes: 262_145 });
    }

    #[test]
    fn the_size_of_an_output_is_counted_in_bytes_not_characters() {
        let two_bytes_each = format!("\"{}\"", "é".repeat(131_072));

        let refused = Outcome::success(two_bytes_each).unwrap_err();

        assert_eq!(refused, OutcomeError::OutputTooLarge { bytes: 262_146 });
    }

    #[test]
    fn an_output_that_is_not_one_json_value_is_refused() {
        for text in ["", "late", "{", "{} {}", "'x'"] {
            assert_eq!(Outcome::success(text).unwrap_err(), OutcomeError::OutputNotJson, "{text}");
        }
    }

    #[test]
    fn error_and_cause_are_cut_between_characters_at_the_utf_16_units_that_aws_counts() {
        let Outcome::Failure(failure) = Outcome::failure("é".repeat(257), "🏠".repeat(16_385)) else {
            panic!("a failure");
        };
        let Outcome::Failure(odd) = Outcome::failure("", format!("x{}", "🏠".repeat(16_384))) else {
            panic!("a failure");
        };

        assert_eq!(failure.error(), "é".repeat(256));
        assert_eq!(failure.cause(), "🏠".repeat(16_384));
        assert_eq!(odd.cause(), format!("x{}", "🏠".repeat(16_383)));
    }

    #[test]
    fn a_value_becomes_the_json_that_the_workflow_continues_with() {
        let valued = Outcome::json(&serde_json::json!({ "propertyValue": 350_000 })).unwrap();
        let no_json = Outcome::json(&std::collections::HashMap::from([((1, 2), 3)]));

        assert_eq!(valued, Outcome::success(r#"{"propertyValue":350000}"#).unwrap());
        assert_eq!(no_json, Err(OutcomeError::OutputNotJson));
    }

    #[test]
    fn a_short_error_and_cause_are_kept() {
        let Outcome::Failure(failure) = Outcome::failure("e".repeat(256), "c".repeat(32_768)) else {
            panic!("a failure");
        };

        assert_eq!(failure.error(), "e".repeat(256));
        assert_eq!(failure.cause(), "c".repeat(32_768));
    }

    #[test]
    fn debug_shows_sizes_and_no_contents() {
        let success = Outcome::success(r#"{"name":"Ada"}"#).unwrap();
        let failure = Outcome::failure("NotFound", "Ada");

        assert_eq!(format!("{success:?}"), "Success([14 bytes])");
        assert_eq!(format!("{failure:?}"), "Failure([8 and 3 bytes])");
    }
}
