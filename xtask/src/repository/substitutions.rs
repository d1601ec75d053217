//! Definitions and the template's machines fit together.

use std::collections::BTreeMap;

use super::Violation;
use super::asl::{Machine, placeholders};
use super::files::Files;
use super::template::{StateMachine, Template};

/// Every definition belongs to one machine of the template, which substitutes exactly what the definition
/// uses.
pub(super) fn check(files: &Files, machines: &[Machine], template: &Template) -> Vec<Violation> {
    let mut violations: Vec<_> =
        template.machines.iter().filter_map(|machine| check_uri(files, machine)).collect();
    for machine in machines {
        let users: Vec<_> = template
            .machines
            .iter()
            .filter(|user| user.definition_uri.as_deref() == Some(machine.file.as_str()))
            .collect();
        match users.as_slice() {
            [user] => violations.extend(check_placeholders(machine, user)),
            [] => violations.push(Violation::new(
                &machine.file,
                "is the DefinitionUri of no AWS::Serverless::StateMachine in template.yaml: add one, or remove \
                 the file",
            )),
            [first, .., last] => violations.push(Violation::new(
                &machine.file,
                format!(
                    "is the DefinitionUri of both {} and {}: give each machine its own file",
                    first.logical_id, last.logical_id
                ),
            )),
        }
    }
    violations
}

fn check_uri(files: &Files, machine: &StateMachine) -> Option<Violation> {
    let message = match &machine.definition_uri {
        None => format!("{} has no DefinitionUri: keep its definition in statemachines/", machine.logical_id),
        Some(uri) if !is_checked(files, uri) => format!(
            "{} has the DefinitionUri `{uri}`: name a file `statemachines/<workflow>.asl.json` that exists",
            machine.logical_id
        ),
        Some(_) => return None,
    };
    Some(Violation::new(&machine.place, message))
}

/// Whether the checks see the file: it exists in the folder that they read.
fn is_checked(files: &Files, uri: &str) -> bool {
    uri.starts_with("statemachines/") && uri.ends_with(".json") && files.contains_key(uri)
}

fn check_placeholders(machine: &Machine, user: &StateMachine) -> Vec<Violation> {
    let mut first_lines = BTreeMap::new();
    for (line, name) in placeholders(machine.text) {
        first_lines.entry(name).or_insert(line);
    }

    let unsubstituted = first_lines.iter().filter(|(name, _)| !user.substitutions.contains_key(**name)).map(
        |(name, line)| {
            let message = format!(
                "`${{{name}}}` is not substituted: list it in the DefinitionSubstitutions of {}",
                user.logical_id
            );
            Violation::new(format!("{}:{line}", machine.file), message)
        },
    );
    let unused = user.substitutions.iter().filter(|(name, _)| !first_lines.contains_key(name.as_str())).map(
        |(name, substitution)| {
            let message = format!("`{name}` is not used in {}: remove the substitution", machine.file);
            Violation::new(&substitution.place, message)
        },
    );
    unsubstituted.chain(unused).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;

    const BAKE: &str = "statemachines/bake-pizza.asl.json";

    #[test]
    fn a_placeholder_that_is_not_substituted_is_a_violation() {
        let broken =
            sample().replace(BAKE, r#""TimeoutSeconds": 60"#, r#""TimeoutSeconds": "{% ${Timeout} %}""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:13: \
                 `${Timeout}` is not substituted: list it in the DefinitionSubstitutions of \
                 BakePizzaStateMachine"]
        );
    }

    #[test]
    fn a_substitution_that_is_not_used_is_a_violation() {
        let broken = sample().replace(BAKE, "${OrderQueueUrl}", "{% $queue %}");

        assert_eq!(
            broken.violations(),
            ["template.yaml:12: \
                 `OrderQueueUrl` is not used in statemachines/bake-pizza.asl.json: remove the substitution"]
        );
    }

    #[test]
    fn a_definition_that_no_machine_uses_is_a_violation() {
        let broken = sample().replace(
            "template.yaml",
            "  PartyStateMachine:
    Type: AWS::Serverless::StateMachine",
            "  PartyStateMachine:
    Type: AWS::StepFunctions::StateMachine",
        );

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json: \
                 is the DefinitionUri of no AWS::Serverless::StateMachine in template.yaml: add one, or \
                 remove the file"]
        );
    }

    #[test]
    fn a_definition_that_two_machines_use_is_a_violation() {
        let broken = sample().replace(
            "template.yaml",
            "
  PizzaBakerFunction:",
            "
  SecondPartyStateMachine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: statemachines/party.asl.json

  PizzaBakerFunction:",
        );

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json: \
                 is the DefinitionUri of both PartyStateMachine and SecondPartyStateMachine: give each \
                 machine its own file"]
        );
    }

    #[test]
    fn a_definition_uri_without_a_file_is_a_violation() {
        let broken = sample().replace(
            "template.yaml",
            "./statemachines/party.asl.json",
            "statemachines/parties.asl.json",
        );

        assert_eq!(
            broken.violations(),
            [
                "statemachines/party.asl.json: \
                 is the DefinitionUri of no AWS::Serverless::StateMachine in template.yaml: add one, or \
                 remove the file",
                "template.yaml:15: \
                 PartyStateMachine has the DefinitionUri `statemachines/parties.asl.json`: name a file \
                 `statemachines/<workflow>.asl.json` that exists",
            ]
        );
    }

    #[test]
    fn a_machine_without_a_definition_uri_is_a_violation() {
        let broken = sample().replace(
            "template.yaml",
            "      DefinitionUri: ./statemachines/party.asl.json
",
            "",
        );

        assert_eq!(
            broken.violations(),
            [
                "statemachines/party.asl.json: \
                 is the DefinitionUri of no AWS::Serverless::StateMachine in template.yaml: add one, or \
                 remove the file",
                "template.yaml:15: \
                 PartyStateMachine has no DefinitionUri: keep its definition in statemachines/",
            ]
        );
    }
}
