//! A definition says what it is, and every way through it leads somewhere.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Violation;
use super::asl::{Machine, Scope, elements, string};

/// Every definition has a kebab-case name, a `Comment`, JSONata, transitions to states that exist, and no state that
/// nothing reaches.
pub(super) fn check(machines: &[Machine]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for machine in machines {
        let mut report = |message: &str| violations.push(Violation::new(&machine.file, message));

        if !is_kebab_case(&machine.file) {
            report("has another name than the rest: call it `<workflow>.asl.json`, in kebab-case");
        }
        if string(&machine.definition, "Comment").is_none_or(str::is_empty) {
            report("does not say what the machine is for: add a Comment");
        }
        if string(&machine.definition, "QueryLanguage") != Some("JSONata") {
            report("is not in JSONata: add `\"QueryLanguage\": \"JSONata\"`");
        }
        for scope in machine.scopes() {
            violations.extend(check_transitions(&scope));
        }
    }
    violations
}

fn check_transitions(scope: &Scope) -> Vec<Violation> {
    let exists = |name: &str| scope.states.iter().any(|state| state.name == name);
    let Some(start) = string(scope.definition, "StartAt").filter(|start| exists(start)) else {
        let message = "starts nowhere: let StartAt name one of its states";
        return vec![Violation::new(scope.place.trim_end_matches(':'), message)];
    };

    let mut violations = Vec::new();
    let mut reached = BTreeSet::from([start]);
    let mut to_follow = vec![start];
    while let Some(name) = to_follow.pop() {
        for state in scope.states.iter().filter(|state| state.name == name) {
            to_follow.extend(targets(state.body).into_iter().filter(|target| reached.insert(target)));
        }
    }
    for state in &scope.states {
        let mut report = |message: String| violations.push(Violation::new(&state.place, message));

        for target in targets(state.body).into_iter().filter(|target| !exists(target)) {
            report(format!("goes to `{target}`, which does not exist beside it: name a state that does"));
        }
        if !reached.contains(state.name) {
            report("is never reached from StartAt: lead a transition to it, or remove it".to_owned());
        }
    }
    violations
}

/// The states that can come after a state.
fn targets(body: &Value) -> BTreeSet<&str> {
    let own = ["Next", "Default"].into_iter().filter_map(|key| string(body, key));
    let chosen = ["Choices", "Catch"].into_iter().flat_map(|key| elements(body, key));
    own.chain(chosen.filter_map(|rule| string(rule, "Next"))).collect()
}

fn is_kebab_case(file: &str) -> bool {
    let stem = file.strip_prefix("statemachines/").and_then(|name| name.strip_suffix(".asl.json"));
    stem.is_some_and(|stem| {
        stem.split('-').all(|word| {
            !word.is_empty() && word.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit())
        })
    })
}
