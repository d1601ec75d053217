//! Runs executions of a state machine and reads what happened.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use aws_sdk_sfn::{
    Client,
    types::{ExecutionStatus, HistoryEvent},
};
use serde_json::Value;
use tokio::time::sleep;

/// An execution that has ended.
#[derive(Debug)]
pub struct Execution {
    /// Its ARN.
    pub arn: String,
    /// How it ended.
    pub status: ExecutionStatus,
    /// Its output; `null` when it failed.
    pub output: Value,
    /// The error, when it failed.
    pub error: Option<String>,
    /// The cause, when it failed.
    pub cause: Option<String>,
}

impl Execution {
    /// Starts `machine` with `input` and returns the ARN of the execution.
    ///
    /// # Errors
    ///
    /// When Step Functions refuses.
    pub async fn start(client: &Client, machine: &str, input: &Value) -> Result<String> {
        let started =
            client.start_execution().state_machine_arn(machine).input(input.to_string()).send().await;
        Ok(started.with_context(|| format!("cannot start {machine}"))?.execution_arn)
    }

    /// Waits until the execution ends, at most `deadline`.
    ///
    /// # Errors
    ///
    /// When it does not end in time.
    pub async fn end(client: &Client, arn: &str, deadline: Duration) -> Result<Self> {
        let give_up = Instant::now() + deadline;
        loop {
            let execution = client.describe_execution().execution_arn(arn).send().await?;
            if execution.status != ExecutionStatus::Running {
                let succeeded = execution.status == ExecutionStatus::Succeeded;
                let output = execution
                    .output
                    .filter(|_| succeeded)
                    .map_or(Ok(Value::Null), |json| serde_json::from_str(&json));
                return Ok(Self {
                    arn: arn.to_owned(),
                    status: execution.status,
                    output: output.context("the output is not JSON")?,
                    error: execution.error,
                    cause: execution.cause,
                });
            }
            if Instant::now() > give_up {
                bail!("{arn} still runs after {} s", deadline.as_secs());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Starts `machine` with `input` and waits until it ends, at most `deadline`.
    ///
    /// # Errors
    ///
    /// Those of [`Execution::start`] and [`Execution::end`].
    pub async fn run(client: &Client, machine: &str, input: &Value, deadline: Duration) -> Result<Self> {
        let arn = Self::start(client, machine, input).await?;
        Self::end(client, &arn, deadline).await
    }
}

/// All history events of an execution, in order.
///
/// # Errors
///
/// When Step Functions does not answer.
pub async fn history(client: &Client, arn: &str) -> Result<Vec<HistoryEvent>> {
    let mut pages = client.get_execution_history().execution_arn(arn).into_paginator().items().send();
    let mut events = Vec::new();
    while let Some(event) = pages.next().await {
        events.push(event?);
    }
    Ok(events)
}

/// The states that an execution entered, in order, and when.
///
/// # Errors
///
/// When Step Functions does not answer.
pub async fn states_entered(client: &Client, arn: &str) -> Result<Vec<(String, SystemTime)>> {
    let entered = history(client, arn).await?.into_iter().filter_map(|event| {
        let state = event.state_entered_event_details?;
        Some((state.name, SystemTime::try_from(event.timestamp).ok()?))
    });
    Ok(entered.collect())
}

/// The task token that an execution has handed out last, read from the parameters of its `TaskScheduled` events.
///
/// # Errors
///
/// When none is handed out before `deadline`.
pub async fn task_token(client: &Client, arn: &str, deadline: Duration) -> Result<String> {
    let give_up = Instant::now() + deadline;
    loop {
        let handed_out = history(client, arn).await?.into_iter().rev().find_map(|event| {
            let parameters = event.task_scheduled_event_details?.parameters;
            find_token(&serde_json::from_str(&parameters).ok()?)
        });
        if let Some(token) = handed_out {
            return Ok(token);
        }
        if Instant::now() > give_up {
            bail!("{arn} has not handed out a task token in {} s", deadline.as_secs());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn find_token(parameters: &Value) -> Option<String> {
    match parameters {
        Value::Object(fields) => match fields.get("taskToken").or(fields.get("TaskToken")) {
            Some(Value::String(token)) => Some(token.clone()),
            _ => fields.values().find_map(find_token),
        },
        Value::Array(values) => values.iter().find_map(find_token),
        _ => None,
    }
}
