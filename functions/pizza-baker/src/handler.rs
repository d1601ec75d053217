//! Bakes.
//!
//! A message passes through the baker several times. At first sight the pizza goes into the oven: back into the
//! queue, delayed, with the time at which it is ready. Until then each pass beats, so that the waiting workflow
//! knows that somebody works, and puts it back. The pass at which it is ready resumes the workflow, or records the
//! result for the workflow that polls.
//!
//! Nothing is remembered between passes, so a baker that dies loses nothing: its message comes back. A message
//! that SQS delivers twice is baked twice and served once: Step Functions takes one outcome for a token, the table
//! one result for an execution.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use function_runtime::{NamedError, error::chain};
use futures_util::future::join_all;
use token_store::{Outcome, TaskCallbacks, TaskToken, callbacks::CallbackError};
use tracing::{info, warn};

use crate::{
    failure::ORDER_FAILED,
    message::{Delivery, OrderMessage, UnreadableMessage},
    order::Order,
    oven::{LONGEST_DELAY, Oven, OvenError},
    pizza::Pizza,
    status_board::{Recorded, Status, StatusBoard, StatusBoardError},
};

/// What the baker works with.
pub(crate) struct Baker<O, B, C> {
    pub(crate) oven: O,
    pub(crate) status_board: B,
    pub(crate) callbacks: C,
    /// How long a pizza bakes when its order does not say.
    pub(crate) bake_time: Duration,
    /// The longest silence that a waiting workflow bears.
    pub(crate) heartbeat: Duration,
}

/// Why a message fails. SQS delivers it again, and after five times moves it to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
enum BakeError {
    #[error(transparent)]
    Message(#[from] UnreadableMessage),
    #[error(transparent)]
    Oven(#[from] OvenError),
    #[error(transparent)]
    StatusBoard(#[from] StatusBoardError),
    #[error("the workflow could not be told")]
    Callback(#[from] CallbackError),
}

impl NamedError for BakeError {
    fn name(&self) -> &'static str {
        match self {
            Self::Message(_) => "UnreadableMessage",
            Self::Oven(_) => "OvenUnavailable",
            Self::StatusBoard(_) => "StatusBoardUnavailable",
            Self::Callback(_) => "CallbackFailed",
        }
    }
}

/// Bakes a batch and returns the ids of the messages that must be delivered again. One bad message fails alone.
pub(crate) async fn handle(
    baker: &Baker<impl Oven, impl StatusBoard, impl TaskCallbacks>,
    batch: &[Delivery],
    now: SystemTime,
) -> Vec<String> {
    let baked = join_all(batch.iter().map(|delivery| bake(baker, &delivery.body, now))).await;

    let mut failed = Vec::new();
    for (delivery, result) in batch.iter().zip(baked) {
        if let Err(error) = result {
            let (error_name, error) = (error.name(), chain(&error));
            warn!(message_id = delivery.id, error_name, error, "message failed");
            failed.push(delivery.id.clone());
        }
    }
    failed
}

async fn bake(
    baker: &Baker<impl Oven, impl StatusBoard, impl TaskCallbacks>,
    body: &str,
    now: SystemTime,
) -> Result<(), BakeError> {
    let mut message = OrderMessage::from_body(body)?;
    let order = match Order::from_input(&message.input) {
        Ok(order) => order,
        Err(error) => return serve(baker, &message, Err(chain(&error)), now).await,
    };

    let ready_at = message.ready_at_epoch_ms.map_or_else(
        || now + order.bake_time.unwrap_or(baker.bake_time),
        |ready_at| UNIX_EPOCH + Duration::from_millis(ready_at),
    );
    match ready_at.duration_since(now) {
        Ok(remaining) if !remaining.is_zero() => {
            message.ready_at_epoch_ms = Some(epoch_ms(ready_at));
            keep_in_oven(baker, &message, remaining).await
        }
        _ => {
            info!(execution = message.execution, "pizza ready");
            serve(baker, &message, Ok(Pizza::new(order.order)), now).await
        }
    }
}

async fn keep_in_oven(
    baker: &Baker<impl Oven, impl StatusBoard, impl TaskCallbacks>,
    message: &OrderMessage,
    remaining: Duration,
) -> Result<(), BakeError> {
    let execution = &message.execution;
    let mut delay = remaining.min(LONGEST_DELAY);
    if let Some(token) = &message.task_token {
        match baker.callbacks.send_heartbeat(token).await {
            Err(CallbackError::TaskClosed { .. }) => {
                info!(execution, "pizza thrown away: its workflow has ended");
                return Ok(());
            }
            beaten => beaten?,
        }
        // Two beats may be late or lost before the wait ends.
        delay = delay.min((baker.heartbeat / 3).max(Duration::from_secs(1)));
    }

    baker.oven.put_back(message, delay).await?;
    info!(execution, remaining_ms = whole_ms(remaining), "pizza in the oven");
    Ok(())
}

/// Tells the workflow the end of its order: a pizza, or the reason why there is none.
async fn serve(
    baker: &Baker<impl Oven, impl StatusBoard, impl TaskCallbacks>,
    message: &OrderMessage,
    result: Result<Pizza, String>,
    now: SystemTime,
) -> Result<(), BakeError> {
    let execution = &message.execution;
    match &message.task_token {
        Some(token) => match call_back(&baker.callbacks, token, result).await {
            Ok(()) => info!(execution, "workflow resumed"),
            Err(CallbackError::TaskClosed { .. }) => {
                info!(execution, "workflow was resumed before, or has ended");
            }
            Err(error) => return Err(error.into()),
        },
        None => {
            let status = match result {
                Ok(pizza) => Status::Succeeded { pizza },
                Err(reason) => Status::Failed { reason },
            };
            match baker.status_board.record(execution, &status, now).await? {
                Recorded::Now => info!(execution, "result recorded"),
                Recorded::Before => info!(execution, "result was recorded before"),
            }
        }
    }
    Ok(())
}

async fn call_back(
    callbacks: &impl TaskCallbacks,
    token: &TaskToken,
    result: Result<Pizza, String>,
) -> Result<(), CallbackError> {
    let outcome = result.and_then(|pizza| Outcome::json(&pizza).map_err(|error| error.to_string()));
    callbacks
        .send_outcome(token, &outcome.unwrap_or_else(|reason| Outcome::failure(ORDER_FAILED, reason)))
        .await
}

fn epoch_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, whole_ms)
}

/// Saturates: a pizza that bakes for 500 million years stays in the oven.
fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Mutex};

    use aws_lambda_events::event::sqs::SqsEvent;
    use serde_json::{Value, json};
    use token_store::testing::RecordingTaskCallbacks;

    use super::*;

    /// When the orders of the `-ready` samples are ready.
    const READY_AT: Duration = Duration::from_millis(1_523_232_015_000);

    #[derive(Default)]
    struct MemoryOven {
        inside: Mutex<Vec<(Value, Duration)>>,
        broken: bool,
    }

    impl Oven for MemoryOven {
        async fn put_back(&self, message: &OrderMessage, delay: Duration) -> Result<(), OvenError> {
            if self.broken {
                return Err(OvenError("queue does not exist".into()));
            }
            let body = serde_json::from_str(&message.to_body()).unwrap();
            self.inside.lock().unwrap().push((body, delay));
            Ok(())
        }
    }

    #[derive(Default)]
    struct MemoryStatusBoard {
        results: Mutex<HashMap<String, Value>>,
    }

    impl StatusBoard for MemoryStatusBoard {
        async fn record(
            &self,
            execution: &str,
            status: &Status,
            _now: SystemTime,
        ) -> Result<Recorded, StatusBoardError> {
            let mut results = self.results.lock().unwrap();
            if results.contains_key(execution) {
                return Ok(Recorded::Before);
            }
            results.insert(execution.to_owned(), serde_json::to_value(status).unwrap());
            Ok(Recorded::Now)
        }
    }

    type TestBaker = Baker<MemoryOven, MemoryStatusBoard, RecordingTaskCallbacks>;

    fn baker() -> TestBaker {
        Baker {
            oven: MemoryOven::default(),
            status_board: MemoryStatusBoard::default(),
            callbacks: RecordingTaskCallbacks::default(),
            bake_time: Duration::from_secs(15),
            heartbeat: Duration::from_secs(30),
        }
    }

    impl TestBaker {
        /// The orders in the oven and their delays in seconds.
        fn oven(&self) -> Vec<(Value, u64)> {
            self.oven
                .inside
                .lock()
                .unwrap()
                .iter()
                .map(|(body, delay)| (body.clone(), delay.as_secs()))
                .collect()
        }

        fn results(&self) -> Vec<Value> {
            self.status_board.results.lock().unwrap().values().cloned().collect()
        }

        fn outcomes(&self) -> Vec<Outcome> {
            self.callbacks.sent().into_iter().map(|(_, outcome)| outcome).collect()
        }
    }

    fn sample(event: &str) -> Vec<Delivery> {
        let event: SqsEvent = serde_json::from_str(event).unwrap();
        event.records.into_iter().map(Delivery::from).collect()
    }

    fn token(batch: &[Delivery]) -> TaskToken {
        OrderMessage::from_body(&batch[0].body).unwrap().task_token.unwrap()
    }

    fn at(since_epoch: Duration) -> SystemTime {
        UNIX_EPOCH + since_epoch
    }

    fn pizza(order: &str) -> Value {
        json!({ "name": "lambda pizza baking service", "message": "pizza is ready - enjoy!", "order": order })
    }

    fn success(order: &str) -> Outcome {
        Outcome::success(serde_json::to_string(&Pizza::new(order.to_owned())).unwrap()).unwrap()
    }

    const CALLBACK_ORDER: &str = include_str!("../../../events/pizza-baker/callback-order.json");
    const CALLBACK_ORDER_READY: &str = include_str!("../../../events/pizza-baker/callback-order-ready.json");
    const POLLING_ORDER: &str = include_str!("../../../events/pizza-baker/polling-order.json");
    const POLLING_ORDER_READY: &str = include_str!("../../../events/pizza-baker/polling-order-ready.json");

    #[tokio::test]
    async fn a_new_order_goes_into_the_oven_with_the_time_at_which_it_is_ready() {
        let baker = baker();

        let failed = handle(&baker, &sample(POLLING_ORDER), at(Duration::from_secs(1_000))).await;

        let oven = baker.oven();
        assert!(failed.is_empty());
        assert_eq!(oven.len(), 1);
        assert_eq!(oven[0].0["readyAtEpochMs"], 1_015_000);
        assert_eq!(oven[0].0["input"]["order"], "pizza margherita");
        assert_eq!(oven[0].1, 15);
        assert!(baker.results().is_empty());
    }

    #[tokio::test]
    async fn an_order_that_waits_to_be_called_back_is_beaten_for_at_each_pass_of_a_third_of_the_heartbeat() {
        let baker = baker();
        let batch = sample(CALLBACK_ORDER_READY);

        let failed = handle(&baker, &batch, at(READY_AT - Duration::from_secs(60))).await;

        assert!(failed.is_empty());
        assert_eq!(baker.callbacks.heartbeats(), [token(&batch)]);
        assert_eq!(baker.oven()[0].1, 10);
        assert_eq!(baker.oven()[0].0["taskToken"], token(&batch).expose());
    }

    #[tokio::test]
    async fn an_order_whose_workflow_has_ended_leaves_the_oven() {
        let baker = baker();
        let batch = sample(CALLBACK_ORDER);
        baker.callbacks.close(&token(&batch));

        let failed = handle(&baker, &batch, at(Duration::from_secs(1_000))).await;

        assert!(failed.is_empty());
        assert!(baker.oven().is_empty());
    }

    #[tokio::test]
    async fn a_ready_pizza_resumes_the_workflow_that_waits() {
        let baker = baker();

        let failed = handle(&baker, &sample(CALLBACK_ORDER_READY), at(READY_AT)).await;

        assert!(failed.is_empty());
        assert_eq!(baker.outcomes(), [success("pizza funghi")]);
        assert!(baker.oven().is_empty());
        assert!(baker.results().is_empty());
    }

    #[tokio::test]
    async fn a_ready_pizza_is_recorded_for_the_workflow_that_polls() {
        let baker = baker();

        let failed = handle(&baker, &sample(POLLING_ORDER_READY), at(READY_AT)).await;

        assert!(failed.is_empty());
        assert_eq!(baker.results(), [json!({ "status": "SUCCEEDED", "pizza": pizza("pizza margherita") })]);
        assert!(baker.outcomes().is_empty());
    }

    #[tokio::test]
    async fn a_message_delivered_twice_is_served_once_and_does_not_fail() {
        let baker = baker();

        for event in [CALLBACK_ORDER_READY, POLLING_ORDER_READY] {
            assert!(handle(&baker, &sample(event), at(READY_AT)).await.is_empty());
            assert!(handle(&baker, &sample(event), at(READY_AT)).await.is_empty());
        }

        assert_eq!(baker.outcomes().len(), 1);
        assert_eq!(baker.results().len(), 1);
    }

    #[tokio::test]
    async fn an_order_that_cannot_be_baked_fails_its_workflow_with_the_reason() {
        let baker = baker();
        let of_nothing = sample(include_str!("../../../events/pizza-baker/order-of-nothing.json"));
        let bad_time = sample(include_str!("../../../events/pizza-baker/order-with-bad-bake-time.json"));

        assert!(handle(&baker, &of_nothing, at(READY_AT)).await.is_empty());
        assert!(handle(&baker, &bad_time, at(READY_AT)).await.is_empty());

        let reason = "the order does not say what to bake: `order` must be a text that is not empty";
        assert_eq!(baker.outcomes(), [Outcome::failure("OrderFailed", reason)]);
        let reason = "the order cannot be read: `bakeTime` must be a number of seconds, zero or more";
        assert_eq!(baker.results(), [json!({ "status": "FAILED", "reason": reason })]);
    }

    #[tokio::test]
    async fn a_bad_message_of_a_batch_fails_alone() {
        let baker = baker();
        let batch = sample(include_str!("../../../events/pizza-baker/batch-of-ten.json"));

        let failed = handle(&baker, &batch, at(READY_AT)).await;

        assert_eq!(failed, [batch[3].id.clone()]);
        assert_eq!(baker.results().len(), 4);
        // All samples have one token, which takes one outcome.
        assert_eq!(baker.outcomes(), [success("pizza 1")]);
    }

    #[tokio::test]
    async fn a_message_without_its_execution_is_not_an_order() {
        let delivery =
            Delivery { id: "1".into(), body: json!({ "input": { "order": "pizza" } }).to_string() };

        assert_eq!(handle(&baker(), &[delivery], at(READY_AT)).await, ["1"]);
    }

    #[tokio::test]
    async fn a_message_is_delivered_again_when_the_oven_or_the_callback_fails() {
        let mut baker = baker();
        baker.oven.broken = true;
        let waiting = sample(CALLBACK_ORDER);
        let ready = sample(CALLBACK_ORDER_READY);

        baker.callbacks.fail_next(CallbackError::Unavailable { source: "throttled".into() });
        assert_eq!(handle(&baker, &ready, at(READY_AT)).await, [ready[0].id.clone()]);
        assert_eq!(handle(&baker, &waiting, at(READY_AT)).await, [waiting[0].id.clone()]);

        assert!(handle(&baker, &ready, at(READY_AT)).await.is_empty());
        assert_eq!(baker.outcomes(), [success("pizza funghi")]);
    }

    #[tokio::test]
    async fn a_heartbeat_that_fails_for_another_reason_keeps_the_message() {
        let baker = baker();
        let batch = sample(CALLBACK_ORDER);
        baker.callbacks.fail_next(CallbackError::Rejected { source: "access denied".into() });

        assert_eq!(handle(&baker, &batch, at(READY_AT)).await, [batch[0].id.clone()]);
        assert!(baker.oven().is_empty());
    }
}
