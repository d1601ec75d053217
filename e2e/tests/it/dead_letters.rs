//! What becomes of an event that its function cannot read.

use std::time::{Duration, Instant};

use anyhow::Result;
use local_stack::{Invocation, StackDescription};
use serde_json::Value;
use tokio::time::sleep;

use crate::cafe::new_id;

/// Three attempts take three seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether an event that the function cannot read ends in the dead-letter queue; both by their template outputs.
async fn is_kept(stack: &StackDescription, function: &str, queue: &str) -> Result<bool> {
    let config = stack.sdk_config().await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let event = Value::from(format!("no event {}", new_id()));
    stack.invoke(function, &event, Invocation::Event).await?;

    let give_up = Instant::now() + PATIENCE;
    while Instant::now() < give_up {
        let received =
            sqs.receive_message().queue_url(stack.output(queue)?).max_number_of_messages(10).send().await?;
        for message in received.messages.unwrap_or_default() {
            let letter: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
            if letter["requestPayload"] == event {
                return Ok(true);
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(false)
}

#[tokio::test]
async fn an_event_that_no_function_can_read_is_kept_for_a_person() -> Result<()> {
    let stack = StackDescription::of_this_test_run()?;
    for (function, queue) in [
        ("JobCallbackFunctionName", "JobCallbackDeadLetterQueueUrl"),
        ("OrderStarterFunctionName", "OrderEventsDeadLetterQueueUrl"),
        ("OrderTokenStorerFunctionName", "OrderEventsDeadLetterQueueUrl"),
        ("ChunkProcessorFunctionName", "ChunkProcessorDeadLetterQueueUrl"),
    ] {
        assert!(is_kept(&stack, function, queue).await?, "{function} loses its events");
    }
    Ok(())
}
