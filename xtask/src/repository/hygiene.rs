//! A definition says what it is, and every way through it leads somewhere.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Violation;
use super::asl::{Machine, Scope, elements, string};

/// Every definition has a kebab-case name, a `Comment`, JSONata, transitions to states that exist, and no
/// state that nothing reaches.
pub(super) fn check(machines: &[Machine]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for machine in machines {
        let mut report = |message: &str| violations.push(Violation::new(&machine.file, message));

        if !is_kebab_case(&machine.file) {
            report("is not named `<workflow>.asl.json` in kebab-case: rename it");
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

#[cfg(test)]
mod tests {
    use super::super::sample::sample;

    const BAKE: &str = "statemachines/bake-pizza.asl.json";
    const PARTY: &str = "statemachines/party.asl.json";

    #[test]
    fn a_file_name_in_another_case_is_a_violation() {
        let broken = sample().rename(PARTY, "statemachines/Party_Time.asl.json").replace(
            "template.yaml",
            "./statemachines/party.asl.json",
            "statemachines/Party_Time.asl.json",
        );

        assert_eq!(
            broken.violations(),
            ["statemachines/Party_Time.asl.json: \
                 is not named `<workflow>.asl.json` in kebab-case: rename it"]
        );
    }

    #[test]
    fn a_machine_without_a_comment_is_a_violation() {
        let broken = sample().replace(PARTY, r#""Comment": "Orders a pizza for every guest.","#, "");

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json: does not say what the machine is for: add a Comment"]
        );
    }

    #[test]
    fn a_machine_in_json_path_is_a_violation() {
        let broken = sample().replace(PARTY, r#""JSONata""#, r#""JSONPath""#);

        assert_eq!(
            broken.violations(),
            [r#"statemachines/party.asl.json: is not in JSONata: add `"QueryLanguage": "JSONata"`"#]
        );
    }

    #[test]
    fn a_machine_that_is_not_json_is_a_violation() {
        let broken = sample().replace(PARTY, r#""StartAt": "Feed All","#, r#""StartAt": "Feed All""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json:5: is not valid JSON: expected `,` or `}` at line 5 column 3"]
        );
    }

    #[test]
    fn a_start_that_does_not_exist_is_a_violation() {
        let broken = sample().replace(PARTY, r#""StartAt": "Feed Guest""#, r#""StartAt": "Feed Guests""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json:/States/Feed All/ItemProcessor: \
                 starts nowhere: let StartAt name one of its states"]
        );
    }

    #[test]
    fn a_next_that_does_not_exist_is_a_violation() {
        let broken = sample()
            .replace(BAKE, r#""Next": "Ready?""#, r#""End": true, "Next": "Ready""#)
            .replace(BAKE, r#""Next": "Ask For Status""#, r#""Next": "Ready?""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ask For Status: \
                 goes to `Ready`, which does not exist beside it: name a state that does"]
        );
    }

    #[test]
    fn a_default_that_does_not_exist_is_a_violation() {
        let broken = sample().replace(BAKE, r#""Default": "Ask For Status""#, r#""Default": "Ask""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ready?: \
                 goes to `Ask`, which does not exist beside it: name a state that does"]
        );
    }

    #[test]
    fn a_choice_that_does_not_exist_is_a_violation() {
        let broken = sample().replace(BAKE, r#"%}", "Next": "Served""#, r#"%}", "Next": "Eaten""#);

        assert_eq!(
            broken.violations(),
            [
                "statemachines/bake-pizza.asl.json:/States/Ready?: \
                 goes to `Eaten`, which does not exist beside it: name a state that does",
                "statemachines/bake-pizza.asl.json:/States/Served: \
                 is never reached from StartAt: lead a transition to it, or remove it",
            ]
        );
    }

    #[test]
    fn a_catch_that_does_not_exist_is_a_violation() {
        let broken = sample().replace(PARTY, r#""Next": "Party Over""#, r#""Next": "Feed Guest""#);

        assert_eq!(
            broken.violations(),
            [
                "statemachines/party.asl.json:/States/Feed All: \
                 goes to `Feed Guest`, which does not exist beside it: name a state that does",
                "statemachines/party.asl.json:/States/Party Over: \
                 is never reached from StartAt: lead a transition to it, or remove it",
            ]
        );
    }

    #[test]
    fn a_state_that_only_reaches_itself_is_a_violation() {
        let broken = sample().replace(
            BAKE,
            r#"    "Served""#,
            "    \"Lost\": { \"Type\": \"Pass\", \"Next\": \"Lost\" },
    \"Served\"",
        );

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Lost: \
                 is never reached from StartAt: lead a transition to it, or remove it"]
        );
    }
}
