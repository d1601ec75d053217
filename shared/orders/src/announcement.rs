//! What others are told about an order.

use serde::Serialize;
use serde_json::{Value, json};

use crate::Order;

/// An event about an order, for whoever listens on the bus. It never holds a task token: it is made of the record, which
/// has none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Announcement {
    /// The event's type.
    pub detail_type: &'static str,
    /// What it says.
    pub detail: Value,
}

impl Announcement {
    /// A customer asks for an order: `{"orderId", "userId"}`. It starts the workflow.
    #[must_use]
    pub fn new_order(order: &Order) -> Self {
        let detail = json!({ "orderId": order.id, "userId": order.user_id });
        Self { detail_type: "Validator.NewOrder", detail }
    }

    /// The customer has said what to make.
    #[must_use]
    pub fn submitted(order: &Order) -> Self {
        Self::of_record("OrderManager.OrderSubmitted", order)
    }

    /// A barista can make it.
    #[must_use]
    pub fn waiting_completion(order: &Order) -> Self {
        Self::of_record("OrderManager.WaitingCompletion", order)
    }

    /// A barista has made it.
    #[must_use]
    pub fn completed(order: &Order) -> Self {
        Self::of_record("OrderManager.OrderCompleted", order)
    }

    /// Somebody has given it up.
    #[must_use]
    pub fn cancelled(order: &Order) -> Self {
        Self::of_record("OrderManager.OrderCancelled", order)
    }

    fn of_record(detail_type: &'static str, order: &Order) -> Self {
        Self { detail_type, detail: json!(order) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Drink, OrderState, Run};

    /// The order that the sample events are about.
    fn order(state: OrderState) -> Order {
        Order {
            state,
            drink: Some(Drink {
                drink: "Cappuccino".into(),
                modifiers: vec![],
                icon: Some("barista-icons_cappuccino-alternative".into()),
            }),
            run: Some(Run { execution: "arn".into(), started_at_epoch_ms: 1 }),
            updated_at_epoch_ms: 1_772_357_460_000,
            ..Order::new("2".parse().unwrap(), "1".parse().unwrap(), 1_772_357_400_000)
        }
    }

    fn assert_is(announcement: &Announcement, sample: &str) {
        let sample: Value = serde_json::from_str(sample).unwrap();
        assert_eq!(sample["source"], "awsserverlessda.serverlesspresso");
        assert_eq!(sample["detail-type"], announcement.detail_type);
        assert_eq!(sample["detail"], announcement.detail);
    }

    #[test]
    fn every_announcement_is_as_its_sample_event() {
        let waiting = Order { number: Some(10), ..order(OrderState::WaitingCompletion) };
        let completed = Order {
            barista: Some("3".parse().unwrap()),
            ..Order { state: OrderState::Completed, ..waiting.clone() }
        };
        let reason = Some("by the customer".to_owned());

        assert_is(
            &Announcement::new_order(&order(OrderState::Requested)),
            include_str!("../../../events/order-starter/new-order.json"),
        );
        assert_is(
            &Announcement::submitted(&order(OrderState::Submitted)),
            include_str!("../../../events/order-manager/emitted/order-submitted.json"),
        );
        assert_is(
            &Announcement::waiting_completion(&waiting),
            include_str!("../../../events/order-token-storer/emitted/waiting-completion.json"),
        );
        assert_is(
            &Announcement::completed(&completed),
            include_str!("../../../events/order-manager/emitted/order-completed.json"),
        );
        assert_is(
            &Announcement::cancelled(&Order { reason, ..order(OrderState::Cancelled) }),
            include_str!("../../../events/order-manager/emitted/order-cancelled.json"),
        );
    }
}
