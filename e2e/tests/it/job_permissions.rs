//! Every permission of the job's part of the template is needed: without it, the workflow does not end as it should.

use anyhow::Result;
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::{StackDescription, execution::Execution, flow::RunBehaviour};

use crate::{
    dead_letters,
    depot::{Depot, order},
    permissions::Policies,
};

const RESOURCES: [&str; 5] = [
    "JobMainStateMachine",
    "CallJobStateMachine",
    "TaskTokenRegistrarFunction",
    "JobCallbackFunction",
    "FlowBucket",
];

/// How a run goes and how the workflow then ends: with the event, with the record, or with an error.
struct Scenario {
    behaviour: RunBehaviour,
    file: &'static str,
    ends: fn(&Execution) -> bool,
}

fn scenarios() -> [Scenario; 6] {
    const GOOD: &str = r#"{"hello":"world"}"#;
    const BAD: &str = "{";
    let early = || RunBehaviour {
        hold_seconds: Some(0.0),
        answer_after_seconds: Some(1.5),
        ..RunBehaviour::default()
    };
    [
        Scenario { behaviour: RunBehaviour::default(), file: GOOD, ends: |e| succeeded(e, false) },
        Scenario { behaviour: early(), file: GOOD, ends: |e| succeeded(e, false) },
        Scenario { behaviour: RunBehaviour::default(), file: BAD, ends: |e| failed(e, "Execution Failed") },
        Scenario { behaviour: early(), file: BAD, ends: |e| failed(e, "Execution Failed") },
        Scenario {
            behaviour: RunBehaviour {
                refuse: Some("ServiceQuotaExceededException"),
                ..RunBehaviour::default()
            },
            file: GOOD,
            ends: |e| failed(e, "The job was not started"),
        },
        Scenario {
            behaviour: RunBehaviour { events: Some(0), ..RunBehaviour::default() },
            file: GOOD,
            ends: |e| succeeded(e, true),
        },
    ]
}

fn succeeded(execution: &Execution, by_record: bool) -> bool {
    let moved = execution.output["job"]["record"]["ExecutionResult"]["RecordsProcessed"] == 1
        || execution.output["job"]["num-of-records-processed"] == "1";
    let has_record = execution.output["job"].get("record").is_some();
    execution.status == ExecutionStatus::Succeeded && moved && has_record == by_record
}

fn failed(execution: &Execution, cause: &str) -> bool {
    execution.cause.as_deref().is_some_and(|told| told.contains(cause))
}

/// Whether the job workflow does all that it should.
async fn job_works(depot: &Depot) -> Result<bool> {
    for Scenario { behaviour, file, ends } in scenarios() {
        depot.put("example.json", file).await?;
        depot.stack.let_runs_go_as_usual().await?;
        depot.stack.let_next_run(&behaviour).await?;
        if !ends(&depot.run(&order(0)).await?) {
            return Ok(false);
        }
    }
    dead_letters::are_kept(&depot.stack, "JobCallbackFunctionName", "JobCallbackDeadLetterQueueUrl").await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_permissions_the_job_does_not_work() -> Result<()> {
    let shared = StackDescription::of_this_test_run()?;
    let template = shared.built_template()?;
    let stack = shared
        .deploy_copy("job-permissions", &template, &["JobTimeoutSeconds=6", "ReconcileAfterSeconds=60"])
        .await?;
    let depot = Depot::of(stack).await;
    let policies = Policies::of(&depot.stack).await;
    policies.assert_each_is_needed(&RESOURCES, 15, async || job_works(&depot).await).await
}
