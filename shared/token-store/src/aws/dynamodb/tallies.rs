//! A [`TallyUpdate`] in DynamoDB's words, and the items that it writes.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, UNIX_EPOCH},
};

use aws_sdk_dynamodb::types::AttributeValue;

use super::attributes::{malformed, name, number};
use crate::{
    CallbackKey, StoreError, Tally, TallyChange, TallyName, TallyPredicate, TallyUpdate, item::epoch_seconds,
};

/// The attributes of a tally, beside its key and expiry.
const PART_COUNT: &str = "part_count";
const MEMBERS: &str = "members";
const COMBINED: &str = "combined";

/// The expressions of one `UpdateItem`, with their names and values.
#[derive(Default)]
pub(super) struct TallyExpressions {
    pub(super) condition: String,
    pub(super) update: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

/// The partition key. No callback key begins so: a kind has no slash.
pub(super) fn partition_key(key: &CallbackKey, tally: TallyName) -> String {
    match tally {
        TallyName::Group(group) => format!("parts/{group}#{key}"),
        TallyName::Groups => format!("parts/all#{key}"),
    }
}

impl TallyExpressions {
    pub(super) fn of(update: &TallyUpdate) -> Self {
        let mut expressions = Self::default();
        let alternatives: Vec<String> = update
            .any_of
            .iter()
            .map(|all_of| {
                let all_of: Vec<String> =
                    all_of.iter().map(|predicate| expressions.condition(*predicate)).collect();
                format!("({})", all_of.join(" AND "))
            })
            .collect();
        let (mut set, mut remove, mut add) = (vec![], vec![], vec![]);
        for change in &update.changes {
            match *change {
                TallyChange::SetCount(of) => set.push(expressions.set(PART_COUNT, of_number(of.into()))),
                TallyChange::Add(member) => {
                    let members = expressions.name(MEMBERS);
                    expressions.values.insert(":member".to_owned(), one(member));
                    add.push(format!("{members} :member"));
                }
                TallyChange::Only(member) => set.push(expressions.set(MEMBERS, one(member))),
                TallyChange::SetCombined => set.push(expressions.set(COMBINED, AttributeValue::Bool(true))),
                TallyChange::RemoveCombined => remove.push(expressions.name(COMBINED)),
                TallyChange::SetExpiry(at) => {
                    set.push(expressions.set(name::EXPIRES_AT, of_number(epoch_seconds(at))));
                }
            }
        }
        let clauses = [("SET", set), ("REMOVE", remove), ("ADD", add)];
        let clauses = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        let clauses: Vec<String> =
            clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        Self { condition: alternatives.join(" OR "), update: clauses.join(" "), ..expressions }
    }

    fn condition(&mut self, predicate: TallyPredicate) -> String {
        match predicate {
            TallyPredicate::Absent => format!("attribute_not_exists({})", self.name(name::CALLBACK_KEY)),
            TallyPredicate::SameCount(of) => {
                self.compare(PART_COUNT, "=", ":same_count", of_number(of.into()))
            }
            TallyPredicate::Live(now) => {
                self.compare(name::EXPIRES_AT, ">", ":now", of_number(epoch_seconds(now)))
            }
            TallyPredicate::Expired(now) => {
                self.compare(name::EXPIRES_AT, "<=", ":now", of_number(epoch_seconds(now)))
            }
        }
    }

    fn compare(&mut self, name: &str, with: &str, label: &str, value: AttributeValue) -> String {
        self.values.insert(label.to_owned(), value);
        format!("{} {with} {label}", self.name(name))
    }

    fn set(&mut self, name: &str, value: AttributeValue) -> String {
        self.values.insert(format!(":{name}"), value);
        format!("{} = :{name}", self.name(name))
    }

    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }
}

pub(super) fn read(item: &HashMap<String, AttributeValue>) -> Result<Tally, StoreError> {
    let members = item.get(MEMBERS).and_then(|value| value.as_ns().ok()).ok_or(malformed(MEMBERS))?;
    let members: Result<BTreeSet<u32>, _> = members.iter().map(|member| member.parse()).collect();
    Ok(Tally {
        of: number(item, PART_COUNT)?,
        members: members.map_err(|_| malformed(MEMBERS))?,
        combined: item.contains_key(COMBINED),
        expires_at: UNIX_EPOCH + Duration::from_secs(number(item, name::EXPIRES_AT)?),
    })
}

fn one(member: u32) -> AttributeValue {
    AttributeValue::Ns(vec![member.to_string()])
}

fn of_number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
