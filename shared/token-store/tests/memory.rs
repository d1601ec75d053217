//! The contract of a token store, on the one in memory.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod contract;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use contract::contract;
use token_store::{
    CallbackKey, Completion, Gathering, Outcome, Part, Rendezvous, TaskToken,
    testing::{MemoryTokenStore, RecordingTaskCallbacks, waiting_task},
};

contract!(async { MemoryTokenStore::default() });

#[tokio::test]
async fn a_list_that_just_fills_a_page_has_no_other() {
    let now = || UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let rendezvous =
        Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default()).with_clock(now);
    for number in 0..100 {
        let key = CallbackKey::new("valuation", &number.to_string()).unwrap();
        rendezvous.complete(&key, Outcome::success("1").unwrap()).await.unwrap();
    }

    let page = rendezvous.pending("valuation", Duration::ZERO, None).await.unwrap();

    assert_eq!((page.entries.len(), page.next), (100, None));
}

#[tokio::test]
async fn a_store_keeps_what_is_not_needed_any_more_for_its_own_retention() {
    let clock = Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
    let now = clock.clone();
    let store = MemoryTokenStore::default().with_retention(Duration::from_secs(60));
    let rendezvous =
        Rendezvous::new(store, RecordingTaskCallbacks::default()).with_clock(move || *now.lock().unwrap());
    let key = CallbackKey::new("valuation", "1").unwrap();
    let listed = async || rendezvous.pending("valuation", Duration::ZERO, None).await.unwrap().entries.len();

    rendezvous.complete(&key, Outcome::success("1").unwrap()).await.unwrap();
    *clock.lock().unwrap() += Duration::from_secs(59);
    let kept = listed().await;
    *clock.lock().unwrap() += Duration::from_secs(1);

    assert_eq!((kept, listed().await), (1, 0));
}

#[tokio::test]
async fn an_endless_retention_is_no_panic() {
    let store = MemoryTokenStore::default().with_retention(Duration::MAX);
    let rendezvous = Rendezvous::new(store, RecordingTaskCallbacks::default());
    let key = CallbackKey::new("valuation", "1").unwrap();

    rendezvous.register(&key, waiting_task(TaskToken::new("token").unwrap())).await.unwrap();
    rendezvous.complete(&key, Outcome::success("1").unwrap()).await.unwrap();

    assert_eq!(rendezvous.callbacks.sent().len(), 1);
}

/// The clock ticks at every look: the outcome of a fan-in is as old as its recording, not as its last part.
#[tokio::test]
async fn the_clock_is_read_when_an_outcome_is_recorded_and_not_when_a_long_call_began() {
    let clock = Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
    let now = clock.clone();
    let rendezvous = Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default())
        .with_clock(move || *now.lock().unwrap());
    let key = CallbackKey::new("document", "poem").unwrap();
    rendezvous.register(&key, waiting_task(TaskToken::new("token").unwrap())).await.unwrap();

    let combine = async {
        *clock.lock().unwrap() += Duration::from_secs(600);
        Ok::<_, Infallible>(Outcome::success("1").unwrap())
    };
    let gathered = rendezvous.gather(&key, Part::new(1, 1).unwrap(), combine).await.unwrap();

    let waited = Duration::from_secs(600);
    assert_eq!(gathered, Gathering::Complete(Completion::Delivered { waited }));
}
