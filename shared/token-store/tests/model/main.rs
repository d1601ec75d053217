//! Every interleaving of the protocol's steps, checked by a model checker.
//!
//! The first tests show that the invariants hold, and print how many states that took. The others break the
//! protocol, one condition at a time, and show that the checker sees it: a condition that nobody would miss would
//! not be needed, and a checker that misses nothing would prove nothing.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod gather;
mod properties;
mod system;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use stateright::{Checker, HasDiscoveries, Model};
use system::{Caller, Part, Store, System, TODAY, complete, much_later, redeliver, register};

/// Two waits of one key and two outcomes, each of them twice, and the reconciler.
fn everything() -> Vec<Caller> {
    let mut calls = two_waits();
    calls.extend([
        register(0, 1, TODAY),
        register(0, 2, TODAY),
        complete(0, 1, TODAY),
        complete(0, 2, TODAY),
    ]);
    calls
}

fn two_waits() -> Vec<Caller> {
    vec![
        register(0, 1, TODAY),
        register(0, 2, TODAY),
        complete(0, 1, TODAY),
        complete(0, 2, TODAY),
        redeliver(0, TODAY),
    ]
}

fn duplicates() -> Vec<Caller> {
    let twice = [register(0, 1, TODAY), complete(0, 1, TODAY)];
    let mut calls = vec![register(0, 2, TODAY), redeliver(0, TODAY)];
    calls.extend(twice.iter().chain(&twice).cloned());
    calls
}

fn three_waits() -> Vec<Caller> {
    let waits = [1, 2, 3].map(|task| register(0, task, TODAY));
    [&waits[..], &[complete(0, 1, TODAY), redeliver(0, TODAY)]].concat()
}

fn three_waits_and_two_outcomes() -> Vec<Caller> {
    let waits = [1, 2, 3].map(|task| register(0, task, TODAY));
    [&waits[..], &[complete(0, 1, TODAY), complete(0, 2, TODAY)]].concat()
}

/// What is left of today's calls has expired when the later ones come.
fn expiry() -> Vec<Caller> {
    let later = much_later();
    vec![
        register(0, 1, TODAY),
        complete(0, 1, TODAY),
        register(0, 2, later),
        register(0, 3, later),
        complete(0, 1, later),
        complete(0, 2, later),
    ]
}

fn two_keys() -> Vec<Caller> {
    vec![register(0, 1, TODAY), complete(0, 1, TODAY), register(1, 2, TODAY), complete(1, 2, TODAY)]
}

/// Small enough to be explored once for each condition.
fn small_scenarios() -> [Vec<Caller>; 6] {
    [two_keys(), two_waits(), three_waits(), three_waits_and_two_outcomes(), expiry(), duplicates()]
}

/// Explores all states, or up to the first that breaks a law, and says which.
fn explore(calls: Vec<Caller>, store: Store) -> Exploration {
    let system = System { calls, store, seen: Arc::default(), finishes: Mutex::default() };
    let seen = system.seen.clone();
    let checker = system.checker().threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let broken =
        checker.discoveries().into_iter().map(|(law, path)| format!("{law}: {:?}", path.into_actions()));
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

fn assert_holds(name: &str, calls: Vec<Caller>) {
    let calls_made = calls.len();
    let explored = explore(calls, Store::Faithful);

    println!("{name}: {calls_made} calls, {} states", explored.states);
    assert_eq!(explored.broken, [""; 0], "{name}");
}

#[test]
fn the_laws_hold_for_duplicate_waits_and_one_outcome() {
    let waits = [1, 2].map(|task| register(0, task, TODAY));
    let outcomes = [complete(0, 1, TODAY), complete(0, 1, TODAY), redeliver(0, TODAY)];

    assert_holds("duplicate waits, one outcome twice", [&waits[..], &waits[..], &outcomes[..]].concat());
}

#[test]
fn the_laws_hold_for_duplicate_waits_and_two_outcomes() {
    let waits = [1, 2].map(|task| register(0, task, TODAY));
    let outcomes = [complete(0, 1, TODAY), complete(0, 2, TODAY), redeliver(0, TODAY)];

    assert_holds("duplicate waits, two outcomes", [&waits[..], &waits[..], &outcomes[..]].concat());
}

#[test]
fn the_laws_hold_for_duplicate_outcomes() {
    let mut calls = duplicates();
    calls.push(complete(0, 2, TODAY));

    assert_holds("a wait and an outcome twice, another of each", calls);
}

#[test]
fn the_laws_hold_for_three_waits_for_expiry_and_for_two_keys() {
    assert_holds("three waits", three_waits());
    assert_holds("three waits and two outcomes", three_waits_and_two_outcomes());
    assert_holds("expiry", expiry());
    assert_holds("two keys", two_keys());
}

#[test]
#[ignore = "five minutes: cargo test -p token-store --test model -- --ignored"]
fn the_laws_hold_for_everything_at_once() {
    assert_holds("two waits and two outcomes, all twice", everything());
}

#[test]
fn every_condition_of_the_protocol_is_needed() {
    let parts: BTreeSet<Part> =
        small_scenarios().into_iter().flat_map(|calls| explore(calls, Store::Faithful).parts).collect();

    let not_missed: Vec<&Part> = parts
        .iter()
        .filter(|part| {
            let found = small_scenarios()
                .into_iter()
                .find_map(|calls| explore(calls, Store::Without(**part)).broken.into_iter().next());
            println!("without {part}: {}", found.as_deref().unwrap_or("NOTHING BREAKS"));
            found.is_none()
        })
        .collect();

    assert!(not_missed.is_empty(), "{not_missed:?}");
    assert_eq!(parts.len(), 23, "every predicate of the protocol's ten writes");
}

#[test]
fn a_store_that_mixes_up_keys_is_seen() {
    let explored = explore(two_keys(), Store::MixesUpKeys);

    assert!(explored.broken[0].starts_with("a token receives only what was recorded under its own key"));
}
