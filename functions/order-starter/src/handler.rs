//! Starts the workflow for an order.
//!
//! A rule could start the state machine by itself, under a name of its own each time. EventBridge may deliver an event
//! twice, and a customer may ask twice; the order's id as the name of the execution makes that one execution.

use function_runtime::NamedError;
use orders::{OrderId, UserId};
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::processor::{OrderProcessor, ProcessorError};

/// The event, and the input of the execution: `{"detail": {"orderId", "userId"}}`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct NewOrder {
    detail: Detail,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    order_id: OrderId,
    user_id: UserId,
}

impl NamedError for ProcessorError {
    fn name(&self) -> &'static str {
        "ProcessorUnavailable"
    }
}

/// Starts the workflow, unless it was started before.
///
/// # Errors
///
/// [`ProcessorError`]: the Lambda service tries the event twice more.
pub(crate) async fn handle(processor: &impl OrderProcessor, event: &NewOrder) -> Result<(), ProcessorError> {
    let input = serde_json::to_string(event).expect("texts always serialize");

    let start = processor.start(&event.detail.order_id, &input).await?;
    info!(order_id = event.detail.order_id.as_str(), ?start, "order taken up");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::*;
    use crate::processor::Start;

    #[derive(Default)]
    struct Recording {
        started: Mutex<Vec<(OrderId, Value)>>,
    }

    impl OrderProcessor for Recording {
        async fn start(&self, name: &OrderId, input: &str) -> Result<Start, ProcessorError> {
            self.started.lock().unwrap().push((name.clone(), serde_json::from_str(input).unwrap()));
            Ok(Start::Now)
        }
    }

    #[tokio::test]
    async fn the_execution_bears_the_id_of_the_order_and_gets_what_the_seed_starts_with() {
        let event = include_str!("../../../events/order-starter/new-order.json");
        let processor = Recording::default();

        handle(&processor, &serde_json::from_str(event).unwrap()).await.unwrap();

        let input = json!({ "detail": { "orderId": "2", "userId": "1" } });
        assert_eq!(*processor.started.lock().unwrap(), [("2".parse().unwrap(), input)]);
    }

    #[test]
    fn an_id_that_could_not_name_an_execution_is_refused() {
        let event = r#"{"detail":{"orderId":"a b","userId":"1"}}"#;

        let error = serde_json::from_str::<NewOrder>(event).unwrap_err();

        assert!(error.to_string().starts_with("an order id is made of 1 to 64 "), "{error}");
    }
}
