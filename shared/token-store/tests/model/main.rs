//! Every interleaving of the protocol's steps, checked by a model checker.
//!
//! The first tests show that the laws hold, and print how many states that took. The others break the protocol, one
//! condition, one change or one answer at a time, and show that the checker sees it: a condition that nobody would miss
//! would not be needed, and a checker that misses nothing would prove nothing.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod gather;
mod laws;
mod system;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use laws::Law;
use stateright::{Checker, HasDiscoveries, Model};
use system::{
    Action, BAD, Broken, Caller, FAILURE, Part, State, System, TODAY, after_the_deadline, complete,
    complete_within, much_later, redeliver, register, register_for_any, register_within,
};
use token_store::update::Write;

/// Calls, and how often the network may lose an answer to one of them.
type Scenario = (&'static str, u8, Vec<Caller>);

fn today(tasks: &[usize], outcomes: &[usize], reconciler: bool) -> Vec<Caller> {
    let mut calls: Vec<Caller> = tasks.iter().map(|task| register(0, *task, TODAY)).collect();
    calls.extend(outcomes.iter().map(|outcome| complete(0, *outcome, TODAY)));
    calls.extend(reconciler.then(|| redeliver(0, TODAY)));
    calls
}

/// Small enough to be explored once for each condition.
fn small_scenarios() -> Vec<Scenario> {
    let later = much_later();
    vec![
        ("a wait and its outcome", 2, today(&[1], &[1], true)),
        ("two outcomes", 1, today(&[1], &[1, 2], false)),
        ("duplicates", 1, today(&[1, 1], &[1, 1], false)),
        ("a retry", 1, today(&[1, 2], &[1], true)),
        ("a retry after a failure", 1, today(&[1, 2], &[FAILURE, 1], false)),
        ("two retries after a failure", 0, today(&[1, 2, 3], &[FAILURE, 1], false)),
        ("two retries", 1, today(&[1, 2, 3], &[1], false)),
        ("another entry", 1, today(&[1, 4], &[1], true)),
        ("another execution", 1, today(&[1, 5], &[1], true)),
        ("the same moment", 0, today(&[1, 6, 7], &[1], false)),
        ("a bad outcome", 1, today(&[1], &[BAD, 1], true)),
        ("a bad outcome and a retry", 0, today(&[1, 2], &[BAD, 1], true)),
        (
            "overdue",
            0,
            vec![
                register(0, 1, TODAY),
                register(0, 5, TODAY),
                register(0, 5, after_the_deadline()),
                complete(0, 1, after_the_deadline()),
            ],
        ),
        (
            "everybody's outcome",
            1,
            vec![register(0, 1, TODAY), register_for_any(0, 5, TODAY), complete(0, 1, TODAY)],
        ),
        ("overdue, the older one last", 0, vec![register(0, 5, TODAY), register(0, 1, after_the_deadline())]),
        ("a retry of another execution", 0, today(&[1, 5, 8], &[1], false)),
        (
            "everybody's outcome, and another entry",
            0,
            vec![
                register(0, 1, TODAY),
                register(0, 4, TODAY),
                register_for_any(0, 5, TODAY),
                complete(0, 1, TODAY),
            ],
        ),
        (
            "expiry",
            0,
            vec![register(0, 1, TODAY), complete(0, 1, TODAY), register(0, 4, later), complete(0, 2, later)],
        ),
        (
            "two keys",
            0,
            vec![register(0, 1, TODAY), complete(0, 1, TODAY), register(1, 6, TODAY), complete(1, 2, TODAY)],
        ),
    ]
}

/// Most of what is broken shows without any fault of the network already, in fewer states.
fn faultless_first() -> Vec<Scenario> {
    let faultless = small_scenarios().into_iter().map(|(name, _, calls)| (name, 0, calls));
    faultless.chain(small_scenarios()).collect()
}

fn larger_scenarios() -> Vec<Scenario> {
    vec![
        ("a retry, two outcomes", 1, today(&[1, 2], &[1, 2], true)),
        ("a retry, an outcome twice", 1, today(&[1, 2], &[1, 1], true)),
        ("a retry and another execution", 0, today(&[1, 2, 5], &[1], true)),
        ("another entry, a failure and a success", 1, today(&[1, 4], &[FAILURE, 1], false)),
        (
            "calls that give up after two writes",
            1,
            vec![
                register_within(2, 1),
                register_within(2, 2),
                complete_within(2, 1),
                complete_within(2, 2),
                redeliver(0, TODAY),
            ],
        ),
    ]
}

fn large_scenarios() -> Vec<Scenario> {
    let for_any = |task| register_for_any(0, task, TODAY);
    vec![
        ("three attempts", 0, today(&[1, 2, 3], &[1], true)),
        ("three attempts, a failure and a success", 0, today(&[1, 2, 3], &[FAILURE, 1], true)),
        ("three attempts, a fault", 1, today(&[1, 2, 3], &[1], true)),
        ("another entry after a retry", 0, today(&[1, 2, 4], &[1, FAILURE], true)),
        ("three attempts, a bad outcome", 0, today(&[1, 2, 3], &[BAD, FAILURE], true)),
        ("two executions, two outcomes", 0, today(&[1, 2, 5], &[1, 2], true)),
        ("two executions, a failure", 0, today(&[1, 4, 5], &[FAILURE, 1], true)),
        (
            "two executions and everybody's outcome",
            0,
            vec![
                register(0, 1, TODAY),
                register(0, 4, TODAY),
                for_any(5),
                complete(0, 1, TODAY),
                redeliver(0, TODAY),
            ],
        ),
        (
            "overdue and late",
            0,
            vec![
                register(0, 1, TODAY),
                register(0, 4, TODAY),
                register(0, 5, after_the_deadline()),
                complete(0, 1, after_the_deadline()),
                redeliver(0, after_the_deadline()),
            ],
        ),
    ]
}

/// Explores all states, or up to the first that breaks one of the laws, and says which.
fn explore((_, faults, calls): &Scenario, broken: Broken, laws: &[Law]) -> Exploration {
    let system = System {
        calls: calls.clone(),
        broken,
        faults: *faults,
        laws: laws.to_vec(),
        seen: Arc::default(),
        finishes: Mutex::default(),
    };
    let seen = system.seen.clone();
    let checker = system.checker().threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let told = |path: stateright::Path<State, Action>| {
        let steps = path.into_vec().into_iter().filter_map(|(state, action)| Some(state.tell(&action?)));
        steps.collect::<Vec<_>>().join(", ")
    };
    let broken = checker.discoveries().into_iter().map(|(law, path)| format!("{law}: {}", told(path)));
    Exploration {
        states: checker.unique_state_count(),
        broken: broken.collect(),
        parts: seen.lock().unwrap().clone(),
    }
}

struct Exploration {
    states: usize,
    broken: Vec<String>,
    parts: BTreeSet<Part>,
}

fn assert_hold(scenarios: &[Scenario]) {
    for scenario in scenarios {
        let explored = explore(scenario, Broken::Nothing, &Law::ALL);

        println!("{}: {} calls, {} states", scenario.0, scenario.2.len(), explored.states);
        assert_eq!(explored.broken, [""; 0], "{}", scenario.0);
    }
}

/// The first scenario in which a broken protocol breaks a law, and how.
fn breaks(scenarios: &[Scenario], broken: Broken, laws: &[Law]) -> Option<String> {
    scenarios.iter().find_map(|scenario| {
        let found = explore(scenario, broken, laws).broken.into_iter().next();
        found.map(|found| format!("{}: {found}", scenario.0))
    })
}

#[test]
fn the_laws_hold_for_every_small_scenario() {
    assert_hold(&small_scenarios());
}

#[test]
fn the_laws_hold_for_larger_scenarios() {
    assert_hold(&larger_scenarios());
}

/// Conditions that repeat what the call has just read, and that nothing misses in these scenarios: the assumptions rule
/// out the change between view and write that they guard against. They stay for whoever breaks an assumption.
const GUARDS: &[(Write, usize, usize)] = &[
    (Write::RegisterOnLate, 0, 2),
    (Write::RegisterOnUnused, 0, 0),
    (Write::RegisterOnUnused, 0, 2),
    (Write::RegisterOnUnused, 0, 3),
    (Write::RegisterOnUnused, 1, 0),
    (Write::RegisterOnUnused, 1, 2),
    (Write::RegisterOnUnused, 1, 3),
    (Write::RegisterAside, 0, 0),
    (Write::RegisterAside, 0, 1),
    (Write::RegisterAside, 2, 0),
    (Write::RegisterAside, 2, 1),
    (Write::RegisterUnsettled, 0, 0),
    (Write::RegisterUnsettled, 0, 1),
    (Write::RecordRefused, 0, 0),
];

/// Conditions that are missed when three attempts overlap, which takes more calls than the small scenarios have.
const NEEDED_BY_THREE_ATTEMPTS: &[(Write, usize, usize)] =
    &[(Write::RegisterAside, 0, 2), (Write::RegisterAside, 1, 0), (Write::RegisterAside, 1, 2)];

fn is_among(conditions: &[(Write, usize, usize)], part: &Part) -> bool {
    conditions.contains(&(part.write, part.alternative, part.predicate))
}

/// The conditions that nothing misses in any of the scenarios.
fn not_missed(scenarios: &[Scenario], of: impl Fn(&Part) -> bool) -> Vec<String> {
    let explored =
        small_scenarios().into_iter().map(|scenario| explore(&scenario, Broken::Nothing, &Law::ALL));
    let parts: BTreeSet<Part> = explored.flat_map(|explored| explored.parts).collect();
    assert_eq!(parts.len(), 54, "every predicate of the protocol's fourteen writes");
    let not_missed = parts.iter().filter(|part| {
        let found = of(part).then(|| breaks(scenarios, Broken::Without(**part), &Law::ALL));
        let Some(found) = found else { return false };
        println!("without {part}: {}", found.as_deref().unwrap_or("NOTHING BREAKS"));
        found.is_none()
    });
    not_missed.map(Part::to_string).collect()
}

#[test]
fn every_condition_of_the_protocol_is_needed() {
    assert_eq!(
        not_missed(&faultless_first(), |part| {
            !is_among(GUARDS, part) && !is_among(NEEDED_BY_THREE_ATTEMPTS, part)
        }),
        [""; 0]
    );
}

#[test]
#[ignore = "a minute: cargo test --workspace --test model -- --ignored"]
fn what_three_attempts_need_is_needed() {
    let overlapping: Vec<Scenario> = large_scenarios()
        .into_iter()
        .filter(|(name, ..)| {
            ["three attempts, a failure and a success", "another entry after a retry"].contains(name)
        })
        .collect();

    let not_missed = not_missed(&overlapping, |part| is_among(NEEDED_BY_THREE_ATTEMPTS, part));

    assert_eq!(not_missed, [""; 0]);
}

#[test]
#[ignore = "some minutes: cargo test --workspace --test model -- --ignored"]
fn the_laws_hold_for_large_scenarios() {
    assert_hold(&large_scenarios());
}

/// A law that no broken protocol breaks would say nothing.
#[test]
fn every_law_is_broken_by_a_broken_protocol() {
    let without = |write, alternative, predicate| Broken::Without(Part { write, alternative, predicate });
    let broken_by = [
        (Law::NothingIsLost, without(Write::RegisterAnew, 0, 0)),
        (Law::FirstOutcomeOnly, without(Write::Complete, 1, 1)),
        (Law::OwnKeyOnly, Broken::MixesUpKeys),
        (Law::NewerWaitWins, without(Write::Register, 2, 0)),
        (Law::TakenOnce, Broken::RetriesSuccess),
        (Law::NoUnusedSuccessAside, Broken::AsideInsteadOfUnused),
        (Law::NotDisplacedInSilence, without(Write::Register, 2, 2)),
        (Law::RecordIsTrue, without(Write::RecordLate, 0, 2)),
        (Law::RecordStays, without(Write::RecordUnconfirmed, 0, 2)),
        (Law::AnswerIsTrue, Broken::Tells { instead_of: "conflict", completion: "duplicate" }),
        (Law::ExpiredIsAbsent, without(Write::Register, 1, 0)),
        (Law::WellFormed, Broken::Forgets { write: Write::RecordDelivered, change: "RemovePending" }),
    ];
    assert_eq!(broken_by.map(|(law, _)| law), Law::ALL);

    for (law, broken) in broken_by {
        let found = breaks(&small_scenarios(), broken, &[law]);
        println!("{law:?}, {broken:?}: {}", found.as_deref().unwrap_or("NOTHING BREAKS"));
        assert!(found.is_some(), "{law:?} {broken:?}");
    }
}

/// Each answer, told instead of each other one. Some are true as well, in the words of the laws: a task that took the
/// outcome makes both `delivered` and `duplicate` true.
#[test]
fn every_wrong_answer_is_seen() {
    let completions = ["delivered", "parked", "duplicate", "conflict", "late", "unconfirmed", "refused"];
    let registrations = ["waiting", "displaced", "undelivered", "superseded", "occupied"];
    let deliveries = ["delivered", "unconfirmed", "refused"];
    let pairs = |words: &'static [&'static str]| {
        words.iter().flat_map(|of| words.iter().map(move |told| (*of, *told))).filter(|(of, told)| of != told)
    };
    let lies = pairs(completions.to_vec().leak())
        .map(|(instead_of, completion)| Broken::Tells { instead_of, completion })
        .chain(
            pairs(registrations.to_vec().leak())
                .map(|(instead_of, registration)| Broken::TellsTask { instead_of, registration }),
        )
        .chain(
            pairs(deliveries.to_vec().leak())
                .map(|(instead_of, delivery)| Broken::TellsReconciler { instead_of, delivery }),
        );
    let scenarios = faultless_first();

    let mut not_seen = vec![];
    let mut seen = 0;
    for lie in lies {
        match breaks(&scenarios, lie, &[Law::AnswerIsTrue]) {
            Some(_) => seen += 1,
            None => not_seen.push(lie),
        }
    }

    println!("{seen} wrong answers seen, not seen: {not_seen:?}");
    assert_eq!(not_seen, []);
}
