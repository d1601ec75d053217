//! One wait of a workflow, and which of two waits is the newer.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// The highest count that four digits hold.
const HIGHEST_COUNT: u32 = 9_999;
/// The longest wait of Step Functions, in seconds: its default for `TimeoutSeconds`, and the largest value that it takes.
pub(crate) const LONGEST_WAIT_SECONDS: u64 = 99_999_999;
/// How far the clock of Step Functions may be ahead of the clock that registers a wait.
const MOST_CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);

/// One wait for a callback: when it began, when it ends, and who waits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wait {
    /// Orders the waits of one key.
    pub started: WaitStarted,
    /// When Step Functions gives up waiting. Says how long the store keeps the item, and from when another execution may
    /// take the key without a report. No outcome is refused by it, because only Step Functions knows whether the task
    /// still waits.
    pub deadline: SystemTime,
    /// The execution that waits: its ARN.
    pub execution: String,
}

/// `<State.EnteredTime>#<Execution.RedriveCount>#<State.RetryCount>` of the context object, for example
/// `2026-03-01T09:30:00.000Z#0000#0002`. Later waits of one state sort after earlier ones: a loop enters the state
/// again, a redrive counts up and begins to count retries anew, a retry counts up.
///
/// ```
/// use token_store::wait::{InvalidWait, WaitStarted};
///
/// let first = WaitStarted::new("2026-03-01T09:30:00.000Z", 0, 0)?;
/// let retry = WaitStarted::new("2026-03-01T09:30:00.000Z", 0, 1)?;
/// let redrive = WaitStarted::new("2026-03-01T09:30:00.000Z", 1, 0)?;
/// let again = WaitStarted::new("2026-03-02T08:00:00.000Z", 1, 0)?;
/// assert!(first < retry && retry < redrive && redrive < again);
/// # Ok::<(), InvalidWait>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitStarted(String);

/// One entry of a state of one execution. Its retries and redrives are attempts of the same entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The execution's ARN.
    pub execution: String,
    /// When the state was entered, as a [`WaitStarted`] begins.
    pub entered: String,
}

/// To which newer wait an outcome goes that came too late for an older one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LateOutcomes {
    /// Only to a wait of the same execution. For another execution, the outcome is set aside for people.
    #[default]
    OfThisExecution,
    /// To the next wait of the key. Only for keys whose outcome answers every execution that asks.
    OfAnyExecution,
}

/// Error from [`WaitStarted::new`] and from registering a [`WaitingTask`](crate::WaitingTask).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWait {
    /// `State.EnteredTime` is not a time of RFC 3339, such as `2026-03-01T09:30:00.000Z`.
    #[error("the entered time is not an RFC 3339 time such as 2026-03-01T09:30:00.000Z")]
    EnteredTime,
    /// The state was entered more than an hour from now. No later wait could take the key before that time.
    #[error("the entered time is more than 1 hour in the future")]
    FutureEnteredTime,
    /// More than 9,999 redrives.
    #[error("the redrive count is not a number up to {HIGHEST_COUNT}")]
    RedriveCount,
    /// More than 9,999 retries.
    #[error("the retry count is not a number up to {HIGHEST_COUNT}")]
    RetryCount,
    /// The timeout is longer than Step Functions waits.
    #[error("the timeout is longer than {LONGEST_WAIT_SECONDS} seconds, the longest wait of Step Functions")]
    TimeoutSeconds,
}

impl Wait {
    /// The state entry that this wait is an attempt of.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry { execution: self.execution.clone(), entered: self.started.entered().to_owned() }
    }

    /// Whether this wait is an attempt of `entry`.
    #[must_use]
    pub fn is_of(&self, entry: &Entry) -> bool {
        self.execution == entry.execution && self.started.entered() == entry.entered
    }
}

impl WaitStarted {
    /// Takes `State.EnteredTime`, `Execution.RedriveCount` and `State.RetryCount` of the context object.
    ///
    /// Step Functions leaves the milliseconds out when they are zero. The time may have any form of RFC 3339; it is
    /// kept in UTC with three digits of milliseconds, so that times sort as text.
    ///
    /// # Errors
    ///
    /// [`InvalidWait`] for a time or a count that would not sort.
    pub fn new(entered_time: &str, redrive_count: u32, retry_count: u32) -> Result<Self, InvalidWait> {
        let entered = OffsetDateTime::parse(entered_time, &Rfc3339).map_err(|_| InvalidWait::EnteredTime)?;
        let entered = entered.checked_to_offset(UtcOffset::UTC).ok_or(InvalidWait::EnteredTime)?;
        // A year of five digits or before the year 0 would not sort.
        if !(0..=9_999).contains(&entered.year()) {
            return Err(InvalidWait::EnteredTime);
        }
        if redrive_count > HIGHEST_COUNT {
            return Err(InvalidWait::RedriveCount);
        }
        if retry_count > HIGHEST_COUNT {
            return Err(InvalidWait::RetryCount);
        }
        let (year, month, day) = entered.to_calendar_date();
        let (hour, minute, second, millisecond) = entered.to_hms_milli();
        let month = u8::from(month);
        Ok(Self(format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z\
             #{redrive_count:04}#{retry_count:04}"
        )))
    }

    /// When the state was entered, as text.
    #[must_use]
    pub fn entered(&self) -> &str {
        self.0.split('#').next().unwrap_or_default()
    }

    /// The text, as it is stored and compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Refuses a wait that began later than `now` by more than clocks differ.
    pub(crate) fn not_after(self, now: SystemTime) -> Result<Self, InvalidWait> {
        let entered =
            OffsetDateTime::parse(self.entered(), &Rfc3339).map_err(|_| InvalidWait::EnteredTime)?;
        let ahead = SystemTime::from(entered).duration_since(now).unwrap_or_default();
        if ahead > MOST_CLOCK_SKEW { Err(InvalidWait::FutureEnteredTime) } else { Ok(self) }
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
        assert_eq!(started.entered(), NOON);
    }

    #[test]
    fn every_form_in_which_aws_writes_a_time_is_kept_in_the_one_that_sorts() {
        for form in [
            "2026-03-01T12:00:00Z",
            "2026-03-01T12:00:00.0Z",
            "2026-03-01T12:00:00.000000Z",
            "2026-03-01T12:00:00.000999999Z",
            "2026-03-01T12:00:00+00:00",
            "2026-03-01T13:00:00.000+01:00",
        ] {
            assert_eq!(WaitStarted::new(form, 0, 0), WaitStarted::new(NOON, 0, 0), "{form}");
        }
        let later = WaitStarted::new("2026-03-01T12:00:00.007Z", 0, 0).unwrap();
        assert!(WaitStarted::new("2026-03-01T12:00:00Z", 0, 0).unwrap() < later);
    }

    #[test]
    fn a_time_that_would_not_sort_is_refused() {
        for time in ["", "2026-03-01T12:00:00", "2026-03-01", "+12026-03-01T12:00:00Z", "now"] {
            assert_eq!(WaitStarted::new(time, 0, 0), Err(InvalidWait::EnteredTime), "{time}");
        }
        assert_eq!(WaitStarted::new("0000-01-01T00:00:00+23:59", 0, 0), Err(InvalidWait::EnteredTime));
        assert_eq!(NOON.parse::<WaitStarted>(), Err(InvalidWait::EnteredTime));
    }

    #[test]
    fn a_wait_from_the_far_future_is_refused() {
        let noon = OffsetDateTime::parse(NOON, &Rfc3339).unwrap().into();
        let started = WaitStarted::new("2026-03-01T13:00:00.000Z", 0, 0).unwrap();

        assert_eq!(started.clone().not_after(noon), Ok(started.clone()));
        let a_moment_before = noon - Duration::from_millis(1);
        assert_eq!(started.not_after(a_moment_before), Err(InvalidWait::FutureEnteredTime));
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
