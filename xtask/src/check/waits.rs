//! Every wait ends, and somebody can answer it.

use serde_json::Value;

use super::Violation;
use super::asl::{Machine, string, strings, waits_for_token};

/// Every state that waits for a task token has a timeout and hands its token out.
///
/// The integration type must be visible for that: a whole `Resource` that is substituted could hide a wait.
pub(super) fn check(machines: &[Machine]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for state in machines.iter().flat_map(Machine::states) {
        let mut report = |message| violations.push(Violation::new(&state.place, message));

        if string(state.body, "Resource").is_some_and(|resource| !resource.starts_with("arn:")) {
            report("hides what its Resource is: write the ARN out from `arn:${Partition}:` to the integration type");
        }
        if !waits_for_token(state.body) {
            continue;
        }
        if ["TimeoutSeconds", "TimeoutSecondsPath"].iter().all(|key| state.body.get(key).is_none()) {
            report("waits without an end if no callback comes: add TimeoutSeconds");
        }
        if !hands_out_token(state.body) {
            report(
                "waits, but nobody receives its task token: put `{% $states.context.Task.Token %}` into its Arguments",
            );
        }
    }
    violations
}

/// Only an expression counts: without `{% %}`, or in JSONPath without `.$` at the key, the text is sent as it stands.
fn hands_out_token(body: &Value) -> bool {
    let evaluated = |field| strings(body.get(field).unwrap_or(&Value::Null)).into_iter();
    evaluated("Arguments")
        .any(|(_, text)| text.starts_with("{%") && text.contains("$states.context.Task.Token"))
        || evaluated("Parameters").any(|(key, text)| key.ends_with(".$") && text.contains("$$.Task.Token"))
}
