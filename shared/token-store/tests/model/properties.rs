//! What must hold, whatever happens in whichever order.

use std::collections::{BTreeMap, BTreeSet};

use stateright::Property;
use token_store::{
    Delivery, Item, Outcome, Registration, Update, Write, Written,
    protocol::{Completion, Redeliver, Sent, Step, begin},
};

use crate::system::{self, Call, Caller, State, Store, System, Task, task};

/// 1. Nothing is lost: once both halves are written, a repeat resumes the task or records why not.
pub(crate) const NOTHING_IS_LOST: &str = "nothing is lost";
/// 2. The first outcome recorded for a wait is the only one that is ever sent for it.
pub(crate) const FIRST_OUTCOME_ONLY: &str = "only the first outcome recorded for a wait is sent for it";
/// 3. A token only ever receives the outcome recorded under its own key.
pub(crate) const OWN_KEY_ONLY: &str = "a token receives only what was recorded under its own key";
/// 4. A newer wait supersedes an older one, never the reverse.
pub(crate) const NEWER_WAIT_WINS: &str = "a newer wait is never replaced by an older one";
/// 4. Late outcomes are handed on, those that may have been used are not.
pub(crate) const USED_ONCE: &str = "what was recorded once is used once";
/// What the operator and the third party are told is so.
pub(crate) const TRUE_RECORD: &str = "records and answers are true";
/// Repeats after the record send nothing and change nothing.
pub(crate) const QUIET_WHEN_RECORDED: &str = "a recorded delivery stays as it is";
/// A half that has expired meets nobody.
pub(crate) const EXPIRED_IS_ABSENT: &str = "what has expired counts as absent";
/// What the list of waiting items and the repeats rely on.
pub(crate) const WELL_FORMED: &str = "an item is well formed";

/// What happened, as far as the properties need it.
#[derive(Clone, Debug, Hash, PartialEq)]
pub(crate) struct History {
    /// The first outcome that stood beside the registration of each task.
    first_outcome: Vec<Option<Outcome>>,
    /// The keys under which each outcome was recorded, one entry for each time.
    recorded: BTreeMap<String, Vec<usize>>,
    broken: BTreeSet<&'static str>,
}

impl History {
    pub(crate) fn new(tasks: usize) -> Self {
        Self { first_outcome: vec![None; tasks], recorded: BTreeMap::new(), broken: BTreeSet::new() }
    }
}

pub(crate) fn all() -> Vec<Property<System>> {
    fn never_broken(_: &System, state: &State, name: &'static str) -> bool {
        !state.history.broken.contains(name)
    }
    vec![
        Property::always(NOTHING_IS_LOST, |system, state| {
            never_broken(system, state, NOTHING_IS_LOST) && a_repeat_would_finish(system, state)
        }),
        Property::always(FIRST_OUTCOME_ONLY, |m, s| never_broken(m, s, FIRST_OUTCOME_ONLY)),
        Property::always(OWN_KEY_ONLY, |m, s| never_broken(m, s, OWN_KEY_ONLY)),
        Property::always(NEWER_WAIT_WINS, |m, s| never_broken(m, s, NEWER_WAIT_WINS)),
        Property::always(USED_ONCE, |m, s| never_broken(m, s, USED_ONCE)),
        Property::always(TRUE_RECORD, |m, s| never_broken(m, s, TRUE_RECORD)),
        Property::always(QUIET_WHEN_RECORDED, |m, s| never_broken(m, s, QUIET_WHEN_RECORDED)),
        Property::always(EXPIRED_IS_ABSENT, |m, s| never_broken(m, s, EXPIRED_IS_ABSENT)),
        Property::always(WELL_FORMED, |m, s| never_broken(m, s, WELL_FORMED)),
    ]
}

/// As if every call had crashed by now and only the reconciler came: what is whole is delivered and recorded.
fn a_repeat_would_finish(system: &System, state: &State) -> bool {
    state.items.iter().all(|item| {
        let Some(pair) = item.as_ref().and_then(Item::pair) else { return true };
        if item.as_ref().is_some_and(|item| item.delivery.is_some()) {
            return true;
        }
        let mut item = item.clone();
        let mut task = state.tasks[task(&pair.registered.token)].clone();
        let mut step = begin(Redeliver::new(system::TODAY));
        let answer = loop {
            step = match step {
                Step::Write(writing) => {
                    let written = system.write(item.as_ref(), writing.update());
                    if let Written::Stored(stored) = &written {
                        item = Some(stored.clone());
                    }
                    writing.resume(written)
                }
                Step::Send(sending) if task == Task::Waiting => {
                    task = Task::Took(sending.pair().completed.outcome.clone());
                    sending.resume(Sent::Taken)
                }
                Step::Send(sending) => sending.resume(Sent::Closed(token_store::Attempt::First)),
                Step::Done(answer) => break answer,
            };
        };
        answer.is_some() && item.is_some_and(|item| item.delivery() == answer) && task != Task::Waiting
    })
}

pub(crate) fn check_write(state: &mut State, caller: &Caller, update: &Update, before: Option<&Item>, after: &Item) {
    let fresh = before.is_none_or(|before| before.has_expired(caller.now));
    if matches!(update.write, Write::Complete | Write::CompleteAnew)
        && let Some(completed) = &after.completed
    {
        state.history.recorded.entry(name(&completed.outcome)).or_default().push(caller.key);
    }
    if let Some(pair) = after.pair() {
        let first = &mut state.history.first_outcome[task(&pair.registered.token)];
        first.get_or_insert(pair.completed.outcome);
    }

    let mut broken = vec![];
    if let Some(before) = before.filter(|_| !fresh) {
        if wait(before) > wait(after) {
            broken.push(NEWER_WAIT_WINS);
        }
        if before.completed.is_some() && outcome(before) != outcome(after) && !spent(state, before, after) {
            broken.push(NOTHING_IS_LOST);
        }
        let upgraded = after.delivery() == Some(Delivery::Delivered);
        if wait(before) == wait(after)
            && before.delivery.is_some()
            && before.delivery() != after.delivery()
            && !upgraded
        {
            broken.push(QUIET_WHEN_RECORDED);
        }
    }
    if update.write == Write::Repeat && before.is_none_or(|before| before.delivery.is_some()) {
        broken.push(QUIET_WHEN_RECORDED);
    }
    let took = after.registered.as_ref().map(|registered| &state.tasks[task(&registered.token)]);
    let used = matches!((took, outcome(after)), (Some(Task::Took(took)), Some(outcome)) if took == outcome);
    match after.delivery() {
        Some(Delivery::Delivered) if !used => broken.push(TRUE_RECORD),
        Some(Delivery::Late) if used => broken.push(TRUE_RECORD),
        _ => {}
    }
    let halves = after.registered.as_ref().zip(after.completed.as_ref());
    if halves.is_some_and(|(registered, completed)| registered.at != completed.at) {
        broken.push(EXPIRED_IS_ABSENT);
    }
    let has_a_half = after.registered.is_some() || after.completed.is_some();
    let recorded_is_whole = after.delivery.is_none() || halves.is_some();
    let listed = after.pending_since.is_some() == after.delivery.is_none();
    if !(has_a_half && recorded_is_whole && listed && after.attempts > 0) {
        broken.push(WELL_FORMED);
    }
    state.history.broken.extend(broken);
}

pub(crate) fn check_send(state: &mut State, key: usize, task: usize, outcome: &Outcome) {
    let first = state.history.first_outcome[task].as_ref();
    if first != Some(outcome) {
        state.history.broken.insert(FIRST_OUTCOME_ONLY);
    }
    if !state.history.recorded.get(&name(outcome)).is_some_and(|keys| keys.contains(&key)) {
        state.history.broken.insert(OWN_KEY_ONLY);
    }
}

pub(crate) fn check_taken(state: &mut State) {
    for (outcome, recorded) in &state.history.recorded {
        let took = |task: &&Task| matches!(task, Task::Took(taken) if name(taken) == *outcome);
        if state.tasks.iter().filter(took).count() > recorded.len() {
            state.history.broken.insert(USED_ONCE);
        }
    }
}

pub(crate) fn check_answer(state: &mut State, caller: &Caller) {
    let took = |wanted: &dyn Fn(usize) -> bool| {
        state.tasks.iter().enumerate().any(|(task, is)| wanted(task) && matches!(is, Task::Took(_)))
    };
    let newest = state.items[0].as_ref().and_then(wait).is_some();
    let is_true = match &caller.call {
        Call::Complete(Step::Done(Completion::Delivered { .. } | Completion::Duplicate)) => took(&|_| true),
        Call::Register(Step::Done(Registration::Completed(Delivery::Delivered))) => took(&|_| true),
        Call::Register(Step::Done(Registration::Superseded)) => newest,
        Call::Redeliver(Step::Done(Some(Delivery::Delivered))) => took(&|_| true),
        _ => true,
    };
    if !is_true {
        state.history.broken.insert(TRUE_RECORD);
    }
}

/// Whether the outcome of `before` may go: a task took it, or people are shown it.
fn spent(state: &State, before: &Item, after: &Item) -> bool {
    let took = |task: &Task| matches!((task, outcome(before)), (Task::Took(taken), Some(outcome)) if taken == outcome);
    match before.delivery() {
        Some(Delivery::Delivered) => state.tasks.iter().any(took),
        Some(Delivery::Unconfirmed) => after.unconfirmed.as_ref() == outcome(before),
        Some(Delivery::Late) | None => false,
    }
}

fn wait(item: &Item) -> Option<&str> {
    item.registered.as_ref().map(|registered| registered.wait.started.as_str())
}

fn outcome(item: &Item) -> Option<&Outcome> {
    item.completed.as_ref().map(|completed| &completed.outcome)
}

fn name(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Success(output) => output.json().to_owned(),
        Outcome::Failure(failure) => failure.error().to_owned(),
    }
}

/// Kept here so that every way to break the store is named beside what it breaks.
pub(crate) const STORES_THAT_BREAK: [(Store, &str); 1] = [(Store::MixesUpKeys, OWN_KEY_ONLY)];
