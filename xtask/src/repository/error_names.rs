//! The errors that code gives and the errors that state machines handle are the same.
//!
//! Only our own names are compared. `States.Timeout` and `Lambda.ServiceException`, known by their dot, are
//! AWS's.
//!
//! Where a name can arise decides, for a `Catch` at the wrong state is as dead as a misspelt one:
//!
//! - a state that invokes a function fails with the function's `NamedError` names;
//! - a state that waits for a task token fails with the names that functions (`src/failure.rs`) and machines
//!   send by `SendTaskFailure`; what a machine sends as an expression is not known;
//! - a `Parallel` or `Map` fails with what fails inside, `Fail` states included.
//!
//! A `Fail` state of another machine does not count: a parent that runs it by `.sync` sees
//! `States.TaskFailed`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Violation;
use super::asl::{
    Machine, State, elements, hides_integration, inner_scopes, placeholders, states_in, string,
    waits_for_token,
};
use super::code::{Name, Names};
use super::template::Template;

/// Every error name that a state handles can arise there, and every error name is handled where it arises.
///
/// What a machine invokes can be told only if the template deploys it and its integrations are visible; other
/// checks see to that.
pub(super) fn check(
    machines: &[Machine],
    template: &Template,
    code: &BTreeMap<String, Names>,
) -> Vec<Violation> {
    let workflows: Vec<_> =
        machines.iter().filter_map(|machine| Workflow::new(machine, template, code)).collect();
    let sent = failures_sent(machines, code);
    let callbacks: BTreeSet<_> = sent.iter().map(|failure| failure.name.as_str()).collect();

    let mut violations = check_sent(machines, &sent);
    for workflow in &workflows {
        let states = workflow.machine.states().into_iter();
        for state in states.filter(|state| !hides_integration(state.body)) {
            violations.extend(check_handlers(&state, arising(workflow, state.body, &callbacks)));
            violations.extend(check_invocation(&state, &workflow.invocation(state.body)));
        }
    }
    violations
}

/// A machine and the functions behind its substitutions.
struct Workflow<'a> {
    machine: &'a Machine<'a>,
    functions: BTreeMap<&'a str, Function<'a>>,
}

#[derive(Clone, Copy)]
struct Function<'a> {
    package: &'a str,
    errors: &'a [Name],
}

/// What a state invokes.
enum Invocation<'a> {
    Nothing,
    Function(Function<'a>),
    Unknown,
}

impl<'a> Workflow<'a> {
    fn new(
        machine: &'a Machine<'a>,
        template: &'a Template,
        code: &'a BTreeMap<String, Names>,
    ) -> Option<Self> {
        let resource = template
            .machines
            .iter()
            .find(|resource| resource.definition_uri.as_ref() == Some(&machine.file))?;
        let function = |logical_id: &str| {
            let function = template.functions.iter().find(|function| function.logical_id == logical_id)?;
            let (package, names) = code.get_key_value(function.package.as_ref()?)?;
            Some(Function { package, errors: &names.errors })
        };
        let functions = resource
            .substitutions
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), function(value.refers_to.as_ref()?)?)))
            .collect();
        Some(Self { machine, functions })
    }

    fn invocation(&self, body: &Value) -> Invocation<'a> {
        if !string(body, "Resource").is_some_and(|resource| resource.contains(":states:::lambda:invoke")) {
            return Invocation::Nothing;
        }
        ["Arguments", "Parameters"]
            .into_iter()
            .find_map(|field| string(body.get(field)?, "FunctionName"))
            .and_then(|name| placeholders(name).next())
            .and_then(|(_, key)| self.functions.get(key))
            .map_or(Invocation::Unknown, |function| Invocation::Function(*function))
    }
}

/// The names that `SendTaskFailure` is called with, by functions and by machines.
fn failures_sent(machines: &[Machine], code: &BTreeMap<String, Names>) -> Vec<Name> {
    let by_functions = code.values().flat_map(|names| &names.failures).cloned();
    let by_machines = machines.iter().flat_map(Machine::states).filter_map(|state| {
        let name = error_sent(state.body)?;
        Some(Name { name: name.to_owned(), place: state.place })
    });
    by_functions.chain(by_machines).collect()
}

/// The names that a state can fail with; `None` when it invokes a function that cannot be told.
fn arising<'a>(
    workflow: &Workflow<'a>,
    body: &'a Value,
    callbacks: &BTreeSet<&'a str>,
) -> Option<BTreeSet<&'a str>> {
    let errors = match workflow.invocation(body) {
        Invocation::Nothing => &[],
        Invocation::Function(function) => function.errors,
        Invocation::Unknown => return None,
    };
    let mut names: BTreeSet<_> = errors.iter().map(|error| error.name.as_str()).collect();
    if waits_for_token(body) {
        names.extend(callbacks);
    }
    for (_, inner) in inner_scopes(body).iter().flat_map(|(_, scope)| states_in(scope)) {
        names.extend(arising(workflow, inner, callbacks)?);
        if string(inner, "Type") == Some("Fail") {
            names.extend(string(inner, "Error"));
        }
    }
    Some(names)
}

fn check_handlers(state: &State, arising: Option<BTreeSet<&str>>) -> Vec<Violation> {
    let Some(arising) = arising else { return Vec::new() };
    handled(state.body)
        .difference(&arising)
        .filter(|name| !name.contains('.'))
        .map(|name| {
            let message =
                format!("handles `{name}`, which cannot arise here: give an error that name, or remove it");
            Violation::new(&state.place, message)
        })
        .collect()
}

fn check_invocation(state: &State, invocation: &Invocation) -> Vec<Violation> {
    match invocation {
        Invocation::Nothing => Vec::new(),
        Invocation::Unknown => vec![Violation::new(
            &state.place,
            "invokes a function that template.yaml does not define: let FunctionName be a substitution that \
             refers to one",
        )],
        Invocation::Function(Function { package, errors }) => {
            let handled: BTreeSet<_> =
                state.enclosing.iter().chain([&state.body]).flat_map(|body| accounted_for(body)).collect();
            errors
                .iter()
                .filter(|error| !handled.contains(error.name.as_str()))
                .map(|Name { name, place }| {
                    let message = format!(
                        "invokes {package} but does not handle its `{name}` ({place}): name it in a Retry or a \
                         Catch"
                    );
                    Violation::new(&state.place, message)
                })
                .collect()
        }
    }
}

fn check_sent(machines: &[Machine], sent: &[Name]) -> Vec<Violation> {
    let states: Vec<_> = machines.iter().flat_map(Machine::states).collect();
    let handled: BTreeSet<_> = states.iter().flat_map(|state| accounted_for(state.body)).collect();
    sent.iter()
        .filter(|failure| !handled.contains(failure.name.as_str()))
        .map(|Name { name, place }| {
            let message = format!("sends `{name}`, which no machine handles: name it in a Retry or a Catch");
            Violation::new(place, message)
        })
        .collect()
}

/// The names in `ErrorEquals` of the state's `Retry` and `Catch`.
fn handled(body: &Value) -> BTreeSet<&str> {
    ["Retry", "Catch"]
        .into_iter()
        .flat_map(|key| elements(body, key))
        .flat_map(|handler| elements(handler, "ErrorEquals"))
        .filter_map(Value::as_str)
        .collect()
}

/// The names that a state handles, and those that it leaves uncaught on purpose: the ones that its `Comment` has in
/// backticks. An uncaught error fails the state itself, and a redrive then begins there.
fn accounted_for(body: &Value) -> BTreeSet<&str> {
    let comment = string(body, "Comment").unwrap_or_default();
    handled(body).into_iter().chain(comment.split('`').skip(1).step_by(2)).collect()
}

/// The name that a state sends by `SendTaskFailure`, unless it is an expression.
fn error_sent(body: &Value) -> Option<&str> {
    string(body, "Resource").filter(|resource| resource.ends_with(":aws-sdk:sfn:sendTaskFailure"))?;
    string(body.get("Arguments")?, "Error").filter(|error| !error.starts_with("{%"))
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;

    const BAKE: &str = "statemachines/bake-pizza.asl.json";
    const PARTY: &str = "statemachines/party.asl.json";

    #[test]
    fn a_caught_name_that_the_function_does_not_give_is_a_violation() {
        let broken =
            sample().replace(BAKE, r#""StatusUnreadable""#, r#""StatusUnreadable", "StatusMissing""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ask For Status: \
                 handles `StatusMissing`, which cannot arise here: give an error that name, or remove it"]
        );
    }

    #[test]
    fn a_retried_name_that_the_function_does_not_give_is_a_violation() {
        let broken =
            sample().replace(BAKE, r#""StatusUnavailable""#, r#""StatusUnavailable", "StatusMissing""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ask For Status: \
                 handles `StatusMissing`, which cannot arise here: give an error that name, or remove it"]
        );
    }

    #[test]
    fn a_name_of_a_function_that_the_state_does_not_invoke_is_a_violation() {
        let broken =
            sample().replace(BAKE, r#""StatusUnreadable""#, r#""StatusUnreadable", "QueueUnavailable""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ask For Status: \
                 handles `QueueUnavailable`, which cannot arise here: give an error that name, or remove it"]
        );
    }

    #[test]
    fn a_callback_failure_that_nobody_sends_is_a_violation() {
        let broken = sample().replace(BAKE, r#""OrderFailed""#, r#""OrderFailed", "OrderLost""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Order: \
                 handles `OrderLost`, which cannot arise here: give an error that name, or remove it"]
        );
    }

    #[test]
    fn a_fail_state_of_the_same_machine_does_not_make_a_name_arise() {
        let broken = sample().replace(BAKE, r#""OrderFailed""#, r#""OrderFailed", "PizzaFailed""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Order: \
                 handles `PizzaFailed`, which cannot arise here: give an error that name, or remove it"]
        );
    }

    #[test]
    fn a_name_that_fails_nothing_inside_a_map_is_a_violation() {
        let broken = sample().replace(
            PARTY,
            "\"GuestLeft\" }
",
            "\"GuestGone\" }
",
        );

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json:/States/Feed All: \
                 handles `GuestLeft`, which cannot arise here: give an error that name, or remove it"]
        );
    }

    #[test]
    fn an_error_that_the_invoking_state_does_not_name_is_a_violation() {
        let broken = sample().replace(
            "functions/pizza-status/src/main.rs",
            "Self::Unreadable(_) =>",
            "Self::Missing(_) => \"StatusMissing\",
            Self::Unreadable(_) =>",
        );

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ask For Status: \
                 invokes pizza-status but does not handle its `StatusMissing` \
                 (functions/pizza-status/src/main.rs:5): name it in a Retry or a Catch"]
        );
    }

    #[test]
    fn catching_everything_does_not_count_as_naming() {
        let broken = sample().replace(BAKE, r#""StatusUnreadable""#, r#""States.ALL""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ask For Status: \
                 invokes pizza-status but does not handle its `StatusUnreadable` \
                 (functions/pizza-status/src/main.rs:5): name it in a Retry or a Catch"]
        );
    }

    #[test]
    fn an_error_that_the_comment_leaves_uncaught_is_accounted_for() {
        let uncaught = sample().replace(BAKE, r#""OrderFailed", "#, "");
        let said = uncaught.replace(
            PARTY,
            r#""Type": "Map","#,
            r#""Type": "Map", "Comment": "Leaves `OrderFailed` uncaught, for redrive.","#,
        );

        assert_eq!(said.violations(), Vec::<String>::new());
    }

    #[test]
    fn a_failure_that_no_machine_names_is_a_violation() {
        let broken = sample().replace(BAKE, r#""OrderFailed", "#, "");

        assert_eq!(
            broken.violations(),
            ["functions/pizza-baker/src/failure.rs:1: \
                 sends `OrderFailed`, which no machine handles: name it in a Retry or a Catch"]
        );
    }

    #[test]
    fn a_failure_sent_by_a_machine_that_no_machine_names_is_a_violation() {
        let broken = sample().replace(PARTY, r#""NoPizza""#, r#""States.TaskFailed""#);

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Report Failure: \
                 sends `NoPizza`, which no machine handles: name it in a Retry or a Catch"]
        );
    }

    #[test]
    fn a_function_name_that_refers_to_no_function_is_a_violation() {
        let broken =
            sample().replace("template.yaml", "!GetAtt PizzaStatusFunction.Arn", "!GetAtt PizzaFunction.Arn");

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ask For Status: \
                 invokes a function that template.yaml does not define: let FunctionName be a substitution \
                 that refers to one"]
        );
    }

    #[test]
    fn an_error_is_handled_by_the_states_around_it_too() {
        let inside_a_parallel = r#"{
            "Comment": "Asks.", "QueryLanguage": "JSONata", "StartAt": "Both",
            "States": {
                "Both": {
                    "Type": "Parallel",
                    "Branches": [{
                        "StartAt": "Ask",
                        "States": {
                            "Ask": {
                                "Type": "Task",
                                "Resource": "arn:${Partition}:states:::lambda:invoke",
                                "Arguments": { "FunctionName": "${PizzaStatusFunctionArn}" },
                                "Retry": [{ "ErrorEquals": ["StatusUnavailable"] }],
                                "End": true
                            }
                        }
                    }],
                    "Catch": [{ "ErrorEquals": ["StatusUnreadable"], "Next": "Failed" }],
                    "End": true
                },
                "Failed": { "Type": "Fail" }
            }
        }"#;

        let whole = sample().add("statemachines/ask.asl.json", inside_a_parallel).replace(
            "template.yaml",
            "\n  PizzaBakerFunction:",
            "
  AskStateMachine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: statemachines/ask.asl.json
      DefinitionSubstitutions:
        Partition: !Ref AWS::Partition
        PizzaStatusFunctionArn: !GetAtt PizzaStatusFunction.Arn

  PizzaBakerFunction:",
        );

        assert_eq!(whole.violations(), Vec::<String>::new());
    }
}
