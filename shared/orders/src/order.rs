//! An order's record, and what people may do with it.

use std::{
    fmt,
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{OrderId, UserId};

/// The cause with which the waiting workflow is told of a cancellation: the same whoever it was, so that one repeats
/// the other. The record has the reason.
pub const CANCELLATION_CAUSE: &str = "The order was cancelled";

/// The record of an order. Written as JSON, it is what the HTTP API shows: camelCase, without what is not known, and
/// without the execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Which order.
    #[serde(rename = "orderId")]
    pub id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// How far it is.
    pub state: OrderState,
    /// What is to be made, once the customer has submitted it.
    #[serde(rename = "drinkOrder", skip_serializing_if = "Option::is_none")]
    pub drink: Option<Drink>,
    /// The number that is called out, once the workflow has drawn it.
    #[serde(rename = "orderNumber", skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Who made it.
    #[serde(rename = "baristaUserId", skip_serializing_if = "Option::is_none")]
    pub barista: Option<UserId>,
    /// Why it will never be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The execution that the order belongs to, once one has said so.
    #[serde(skip)]
    pub run: Option<Run>,
    /// When the record was made, in milliseconds since 1970.
    pub created_at_epoch_ms: u64,
    /// When it was changed last, in milliseconds since 1970.
    pub updated_at_epoch_ms: u64,
}

/// How far an order is. The names are what is stored and shown; `CREATED`, `COMPLETED` and `CANCELLED` are those of
/// Serverlesspresso.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    /// Asked for; no workflow has taken it up yet.
    Requested,
    /// A workflow waits for the customer.
    Created,
    /// The customer has said what to make; the workflow has not said yet that it goes on.
    Submitted,
    /// A workflow waits for a barista.
    WaitingCompletion,
    /// Made.
    Completed,
    /// Given up by the customer or the shop.
    Cancelled,
    /// The customer or the barista was silent for too long.
    TimedOut,
    /// The shop was closed or had no place.
    Refused,
    /// The workflow broke.
    Failed,
}

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drink {
    /// Its name on the menu.
    pub drink: String,
    /// What is special about it, each an option of the menu.
    #[serde(default)]
    pub modifiers: Vec<String>,
    /// What a screen shows for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
}

/// An execution of the workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its ARN.
    pub execution: String,
    /// When it was started, in milliseconds since 1970. Of two, the later one is the newer.
    pub started_at_epoch_ms: u64,
}

/// What is to be done about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Write this.
    Write(Order),
    /// It says so already.
    Keep(Order),
}

/// Why something cannot be done with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// It is another customer's.
    #[error("the order is another customer's")]
    NotYours,
    /// Nobody has said what to make.
    #[error("the order has not been submitted yet")]
    NotSubmitted,
    /// Something else was submitted.
    #[error("another drink was submitted")]
    AnotherDrink,
    /// It is made.
    #[error("the order is completed")]
    Completed,
    /// It was given up.
    #[error("the order was cancelled")]
    Cancelled,
    /// Nobody waits any more: it timed out, was refused or broke.
    #[error("the order is closed: nobody waits for it any more")]
    Closed,
    /// It belongs to another execution, which is the newer one or still runs.
    #[error("the order belongs to another execution")]
    AnotherExecution,
}

/// A text that names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a state is one of REQUESTED, CREATED, SUBMITTED, WAITING_COMPLETION, COMPLETED, CANCELLED, TIMED_OUT, REFUSED, \
     FAILED"
)]
pub struct UnknownState;

impl OrderState {
    const ALL: [Self; 9] = [
        Self::Requested,
        Self::Created,
        Self::Submitted,
        Self::WaitingCompletion,
        Self::Completed,
        Self::Cancelled,
        Self::TimedOut,
        Self::Refused,
        Self::Failed,
    ];

    /// Whether nothing more can become of the order.
    #[must_use]
    pub fn is_final(self) -> bool {
        self > Self::WaitingCompletion
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Created => "CREATED",
            Self::Submitted => "SUBMITTED",
            Self::WaitingCompletion => "WAITING_COMPLETION",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::TimedOut => "TIMED_OUT",
            Self::Refused => "REFUSED",
            Self::Failed => "FAILED",
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for OrderState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

/// A time as a record has it, in milliseconds since 1970.
#[must_use]
pub fn epoch_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Order {
    /// The record of an order that was just asked for.
    #[must_use]
    pub fn new(id: OrderId, user_id: UserId, now_epoch_ms: u64) -> Self {
        Self {
            id,
            user_id,
            state: OrderState::Requested,
            drink: None,
            number: None,
            barista: None,
            reason: None,
            run: None,
            created_at_epoch_ms: now_epoch_ms,
            updated_at_epoch_ms: now_epoch_ms,
        }
    }

    /// A customer asks for an order. An id that the same customer has used is the same order.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotYours`] for another customer's id.
    pub fn request(
        found: Option<&Self>,
        id: &OrderId,
        user: &UserId,
        now_epoch_ms: u64,
    ) -> Result<Decision, Refusal> {
        match found {
            None => Ok(Decision::Write(Self::new(id.clone(), user.clone(), now_epoch_ms))),
            Some(order) => order.of_customer(user).map(|order| Decision::Keep(order.clone())),
        }
    }

    /// The customer says what to make, perhaps before a workflow waits for it. The same again changes nothing.
    ///
    /// # Errors
    ///
    /// Whatever speaks against it, but [`Refusal::NotFound`] and [`Refusal::AnotherExecution`].
    pub fn submit(&self, user: &UserId, drink: &Drink, now_epoch_ms: u64) -> Result<Decision, Refusal> {
        let order = self.of_customer(user)?;
        match order.state {
            OrderState::Requested | OrderState::Created => Ok(Decision::Write(Self {
                state: OrderState::Submitted,
                drink: Some(drink.clone()),
                ..order.at(now_epoch_ms)
            })),
            OrderState::Submitted | OrderState::WaitingCompletion | OrderState::Completed => {
                if order.drink.as_ref() == Some(drink) {
                    Ok(Decision::Keep(order.clone()))
                } else {
                    Err(Refusal::AnotherDrink)
                }
            }
            OrderState::Cancelled => Err(Refusal::Cancelled),
            OrderState::TimedOut | OrderState::Refused | OrderState::Failed => Err(Refusal::Closed),
        }
    }

    /// A barista has made it. The first one counts.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotSubmitted`], [`Refusal::Cancelled`], [`Refusal::Closed`].
    pub fn complete(&self, barista: &UserId, now_epoch_ms: u64) -> Result<Decision, Refusal> {
        match self.state {
            OrderState::Requested | OrderState::Created => Err(Refusal::NotSubmitted),
            OrderState::Submitted | OrderState::WaitingCompletion => Ok(Decision::Write(Self {
                state: OrderState::Completed,
                barista: Some(barista.clone()),
                ..self.at(now_epoch_ms)
            })),
            // The workflow's own event may have been faster; it does not know who made the drink.
            OrderState::Completed if self.barista.is_none() => {
                Ok(Decision::Write(Self { barista: Some(barista.clone()), ..self.at(now_epoch_ms) }))
            }
            OrderState::Completed => Ok(Decision::Keep(self.clone())),
            OrderState::Cancelled => Err(Refusal::Cancelled),
            OrderState::TimedOut | OrderState::Refused | OrderState::Failed => Err(Refusal::Closed),
        }
    }

    /// Somebody gives it up. The first reason counts.
    ///
    /// # Errors
    ///
    /// [`Refusal::Completed`], [`Refusal::Closed`].
    pub fn cancel(&self, reason: &str, now_epoch_ms: u64) -> Result<Decision, Refusal> {
        match self.state {
            OrderState::Requested
            | OrderState::Created
            | OrderState::Submitted
            | OrderState::WaitingCompletion => Ok(Decision::Write(Self {
                state: OrderState::Cancelled,
                reason: Some(reason.to_owned()),
                ..self.at(now_epoch_ms)
            })),
            // The workflow's own event may have been faster; it does not know who cancelled.
            OrderState::Cancelled if self.reason.as_deref() == Some(CANCELLATION_CAUSE) => {
                Ok(Decision::Write(Self { reason: Some(reason.to_owned()), ..self.at(now_epoch_ms) }))
            }
            OrderState::Cancelled => Ok(Decision::Keep(self.clone())),
            OrderState::Completed => Err(Refusal::Completed),
            OrderState::TimedOut | OrderState::Refused | OrderState::Failed => Err(Refusal::Closed),
        }
    }

    /// The order, if it is this customer's.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotYours`].
    pub fn of_customer(&self, user: &UserId) -> Result<&Self, Refusal> {
        if self.user_id == *user { Ok(self) } else { Err(Refusal::NotYours) }
    }

    /// The same, changed at this time.
    pub(crate) fn at(&self, now_epoch_ms: u64) -> Self {
        Self { updated_at_epoch_ms: now_epoch_ms, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LATER: u64 = 2_000;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    fn order(state: OrderState) -> Order {
        Order { state, ..Order::new("42".parse().unwrap(), user("ada"), 1_000) }
    }

    fn latte() -> Drink {
        Drink { drink: "Latte".into(), modifiers: vec!["Oat milk".into()], icon: None }
    }

    fn submitted(state: OrderState) -> Order {
        Order { drink: Some(latte()), ..order(state) }
    }

    fn written(decision: Result<Decision, Refusal>) -> Order {
        let Ok(Decision::Write(order)) = decision else { panic!("written: {decision:?}") };
        order
    }

    fn is_kept(decision: &Result<Decision, Refusal>, order: &Order) -> bool {
        *decision == Ok(Decision::Keep(order.clone()))
    }

    #[test]
    fn every_state_is_read_back_from_its_name() {
        for state in OrderState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), json!(state.as_str()));
        }
        assert_eq!("created".parse::<OrderState>(), Err(UnknownState));
    }

    #[test]
    fn an_id_is_one_order_of_one_customer() {
        let id = "42".parse().unwrap();

        let new = written(Order::request(None, &id, &user("ada"), 1_000));

        assert_eq!(new, order(OrderState::Requested));
        assert!(is_kept(&Order::request(Some(&new), &id, &user("ada"), LATER), &new));
        assert_eq!(Order::request(Some(&new), &id, &user("bob"), LATER), Err(Refusal::NotYours));
    }

    #[test]
    fn a_drink_is_submitted_once_and_by_its_customer() {
        for state in [OrderState::Requested, OrderState::Created] {
            let first = written(order(state).submit(&user("ada"), &latte(), LATER));

            assert_eq!(first, Order { updated_at_epoch_ms: LATER, ..submitted(OrderState::Submitted) });
            assert_eq!(order(state).submit(&user("bob"), &latte(), LATER), Err(Refusal::NotYours));
        }
        let espresso = Drink { drink: "Espresso".into(), modifiers: vec![], icon: None };
        for state in [OrderState::Submitted, OrderState::WaitingCompletion, OrderState::Completed] {
            let order = submitted(state);
            assert!(is_kept(&order.submit(&user("ada"), &latte(), LATER), &order));
            assert_eq!(order.submit(&user("ada"), &espresso, LATER), Err(Refusal::AnotherDrink));
        }
        assert_eq!(
            order(OrderState::WaitingCompletion).submit(&user("ada"), &latte(), LATER),
            Err(Refusal::AnotherDrink),
            "somebody else has let the workflow go on"
        );
    }

    #[test]
    fn only_a_submitted_order_is_completed_and_its_first_barista_is_kept() {
        for state in [OrderState::Submitted, OrderState::WaitingCompletion] {
            let completed = written(submitted(state).complete(&user("eva"), LATER));
            assert_eq!((completed.state, completed.barista), (OrderState::Completed, Some(user("eva"))));
            assert_eq!(completed.updated_at_epoch_ms, LATER);
        }
        for state in [OrderState::Requested, OrderState::Created] {
            assert_eq!(order(state).complete(&user("eva"), LATER), Err(Refusal::NotSubmitted));
        }
        let by_event = written(order(OrderState::Completed).complete(&user("eva"), LATER));
        assert_eq!(by_event.barista, Some(user("eva")));
        assert!(is_kept(&by_event.complete(&user("max"), LATER), &by_event));
    }

    #[test]
    fn an_order_is_cancelled_until_it_is_made() {
        let live = [
            OrderState::Requested,
            OrderState::Created,
            OrderState::Submitted,
            OrderState::WaitingCompletion,
        ];
        for state in live {
            let cancelled = written(order(state).cancel("by the shop", LATER));
            assert_eq!(cancelled.state, OrderState::Cancelled);
            assert_eq!(cancelled.reason.as_deref(), Some("by the shop"));
            assert!(is_kept(&cancelled.cancel("by the customer", LATER), &cancelled));
        }
        let by_event = Order { reason: Some(CANCELLATION_CAUSE.into()), ..order(OrderState::Cancelled) };
        assert_eq!(written(by_event.cancel("by the shop", LATER)).reason.as_deref(), Some("by the shop"));
        assert_eq!(order(OrderState::Completed).cancel("by the shop", LATER), Err(Refusal::Completed));
    }

    #[test]
    fn nothing_is_done_with_an_order_that_has_ended() {
        for state in [OrderState::TimedOut, OrderState::Refused, OrderState::Failed] {
            let order = submitted(state);
            assert!(order.state.is_final());
            assert_eq!(order.submit(&user("ada"), &latte(), LATER), Err(Refusal::Closed));
            assert_eq!(order.complete(&user("eva"), LATER), Err(Refusal::Closed));
            assert_eq!(order.cancel("by the shop", LATER), Err(Refusal::Closed));
        }
        let cancelled = submitted(OrderState::Cancelled);
        assert_eq!(cancelled.submit(&user("ada"), &latte(), LATER), Err(Refusal::Cancelled));
        assert_eq!(cancelled.complete(&user("eva"), LATER), Err(Refusal::Cancelled));
    }

    #[test]
    fn json_shows_what_is_known_and_not_the_execution() {
        let run = Run { execution: "arn".into(), started_at_epoch_ms: 900 };
        let waiting = Order { number: Some(7), run: Some(run), ..submitted(OrderState::WaitingCompletion) };

        assert_eq!(
            serde_json::to_value(&waiting).unwrap(),
            json!({
                "orderId": "42",
                "userId": "ada",
                "state": "WAITING_COMPLETION",
                "drinkOrder": { "drink": "Latte", "modifiers": ["Oat milk"] },
                "orderNumber": 7,
                "createdAtEpochMs": 1_000,
                "updatedAtEpochMs": 1_000,
            })
        );
    }
}
