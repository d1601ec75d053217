//! The bodies of requests.

use orders::{Drink, InvalidId, OrderId};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// The most modifiers of one drink.
const MOST_MODIFIERS: usize = 10;
/// The longest text of a drink, in characters.
const LONGEST_TEXT: usize = 200;

/// What is wrong with a body. The message is for the caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidBody {
    #[error("the body is not a JSON object: {0}")]
    NotJson(serde_json::Error),
    #[error("`orderId`: it must be a text")]
    OrderIdMissing,
    #[error("`orderId`: {0}")]
    OrderId(InvalidId),
    #[error("`{0}`: at most {MOST_MODIFIERS} texts of 1 to {LONGEST_TEXT} characters")]
    Text(&'static str),
}

/// Reads `{"orderId"}`. The caller chooses the id, and so can ask again without ordering again.
pub(crate) fn order_id(body: &[u8]) -> Result<OrderId, InvalidBody> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        order_id: Option<Value>,
    }

    match object::<Body>(body)?.order_id {
        Some(Value::String(id)) => id.parse().map_err(InvalidBody::OrderId),
        _ => Err(InvalidBody::OrderIdMissing),
    }
}

/// Reads `{"drink", "modifiers"?, "icon"?}`; anything else in it is not looked at.
pub(crate) fn drink(body: &[u8]) -> Result<Drink, InvalidBody> {
    let drink: Drink = object(body)?;
    let fits = |text: &str| (1..=LONGEST_TEXT).contains(&text.chars().count());
    if !fits(&drink.drink) {
        return Err(InvalidBody::Text("drink"));
    }
    if drink.modifiers.len() > MOST_MODIFIERS || !drink.modifiers.iter().all(|modifier| fits(modifier)) {
        return Err(InvalidBody::Text("modifiers"));
    }
    if !drink.icon.as_deref().is_none_or(fits) {
        return Err(InvalidBody::Text("icon"));
    }
    Ok(drink)
}

fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, InvalidBody> {
    // Serde would take an array for a struct.
    let fields: serde_json::Map<String, Value> =
        serde_json::from_slice(body).map_err(InvalidBody::NotJson)?;
    serde_json::from_value(Value::Object(fields)).map_err(InvalidBody::NotJson)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_is_a_text_that_can_name_an_order() {
        assert_eq!(order_id(br#"{"orderId":"42","userId":"ada"}"#).unwrap().as_str(), "42");
        for (body, message) in [
            (&b"[\"42\"]"[..], "the body is not a JSON object: "),
            (b"", "the body is not a JSON object: EOF"),
            (b"{}", "`orderId`: it must be a text"),
            (br#"{"orderId":42}"#, "`orderId`: it must be a text"),
            (br#"{"orderId":"4 2"}"#, "`orderId`: an order id is made of 1 to 64 of "),
        ] {
            let error = order_id(body).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_drink_is_read_as_the_original_submits_it() {
        let body = br#"{
            "userId": "1", "drink": "Cappuccino", "modifiers": [], "icon": "barista-icons_cappuccino-alternative"
        }"#;

        let read = drink(body).unwrap();

        assert_eq!((read.drink.as_str(), read.modifiers.len()), ("Cappuccino", 0));
        assert_eq!(read.icon.as_deref(), Some("barista-icons_cappuccino-alternative"));
        assert_eq!(drink(br#"{"drink":"Latte"}"#).unwrap().modifiers, [""; 0]);
    }

    #[test]
    fn a_drink_without_measure_is_refused() {
        let long = "x".repeat(201);
        for (body, message) in [
            (r#"{"drink":""}"#.to_owned(), "`drink`: "),
            (format!(r#"{{"drink":"{long}"}}"#), "`drink`: "),
            (format!(r#"{{"drink":"Latte","icon":"{long}"}}"#), "`icon`: "),
            (format!(r#"{{"drink":"Latte","modifiers":["{long}"]}}"#), "`modifiers`: "),
            (format!(r#"{{"drink":"Latte","modifiers":[{}]}}"#, [r#""a""#; 11].join(",")), "`modifiers`: "),
            (r#"{"modifiers":[]}"#.to_owned(), "the body is not a JSON object: missing field `drink`"),
        ] {
            let error = drink(body.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
