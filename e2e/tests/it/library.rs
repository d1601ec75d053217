//! What the document tests split and look at.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use aws_sdk_s3::{primitives::ByteStream, types::MetadataDirective};
use aws_sdk_sfn::types::ExecutionStatus;
use local_stack::{
    Invocation, LogLine, Stack, StackDescription,
    execution::Execution,
    functions::{Action, Fault, When},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    eventually::{DEADLINE, eventually},
    turn::{Turn, TurnStack},
};

/// How large chunks are: as large as in `local/src/stack.rs`.
pub(crate) const CHUNK: usize = 16_384;

/// A deployed stack and the clients to use it.
pub(crate) struct Library {
    pub(crate) stack: StackDescription,
    pub(crate) sfn: aws_sdk_sfn::Client,
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
}

impl Library {
    /// The library that all tests share. S3 tells of every chunk as it is written.
    pub(crate) async fn shared() -> Result<Self> {
        Ok(Self::of(StackDescription::of_this_test_run()?).await)
    }

    /// A library in which S3 tells of a chunk only when the test says so: when the chunk is copied onto itself.
    pub(crate) async fn by_hand() -> Result<Self> {
        static STACK: OnceCell<Stack> = OnceCell::const_new();

        let deploy = async || {
            let shared = StackDescription::of_this_test_run()?;
            let template = shared.packaged_template()?;
            let changed = template.replace("s3:ObjectCreated:*", "s3:ObjectCreated:Copy");
            assert_ne!(changed, template);
            let chunk = format!("ChunkBytes={CHUNK}");
            shared.deploy_copy("document-by-hand", &changed, &["DocumentTimeoutSeconds=20", &chunk]).await
        };
        let stack = STACK.get_or_try_init(deploy).await?;
        Ok(Self::of(StackDescription::clone(stack)).await)
    }

    /// The library that tests disturb, one after the other: a fault strikes whatever document comes next.
    pub(crate) async fn in_turn() -> Result<Turn<Self>> {
        static STACK: TurnStack = TurnStack::new();
        let parameters =
            ["DocumentTimeoutSeconds=30", "ChunkTimeoutSeconds=4", &format!("ChunkBytes={CHUNK}")];
        STACK.take("document-faults", &parameters, Self::of).await
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

    /// Puts a document under a name that no other test uses, and returns its key.
    pub(crate) async fn put(&self, content: &[u8]) -> Result<String> {
        static DOCUMENTS: AtomicU32 = AtomicU32::new(0);

        let number = DOCUMENTS.fetch_add(1, Ordering::Relaxed);
        let key = format!("documents/{number} (copy).txt");
        let body = ByteStream::from(content.to_vec());
        self.s3.put_object().bucket(self.bucket()?).key(&key).body(body).send().await?;
        Ok(key)
    }

    /// Starts the workflow.
    pub(crate) async fn start(&self, key: &str) -> Result<String> {
        let machine = self.stack.output("DocumentProcessorStateMachineArn")?;
        Execution::start(&self.sfn, machine, &json!({ "key": key })).await
    }

    /// Waits until the workflow ends.
    pub(crate) async fn end(&self, execution: &str) -> Result<Execution> {
        Execution::end(&self.sfn, execution, DEADLINE).await
    }

    /// Runs the workflow until it ends.
    pub(crate) async fn run(&self, key: &str) -> Result<Execution> {
        self.end(&self.start(key).await?).await
    }

    /// The keys of the chunks of an execution's document, once there are `count`.
    pub(crate) async fn chunks(&self, execution: &str, count: usize) -> Result<Vec<String>> {
        let listed = async || {
            let chunks = self.artifacts("chunks", execution).await?;
            Ok((chunks.len() == count).then_some(chunks))
        };
        eventually(&format!("there are {count} chunks of {execution}"), listed).await
    }

    /// The keys of all artifacts of an execution of this sort, `chunks` or `results`.
    pub(crate) async fn artifacts(&self, sort: &str, execution: &str) -> Result<Vec<String>> {
        let name = execution.rsplit(':').next().context("an ARN ends with a name")?;
        let prefix = format!("{sort}/{name}/");
        let listed = self.s3.list_objects_v2().bucket(self.bucket()?).prefix(prefix).send().await?;
        Ok(listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect())
    }

    /// Lets S3 tell of a chunk, once more.
    pub(crate) async fn tell(&self, chunk: &str) -> Result<()> {
        let bucket = self.bucket()?;
        let source = format!("{bucket}/{chunk}");
        let copy = self.s3.copy_object().bucket(bucket).key(chunk).copy_source(source);
        copy.metadata_directive(MetadataDirective::Replace).send().await?;
        Ok(())
    }

    /// Whether the processor is content with the event of a chunk that is gone.
    pub(crate) async fn lets_a_gone_chunk_be(&self) -> Result<bool> {
        let event = include_str!("../../../events/chunk-processor/chunk.json");
        let event = event.replace("sfn-callbacks-documents", self.bucket()?);
        let event: Value = serde_json::from_str(&event)?;
        let told = self.stack.invoke("ChunkProcessorFunctionName", &event, Invocation::RequestResponse);
        Ok(told.await.is_ok())
    }

    /// What the processor says became of the chunks of an execution, each in a word or two, once there are `count`.
    pub(crate) async fn processed(&self, execution: &str, count: usize) -> Result<Vec<String>> {
        let name = execution.rsplit(':').next().context("an ARN ends with a name")?;
        let document = format!("document#{name}/");
        let word = |line: &LogLine| {
            let said = line.field("gathering").as_str().or_else(|| line.field("completion").as_str())?;
            let words = said.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).take(2);
            Some(words.collect::<Vec<_>>().join(" ").replace("Delivered waited", "Delivered"))
        };
        let found = async || {
            let log = self.stack.log("ChunkProcessorFunctionName")?;
            let about = log.iter().filter(|line| {
                line.field("callback_key").as_str().is_some_and(|key| key.starts_with(&document))
            });
            let words: Vec<_> = about.filter_map(word).collect();
            Ok((words.len() >= count).then_some(words))
        };
        eventually(&format!("{count} chunks of {execution} are processed"), found).await
    }

    /// Arms a fault of a function.
    pub(crate) async fn arm(
        &self,
        function: &str,
        operation: &'static str,
        when: When,
        action: Action,
        times: u32,
    ) -> Result<()> {
        let function = self.stack.output(function)?.to_owned();
        self.stack.arm(&Fault { function, operation, when, action, times }).await
    }

    /// The next message in the dead-letter queue.
    pub(crate) async fn dead_letter(&self) -> Result<Value> {
        let queue = self.stack.output("ChunkDeadLetterQueueUrl")?;
        let receive = async || {
            let received = self.sqs.receive_message().queue_url(queue).send().await?;
            let Some(message) = received.messages.unwrap_or_default().pop() else { return Ok(None) };
            Ok(Some(serde_json::from_str(&message.body.unwrap_or_default())?))
        };
        eventually("a message is in the dead-letter queue", receive).await
    }

    fn bucket(&self) -> Result<&str> {
        self.stack.output("DocumentBucketName")
    }
}

/// A text of `lines` lines, all different, of 32 bytes each: 512 lines to a chunk.
pub(crate) fn text(lines: usize) -> String {
    (0..lines)
        .map(|line| format!("The line {line:08} is the text.\n"))
        .map(|line| format!("{line:>32}"))
        .collect()
}

/// Asserts that the workflow went on with these lines, words and bytes, and returns the rest.
pub(crate) fn assert_counted(execution: &Execution, key: &str, counts: [usize; 4]) -> Value {
    assert_eq!(execution.status, ExecutionStatus::Succeeded, "{:?} {:?}", execution.error, execution.cause);
    let output = &execution.output;
    assert_eq!(output["key"], key);
    let found = ["chunks", "lines", "words", "bytes"].map(|name| output[name].as_u64());
    assert_eq!(found, counts.map(|count| Some(count as u64)));
    output["mostFrequentWords"].clone()
}

/// Asserts that the workflow failed with this error, and that the cause says so.
pub(crate) fn assert_failed(execution: &Execution, error: &str, cause: &str) {
    assert_eq!(execution.status, ExecutionStatus::Failed);
    assert_eq!(execution.error.as_deref(), Some(error), "{:?}", execution.cause);
    let told = execution.cause.as_deref().unwrap_or_default();
    assert!(told.contains(cause), "{told}");
}
