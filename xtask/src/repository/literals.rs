//! A definition works in every account, region and partition.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::Violation;
use super::asl::Machine;

static ACCOUNT_ID: LazyLock<Regex> = LazyLock::new(|| pattern("[:/]([0-9]{12})(?:[:/\"]|$)"));
static REGION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b([a-z]{2,4}(?:-[a-z]+)?-(?:central|(?:north|south)(?:east|west)?|east|west)-[0-9])\b")
});
static PARTITION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\barn:(aws[a-z-]*):"));

/// No definition names an account, a region or a partition.
pub(super) fn check(machines: &[Machine]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for machine in machines {
        for (line, content) in (1..).zip(machine.text.lines()) {
            let mut report = |pattern: &Regex, kind: &str, remedy: &str| {
                violations.extend(pattern.captures_iter(content).map(|found| {
                    let message = format!("names the {kind} `{}`: {remedy}", &found[1]);
                    Violation::new(format!("{}:{line}", machine.file), message)
                }));
            };
            report(&ACCOUNT_ID, "account", "substitute the ARN or URL");
            report(&REGION, "region", "substitute the ARN or URL");
            report(&PARTITION, "partition", "write `arn:${Partition}:`");
        }
    }
    violations
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is constant and covered by a test")
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;

    const BAKE: &str = "statemachines/bake-pizza.asl.json";
    const PARTY: &str = "statemachines/party.asl.json";

    #[test]
    fn an_account_id_is_a_violation() {
        let broken = sample()
            .replace(
                BAKE,
                "${OrderQueueUrl}",
                "https://sqs.${Region}.amazonaws.com/123456789012/${OrderQueueUrl}",
            )
            .replace(
                "template.yaml",
                "        OrderQueueUrl:",
                "        Region: !Ref AWS::Region
        OrderQueueUrl:",
            );

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:10: \
                 names the account `123456789012`: substitute the ARN or URL"]
        );
    }

    #[test]
    fn an_account_id_in_an_arn_is_a_violation() {
        let broken = sample().replace(
            PARTY,
            "${BakePizzaStateMachineArn}",
            "arn:${Partition}:states:::123456789012:${BakePizzaStateMachineArn}",
        );

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json:15: names the account `123456789012`: substitute the ARN or URL"]
        );
    }

    #[test]
    fn a_region_is_a_violation() {
        let broken = sample().replace(PARTY, "every guest", "every guest in ap-southeast-2");

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json:2: names the region `ap-southeast-2`: substitute the ARN or URL"]
        );
    }

    #[test]
    fn a_region_of_another_partition_is_a_violation() {
        let broken = sample().replace(PARTY, "every guest", "every guest in us-gov-west-1");

        assert_eq!(
            broken.violations(),
            ["statemachines/party.asl.json:2: names the region `us-gov-west-1`: substitute the ARN or URL"]
        );
    }

    #[test]
    fn a_partition_is_a_violation() {
        let broken = sample().replace(
            BAKE,
            "arn:${Partition}:states:::lambda:invoke",
            "arn:aws:states:::lambda:invoke",
        );

        assert_eq!(
            broken.violations(),
            ["statemachines/bake-pizza.asl.json:19: names the partition `aws`: write `arn:${Partition}:`"]
        );
    }
}
