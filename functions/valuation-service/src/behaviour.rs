//! How the service behaves, chosen by the `nameOrNumber` of the property.

use std::time::Duration;

use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value},
};
use serde_json::json;

use crate::{
    event::Response,
    webhook::{Key, Webhook},
};

/// What a property is worth here, in pounds.
const VALUE: u32 = 666_000;
/// What it is worth at a second look, in [`Behaviour::Conflicting`].
const OTHER_VALUE: u32 = 555_000;
/// Twice as old as Standard Webhooks tolerate.
const STALE: Duration = Duration::from_secs(10 * 60);
/// More than a workflow takes as output, 262,144 bytes, and less than a function URL takes, 6 MB.
const OVERSIZED: usize = 300 * 1024;

/// How the service behaves. The `nameOrNumber` of a property is the variant in kebab-case; any other is
/// [`Behaviour::Normal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Behaviour {
    /// One webhook, after the delay.
    Normal,
    /// One webhook, after the longer delay of lateness.
    Late,
    /// Two webhooks that say the same under two ids.
    Duplicate,
    /// One webhook, sent twice with the same id, time and signature.
    Replayed,
    /// Two webhooks that say different values.
    Conflicting,
    /// No webhook.
    None,
    /// One webhook, about `unknown-<reference>`.
    Unknown,
    /// One webhook: the valuation failed.
    Failed,
    /// One webhook, before the request is answered.
    Early,
    /// One webhook, before the request is answered: the valuation failed.
    EarlyFailed,
    /// One webhook, signed by somebody who does not have the key.
    Forged,
    /// One webhook with an old time, signed well.
    Stale,
    /// One webhook, signed with the previous key.
    Rotated,
    /// One webhook that is not JSON.
    Malformed,
    /// One webhook without body.
    Empty,
    /// One webhook that is too large for a workflow.
    Oversized,
    /// The first answer to a request is 503; asked again, it is as [`Behaviour::Normal`].
    DownThenUp,
    /// The first answer to a request takes longer than anybody waits; asked again, it is as [`Behaviour::Normal`].
    Slow,
    /// Every answer to a request is 500.
    Broken,
    /// Every answer to a request is 422.
    Refused,
}

impl Behaviour {
    /// How the service behaves for the property of this name or number.
    pub(crate) fn of(name_or_number: &str) -> Self {
        let name: value::StrDeserializer<'_, value::Error> = name_or_number.into_deserializer();
        Self::deserialize(name).unwrap_or(Self::Normal)
    }
}

/// The webhooks of a response, in order.
pub(crate) fn webhooks(response: &Response) -> Vec<Webhook> {
    let Response { valuation_reference: reference, behaviour, .. } = response;
    let valued = json!({ "valuationReference": reference, "propertyValue": VALUE });
    let webhook = |count: u8, body: String| Webhook {
        // The id is the same at a retry, and has no dot: the signature is over `<id>.<time>.<body>`.
        id: format!("msg_{reference}_{count}"),
        body,
        key: Key::Current,
        age: Duration::ZERO,
    };
    let first = webhook(1, valued.to_string());

    match behaviour {
        Behaviour::Normal | Behaviour::Late | Behaviour::Early | Behaviour::DownThenUp | Behaviour::Slow => {
            vec![first]
        }
        Behaviour::Duplicate => {
            let second = webhook(2, first.body.clone());
            vec![first, second]
        }
        Behaviour::Replayed => vec![first.clone(), first],
        Behaviour::Conflicting => {
            let other = json!({ "valuationReference": reference, "propertyValue": OTHER_VALUE });
            vec![first, webhook(2, other.to_string())]
        }
        Behaviour::Unknown => {
            let unknown = format!("unknown-{reference}");
            let body = json!({ "valuationReference": unknown, "propertyValue": VALUE });
            vec![webhook(1, body.to_string())]
        }
        Behaviour::Failed | Behaviour::EarlyFailed => {
            let body = json!({ "valuationReference": reference, "failed": true });
            vec![webhook(1, body.to_string())]
        }
        Behaviour::Forged => vec![Webhook { key: Key::Forged, ..first }],
        Behaviour::Stale => vec![Webhook { age: STALE, ..first }],
        Behaviour::Rotated => vec![Webhook { key: Key::Previous, ..first }],
        Behaviour::Malformed => vec![webhook(1, format!(r#"{{"valuationReference":"{reference}","#))],
        Behaviour::Empty => vec![webhook(1, String::new())],
        Behaviour::Oversized => {
            let body = json!({
                "valuationReference": reference,
                "propertyValue": VALUE,
                "survey": "x".repeat(OVERSIZED),
            });
            vec![webhook(1, body.to_string())]
        }
        Behaviour::None | Behaviour::Broken | Behaviour::Refused => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn sent(behaviour: Behaviour) -> Vec<Webhook> {
        webhooks(&Response {
            valuation_reference: "VAL-17".into(),
            callback_url: "https://example.com/".into(),
            behaviour,
        })
    }

    fn bodies(behaviour: Behaviour) -> Vec<Value> {
        sent(behaviour).iter().map(|webhook| serde_json::from_str(&webhook.body).unwrap()).collect()
    }

    fn valued(value: u32) -> Value {
        json!({ "valuationReference": "VAL-17", "propertyValue": value })
    }

    #[test]
    fn the_name_of_the_house_chooses_the_behaviour() {
        assert_eq!(Behaviour::of("999"), Behaviour::Normal);
        assert_eq!(Behaviour::of("Rose Cottage"), Behaviour::Normal);
        assert_eq!(Behaviour::of("down-then-up"), Behaviour::DownThenUp);
        assert_eq!(Behaviour::of("none"), Behaviour::None);
    }

    #[test]
    fn what_comes_once_and_well_differs_only_in_when_it_comes() {
        for behaviour in
            [Behaviour::Normal, Behaviour::Late, Behaviour::Early, Behaviour::DownThenUp, Behaviour::Slow]
        {
            assert_eq!(bodies(behaviour), [valued(666_000)], "{behaviour:?}");
            let webhook = &sent(behaviour)[0];
            assert_eq!((webhook.key, webhook.age), (Key::Current, Duration::ZERO), "{behaviour:?}");
        }
    }

    #[test]
    fn a_duplicate_has_an_id_of_its_own_and_a_replay_has_not() {
        let ids = |behaviour| sent(behaviour).into_iter().map(|webhook| webhook.id).collect::<Vec<_>>();

        assert_eq!(bodies(Behaviour::Duplicate), [valued(666_000), valued(666_000)]);
        assert_eq!(ids(Behaviour::Duplicate), ["msg_VAL-17_1", "msg_VAL-17_2"]);
        assert_eq!(bodies(Behaviour::Replayed), [valued(666_000), valued(666_000)]);
        assert_eq!(ids(Behaviour::Replayed), ["msg_VAL-17_1", "msg_VAL-17_1"]);
    }

    #[test]
    fn the_content_is_wrong_on_demand() {
        assert_eq!(bodies(Behaviour::Conflicting), [valued(666_000), valued(555_000)]);
        assert_eq!(bodies(Behaviour::Failed), [json!({ "valuationReference": "VAL-17", "failed": true })]);
        assert_eq!(bodies(Behaviour::Unknown)[0]["valuationReference"], "unknown-VAL-17");
        assert_eq!(bodies(Behaviour::Oversized)[0]["valuationReference"], "VAL-17");
        assert!(sent(Behaviour::Oversized)[0].body.len() > 262_144);
        assert!(serde_json::from_str::<Value>(&sent(Behaviour::Malformed)[0].body).is_err());
        assert_eq!(sent(Behaviour::Empty)[0].body, "");
    }

    #[test]
    fn the_signature_is_wrong_on_demand() {
        let signing = |behaviour| sent(behaviour).iter().map(|w| (w.key, w.age)).collect::<Vec<_>>();

        assert_eq!(signing(Behaviour::Forged), [(Key::Forged, Duration::ZERO)]);
        assert_eq!(signing(Behaviour::Rotated), [(Key::Previous, Duration::ZERO)]);
        assert_eq!(signing(Behaviour::Stale), [(Key::Current, Duration::from_secs(600))]);
    }

    #[test]
    fn who_does_not_call_back_sends_nothing() {
        for behaviour in [Behaviour::None, Behaviour::Broken, Behaviour::Refused] {
            assert_eq!(sent(behaviour), [], "{behaviour:?}");
        }
    }
}
