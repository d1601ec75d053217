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
