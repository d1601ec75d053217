//! A [`TallyUpdate`] in DynamoDB's words, and the items that it writes.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    attributes::{expiry, malformed, name, read_number},
    expressions::{Expressions, number},
};
use crate::{
    CallbackKey,
    item::epoch_seconds,
    store::StoreError,
    tally::{Tally, TallyChange, TallyName, TallyOf, TallyPredicate, TallyUpdate},
};

/// The attributes of a tally, beside its key and expiry.
const PART_COUNT: &str = "part_count";
const MEMBERS: &str = "members";
const COMBINED: &str = "combined";

/// The partition key. No callback key begins so: a kind has no slash.
pub(super) fn partition_key(key: &CallbackKey, tally: TallyName) -> String {
    let of = match tally.of {
        TallyOf::Group(group) => group.to_string(),
        TallyOf::Groups => "all".to_owned(),
    };
    match tally.round {
        0 => format!("parts/{of}#{key}"),
        round => format!("parts/{round}.{of}#{key}"),
    }
}

pub(super) fn expressions(update: &TallyUpdate) -> Expressions {
    let mut expressions = Expressions::on_any_of(&update.any_of, condition);
    for change in &update.changes {
        match *change {
            TallyChange::SetCount(of) => expressions.set(PART_COUNT, number(of.into())),
            TallyChange::Add(member) => expressions.add(MEMBERS, ":member", one(member)),
            TallyChange::Only(member) => expressions.set(MEMBERS, one(member)),
            TallyChange::SetCombined => expressions.set(COMBINED, AttributeValue::Bool(true)),
            TallyChange::RemoveCombined => expressions.remove(&[COMBINED]),
            TallyChange::SetExpiry(at) => expressions.set(name::EXPIRES_AT, number(epoch_seconds(at))),
        }
    }
    expressions
}

fn condition(expressions: &mut Expressions, predicate: &TallyPredicate) -> String {
    match *predicate {
        TallyPredicate::Absent => expressions.not_exists(name::CALLBACK_KEY),
        TallyPredicate::SameCount(of) => {
            expressions.compare(PART_COUNT, "=", ":same_count", number(of.into()))
        }
        TallyPredicate::Live(now) => {
            expressions.compare(name::EXPIRES_AT, ">", ":now", number(epoch_seconds(now)))
        }
        TallyPredicate::Expired(now) => {
            expressions.compare(name::EXPIRES_AT, "<=", ":now", number(epoch_seconds(now)))
        }
    }
}

pub(super) fn read(item: &HashMap<String, AttributeValue>) -> Result<Tally, StoreError> {
    let members = item.get(MEMBERS).and_then(|value| value.as_ns().ok()).ok_or(malformed(MEMBERS))?;
    let members: Result<BTreeSet<u32>, _> = members.iter().map(|member| member.parse()).collect();
    Ok(Tally {
        of: read_number(item, PART_COUNT)?,
        members: members.map_err(|_| malformed(MEMBERS))?,
        combined: item.contains_key(COMBINED),
        expires_at: expiry(item)?,
    })
}

fn one(member: u32) -> AttributeValue {
    AttributeValue::Ns(vec![member.to_string()])
}
