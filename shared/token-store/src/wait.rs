//! One wait of a workflow, and which of two waits is the newer.

use std::{fmt, str::FromStr, time::SystemTime};

/// The highest count that four digits hold.
const HIGHEST_COUNT: u32 = 9_999;

/// One wait for a callback: when it began, when it ends, and who waits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wait {
    /// Orders the waits of one key.
    pub started: WaitStarted,
    /// When Step Functions gives up waiting. Says how long the store keeps the item; nothing is refused by it,
    /// because only Step Functions knows whether the task still waits.
    pub deadline: SystemTime,
    /// The execution that waits, for people: its ARN.
    pub execution: String,
}

/// `<State.EnteredTime>#<Execution.RedriveCount>#<State.RetryCount>` of the context object, for example
/// `2026-03-01T09:30:00.000Z#0000#0002`. Later waits of one state sort after earlier ones: a loop enters the state
/// again, a redrive counts up and begins to count retries anew, a retry counts up.
///
/// ```
/// use token_store::WaitStarted;
///
/// let first = WaitStarted::new("2026-03-01T09:30:00.000Z", 0, 0)?;
/// let retry = WaitStarted::new("2026-03-01T09:30:00.000Z", 0, 1)?;
/// let redrive = WaitStarted::new("2026-03-01T09:30:00.000Z", 1, 0)?;
/// let again = WaitStarted::new("2026-03-02T08:00:00.000Z", 1, 0)?;
/// assert!(first < retry && retry < redrive && redrive < again);
/// # Ok::<(), token_store::InvalidWait>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitStarted(String);

/// Why two values of the context object do not say when a wait began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWait {
    /// Not of the form `2026-03-01T09:30:00.000Z`. Any other form would not sort by time.
    #[error("the entered time is not of the form 2026-03-01T09:30:00.000Z")]
    EnteredTime,
    /// More than 9,999 redrives.
    #[error("the redrive count is not a number up to {HIGHEST_COUNT}")]
    RedriveCount,
    /// More than 9,999 retries.
    #[error("the retry count is not a number up to {HIGHEST_COUNT}")]
    RetryCount,
}

impl WaitStarted {
    /// Takes `State.EnteredTime`, `Execution.RedriveCount` and `State.RetryCount` of the context object.
    ///
    /// # Errors
    ///
    /// [`InvalidWait`] for a time or a count that would not sort.
    pub fn new(entered_time: &str, redrive_count: u32, retry_count: u32) -> Result<Self, InvalidWait> {
        let pattern = "0000-00-00T00:00:00.000Z";
        let fits = |(c, p): (char, char)| if p == '0' { c.is_ascii_digit() } else { c == p };
        if entered_time.len() != pattern.len() || !entered_time.chars().zip(pattern.chars()).all(fits) {
            return Err(InvalidWait::EnteredTime);
        }
        if redrive_count > HIGHEST_COUNT {
            return Err(InvalidWait::RedriveCount);
        }
        if retry_count > HIGHEST_COUNT {
            return Err(InvalidWait::RetryCount);
        }
        Ok(Self(format!("{entered_time}#{redrive_count:04}#{retry_count:04}")))
    }

    /// The text, as it is stored and compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WaitStarted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for WaitStarted {
    type Err = InvalidWait;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (entered_time, counts) = text.split_once('#').ok_or(InvalidWait::EnteredTime)?;
        let (redrive_count, retry_count) = counts.split_once('#').ok_or(InvalidWait::RedriveCount)?;
        let redrive_count = redrive_count.parse().map_err(|_| InvalidWait::RedriveCount)?;
        Self::new(entered_time, redrive_count, retry_count.parse().map_err(|_| InvalidWait::RetryCount)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-03-01T12:00:00.000Z";

    #[test]
    fn waits_sort_by_time_then_by_redrive_then_by_retry() {
        let waits = [
            WaitStarted::new("2026-03-01T11:59:59.999Z", 12, 12).unwrap(),
            WaitStarted::new(NOON, 0, 0).unwrap(),
            WaitStarted::new(NOON, 0, 2).unwrap(),
            WaitStarted::new(NOON, 0, 10).unwrap(),
            WaitStarted::new(NOON, 2, 0).unwrap(),
            WaitStarted::new(NOON, 10, 0).unwrap(),
            WaitStarted::new("2026-03-01T12:00:00.001Z", 0, 0).unwrap(),
        ];

        assert!(waits.is_sorted());
    }

    #[test]
    fn a_wait_is_read_back_from_its_text() {
        let started = WaitStarted::new(NOON, 1, 3).unwrap();

        assert_eq!(started.to_string(), "2026-03-01T12:00:00.000Z#0001#0003");
        assert_eq!(started.as_str().parse(), Ok(started.clone()));
    }

    #[test]
    fn a_time_that_would_not_sort_is_refused() {
        for time in
            ["", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000+01:00", "2026-03-01 12:00:00.000Z", "now"]
        {
            assert_eq!(WaitStarted::new(time, 0, 0), Err(InvalidWait::EnteredTime), "{time}");
        }
        assert_eq!(NOON.parse::<WaitStarted>(), Err(InvalidWait::EnteredTime));
    }

    #[test]
    fn a_count_that_would_not_sort_is_refused() {
        let highest = WaitStarted::new(NOON, 9_999, 9_999).unwrap();
        assert_eq!(highest.as_str(), "2026-03-01T12:00:00.000Z#9999#9999");
        assert_eq!(WaitStarted::new(NOON, 10_000, 0), Err(InvalidWait::RedriveCount));
        assert_eq!(WaitStarted::new(NOON, 0, 10_000), Err(InvalidWait::RetryCount));
        assert_eq!(format!("{NOON}#x#0").parse::<WaitStarted>(), Err(InvalidWait::RedriveCount));
        assert_eq!(format!("{NOON}#0").parse::<WaitStarted>(), Err(InvalidWait::RedriveCount));
        assert_eq!(format!("{NOON}#0#x").parse::<WaitStarted>(), Err(InvalidWait::RetryCount));
    }
}
