//! What customers and baristas do with orders.
//!
//! What somebody wants meets the workflow that waits for it in the token store, under a key for each wait. The first
//! outcome under a key is the only one: that decides between a drink and a cancellation, and between a cancellation and a
//! barista. The record says what was decided: a drink is written before it is delivered, for the barista must not miss it,
//! an end when it was delivered. Whatever is left open by a crash, the workflow's own events write down.

use std::time::SystemTime;

use function_runtime::{callbacks::kinds, http::Request};
use http::StatusCode;
use orders::{
    Announcement, CANCELLATION_CAUSE, Cursor, Decision, EventBus, Order, OrderBook, OrderId, OrderState,
    Refusal, UserId, change, epoch_ms,
};
use serde_json::json;
use token_store::{
    Completion, Heartbeat, Outcome, Rendezvous, RendezvousError, TaskCallbacks, TokenStore,
    callbacks::CallbackError,
};
use tracing::info;

use crate::{
    answer::{Answer, Body},
    body,
    caller::Caller,
    delivery::{completed, is_delivered, is_recorded, key},
    failure::ORDER_CANCELLED,
    menu::MenuSource,
    refused::Refused,
    route::{Route, cursor_text},
};

/// The largest body that is read, in bytes.
const LARGEST_BODY: usize = 16_384;

/// What the manager works with.
pub(crate) struct OrderManager<B, M, E, S, C> {
    pub(crate) book: B,
    pub(crate) menu: M,
    pub(crate) bus: E,
    pub(crate) rendezvous: Rendezvous<S, C>,
}

impl<B: OrderBook, M: MenuSource, E: EventBus, S: TokenStore, C: TaskCallbacks> OrderManager<B, M, E, S, C> {
    /// Answers a request. It never fails: every failure has its HTTP status.
    pub(crate) async fn handle(&self, request: &Request, now: SystemTime) -> Answer {
        let route = match Route::of(request) {
            Ok(route) => route,
            Err(no_route) => return no_route.into(),
        };
        if request.body.len() > LARGEST_BODY {
            let message = format!("the body has more than {LARGEST_BODY} bytes");
            return Answer::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", message);
        }
        let done = match Caller::from_headers(&request.headers) {
            Ok(caller) => self.act(route, &caller, &request.body, now).await,
            Err(unknown) => Err(unknown.into()),
        };
        done.unwrap_or_else(|refused| refused.answer())
    }

    async fn act(
        &self,
        route: Route,
        caller: &Caller,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Answer, Refused> {
        match (route, caller) {
            (Route::Create, Caller::Customer(user)) => self.create(body, user, now).await,
            (Route::Submit(id), Caller::Customer(user)) => self.submit(&id, user, body, now).await,
            (Route::Create | Route::Submit(_), Caller::Barista(_)) => Err(Refused::CustomersOnly),
            (Route::Complete(id), Caller::Barista(barista)) => self.complete(&id, barista, now).await,
            (Route::List { state, after }, Caller::Barista(_)) => self.list(state, after.as_ref()).await,
            (Route::Complete(_) | Route::List { .. }, Caller::Customer(_)) => Err(Refused::ShopOnly),
            (Route::Cancel(id), _) => self.cancel(&id, caller, now).await,
            (Route::Heartbeat(id), _) => self.heartbeat(&id, caller).await,
            (Route::Get(id), _) => {
                let order = self.order(&id, caller).await?;
                Ok(Answer { code: StatusCode::OK, body: Body::Order(Box::new(order)) })
            }
        }
    }

    /// Asks for an order. The announcement starts the workflow; it is repeated until a workflow has taken the order up.
    async fn create(&self, body: &[u8], user: &UserId, now: SystemTime) -> Result<Answer, Refused> {
        let id = body::order_id(body)?;
        let ask = |found: Option<&Order>| Order::request(found, &id, user, epoch_ms(now));
        let order = change(&self.book, &id, now, ask).await?;
        if order.state != OrderState::Requested {
            return Ok(Answer::new(StatusCode::OK, "duplicate", "the order was taken up before"));
        }
        self.bus.announce(&Announcement::new_order(&order)).await?;
        info!(order_id = id.as_str(), "order requested");
        Ok(Answer::new(StatusCode::ACCEPTED, "requested", "the shop is asked to take the order"))
    }

    /// The customer says what to make.
    async fn submit(
        &self,
        id: &OrderId,
        user: &UserId,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Answer, Refused> {
        let drink = body::drink(body)?;
        let submit =
            |found: Option<&Order>| found.ok_or(Refusal::NotFound)?.submit(user, &drink, epoch_ms(now));
        let found = self.book.get(id).await?.map(|entry| entry.order);
        if let Decision::Write(_) = submit(found.as_ref())? {
            self.menu.read().await?.offers(&drink)?;
        }
        let order = change(&self.book, id, now, submit).await?;
        if order.state != OrderState::Submitted {
            return Ok(completed(Completion::Duplicate));
        }

        let drink = serde_json::to_string(&drink).expect("texts always serialize");
        let outcome = Outcome::success(drink).expect("a drink is short JSON");
        let completion = self.deliver(kinds::ORDER_SUBMISSION, id, outcome).await?;
        if is_recorded(&completion) {
            self.bus.announce(&Announcement::submitted(&order)).await?;
        }
        Ok(completed(completion))
    }

    /// A barista has made the drink.
    async fn complete(&self, id: &OrderId, barista: &UserId, now: SystemTime) -> Result<Answer, Refused> {
        let made = |found: Option<&Order>| found.ok_or(Refusal::NotFound)?.complete(barista, epoch_ms(now));
        let found = self.book.get(id).await?.map(|entry| entry.order);
        let (Decision::Write(order) | Decision::Keep(order)) = made(found.as_ref())?;
        if found.is_some_and(|found| found.state == OrderState::Completed) {
            change(&self.book, id, now, made).await?;
            return Ok(completed(Completion::Duplicate));
        }

        let output = json!({ "orderId": id }).to_string();
        let outcome = Outcome::success(output).expect("an id is short JSON");
        let completion = self.deliver(kinds::ORDER_COMPLETION, id, outcome).await?;
        if is_recorded(&completion) {
            self.bus.announce(&Announcement::completed(&order)).await?;
        }
        if is_delivered(&completion) {
            change(&self.book, id, now, made).await?;
        }
        Ok(completed(completion))
    }

    /// The customer or the shop gives the order up, whoever it waits for.
    async fn cancel(&self, id: &OrderId, caller: &Caller, now: SystemTime) -> Result<Answer, Refused> {
        let reason = match caller {
            Caller::Customer(_) => "cancelled by the customer",
            Caller::Barista(_) => "cancelled by the shop",
        };
        let given_up = |found: Option<&Order>| found.ok_or(Refusal::NotFound)?.cancel(reason, epoch_ms(now));
        let found = self.order(id, caller).await?;
        let (Decision::Write(order) | Decision::Keep(order)) = given_up(Some(&found))?;
        if found.state == OrderState::Cancelled {
            change(&self.book, id, now, given_up).await?;
            return Ok(completed(Completion::Duplicate));
        }

        let outcome = Outcome::failure(ORDER_CANCELLED, CANCELLATION_CAUSE);
        let mut completion = Completion::Conflict;
        if found.state < OrderState::WaitingCompletion {
            completion = self.deliver(kinds::ORDER_SUBMISSION, id, outcome.clone()).await?;
        }
        // What else is recorded under the customer's key is a drink: the workflow is on its way to the barista.
        if completion == Completion::Conflict {
            completion = self.deliver(kinds::ORDER_COMPLETION, id, outcome).await?;
        }
        if is_recorded(&completion) {
            self.bus.announce(&Announcement::cancelled(&order)).await?;
        }
        if is_delivered(&completion) {
            change(&self.book, id, now, given_up).await?;
        }
        Ok(completed(completion))
    }

    /// Somebody is still there: the customer who chooses, or the barista who has much to do.
    async fn heartbeat(&self, id: &OrderId, caller: &Caller) -> Result<Answer, Refused> {
        self.order(id, caller).await?;
        let kind = match caller {
            Caller::Customer(_) => kinds::ORDER_SUBMISSION,
            Caller::Barista(_) => kinds::ORDER_COMPLETION,
        };
        match self.rendezvous.heartbeat(&key(kind, id)).await {
            Ok(Heartbeat::Alive) => Ok(Answer::new(StatusCode::OK, "alive", "the workflow waits on")),
            Ok(Heartbeat::NotRegistered) => {
                Ok(Answer::new(StatusCode::CONFLICT, "conflict", "no workflow waits for this yet"))
            }
            Ok(_) | Err(RendezvousError::Callback(CallbackError::InvalidToken)) => {
                Ok(Answer::new(StatusCode::GONE, "late", "the workflow does not wait for this any more"))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn list(&self, state: OrderState, after: Option<&Cursor>) -> Result<Answer, Refused> {
        let page = self.book.list(state, after).await?;
        let next = page.next.as_ref().map(cursor_text);
        Ok(Answer { code: StatusCode::OK, body: Body::Orders { orders: page.orders, next } })
    }

    /// The order, if the caller may see it.
    async fn order(&self, id: &OrderId, caller: &Caller) -> Result<Order, Refused> {
        let order = self.book.get(id).await?.ok_or(Refusal::NotFound)?.order;
        if let Caller::Customer(user) = caller {
            order.of_customer(user)?;
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        time::{Duration, UNIX_EPOCH},
    };

    use aws_lambda_events::event::lambda_function_urls::{
        LambdaFunctionUrlRequest, LambdaFunctionUrlResponse,
    };
    use http::{HeaderMap, Method};
    use orders::{
        Announcement, Drink, Entry, EventBusError, Fact, MemoryOrderBook, Progress, RecordingBus, Run,
    };
    use serde_json::Value;
    use token_store::{
        TaskToken,
        testing::{MemoryTokenStore, RecordingTaskCallbacks, waiting_task},
    };

    use super::*;
    use crate::menu::{Dish, Menu, MenuError};

    /// A menu of one drink with one option, which may be out of reach.
    #[derive(Default)]
    struct TestMenu {
        unreadable: bool,
    }

    impl MenuSource for TestMenu {
        async fn read(&self) -> Result<Menu, MenuError> {
            if self.unreadable {
                return Err(MenuError("throttled".into()));
            }
            let dishes = ["Cappuccino", "Latte"];
            Ok(Menu(
                dishes.map(|drink| Dish { drink: drink.into(), options: vec!["Oat milk".into()] }).into(),
            ))
        }
    }

    type TestManager =
        OrderManager<MemoryOrderBook, TestMenu, RecordingBus, MemoryTokenStore, RecordingTaskCallbacks>;

    const ADA: (&str, &str) = ("x-user-id", "ada");
    const BOB: (&str, &str) = ("x-user-id", "bob");
    const EVA: (&str, &str) = ("x-barista-id", "eva");

    fn manager() -> TestManager {
        OrderManager {
            book: MemoryOrderBook::default(),
            menu: TestMenu::default(),
            bus: RecordingBus::default(),
            rendezvous: Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default())
                .with_clock(now),
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_772_357_400)
    }

    fn id() -> OrderId {
        "42".parse().unwrap()
    }

    fn request(method: Method, path: &str, (name, value): (&'static str, &str), body: &str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: HashMap<_, _> = query.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Request { method, path: path.into(), query, headers, body: body.into() }
    }

    fn drink(drink: &str) -> String {
        json!({ "drink": drink }).to_string()
    }

    impl TestManager {
        async fn answer(&self, request: &Request) -> (u16, Value) {
            let response = LambdaFunctionUrlResponse::from(self.handle(request, now()).await);
            (
                u16::try_from(response.status_code).unwrap(),
                serde_json::from_str(&response.body.unwrap()).unwrap(),
            )
        }

        /// The status code and word of an answer.
        async fn told(&self, request: &Request) -> (u16, String) {
            let (code, body) = self.answer(request).await;
            (code, body["status"].as_str().unwrap_or_default().to_owned())
        }

        async fn ask(&self, who: (&'static str, &str)) -> (u16, String) {
            self.told(&request(Method::POST, "/orders", who, r#"{"orderId":"42"}"#)).await
        }

        async fn put(&self, action: &str, who: (&'static str, &str), body: &str) -> (u16, String) {
            self.told(&request(Method::PUT, &format!("/orders/42/{action}"), who, body)).await
        }

        async fn get(&self) -> Value {
            self.answer(&request(Method::GET, "/orders/42", EVA, "")).await.1
        }

        /// What the workflow says, as `order-token-storer` writes it down.
        async fn says(&self, progress: Progress) {
            let run = Run { execution: "arn".into(), started_at_epoch_ms: 1 };
            let fact = Fact { order_id: id(), user_id: "ada".parse().unwrap(), run, progress };
            change(&self.book, &id(), now(), |found| fact.apply(found, 1)).await.unwrap();
        }

        /// The workflow waits, and `order-token-storer` registers it.
        async fn waits(&self, kind: &str) -> TaskToken {
            let token = TaskToken::new(format!("token of {kind}")).unwrap();
            self.rendezvous.register(&key(kind, &id()), waiting_task(token.clone())).await.unwrap();
            token
        }

        async fn waits_for_the_customer(&self) -> TaskToken {
            self.ask(ADA).await;
            self.says(Progress::Started).await;
            self.waits(kinds::ORDER_SUBMISSION).await
        }

        async fn waits_for_a_barista(&self) -> TaskToken {
            self.waits_for_the_customer().await;
            assert_eq!(self.put("submit", ADA, &drink("Latte")).await.0, 200);
            self.says(Progress::WaitingCompletion { number: 7 }).await;
            self.waits(kinds::ORDER_COMPLETION).await
        }

        fn announced(&self) -> Vec<&'static str> {
            self.bus.announced().iter().map(|announcement| announcement.detail_type).collect()
        }
    }

    fn answers(code: u16, status: &str) -> (u16, String) {
        (code, status.to_owned())
    }

    #[tokio::test]
    async fn a_customer_orders_and_a_barista_completes() {
        let manager = manager();

        assert_eq!(manager.ask(ADA).await, answers(202, "requested"));
        manager.says(Progress::Started).await;
        let customers = manager.waits(kinds::ORDER_SUBMISSION).await;
        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(200, "delivered"));
        manager.says(Progress::WaitingCompletion { number: 7 }).await;
        let baristas = manager.waits(kinds::ORDER_COMPLETION).await;
        assert_eq!(manager.put("complete", EVA, "").await, answers(200, "delivered"));

        let drink = Outcome::success(r#"{"drink":"Latte","modifiers":[]}"#).unwrap();
        let made = Outcome::success(r#"{"orderId":"42"}"#).unwrap();
        assert_eq!(manager.rendezvous.callbacks.sent(), [(customers, drink), (baristas, made)]);
        let order = manager.get().await;
        assert_eq!((&order["state"], &order["baristaUserId"]), (&json!("COMPLETED"), &json!("eva")));
        assert_eq!((&order["orderNumber"], &order["drinkOrder"]["drink"]), (&json!(7), &json!("Latte")));
        assert_eq!(
            manager.announced(),
            ["Validator.NewOrder", "OrderManager.OrderSubmitted", "OrderManager.OrderCompleted"]
        );
        assert_eq!(manager.bus.announced()[2].detail["state"], "COMPLETED");
    }

    #[tokio::test]
    async fn an_order_that_is_asked_for_again_is_the_same_order() {
        let manager = manager();

        assert_eq!(manager.ask(ADA).await, answers(202, "requested"));
        assert_eq!(manager.ask(ADA).await, answers(202, "requested"), "the first event may be lost");
        assert_eq!(manager.ask(BOB).await, answers(403, "forbidden"));
        manager.says(Progress::Started).await;
        assert_eq!(manager.ask(ADA).await, answers(200, "duplicate"));

        assert_eq!(manager.announced(), ["Validator.NewOrder"; 2]);
    }

    #[tokio::test]
    async fn a_drink_is_taken_once_and_never_spends_the_baristas_token() {
        let manager = manager();
        manager.waits_for_a_barista().await;

        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(200, "duplicate"));
        assert_eq!(manager.put("submit", ADA, &drink("Cappuccino")).await, answers(409, "conflict"));

        assert_eq!(manager.rendezvous.callbacks.sent().len(), 1);
        assert_eq!(manager.get().await["drinkOrder"]["drink"], "Latte");
    }

    #[tokio::test]
    async fn a_drink_that_comes_before_the_wait_is_kept_for_it() {
        let manager = manager();
        manager.ask(ADA).await;

        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(202, "parked"));
        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(202, "parked"));
        let token = manager.waits(kinds::ORDER_SUBMISSION).await;

        assert!(
            matches!(&manager.rendezvous.callbacks.sent()[..], [(to, Outcome::Success(_))] if *to == token)
        );
    }

    #[tokio::test]
    async fn a_drink_that_is_not_on_the_menu_leaves_the_order_waiting() {
        let manager = manager();
        manager.waits_for_the_customer().await;
        let with_soy = r#"{"drink":"Latte","modifiers":["Soy milk"]}"#;

        assert_eq!(manager.put("submit", ADA, &drink("milkshake")).await, answers(400, "malformed"));
        assert_eq!(manager.put("submit", ADA, with_soy).await, answers(400, "malformed"));

        assert_eq!(manager.get().await["state"], "CREATED");
        assert_eq!(manager.rendezvous.callbacks.sent(), []);
        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(200, "delivered"));
    }

    #[tokio::test]
    async fn nothing_is_completed_before_it_is_submitted() {
        let manager = manager();
        manager.waits_for_the_customer().await;

        assert_eq!(manager.put("complete", EVA, "").await, answers(409, "conflict"));

        assert_eq!(manager.rendezvous.callbacks.sent(), []);
        assert_eq!(manager.rendezvous.store.get(&key(kinds::ORDER_COMPLETION, &id())).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_completion_that_comes_before_the_wait_is_kept_for_it() {
        let manager = manager();
        manager.waits_for_the_customer().await;
        manager.put("submit", ADA, &drink("Latte")).await;

        assert_eq!(manager.put("complete", EVA, "").await, answers(202, "parked"));
        assert_eq!(manager.get().await["state"], "SUBMITTED", "the workflow does not know it yet");
        let token = manager.waits(kinds::ORDER_COMPLETION).await;

        assert_eq!(manager.rendezvous.callbacks.sent()[1].0, token);
        assert_eq!(manager.put("complete", EVA, "").await, answers(200, "duplicate"));
        assert_eq!(manager.get().await["state"], "COMPLETED");
    }

    #[tokio::test]
    async fn the_first_of_two_baristas_has_made_it() {
        let manager = manager();
        manager.waits_for_a_barista().await;

        assert_eq!(manager.put("complete", EVA, "").await, answers(200, "delivered"));
        assert_eq!(manager.put("complete", ("x-barista-id", "max"), "").await, answers(200, "duplicate"));

        assert_eq!(manager.get().await["baristaUserId"], "eva");
        assert_eq!(manager.rendezvous.callbacks.sent().len(), 2);
    }

    #[tokio::test]
    async fn a_cancellation_fails_the_wait_for_the_customer() {
        let manager = manager();
        let token = manager.waits_for_the_customer().await;

        assert_eq!(manager.put("cancel", BOB, "").await, answers(403, "forbidden"));
        assert_eq!(manager.put("cancel", ADA, "").await, answers(200, "delivered"));
        assert_eq!(manager.put("cancel", EVA, "").await, answers(200, "duplicate"));
        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(409, "conflict"));

        let given_up = Outcome::failure("OrderCancelled", "The order was cancelled");
        assert_eq!(manager.rendezvous.callbacks.sent(), [(token, given_up)]);
        let order = manager.get().await;
        assert_eq!(
            (&order["state"], &order["reason"]),
            (&json!("CANCELLED"), &json!("cancelled by the customer"))
        );
        assert_eq!(manager.announced(), ["Validator.NewOrder", "OrderManager.OrderCancelled"]);
    }

    #[tokio::test]
    async fn a_cancellation_that_the_workflow_has_told_first_gets_its_reason() {
        let manager = manager();
        manager.waits_for_the_customer().await;
        manager.says(Progress::Cancelled { cause: CANCELLATION_CAUSE.into() }).await;

        assert_eq!(manager.put("cancel", ADA, "").await, answers(200, "duplicate"));
        assert_eq!(manager.put("cancel", EVA, "").await, answers(200, "duplicate"));

        assert_eq!(manager.get().await["reason"], "cancelled by the customer");
        assert_eq!(manager.rendezvous.callbacks.sent(), [], "nothing is kept for a wait that will not come");
        assert_eq!(manager.rendezvous.store.get(&key(kinds::ORDER_COMPLETION, &id())).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_cancellation_fails_the_wait_for_a_barista() {
        let manager = manager();
        let token = manager.waits_for_a_barista().await;

        assert_eq!(manager.put("cancel", EVA, "").await, answers(200, "delivered"));
        assert_eq!(manager.put("complete", EVA, "").await, answers(409, "conflict"));

        assert!(matches!(&manager.rendezvous.callbacks.sent()[1], (to, Outcome::Failure(_)) if *to == token));
        assert_eq!(manager.get().await["reason"], "cancelled by the shop");
    }

    #[tokio::test]
    async fn a_cancellation_between_the_waits_is_kept_for_the_second() {
        let manager = manager();
        manager.waits_for_the_customer().await;
        manager.put("submit", ADA, &drink("Latte")).await;

        assert_eq!(manager.put("cancel", ADA, "").await, answers(202, "parked"));
        assert_eq!(manager.put("complete", EVA, "").await, answers(409, "conflict"));
        let token = manager.waits(kinds::ORDER_COMPLETION).await;

        assert!(matches!(&manager.rendezvous.callbacks.sent()[1], (to, Outcome::Failure(_)) if *to == token));
    }

    #[tokio::test]
    async fn what_is_made_is_not_cancelled() {
        let manager = manager();
        manager.waits_for_a_barista().await;
        manager.put("complete", EVA, "").await;

        assert_eq!(manager.put("cancel", ADA, "").await, answers(409, "conflict"));

        assert_eq!(manager.get().await["state"], "COMPLETED");
    }

    #[tokio::test]
    async fn an_order_that_timed_out_takes_nothing_more() {
        let manager = manager();
        let token = manager.waits_for_the_customer().await;
        manager.rendezvous.callbacks.close(&token);

        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(410, "late"));
        manager.says(Progress::TimedOut { cause: "Customer timedout".into() }).await;

        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(410, "late"));
        assert_eq!(manager.put("complete", EVA, "").await, answers(410, "late"));
        assert_eq!(manager.put("cancel", ADA, "").await, answers(410, "late"));
        let order = manager.get().await;
        assert_eq!((&order["state"], &order["reason"]), (&json!("TIMED_OUT"), &json!("Customer timedout")));
    }

    #[tokio::test]
    async fn a_heartbeat_keeps_the_wait_of_whoever_sends_it() {
        let manager = manager();
        manager.ask(ADA).await;
        assert_eq!(manager.put("heartbeat", ADA, "").await, answers(409, "conflict"));
        manager.says(Progress::Started).await;
        let customers = manager.waits(kinds::ORDER_SUBMISSION).await;

        assert_eq!(manager.put("heartbeat", ADA, "").await, answers(200, "alive"));
        assert_eq!(manager.put("heartbeat", BOB, "").await, answers(403, "forbidden"));
        assert_eq!(manager.put("heartbeat", EVA, "").await, answers(409, "conflict"));
        manager.put("submit", ADA, &drink("Latte")).await;
        let baristas = manager.waits(kinds::ORDER_COMPLETION).await;
        assert_eq!(manager.put("heartbeat", ADA, "").await, answers(410, "late"));
        assert_eq!(manager.put("heartbeat", EVA, "").await, answers(200, "alive"));

        assert_eq!(manager.rendezvous.callbacks.heartbeats(), [customers, baristas]);
    }

    #[tokio::test]
    async fn nobody_gets_at_another_customers_order_or_at_one_that_is_not() {
        let manager = manager();
        manager.waits_for_the_customer().await;

        let get = |path, who| request(Method::GET, path, who, "");
        assert_eq!(manager.told(&get("/orders/42", BOB)).await, answers(403, "forbidden"));
        assert_eq!(manager.put("submit", BOB, &drink("Latte")).await, answers(403, "forbidden"));
        assert_eq!(manager.put("submit", EVA, &drink("Latte")).await, answers(403, "forbidden"));
        assert_eq!(manager.put("complete", ADA, "").await, answers(403, "forbidden"));
        assert_eq!(manager.told(&get("/orders?state=CREATED", ADA)).await, answers(403, "forbidden"));
        assert_eq!(manager.told(&get("/orders/43", EVA)).await, answers(404, "not found"));
        let empty = self::manager();
        for action in ["complete", "cancel", "heartbeat"] {
            assert_eq!(empty.put(action, EVA, "").await, answers(404, "not found"), "{action}");
        }
        assert_eq!(empty.put("submit", ADA, &drink("Latte")).await, answers(404, "not found"));
    }

    #[tokio::test]
    async fn the_shop_lists_the_orders_of_a_state() {
        let manager = manager();
        for number in 0..101 {
            let id: OrderId = format!("{number:03}").parse().unwrap();
            let order = Order::new(id, "ada".parse().unwrap(), 1_000 - number);
            manager.book.put(&order, None, now()).await.unwrap();
        }

        let (code, page) = manager.answer(&request(Method::GET, "/orders?state=REQUESTED", EVA, "")).await;
        assert_eq!((code, page["orders"].as_array().unwrap().len()), (200, 100));
        assert_eq!(page["orders"][0]["orderId"], "100");
        let next = format!("/orders?state=REQUESTED&after={}", page["next"].as_str().unwrap());
        let (_, page) = manager.answer(&request(Method::GET, &next, EVA, "")).await;

        assert_eq!(page["orders"].as_array().unwrap().len(), 1);
        assert_eq!((&page["orders"][0]["orderId"], &page["next"]), (&json!("000"), &Value::Null));
    }

    #[tokio::test]
    async fn when_aws_is_busy_the_caller_is_asked_to_come_again_and_then_nothing_is_missing() {
        let manager = manager();
        let busy = || EventBusError::Refused { code: "ThrottlingException".into() };

        manager.bus.fail_next(busy());
        assert_eq!(manager.ask(ADA).await, answers(503, "unavailable"));
        assert_eq!(manager.ask(ADA).await, answers(202, "requested"));
        manager.says(Progress::Started).await;
        manager.waits(kinds::ORDER_SUBMISSION).await;
        manager.bus.fail_next(busy());
        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(503, "unavailable"));
        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(200, "duplicate"));
        manager.waits(kinds::ORDER_COMPLETION).await;
        manager.rendezvous.callbacks.fail_next(CallbackError::Unavailable { source: "throttled".into() });
        assert_eq!(manager.put("complete", EVA, "").await, answers(202, "parked"));
        manager.bus.fail_next(busy());
        assert_eq!(manager.put("complete", EVA, "").await, answers(503, "unavailable"));
        assert_eq!(manager.get().await["state"], "SUBMITTED");
        assert_eq!(manager.put("complete", EVA, "").await, answers(200, "duplicate"));

        assert_eq!(manager.get().await["state"], "COMPLETED");
        assert_eq!(
            manager.announced(),
            [
                "Validator.NewOrder",
                "OrderManager.OrderSubmitted",
                "OrderManager.OrderCompleted",
                "OrderManager.OrderCompleted"
            ]
        );
        let menuless = TestManager { menu: TestMenu { unreadable: true }, ..self::manager() };
        menuless.waits_for_the_customer().await;
        assert_eq!(menuless.put("submit", ADA, &drink("Latte")).await, answers(503, "unavailable"));
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_read_is_told_why() {
        let manager = manager();
        let nobody = request(Method::GET, "/orders/42", ("accept", "*/*"), "");
        let large = request(Method::POST, "/orders", ADA, &"x".repeat(16_385));

        assert_eq!(manager.told(&nobody).await, answers(400, "malformed"));
        assert_eq!(manager.told(&large).await, answers(413, "too large"));
        assert_eq!(
            manager.answer(&request(Method::POST, "/orders", ADA, "{}")).await,
            (400, json!({ "status": "malformed", "message": "`orderId`: it must be a text" }))
        );
        assert_eq!(
            manager.told(&request(Method::GET, "/orders?state=new", EVA, "")).await,
            answers(400, "malformed")
        );
        assert_eq!(
            manager.told(&request(Method::DELETE, "/orders/42", EVA, "")).await,
            answers(405, "method not allowed")
        );
        assert_eq!(manager.told(&request(Method::GET, "/drinks", EVA, "")).await, answers(404, "not found"));
    }

    /// The samples, in the order in which people would send them.
    #[tokio::test]
    async fn every_sample_event_is_answered() {
        let manager = manager();
        let send = async |event: &str| {
            let event: LambdaFunctionUrlRequest = serde_json::from_str(event).unwrap();
            manager.answer(&Request::from(event)).await
        };
        macro_rules! sample {
            ($name:literal) => {
                include_str!(concat!("../../../events/order-manager/", $name, ".json"))
            };
        }

        assert_eq!(send(sample!("create")).await.0, 202);
        assert_eq!(send(sample!("submit")).await.0, 202);
        assert_eq!(send(sample!("submit-milkshake")).await.0, 409, "something was submitted");
        assert_eq!(send(sample!("heartbeat")).await.0, 409);
        assert_eq!(send(sample!("get")).await.1["drinkOrder"]["drink"], "Cappuccino");
        assert_eq!(send(sample!("list")).await.1["orders"], json!([]));
        assert_eq!(send(sample!("complete")).await.0, 202);
        assert_eq!(send(sample!("cancel")).await.0, 409, "the barista was first");
        assert_eq!(send(sample!("without-caller")).await.0, 400);
        let announced = manager.bus.announced();
        let sample: Value =
            serde_json::from_str(include_str!("../../../events/order-starter/new-order.json")).unwrap();
        assert_eq!(
            announced[0],
            Announcement { detail_type: "Validator.NewOrder", detail: sample["detail"].clone() }
        );
    }

    #[tokio::test]
    async fn what_a_crash_leaves_between_record_and_delivery_the_repetition_finishes() {
        let manager = manager();
        let token = manager.waits_for_the_customer().await;
        let Entry { order, version } = manager.book.get(&id()).await.unwrap().unwrap();
        let latte = Drink { drink: "Latte".into(), modifiers: vec![], icon: None };
        let Decision::Write(submitted) = order.submit(&"ada".parse().unwrap(), &latte, 1).unwrap() else {
            panic!("a first drink");
        };
        manager.book.put(&submitted, Some(&Entry { order, version }), now()).await.unwrap();

        assert_eq!(manager.put("submit", ADA, &drink("Latte")).await, answers(200, "delivered"));

        assert_eq!(manager.rendezvous.callbacks.sent()[0].0, token);
    }
}
