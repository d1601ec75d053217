//! A store in memory, for tests and examples.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    CallbackKey, TokenStore,
    item::{Item, RETENTION},
    store::{
        PartStore, Pending, PendingCursor, PendingPage, PendingQuery, PendingState, StoreError, Written,
    },
    tally::{Tallied, Tally, TallyName, TallyUpdate},
    update::Update,
};

/// How many entries a page has.
const PAGE: usize = 100;

/// [`TokenStore`] and [`PartStore`] in memory. Like DynamoDB before its TTL comes round, it keeps items that have expired.
#[derive(Debug)]
pub struct MemoryTokenStore {
    retention: Duration,
    items: Mutex<HashMap<CallbackKey, Item>>,
    tallies: Mutex<HashMap<(CallbackKey, TallyName), Tally>>,
}

impl Default for MemoryTokenStore {
    fn default() -> Self {
        Self { retention: RETENTION, items: Mutex::default(), tallies: Mutex::default() }
    }
}

impl MemoryTokenStore {
    /// As this, but items are kept for `retention` after they were last needed.
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }

    fn items(&self) -> MutexGuard<'_, HashMap<CallbackKey, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for MemoryTokenStore {
    async fn update(&self, key: &CallbackKey, update: &Update) -> Result<Written, StoreError> {
        let mut items = self.items();
        let found = items.get(key);
        Ok(match update.apply(found) {
            Some(item) => {
                items.insert(key.clone(), item.clone());
                Written::Stored(item)
            }
            None => Written::Refused(found.cloned()),
        })
    }

    async fn get(&self, key: &CallbackKey) -> Result<Option<Item>, StoreError> {
        Ok(self.items().get(key).cloned())
    }

    async fn pending(&self, query: &PendingQuery) -> Result<PendingPage, StoreError> {
        let mut entries: Vec<Pending> =
            self.items().iter().filter_map(|(key, item)| entry(key, item, query)).collect();
        entries.sort_by(|a, b| (a.since, &a.key).cmp(&(b.since, &b.key)));
        let more = entries.len() > PAGE;
        entries.truncate(PAGE);
        let next = entries.last().filter(|_| more);
        let next = next.map(|last| PendingCursor { key: last.key.clone(), since: last.since });
        Ok(PendingPage { entries, next })
    }

    fn retention(&self) -> Duration {
        self.retention
    }
}

impl PartStore for MemoryTokenStore {
    async fn tally(&self, key: &CallbackKey, update: &TallyUpdate) -> Result<Tallied, StoreError> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (key.clone(), update.name);
        let found = tallies.get(&place).cloned();
        Ok(match update.apply(found.as_ref()) {
            Some(tally) => {
                tallies.insert(place, tally.clone());
                Tallied::Stored(tally)
            }
            None => Tallied::Refused(found),
        })
    }
}

fn entry(key: &CallbackKey, item: &Item, query: &PendingQuery) -> Option<Pending> {
    let since = item.pending_since?;
    let old_enough = query.now.duration_since(since).is_ok_and(|age| age >= query.older_than);
    let after = query.after.as_ref().is_none_or(|after| (after.since, &after.key) < (since, key));
    let listed = key.kind() == query.kind && old_enough && after && !item.has_expired(query.now);
    listed.then(|| Pending {
        key: key.clone(),
        state: PendingState::of(item.registered.is_some(), item.completed.is_some()),
        since,
        deadline: item.registered.as_ref().map(|registered| registered.wait.deadline),
        execution: item.registered.as_ref().map(|registered| registered.wait.execution.clone()),
    })
}
