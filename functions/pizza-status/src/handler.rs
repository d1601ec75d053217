//! Answers the question "is my pizza ready?".

use function_runtime::NamedError;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::info;

use crate::results::{Results, ResultsError};

/// Who asks: `{"execution": "<ARN of the execution>"}`.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    execution: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
    /// Retryable: the table was busy or out of reach.
    #[error("the status of the pizza could not be read")]
    Unavailable(#[from] ResultsError),
    /// Terminal: the baker recorded something else than JSON.
    #[error("the recorded result is not JSON")]
    Unreadable(#[source] serde_json::Error),
}

impl NamedError for StatusError {
    fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "StatusUnavailable",
            Self::Unreadable(_) => "StatusUnreadable",
        }
    }
}

/// Answers with what the baker recorded, `{"status": "SUCCEEDED", "pizza"}` or `{"status": "FAILED", "reason"}`;
/// before that with `{"status": "RETRY"}`.
///
/// # Errors
///
/// Both variants of [`StatusError`].
pub(crate) async fn handle(results: &impl Results, question: &Question) -> Result<Value, StatusError> {
    let answer = results.find(&question.execution).await?;
    info!(execution = question.execution, ready = answer.is_some(), "pizza asked for");
    match answer {
        Some(answer) => serde_json::from_str(&answer).map_err(StatusError::Unreadable),
        None => Ok(json!({ "status": "RETRY" })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Recorded(Option<&'static str>);

    impl Results for Recorded {
        async fn find(&self, _execution: &str) -> Result<Option<String>, ResultsError> {
            Ok(self.0.map(str::to_owned))
        }
    }

    struct Unreachable;

    impl Results for Unreachable {
        async fn find(&self, _execution: &str) -> Result<Option<String>, ResultsError> {
            Err(ResultsError("connection reset".into()))
        }
    }

    fn question() -> Question {
        serde_json::from_str(include_str!("../../../events/pizza-status/ask.json")).unwrap()
    }

    #[tokio::test]
    async fn an_unfinished_order_is_to_be_asked_for_again() {
        let answer = handle(&Recorded(None), &question()).await.unwrap();

        assert_eq!(answer, json!({ "status": "RETRY" }));
    }

    #[tokio::test]
    async fn a_recorded_result_is_the_answer() {
        let recorded = Recorded(Some(r#"{"status":"FAILED","reason":"no dough"}"#));

        let answer = handle(&recorded, &question()).await.unwrap();

        assert_eq!(answer, json!({ "status": "FAILED", "reason": "no dough" }));
    }

    #[tokio::test]
    async fn errors_have_the_names_that_the_workflow_matches() {
        let unavailable = handle(&Unreachable, &question()).await.unwrap_err();
        let unreadable = handle(&Recorded(Some("pizza")), &question()).await.unwrap_err();

        assert_eq!(unavailable.name(), "StatusUnavailable");
        assert_eq!(unreadable.name(), "StatusUnreadable");
    }
}
