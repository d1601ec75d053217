//! What a customer may order.

use std::time::Duration;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny},
};
use serde_json::Value;

/// An order that can be baked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// What to bake, in the customer's words.
    pub(crate) order: String,
    /// How long it bakes, when the customer says so.
    pub(crate) bake_time: Option<Duration>,
}

/// Why an order cannot be baked. The message is for the customer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("the order does not say what to bake: `order` must be a text that is not empty")]
    NothingOrdered,
    #[error("the order cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl Order {
    /// Reads the input of the workflow: `order`, and `bakeTime` in seconds as a number or as text.
    pub(crate) fn from_input(input: &Value) -> Result<Self, OrderError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Input {
            #[serde(default)]
            order: Option<String>,
            #[serde(default, deserialize_with = "seconds")]
            bake_time: Option<Duration>,
        }

        let input = Input::deserialize(input).map_err(OrderError::Unreadable)?;
        let order = input.order.filter(|order| !order.trim().is_empty()).ok_or(OrderError::NothingOrdered)?;
        Ok(Self { order, bake_time: input.bake_time })
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(f64),
        Text(String),
        Other(IgnoredAny),
    }

    let seconds = match Option::<Seconds>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Seconds::Number(seconds)) => Some(seconds),
        Some(Seconds::Text(text)) => text.trim().parse().ok(),
        Some(Seconds::Other(_)) => None,
    };
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(Some)
        .ok_or_else(|| D::Error::custom("`bakeTime` must be a number of seconds, zero or more"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bake_time(value: &Value) -> Result<Option<Duration>, String> {
        Order::from_input(&json!({ "order": "pizza funghi", "bakeTime": value }))
            .map(|order| order.bake_time)
            .map_err(|error| function_runtime::error::chain(&error))
    }

    #[test]
    fn seconds_are_a_number_or_text() {
        assert_eq!(bake_time(&json!(60)), Ok(Some(Duration::from_secs(60))));
        assert_eq!(bake_time(&json!("2.5")), Ok(Some(Duration::from_millis(2500))));
        assert_eq!(bake_time(&json!(null)), Ok(None));
    }

    #[test]
    fn other_bake_times_are_refused() {
        for value in [json!("soon"), json!(-1), json!(true), json!("NaN"), json!(1e300)] {
            assert_eq!(
                bake_time(&value),
                Err("the order cannot be read: `bakeTime` must be a number of seconds, zero or more".into())
            );
        }
    }

    #[test]
    fn an_order_says_what_to_bake() {
        for input in [json!({}), json!({ "order": null }), json!({ "order": " " })] {
            assert!(matches!(Order::from_input(&input), Err(OrderError::NothingOrdered)));
        }
        assert!(matches!(Order::from_input(&json!({ "order": 7 })), Err(OrderError::Unreadable(_))));
    }
}
