//! An [`Update`] in DynamoDB's words.

use std::time::SystemTime;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    attributes::{name, outcome},
    expressions::{Expressions, number},
};
use crate::{
    CallbackKey,
    item::{Registered, epoch_millis, epoch_seconds},
    update::{Change, Predicate, Update},
    wait::Entry,
};

pub(super) fn expressions(key: &CallbackKey, update: &Update) -> Expressions {
    let mut expressions = Expressions::on_any_of(&update.any_of, condition);
    for one in &update.changes {
        change(&mut expressions, key, one);
    }
    expressions
}

fn condition(expressions: &mut Expressions, predicate: &Predicate) -> String {
    match predicate {
        Predicate::Absent => expressions.not_exists(name::CALLBACK_KEY),
        Predicate::Live(now) => {
            expressions.compare(name::EXPIRES_AT, ">", ":now", number(epoch_seconds(*now)))
        }
        Predicate::Expired(now) => {
            expressions.compare(name::EXPIRES_AT, "<=", ":now", number(epoch_seconds(*now)))
        }
        Predicate::NotRegistered => expressions.not_exists(name::TASK_TOKEN),
        Predicate::OlderWait(started) => {
            expressions.compare(name::WAIT_STARTED, "<", ":this_wait", text(started.as_str()))
        }
        Predicate::SameWait(token) => {
            expressions.compare(name::TASK_TOKEN, "=", ":this_token", text(token.expose()))
        }
        Predicate::SameExecution(execution) => {
            expressions.compare(name::EXECUTION, "=", ":this_execution", text(execution))
        }
        Predicate::OtherExecution(execution) => {
            expressions.compare(name::EXECUTION, "<>", ":this_execution", text(execution))
        }
        Predicate::SameEntry(entry) => same_entry(expressions, entry),
        Predicate::OtherEntry(entry) => format!("NOT ({})", same_entry(expressions, entry)),
        Predicate::Overdue(now) => {
            expressions.compare(name::DEADLINE, "<=", ":now_milliseconds", millis(*now))
        }
        Predicate::NoOutcome => expressions.not_exists(name::OUTCOME),
        Predicate::Success => expressions.exists_in(name::OUTCOME, name::OUTPUT),
        Predicate::Failure => expressions.exists_in(name::OUTCOME, name::ERROR),
        Predicate::SameOutcome(same) => {
            expressions.compare(name::OUTCOME, "=", ":this_outcome", outcome(same))
        }
        Predicate::Whole => {
            let token = expressions.exists(name::TASK_TOKEN);
            format!("{token} AND {}", expressions.exists(name::OUTCOME))
        }
        Predicate::NotRecorded => expressions.not_exists(name::DELIVERY),
        Predicate::Recorded(delivery) => {
            // One write can ask for two of them.
            let label = format!(":recorded_{}", delivery.as_str());
            expressions.compare(name::DELIVERY, "=", &label, text(delivery.as_str()))
        }
        Predicate::FirstAttempt => expressions.compare(name::ATTEMPTS, "=", ":one", number(1)),
    }
}

fn same_entry(expressions: &mut Expressions, entry: &Entry) -> String {
    let execution = expressions.compare(name::EXECUTION, "=", ":this_execution", text(&entry.execution));
    let entered = format!("{}#", entry.entered);
    format!("{execution} AND {}", expressions.begins_with(name::WAIT_STARTED, ":this_entry", text(&entered)))
}

fn change(expressions: &mut Expressions, key: &CallbackKey, change: &Change) {
    match change {
        Change::SetRegistered(Registered { token, wait, at, displaced }) => {
            expressions.set(name::TASK_TOKEN, text(token.expose()));
            expressions.set(name::WAIT_STARTED, text(wait.started.as_str()));
            expressions.set(name::DEADLINE, millis(wait.deadline));
            expressions.set(name::EXECUTION, text(&wait.execution));
            expressions.set(name::REGISTERED_AT, millis(*at));
            match displaced {
                Some(execution) => expressions.set(name::DISPLACED, text(execution)),
                None => expressions.remove(&[name::DISPLACED]),
            }
        }
        Change::RemoveRegistered => {
            expressions.remove(&[
                name::TASK_TOKEN,
                name::WAIT_STARTED,
                name::DEADLINE,
                name::EXECUTION,
                name::REGISTERED_AT,
                name::DISPLACED,
            ]);
        }
        Change::SetCompleted(completed) => {
            expressions.set(name::OUTCOME, outcome(&completed.outcome));
            expressions.set(name::COMPLETED_AT, millis(completed.at));
        }
        Change::RemoveCompleted => expressions.remove(&[name::OUTCOME, name::COMPLETED_AT]),
        Change::SetAsideCompleted => {
            expressions.copy(name::OUTCOME, name::UNCONFIRMED);
            expressions.remove(&[name::OUTCOME, name::COMPLETED_AT]);
        }
        Change::RemoveUnconfirmed => expressions.remove(&[name::UNCONFIRMED]),
        Change::RefuseCompleted => {
            expressions.copy(name::OUTCOME, name::REFUSED);
            expressions.remove(&[name::OUTCOME, name::COMPLETED_AT]);
        }
        Change::RemoveRefused => expressions.remove(&[name::REFUSED]),
        Change::SetDelivery(recorded) => {
            expressions.set(name::DELIVERY, text(recorded.delivery.as_str()));
            expressions.set(name::DELIVERED_AT, millis(recorded.at));
        }
        Change::RemoveDelivery => expressions.remove(&[name::DELIVERY, name::DELIVERED_AT]),
        Change::FirstAttempt => expressions.set(name::ATTEMPTS, number(1)),
        Change::NextAttempt => expressions.add(name::ATTEMPTS, ":one", number(1)),
        Change::SetPending { since } => {
            expressions.set(name::PENDING, text(key.kind()));
            expressions.set(name::PENDING_SINCE, millis(*since));
        }
        Change::RemovePending => expressions.remove(&[name::PENDING, name::PENDING_SINCE]),
        Change::SetExpiry(at) => expressions.set(name::EXPIRES_AT, number(epoch_seconds(*at))),
        Change::SetExpiryIfNone(at) => expressions.set_if_none(name::EXPIRES_AT, number(epoch_seconds(*at))),
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn millis(time: SystemTime) -> AttributeValue {
    number(epoch_millis(time))
}
