//! The reconciler: deliveries that a crash left open, of every workflow.

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

#[tokio::test]
async fn the_reconciler_finishes_open_deliveries_of_every_workflow() -> Result<()> {
    let shared = StackDescription::of_this_test_run()?;
    // S3 tells of no chunk, so that documents wait.
    let template = shared.packaged_template()?.replace("s3:ObjectCreated:*", "s3:ObjectCreated:Copy");
    let parameters = ["ReconcileAfterSeconds=0", "JobTimeoutSeconds=120"];
    let stack = shared.deploy_copy("reconciler", &template, &parameters).await?;
    Cafe::of(StackDescription::clone(&stack)).await.open().await?;
    let office = Office::of(StackDescription::clone(&stack)).await;
    let library = Library::of(StackDescription::clone(&stack)).await;
    let key = library.put(b"a text").await?;
    let start =
        async |machine, input| Execution::start(&office.sfn, office.stack.output(machine)?, &input).await;

    let mut open = Vec::new();
    for outcome in [Outcome::success(SUCCESS)?, Outcome::failure(ERROR, "by a test")] {
        let loan = office.apply("none").await?;
        open.push(OpenDelivery::leave(&office, "valuation", loan, outcome.clone()).await?);

        let silent = RunBehaviour { events: Some(0), ..RunBehaviour::default() };
        office.stack.let_runs_go_as_usual().await?;
        office.stack.let_next_run(&silent).await?;
        let job = start("JobMainStateMachineArn", json!({})).await?;
        open.push(OpenDelivery::leave(&office, "job", job, outcome.clone()).await?);

        let order = json!({ "detail": { "orderId": new_id(), "userId": "ada" } });
        let order = start("OrderProcessorStateMachineArn", order).await?;
        open.push(OpenDelivery::leave(&office, "order-completion", order, outcome.clone()).await?);

        let document = library.start(&key).await?;
        open.push(OpenDelivery::leave(&office, "document", document, outcome).await?);
    }

    office.reconcile().await?;

    for delivery in &open {
        assert!(delivery.is_delivered(&office).await?, "{}", delivery.execution);
    }
    // What could not be recorded is tried again by every run, and found to be done.
    office.reconcile().await?;
    let log = office.stack.log("CallbackReconcilerFunctionName")?;
    let last = log.iter().rfind(|line| line.message() == "reconciled").context("nothing reconciled")?;
    assert_eq!((last.field("failed"), last.field("unconfirmed")), (&json!(0), &json!(0)));
    Ok(())
}
