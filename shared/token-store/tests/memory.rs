//! The contract of a token store, on the one in memory.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod contract;

use std::time::{Duration, UNIX_EPOCH};

use contract::contract;
use token_store::{
    CallbackKey, MemoryTokenStore, Outcome, PendingQuery, RecordingTaskCallbacks, TokenStore, complete,
};

contract!(async { MemoryTokenStore::default() });

#[tokio::test]
async fn a_list_that_just_fills_a_page_has_no_other() {
    let store = MemoryTokenStore::default();
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for number in 0..100 {
        let key = CallbackKey::new("valuation", &number.to_string()).unwrap();
        let outcome = Outcome::success("1").unwrap();
        complete(&store, &RecordingTaskCallbacks::default(), &key, outcome, now).await.unwrap();
    }

    let query = PendingQuery { kind: "valuation".into(), older_than: Duration::ZERO, now, after: None };
    let page = store.pending(&query).await.unwrap();

    assert_eq!((page.entries.len(), page.next), (100, None));
}
