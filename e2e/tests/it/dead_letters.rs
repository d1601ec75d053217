//! What becomes of an event that its function cannot read.

use anyhow::Result;
use local_stack::{Invocation, StackDescription};
use serde_json::Value;

use crate::{cafe::new_id, eventually::eventually};

#[tokio::test]
async fn an_event_that_no_function_can_read_is_kept_for_a_person() -> Result<()> {
    let stack = StackDescription::of_this_test_run()?;
    let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config().await);
    for (function, queue) in [
        ("JobCallbackFunctionName", "JobCallbackDeadLetterQueueUrl"),
        ("OrderStarterFunctionName", "OrderEventsDeadLetterQueueUrl"),
        ("OrderTokenStorerFunctionName", "OrderEventsDeadLetterQueueUrl"),
    ] {
        let event = Value::from(format!("no event {}", new_id()));

        stack.invoke(function, &event, Invocation::Event).await?;

        let kept = async || {
            let queue = stack.output(queue)?;
            let received = sqs.receive_message().queue_url(queue).max_number_of_messages(10).send().await?;
            for message in received.messages.unwrap_or_default() {
                let letter: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
                if letter["requestPayload"] == event {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        };
        eventually(&format!("the event of {function} is kept"), kept).await?;
    }
    Ok(())
}
