//! What must hold, whatever happens in whichever order.

use stateright::Property;
use token_store::{
    Attempt, Delivery, Item, Registration, Update, Write, Written,
    protocol::{Completion, Redeliver, Sent, Step, begin},
};

use crate::system::{self, Call, Caller, State, System, Task, hash, number, task};

/// Invariants 1 to 4 of the design, and below them what they rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    /// 1. Once both halves are written, a repeat resumes the task or records why not; no half disappears unused.
    NothingIsLost,
    /// 2. The first outcome recorded for a wait is the only one that is ever sent for it.
    FirstOutcomeOnly,
    /// 3. A token only ever receives an outcome that was recorded under its own key.
    OwnKeyOnly,
    /// 4. A newer wait is never replaced by an older one.
    NewerWaitWins,
    /// 4. A late outcome is handed on; one that may have been used is not: nothing is used more often than recorded.
    UsedOnce,
    /// What the operator and the third party are told is so.
    RecordIsTrue,
    /// Repeats after the record send nothing and change nothing.
    RecordStays,
    /// A half that has expired meets nobody.
    ExpiredIsAbsent,
    /// What the list of waiting items and the repeats rely on.
    WellFormed,
}

/// What happened, as far as the laws need it. Outcomes count from 1.
#[derive(Clone, Debug, Default, Hash, PartialEq)]
pub(crate) struct History {
    /// By task: the first outcome that stood beside its registration.
    first_outcome: [usize; 4],
    /// By outcome and key: how often it was recorded.
    recorded: [[u8; 2]; 4],
    broken: [bool; 9],
}

impl History {
    fn must(&mut self, hold: bool, law: Law) {
        self.broken[law as usize] |= !hold;
    }
}

pub(crate) fn all() -> Vec<Property<System>> {
    fn holds(state: &State, law: Law) -> bool {
        !state.history.broken[law as usize]
    }
    vec![
        Property::always("nothing is lost", |system, state| {
            holds(state, Law::NothingIsLost) && a_repeat_would_finish(system, state)
        }),
        Property::always("only the first outcome recorded for a wait is sent for it", |_, state| {
            holds(state, Law::FirstOutcomeOnly)
        }),
        Property::always("a token receives only what was recorded under its own key", |_, state| {
            holds(state, Law::OwnKeyOnly)
        }),
        Property::always("a newer wait is never replaced by an older one", |_, state| {
            holds(state, Law::NewerWaitWins)
        }),
        Property::always("what was recorded once is used once", |_, state| holds(state, Law::UsedOnce)),
        Property::always("records and answers are true", |_, state| holds(state, Law::RecordIsTrue)),
        Property::always("a recorded delivery stays as it is", |_, state| holds(state, Law::RecordStays)),
        Property::always("what has expired counts as absent", |_, state| holds(state, Law::ExpiredIsAbsent)),
        Property::always("an item is well formed", |_, state| holds(state, Law::WellFormed)),
    ]
}

/// As if every call had crashed by now and only the reconciler came: what is whole is delivered and recorded.
fn a_repeat_would_finish(system: &System, state: &State) -> bool {
    state.items.iter().flatten().all(|item| {
        let Some(pair) = item.pair().filter(|_| item.delivery.is_none()) else { return true };
        let task = state.tasks[task(&pair.registered.token)];
        let mut finishes = system.finishes.lock().unwrap();
        *finishes.entry(hash(&(item, task))).or_insert_with(|| repeat_finishes(system, item, task))
    })
}

fn repeat_finishes(system: &System, item: &Item, mut task: Task) -> bool {
    let mut item = Some(item.clone());
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
                task = Task::Took(number(&sending.pair().completed.outcome));
                sending.resume(Sent::Taken)
            }
            Step::Send(sending) => sending.resume(Sent::Closed(Attempt::First)),
            Step::Done(answer) => break answer,
        };
    };
    answer.is_some() && item.is_some_and(|item| item.delivery() == answer) && task != Task::Waiting
}

pub(crate) fn check_write(
    state: &mut State,
    caller: &Caller,
    update: &Update,
    before: Option<&Item>,
    after: &Item,
) {
    let history = &mut state.history;
    if matches!(update.write, Write::Complete | Write::CompleteAnew)
        && let Some(outcome) = outcome(after)
    {
        history.recorded[outcome][caller.key] += 1;
    }
    if let (Some(task), Some(outcome)) = (waiting(after), outcome(after))
        && history.first_outcome[task] == 0
    {
        history.first_outcome[task] = outcome;
    }

    if let Some(before) = before.filter(|before| !before.has_expired(caller.now)) {
        history.must(waiting(before) <= waiting(after), Law::NewerWaitWins);
        if outcome(before) != outcome(after) {
            let took = |outcome| state.tasks.contains(&Task::Took(outcome));
            let spent = outcome(before).is_none_or(|outcome| match before.delivery() {
                Some(Delivery::Delivered) => took(outcome),
                Some(Delivery::Unconfirmed) => after.unconfirmed.as_ref().map(number) == Some(outcome),
                Some(Delivery::Late) | None => false,
            });
            history.must(spent, Law::NothingIsLost);
        }
        // Only a delivery that was seen may overrule a record, and only one that could not be confirmed.
        let overruled = (before.delivery(), after.delivery())
            == (Some(Delivery::Unconfirmed), Some(Delivery::Delivered))
            || before.delivery().is_none()
            || before.delivery() == after.delivery();
        history.must(overruled || waiting(before) != waiting(after), Law::RecordStays);
    }
    let repeats_recorded =
        update.write == Write::Repeat && before.is_some_and(|item| item.delivery.is_some());
    history.must(!repeats_recorded, Law::RecordStays);

    let used = waiting(after)
        .is_some_and(|task| outcome(after).is_some_and(|outcome| state.tasks[task] == Task::Took(outcome)));
    history.must(after.delivery() != Some(Delivery::Delivered) || used, Law::RecordIsTrue);
    history.must(after.delivery() != Some(Delivery::Late) || !used, Law::RecordIsTrue);

    let halves = after.registered.as_ref().zip(after.completed.as_ref());
    let of_one_time = halves.is_none_or(|(registered, completed)| registered.at == completed.at);
    history.must(of_one_time, Law::ExpiredIsAbsent);

    let some_half = after.registered.is_some() || after.completed.is_some();
    let whole_if_recorded = after.delivery.is_none() || halves.is_some();
    let listed_until_recorded = after.pending_since.is_some() == after.delivery.is_none();
    history
        .must(some_half && whole_if_recorded && listed_until_recorded && after.attempts > 0, Law::WellFormed);
}

pub(crate) fn check_send(state: &mut State, key: usize, task: usize, outcome: usize) {
    let history = &mut state.history;
    history.must(history.first_outcome[task] == outcome, Law::FirstOutcomeOnly);
    history.must(history.recorded[outcome][key] > 0, Law::OwnKeyOnly);
}

pub(crate) fn check_taken(state: &mut State) {
    for (outcome, recorded) in state.history.recorded.into_iter().enumerate() {
        let used = state.tasks.iter().filter(|task| **task == Task::Took(outcome)).count();
        let recorded: u8 = recorded.iter().sum();
        state.history.must(used <= usize::from(recorded), Law::UsedOnce);
    }
}

pub(crate) fn check_answer(state: &mut State, caller: &Caller) {
    let resumed = state.tasks.iter().any(|task| matches!(task, Task::Took(_)));
    let is_true = match &caller.call {
        Call::Complete(Step::Done(Completion::Delivered { .. } | Completion::Duplicate))
        | Call::Register(Step::Done(Registration::Completed(Delivery::Delivered)))
        | Call::Redeliver(Step::Done(Some(Delivery::Delivered))) => resumed,
        _ => true,
    };
    state.history.must(is_true, Law::RecordIsTrue);
}

/// The task of the registered wait. A newer wait's task has a higher number.
fn waiting(item: &Item) -> Option<usize> {
    item.registered.as_ref().map(|registered| task(&registered.token))
}

fn outcome(item: &Item) -> Option<usize> {
    item.completed.as_ref().map(|completed| number(&completed.outcome))
}
