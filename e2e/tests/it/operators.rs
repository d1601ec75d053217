//! What operators are told.

use anyhow::{Context, Result};
use aws_sdk_sqs::types::QueueAttributeName;
use local_stack::{Stack, StackDescription};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{eventually::eventually, kitchen::Kitchen, office::Office};

/// A queue that has what operators are told.
struct Pager {
    sqs: aws_sdk_sqs::Client,
    queue: String,
}

impl Pager {
    async fn of(stack: &StackDescription, name: &str) -> Result<Self> {
        let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config().await);
        let anyone = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*" }],
        });
        let queue = sqs.create_queue().queue_name(name);
        let queue = queue.attributes(QueueAttributeName::Policy, anyone.to_string()).send().await?;
        let queue = queue.queue_url.context("no queue")?;
        let attributes =
            sqs.get_queue_attributes().queue_url(&queue).attribute_names(QueueAttributeName::QueueArn);
        let attributes = attributes.send().await?.attributes.context("no attributes")?;
        let topic = stack.output("OperatorTopicArn")?;
        let endpoint = &attributes[&QueueAttributeName::QueueArn];
        let subscription =
            format!("Action=Subscribe&Version=2010-03-31&TopicArn={topic}&Protocol=sqs&Endpoint={endpoint}");
        stack.request("sns", "/", subscription).await?;
        Ok(Self { sqs, queue })
    }

    /// The first thing told whose `field` is `value`.
    async fn hears(&self, field: &str, value: &str) -> Result<Value> {
        let find = async || {
            for body in self.receive(&self.queue).await? {
                let told: Value = serde_json::from_str(body["Message"].as_str().context("no message")?)?;
                if told[field] == value {
                    return Ok(Some(told));
                }
            }
            Ok(None)
        };
        eventually("operators are told", find).await
    }

    async fn receive(&self, queue: &str) -> Result<Vec<Value>> {
        let received = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10).send().await?;
        let bodies = received.messages.unwrap_or_default().into_iter().map(|message| message.body);
        bodies.map(|body| Ok(serde_json::from_str(&body.unwrap_or_default())?)).collect()
    }
}

#[tokio::test]
async fn operators_are_told_of_an_execution_that_failed_but_not_of_its_input() -> Result<()> {
    let office = Office::shared().await?;
    let pager = Pager::of(&office.stack, "pager-of-failures").await?;

    let application = office.run("refused").await?;

    let told = pager.hears("execution", &application.arn).await?;
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

#[tokio::test]
async fn operators_are_told_of_an_alarm() -> Result<()> {
    let stack = StackDescription::of_this_test_run()?;
    let pager = Pager::of(&stack, "pager-of-alarms").await?;
    let list = "Action=DescribeAlarms&Version=2010-08-01".to_owned();
    let alarms = stack.request("monitoring", "/", list).await?;
    let names = alarms.split("<AlarmName>").filter_map(|rest| rest.split('<').next());
    let late = names.into_iter().find(|name| name.contains("LateCallbackAlarm")).context("no alarm")?;

    let ring =
        format!("Action=SetAlarmState&Version=2010-08-01&AlarmName={late}&StateValue=ALARM&StateReason=test");
    stack.request("monitoring", "/", ring).await?;

    let told = pager.hears("AlarmName", late).await?;
    let stack_dimension = json!([{ "Name": "Stack", "Value": "sfn-callbacks" }]);
    assert_eq!(told["Trigger"]["Dimensions"], stack_dimension);
    Ok(())
}

/// A stack without the job, for a region that has no AppFlow, whose topic wants to know the account of whoever tells.
async fn elsewhere() -> Result<StackDescription> {
    static STACK: OnceCell<Stack> = OnceCell::const_new();

    let deploy = async || {
        let shared = StackDescription::of_this_test_run()?;
        let template = shared.packaged_template()?;
        let condition = "Condition:\n            StringEquals:\n              aws:SourceAccount:\n                Ref: AWS::AccountId";
        let changed = template
            .replace("- Sid: LetRulesTell", &format!("- Sid: LetRulesTell\n          {condition}"))
            .replace("AWS::AppFlow::Flow", "AWS::AppFlow::NotInThisRegion");
        assert_ne!(changed, template);
        shared.deploy_copy("operators", &changed, &["WithExampleFlow=false", "HeartbeatSeconds=6"]).await
    };
    Ok(StackDescription::clone(STACK.get_or_try_init(deploy).await?))
}

#[tokio::test]
async fn what_a_topic_does_not_take_is_kept_for_a_person() -> Result<()> {
    let office = Office::of(elsewhere().await?).await;
    let pager = Pager::of(&office.stack, "pager").await?;

    let application = office.run("refused").await?;

    let queue = office.stack.output("EventDeadLetterQueueUrl")?;
    let kept = async || {
        let kept = pager.receive(queue).await?;
        Ok(kept.into_iter().find(|event| event["detail"]["executionArn"] == application.arn.as_str()))
    };
    let kept = eventually("the event is kept", kept).await?;
    assert_eq!(kept["detail"]["error"], "ValuationRefused");
    assert_eq!(pager.receive(&pager.queue).await?, [Value::Null; 0]);
    Ok(())
}

/// Lambda takes each pass of the order through its queue for one of a loop, and would stop it after sixteen.
#[tokio::test]
async fn a_pizza_that_passes_the_baker_more_than_sixteen_times_is_served_also_where_there_is_no_job()
-> Result<()> {
    let kitchen = Kitchen::of(elsewhere().await?).await;
    assert!(!kitchen.stack.outputs.contains_key("JobMainStateMachineArn"));

    let execution = kitchen.callback(json!({ "order": "calzone", "bakeTime": 44 })).await?;

    assert_eq!(execution.output["order"], "calzone", "{:?} {:?}", execution.error, execution.cause);
    let passes = kitchen.said(&execution.arn, "pizza in the oven")?;
    assert!(passes > 16, "{passes}");
    Ok(())
}
