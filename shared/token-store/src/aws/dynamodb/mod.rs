//! The store port on DynamoDB.

mod attributes;
mod expressions;
mod items;
mod tallies;

use std::{error::Error, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::failure::{AwsFailure, is_temporary};
use crate::{
    CallbackKey, TaskToken, TokenStore,
    item::{Item, RETENTION, epoch_millis, epoch_seconds},
    store::{PartStore, PendingPage, PendingQuery, StoreError, Written},
    tally::{Tallied, TallyUpdate},
    update::{Change, Predicate, Update},
};
use attributes::{Attributes, name};
use expressions::Expressions;

/// How many entries a page has at most.
const PAGE: i32 = 100;

/// [`TokenStore`] and [`PartStore`] in a DynamoDB table.
///
/// The table has the partition key `callback_key` (string) and its TTL on `expires_at`. What waits is listed by the
/// sparse index [`DynamoDbTokenStore::PENDING_INDEX`]: partition key `pending` (string), sort key `pending_since`
/// (number), projecting [`DynamoDbTokenStore::PENDING_PROJECTION`], and not the token.
#[derive(Debug, Clone)]
pub struct DynamoDbTokenStore {
    client: Client,
    table: String,
    retention: Duration,
}

impl DynamoDbTokenStore {
    /// Name of the index that lists what waits.
    pub const PENDING_INDEX: &str = "pending";
    /// The attributes that the index includes beside its keys.
    pub const PENDING_PROJECTION: [&str; 5] =
        [name::REGISTERED_AT, name::COMPLETED_AT, name::DEADLINE, name::EXECUTION, name::EXPIRES_AT];

    /// Uses the table named `table` through `client`, with its retries and timeouts. A retry after a lost answer is
    /// safe: it is seen as a repeat.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), retention: RETENTION }
    }

    /// As this, but items are kept for `retention` after they were last needed, instead of [`RETENTION`].
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }
}

impl TokenStore for DynamoDbTokenStore {
    async fn update(&self, key: &CallbackKey, update: &Update) -> Result<Written, StoreError> {
        let expressions = items::expressions(key, update);
        match self.write(key.to_string(), expressions, &sent_tokens(update)).await? {
            Answer::Stored(item) => Ok(Written::Stored(attributes::read(&item)?)),
            Answer::Refused(found) => Ok(Written::Refused(found.as_ref().map(attributes::read).transpose()?)),
        }
    }

    async fn get(&self, key: &CallbackKey) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(name::CALLBACK_KEY, AttributeValue::S(key.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error(&error, &[]))?;
        answer.item.as_ref().map(attributes::read).transpose()
    }

    async fn pending(&self, query: &PendingQuery) -> Result<PendingPage, StoreError> {
        let before = epoch_millis(query.now.checked_sub(query.older_than).unwrap_or(std::time::UNIX_EPOCH));
        let start = query.after.as_ref().map(|after| attributes::index_key(&query.kind, after));
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(Self::PENDING_INDEX)
            .key_condition_expression("#pending = :kind AND #pending_since <= :before")
            .filter_expression("#expires_at > :now")
            .expression_attribute_names("#pending", name::PENDING)
            .expression_attribute_names("#pending_since", name::PENDING_SINCE)
            .expression_attribute_names("#expires_at", name::EXPIRES_AT)
            .expression_attribute_values(":kind", AttributeValue::S(query.kind.clone()))
            .expression_attribute_values(":before", AttributeValue::N(before.to_string()))
            .expression_attribute_values(":now", AttributeValue::N(epoch_seconds(query.now).to_string()))
            .set_exclusive_start_key(start)
            .limit(PAGE)
            .send()
            .await
            .map_err(|error| store_error(&error, &[]))?;
        let entries = answer.items().iter().map(attributes::read_pending).collect::<Result<_, _>>()?;
        let next = answer.last_evaluated_key().map(attributes::read_cursor).transpose()?;
        Ok(PendingPage { entries, next })
    }

    fn retention(&self) -> Duration {
        self.retention
    }
}

impl PartStore for DynamoDbTokenStore {
    async fn tally(&self, key: &CallbackKey, update: &TallyUpdate) -> Result<Tallied, StoreError> {
        let partition_key = tallies::partition_key(key, update.name);
        match self.write(partition_key, tallies::expressions(update), &[]).await? {
            Answer::Stored(item) => Ok(Tallied::Stored(tallies::read(&item)?)),
            Answer::Refused(found) => Ok(Tallied::Refused(found.as_ref().map(tallies::read).transpose()?)),
        }
    }
}

/// What became of one `UpdateItem`: the item as it is now.
enum Answer {
    Stored(Attributes),
    Refused(Option<Attributes>),
}

impl DynamoDbTokenStore {
    /// One `UpdateItem`. An answer might repeat the `secrets` in the request.
    async fn write(
        &self,
        partition_key: String,
        expressions: Expressions,
        secrets: &[&str],
    ) -> Result<Answer, StoreError> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(name::CALLBACK_KEY, AttributeValue::S(partition_key))
            .update_expression(expressions.update())
            .condition_expression(expressions.condition)
            .set_expression_attribute_names(Some(expressions.names))
            .set_expression_attribute_values(Some(expressions.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(output) => Ok(Answer::Stored(output.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Answer::Refused(refused.item().filter(|item| !item.is_empty()).cloned()))
                }
                _ => Err(store_error(&error, secrets)),
            },
        }
    }
}

/// The tokens in the request.
fn sent_tokens(update: &Update) -> Vec<&str> {
    let changes = update.changes.iter().filter_map(|change| match change {
        Change::SetRegistered(registered) => Some(&registered.token),
        _ => None,
    });
    let predicates = update.any_of.iter().flatten().filter_map(|predicate| match predicate {
        Predicate::SameWait(token) => Some(token),
        _ => None,
    });
    changes.chain(predicates).map(TaskToken::expose).collect()
}

fn store_error<E>(error: &SdkError<E, HttpResponse>, secrets: &[&str]) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let source = Box::new(AwsFailure::new(error, secrets));
    if is_temporary(error) { StoreError::Unavailable { source } } else { StoreError::Rejected { source } }
}
