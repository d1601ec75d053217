//! Writes down what is said of an order, then registers the wait that was told.
//!
//! The record comes first: it says whether the execution that speaks is the one that the order belongs to. An event that
//! comes twice or late finds the record further on, and changes nothing; an event that fails is tried twice more by the
//! Lambda service and then lies in the dead-letter queue.

use std::time::SystemTime;

use function_runtime::{
    NamedError,
    callbacks::{RegistrationError, kinds, register},
};
use orders::{
    Announcement, ChangeError, EventBus, EventBusError, Fact, Order, OrderBook, OrderBookError, OrderState,
    Progress, change, epoch_ms,
};
use token_store::{Rendezvous, RendezvousError, TaskCallbacks, TokenStore};
use tracing::{info, warn};

use crate::{
    event::{InvalidNumber, OrderEvent},
    places::{Places, PlacesError},
};

/// What the storer works with.
pub(crate) struct OrderTokenStorer<B, P, E, S, C> {
    pub(crate) book: B,
    pub(crate) places: P,
    pub(crate) bus: E,
    pub(crate) rendezvous: Rendezvous<S, C>,
}

/// Why an event was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorerError {
    /// Terminal: the workflow does not say what it should.
    #[error(transparent)]
    Number(#[from] InvalidNumber),
    /// Retryable: the record.
    #[error("the record of the order could not be changed")]
    Book(#[from] OrderBookError),
    /// Retryable, unless a permission, a token or a time is wrong.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// Retryable.
    #[error("the order could not be announced")]
    Bus(#[from] EventBusError),
    /// Retryable.
    #[error(transparent)]
    Places(#[from] PlacesError),
}

impl NamedError for StorerError {
    fn name(&self) -> &'static str {
        match self {
            Self::Number(_)
            | Self::Registration(
                RegistrationError::Key(_) | RegistrationError::Rendezvous(RendezvousError::Wait(_)),
            ) => "EventMalformed",
            Self::Book(_) => "RecordUnavailable",
            Self::Registration(error) if error.is_retryable() => "RegistrationUnavailable",
            Self::Registration(_) => "RegistrationRefused",
            Self::Bus(_) => "AnnouncementUnavailable",
            Self::Places(_) => "PlacesUnavailable",
        }
    }
}

/// Takes in what is said of an order.
///
/// # Errors
///
/// Every variant of [`StorerError`].
pub(crate) async fn handle(
    storer: &OrderTokenStorer<
        impl OrderBook,
        impl Places,
        impl EventBus,
        impl TokenStore,
        impl TaskCallbacks,
    >,
    event: OrderEvent,
    now: SystemTime,
) -> Result<(), StorerError> {
    match event {
        OrderEvent::WorkflowStarted(waiting) => {
            let order = record(&storer.book, &waiting.started(), now).await?;
            if let Some(order) = order.filter(|order| order.state < OrderState::WaitingCompletion) {
                register(&storer.rendezvous, kinds::ORDER_SUBMISSION, order.id.as_str(), waiting.task)
                    .await?;
            }
        }
        OrderEvent::WaitingCompletion(waiting) => {
            let order = record(&storer.book, &waiting.numbered()?, now).await?;
            if let Some(order) = order.filter(|order| !order.state.is_final()) {
                register(&storer.rendezvous, kinds::ORDER_COMPLETION, order.id.as_str(), waiting.task)
                    .await?;
                storer.bus.announce(&Announcement::waiting_completion(&order)).await?;
            }
        }
        OrderEvent::Finished(ended) => {
            record(&storer.book, &ended.fact(|_| Progress::Finished), now).await?;
        }
        OrderEvent::TimedOut(ended) => {
            record(&storer.book, &ended.fact(|cause| Progress::TimedOut { cause }), now).await?;
        }
        OrderEvent::Cancelled(ended) => {
            record(&storer.book, &ended.fact(|cause| Progress::Cancelled { cause }), now).await?;
        }
        OrderEvent::Refused(ended) => {
            record(&storer.book, &ended.fact(|cause| Progress::Refused { cause }), now).await?;
        }
        OrderEvent::ExecutionBroke(broken) => {
            let freed = storer.places.free(&broken.name).await?;
            warn!(execution_name = broken.name, ?freed, "workflow broke");
            if let Some(fact) = broken.fact() {
                record(&storer.book, &fact, now).await?;
            }
        }
    }
    Ok(())
}

/// Writes a fact down. `None` means that the order is not the execution's.
async fn record(
    book: &impl OrderBook,
    fact: &Fact,
    now: SystemTime,
) -> Result<Option<Order>, OrderBookError> {
    let order_id = fact.order_id.as_str();
    let execution = &fact.run.execution;
    match change(book, &fact.order_id, now, |found| fact.apply(found, epoch_ms(now))).await {
        Ok(order) => {
            info!(order_id, execution, state = order.state.as_str(), "order recorded");
            Ok(Some(order))
        }
        Err(ChangeError::Refused(refusal)) => {
            warn!(order_id, execution, refusal = refusal.to_string(), "event left aside");
            Ok(None)
        }
        Err(ChangeError::Book(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Mutex,
        time::{Duration, UNIX_EPOCH},
    };

    use orders::{Drink, Entry, MemoryOrderBook, OrderId, RecordingBus, UserId};
    use serde_json::Value;
    use token_store::{
        CallbackKey, Outcome, TaskToken,
        callbacks::CallbackError,
        testing::{MemoryTokenStore, RecordingTaskCallbacks},
    };

    use super::*;
    use crate::places::Freed;

    const STARTED: &str = include_str!("../../../events/order-token-storer/workflow-started.json");
    const WAITING: &str = include_str!("../../../events/order-token-storer/waiting-completion.json");
    const FINISHED: &str = include_str!("../../../events/order-token-storer/order-finished.json");
    const TIMED_OUT: &str = include_str!("../../../events/order-token-storer/order-timed-out.json");
    const CANCELLED: &str = include_str!("../../../events/order-token-storer/order-cancelled.json");
    const REFUSED: &str = include_str!("../../../events/order-token-storer/shop-unavailable.json");
    const BROKE: &str = include_str!("../../../events/order-token-storer/execution-aborted.json");

    #[derive(Default)]
    struct RecordingPlaces {
        freed: Mutex<Vec<String>>,
        broken: bool,
    }

    impl Places for RecordingPlaces {
        async fn free(&self, execution_name: &str) -> Result<Freed, PlacesError> {
            if self.broken {
                return Err(PlacesError("throttled".into()));
            }
            self.freed.lock().unwrap().push(execution_name.to_owned());
            Ok(Freed::Now)
        }
    }

    type TestStorer = OrderTokenStorer<
        MemoryOrderBook,
        RecordingPlaces,
        RecordingBus,
        MemoryTokenStore,
        RecordingTaskCallbacks,
    >;

    fn storer() -> TestStorer {
        OrderTokenStorer {
            book: MemoryOrderBook::default(),
            places: RecordingPlaces::default(),
            bus: RecordingBus::default(),
            rendezvous: Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default())
                .with_clock(now),
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_772_357_400)
    }

    fn id() -> OrderId {
        "1".parse().unwrap()
    }

    fn user() -> UserId {
        "testuser".parse().unwrap()
    }

    async fn tell(storer: &TestStorer, event: &str) -> Result<(), StorerError> {
        handle(storer, serde_json::from_str(event).unwrap(), now()).await
    }

    async fn entry(storer: &TestStorer) -> Option<Entry> {
        storer.book.get(&id()).await.unwrap()
    }

    async fn order(storer: &TestStorer) -> Order {
        entry(storer).await.unwrap().order
    }

    async fn token(storer: &TestStorer, kind: &str) -> Option<TaskToken> {
        let item = storer.rendezvous.store.get(&CallbackKey::new(kind, "1").unwrap()).await.unwrap()?;
        item.registered.map(|registered| registered.token)
    }

    fn token_of(sample: &str) -> TaskToken {
        let sample: Value = serde_json::from_str(sample).unwrap();
        TaskToken::new(sample["detail"]["TaskToken"].as_str().unwrap()).unwrap()
    }

    /// The sample with another value in one field of its detail.
    fn with(sample: &str, field: &str, value: impl Into<Value>) -> String {
        let mut event: Value = serde_json::from_str(sample).unwrap();
        event["detail"][field] = value.into();
        event.to_string()
    }

    async fn submit(storer: &TestStorer, drink: &str) {
        let drink = Drink { drink: drink.into(), modifiers: vec![], icon: None };
        let submit = |found: Option<&Order>| found.unwrap().submit(&user(), &drink, 1);
        change(&storer.book, &id(), now(), submit).await.unwrap();
    }

    #[tokio::test]
    async fn each_wait_has_its_own_key_and_the_record_goes_along() {
        let storer = storer();

        tell(&storer, STARTED).await.unwrap();
        assert_eq!(order(&storer).await.state, OrderState::Created);
        tell(&storer, WAITING).await.unwrap();

        let order = order(&storer).await;
        assert_eq!((order.state, order.number), (OrderState::WaitingCompletion, Some(10)));
        assert_eq!(order.user_id, user());
        assert_eq!(token(&storer, kinds::ORDER_SUBMISSION).await, Some(token_of(STARTED)));
        assert_eq!(token(&storer, kinds::ORDER_COMPLETION).await, Some(token_of(WAITING)));
        assert_eq!(storer.bus.announced(), [Announcement::waiting_completion(&order)]);
    }

    #[tokio::test]
    async fn a_wait_that_is_told_twice_overwrites_nothing() {
        let storer = storer();
        tell(&storer, STARTED).await.unwrap();
        submit(&storer, "Latte").await;
        let before = entry(&storer).await;

        tell(&storer, STARTED).await.unwrap();

        assert_eq!(entry(&storer).await, before);
        assert_eq!(token(&storer, kinds::ORDER_SUBMISSION).await, Some(token_of(STARTED)));
    }

    #[tokio::test]
    async fn waits_that_are_told_in_the_wrong_order_end_at_the_same_record() {
        let storer = storer();

        tell(&storer, WAITING).await.unwrap();
        tell(&storer, STARTED).await.unwrap();

        let order = order(&storer).await;
        assert_eq!((order.state, order.number), (OrderState::WaitingCompletion, Some(10)));
        assert_eq!(token(&storer, kinds::ORDER_COMPLETION).await, Some(token_of(WAITING)));
        assert_eq!(
            token(&storer, kinds::ORDER_SUBMISSION).await,
            None,
            "nobody waits for the customer any more"
        );
    }

    #[tokio::test]
    async fn a_completion_that_came_first_is_delivered_by_the_registration() {
        let storer = storer();
        let made = Outcome::success(r#"{"orderId":"1"}"#).unwrap();
        let key = CallbackKey::new(kinds::ORDER_COMPLETION, "1").unwrap();
        storer.rendezvous.complete(&key, made.clone()).await.unwrap();

        tell(&storer, WAITING).await.unwrap();

        assert_eq!(storer.rendezvous.callbacks.sent(), [(token_of(WAITING), made)]);
    }

    #[tokio::test]
    async fn every_end_is_recorded_with_its_reason() {
        let ends = [
            (FINISHED, OrderState::Completed, None),
            (TIMED_OUT, OrderState::TimedOut, Some("Customer timedout")),
            (CANCELLED, OrderState::Cancelled, Some("The order was cancelled")),
            (REFUSED, OrderState::Refused, Some("Shop closed")),
            (BROKE, OrderState::Failed, Some("the workflow ended as ABORTED")),
        ];
        for (event, state, reason) in ends {
            let storer = storer();
            tell(&storer, STARTED).await.unwrap();

            tell(&storer, event).await.unwrap();
            tell(&storer, STARTED).await.unwrap();

            let order = order(&storer).await;
            assert_eq!((order.state, order.reason.as_deref()), (state, reason));
        }
    }

    #[tokio::test]
    async fn a_wait_whose_order_has_ended_is_not_registered() {
        let storer = storer();
        tell(&storer, FINISHED).await.unwrap();

        tell(&storer, STARTED).await.unwrap();
        tell(&storer, WAITING).await.unwrap();

        assert_eq!(
            (token(&storer, kinds::ORDER_SUBMISSION).await, token(&storer, kinds::ORDER_COMPLETION).await),
            (None, None)
        );
        assert_eq!(storer.bus.announced(), []);
        assert_eq!(order(&storer).await.number, Some(10));
    }

    #[tokio::test]
    async fn a_workflow_that_breaks_gives_its_place_back() {
        let storer = storer();

        tell(&storer, BROKE).await.unwrap();
        tell(&storer, &with(BROKE, "input", r#"{"no":"order"}"#)).await.unwrap();
        tell(&storer, &with(BROKE, "input", Value::Null)).await.unwrap();

        assert_eq!(*storer.places.freed.lock().unwrap(), ["by-hand", "by-hand", "by-hand"]);
    }

    #[tokio::test]
    async fn another_execution_neither_changes_the_record_nor_takes_the_key() {
        let storer = storer();
        tell(&storer, STARTED).await.unwrap();
        let before = entry(&storer).await;
        let intruder = with(&with(STARTED, "execution", "intruder"), "TaskToken", "another token");

        tell(&storer, &intruder).await.unwrap();
        tell(&storer, &with(TIMED_OUT, "execution", "intruder")).await.unwrap();

        assert_eq!(entry(&storer).await, before);
        assert_eq!(token(&storer, kinds::ORDER_SUBMISSION).await, Some(token_of(STARTED)));
    }

    #[tokio::test]
    async fn another_users_claim_to_an_order_is_left_aside() {
        let storer = storer();
        let ask = |found: Option<&Order>| Order::request(found, &id(), &"ada".parse().unwrap(), 1);
        change(&storer.book, &id(), now(), ask).await.unwrap();

        tell(&storer, STARTED).await.unwrap();

        assert_eq!(order(&storer).await.state, OrderState::Requested);
        assert_eq!(token(&storer, kinds::ORDER_SUBMISSION).await, None);
    }

    #[tokio::test]
    async fn an_event_that_may_succeed_later_fails_so_that_it_is_tried_again() {
        let storer = storer();
        let key = CallbackKey::new(kinds::ORDER_COMPLETION, "1").unwrap();
        let made = Outcome::success("1").unwrap();
        storer.rendezvous.complete(&key, made).await.unwrap();

        storer.rendezvous.callbacks.fail_next(CallbackError::Unavailable { source: "throttled".into() });
        storer.bus.fail_next(EventBusError::Refused { code: "ThrottlingException".into() });
        let unannounced = tell(&storer, WAITING).await.unwrap_err();
        tell(&storer, WAITING).await.unwrap();

        assert_eq!(unannounced.name(), "AnnouncementUnavailable");
        assert_eq!((storer.rendezvous.callbacks.sent().len(), storer.bus.announced().len()), (1, 1));
        let crowded = TestStorer {
            places: RecordingPlaces { broken: true, ..RecordingPlaces::default() },
            ..self::storer()
        };
        assert_eq!(tell(&crowded, BROKE).await.unwrap_err().name(), "PlacesUnavailable");
    }

    #[tokio::test]
    async fn an_event_that_does_not_say_what_it_should_is_malformed() {
        let numberless = tell(&storer(), &with(WAITING, "orderNumber", "ten")).await.unwrap_err();
        let timeless = tell(&storer(), &with(STARTED, "enteredTime", "yesterday")).await.unwrap_err();

        assert_eq!((numberless.name(), timeless.name()), ("EventMalformed", "EventMalformed"));
    }

    #[test]
    fn no_text_of_an_event_holds_its_token() {
        let event: OrderEvent = serde_json::from_str(STARTED).unwrap();
        let malformed = serde_json::from_str::<OrderEvent>(&with(STARTED, "retryCount", "x")).unwrap_err();

        assert!(!format!("{event:?}").contains(token_of(STARTED).expose()));
        assert!(!malformed.to_string().contains(token_of(STARTED).expose()));
    }
}
