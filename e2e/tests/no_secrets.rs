//! Runs last, over everything that the functions of a test run have written and answered: no task token and no signing
//! key is in it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use anyhow::{Context, Result};
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::StackDescription;
use serde_json::Value;

/// What every task token begins with, and how many characters of Base64, of either alphabet, it has at least.
const TOKEN_START: &str = "AQC";
const TOKEN_LENGTH: usize = 200;

/// A text that was captured, and where.
struct Captured {
    place: String,
    text: String,
}

/// The logs of all functions and all they have answered: results, errors, HTTP answers.
fn written_by_functions(stack: &StackDescription) -> Result<Vec<Captured>> {
    let files = fs::read_dir(&stack.function_logs)?.map(|entry| Ok(entry?.path()));
    files
        .map(|path: Result<PathBuf>| {
            let path = path?;
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            Ok(Captured { place: path.display().to_string(), text })
        })
        .collect()
}

/// What failed executions say of their failure.
async fn failures(sfn: &aws_sdk_sfn::Client) -> Result<Vec<Captured>> {
    let mut failures = Vec::new();
    for machine in sfn.list_state_machines().send().await?.state_machines {
        let machine = machine.state_machine_arn;
        let executions = sfn.list_executions().state_machine_arn(machine);
        let mut failed = executions.status_filter(ExecutionStatus::Failed).into_paginator().items().send();
        while let Some(execution) = failed.next().await {
            let execution = sfn.describe_execution().execution_arn(execution?.execution_arn).send().await?;
            let text = format!("{:?} {:?}", execution.error, execution.cause);
            failures.push(Captured { place: execution.execution_arn, text });
        }
    }
    Ok(failures)
}

/// Every task token that a stack of the account holds, and those that tests have made up.
async fn task_tokens(dynamodb: &aws_sdk_dynamodb::Client) -> Result<BTreeSet<String>> {
    let mut tokens = BTreeSet::new();
    let mut tables = dynamodb.list_tables().into_paginator().items().send();
    while let Some(table) = tables.next().await {
        let table = table?;
        if !table.contains("TaskTokensTable") {
            continue;
        }
        let mut items = dynamodb.scan().table_name(table).into_paginator().items().send();
        while let Some(item) = items.next().await {
            tokens.extend(item?.get("task_token").and_then(|token| token.as_s().ok()).cloned());
        }
    }
    Ok(tokens)
}

/// Every signing key, of every stack.
async fn signing_keys(secrets: &aws_sdk_secretsmanager::Client) -> Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    // All on one page: of 100 secrets, and a stack has one.
    let listed = secrets.list_secrets().max_results(100).send().await?;
    for secret in listed.secret_list.unwrap_or_default() {
        let arn = secret.arn.context("a secret has an ARN")?;
        let secret = secrets.get_secret_value().secret_id(arn).send().await?.secret_string;
        let secret: Value = serde_json::from_str(&secret.context("a secret has a text")?)?;
        let named = [secret["current"].as_str(), secret["previous"].as_str()];
        keys.extend(named.into_iter().flatten().filter(|key| !key.is_empty()).map(str::to_owned));
    }
    Ok(keys)
}

/// Whether the text has anything that looks like a task token.
fn has_task_token(text: &str) -> bool {
    text.match_indices(TOKEN_START).any(|(at, _)| {
        let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
        text.as_bytes()[at..].iter().take_while(|byte| base64(byte)).count() >= TOKEN_LENGTH
    })
}

#[tokio::test]
async fn no_log_no_answer_and_no_error_holds_a_task_token_or_a_signing_key() -> Result<()> {
    let stack = StackDescription::of_this_test_run()?;
    let config = stack.sdk_config().await;
    let tokens = task_tokens(&aws_sdk_dynamodb::Client::new(&config)).await?;
    let keys = signing_keys(&aws_sdk_secretsmanager::Client::new(&config)).await?;
    let mut captured = written_by_functions(&stack)?;
    captured.extend(failures(&aws_sdk_sfn::Client::new(&config)).await?);

    // Without these the test would find nothing because it does not know what to look for.
    assert!(!tokens.is_empty() && !keys.is_empty(), "the run has made no task token or no key");
    assert!(tokens.iter().all(|token| has_task_token(token)), "some task token does not look like one");
    for kind in ["log", "answers"] {
        let webhook = format!("{}.{kind}", stack.output("ValuationCallbackFunctionName")?);
        assert!(captured.iter().any(|captured| captured.place.ends_with(&webhook)), "no {webhook}");
    }

    let leaks: BTreeSet<_> = captured
        .iter()
        .filter(|Captured { text, .. }| {
            has_task_token(text) || keys.iter().any(|key| text.contains(key.as_str()))
        })
        .map(|captured| &captured.place)
        .collect();
    assert!(leaks.is_empty(), "secrets are in {leaks:#?}");
    println!("{} texts hold none of {} task tokens and {} keys", captured.len(), tokens.len(), keys.len());
    Ok(())
}
