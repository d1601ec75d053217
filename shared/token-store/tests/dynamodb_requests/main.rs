//! What the DynamoDB adapter asks of AWS, and what it makes of every answer.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod answers;
mod parts;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::{
    Client,
    config::retry::RetryConfig,
    operation::{
        get_item::GetItemOutput,
        query::QueryOutput,
        update_item::{UpdateItemError, UpdateItemInput, UpdateItemOutput},
    },
    types::{
        AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure,
        error::ConditionalCheckFailedException,
    },
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use token_store::{
    CallbackKey, Completion, Delivery, DynamoDbTokenStore, Outcome, Registration, Rendezvous, TaskToken,
    TokenStore, WaitingTask,
    store::PendingQuery,
    testing::{RecordingTaskCallbacks, waiting_task},
    wait::{Wait, WaitStarted},
};

const TOKEN: &str = "AQCEAAAAKgAAAAMAAAAA-the-credential";
const STARTED: &str = "2026-03-01T12:00:00.000Z#0000#0000";

/// The requests of the adapter, in order; any other operation would end the test.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<UpdateItemInput>>>);

impl Requests {
    /// Lets the next `UpdateItem` answer with `item`.
    fn answered(&self, item: HashMap<String, AttributeValue>) -> Rule {
        let requests = self.0.clone();
        mock!(Client::update_item).then_compute_output(move |request| {
            requests.lock().unwrap().push(request.clone());
            UpdateItemOutput::builder().set_attributes(Some(item.clone())).build()
        })
    }

    fn taken(&self) -> Vec<UpdateItemInput> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn a_registration_that_waits_costs_one_write_and_no_read() {
    let requests = Requests::default();
    let store = store(&[requests.answered(waiting_item())]);

    let registered = rendezvous(store).register(&key(), task()).await.unwrap();

    assert_eq!(registered, Registration::Waiting);
    let [request] = <[_; 1]>::try_from(requests.taken()).unwrap();
    assert_eq!(request.table_name(), Some("TaskTokens"));
    assert_eq!(request.key(), Some(&HashMap::from([("callback_key".to_owned(), s("valuation#VAL-17"))])));
    assert_eq!(request.return_values(), Some(&ReturnValue::AllNew));
    assert_eq!(
        request.return_values_on_condition_check_failure(),
        Some(&ReturnValuesOnConditionCheckFailure::AllOld)
    );
    assert_eq!(
        request.condition_expression(),
        Some(
            "(attribute_not_exists(#callback_key)) \
             OR (#expires_at > :now AND attribute_not_exists(#task_token)) \
             OR (#wait_started < :this_wait AND attribute_not_exists(#outcome) AND #execution = :this_execution) \
             OR (#wait_started < :this_wait AND attribute_not_exists(#outcome) AND #deadline <= :now_milliseconds)"
        )
    );
    assert_eq!(
        request.update_expression(),
        Some(
            "SET #task_token = :task_token, #wait_started = :wait_started, #deadline = :deadline, \
             #execution = :execution, #registered_at = :registered_at, #attempts = :attempts, \
             #pending = :pending, #pending_since = :pending_since, #expires_at = :expires_at \
             REMOVE #displaced"
        )
    );
    assert_eq!(
        request.expression_attribute_values(),
        Some(&attributes([
            (":now", n(1_772_366_400)),
            (":now_milliseconds", n(1_772_366_400_000)),
            (":this_wait", s(STARTED)),
            (":this_execution", s("arn")),
            (":task_token", s(TOKEN)),
            (":wait_started", s(STARTED)),
            (":deadline", n(1_772_370_000_000)),
            (":execution", s("arn")),
            (":registered_at", n(1_772_366_400_000)),
            (":attempts", n(1)),
            (":pending", s("valuation")),
            (":pending_since", n(1_772_366_400_000)),
            (":expires_at", n(1_772_370_000 + 15 * 24 * 3_600)),
        ]))
    );
    let names = request.expression_attribute_names().unwrap();
    assert!(names.iter().all(|(placeholder, name)| *placeholder == format!("#{name}")), "{names:?}");
}

#[tokio::test]
async fn a_completion_costs_one_write_and_one_to_record_the_delivery_and_no_read() {
    let requests = Requests::default();
    let store = store(&[requests.answered(whole_item()), requests.answered(delivered_item())]);
    let rendezvous = rendezvous(store);

    let completed = rendezvous.complete(&key(), success()).await.unwrap();

    assert_eq!(completed, Completion::Delivered { waited: Duration::from_secs(1) });
    assert_eq!(rendezvous.callbacks.sent(), [(token(), success())]);
    let [half, record] = <[_; 2]>::try_from(requests.taken()).unwrap();
    assert_eq!(
        half.condition_expression(),
        Some(
            "(attribute_not_exists(#callback_key)) OR (#expires_at > :now AND attribute_not_exists(#outcome))"
        )
    );
    assert_eq!(
        half.update_expression(),
        Some(
            "SET #outcome = :outcome, #completed_at = :completed_at, #attempts = :attempts, \
             #pending = :pending, #pending_since = :pending_since, #expires_at = if_not_exists(#expires_at, :expires_at) \
             REMOVE #unconfirmed, #refused"
        )
    );
    assert_eq!(
        half.expression_attribute_values().unwrap()[":outcome"],
        AttributeValue::M(attributes([("output", s("350000"))]))
    );
    assert_eq!(record.condition_expression(), Some("(#task_token = :this_token)"));
    assert_eq!(
        record.update_expression(),
        Some("SET #delivery = :delivery, #delivered_at = :delivered_at REMOVE #pending, #pending_since")
    );
    assert_eq!(
        record.expression_attribute_values(),
        Some(&attributes([
            (":this_token", s(TOKEN)),
            (":delivery", s("delivered")),
            (":delivered_at", n(1_772_366_400_000)),
        ]))
    );
}

#[tokio::test]
async fn an_early_completion_costs_one_write_and_no_read() {
    let requests = Requests::default();
    let store = store(&[requests.answered(parked_item())]);

    let completed = rendezvous(store).complete(&key(), success()).await;

    assert_eq!(completed.unwrap(), Completion::Parked);
    assert_eq!(requests.taken().len(), 1);
}

#[tokio::test]
async fn an_outcome_is_kept_for_the_retention_that_the_store_was_given() {
    let requests = Requests::default();
    let store = store(&[requests.answered(parked_item())]).with_retention(Duration::from_secs(60));

    rendezvous(store).complete(&key(), success()).await.unwrap();

    let values = requests.taken()[0].expression_attribute_values().unwrap().clone();
    assert!(values.values().any(|value| *value == n(1_772_366_460)), "{values:?}");
}

#[tokio::test]
async fn a_registration_after_its_outcome_costs_one_write_and_one_to_record_the_delivery_and_no_read() {
    let requests = Requests::default();
    let store = store(&[requests.answered(whole_item()), requests.answered(delivered_item())]);

    let registered = rendezvous(store).register(&key(), task()).await.unwrap();

    assert_eq!(registered, Registration::Completed(Delivery::Delivered));
    assert_eq!(requests.taken().len(), 2);
}

#[tokio::test]
async fn a_redelivery_says_so_before_it_sends() {
    let requests = Requests::default();
    let store = store(&[requests.answered(whole_item()), requests.answered(delivered_item())]);

    let delivery = rendezvous(store).redeliver(&key()).await.unwrap();

    assert_eq!(delivery, Some(Delivery::Delivered));
    let [repeat, _] = <[_; 2]>::try_from(requests.taken()).unwrap();
    assert_eq!(
        repeat.condition_expression(),
        Some(
            "(attribute_exists(#task_token) AND attribute_exists(#outcome) AND attribute_not_exists(#delivery))"
        )
    );
    assert_eq!(repeat.update_expression(), Some("ADD #attempts :one"));
}

#[tokio::test]
async fn a_refused_write_brings_the_item_along_so_that_a_duplicate_needs_no_read() {
    let rule = mock!(Client::update_item).then_error(|| refused(Some(delivered_item())));

    let completed = rendezvous(store(&[rule])).complete(&key(), success()).await;

    assert_eq!(completed.unwrap(), Completion::Duplicate);
}

#[tokio::test]
async fn a_refused_write_without_an_item_is_one_on_nothing() {
    for item in [None, Some(HashMap::new())] {
        let rule = mock!(Client::update_item).then_error(move || refused(item.clone()));

        let delivery = rendezvous(store(&[rule])).redeliver(&key()).await;

        assert_eq!(delivery.unwrap(), None);
    }
}

#[tokio::test]
async fn an_outcome_that_may_have_been_used_is_set_aside_for_a_newer_wait() {
    let requests = Requests::default();
    let maybe_used = || {
        let mut item = delivered_item();
        item.insert("delivery".to_owned(), s("unconfirmed"));
        refused(Some(item))
    };
    let store =
        store(&[mock!(Client::update_item).then_error(maybe_used), requests.answered(waiting_item())]);
    let another_entry = WaitingTask { entered_time: "2026-03-01T12:00:01Z".to_owned(), ..task() };

    let another_entry = WaitingTask { task_token: TaskToken::new("new").unwrap(), ..another_entry };
    let registration = rendezvous(store).register(&key(), another_entry).await.unwrap();

    assert_eq!(registration, Registration::Waiting);
    let [request] = <[_; 1]>::try_from(requests.taken()).unwrap();
    let update = request.update_expression().unwrap();
    assert!(update.contains("#unconfirmed = #outcome"), "{update}");
    assert_eq!(
        request.condition_expression(),
        Some(
            "(#wait_started < :this_wait AND #delivery = :recorded_unconfirmed AND \
             attribute_exists(#outcome.#error)) \
             OR (#wait_started < :this_wait AND #delivery = :recorded_unconfirmed AND \
             NOT (#execution = :this_execution AND begins_with(#wait_started, :this_entry))) \
             OR (#wait_started < :this_wait AND #delivery = :recorded_late AND #execution <> :this_execution)"
        )
    );
    let values = request.expression_attribute_values().unwrap();
    assert_eq!(
        (&values[":recorded_unconfirmed"], &values[":recorded_late"]),
        (&s("unconfirmed"), &s("late"))
    );
}

#[tokio::test]
async fn a_retry_takes_an_unused_success_over_in_one_write() {
    let requests = Requests::default();
    let undelivered = mock!(Client::update_item).then_error(|| refused(Some(whole_item())));
    let newer = |mut item: HashMap<String, AttributeValue>| {
        item.insert("task_token".to_owned(), s("new"));
        requests.answered(item)
    };
    let store = store(&[undelivered, newer(whole_item()), newer(delivered_item())]);
    let retry = WaitingTask { task_token: TaskToken::new("new").unwrap(), retry_count: 1, ..task() };

    rendezvous(store).register(&key(), retry).await.unwrap();

    let [request, _] = <[_; 2]>::try_from(requests.taken()).unwrap();
    let same_entry = "#execution = :this_execution AND begins_with(#wait_started, :this_entry) \
                      AND #wait_started < :this_wait AND attribute_exists(#outcome.#output)";
    assert_eq!(
        request.condition_expression(),
        Some(&*format!(
            "({same_entry} AND attribute_not_exists(#delivery)) OR ({same_entry} AND #delivery = :recorded_unconfirmed)"
        ))
    );
    let values = request.expression_attribute_values().unwrap();
    assert_eq!(values[":this_entry"], s("2026-03-01T12:00:00.000Z#"));
    assert_eq!(values[":recorded_unconfirmed"], s("unconfirmed"));
    assert_eq!(values[":this_wait"], s("2026-03-01T12:00:00.000Z#0000#0001"));
    assert!(request.update_expression().unwrap().ends_with("REMOVE #displaced, #delivery, #delivered_at"));
}

#[tokio::test]
async fn an_item_is_read_with_one_consistent_read() {
    let rule = mock!(Client::get_item)
        .match_requests(|request| {
            request.table_name() == Some("TaskTokens")
                && request.consistent_read() == Some(true)
                && request.key() == Some(&attributes([("callback_key", s("valuation#VAL-17"))]))
        })
        .then_output(|| GetItemOutput::builder().set_item(Some(whole_item())).build());

    let item = store(&[rule]).get(&key()).await.unwrap().unwrap();

    assert_eq!(item.registered.unwrap().wait, wait());
    assert_eq!(item.completed.unwrap().outcome, success());
}

#[tokio::test]
async fn what_waits_is_asked_of_the_index() {
    let rule = mock!(Client::query)
        .match_requests(|request| {
            request.table_name() == Some("TaskTokens")
                && request.index_name() == Some("pending")
                && request.key_condition_expression()
                    == Some("#pending = :kind AND #pending_since <= :before")
                && request.filter_expression() == Some("#expires_at > :now")
                && request.limit() == Some(100)
                && request.exclusive_start_key().is_none()
                && request.expression_attribute_values()
                    == Some(&attributes([
                        (":kind", s("valuation")),
                        (":before", n(1_772_366_340_000)),
                        (":now", n(1_772_366_400)),
                    ]))
        })
        .then_output(|| QueryOutput::builder().build());

    let page = store(&[rule]).pending(&query()).await.unwrap();

    assert_eq!((page.entries, page.next), (vec![], None));
}

#[tokio::test]
async fn a_list_goes_on_where_the_page_before_ended() {
    let end = || {
        attributes([
            ("callback_key", s("valuation#VAL-17")),
            ("pending", s("valuation")),
            ("pending_since", n(1_772_366_340_000)),
        ])
    };
    let first = mock!(Client::query)
        .then_output(move || QueryOutput::builder().set_last_evaluated_key(Some(end())).build());
    let second = mock!(Client::query)
        .match_requests(move |request| request.exclusive_start_key() == Some(&end()))
        .then_output(|| QueryOutput::builder().build());

    let store = store(&[first, second]);
    let after = store.pending(&query()).await.unwrap().next;
    let last = store.pending(&PendingQuery { after, ..query() }).await.unwrap();

    assert_eq!(last.next, None);
}

fn store(rules: &[Rule]) -> DynamoDbTokenStore {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::Sequential, rules, |configuration| {
        configuration.retry_config(RetryConfig::disabled())
    });
    DynamoDbTokenStore::new(client, "TaskTokens")
}

fn waiting_item() -> HashMap<String, AttributeValue> {
    attributes([
        ("callback_key", s("valuation#VAL-17")),
        ("task_token", s(TOKEN)),
        ("wait_started", s(STARTED)),
        ("deadline", n(1_772_370_000_000)),
        ("execution", s("arn")),
        ("registered_at", n(1_772_366_399_000)),
        ("attempts", n(1)),
        ("pending", s("valuation")),
        ("pending_since", n(1_772_366_400_000)),
        ("expires_at", n(1_773_666_000)),
    ])
}

fn parked_item() -> HashMap<String, AttributeValue> {
    let mut item = whole_item();
    for name in ["task_token", "wait_started", "deadline", "execution", "registered_at"] {
        item.remove(name);
    }
    item
}

fn whole_item() -> HashMap<String, AttributeValue> {
    let mut item = waiting_item();
    item.insert("outcome".to_owned(), AttributeValue::M(attributes([("output", s("350000"))])));
    item.insert("completed_at".to_owned(), n(1_772_366_400_000));
    item
}

fn delivered_item() -> HashMap<String, AttributeValue> {
    let mut item = whole_item();
    item.remove("pending");
    item.remove("pending_since");
    item.insert("delivery".to_owned(), s("delivered"));
    item.insert("delivered_at".to_owned(), n(1_772_366_400_000));
    item
}

fn refused(item: Option<HashMap<String, AttributeValue>>) -> UpdateItemError {
    UpdateItemError::ConditionalCheckFailedException(
        ConditionalCheckFailedException::builder().set_item(item).build(),
    )
}

fn attributes<const N: usize>(of: [(&str, AttributeValue); N]) -> HashMap<String, AttributeValue> {
    of.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: u64) -> AttributeValue {
    n_text(&number.to_string())
}

fn n_text(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_772_366_400)
}

fn key() -> CallbackKey {
    CallbackKey::new("valuation", "VAL-17").unwrap()
}

fn token() -> TaskToken {
    TaskToken::new(TOKEN).unwrap()
}

fn rendezvous(store: DynamoDbTokenStore) -> Rendezvous<DynamoDbTokenStore, RecordingTaskCallbacks> {
    Rendezvous::new(store, RecordingTaskCallbacks::default()).with_clock(now)
}

fn task() -> WaitingTask {
    WaitingTask {
        execution: "arn".to_owned(),
        entered_time: "2026-03-01T12:00:00Z".to_owned(),
        ..waiting_task(token())
    }
}

fn wait() -> Wait {
    Wait {
        started: WaitStarted::new("2026-03-01T12:00:00.000Z", 0, 0).unwrap(),
        deadline: now() + Duration::from_secs(3_600),
        execution: "arn".to_owned(),
    }
}

fn success() -> Outcome {
    Outcome::success("350000").unwrap()
}

fn query() -> PendingQuery {
    PendingQuery {
        kind: "valuation".to_owned(),
        older_than: Duration::from_secs(60),
        now: now(),
        after: None,
    }
}
