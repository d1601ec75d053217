//! Goes through what waits, kind by kind.
//!
//! A function that dies between its write and its delivery leaves both halves in the table, and perhaps nobody comes
//! again to see them. This comes again. The same delivery by somebody else at the same time does no harm: a task takes
//! one outcome.

use std::time::{Duration, SystemTime};

use function_runtime::{
    NamedError,
    callbacks::{self, kinds},
    error::chain,
    metrics,
};
use futures_util::future::join_all;
use serde::Serialize;
use token_store::{
    CallbackKey, Delivery, Rendezvous, RendezvousError, TaskCallbacks, TokenStore,
    store::{Pending, PendingState, StoreError},
};
use tracing::{error, info, warn};

use crate::census::Census;

/// What the reconciler works with.
pub(crate) struct Reconciler<S, C> {
    /// How long a delivery must have been open: whoever wrote the second half is given the time to deliver it.
    pub(crate) after: Duration,
    pub(crate) rendezvous: Rendezvous<S, C>,
}

/// What was done about open deliveries.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Reconciled {
    /// A workflow goes on.
    redelivered: u32,
    /// The task was gone.
    late: u32,
    /// The task was gone, perhaps because an earlier attempt had delivered.
    unconfirmed: u32,
    /// Step Functions cannot read the output; the wait goes on.
    refused: u32,
    /// The next run tries again, unless the token is one that Step Functions never made.
    failed: u32,
}

/// Why not every kind could be gone through. All others were.
#[derive(Debug, thiserror::Error)]
#[error("could not list pending callbacks of kind {kind}")]
pub(crate) struct ReconcileError {
    kind: &'static str,
    source: StoreError,
}

impl NamedError for ReconcileError {
    fn name(&self) -> &'static str {
        match self.source {
            StoreError::Unavailable { .. } => "PendingUnavailable",
            _ => "PendingUnreadable",
        }
    }
}

/// Delivers, for every kind, what has been undelivered for a while, and publishes what waits.
///
/// # Errors
///
/// [`ReconcileError`], for the last kind that could not be listed. A delivery that fails is no error, but counted, and
/// logged as `delivery failed`.
pub(crate) async fn handle(
    reconciler: &Reconciler<impl TokenStore, impl TaskCallbacks>,
    now: SystemTime,
) -> Result<Reconciled, ReconcileError> {
    let mut reconciled = Reconciled::default();
    let mut unlisted = None;
    for kind in kinds::ALL {
        match reconcile(reconciler, kind, now, &mut reconciled).await {
            Ok(census) => metrics::publish(kind, &census.metrics()),
            Err(source) => {
                error!(kind, error = chain(&source), "could not list pending callbacks");
                unlisted = Some(ReconcileError { kind, source });
            }
        }
    }

    let Reconciled { redelivered, late, unconfirmed, refused, failed } = reconciled;
    info!(redelivered, late, unconfirmed, refused, failed, "reconciled");
    unlisted.map_or(Ok(reconciled), Err)
}

/// Goes through one kind and counts what waits, as the list shows it.
async fn reconcile(
    reconciler: &Reconciler<impl TokenStore, impl TaskCallbacks>,
    kind: &str,
    now: SystemTime,
    reconciled: &mut Reconciled,
) -> Result<Census, StoreError> {
    let mut census = Census::default();
    let mut after = None;
    loop {
        let page = reconciler.rendezvous.pending(kind, Duration::ZERO, after).await?;
        for pending in &page.entries {
            census.count(pending, now);
        }
        let open = page.entries.iter().filter(|pending| is_open(pending, reconciler.after, now));
        let deliveries =
            open.map(async |Pending { key, .. }| (key, reconciler.rendezvous.redeliver(key).await));
        for (key, delivered) in join_all(deliveries).await {
            reconciled.count(key, delivered);
        }

        after = page.next;
        if after.is_none() {
            return Ok(census);
        }
    }
}

/// Whether both halves are there and nobody can be about to deliver them.
fn is_open(pending: &Pending, after: Duration, now: SystemTime) -> bool {
    pending.state == PendingState::Undelivered
        && now.duration_since(pending.since).is_ok_and(|age| age >= after)
}

impl Reconciled {
    fn count(&mut self, key: &CallbackKey, delivered: Result<Option<Delivery>, RendezvousError>) {
        let callback_key = key.as_str();
        match delivered {
            Ok(Some(delivery)) => {
                match delivery {
                    Delivery::Delivered => self.redelivered += 1,
                    Delivery::Late => self.late += 1,
                    Delivery::Refused => self.refused += 1,
                    _ => self.unconfirmed += 1,
                }
                info!(callback_key, delivery = delivery.as_str(), "delivery finished");
                callbacks::redelivered(key, delivery);
            }
            // Somebody else has delivered it since the list was made.
            Ok(None) => {}
            Err(failure) => {
                self.failed += 1;
                warn!(callback_key, error = chain(&failure), "delivery failed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;
    use token_store::{
        Outcome, TaskToken, WaitingTask,
        callbacks::CallbackError,
        item::Item,
        store::{PendingPage, PendingQuery, Written},
        testing::{MemoryTokenStore, RecordingTaskCallbacks, waiting_task},
        update::Update,
    };

    use super::*;

    type TestReconciler<S = MemoryTokenStore> = Reconciler<S, RecordingTaskCallbacks>;

    const AFTER: Duration = Duration::from_secs(30);

    fn reconciler<S: TokenStore + Default>() -> TestReconciler<S> {
        Reconciler {
            after: AFTER,
            rendezvous: Rendezvous::new(S::default(), RecordingTaskCallbacks::default()).with_clock(now),
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn key(id: &str) -> CallbackKey {
        CallbackKey::new("valuation", id).unwrap()
    }

    fn token(id: &str) -> TaskToken {
        TaskToken::new(format!("token of {id}")).unwrap()
    }

    fn outcome() -> Outcome {
        Outcome::success("666000").unwrap()
    }

    /// The same store and callbacks at another time.
    fn at(
        reconciler: &TestReconciler,
        time: SystemTime,
    ) -> Rendezvous<&MemoryTokenStore, &RecordingTaskCallbacks> {
        let Rendezvous { store, callbacks, .. } = &reconciler.rendezvous;
        Rendezvous::new(store, callbacks).with_clock(move || time)
    }

    async fn wait_for(reconciler: &TestReconciler, key: &CallbackKey, time: SystemTime) {
        let task = WaitingTask { timeout_seconds: 86_400, ..waiting_task(token(key.id())) };
        at(reconciler, time).register(key, task).await.unwrap();
    }

    /// Both halves are written, and then Step Functions is out of reach: what a crash before the delivery leaves.
    async fn leave_open(reconciler: &TestReconciler, key: &CallbackKey, time: SystemTime) {
        wait_for(reconciler, key, time).await;
        reconciler.rendezvous.callbacks.fail_next(unavailable());
        at(reconciler, time).complete(key, outcome()).await.unwrap_err();
    }

    fn unavailable() -> CallbackError {
        CallbackError::Unavailable { source: "throttled".into() }
    }

    async fn delivery(reconciler: &TestReconciler, key: &CallbackKey) -> Option<Delivery> {
        reconciler.rendezvous.store.get(key).await.unwrap().unwrap().delivery()
    }

    #[tokio::test]
    async fn an_open_delivery_is_finished_once() {
        let reconciler = reconciler();
        leave_open(&reconciler, &key("VAL-1"), now() - AFTER).await;

        let first = handle(&reconciler, now()).await.unwrap();
        let second = handle(&reconciler, now()).await.unwrap();

        assert_eq!(first, Reconciled { redelivered: 1, ..Default::default() });
        assert_eq!(second, Reconciled::default());
        assert_eq!(reconciler.rendezvous.callbacks.sent(), [(token("VAL-1"), outcome())]);
        assert_eq!(delivery(&reconciler, &key("VAL-1")).await, Some(Delivery::Delivered));
    }

    #[tokio::test]
    async fn every_kind_is_gone_through() {
        let reconciler = reconciler();
        let job = CallbackKey::new("job", "17").unwrap();
        leave_open(&reconciler, &key("VAL-1"), now() - AFTER).await;
        leave_open(&reconciler, &job, now() - AFTER).await;

        let reconciled = handle(&reconciler, now()).await.unwrap();

        assert_eq!(reconciled.redelivered, 2);
        assert_eq!(delivery(&reconciler, &job).await, Some(Delivery::Delivered));
    }

    #[tokio::test]
    async fn a_delivery_that_may_be_under_way_is_left_alone() {
        let reconciler = reconciler();
        leave_open(&reconciler, &key("VAL-1"), now() - AFTER + Duration::from_millis(1)).await;

        let reconciled = handle(&reconciler, now()).await.unwrap();

        assert_eq!(reconciled, Reconciled::default());
        assert_eq!(reconciler.rendezvous.callbacks.sent(), []);
    }

    #[tokio::test]
    async fn what_waits_for_its_other_half_is_counted_and_left_alone() {
        let reconciler = reconciler();
        wait_for(&reconciler, &key("VAL-1"), now() - 2 * AFTER).await;
        at(&reconciler, now() - AFTER).complete(&key("VAL-2"), outcome()).await.unwrap();
        leave_open(&reconciler, &key("VAL-3"), now()).await;
        let mut reconciled = Reconciled::default();

        let census = reconcile(&reconciler, "valuation", now(), &mut reconciled).await.unwrap();

        assert_eq!(census.metrics().map(|(_, _, value)| value), [1, 60, 1, 30, 1]);
        assert_eq!(reconciled, Reconciled::default());
    }

    #[tokio::test]
    async fn a_task_that_has_gone_since_may_have_had_its_outcome() {
        let reconciler = reconciler();
        leave_open(&reconciler, &key("VAL-1"), now() - AFTER).await;
        reconciler.rendezvous.callbacks.close(&token("VAL-1"));

        let reconciled = handle(&reconciler, now()).await.unwrap();

        assert_eq!(reconciled, Reconciled { unconfirmed: 1, ..Default::default() });
        assert_eq!(delivery(&reconciler, &key("VAL-1")).await, Some(Delivery::Unconfirmed));
    }

    #[tokio::test]
    async fn a_delivery_that_fails_does_not_stop_the_others_and_is_tried_by_the_next_run() {
        let reconciler = reconciler();
        for id in ["VAL-1", "VAL-2", "VAL-3"] {
            leave_open(&reconciler, &key(id), now() - AFTER).await;
        }
        reconciler.rendezvous.callbacks.fail_next(unavailable());

        let first = handle(&reconciler, now()).await.unwrap();
        let second = handle(&reconciler, now()).await.unwrap();

        assert_eq!(first, Reconciled { redelivered: 2, failed: 1, ..Default::default() });
        assert_eq!(second, Reconciled { redelivered: 1, ..Default::default() });
    }

    #[tokio::test]
    async fn every_page_is_turned() {
        let reconciler = reconciler();
        for number in 0..101 {
            leave_open(&reconciler, &key(&format!("VAL-{number}")), now() - AFTER).await;
        }

        let reconciled = handle(&reconciler, now()).await.unwrap();

        assert_eq!(reconciled.redelivered, 101);
    }

    /// A store that cannot list valuations.
    #[derive(Default)]
    struct HalfBroken {
        store: MemoryTokenStore,
        permanently: bool,
    }

    impl TokenStore for HalfBroken {
        async fn update(&self, key: &CallbackKey, update: &Update) -> Result<Written, StoreError> {
            self.store.update(key, update).await
        }

        async fn get(&self, key: &CallbackKey) -> Result<Option<Item>, StoreError> {
            self.store.get(key).await
        }

        async fn pending(&self, query: &PendingQuery) -> Result<PendingPage, StoreError> {
            match (query.kind.as_str(), self.permanently) {
                ("valuation", true) => Err(StoreError::Rejected { source: "no such index".into() }),
                ("valuation", false) => Err(StoreError::Unavailable { source: "throttled".into() }),
                _ => self.store.pending(query).await,
            }
        }

        fn retention(&self) -> Duration {
            self.store.retention()
        }
    }

    #[tokio::test]
    async fn a_kind_that_cannot_be_listed_does_not_stop_the_others() {
        let whole = reconciler();
        let job = CallbackKey::new("job", "17").unwrap();
        leave_open(&whole, &job, now() - AFTER).await;
        let Rendezvous { store, callbacks, .. } = whole.rendezvous;
        let store = HalfBroken { store, permanently: false };
        let reconciler =
            Reconciler { after: AFTER, rendezvous: Rendezvous::new(store, callbacks).with_clock(now) };

        let error = handle(&reconciler, now()).await.unwrap_err();

        assert_eq!(error.to_string(), "could not list pending callbacks of kind valuation");
        assert_eq!(reconciler.rendezvous.callbacks.sent(), [(token("17"), outcome())]);
    }

    #[tokio::test]
    async fn errors_have_names_that_say_whether_to_wait_or_to_repair() {
        let busy: TestReconciler<HalfBroken> = reconciler();
        let mut broken: TestReconciler<HalfBroken> = reconciler();
        broken.rendezvous.store.permanently = true;

        assert_eq!(handle(&busy, now()).await.unwrap_err().name(), "PendingUnavailable");
        assert_eq!(handle(&broken, now()).await.unwrap_err().name(), "PendingUnreadable");
    }

    #[test]
    fn the_result_says_what_was_done() {
        let reconciled = Reconciled { redelivered: 3, late: 2, unconfirmed: 1, refused: 0, failed: 0 };

        assert_eq!(
            serde_json::to_value(reconciled).unwrap(),
            json!({ "redelivered": 3, "late": 2, "unconfirmed": 1, "refused": 0, "failed": 0 })
        );
    }

    #[test]
    fn the_event_of_a_schedule_is_taken() {
        let sample = include_str!("../../../events/callback-reconciler/scheduled.json");

        assert!(serde_json::from_str::<serde::de::IgnoredAny>(sample).is_ok());
    }
}
