//! What the pizza tests order, deliver and look at.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use local_stack::{LogLine, StackDescription, execution::Execution};
use serde_json::{Value, json};

use crate::eventually::{DEADLINE, eventually};

/// A deployed stack and the clients to use it.
pub(crate) struct Kitchen {
    pub(crate) stack: StackDescription,
    pub(crate) sfn: aws_sdk_sfn::Client,
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl Kitchen {
    /// The kitchen that all tests share.
    pub(crate) async fn shared() -> Result<Self> {
        Ok(Self::of(StackDescription::of_this_test_run()?).await)
    }

    pub(crate) async fn of(stack: StackDescription) -> Self {
        let config = stack.sdk_config().await;
        Self {
            sfn: aws_sdk_sfn::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            stack,
        }
    }

    pub(crate) async fn polling(&self, input: Value) -> Result<Execution> {
        Execution::run(&self.sfn, self.stack.output("PizzaPollingStateMachineArn")?, &input, DEADLINE).await
    }

    pub(crate) async fn callback(&self, input: Value) -> Result<Execution> {
        Execution::run(&self.sfn, self.stack.output("PizzaCallbackStateMachineArn")?, &input, DEADLINE).await
    }

    /// Orders by callback and returns the ARN of the execution that now waits.
    pub(crate) async fn order_by_callback(&self, input: Value) -> Result<String> {
        Execution::start(&self.sfn, self.stack.output("PizzaCallbackStateMachineArn")?, &input).await
    }

    pub(crate) async fn end(&self, execution: &str) -> Result<Execution> {
        Execution::end(&self.sfn, execution, DEADLINE).await
    }

    /// Puts messages into the order queue in one request, all to be seen in a second.
    pub(crate) async fn deliver(&self, bodies: &[String]) -> Result<()> {
        let entries = bodies.iter().enumerate().map(|(id, body)| {
            let entry = SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(body);
            entry.delay_seconds(1).build()
        });
        let sent = self
            .sqs
            .send_message_batch()
            .queue_url(self.stack.output("OrderQueueUrl")?)
            .set_entries(Some(entries.collect::<Result<_, _>>()?))
            .send()
            .await?;
        if !sent.failed.is_empty() {
            bail!("not sent: {:?}", sent.failed);
        }
        Ok(())
    }

    /// Waits until the dead-letter queue has a message with this body, and removes it.
    pub(crate) async fn dead_letter(&self, body: &str) -> Result<()> {
        let queue = self.stack.output("OrderDeadLetterQueueUrl")?;
        let found = async || {
            let received =
                self.sqs.receive_message().queue_url(queue).max_number_of_messages(10).send().await?;
            let dead =
                received.messages.unwrap_or_default().into_iter().find(|m| m.body.as_deref() == Some(body));
            let Some(receipt) = dead.and_then(|message| message.receipt_handle) else { return Ok(None) };
            self.sqs.delete_message().queue_url(queue).receipt_handle(receipt).send().await?;
            Ok(Some(()))
        };
        eventually("the message is in the dead-letter queue", found).await
    }

    /// Waits for the result that the baker records for a polling execution.
    pub(crate) async fn result(&self, execution: &str) -> Result<Value> {
        let find = async || {
            let found = self
                .dynamodb
                .get_item()
                .table_name(self.stack.output("PizzaStatusTableName")?)
                .key("execution", AttributeValue::S(execution.to_owned()))
                .consistent_read(true)
                .send()
                .await?;
            let answer = found.item.as_ref().and_then(|item| item.get("answer")?.as_s().ok());
            Ok(answer.map(|json| serde_json::from_str(json)).transpose()?)
        };
        eventually("the result is recorded", find).await
    }

    /// How often the baker said `message` of an execution.
    pub(crate) fn said(&self, execution: &str, message: &str) -> Result<usize> {
        let lines = self.baker_log()?;
        Ok(lines
            .iter()
            .filter(|line| line.field("execution") == execution && line.message() == message)
            .count())
    }

    /// Waits until the baker has said `message` of an execution `times` times.
    pub(crate) async fn hears(&self, execution: &str, message: &str, times: usize) -> Result<()> {
        let heard = async || Ok((self.said(execution, message)? >= times).then_some(()));
        eventually(&format!("the baker says {message:?} {times} times"), heard).await
    }

    pub(crate) fn baker_log(&self) -> Result<Vec<LogLine>> {
        self.stack.log("PizzaBakerFunctionName")
    }
}

/// What the pizza workflows end with.
pub(crate) fn pizza(order: &str) -> Value {
    json!({ "name": "lambda pizza baking service", "message": "pizza is ready - enjoy!", "order": order })
}

/// The name of an execution that never was: for messages that a test delivers itself.
pub(crate) fn made_up_execution() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos();
    format!("made-up-{now}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A message of the order queue whose pizza is ready.
pub(crate) fn ready_order(execution: &str, task_token: Option<&str>, input: &Value) -> String {
    let mut message = json!({ "execution": execution, "input": input, "readyAtEpochMs": 0 });
    if let Some(task_token) = task_token {
        message["taskToken"] = task_token.into();
    }
    message.to_string()
}
