//! Metrics, written as log lines: CloudWatch makes them from its
//! [embedded metric format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html),
//! so that a function needs neither a permission nor a call.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The namespace of all metrics of this workspace.
const NAMESPACE: &str = "SfnCallbacks";
/// The stack that this function belongs to.
static STACK: OnceLock<String> = OnceLock::new();

/// What a metric counts. The names are CloudWatch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Things.
    Count,
    /// Time in seconds.
    Seconds,
    /// Time in milliseconds.
    Milliseconds,
}

/// Names the stack, so that an alarm of one stack does not ring for another in the same account. Call it once, at init.
pub(crate) fn name_stack(stack: String) {
    STACK.get_or_init(|| stack);
}

/// Publishes metrics of a kind of callback key under the dimensions `Stack` and `Kind` and, for alarms, under `Stack`
/// alone, all of them at this moment: one line on standard output.
///
/// Each new kind is a metric that is billed. CloudWatch takes at most 100 metrics at once.
///
/// ```
/// use function_runtime::metrics::{Unit, publish};
///
/// publish("valuation", &[("Delivered", Unit::Count, 1), ("CallbackWaitMs", Unit::Milliseconds, 6_021)]);
/// ```
pub fn publish(kind: &str, metrics: &[(&str, Unit, u64)]) {
    let stack = STACK.get().map_or("unnamed", String::as_str);
    println!("{}", document(stack, kind, metrics, SystemTime::now()));
}

fn document(stack: &str, kind: &str, metrics: &[(&str, Unit, u64)], now: SystemTime) -> Value {
    let epoch_ms = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let definitions: Vec<_> =
        metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();

    let mut document = Map::new();
    document.insert(
        "_aws".into(),
        json!({
            "Timestamp": u64::try_from(epoch_ms).unwrap_or(u64::MAX),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [["Stack", "Kind"], ["Stack"]], "Metrics": definitions }],
        }),
    );
    document.extend([("Stack".to_owned(), stack.into()), ("Kind".to_owned(), kind.into())]);
    document.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))));
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_document_defines_its_metrics_and_has_their_values_beside_the_dimensions() {
        let metrics = [
            ("Delivered", Unit::Count, 1),
            ("CallbackWaitMs", Unit::Milliseconds, 6_021),
            ("OldestWaitSeconds", Unit::Seconds, 40),
        ];

        let document = document(
            "sfn-callbacks",
            "valuation",
            &metrics,
            UNIX_EPOCH + Duration::from_millis(1_772_357_406_000),
        );

        assert_eq!(
            document,
            json!({
                "_aws": {
                    "Timestamp": 1_772_357_406_000_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "SfnCallbacks",
                        "Dimensions": [["Stack", "Kind"], ["Stack"]],
                        "Metrics": [
                            { "Name": "Delivered", "Unit": "Count" },
                            { "Name": "CallbackWaitMs", "Unit": "Milliseconds" },
                            { "Name": "OldestWaitSeconds", "Unit": "Seconds" },
                        ],
                    }],
                },
                "Stack": "sfn-callbacks",
                "Kind": "valuation",
                "Delivered": 1,
                "CallbackWaitMs": 6_021,
                "OldestWaitSeconds": 40,
            })
        );
    }
}
