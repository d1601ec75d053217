//! The world around one or two callback keys: calls in flight, a store, and tasks that wait, are resumed or time out.
//!
//! The calls are the crate's own protocol steps and the store is its own [`Update::apply`]. A crash needs no action of
//! its own: a call that is never scheduled again has crashed, and every state is checked as if all had.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use stateright::{Model, Property};
use token_store::{
    Attempt, Item, Outcome, Pair, Predicate, RETENTION, TaskToken, Update, Wait, WaitStarted, Write, Written,
    protocol::{Complete, Intent, Redeliver, Register, Sent, Step, begin},
};

use crate::properties::{self, History};

/// The calls to interleave, and a store that may be broken on purpose. Equal calls are duplicates.
pub(crate) struct System {
    pub(crate) calls: Vec<Caller>,
    pub(crate) store: Store,
    /// The predicates that were used, to leave them out one by one.
    pub(crate) seen: Arc<Mutex<BTreeSet<Part>>>,
    /// Whether a repeat would finish an item, by the item and its task.
    pub(crate) finishes: Mutex<HashMap<u64, bool>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Faithful,
    Without(Part),
    /// Every key leads to the same item.
    MixesUpKeys,
}

/// One predicate of one write, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    write: Write,
    alternative: usize,
    predicate: usize,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { write, alternative, predicate } = self;
        write!(formatter, "{write:?}, alternative {alternative}, predicate {predicate}")
    }
}

#[derive(Clone, Debug, Hash, PartialEq)]
pub(crate) struct State {
    pub(crate) items: Vec<Option<Shared<Item>>>,
    pub(crate) calls: Vec<Shared<Caller>>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) now: SystemTime,
    pub(crate) history: History,
}

/// Outcomes are told apart by their number.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Task {
    Waiting,
    TimedOut,
    Took(usize),
}

/// One call of the crate, at one moment of its life.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) key: usize,
    pub(crate) now: SystemTime,
    pub(crate) call: Call,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Call {
    Register(Step<Register>),
    Complete(Step<Complete>),
    Redeliver(Step<Redeliver>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The call's next conditional write, from beginning to end: DynamoDB makes one at a time.
    Write(usize),
    /// The call's outcome reaches Step Functions, and the answer the call.
    Send(usize),
    /// As `Send`, but the SDK had to ask twice: the answer to the first request was lost.
    SendTwice(usize),
    /// As `Send`, but the task has timed out at some moment before. Nothing else looks at a task, so it makes no
    /// difference when.
    SendAfterTimeout(usize),
}

pub(crate) const TODAY: SystemTime = UNIX_EPOCH;

/// A time at which all that was written today has expired.
pub(crate) fn much_later() -> SystemTime {
    TODAY + 2 * RETENTION
}

pub(crate) fn token(task: usize) -> TaskToken {
    TaskToken::new(task.to_string()).unwrap()
}

pub(crate) fn task(token: &TaskToken) -> usize {
    token.expose().parse().unwrap()
}

pub(crate) fn number(outcome: &Outcome) -> usize {
    let Outcome::Success(output) = outcome else { panic!("all outcomes here are successes") };
    output.json().parse().unwrap()
}

/// Registers the wait of `task`; a task with a higher number began to wait later.
pub(crate) fn register(key: usize, task: usize, now: SystemTime) -> Caller {
    let started = WaitStarted::new("2026-03-01T12:00:00.000Z", 0, u32::try_from(task).unwrap()).unwrap();
    let wait = Wait { started, deadline: now + Duration::from_secs(60), execution: String::new() };
    let call = Call::Register(begin(Register::new(token(task), wait, now)));
    Caller { key, now, call }
}

pub(crate) fn complete(key: usize, outcome: usize, now: SystemTime) -> Caller {
    let outcome = Outcome::success(outcome.to_string()).unwrap();
    Caller { key, now, call: Call::Complete(begin(Complete::new(outcome, now))) }
}

pub(crate) fn redeliver(key: usize, now: SystemTime) -> Caller {
    Caller { key, now, call: Call::Redeliver(begin(Redeliver::new(now))) }
}

impl System {
    pub(crate) fn write(&self, item: Option<&Item>, update: &Update) -> Written {
        let broken;
        let update = match self.store {
            Store::Without(part) if part.write == update.write => {
                let mut without = update.clone();
                without.any_of[part.alternative].remove(part.predicate);
                broken = without;
                &broken
            }
            _ => update,
        };
        update.apply(item).map_or_else(|| Written::Refused(item.cloned()), Written::Stored)
    }

    fn note(&self, update: &Update) {
        let mut seen = self.seen.lock().unwrap();
        for (alternative, all_of) in update.any_of.iter().enumerate() {
            seen.extend((0..all_of.len()).map(|predicate| Part {
                write: update.write,
                alternative,
                predicate,
            }));
        }
    }

    fn let_write(&self, state: &mut State, caller: &Caller) -> Option<Call> {
        let Pending::Write(update) = caller.call.pending() else { return None };
        self.note(update);
        let key = self.item_of(caller.key);
        let before = state.items[key].clone();
        let before = before.as_deref();
        let mut written = self.write(before, update);
        if let Written::Stored(after) = &mut written {
            properties::check_write(state, caller, update, before, after);
            // What the protocol never looks at must not make equal states differ.
            after.attempts = after.attempts.min(2);
            after.unconfirmed = None;
            state.items[key] = Some(Shared::new(after.clone()));
        }
        Some(caller.call.clone().written(written))
    }

    fn let_send(&self, state: &mut State, caller: &Caller, action: &Action) -> Option<Call> {
        let Pending::Send(pair) = caller.call.pending() else { return None };
        let (task, outcome) = (task(&pair.registered.token), number(&pair.completed.outcome));
        properties::check_send(state, caller.key, task, outcome);
        if let Action::SendAfterTimeout(_) = action {
            state.tasks[task] = Task::TimedOut;
        }
        let taken = state.tasks[task] == Task::Waiting;
        if taken {
            state.tasks[task] = Task::Took(outcome);
        }
        properties::check_taken(state);
        Some(caller.call.clone().sent(match action {
            Action::SendTwice(_) => Sent::Closed(Attempt::Repeat),
            _ if taken => Sent::Taken,
            _ => Sent::Closed(Attempt::First),
        }))
    }

    fn item_of(&self, key: usize) -> usize {
        if self.store == Store::MixesUpKeys { 0 } else { key }
    }
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let calls = &self.calls;
        let tasks = calls.iter().filter_map(Caller::registers).max().map_or(0, |highest| highest + 1);
        let keys = calls.iter().map(|call| call.key).max().map_or(0, |highest| highest + 1);
        let mut calls: Vec<_> = calls.iter().cloned().map(Shared::new).collect();
        calls.sort_by_key(|call| call.hash);
        vec![State {
            items: vec![None; keys],
            calls,
            tasks: vec![Task::Waiting; tasks],
            now: TODAY,
            history: History::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, call) in state.calls.iter().enumerate() {
            let twin = index > 0 && state.calls[index - 1] == *call;
            // No call outlives the retention: once a later one has begun, the earlier ones have ended or crashed.
            if twin || call.now < state.now {
                continue;
            }
            match call.call.pending() {
                Pending::Write(_) => actions.push(Action::Write(index)),
                Pending::Send(pair) => {
                    actions.extend([Action::Send(index), Action::SendTwice(index)]);
                    if state.tasks[task(&pair.registered.token)] == Task::Waiting {
                        actions.push(Action::SendAfterTimeout(index));
                    }
                }
                Pending::Nothing => {}
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let (Action::Write(index)
        | Action::Send(index)
        | Action::SendTwice(index)
        | Action::SendAfterTimeout(index)) = action;
        let mut caller = Caller::clone(&state.calls.remove(index));
        state.now = caller.now;
        caller.call = match action {
            Action::Write(_) => self.let_write(&mut state, &caller)?,
            _ => self.let_send(&mut state, &caller, &action)?,
        };
        if let Pending::Nothing = caller.call.pending() {
            properties::check_answer(&mut state, &caller);
        } else {
            state.calls.push(Shared::new(caller));
            state.calls.sort_by_key(|call| call.hash);
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

/// What a call waits for.
pub(crate) enum Pending<'a> {
    Write(&'a Update),
    Send(&'a Pair),
    Nothing,
}

impl Call {
    pub(crate) fn pending(&self) -> Pending<'_> {
        fn of<I: Intent>(step: &Step<I>) -> Pending<'_> {
            match step {
                Step::Write(writing) => Pending::Write(writing.update()),
                Step::Send(sending) => Pending::Send(sending.pair()),
                Step::Done(_) => Pending::Nothing,
            }
        }
        match self {
            Self::Register(step) => of(step),
            Self::Complete(step) => of(step),
            Self::Redeliver(step) => of(step),
        }
    }

    pub(crate) fn written(self, written: Written) -> Self {
        fn after<I: Intent>(step: Step<I>, written: Written) -> Step<I> {
            let Step::Write(writing) = step else { panic!("the call does not write") };
            writing.resume(written)
        }
        match self {
            Self::Register(step) => Self::Register(after(step, written)),
            Self::Complete(step) => Self::Complete(after(step, written)),
            Self::Redeliver(step) => Self::Redeliver(after(step, written)),
        }
    }

    pub(crate) fn sent(self, sent: Sent) -> Self {
        fn after<I: Intent>(step: Step<I>, sent: Sent) -> Step<I> {
            let Step::Send(sending) = step else { panic!("the call does not send") };
            sending.resume(sent)
        }
        match self {
            Self::Register(step) => Self::Register(after(step, sent)),
            Self::Complete(step) => Self::Complete(after(step, sent)),
            Self::Redeliver(step) => Self::Redeliver(after(step, sent)),
        }
    }
}

impl Caller {
    fn registers(&self) -> Option<usize> {
        let (Call::Register(_), Pending::Write(update)) = (&self.call, self.call.pending()) else {
            return None;
        };
        let older = update.any_of.iter().flatten().find_map(|predicate| match predicate {
            Predicate::OlderWait(started) => Some(started),
            _ => None,
        });
        older.map(|started| started.as_str().rsplit_once('#').unwrap().1.parse().unwrap())
    }
}

/// A value that is hashed once, because states are compared by their hashes and change in one place at a time.
#[derive(Clone, Debug)]
pub(crate) struct Shared<T> {
    value: Arc<T>,
    hash: u64,
}

impl<T: Hash> Shared<T> {
    fn new(value: T) -> Self {
        Self { hash: hash(&value), value: Arc::new(value) }
    }
}

pub(crate) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl<T> std::ops::Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}
