//! Every function can be deployed, tried and found.

use super::Violation;
use super::asl::not_json;
use super::files::{Files, below, folders};
use super::template::Template;

/// Every function has sample events and a row in the README; every sample event is JSON and belongs to a function.
pub(super) fn check_events(files: &Files) -> Vec<Violation> {
    let mut violations = Vec::new();
    let functions = folders(files, "functions");
    for function in &functions {
        let mut samples = below(files, "events").filter_map(|(path, _)| path.strip_prefix(function)?.strip_prefix('/'));
        if !samples.any(|sample| !sample.contains('/') && sample.ends_with(".json")) {
            let message = format!("has no sample event: add one as events/{function}/<case>.json");
            violations.push(Violation::new(format!("functions/{function}"), message));
        }
        if !has_row(files, function) {
            let message = format!("has no table row for `{function}`: add one with its trigger and its errors");
            violations.push(Violation::new("README.md", message));
        }
    }
    for folder in folders(files, "events").difference(&functions) {
        let message = format!("belongs to no function: remove it, or name it after a folder of functions/");
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
    let built = |name: &str| template.functions.iter().any(|function| function.package.as_deref() == Some(name));

    let unbuilt = folders.iter().filter(|name| !built(name)).map(|name| {
        let message = "no AWS::Serverless::Function of template.yaml builds it: add one, or remove the folder";
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
