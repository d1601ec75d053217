//! Every command that the README shows is known here: run by a test, or with the reason why not.

use std::collections::BTreeSet;

use regex_lite::Regex;

const README: &str = include_str!("../../../README.md");

/// Who runs a command.
#[derive(Clone, Copy, PartialEq, Debug)]
enum By {
    /// `local_stack_by_hand`, in this test.
    LocalStack,
    /// `build`, in this test.
    Build,
    /// `cargo xtask test` itself.
    TestRun,
    /// Nobody here: it needs an AWS account.
    NeedsAws,
    /// Nobody here: it needs Docker.
    NeedsDocker,
    /// Nobody here: it needs GitHub.
    NeedsGitHub,
    /// Nobody here: it takes many minutes.
    TakesLong,
    /// Only a part of a command, named in a sentence.
    Named,
}

/// What a command of the README begins with, and who runs it. The first that fits counts.
const KNOWN: [(&str, By); 33] = [
    ("cargo xtask demo", By::LocalStack),
    ("cargo xtask up", By::LocalStack),
    ("cargo lambda watch --invoke-address", By::LocalStack),
    ("cargo lambda invoke --invoke-address", By::LocalStack),
    ("echo '{\"hello\":\"world\"}' | aws s3 cp", By::LocalStack),
    ("aws s3 cp README.md", By::LocalStack),
    ("aws dynamodb put-item", By::LocalStack),
    ("aws dynamodb query", By::LocalStack),
    ("aws stepfunctions start-execution", By::LocalStack),
    ("aws stepfunctions get-execution-history", By::LocalStack),
    ("aws stepfunctions send-task-success --task-output", By::LocalStack),
    ("export PATH=", By::LocalStack),
    ("sam build && sam deploy", By::NeedsAws),
    ("sam build && sam local invoke", By::NeedsDocker),
    ("sam build", By::Build),
    ("sam validate --lint", By::TestRun),
    ("sam deploy", By::NeedsAws),
    ("sam delete", By::NeedsAws),
    ("cargo xtask test", By::TestRun),
    ("cargo xtask check", By::TestRun),
    ("cargo xtask bench", By::TakesLong),
    ("cargo xtask mutants", By::TakesLong),
    ("cargo test --release", By::TakesLong),
    ("cargo deny check advisories", By::NeedsGitHub),
    ("aws sns subscribe", By::NeedsAws),
    ("aws s3 rm", By::NeedsAws),
    ("aws lambda invoke", By::Named),
    ("aws sqs start-message-move-task", By::Named),
    ("aws stepfunctions redrive-execution", By::Named),
    ("aws stepfunctions send-task-success", By::Named),
    ("aws stepfunctions stop-execution", By::Named),
    ("cargo lambda watch", By::Named),
    ("cargo lambda invoke", By::Named),
];

/// The README's blocks of commands, whole.
pub(crate) fn blocks() -> Vec<&'static str> {
    let fence = Regex::new("(?s)```sh\n(.*?)```").expect("a valid pattern");
    fence.captures_iter(README).map(|block| block.get(1).expect("the block").as_str()).collect()
}

/// The commands of a block, with their continuation lines.
pub(crate) fn commands(block: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in block.lines() {
        let quotes_open = commands.last().is_some_and(|command| command.matches('\'').count() % 2 == 1);
        match commands.last_mut() {
            Some(command) if quotes_open || command.ends_with('\\') => {
                command.push('\n');
                command.push_str(line);
            }
            _ => commands.push(line.to_owned()),
        }
    }
    commands
}

/// Commands in sentences and tables.
fn spans() -> Vec<String> {
    let text = Regex::new("(?s)```.*?```").expect("a valid pattern").replace_all(README, "");
    let span = Regex::new("`((?:cargo|aws|sam) [^`]+)`").expect("a valid pattern");
    span.captures_iter(&text).map(|found| found[1].replace('\n', " ")).collect()
}

fn who_runs(command: &str) -> Option<By> {
    KNOWN.iter().find(|(beginning, _)| command.starts_with(beginning)).map(|(_, by)| *by)
}

#[test]
fn every_command_is_run_by_a_test_or_says_why_not() {
    let shown: BTreeSet<_> = blocks()
        .into_iter()
        .flat_map(commands)
        .chain(spans())
        .filter(|command| !command.is_empty())
        .collect();
    let unknown: Vec<_> = shown.iter().filter(|command| who_runs(command).is_none()).collect();
    assert!(unknown.is_empty(), "nobody runs {unknown:#?}");

    for (beginning, by) in KNOWN {
        assert!(
            shown.iter().any(|command| command.starts_with(beginning)),
            "README.md has no command `{beginning}` ({by:?}) any more"
        );
    }
    for command in &shown {
        println!("{:<12} {}", format!("{:?}", who_runs(command).expect("known")), command.replace('\n', " "));
    }
}

#[test]
fn a_block_is_cut_into_commands() {
    let block = "aws one \\\n  --two\naws three '{\n  \"a\": 1}'\necho\n";

    assert_eq!(commands(block), ["aws one \\\n  --two", "aws three '{\n  \"a\": 1}'", "echo"]);
}
