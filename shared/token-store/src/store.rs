//! The port to the store: one conditional write, one read, one list.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use crate::{
    CallbackKey,
    item::Item,
    tally::{Tallied, TallyUpdate},
    update::Update,
};

/// Where the items are. Its IAM permissions on DynamoDB are `dynamodb:UpdateItem` and `dynamodb:GetItem` on the
/// table and `dynamodb:Query` on its index; a function needs only those of the methods that it calls.
pub trait TokenStore: Send + Sync {
    /// Makes `update` on the item of `key`, atomically, and returns the whole item whether or not it was changed.
    ///
    /// # Errors
    ///
    /// Every variant of [`StoreError`]. After [`StoreError::Unavailable`] the item may or may not have been changed.
    fn update(
        &self,
        key: &CallbackKey,
        update: &Update,
    ) -> impl Future<Output = Result<Written, StoreError>> + Send;

    /// Reads the item of `key` as the last write left it. An expired item may still be returned.
    ///
    /// # Errors
    ///
    /// Every variant of [`StoreError`].
    fn get(&self, key: &CallbackKey) -> impl Future<Output = Result<Option<Item>, StoreError>> + Send;

    /// Lists what waits, oldest first, one page at a time. The list follows the writes after a moment.
    ///
    /// # Errors
    ///
    /// Every variant of [`StoreError`].
    fn pending(&self, query: &PendingQuery) -> impl Future<Output = Result<PendingPage, StoreError>> + Send;

    /// How long an item is kept after it was last needed, for example
    /// [`RETENTION`](crate::item::RETENTION).
    fn retention(&self) -> Duration;
}

impl<S: TokenStore> TokenStore for &S {
    async fn update(&self, key: &CallbackKey, update: &Update) -> Result<Written, StoreError> {
        (**self).update(key, update).await
    }

    async fn get(&self, key: &CallbackKey) -> Result<Option<Item>, StoreError> {
        (**self).get(key).await
    }

    async fn pending(&self, query: &PendingQuery) -> Result<PendingPage, StoreError> {
        (**self).pending(query).await
    }

    fn retention(&self) -> Duration {
        (**self).retention()
    }
}

impl<S: PartStore> PartStore for &S {
    async fn tally(&self, key: &CallbackKey, update: &TallyUpdate) -> Result<Tallied, StoreError> {
        (**self).tally(key, update).await
    }
}

/// Where it is noted which parts of a set are done. Its IAM permission on DynamoDB is `dynamodb:UpdateItem` on the table.
pub trait PartStore: Send + Sync {
    /// Makes `update` on an item of the set of `key`, atomically, and returns the whole item whether or not it was
    /// changed.
    ///
    /// # Errors
    ///
    /// Every variant of [`StoreError`]. After [`StoreError::Unavailable`] the item may or may not have been changed.
    fn tally(
        &self,
        key: &CallbackKey,
        update: &TallyUpdate,
    ) -> impl Future<Output = Result<Tallied, StoreError>> + Send;
}

/// What an [`Update`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The condition held; this is the item afterwards.
    Stored(Item),
    /// The condition did not hold; this is the item, if there is one.
    Refused(Option<Item>),
}

/// Which of the waiting items to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingQuery {
    /// The kind of the callback keys.
    pub kind: String,
    /// Only what has waited for at least this long.
    pub older_than: Duration,
    /// When the question is asked: what has expired by then is left out.
    pub now: SystemTime,
    /// Where to go on, from the page before.
    pub after: Option<PendingCursor>,
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingPage {
    /// What waits, oldest first. May be empty although more follows.
    pub entries: Vec<Pending>,
    /// Where the next page begins, if there may be one.
    pub next: Option<PendingCursor>,
}

/// The end of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCursor {
    pub(crate) key: CallbackKey,
    pub(crate) since: SystemTime,
}

/// An item that waits. It tells people what, since when and for whom, and holds no credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The key both sides know.
    pub key: CallbackKey,
    /// For what it waits.
    pub state: PendingState,
    /// Since when.
    pub since: SystemTime,
    /// When Step Functions gives up, if a wait is registered.
    pub deadline: Option<SystemTime>,
    /// The execution that waits, if one is registered.
    pub execution: Option<String>,
}

/// For what an item waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PendingState {
    /// A task waits for its outcome.
    Waiting,
    /// An outcome waits for its task.
    Parked,
    /// Both are there and no delivery is recorded: `redeliver` finishes it.
    Undelivered,
}

/// Error from a store. No variant's text holds a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store or the network is busy or broken. Retry later, with backoff.
    #[error("the token store is unavailable")]
    Unavailable {
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store refuses and will refuse again: permissions, a missing table, an item that it cannot take.
    #[error("the token store refused the request")]
    Rejected {
        /// What was refused.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An item is not as this crate writes it.
    #[error("the item's attribute {attribute} cannot be read")]
    Malformed {
        /// Name of the attribute.
        attribute: &'static str,
    },
}

impl PendingState {
    /// What an item with these halves waits for.
    pub(crate) fn of(registered: bool, completed: bool) -> Self {
        match (registered, completed) {
            (true, true) => Self::Undelivered,
            (false, _) => Self::Parked,
            (true, false) => Self::Waiting,
        }
    }
}
