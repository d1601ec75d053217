//! Errors with stable names.

use std::error::Error;

use lambda_runtime::Diagnostic;

/// An error whose name is part of the function's interface.
///
/// Step Functions sees the name as the error of a failed `lambda:invoke` task and matches it in `Retry` and
/// `Catch`; logs and alarms see it too. Renaming one breaks the state machines that name it.
pub trait NamedError: Error {
    /// The stable name, in PascalCase, for example `StatusUnavailable`.
    fn name(&self) -> &'static str;
}

/// What the Lambda service is told: the stable name and the error's own message, without its causes.
pub(crate) fn diagnostic(error: &impl NamedError) -> Diagnostic {
    Diagnostic { error_type: error.name().to_owned(), error_message: error.to_string() }
}

/// The error and its causes in one line, for the log: `message: cause: cause of the cause`.
///
/// A cause that only repeats its effect, as the SDK's errors do, is said once.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.dedup();
    texts.join(": ")
}

impl NamedError for std::convert::Infallible {
    fn name(&self) -> &'static str {
        match *self {}
    }
}
