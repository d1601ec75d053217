//! What operators are told.

use anyhow::{Context, Result};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use crate::{eventually::eventually, office::Office};

#[tokio::test]
async fn operators_are_told_of_an_execution_that_failed_but_not_of_its_input() -> Result<()> {
    let office = Office::shared().await?;
    let config = office.stack.sdk_config().await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let anyone = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*" }],
    });
    let queue = sqs.create_queue().queue_name("pager");
    let queue = queue.attributes(QueueAttributeName::Policy, anyone.to_string()).send().await?;
    let queue = queue.queue_url.context("no queue")?;
    let attributes =
        sqs.get_queue_attributes().queue_url(&queue).attribute_names(QueueAttributeName::QueueArn);
    let attributes = attributes.send().await?.attributes.context("no attributes")?;
    let topic = office.stack.output("OperatorTopicArn")?;
    let endpoint = &attributes[&QueueAttributeName::QueueArn];
    let subscription =
        format!("Action=Subscribe&Version=2010-03-31&TopicArn={topic}&Protocol=sqs&Endpoint={endpoint}");
    office.stack.request("sns", "/", subscription).await?;

    let application = office.run("refused").await?;

    let find = async || {
        let received = sqs.receive_message().queue_url(&queue).max_number_of_messages(10).send().await?;
        for message in received.messages.unwrap_or_default() {
            let notification: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
            let told: Value = serde_json::from_str(notification["Message"].as_str().context("no message")?)?;
            if told["execution"] == application.arn.as_str() {
                return Ok(Some(told));
            }
        }
        Ok(None)
    };
    let told = eventually("operators are told", find).await?;
    assert_eq!(
        told,
        json!({
            "execution": application.arn,
            "status": "FAILED",
            "error": "ValuationRefused",
            "cause": application.cause,
        })
    );
    Ok(())
}
