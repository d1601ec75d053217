//! Every permission of the reconciler is needed: without it, some workflow's open delivery is not finished.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use local_stack::{
    StackDescription,
    execution::{Execution, history, task_token},
    flow::RunBehaviour,
};
use serde_json::json;
use token_store::{
    CallbackKey, DynamoDbTokenStore, Outcome, Rendezvous, TaskToken, WaitingTask,
    callbacks::CallbackError,
    testing::{RecordingTaskCallbacks, waiting_task},
};
use tokio::time::sleep;

use crate::{
    cafe::{Cafe, new_id},
    eventually::DEADLINE,
    library::Library,
    office::Office,
    permissions::Policies,
};

const SUCCESS: &str = r#"{"by":"a test"}"#;
const ERROR: &str = "Told";

/// A wait whose outcome was recorded by somebody who died before delivering it.
struct OpenDelivery {
    execution: String,
}

impl OpenDelivery {
    async fn leave(office: &Office, kind: &str, execution: String, outcome: Outcome) -> Result<Self> {
        let store =
            DynamoDbTokenStore::new(office.dynamodb.clone(), office.stack.output("TaskTokensTableName")?);
        let dying = Rendezvous::new(store, RecordingTaskCallbacks::default());
        let key = CallbackKey::new(kind, execution.rsplit(':').next().context("an ARN has a name")?)?;
        let token = TaskToken::new(task_token(&office.sfn, &execution, DEADLINE).await?)?;
        let task = WaitingTask { execution: execution.clone(), ..waiting_task(token) };
        dying.register(&key, task).await?;
        dying.callbacks.fail_next(CallbackError::Unavailable { source: "died".into() });
        let left = dying.complete(&key, outcome).await;
        ensure!(left.is_err(), "nothing is open");
        Ok(Self { execution })
    }

    /// Whether the waiting state ends with the outcome, at once.
    async fn is_delivered(&self, office: &Office) -> Result<bool> {
        for _ in 0..30 {
            for event in history(&office.sfn, &self.execution).await? {
                let output = event.task_succeeded_event_details.and_then(|succeeded| succeeded.output);
                let error = event.task_failed_event_details.and_then(|failed| failed.error);
                if output.is_some_and(|output| is_success(&output)) || error.as_deref() == Some(ERROR) {
                    return Ok(true);
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(false)
    }
}

fn is_success(output: &str) -> bool {
    let parse = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    parse(output) == parse(SUCCESS)
}

/// Whether the reconciler finishes open deliveries of every workflow.
async fn reconciler_works(office: &Office, library: &Library) -> Result<bool> {
    // What was left open without a permission.
    office.reconcile().await.or_else(|_| anyhow::Ok(()))?;
    let key = library.put(b"a text").await?;
    let start =
        async |machine, input| Execution::start(&office.sfn, office.stack.output(machine)?, &input).await;

    let mut open = Vec::new();
    for outcome in [Outcome::success(SUCCESS)?, Outcome::failure(ERROR, "by a test")] {
        let loan = office.apply("none").await?;
        open.push(OpenDelivery::leave(office, "valuation", loan, outcome.clone()).await?);

        let silent = RunBehaviour { events: Some(0), ..RunBehaviour::default() };
        office.stack.let_runs_go_as_usual().await?;
        office.stack.let_next_run(&silent).await?;
        let job = start("JobMainStateMachineArn", json!({})).await?;
        open.push(OpenDelivery::leave(office, "job", job, outcome.clone()).await?);

        let order = json!({ "detail": { "orderId": new_id(), "userId": "ada" } });
        let order = start("OrderProcessorStateMachineArn", order).await?;
        open.push(OpenDelivery::leave(office, "order-completion", order, outcome.clone()).await?);

        let document = library.start(&key).await?;
        open.push(OpenDelivery::leave(office, "document", document, outcome).await?);
    }

    if office.reconcile().await.is_err() {
        return Ok(false);
    }

    for delivery in &open {
        if !delivery.is_delivered(office).await? {
            return Ok(false);
        }
    }
    // What could not be recorded is tried again by every run, and found to be done.
    office.reconcile().await?;
    let log = office.stack.log("CallbackReconcilerFunctionName")?;
    let last = log.iter().rfind(|line| line.message() == "reconciled").context("nothing reconciled")?;
    Ok(last.field("failed") == 0 && last.field("unconfirmed") == 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_permissions_the_reconciler_does_not_work() -> Result<()> {
    let shared = StackDescription::of_this_test_run()?;
    // S3 tells of no chunk, so that documents wait.
    let template = shared.built_template()?.replace("s3:ObjectCreated:*", "s3:ObjectCreated:Copy");
    let parameters = ["ReconcileAfterSeconds=0", "JobTimeoutSeconds=120"];
    let stack = shared.deploy_copy("reconciler-permissions", &template, &parameters).await?;
    Cafe::of(stack.clone()).await.open().await?;
    let office = Office::of(stack.clone()).await;
    let library = Library::of(stack).await;
    let policies = Policies::of(&office.stack).await;
    let works = async || reconciler_works(&office, &library).await;
    policies.assert_each_is_needed(&["CallbackReconcilerFunction"], 10, works).await
}
