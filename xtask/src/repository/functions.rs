//! Every function can be deployed, tried and found.

use super::Violation;
use super::asl::not_json;
use super::files::{Files, below, folders};
use super::template::Template;

/// Every function has sample events and a row in the README; every sample event is JSON and belongs to a
/// function.
pub(super) fn check_events(files: &Files) -> Vec<Violation> {
    let mut violations = Vec::new();
    let functions = folders(files, "functions");
    for function in &functions {
        let mut samples =
            below(files, "events").filter_map(|(path, _)| path.strip_prefix(function)?.strip_prefix('/'));
        if !samples.any(|sample| !sample.contains('/') && sample.ends_with(".json")) {
            let message = format!("has no sample event: add one as events/{function}/<case>.json");
            violations.push(Violation::new(format!("functions/{function}"), message));
        }
        if !has_row(files, function) {
            let message =
                format!("has no table row for `{function}`: add one with its trigger and its errors");
            violations.push(Violation::new("README.md", message));
        }
    }
    for folder in folders(files, "events").difference(&functions) {
        let message = "belongs to no function: remove it, or name it after a folder of functions/";
        violations.push(Violation::new(format!("events/{folder}"), message));
    }
    for (path, text) in below(files, "events").filter(|(path, _)| path.ends_with(".json")) {
        if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
            violations.push(not_json(&format!("events/{path}"), &error));
        }
    }
    violations
}

/// Every function is built by a resource of the template, and every such resource has a function to build.
pub(super) fn check_resources(files: &Files, template: &Template) -> Vec<Violation> {
    let folders = folders(files, "functions");
    let built =
        |name: &str| template.functions.iter().any(|function| function.package.as_deref() == Some(name));

    let unbuilt = folders.iter().filter(|name| !built(name)).map(|name| {
        let message =
            "no AWS::Serverless::Function of template.yaml builds it: add one, or remove the folder";
        Violation::new(format!("functions/{name}"), message)
    });
    let sourceless = template.functions.iter().filter_map(|function| {
        let id = &function.logical_id;
        let message = match &function.package {
            None => format!("{id} does not say what it is built from: add Metadata.BuildProperties.Binary"),
            Some(name) if !folders.contains(name.as_str()) => {
                format!("{id} is built from functions/{name}, which does not exist: name a folder that does")
            }
            Some(_) => return None,
        };
        Some(Violation::new(&function.place, message))
    });
    unbuilt.chain(sourceless).collect()
}

/// Whether a table of the README names the function in backticks or as a link.
fn has_row(files: &Files, function: &str) -> bool {
    let readme = files.get("README.md").map_or("", String::as_str);
    readme.lines().any(|line| {
        line.trim_start().starts_with('|')
            && (line.contains(&format!("`{function}`")) || line.contains(&format!("[{function}]")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;

    #[test]
    fn a_function_without_a_resource_is_a_violation() {
        let broken = sample()
            .add("functions/oven/src/main.rs", "fn main() {}")
            .add("events/oven/hot.json", "{}")
            .replace(
                "README.md",
                "| `pizza-baker`",
                "| `oven` | the baker |
| `pizza-baker`",
            );

        assert_eq!(
            broken.violations(),
            ["functions/oven: \
                 no AWS::Serverless::Function of template.yaml builds it: add one, or remove the folder"]
        );
    }

    #[test]
    fn a_resource_without_a_function_is_a_violation() {
        let broken = sample().replace(
            "template.yaml",
            "
  OrderQueue:",
            "
  OvenFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/oven/

  OrderQueue:",
        );

        assert_eq!(
            broken.violations(),
            ["template.yaml:45: \
                 OvenFunction is built from functions/oven, which does not exist: name a folder that does"]
        );
    }

    #[test]
    fn a_resource_that_does_not_say_its_function_is_a_violation() {
        let broken = sample().replace(
            "template.yaml",
            "
  OrderQueue:",
            "
  OvenFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .

  OrderQueue:",
        );

        assert_eq!(
            broken.violations(),
            ["template.yaml:45: \
                 OvenFunction does not say what it is built from: add Metadata.BuildProperties.Binary"]
        );
    }

    #[test]
    fn a_function_without_events_is_a_violation() {
        let broken = sample().remove("events/pizza-baker/no-order.json");

        assert_eq!(
            broken.violations(),
            ["functions/pizza-baker: has no sample event: add one as events/pizza-baker/<case>.json"]
        );
    }

    #[test]
    fn an_event_that_is_not_json_is_a_violation() {
        let broken = sample().replace(
            "events/pizza-baker/no-order.json",
            r#"{ "Records": [] }"#,
            r#"{ "Records": [ }"#,
        );

        assert_eq!(
            broken.violations(),
            ["events/pizza-baker/no-order.json:1: is not valid JSON: expected value at line 1 column 16"]
        );
    }

    #[test]
    fn events_of_no_function_are_a_violation() {
        let broken = sample().add("events/pizza-bakery/order.json", "{}");

        assert_eq!(
            broken.violations(),
            ["events/pizza-bakery: \
                 belongs to no function: remove it, or name it after a folder of functions/"]
        );
    }

    #[test]
    fn a_function_that_the_readme_only_mentions_is_a_violation() {
        let broken = sample().replace("README.md", "| `pizza-baker`", "`pizza-baker`");

        assert_eq!(
            broken.violations(),
            ["README.md: has no table row for `pizza-baker`: add one with its trigger and its errors"]
        );
    }

    #[test]
    fn a_function_without_a_readme_row_is_a_violation() {
        let broken = sample().replace("README.md", "[pizza-status](functions/pizza-status)", "the status");

        assert_eq!(
            broken.violations(),
            ["README.md: has no table row for `pizza-status`: add one with its trigger and its errors"]
        );
    }
}
