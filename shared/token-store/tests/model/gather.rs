//! Every interleaving of `gather`: parts that are done at the same time, again, or by calls that crash, around one key
//! that a workflow waits on.
//!
//! As in `system`, a call that is never scheduled again has crashed. Whoever sent the part then sends it again, and
//! nobody sends again what has been answered: so in every state, the repeats of the unanswered calls alone must finish
//! the key. Groups have two parts here, not 128.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use stateright::{Checker, HasDiscoveries, Model, Property};
use token_store::{
    Outcome, Part,
    callbacks::Attempt,
    item::Item,
    protocol::{
        Call as Protocol, Combining, Complete, GatherStep, Gathered, Intent, Redeliver, Register, Sent, Todo,
        gather,
    },
    store::Written,
    tally::{Tallied, Tally, TallyChange, TallyName, TallyOf, TallyUpdate},
    update::Update,
    wait::LateOutcomes,
};

use crate::system::{TODAY, much_later, token, wait as wait_of, when};

struct Fan {
    calls: Vec<Call>,
    store: Store,
    seen: Arc<Mutex<BTreeSet<Condition>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Faithful,
    Without(Condition),
    /// All groups are one item.
    MixesUpGroups,
}

/// One predicate of one of the two writes that add a number, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Condition {
    in_place_of_expired: bool,
    alternative: usize,
    predicate: usize,
}

#[derive(Clone, Debug, Hash, PartialEq)]
struct State {
    tallies: BTreeMap<TallyName, Tally>,
    /// What the parts have left behind: their numbers, and when. What was left long ago is gone.
    results: BTreeSet<(u32, u32, SystemTime)>,
    item: Option<Item>,
    took: Option<Outcome>,
    timed_out: bool,
    calls: Vec<Call>,
    now: SystemTime,
    sent: BTreeSet<String>,
    a_part_was_missing: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Call {
    now: SystemTime,
    /// What the call begins with, when it is made again.
    first: At,
    at: At,
}

/// Where a call is.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
enum At {
    /// About to store what its part leaves behind.
    Working(Part),
    Gathering(Part, GatherStep),
    Completing(Part, Combining, Protocol<Complete>),
    /// A part that fails completes the key at once.
    Failing(Protocol<Complete>),
    Registering(Protocol<Register>),
    Answered,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    /// The call's next step, from beginning to end.
    Step(usize),
    /// The call's outcome reaches Step Functions after the task has timed out.
    SendAfterTimeout(usize),
}

fn part(number: u32, of: u32) -> Call {
    part_at(number, of, TODAY)
}

fn part_at(number: u32, of: u32, now: SystemTime) -> Call {
    let at = At::Working(Part::in_groups_of(2, number, of).unwrap());
    Call { now, first: at.clone(), at }
}

fn failing_part() -> Call {
    let at = At::Failing(Protocol::new(Complete::new(
        Outcome::failure("ProcessingFailed", "not UTF-8"),
        when(TODAY),
    )));
    Call { now: TODAY, first: at.clone(), at }
}

fn wait() -> Call {
    let register = Register::new(token(1), wait_of(1, TODAY), LateOutcomes::OfThisExecution, when(TODAY));
    let at = At::Registering(Protocol::new(register));
    Call { now: TODAY, first: at.clone(), at }
}

impl Fan {
    fn tally(&self, state: &mut State, update: &TallyUpdate) -> Tallied {
        let name = match (self.store, update.name.of) {
            (Store::MixesUpGroups, TallyOf::Group(_)) => TallyName { of: TallyOf::Group(0), ..update.name },
            _ => update.name,
        };
        let found = state.tallies.get(&name);
        let adds = !update.changes.contains(&TallyChange::SetCombined);
        let in_place_of_expired = update.changes.contains(&TallyChange::RemoveCombined);
        let mut update = update.clone();
        if adds {
            let mut seen = self.seen.lock().unwrap();
            for (alternative, all_of) in update.any_of.iter().enumerate() {
                seen.extend((0..all_of.len()).map(|predicate| Condition {
                    in_place_of_expired,
                    alternative,
                    predicate,
                }));
            }
        }
        match self.store {
            Store::Without(condition) if adds && condition.in_place_of_expired == in_place_of_expired => {
                update.any_of[condition.alternative].remove(condition.predicate);
            }
            _ => {}
        }
        match update.apply(found) {
            Some(tally) => {
                state.tallies.insert(name, tally.clone());
                Tallied::Stored(tally)
            }
            None => Tallied::Refused(found.cloned()),
        }
    }

    /// Makes one step of a call.
    fn step(&self, state: &mut State, now: SystemTime, at: At) -> At {
        match at {
            At::Working(part) => {
                state.results.insert((part.number(), part.of(), now));
                At::Gathering(part, gather(part, when(now)))
            }
            At::Gathering(part, GatherStep::Tally(tallying)) => {
                let tallied = self.tally(state, tallying.update());
                match tallying.resume(tallied) {
                    GatherStep::Done(Gathered::Whole) => panic!("nothing was combined"),
                    GatherStep::Done(_) => At::Answered,
                    step => At::Gathering(part, step),
                }
            }
            At::Gathering(part, GatherStep::Combine(combining)) => {
                let left =
                    (1..=part.of()).filter(|number| state.results.contains(&(*number, part.of(), now)));
                let left: Vec<u32> = left.collect();
                state.a_part_was_missing |= left.len() != part.of() as usize;
                let outcome = Outcome::success(format!("{left:?}")).unwrap();
                At::Completing(part, combining, Protocol::new(Complete::new(outcome, when(now))))
            }
            At::Completing(part, combining, call) if is_done(&call) => {
                let GatherStep::Tally(note) = combining.recorded() else { panic!("a note is written") };
                let tallied = self.tally(state, note.update());
                assert_eq!(note.resume(tallied), GatherStep::Done(Gathered::Whole), "{part:?}");
                At::Answered
            }
            At::Completing(part, combining, call) => At::Completing(part, combining, protocol(state, call)),
            At::Failing(call) => finished(protocol(state, call), At::Failing),
            At::Registering(call) => finished(protocol(state, call), At::Registering),
            At::Gathering(_, GatherStep::Done(_)) | At::Answered => At::Answered,
        }
    }

    /// As if all calls had crashed by now and their parts came again, one after the other.
    fn repeats_finish(&self, state: &State) -> bool {
        let mut state = state.clone();
        for index in 0..state.calls.len() {
            let call = state.calls[index].clone();
            if call.at == At::Answered || call.now < state.now {
                continue;
            }
            let mut at = call.first;
            while at != At::Answered {
                at = self.step(&mut state, call.now, at);
            }
        }
        let waits = state.item.as_ref().is_some_and(|item| item.registered.is_some());
        let recorded = state.item.as_ref().is_some_and(|item| item.completed.is_some());
        // What a crash between a record and its delivery leaves is the reconciler's, as for every other outcome.
        let mut call = Protocol::new(Redeliver::new(when(TODAY)));
        while !is_done(&call) {
            call = protocol(&mut state, call);
        }
        recorded && (!waits || state.item.is_some_and(|item| item.delivery().is_some()))
    }
}

fn is_done<I: Intent>(call: &Protocol<I>) -> bool {
    matches!(call.todo(), Todo::Answer(_) | Todo::Stopped(_))
}

fn finished<I: Intent>(call: Protocol<I>, at: impl FnOnce(Protocol<I>) -> At) -> At {
    if is_done(&call) { At::Answered } else { at(call) }
}

/// One step of the rendezvous on the item of the key.
fn protocol<I: Intent>(state: &mut State, call: Protocol<I>) -> Protocol<I> {
    match call.todo() {
        Todo::Write(update) => {
            let update: &Update = update;
            let written = match update.apply(state.item.as_ref()) {
                Some(mut item) => {
                    item.attempts = item.attempts.min(2);
                    state.item = Some(item.clone());
                    Written::Stored(item)
                }
                None => Written::Refused(state.item.clone()),
            };
            call.written(written)
        }
        Todo::Send(pair) => {
            let outcome = pair.completed.outcome.clone();
            state.sent.insert(format!("{outcome:?}{}", text(&outcome)));
            if state.took.is_some() || state.timed_out {
                call.sent(Sent::Closed(Attempt::First))
            } else {
                state.took = Some(outcome);
                call.sent(Sent::Taken)
            }
        }
        Todo::Answer(_) | Todo::Stopped(_) => call,
    }
}

fn text(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Success(output) => output.json(),
        Outcome::Failure(failure) => failure.error(),
    }
}

impl Model for Fan {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            tallies: BTreeMap::new(),
            results: BTreeSet::new(),
            item: None,
            took: None,
            timed_out: false,
            calls: self.calls.clone(),
            now: TODAY,
            sent: BTreeSet::new(),
            a_part_was_missing: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, call) in state.calls.iter().enumerate() {
            let twin = state.calls[..index].contains(call);
            if twin || call.now < state.now || call.at == At::Answered {
                continue;
            }
            actions.push(Action::Step(index));
            let sends = match &call.at {
                At::Completing(_, _, call) | At::Failing(call) => matches!(call.todo(), Todo::Send(_)),
                At::Registering(call) => matches!(call.todo(), Todo::Send(_)),
                _ => false,
            };
            if sends && !state.timed_out && state.took.is_none() {
                actions.push(Action::SendAfterTimeout(index));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let (Action::Step(index) | Action::SendAfterTimeout(index)) = action;
        state.timed_out |= action == Action::SendAfterTimeout(index);
        let Call { now, at, .. } = state.calls[index].clone();
        state.now = now;
        state.calls[index].at = self.step(&mut state, now, at);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no part is missing in a combined outcome", |_, state: &State| {
                !state.a_part_was_missing
            }),
            Property::always("one outcome is ever sent", |_, state: &State| state.sent.len() <= 1),
            Property::always("the repeats of crashed calls finish the key", |fan: &Fan, state| {
                fan.repeats_finish(state)
            }),
        ]
    }
}

fn explore(calls: Vec<Call>, store: Store) -> (usize, Vec<String>, BTreeSet<Condition>) {
    let fan = Fan { calls, store, seen: Arc::default() };
    let seen = fan.seen.clone();
    let checker = fan.checker().threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let broken =
        checker.discoveries().into_iter().map(|(law, path)| format!("{law}: {:?}", path.into_actions()));
    let broken = broken.collect();
    (checker.unique_state_count(), broken, seen.lock().unwrap().clone())
}

fn assert_holds(name: &str, calls: Vec<Call>) {
    let calls_made = calls.len();
    let (states, broken, _) = explore(calls, Store::Faithful);

    println!("{name}: {calls_made} calls, {states} states");
    assert_eq!(broken, [""; 0], "{name}");
}

fn one_group() -> Vec<Call> {
    vec![wait(), part(1, 2), part(2, 2), part(2, 2)]
}

fn two_groups() -> Vec<Call> {
    vec![part(1, 3), part(2, 3), part(3, 3), part(3, 3)]
}

/// Whoever announces another number of parts is refused, and its part counts for nothing.
fn another_count() -> Vec<Call> {
    vec![part(2, 3), part(1, 2), part(2, 2), part(1, 3), part(3, 3)]
}

/// What is left of today's parts has expired when the later ones come.
fn expired() -> Vec<Call> {
    let later = much_later();
    vec![part(1, 2), part(2, 2), part_at(1, 2, later), part_at(2, 2, later)]
}

#[test]
fn every_part_once_is_combined_once() {
    assert_holds("three parts and a wait", vec![wait(), part(1, 3), part(2, 3), part(3, 3)]);
    assert_holds("four parts in two groups", (1..=4).map(|number| part(number, 4)).collect());
}

#[test]
fn duplicates_of_parts_change_nothing() {
    assert_holds("two parts, one of them twice, and a wait", one_group());
    assert_holds("three parts in two groups, one of them twice", two_groups());
    assert_holds("each of two parts twice", vec![part(1, 2), part(1, 2), part(2, 2), part(2, 2)]);
}

#[test]
fn a_part_that_fails_and_a_set_that_is_whole_send_one_outcome() {
    assert_holds("two parts, a failure and a wait", vec![wait(), part(1, 2), part(2, 2), failing_part()]);
}

#[test]
fn what_has_expired_is_not_counted() {
    assert_holds("two parts, and again much later", expired());
}

#[test]
fn every_condition_of_gather_is_needed() {
    let scenarios = || [one_group(), two_groups(), another_count(), expired()];
    let conditions: BTreeSet<Condition> =
        scenarios().into_iter().flat_map(|calls| explore(calls, Store::Faithful).2).collect();
    // Calls of two counts do not finish one key, so that law says nothing of them; none of the others is broken.
    let breaks = |store: Store| {
        scenarios().into_iter().enumerate().find_map(|(scenario, calls)| {
            let (_, broken, _) = explore(calls, store);
            broken.into_iter().find(|law| scenario != 2 || !law.starts_with("the repeats"))
        })
    };

    assert_eq!(breaks(Store::Faithful), None);
    let not_missed: Vec<_> = conditions
        .iter()
        .filter(|condition| {
            let found = breaks(Store::Without(**condition));
            println!("without {condition:?}: {}", found.as_deref().unwrap_or("NOTHING BREAKS"));
            found.is_none()
        })
        .collect();

    assert!(not_missed.is_empty(), "{not_missed:?}");
    assert_eq!(conditions.len(), 4, "every predicate of the two writes that add");
}

#[test]
fn a_store_that_mixes_up_groups_is_seen() {
    let (_, broken, _) = explore(two_groups(), Store::MixesUpGroups);

    assert!(!broken.is_empty());
}
