//! Every wait ends, and somebody can answer it.

use serde_json::Value;

use super::Violation;
use super::asl::{Machine, hides_integration, strings, waits_for_token};

/// Every state that waits for a task token has a timeout and hands its token out.
///
/// The integration type must be visible for that: a whole `Resource` that is substituted could hide a wait.
pub(super) fn check(machines: &[Machine]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for state in machines.iter().flat_map(Machine::states) {
        let mut report = |message| violations.push(Violation::new(&state.place, message));

        if hides_integration(state.body) {
            report("hides its integration type: write the Resource out, from `arn:${Partition}:` to its end");
        }
        if !waits_for_token(state.body) {
            continue;
        }
        if ["TimeoutSeconds", "TimeoutSecondsPath"].iter().all(|key| state.body.get(key).is_none()) {
            report("waits without an end if no callback comes: add TimeoutSeconds");
        }
        if !hands_out_token(state.body) {
            report(
                "waits, but nobody receives its task token: put `{% $states.context.Task.Token %}` into its \
                 Arguments",
            );
        }
    }
    violations
}

/// Only an expression counts: without `{% %}`, or in JSONPath without `.$` at the key, the text is sent as it
/// stands.
fn hands_out_token(body: &Value) -> bool {
    let evaluated = |field| strings(body.get(field).unwrap_or(&Value::Null)).into_iter();
    evaluated("Arguments")
        .any(|(_, text)| text.starts_with("{%") && text.contains("$states.context.Task.Token"))
        || evaluated("Parameters").any(|(key, text)| key.ends_with(".$") && text.contains("$$.Task.Token"))
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;

    const BAKE: &str = "statemachines/bake-pizza.asl.json";
    const PARTY: &str = "statemachines/party.asl.json";

    #[test]
    fn a_wait_without_a_timeout_is_a_violation() {
        let broken = sample().replace(BAKE, r#""TimeoutSeconds": 60,"#, "");

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Order: \
                 waits without an end if no callback comes: add TimeoutSeconds"]
        );
    }

    #[test]
    fn a_wait_inside_a_map_without_a_timeout_is_a_violation() {
        let broken = sample().replace(PARTY, r#""TimeoutSeconds": 300,"#, "");

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json:/States/Feed All/ItemProcessor/States/Feed Guest: \
                 waits without an end if no callback comes: add TimeoutSeconds",]
        );
    }

    #[test]
    fn a_wait_inside_a_parallel_without_a_timeout_is_a_violation() {
        let broken = sample()
            .replace(PARTY, r#""Type": "Map""#, r#""Type": "Parallel""#)
            .replace(PARTY, r#""ItemProcessor": {"#, r#""Branches": [{"#)
            .replace(PARTY, "\"GuestLeft\" }\n        }\n      }", "\"GuestLeft\" }\n        }\n      }]")
            .replace(PARTY, r#""TimeoutSeconds": 300,"#, "");

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json:/States/Feed All/Branches/0/States/Feed Guest: \
                 waits without an end if no callback comes: add TimeoutSeconds",]
        );
    }

    #[test]
    fn a_wait_that_keeps_its_token_is_a_violation() {
        let broken = sample().replace(BAKE, "$states.context.Task.Token", "$states.context.Execution.Id");

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Order: \
                 waits, but nobody receives its task token: put `{% $states.context.Task.Token %}` into its \
                 Arguments"]
        );
    }

    #[test]
    fn a_token_that_is_not_evaluated_is_not_handed_out() {
        let broken = sample().replace(BAKE, "{% $states.context.Task.Token %}", "$states.context.Task.Token");

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Order: \
                 waits, but nobody receives its task token: put `{% $states.context.Task.Token %}` into its \
                 Arguments"]
        );
    }

    #[test]
    fn a_resource_that_hides_its_integration_type_is_a_violation() {
        let broken =
            sample().replace(BAKE, "arn:${Partition}:states:::lambda:invoke", "${PizzaStatusFunctionArn}");

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:/States/Ask For Status: \
                 hides its integration type: write the Resource out, from `arn:${Partition}:` to its end"]
        );
    }

    #[test]
    fn a_wait_in_json_path_hands_out_its_token_by_parameters() {
        let evaluated = serde_json::json!({ "Parameters": { "Message": { "token.$": "$$.Task.Token" } } });
        let literal = serde_json::json!({ "Parameters": { "Message": { "token": "$$.Task.Token" } } });

        assert!(super::hands_out_token(&evaluated));
        assert!(!super::hands_out_token(&literal));
    }
}
