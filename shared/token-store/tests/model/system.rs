//! The world around one or two callback keys: calls in flight, a store, and tasks that wait, close or are resumed.
//!
//! The calls are the crate's own, [`Call`]s with their limits and error exits, and the store is its own
//! [`Update::apply`]. A crash needs no action of its own: a call that is never scheduled again has crashed, and every state
//! is checked as if all had. So has a call whose store failed, whether or not its write was applied.
//!
//! # What is assumed of Step Functions
//!
//! Within one execution, a task begins to wait when the tasks before it have ended, and another attempt of the same state
//! entry only when the earlier attempts have ended without success. A closed task stays closed. The function of an older
//! task may still run, and register it, when a newer one waits.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use stateright::{Model, Property};
use token_store::{
    Completion, Delivery, Outcome, Registration, TaskToken,
    callbacks::Attempt,
    item::{Item, Pair, RETENTION},
    protocol::{Call, Complete, Redeliver, Register, Sent, Stopped, Todo, When},
    store::Written,
    update::{Change, Update, Write},
    wait::{LateOutcomes, Wait, WaitStarted},
};

use crate::laws::{self, History, Law};

/// The calls to interleave, in a world that may be broken on purpose. Equal calls are duplicates.
pub(crate) struct System {
    pub(crate) calls: Vec<Caller>,
    pub(crate) broken: Broken,
    /// How often the network may lose an answer.
    pub(crate) faults: u8,
    /// The laws to check: all, or the one that a broken world must break.
    pub(crate) laws: Vec<Law>,
    /// The predicates that were used, to leave them out one by one.
    pub(crate) seen: Arc<Mutex<BTreeSet<Part>>>,
    /// Whether a repeat would finish an item, by the item and its task.
    pub(crate) finishes: Mutex<HashMap<u64, bool>>,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// One condition is not tested.
    Without(Part),
    /// Every key leads to the same item.
    MixesUpKeys,
    /// The call that completes an outcome tells this instead of that.
    Tells {
        instead_of: &'static str,
        completion: &'static str,
    },
    /// The call that registers a wait tells this instead of that.
    TellsTask {
        instead_of: &'static str,
        registration: &'static str,
    },
    /// The call that repeats a delivery tells this instead of that.
    TellsReconciler {
        instead_of: &'static str,
        delivery: &'static str,
    },
    /// A write makes one change less.
    Forgets {
        write: Write,
        change: &'static str,
    },
    /// A retry sets an unconfirmed success aside, as before there was a rule for what is unused.
    AsideInsteadOfUnused,
    /// Step Functions begins another attempt of a state entry that has succeeded.
    RetriesSuccess,
}

/// One predicate of one write, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) write: Write,
    pub(crate) alternative: usize,
    pub(crate) predicate: usize,
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
    /// Which recording the outcome of each item is, counted from 1.
    pub(crate) recording: Vec<u8>,
    pub(crate) calls: Vec<Shared<Caller>>,
    pub(crate) tasks: [Task; TASKS],
    pub(crate) now: SystemTime,
    pub(crate) faults: u8,
    pub(crate) history: History,
}

pub(crate) const TASKS: usize = 9;

/// Outcomes are told apart by their number.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Task {
    /// Not in this scenario.
    Absent,
    Waiting,
    Closed,
    Took(usize),
}

/// One call of the crate, at one moment of its life.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) key: usize,
    pub(crate) now: SystemTime,
    /// The recording of the outcome that it has seen last.
    pub(crate) recording: u8,
    /// The task that it has sent an outcome to last.
    pub(crate) sent_to: usize,
    pub(crate) begun: bool,
    pub(crate) call: Which,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Which {
    Register(usize, Call<Register>),
    Complete(usize, Call<Complete>),
    Redeliver(Call<Redeliver>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The call's next conditional write, from beginning to end: DynamoDB makes one at a time.
    Write(usize),
    /// As `Write`, but the answer is lost and the SDK will ask again, after whatever others do meanwhile.
    WriteWithoutAnswer(usize),
    /// The call's outcome reaches Step Functions, and the answer the call.
    Send(usize),
    /// As `Send`, but the SDK had to ask twice: the answer to the first request was lost.
    SendTwice(usize),
    /// As `Send`, but all answers are lost.
    SendWithoutAnswer(usize),
    /// Step Functions is throttled: nothing reaches the task.
    NotSent(usize),
    /// The task ends without an outcome of this key: it times out, its function fails, its execution is stopped.
    Close(usize),
    /// DynamoDB's TTL deletes what has expired.
    Delete(usize),
}

pub(crate) const TODAY: SystemTime = UNIX_EPOCH;
const TIMEOUT: Duration = Duration::from_secs(60);

/// A time at which the waits of today are over and nothing has expired.
pub(crate) fn after_the_deadline() -> SystemTime {
    TODAY + 2 * TIMEOUT
}

/// A time at which all that was written today has expired.
pub(crate) fn much_later() -> SystemTime {
    TODAY + 2 * RETENTION
}

/// Outcomes: two successes, a failure, and a success that Step Functions cannot read.
pub(crate) const FAILURE: usize = 3;
pub(crate) const BAD: usize = 4;

/// Which wait a task is of: execution, state entry, attempt. Later ones have higher numbers, but for 6 and 7, which
/// begin at the same moment as the first.
pub(crate) fn identity(task: usize) -> (char, u32, u32) {
    match task {
        1 => ('A', 0, 0),
        2 => ('A', 0, 1),
        3 => ('A', 0, 2),
        4 => ('A', 1, 0),
        5 => ('B', 2, 0),
        6 => ('B', 0, 0),
        7 => ('A', 0, 0),
        8 => ('B', 2, 1),
        _ => panic!("no task {task}"),
    }
}

pub(crate) fn started(task: usize) -> (u32, u32) {
    let (_, entry, attempt) = identity(task);
    (entry, attempt)
}

pub(crate) fn wait(task: usize, now: SystemTime) -> Wait {
    let (execution, entry, attempt) = identity(task);
    let started = WaitStarted::new(&format!("2026-03-01T12:00:{entry:02}Z"), 0, attempt).unwrap();
    Wait { started, deadline: now + TIMEOUT, execution: execution.into() }
}

pub(crate) fn token(task: usize) -> TaskToken {
    TaskToken::new(task.to_string()).unwrap()
}

pub(crate) fn task(token: &TaskToken) -> usize {
    token.expose().parse().unwrap()
}

pub(crate) fn outcome(number: usize) -> Outcome {
    match number {
        FAILURE => Outcome::failure(FAILURE.to_string(), ""),
        success => Outcome::success(success.to_string()).unwrap(),
    }
}

pub(crate) fn number(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Success(output) => output.json().parse().unwrap(),
        Outcome::Failure(failure) => failure.error().parse().unwrap(),
    }
}

pub(crate) fn when(now: SystemTime) -> When {
    When::new(now, RETENTION)
}

fn caller(key: usize, now: SystemTime, call: Which) -> Caller {
    Caller { key, now, recording: 0, sent_to: 0, begun: false, call }
}

/// Registers the wait of `task`.
pub(crate) fn register(key: usize, task: usize, now: SystemTime) -> Caller {
    let register = Register::new(token(task), wait(task, now), LateOutcomes::OfThisExecution, when(now));
    caller(key, now, Which::Register(task, Call::new(register)))
}

/// As [`register`], for a key whose late outcomes are everybody's.
pub(crate) fn register_for_any(key: usize, task: usize, now: SystemTime) -> Caller {
    let register = Register::new(token(task), wait(task, now), LateOutcomes::OfAnyExecution, when(now));
    caller(key, now, Which::Register(task, Call::new(register)))
}

pub(crate) fn complete(key: usize, number: usize, now: SystemTime) -> Caller {
    caller(key, now, Which::Complete(number, Call::new(Complete::new(outcome(number), when(now)))))
}

/// As [`complete`], but the call gives up after so many writes.
pub(crate) fn complete_within(most_writes: usize, number: usize) -> Caller {
    let call = Call::limited(Complete::new(outcome(number), when(TODAY)), most_writes);
    caller(0, TODAY, Which::Complete(number, call))
}

/// As [`register`], but the call gives up after so many writes.
pub(crate) fn register_within(most_writes: usize, task: usize) -> Caller {
    let register = Register::new(token(task), wait(task, TODAY), LateOutcomes::OfThisExecution, when(TODAY));
    caller(0, TODAY, Which::Register(task, Call::limited(register, most_writes)))
}

pub(crate) fn redeliver(key: usize, now: SystemTime) -> Caller {
    caller(key, now, Which::Redeliver(Call::new(Redeliver::new(when(now)))))
}

impl System {
    pub(crate) fn write(&self, item: Option<&Item>, update: &Update) -> Written {
        let mut update = update.clone();
        match self.broken {
            Broken::Without(part) if part.write == update.write => {
                // Some writes have fewer alternatives, by what is asked.
                let alternative = update.any_of.get_mut(part.alternative);
                if let Some(all_of) = alternative.filter(|all_of| part.predicate < all_of.len()) {
                    all_of.remove(part.predicate);
                }
            }
            Broken::AsideInsteadOfUnused if update.write == Write::RegisterOnUnused => {
                update.changes.push(Change::SetAsideCompleted);
            }
            Broken::Forgets { write, change } if write == update.write => {
                update.changes.retain(|made| !format!("{made:?}").starts_with(change));
            }
            _ => {}
        }
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

    fn let_write(&self, state: &mut State, caller: &mut Caller, answered: bool) {
        let Pending::Write(update) = caller.call.pending() else { return };
        let update = update.clone();
        self.note(&update);
        let key = self.item_of(caller.key);
        let before = state.items[key].clone();
        let before = before.as_deref();
        let mut written = self.write(before, &update);
        if let Written::Stored(after) = &mut written {
            if matches!(update.write, Write::Complete | Write::CompleteAnew) {
                state.recording[key] = state.history.record(caller, after);
            }
            laws::check_write(state, (key, caller), &update, before, after);
            // What the protocol never looks at must not make equal states differ.
            after.attempts = after.attempts.min(2);
            after.unconfirmed = None;
            state.items[key] = Some(Shared::new(after.clone()));
        }
        caller.begun = true;
        if answered {
            caller.call = caller.call.clone().written(written);
            if let Pending::Send(_) = caller.call.pending() {
                caller.recording = state.recording[key];
            }
        }
    }

    fn let_send(&self, state: &mut State, caller: &mut Caller, action: &Action) {
        let Pending::Send(pair) = caller.call.pending() else { return };
        let (task, outcome) = (task(&pair.registered.token), number(&pair.completed.outcome));
        laws::check_send(state, caller, task, outcome);
        let sent = match (action, state.tasks[task]) {
            (Action::NotSent(_), _) => Sent::Failed,
            (_, Task::Waiting) if outcome == BAD => match action {
                Action::SendWithoutAnswer(_) => Sent::Failed,
                _ => Sent::InvalidOutput,
            },
            (_, found) => {
                if found == Task::Waiting {
                    state.tasks[task] = Task::Took(outcome);
                    laws::check_taken(state, caller, task, outcome);
                }
                match action {
                    Action::SendWithoutAnswer(_) => Sent::Failed,
                    Action::SendTwice(_) => Sent::Closed(Attempt::Repeat),
                    _ if found == Task::Waiting => Sent::Taken,
                    _ => Sent::Closed(Attempt::First),
                }
            }
        };
        caller.sent_to = task;
        caller.call = caller.call.clone().sent(sent);
    }

    pub(crate) fn item_of(&self, key: usize) -> usize {
        if self.broken == Broken::MixesUpKeys { 0 } else { key }
    }

    /// Whether the task of a registration has begun to wait, by what is assumed of Step Functions.
    fn may_begin(&self, state: &State, caller: &Caller) -> bool {
        let Which::Register(task, _) = &caller.call else { return true };
        let (execution, entry, attempt) = identity(*task);
        caller.begun
            || (1..TASKS).all(|other| {
                let (of, entered, attempted) = identity(other);
                let before = of == execution && (entered, attempted) < (entry, attempt);
                match state.tasks[other] {
                    Task::Absent | Task::Closed => true,
                    Task::Waiting => !before,
                    Task::Took(FAILURE) => true,
                    Task::Took(_) => !before || entered != entry || self.broken == Broken::RetriesSuccess,
                }
            })
    }
}

impl State {
    /// An action in words, for people who look for the reason of a broken law.
    pub(crate) fn tell(&self, action: &Action) -> String {
        let call = |index: usize, what: &str| {
            let caller = &self.calls[index];
            let doing = match caller.call.pending() {
                Pending::Write(update) => format!("{:?}", update.write),
                Pending::Send(pair) => {
                    format!("{:?} to {:?}", number(&pair.completed.outcome), task(&pair.registered.token))
                }
                Pending::Nothing => String::new(),
            };
            match &caller.call {
                Which::Register(task, _) => format!("[wait {task} {what} {doing}]"),
                Which::Complete(outcome, _) => format!("[outcome {outcome} {what} {doing}]"),
                Which::Redeliver(_) => format!("[reconciler {what} {doing}]"),
            }
        };
        match action {
            Action::Write(index) => call(*index, "writes"),
            Action::WriteWithoutAnswer(index) => call(*index, "writes without an answer"),
            Action::Send(index) => call(*index, "sends"),
            Action::SendTwice(index) => call(*index, "sends twice"),
            Action::SendWithoutAnswer(index) => call(*index, "sends without an answer"),
            Action::NotSent(index) => call(*index, "cannot send"),
            Action::Close(task) => format!("task {task} closes"),
            Action::Delete(key) => format!("key {key} is deleted"),
        }
    }
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let keys = self.calls.iter().map(|call| call.key).max().map_or(0, |highest| highest + 1);
        let mut tasks = [Task::Absent; TASKS];
        for call in &self.calls {
            if let Which::Register(task, _) = &call.call {
                tasks[*task] = Task::Waiting;
            }
        }
        let mut calls: Vec<_> = self.calls.iter().cloned().map(Shared::new).collect();
        calls.sort_by_key(|call| call.hash);
        vec![State {
            items: vec![None; keys],
            recording: vec![0; keys],
            calls,
            tasks,
            now: TODAY,
            faults: self.faults,
            history: History::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, call) in state.calls.iter().enumerate() {
            let twin = index > 0 && state.calls[index - 1] == *call;
            // No call outlives the retention: once a later one has begun, the earlier ones have ended or crashed.
            if twin || call.now < state.now || !self.may_begin(state, call) {
                continue;
            }
            match call.call.pending() {
                Pending::Write(_) => {
                    actions.push(Action::Write(index));
                    if state.faults > 0 {
                        actions.push(Action::WriteWithoutAnswer(index));
                    }
                }
                Pending::Send(_) => {
                    actions.push(Action::Send(index));
                    if state.faults > 0 {
                        actions.extend([
                            Action::SendTwice(index),
                            Action::SendWithoutAnswer(index),
                            Action::NotSent(index),
                        ]);
                    }
                }
                Pending::Nothing => {}
            }
        }
        let waiting = (0..TASKS).filter(|task| state.tasks[*task] == Task::Waiting);
        actions.extend(waiting.map(Action::Close));
        let expired = |item: &Option<Shared<Item>>| item.as_ref().is_some_and(|i| i.has_expired(state.now));
        let expired = (0..state.items.len()).filter(|key| expired(&state.items[*key]));
        actions.extend(expired.map(Action::Delete));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let index = match action {
            Action::Close(task) => {
                state.tasks[task] = Task::Closed;
                return Some(state);
            }
            Action::Delete(key) => {
                state.items[key] = None;
                return Some(state);
            }
            Action::Write(index)
            | Action::WriteWithoutAnswer(index)
            | Action::Send(index)
            | Action::SendTwice(index)
            | Action::SendWithoutAnswer(index)
            | Action::NotSent(index) => index,
        };
        let mut caller = Caller::clone(&state.calls.remove(index));
        state.now = caller.now;
        if !matches!(action, Action::Write(_) | Action::Send(_)) {
            state.faults -= 1;
        }
        match action {
            Action::Write(_) => self.let_write(&mut state, &mut caller, true),
            Action::WriteWithoutAnswer(_) => self.let_write(&mut state, &mut caller, false),
            _ => self.let_send(&mut state, &mut caller, &action),
        }
        if let Pending::Nothing = caller.call.pending() {
            laws::check_answer(self, &mut state, &caller);
        } else {
            state.calls.push(Shared::new(caller));
            state.calls.sort_by_key(|call| call.hash);
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        laws::properties(&self.laws)
    }
}

/// What a call waits for.
pub(crate) enum Pending<'a> {
    Write(&'a Update),
    Send(&'a Pair),
    Nothing,
}

/// What a call tells its caller in the end.
pub(crate) enum Told {
    Complete(usize, Result<Completion, Stopped>),
    Register(usize, Result<Registration, Stopped>),
    Redeliver(Result<Option<Delivery>, Stopped>),
}

impl Which {
    pub(crate) fn pending(&self) -> Pending<'_> {
        fn of<'a, A>(todo: &Todo<'a, A>) -> Pending<'a> {
            match *todo {
                Todo::Write(update) => Pending::Write(update),
                Todo::Send(pair) => Pending::Send(pair),
                Todo::Answer(_) | Todo::Stopped(_) => Pending::Nothing,
            }
        }
        match self {
            Self::Register(_, call) => of(&call.todo()),
            Self::Complete(_, call) => of(&call.todo()),
            Self::Redeliver(call) => of(&call.todo()),
        }
    }

    /// Nothing while the call is under way.
    pub(crate) fn told(&self) -> Option<Told> {
        fn of<A: Clone>(todo: &Todo<'_, A>) -> Option<Result<A, Stopped>> {
            match todo {
                Todo::Answer(answer) => Some(Ok((*answer).clone())),
                Todo::Stopped(stopped) => Some(Err(*stopped)),
                Todo::Write(_) | Todo::Send(_) => None,
            }
        }
        match self {
            Self::Register(task, call) => of(&call.todo()).map(|told| Told::Register(*task, told)),
            Self::Complete(outcome, call) => of(&call.todo()).map(|told| Told::Complete(*outcome, told)),
            Self::Redeliver(call) => of(&call.todo()).map(Told::Redeliver),
        }
    }

    fn written(self, written: Written) -> Self {
        match self {
            Self::Register(task, call) => Self::Register(task, call.written(written)),
            Self::Complete(outcome, call) => Self::Complete(outcome, call.written(written)),
            Self::Redeliver(call) => Self::Redeliver(call.written(written)),
        }
    }

    fn sent(self, sent: Sent) -> Self {
        match self {
            Self::Register(task, call) => Self::Register(task, call.sent(sent)),
            Self::Complete(outcome, call) => Self::Complete(outcome, call.sent(sent)),
            Self::Redeliver(call) => Self::Redeliver(call.sent(sent)),
        }
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
