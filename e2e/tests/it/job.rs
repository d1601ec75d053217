//! The job workflow: a run of a flow tells its end by an event, which may fail, come early, twice or never.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures_util::future::try_join_all;
use local_stack::{
    execution::Execution,
    flow::RunBehaviour,
    functions::{Action, Fault, When},
};
use serde_json::json;

use crate::{
    depot::{Depot, PATIENCE, assert_failed, assert_finished, order},
    eventually::DEADLINE,
};

/// What the last look and the end of an execution may take on top of the wait, on a busy machine.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_object_is_moved_and_the_workflow_goes_on_with_the_event_and_its_own_input() -> Result<()> {
    let depot = Depot::in_turn().await?;
    depot.put("example.json", r#"{"hello":"world"}"#).await?;
    // Long enough for the wait to be registered first, also on a busy machine.
    let slow = RunBehaviour { hold_seconds: Some(4.0), ..Default::default() };
    depot.stack.let_next_run(&slow).await?;

    let execution = depot.run(&order(0)).await?;

    let job = assert_finished(&execution, &order(0));
    assert_eq!(job["flow-name"], depot.stack.output("ExampleFlowName")?);
    assert_eq!(job["num-of-records-processed"], "1");
    let run = job["execution-id"].as_str().unwrap_or_default();
    assert_eq!(depot.moved(run).await?, [json!({ "hello": "world" })]);
    assert_eq!(depot.completions(run, 1).await?, ["Delivered"]);
    Ok(())
}

#[tokio::test]
async fn of_ten_workflows_at_once_each_is_resumed_by_its_own_run() -> Result<()> {
    let depot = Depot::shared().await?;
    let inputs: Vec<_> = (0..10).map(order).collect();

    let executions = try_join_all(inputs.iter().map(|input| depot.run(input))).await?;

    let mut runs = BTreeSet::new();
    for (execution, input) in executions.iter().zip(&inputs) {
        let job = assert_finished(execution, input);
        assert_eq!(job["execution-id"], depot.run_of(&execution.arn).await?);
        runs.insert(job["execution-id"].to_string());
    }
    assert_eq!(runs.len(), 10);
    Ok(())
}

#[tokio::test]
async fn a_failed_run_fails_the_workflow_with_the_reason() -> Result<()> {
    let depot = Depot::in_turn().await?;
    depot.put("not-json.json", "{").await?;

    let execution = depot.run(&order(0)).await;
    depot.remove("not-json.json").await?;

    assert_failed(&execution?, "JobFailed", ": The file input/not-json.json is not valid JSON");
    Ok(())
}

#[tokio::test]
async fn a_flow_that_does_not_start_fails_the_workflow_at_once() -> Result<()> {
    let depot = Depot::in_turn().await?;
    let refused = RunBehaviour { refuse: Some("ServiceQuotaExceededException"), ..Default::default() };
    depot.stack.let_next_run(&refused).await?;
    let started = Instant::now();

    let execution = depot.run(&order(0)).await?;

    assert_failed(&execution, "Appflow.ServiceQuotaExceededException", "The job was not started: ");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_wait_that_cannot_be_registered_fails_the_workflow_at_once_and_the_event_is_kept() -> Result<()> {
    let depot = Depot::in_turn().await?;
    depot.stack.arm(&fault(&depot, "TaskTokenRegistrarFunctionName", refused(), 1)?).await?;
    let started = Instant::now();

    let execution = depot.run(&order(0)).await?;

    let told = "but its end cannot be waited for: ";
    assert_failed(&execution, "RegistrationRefused", told);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    let cause = execution.cause.unwrap_or_default();
    let run = cause.trim_start_matches("The job runs as ").split(',').next().unwrap_or_default();
    assert_eq!(depot.completions(run, 1).await?, ["Parked"]);
    Ok(())
}

#[tokio::test]
async fn an_event_before_the_registration_is_delivered_by_the_registration() -> Result<()> {
    let depot = Depot::in_turn().await?;
    let early =
        RunBehaviour { hold_seconds: Some(0.0), answer_after_seconds: Some(2.0), ..Default::default() };
    depot.stack.let_next_run(&early).await?;

    let execution = depot.run(&order(0)).await?;

    let job = assert_finished(&execution, &order(0));
    let run = depot.run_of(&execution.arn).await?;
    assert_eq!(job["execution-id"], run);
    assert_eq!(depot.completions(&run, 1).await?, ["Parked"]);
    Ok(())
}

#[tokio::test]
async fn a_failure_before_the_registration_is_delivered_by_the_registration() -> Result<()> {
    let depot = Depot::in_turn().await?;
    depot.put("not-json.json", "{").await?;
    let early =
        RunBehaviour { hold_seconds: Some(0.0), answer_after_seconds: Some(2.0), ..Default::default() };
    depot.stack.let_next_run(&early).await?;

    let execution = depot.run(&order(0)).await;
    depot.remove("not-json.json").await?;

    assert_failed(&execution?, "JobFailed", ": The file input/not-json.json is not valid JSON");
    Ok(())
}

#[tokio::test]
async fn an_event_that_comes_twice_resumes_the_workflow_once() -> Result<()> {
    let depot = Depot::in_turn().await?;
    depot.stack.let_next_run(&RunBehaviour { events: Some(2), ..Default::default() }).await?;

    let execution = depot.run(&order(0)).await?;

    assert_finished(&execution, &order(0));
    let mut completions = depot.completions(&depot.run_of(&execution.arn).await?, 2).await?;
    completions.sort();
    assert_eq!(completions[0], "Delivered");
    // Of two at once, the second may find the first still delivering, and then cannot tell which of them did.
    assert!(["Duplicate", "Unconfirmed"].contains(&&*completions[1]), "{completions:?}");
    Ok(())
}

#[tokio::test]
async fn events_of_another_flow_and_of_runs_that_nobody_waits_for_break_nothing() -> Result<()> {
    let depot = Depot::in_turn().await?;
    let other = Depot::shared().await?;

    let foreign = other.run_for_nobody().await?;
    let unknown = depot.run_for_nobody().await?;
    let execution = depot.run(&order(0)).await?;

    assert_finished(&execution, &order(0));
    assert_eq!(other.completions(&foreign, 1).await?, ["Parked"]);
    assert_eq!(depot.completions(&unknown, 1).await?, ["Parked"]);
    assert!(depot.completions_so_far(&foreign)?.is_empty());
    Ok(())
}

#[tokio::test]
async fn without_an_event_the_last_look_finds_a_run_that_has_finished() -> Result<()> {
    let depot = Depot::in_turn().await?;
    depot.stack.let_next_run(&RunBehaviour { events: Some(0), ..Default::default() }).await?;

    let execution = depot.run(&order(0)).await?;

    let job = assert_finished(&execution, &order(0));
    assert_eq!(job["execution-id"], depot.run_of(&execution.arn).await?);
    assert_eq!(job["record"]["ExecutionStatus"], "Successful");
    Ok(())
}

#[tokio::test]
async fn without_an_event_the_last_look_finds_a_run_that_has_failed() -> Result<()> {
    let depot = Depot::in_turn().await?;
    depot.put("not-json.json", "{").await?;
    depot.stack.let_next_run(&RunBehaviour { events: Some(0), ..Default::default() }).await?;

    let execution = depot.run(&order(0)).await;
    depot.remove("not-json.json").await?;

    assert_failed(&execution?, "JobFailed", ": The file input/not-json.json is not valid JSON");
    Ok(())
}

#[tokio::test]
async fn a_run_that_still_goes_on_fails_the_workflow_in_time_and_its_event_is_late() -> Result<()> {
    let depot = Depot::in_turn().await?;
    let hold = (PATIENCE + Duration::from_secs(6)).as_secs_f64();
    depot.stack.let_next_run(&RunBehaviour { hold_seconds: Some(hold), ..Default::default() }).await?;
    let started = Instant::now();

    let execution = depot.run(&order(0)).await?;

    assert!(started.elapsed() < PATIENCE + GRACE, "{:?}", started.elapsed());
    let run = depot.run_of(&execution.arn).await?;
    assert_failed(&execution, "JobTimedOut", &format!("the status of its run {run} is InProgress"));
    assert_eq!(depot.completions(&run, 1).await?, ["Late"]);
    Ok(())
}

#[tokio::test]
async fn a_callback_that_is_killed_after_its_write_still_resumes_the_workflow() -> Result<()> {
    let depot = Depot::in_turn().await?;
    let killed = Fault {
        when: When::After,
        action: Action::Kill,
        ..fault(&depot, "JobCallbackFunctionName", refused(), 1)?
    };
    depot.stack.arm(&killed).await?;

    let execution = depot.start(&order(0)).await?;
    let execution = Execution::end(&depot.sfn, &execution, DEADLINE).await?;

    let job = assert_finished(&execution, &order(0));
    assert!(job.get("record").is_none(), "the callback came, not the last look");
    Ok(())
}

#[tokio::test]
async fn an_event_that_fails_three_times_is_in_the_dead_letter_queue() -> Result<()> {
    let depot = Depot::in_turn().await?;
    depot.stack.arm(&fault(&depot, "JobCallbackFunctionName", refused(), 3)?).await?;

    let execution = depot.run(&order(0)).await?;

    let job = assert_finished(&execution, &order(0));
    let dead = depot.dead_letter().await?;
    assert_eq!(dead["requestPayload"]["detail"]["execution-id"], job["execution-id"]);
    Ok(())
}

fn refused() -> Action {
    Action::Error { error: "AccessDeniedException" }
}

/// Strikes what the function writes to the table.
fn fault(depot: &Depot, function: &str, action: Action, times: u32) -> Result<Fault> {
    Ok(Fault {
        function: depot.stack.output(function)?.to_owned(),
        operation: "dynamodb:UpdateItem",
        when: When::Before,
        action,
        times,
    })
}
