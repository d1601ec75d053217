//! The state machines, as the checks see them.

use serde_json::{Map, Value};

use super::Violation;
use super::files::{Files, below};

/// A definition file in `statemachines/`.
pub(super) struct Machine<'a> {
    /// The file's path, as `DefinitionUri` gives it.
    pub(super) file: String,
    pub(super) text: &'a str,
    pub(super) definition: Value,
}

/// A set of states with a start: the machine itself, a branch of a `Parallel`, the processor of a `Map`.
pub(super) struct Scope<'a> {
    pub(super) place: String,
    pub(super) definition: &'a Value,
    pub(super) states: Vec<State<'a>>,
}

/// A state of a machine, at whatever depth.
pub(super) struct State<'a> {
    pub(super) place: String,
    pub(super) name: &'a str,
    pub(super) body: &'a Value,
    /// The bodies of the `Parallel` and `Map` states around it; their `Retry` and `Catch` see its failure
    /// too.
    pub(super) enclosing: Vec<&'a Value>,
}

impl Machine<'_> {
    /// The scopes of the machine, outer ones first.
    pub(super) fn scopes(&self) -> Vec<Scope<'_>> {
        let mut scopes = Vec::new();
        collect_scopes(format!("{}:", self.file), &self.definition, &[], &mut scopes);
        scopes
    }

    /// Every state of the machine.
    pub(super) fn states(&self) -> Vec<State<'_>> {
        self.scopes().into_iter().flat_map(|scope| scope.states).collect()
    }
}

/// The definitions `statemachines/*.asl.json`, and a violation for each that cannot be parsed.
pub(super) fn machines(files: &Files) -> (Vec<Machine<'_>>, Vec<Violation>) {
    let (mut machines, mut violations) = (Vec::new(), Vec::new());
    for (name, text) in below(files, "statemachines").filter(|(name, _)| name.ends_with(".json")) {
        let file = format!("statemachines/{name}");
        match serde_json::from_str(text) {
            Ok(definition) => machines.push(Machine { file, text, definition }),
            Err(error) => violations.push(not_json(&file, &error)),
        }
    }
    (machines, violations)
}

/// What to say of a file that should be JSON.
pub(super) fn not_json(file: &str, error: &serde_json::Error) -> Violation {
    Violation::new(format!("{file}:{}", error.line()), format!("is not valid JSON: {error}"))
}

/// The sets of states inside a state, with their JSON pointers from the state.
pub(super) fn inner_scopes(body: &Value) -> Vec<(String, &Value)> {
    let branches =
        elements(body, "Branches").enumerate().map(|(i, branch)| (format!("/Branches/{i}"), branch));
    let processors = ["ItemProcessor", "Iterator"]
        .into_iter()
        .filter_map(|key| body.get(key).map(|processor| (format!("/{key}"), processor)));
    branches.chain(processors).collect()
}

/// The states of a scope, by name.
pub(super) fn states_in(definition: &Value) -> impl Iterator<Item = (&String, &Value)> {
    definition.get("States").and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// The elements of the array at `key`; none if there is no array.
pub(super) fn elements<'a>(body: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    body.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The string at `key`.
pub(super) fn string<'a>(body: &'a Value, key: &str) -> Option<&'a str> {
    body.get(key).and_then(Value::as_str)
}

/// Whether the state hands out a task token and waits for it to come back.
pub(super) fn waits_for_token(body: &Value) -> bool {
    string(body, "Resource").is_some_and(|resource| resource.ends_with(".waitForTaskToken"))
}

/// Whether the integration type cannot be seen, because all of the `Resource` is substituted.
pub(super) fn hides_integration(body: &Value) -> bool {
    string(body, "Resource").is_some_and(|resource| !resource.starts_with("arn:"))
}

/// Every string in `value`, with the key that it stands under.
pub(super) fn strings(value: &Value) -> Vec<(&str, &str)> {
    fn collect<'a>(key: &'a str, value: &'a Value, strings: &mut Vec<(&'a str, &'a str)>) {
        match value {
            Value::String(text) => strings.push((key, text)),
            Value::Array(items) => items.iter().for_each(|item| collect(key, item, strings)),
            Value::Object(members) => members.iter().for_each(|(key, member)| collect(key, member, strings)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    let mut found = Vec::new();
    collect("", value, &mut found);
    found
}

/// The names of the placeholders `${Name}` in a text, each with the line of the text that it stands on.
pub(super) fn placeholders(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).flat_map(|(line, content)| {
        content.split("${").skip(1).filter_map(move |rest| Some((line, rest.split_once('}')?.0)))
    })
}

fn collect_scopes<'a>(
    place: String,
    definition: &'a Value,
    enclosing: &[&'a Value],
    scopes: &mut Vec<Scope<'a>>,
) {
    let states: Vec<State<'a>> = states_in(definition)
        .map(|(name, body)| State {
            place: format!("{place}/States/{name}"),
            name,
            body,
            enclosing: enclosing.to_vec(),
        })
        .collect();
    let inner: Vec<_> = states
        .iter()
        .flat_map(|state| {
            let enclosing = [enclosing, &[state.body]].concat();
            inner_scopes(state.body)
                .into_iter()
                .map(move |(pointer, scope)| (format!("{}{pointer}", state.place), scope, enclosing.clone()))
        })
        .collect();

    scopes.push(Scope { place, definition, states });
    for (place, definition, enclosing) in inner {
        collect_scopes(place, definition, &enclosing, scopes);
    }
}
