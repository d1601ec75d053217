//! What the job tests move and look at.

use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::{LogLine, StackDescription, execution::Execution};
use serde_json::{Value, json};

use crate::{
    eventually::{DEADLINE, eventually},
    turn::{Turn, TurnStack},
};

/// How long the jobs of the stack that tests disturb are waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// A deployed stack and the clients to use it.
pub(crate) struct Depot {
    pub(crate) stack: StackDescription,
    pub(crate) sfn: aws_sdk_sfn::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
}

impl Depot {
    /// The depot that all tests share, and that none disturbs.
    pub(crate) async fn shared() -> Result<Self> {
        Ok(Self::of(StackDescription::of_this_test_run()?).await)
    }

    /// The depot that tests disturb, one after the other: what its next run does is one run's affair.
    pub(crate) async fn in_turn() -> Result<Turn<Self>> {
        static STACK: TurnStack = TurnStack::new();
        let timeout = format!("JobTimeoutSeconds={}", PATIENCE.as_secs());
        STACK.take("job-faults", &[&timeout], Self::of).await
    }

    pub(crate) async fn of(stack: StackDescription) -> Self {
        let config = stack.sdk_config().await;
        let by_path = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            sfn: aws_sdk_sfn::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(by_path),
            stack,
        }
    }

    /// Puts an object to be moved.
    pub(crate) async fn put(&self, name: &str, content: &'static str) -> Result<()> {
        let body = ByteStream::from_static(content.as_bytes());
        let key = format!("input/{name}");
        self.s3.put_object().bucket(self.bucket()?).key(key).body(body).send().await?;
        Ok(())
    }

    /// Takes an object away again.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        let key = format!("input/{name}");
        self.s3.delete_object().bucket(self.bucket()?).key(key).send().await?;
        Ok(())
    }

    /// What a run has written, as the records of all its objects.
    pub(crate) async fn moved(&self, run: &str) -> Result<Vec<Value>> {
        let bucket = self.bucket()?;
        let listed = self.s3.list_objects_v2().bucket(bucket).prefix("output/").send().await?;
        let mut records = Vec::new();
        for key in listed.contents().iter().filter_map(|object| object.key()) {
            if key.contains(run) {
                let object = self.s3.get_object().bucket(bucket).key(key).send().await?;
                let content = object.body.collect().await?.into_bytes();
                for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    records.push(serde_json::from_slice(line)?);
                }
            }
        }
        Ok(records)
    }

    /// Starts the workflow.
    pub(crate) async fn start(&self, input: &Value) -> Result<String> {
        Execution::start(&self.sfn, self.stack.output("JobMainStateMachineArn")?, input).await
    }

    /// Runs the workflow until it ends.
    pub(crate) async fn run(&self, input: &Value) -> Result<Execution> {
        let execution = self.start(input).await?;
        Execution::end(&self.sfn, &execution, DEADLINE).await
    }

    /// Starts the flow, so that nobody waits for the run.
    pub(crate) async fn run_for_nobody(&self) -> Result<String> {
        let flow = self.stack.output("ExampleFlowName")?;
        let flow = json!({ "flowName": flow }).to_string();
        let started: Value =
            serde_json::from_str(&self.stack.request("appflow", "/start-flow", flow).await?)?;
        Ok(started["executionId"].as_str().context("the run has no id")?.to_owned())
    }

    /// The run that the workflow has started and registered.
    pub(crate) async fn run_of(&self, execution: &str) -> Result<String> {
        let registered = async || {
            let log = self.stack.log("TaskTokenRegistrarFunctionName")?;
            let line = log.iter().find(|line| line.field("execution") == execution);
            let key = line.and_then(|line| line.field("callback_key").as_str());
            Ok(key.and_then(|key| key.strip_prefix("job#")).map(str::to_owned))
        };
        eventually("the wait is registered", registered).await
    }

    /// What the callback function says became of the events about a run, once there are `count`.
    pub(crate) async fn completions(&self, run: &str, count: usize) -> Result<Vec<String>> {
        let found = async || {
            let completions = self.completions_so_far(run)?;
            Ok((completions.len() >= count).then_some(completions))
        };
        eventually(&format!("{count} events of {run} are counted"), found).await
    }

    /// What the callback function has said until now, each in one word.
    pub(crate) fn completions_so_far(&self, run: &str) -> Result<Vec<String>> {
        let word = |line: &LogLine| {
            let completion = line.field("completion").as_str()?;
            Some(completion.split(' ').next().unwrap_or(completion).to_owned())
        };
        let log = self.stack.log("JobCallbackFunctionName")?;
        let about = log.iter().filter(|line| line.field("callback_key") == &*format!("job#{run}"));
        Ok(about.filter_map(word).collect())
    }

    /// The next event in the dead-letter queue.
    pub(crate) async fn dead_letter(&self) -> Result<Value> {
        let queue = self.stack.output("JobCallbackDeadLetterQueueUrl")?;
        let receive = async || {
            let received = self.sqs.receive_message().queue_url(queue).send().await?;
            let Some(message) = received.messages.unwrap_or_default().pop() else { return Ok(None) };
            let receipt = message.receipt_handle.context("a message without receipt")?;
            self.sqs.delete_message().queue_url(queue).receipt_handle(receipt).send().await?;
            Ok(Some(serde_json::from_str(&message.body.unwrap_or_default())?))
        };
        eventually("an event is in the dead-letter queue", receive).await
    }

    fn bucket(&self) -> Result<&str> {
        self.stack.output("FlowBucketName")
    }
}

/// An input whose fields nobody looks at.
pub(crate) fn order(number: usize) -> Value {
    json!({ "import": { "number": number }, "tags": ["nightly"] })
}

/// Asserts that the workflow went on with the end of its job, and returns what it was told.
pub(crate) fn assert_finished(execution: &Execution, input: &Value) -> Value {
    assert_eq!(execution.status, ExecutionStatus::Succeeded, "{:?} {:?}", execution.error, execution.cause);
    assert_eq!(&execution.output["input"], input);
    assert_eq!(execution.output["job"]["status"], "Execution Successful");
    execution.output["job"].clone()
}

/// Asserts that the workflow failed with this error, and that the cause says so.
pub(crate) fn assert_failed(execution: &Execution, error: &str, cause: &str) {
    assert_eq!(execution.status, ExecutionStatus::Failed);
    assert_eq!(execution.error.as_deref(), Some(error), "{:?}", execution.cause);
    let told = execution.cause.as_deref().unwrap_or_default();
    assert!(told.contains(cause), "{told}");
}
