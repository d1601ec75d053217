//! The body of the callback.

use function_runtime::callbacks::kinds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use token_store::{CallbackKey, Outcome, key::InvalidCallbackKey, outcome::OutcomeError};

use crate::failure::VALUATION_FAILED;

/// What the valuation service says of one valuation.
#[derive(Debug, PartialEq)]
pub(crate) struct Valuation {
    /// Under which its task token is registered.
    pub(crate) key: CallbackKey,
    pub(crate) outcome: Outcome,
}

/// What is wrong with a body. The message is for the sender.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidValuation {
    #[error("the body is not a JSON object: {0}")]
    NotJson(serde_json::Error),
    #[error("`valuationReference` must be a text")]
    MissingReference,
    #[error("`valuationReference`: {0}")]
    InvalidReference(InvalidCallbackKey),
    #[error("`propertyValue` must be a number, unless `failed` is true")]
    MissingValue,
    #[error("the body is too large: {0}")]
    TooLarge(OutcomeError),
}

impl Valuation {
    /// Reads `{"valuationReference", "propertyValue"}` or `{"valuationReference", "failed": true, "reason"?}`.
    ///
    /// The outcome is written anew from what was read, so that the same valuation is the same outcome however its
    /// JSON was spaced or ordered.
    pub(crate) fn from_body(body: &[u8]) -> Result<Self, InvalidValuation> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            valuation_reference: Option<Value>,
            property_value: Option<Value>,
            #[serde(default)]
            failed: bool,
            reason: Option<String>,
        }

        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Output<'a> {
            valuation_reference: &'a str,
            property_value: Value,
        }

        let body: Body = serde_json::from_slice(body).map_err(InvalidValuation::NotJson)?;
        let Some(Value::String(reference)) = body.valuation_reference else {
            return Err(InvalidValuation::MissingReference);
        };
        let key =
            CallbackKey::new(kinds::VALUATION, &reference).map_err(InvalidValuation::InvalidReference)?;
        let outcome = match body.property_value {
            _ if body.failed => {
                let reason = body.reason.unwrap_or_else(|| "The valuation failed".to_owned());
                Outcome::failure(VALUATION_FAILED, reason)
            }
            Some(property_value @ Value::Number(_)) => {
                let output = Output { valuation_reference: &reference, property_value };
                let output = serde_json::to_string(&output).expect("texts and numbers always serialize");
                Outcome::success(output).map_err(InvalidValuation::TooLarge)?
            }
            _ => return Err(InvalidValuation::MissingValue),
        };
        Ok(Self { key, outcome })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        Valuation::from_body(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_same_valuation_is_the_same_outcome_however_it_is_written() {
        let one = Valuation::from_body(br#"{"valuationReference":"VAL-17","propertyValue":666000}"#).unwrap();
        let other =
            br#"{ "propertyValue" : 666000, "by": "us", "valuationReference": "VAL-17", "failed": false }"#;

        assert_eq!(one.key.as_str(), "valuation#VAL-17");
        assert_eq!(one, Valuation::from_body(other).unwrap());
        let output = r#"{"valuationReference":"VAL-17","propertyValue":666000}"#;
        assert_eq!(one.outcome, Outcome::success(output).unwrap());
    }

    #[test]
    fn a_failed_valuation_fails_the_workflow_with_its_reason() {
        let bare = Valuation::from_body(br#"{"valuationReference":"VAL-17","failed":true}"#).unwrap();
        let explained = br#"{"valuationReference":"VAL-17","failed":true,"reason":"no such house"}"#;

        assert_eq!(bare.outcome, Outcome::failure("ValuationFailed", "The valuation failed"));
        assert_eq!(
            Valuation::from_body(explained).unwrap().outcome,
            Outcome::failure("ValuationFailed", "no such house")
        );
    }

    #[test]
    fn a_refusal_names_the_field() {
        assert!(refusal("").starts_with("the body is not a JSON object: EOF"));
        assert!(refusal("[]").starts_with("the body is not a JSON object: "));
        assert_eq!(refusal("{}"), "`valuationReference` must be a text");
        assert_eq!(
            refusal(r#"{"valuationReference":""}"#),
            "`valuationReference`: the id of a callback key has at least one character and no control characters"
        );
        assert_eq!(
            refusal(r#"{"valuationReference":"VAL-17","propertyValue":"a lot"}"#),
            "`propertyValue` must be a number, unless `failed` is true"
        );
    }
}
