//! An [`Update`] in DynamoDB's words.

use std::{
    collections::{BTreeSet, HashMap},
    time::SystemTime,
};

use aws_sdk_dynamodb::types::AttributeValue;

use super::attributes::{name, outcome};
use crate::{
    CallbackKey, Change, Predicate, Registered, Update,
    item::{epoch_millis, epoch_seconds},
};

/// The expressions of one `UpdateItem`, with their names and values. Every attribute goes by a placeholder, so that
/// no reserved word of DynamoDB matters.
pub(super) struct Expressions {
    pub(super) condition: String,
    pub(super) update: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

#[derive(Default)]
struct Builder {
    names: BTreeSet<&'static str>,
    values: HashMap<String, AttributeValue>,
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
}

impl Expressions {
    pub(super) fn of(key: &CallbackKey, update: &Update) -> Self {
        let mut builder = Builder::default();
        let alternatives: Vec<String> = update
            .any_of
            .iter()
            .map(|all_of| {
                let all_of: Vec<String> =
                    all_of.iter().map(|predicate| builder.condition(predicate)).collect();
                format!("({})", all_of.join(" AND "))
            })
            .collect();
        for change in &update.changes {
            builder.change(key, change);
        }
        let clauses = [("SET", &builder.set), ("REMOVE", &builder.remove), ("ADD", &builder.add)];
        let clauses = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        let clauses: Vec<String> =
            clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        Self {
            condition: alternatives.join(" OR "),
            update: clauses.join(" "),
            names: builder.names.into_iter().map(|name| (format!("#{name}"), name.to_owned())).collect(),
            values: builder.values,
        }
    }
}

impl Builder {
    fn condition(&mut self, predicate: &Predicate) -> String {
        match predicate {
            Predicate::Absent => self.not_exists(name::CALLBACK_KEY),
            Predicate::Live(now) => self.expiry(">", *now),
            Predicate::Expired(now) => self.expiry("<=", *now),
            Predicate::NotRegistered => self.not_exists(name::TASK_TOKEN),
            Predicate::OlderWait(started) => {
                self.compare(name::WAIT_STARTED, "<", ":this_wait", text(started.as_str()))
            }
            Predicate::SameWait(started) => {
                self.compare(name::WAIT_STARTED, "=", ":this_wait", text(started.as_str()))
            }
            Predicate::NoOutcome => self.not_exists(name::OUTCOME),
            Predicate::Whole => format!(
                "attribute_exists({}) AND attribute_exists({})",
                self.name(name::TASK_TOKEN),
                self.name(name::OUTCOME)
            ),
            Predicate::NotRecorded => self.not_exists(name::DELIVERY),
            Predicate::Recorded(delivery) => {
                self.compare(name::DELIVERY, "=", ":recorded", text(delivery.as_str()))
            }
            Predicate::FirstAttempt => self.compare(name::ATTEMPTS, "=", ":one", number(1)),
        }
    }

    fn change(&mut self, key: &CallbackKey, change: &Change) {
        match change {
            Change::SetRegistered(Registered { token, wait, at }) => {
                self.set(name::TASK_TOKEN, text(token.expose()));
                self.set(name::WAIT_STARTED, text(wait.started.as_str()));
                self.set(name::DEADLINE, millis(wait.deadline));
                self.set(name::EXECUTION, text(&wait.execution));
                self.set(name::REGISTERED_AT, millis(*at));
            }
            Change::RemoveRegistered => {
                self.remove(&[
                    name::TASK_TOKEN,
                    name::WAIT_STARTED,
                    name::DEADLINE,
                    name::EXECUTION,
                    name::REGISTERED_AT,
                ]);
            }
            Change::SetCompleted(completed) => {
                self.set(name::OUTCOME, outcome(&completed.outcome));
                self.set(name::COMPLETED_AT, millis(completed.at));
            }
            Change::RemoveCompleted => self.remove(&[name::OUTCOME, name::COMPLETED_AT]),
            Change::SetAsideCompleted => {
                let (aside, from) = (self.name(name::UNCONFIRMED), self.name(name::OUTCOME));
                self.set.push(format!("{aside} = {from}"));
                self.remove(&[name::OUTCOME, name::COMPLETED_AT]);
            }
            Change::RemoveUnconfirmed => self.remove(&[name::UNCONFIRMED]),
            Change::SetDelivery(recorded) => {
                self.set(name::DELIVERY, text(recorded.delivery.as_str()));
                self.set(name::DELIVERED_AT, millis(recorded.at));
            }
            Change::RemoveDelivery => self.remove(&[name::DELIVERY, name::DELIVERED_AT]),
            Change::FirstAttempt => self.set(name::ATTEMPTS, number(1)),
            Change::NextAttempt => {
                let attempts = self.name(name::ATTEMPTS);
                self.values.insert(":one".to_owned(), number(1));
                self.add.push(format!("{attempts} :one"));
            }
            Change::SetPending { since } => {
                self.set(name::PENDING, text(key.kind()));
                self.set(name::PENDING_SINCE, millis(*since));
            }
            Change::RemovePending => self.remove(&[name::PENDING, name::PENDING_SINCE]),
            Change::SetExpiry(at) => self.set(name::EXPIRES_AT, number(epoch_seconds(*at))),
        }
    }

    fn name(&mut self, name: &'static str) -> String {
        self.names.insert(name);
        format!("#{name}")
    }

    fn not_exists(&mut self, name: &'static str) -> String {
        format!("attribute_not_exists({})", self.name(name))
    }

    fn expiry(&mut self, than: &str, now: SystemTime) -> String {
        self.compare(name::EXPIRES_AT, than, ":now", number(epoch_seconds(now)))
    }

    fn compare(&mut self, name: &'static str, with: &str, label: &str, value: AttributeValue) -> String {
        self.values.insert(label.to_owned(), value);
        format!("{} {with} {label}", self.name(name))
    }

    fn set(&mut self, name: &'static str, value: AttributeValue) {
        let placeholder = self.name(name);
        self.set.push(format!("{placeholder} = :{name}"));
        self.values.insert(format!(":{name}"), value);
    }

    fn remove(&mut self, names: &[&'static str]) {
        for name in names {
            let placeholder = self.name(name);
            self.remove.push(placeholder);
        }
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn millis(time: SystemTime) -> AttributeValue {
    number(epoch_millis(time))
}
