//! What becomes of an event that its function fails on.

use std::time::{Duration, Instant};

use anyhow::Result;
use aws_sdk_lambda::{primitives::Blob, types::InvocationType};
use local_stack::StackDescription;
use serde_json::Value;
use tokio::time::sleep;

use crate::cafe::new_id;

/// Three attempts take three seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether an event that the function cannot read ends in the dead-letter queue; both by their template outputs.
pub(crate) async fn are_kept(stack: &StackDescription, function: &str, queue: &str) -> Result<bool> {
    let config = stack.sdk_config().await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let event = Value::from(format!("no event {}", new_id()));
    let invoke = aws_sdk_lambda::Client::new(&config).invoke().function_name(stack.output(function)?);
    invoke.invocation_type(InvocationType::Event).payload(Blob::new(event.to_string())).send().await?;

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
