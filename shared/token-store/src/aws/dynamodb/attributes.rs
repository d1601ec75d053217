//! The attributes of an item, and how they are read.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    CallbackKey, Delivery, Outcome, TaskToken,
    item::{Completed, Item, Recorded, Registered, epoch_millis},
    outcome::Output,
    store::{Pending, PendingCursor, PendingState, StoreError},
    wait::Wait,
};

pub(super) type Attributes = HashMap<String, AttributeValue>;

/// Names of the attributes. Times are milliseconds since 1970, except `expires_at`, where DynamoDB wants seconds.
pub(super) mod name {
    pub(in super::super) const CALLBACK_KEY: &str = "callback_key";
    pub(in super::super) const TASK_TOKEN: &str = "task_token";
    pub(in super::super) const WAIT_STARTED: &str = "wait_started";
    pub(in super::super) const DEADLINE: &str = "deadline";
    pub(in super::super) const EXECUTION: &str = "execution";
    pub(in super::super) const REGISTERED_AT: &str = "registered_at";
    pub(in super::super) const OUTCOME: &str = "outcome";
    pub(in super::super) const COMPLETED_AT: &str = "completed_at";
    pub(in super::super) const DELIVERY: &str = "delivery";
    pub(in super::super) const DELIVERED_AT: &str = "delivered_at";
    pub(in super::super) const ATTEMPTS: &str = "attempts";
    pub(in super::super) const DISPLACED: &str = "displaced";
    pub(in super::super) const REFUSED: &str = "refused";
    pub(in super::super) const OUTPUT: &str = "output";
    pub(in super::super) const ERROR: &str = "error";
    pub(in super::super) const CAUSE: &str = "cause";
    pub(in super::super) const UNCONFIRMED: &str = "unconfirmed";
    pub(in super::super) const PENDING: &str = "pending";
    pub(in super::super) const PENDING_SINCE: &str = "pending_since";
    pub(in super::super) const EXPIRES_AT: &str = "expires_at";
}

/// An outcome as a map: `output`, or `error` and `cause`.
pub(super) fn outcome(outcome: &Outcome) -> AttributeValue {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    AttributeValue::M(match outcome {
        Outcome::Success(output) => HashMap::from([(name::OUTPUT.to_owned(), text(output.json()))]),
        Outcome::Failure(failure) => HashMap::from([
            (name::ERROR.to_owned(), text(failure.error())),
            (name::CAUSE.to_owned(), text(failure.cause())),
        ]),
    })
}

pub(super) fn index_key(kind: &str, cursor: &PendingCursor) -> Attributes {
    HashMap::from([
        (name::CALLBACK_KEY.to_owned(), AttributeValue::S(cursor.key.to_string())),
        (name::PENDING.to_owned(), AttributeValue::S(kind.to_owned())),
        (name::PENDING_SINCE.to_owned(), AttributeValue::N(epoch_millis(cursor.since).to_string())),
    ])
}

pub(super) fn read(item: &Attributes) -> Result<Item, StoreError> {
    let registered = match item.get(name::TASK_TOKEN) {
        None => None,
        Some(_) => Some(read_registered(item)?),
    };
    let completed = match item.get(name::OUTCOME) {
        None => None,
        Some(outcome) => Some(Completed {
            outcome: read_outcome(outcome).ok_or(malformed(name::OUTCOME))?,
            at: time(item, name::COMPLETED_AT)?,
        }),
    };
    let delivery = match item.get(name::DELIVERY) {
        None => None,
        Some(_) => Some(Recorded { delivery: read_delivery(item)?, at: time(item, name::DELIVERED_AT)? }),
    };
    let aside = |name: &'static str| {
        let outcome = item.get(name);
        outcome.map(|outcome| read_outcome(outcome).ok_or(malformed(name))).transpose()
    };
    let pending_since = item.get(name::PENDING_SINCE).map(|_| time(item, name::PENDING_SINCE)).transpose()?;
    Ok(Item {
        registered,
        completed,
        delivery,
        attempts: read_number(item, name::ATTEMPTS)?,
        unconfirmed: aside(name::UNCONFIRMED)?,
        refused: aside(name::REFUSED)?,
        pending_since,
        expires_at: expiry(item)?,
    })
}

/// Reads what the index holds of an item.
pub(super) fn read_pending(item: &Attributes) -> Result<Pending, StoreError> {
    let PendingCursor { key, since } = read_cursor(item)?;
    let (registered, completed) =
        (item.contains_key(name::REGISTERED_AT), item.contains_key(name::COMPLETED_AT));
    Ok(Pending {
        key,
        state: PendingState::of(registered, completed),
        since,
        deadline: if registered { Some(time(item, name::DEADLINE)?) } else { None },
        execution: if registered { Some(text(item, name::EXECUTION)?.to_owned()) } else { None },
    })
}

pub(super) fn read_cursor(item: &Attributes) -> Result<PendingCursor, StoreError> {
    let key = text(item, name::CALLBACK_KEY)?.parse::<CallbackKey>();
    Ok(PendingCursor {
        key: key.map_err(|_| malformed(name::CALLBACK_KEY))?,
        since: time(item, name::PENDING_SINCE)?,
    })
}

fn read_registered(item: &Attributes) -> Result<Registered, StoreError> {
    let token = TaskToken::new(text(item, name::TASK_TOKEN)?);
    let started = text(item, name::WAIT_STARTED)?.parse();
    Ok(Registered {
        token: token.map_err(|_| malformed(name::TASK_TOKEN))?,
        wait: Wait {
            started: started.map_err(|_| malformed(name::WAIT_STARTED))?,
            deadline: time(item, name::DEADLINE)?,
            execution: text(item, name::EXECUTION)?.to_owned(),
        },
        at: time(item, name::REGISTERED_AT)?,
        displaced: match item.get(name::DISPLACED) {
            None => None,
            Some(_) => Some(text(item, name::DISPLACED)?.to_owned()),
        },
    })
}

fn read_outcome(outcome: &AttributeValue) -> Option<Outcome> {
    let outcome = outcome.as_m().ok()?;
    let text = |name: &str| outcome.get(name)?.as_s().ok();
    match text(name::OUTPUT) {
        Some(output) => Some(Outcome::Success(Output::stored(output.clone()))),
        None => Some(Outcome::failure(text(name::ERROR)?, text(name::CAUSE)?)),
    }
}

fn read_delivery(item: &Attributes) -> Result<Delivery, StoreError> {
    let word = text(item, name::DELIVERY)?;
    let all = [Delivery::Delivered, Delivery::Late, Delivery::Unconfirmed];
    all.into_iter().find(|delivery| delivery.as_str() == word).ok_or(malformed(name::DELIVERY))
}

fn text<'a>(item: &'a Attributes, name: &'static str) -> Result<&'a str, StoreError> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or(malformed(name))
}

pub(super) fn read_number<T: std::str::FromStr>(
    item: &Attributes,
    name: &'static str,
) -> Result<T, StoreError> {
    let number = item.get(name).and_then(|value| value.as_n().ok());
    number.and_then(|number| number.parse().ok()).ok_or(malformed(name))
}

fn time(item: &Attributes, name: &'static str) -> Result<SystemTime, StoreError> {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(read_number(item, name)?));
    time.ok_or(malformed(name))
}

/// The expiry is in seconds. A number that is no time of this platform cannot be this crate's.
pub(super) fn expiry(item: &Attributes) -> Result<SystemTime, StoreError> {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(read_number(item, name::EXPIRES_AT)?));
    time.ok_or(malformed(name::EXPIRES_AT))
}

pub(super) fn malformed(attribute: &'static str) -> StoreError {
    StoreError::Malformed { attribute }
}
