//! Two functions that know only a name in common: one is invoked by the workflow, the other by the outside world.
//!
//! `cargo run --example callback`

use token_store::{
    CallbackKey, Completion, Outcome, Registration, Rendezvous, WaitingTask,
    testing::{MemoryTokenStore, RecordingTaskCallbacks},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // On AWS: `DynamoDbTokenStore::new(client, table)` and `StepFunctionsTaskCallbacks::new(client)`.
    let rendezvous = Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default());
    let key = CallbackKey::new("valuation", "VAL-17")?;

    // The workflow's function registers the task, as its state describes itself (see `WaitingTask`).
    let task: WaitingTask = serde_json::from_str(
        r#"{
            "taskToken": "AQCEAAAAKgAAAAMAAAAA",
            "execution": "arn:aws:states:eu-west-1:123456789012:execution:loan-processor:42",
            "enteredTime": "2026-03-01T09:30:00Z",
            "redriveCount": 0,
            "retryCount": 0,
            "timeoutSeconds": 900
        }"#,
    )?;
    assert_eq!(rendezvous.register(&key, task).await?, Registration::Waiting);

    // The webhook's function is called back, and again.
    let valued = Outcome::json(&serde_json::json!({ "propertyValue": 350_000 }))?;
    let completed = rendezvous.complete(&key, valued.clone()).await?;
    assert!(matches!(completed, Completion::Delivered { .. }));
    assert_eq!(rendezvous.complete(&key, valued).await?, Completion::Duplicate);

    // The workflow goes on, once.
    assert_eq!(rendezvous.callbacks.sent().len(), 1);
    Ok(())
}
