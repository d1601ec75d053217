//! The expressions of one `UpdateItem`, as they are built.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// A condition and changes, with their names and values. Every attribute goes by a placeholder, so that no reserved
/// word of DynamoDB matters.
#[derive(Default)]
pub(super) struct Expressions {
    pub(super) condition: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
}

impl Expressions {
    /// The condition that all predicates of one of the alternatives hold; no changes yet.
    pub(super) fn on_any_of<P>(any_of: &[Vec<P>], condition: impl Fn(&mut Self, &P) -> String) -> Self {
        let mut expressions = Self::default();
        let alternatives: Vec<String> = any_of
            .iter()
            .map(|all_of| {
                let all_of: Vec<String> =
                    all_of.iter().map(|predicate| condition(&mut expressions, predicate)).collect();
                format!("({})", all_of.join(" AND "))
            })
            .collect();
        Self { condition: alternatives.join(" OR "), ..expressions }
    }

    /// The update expression of all changes.
    pub(super) fn update(&self) -> String {
        let clauses = [("SET", &self.set), ("REMOVE", &self.remove), ("ADD", &self.add)];
        let clauses = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        let clauses: Vec<String> =
            clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        clauses.join(" ")
    }

    pub(super) fn exists(&mut self, name: &str) -> String {
        format!("attribute_exists({})", self.name(name))
    }

    pub(super) fn not_exists(&mut self, name: &str) -> String {
        format!("attribute_not_exists({})", self.name(name))
    }

    /// Whether the map `name` has a value `member`.
    pub(super) fn exists_in(&mut self, name: &str, member: &str) -> String {
        format!("attribute_exists({}.{})", self.name(name), self.name(member))
    }

    pub(super) fn begins_with(&mut self, name: &str, label: &str, value: AttributeValue) -> String {
        self.value(label, value);
        format!("begins_with({}, {label})", self.name(name))
    }

    pub(super) fn compare(&mut self, name: &str, with: &str, label: &str, value: AttributeValue) -> String {
        self.value(label, value);
        format!("{} {with} {label}", self.name(name))
    }

    pub(super) fn set(&mut self, name: &str, value: AttributeValue) {
        let placeholder = self.name(name);
        self.set.push(format!("{placeholder} = :{name}"));
        self.value(&format!(":{name}"), value);
    }

    pub(super) fn set_if_none(&mut self, name: &str, value: AttributeValue) {
        let placeholder = self.name(name);
        self.set.push(format!("{placeholder} = if_not_exists({placeholder}, :{name})"));
        self.value(&format!(":{name}"), value);
    }

    pub(super) fn copy(&mut self, from: &str, to: &str) {
        let (from, to) = (self.name(from), self.name(to));
        self.set.push(format!("{to} = {from}"));
    }

    pub(super) fn remove(&mut self, names: &[&str]) {
        for name in names {
            let placeholder = self.name(name);
            self.remove.push(placeholder);
        }
    }

    pub(super) fn add(&mut self, name: &str, label: &str, value: AttributeValue) {
        let placeholder = self.name(name);
        self.add.push(format!("{placeholder} {label}"));
        self.value(label, value);
    }

    /// One label is one value: a second value under the same label would change the meaning of what came before.
    fn value(&mut self, label: &str, value: AttributeValue) {
        let before = self.values.insert(label.to_owned(), value);
        debug_assert!(
            before.is_none() || before.as_ref() == self.values.get(label),
            "{label} has two values"
        );
    }

    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }
}

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
