//! Processes one chunk.
//!
//! Its counts are stored before the chunk is noted as done, so whoever finds that all are done finds all counts. An event
//! may come twice, late or out of order, and a function may die anywhere: the same event again does the same again,
//! counts once, and goes on where the other stopped.

use aws_lambda_events::event::sqs::SqsEventObj;
use function_runtime::{
    NamedError,
    callbacks::{complete, completed, kinds},
};
use text_chunks::{ChunkName, TextCounts};
use token_store::{
    CallbackKey, GatherError, Gathering, Outcome, Part, Rendezvous, RendezvousError, TaskCallbacks,
    TokenStore, key::InvalidCallbackKey, store::PartStore,
};
use tracing::{info, warn};

use crate::{
    event::S3Event,
    failure::PROCESSING_FAILED,
    objects::{Objects, ObjectsError},
    sum::{SumError, sum},
};

/// What the processor works with.
pub(crate) struct Processor<O, S, C> {
    pub(crate) objects: O,
    pub(crate) rendezvous: Rendezvous<S, C>,
}

/// Why a chunk is not done. SQS delivers its message again, and after five times moves it to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error("the name of the document cannot be a callback key")]
    Key(#[from] InvalidCallbackKey),
    #[error("the failure of the chunk could not be recorded or delivered")]
    Failure(#[from] RendezvousError),
    #[error("the chunk could not be noted as done")]
    Gather(#[from] GatherError<SumError>),
}

impl NamedError for ProcessError {
    fn name(&self) -> &'static str {
        match self {
            Self::Objects(_) | Self::Gather(GatherError::Combine(SumError::Objects(_))) => "StorageFailed",
            Self::Gather(GatherError::Combine(_)) => "ResultsMalformed",
            Self::Failure(error) if error.is_retryable() => "CallbackUnavailable",
            Self::Gather(error) if error.is_retryable(|_| false) => "CallbackUnavailable",
            Self::Failure(_) | Self::Gather(_) | Self::Key(_) => "CallbackRefused",
        }
    }
}

/// Processes the chunks that a message tells of. A batch has one message, so that it fails alone.
///
/// # Errors
///
/// Every variant of [`ProcessError`].
pub(crate) async fn handle(
    processor: &Processor<impl Objects, impl TokenStore + PartStore, impl TaskCallbacks>,
    batch: &SqsEventObj<S3Event>,
) -> Result<(), ProcessError> {
    for record in batch.records.iter().flat_map(|message| &message.body.records) {
        let key = record.key();
        let name = ChunkName::of_chunk_key(&key);
        let named = name.and_then(|name| Some((Part::new(name.number, name.of).ok()?, name)));
        match named {
            Some((part, name)) => process(processor, record.bucket(), part, &name).await?,
            None => warn!(key, "the object is no chunk"),
        }
    }
    Ok(())
}

async fn process(
    processor: &Processor<impl Objects, impl TokenStore + PartStore, impl TaskCallbacks>,
    bucket: &str,
    part: Part,
    name: &ChunkName,
) -> Result<(), ProcessError> {
    let Processor { objects, rendezvous } = processor;
    let key = CallbackKey::new(kinds::DOCUMENT, &name.document)?;
    let (callback_key, chunk, of) = (key.as_str(), name.number, name.of);

    let Some(content) = objects.get(bucket, &name.chunk_key()).await? else {
        info!(callback_key, chunk, of, "the chunk is gone: its document has failed");
        return Ok(());
    };
    let text = match str::from_utf8(&content) {
        Ok(text) => text,
        Err(error) => {
            let cause = format!("{name} is not UTF-8: its byte {} is wrong", error.valid_up_to());
            let failure = Outcome::failure(PROCESSING_FAILED, cause);
            info!(callback_key, chunk, of, "chunk failed");
            complete(rendezvous, &key, failure).await?;
            return Ok(());
        }
    };

    let counts = serde_json::to_vec(&TextCounts::of(text)).expect("numbers and texts are JSON");
    objects.put(bucket, &name.result_key(), counts).await?;
    let gathering = rendezvous.gather(&key, part, sum(objects, bucket, name)).await?;
    info!(callback_key, chunk, of, ?gathering, "processed chunk");
    if let Gathering::Complete(completion) = gathering {
        completed(&key, completion);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Mutex};

    use serde_json::{Value, json};
    use token_store::{
        TaskToken,
        callbacks::CallbackError,
        testing::{MemoryTokenStore, RecordingTaskCallbacks, waiting_task},
    };

    use super::*;

    const CHUNK: &str = include_str!("../../../events/chunk-processor/chunk.json");
    const NO_CHUNK: &str = include_str!("../../../events/chunk-processor/no-chunk.json");
    const TEST_EVENT: &str = include_str!("../../../events/chunk-processor/test-event.json");
    const DOCUMENT: &str = "nightly-2026-03-01/0.0";

    /// Objects of one bucket, by key.
    #[derive(Default)]
    struct MemoryObjects {
        objects: Mutex<BTreeMap<String, Vec<u8>>>,
        fail_next_put: Mutex<bool>,
    }

    impl Objects for MemoryObjects {
        async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, ObjectsError> {
            assert_eq!(bucket, "sfn-callbacks-documents");
            Ok(self.objects.lock().unwrap().get(key).cloned())
        }

        async fn put(&self, bucket: &str, key: &str, content: Vec<u8>) -> Result<(), ObjectsError> {
            assert_eq!(bucket, "sfn-callbacks-documents");
            if std::mem::take(&mut *self.fail_next_put.lock().unwrap()) {
                return Err(ObjectsError("busy".into()));
            }
            self.objects.lock().unwrap().insert(key.to_owned(), content);
            Ok(())
        }
    }

    type TestProcessor = Processor<MemoryObjects, MemoryTokenStore, RecordingTaskCallbacks>;

    /// A processor whose bucket has these chunks, and for whose document a workflow waits.
    async fn processor(chunks: &[&[u8]]) -> TestProcessor {
        let processor = Processor {
            objects: MemoryObjects::default(),
            rendezvous: Rendezvous::new(MemoryTokenStore::default(), RecordingTaskCallbacks::default()),
        };
        let of = chunks.len().try_into().unwrap();
        for (number, chunk) in (1..).zip(chunks) {
            let name = ChunkName { document: DOCUMENT.into(), number, of };
            processor.objects.objects.lock().unwrap().insert(name.chunk_key(), chunk.to_vec());
        }
        let key = CallbackKey::new("document", DOCUMENT).unwrap();
        let task = waiting_task(TaskToken::new("token").unwrap());
        processor.rendezvous.register(&key, task).await.unwrap();
        processor
    }

    async fn tell(processor: &TestProcessor, number: u32, of: u32) -> Result<(), ProcessError> {
        let event = CHUNK.replace("00001-of-00002", &format!("{number:05}-of-{of:05}"));
        handle(processor, &serde_json::from_str(&event).unwrap()).await
    }

    /// What the workflow was told: its output, or error and cause.
    fn told(processor: &TestProcessor) -> Vec<Value> {
        let sent = processor.rendezvous.callbacks.sent();
        let told = sent.iter().map(|(_, outcome)| match outcome {
            Outcome::Success(output) => serde_json::from_str(output.json()).unwrap(),
            Outcome::Failure(failure) => json!([failure.error(), failure.cause()]),
        });
        told.collect()
    }

    #[tokio::test]
    async fn the_last_chunk_adds_up_and_resumes_the_workflow() {
        let processor = processor(&[b"The cat\nand ", b"the dog\n", b"and nobody"]).await;

        for number in [3, 1, 2] {
            assert_eq!(told(&processor), [json!(null); 0]);
            tell(&processor, number, 3).await.unwrap();
        }

        let frequent = [("and", 2), ("the", 2), ("cat", 1), ("dog", 1), ("nobody", 1)];
        let frequent = frequent.map(|(word, count)| json!({ "word": word, "count": count }));
        let output = json!({
            "chunks": 3, "lines": 2, "words": 7, "bytes": 30, "mostFrequentWords": frequent
        });
        assert_eq!(told(&processor), [output]);
    }

    #[tokio::test]
    async fn the_twenty_most_frequent_words_are_told() {
        let words: Vec<String> = (10..40).map(|number| format!("w{number} ").repeat(number)).collect();
        let processor = processor(&[words.concat().as_bytes()]).await;

        tell(&processor, 1, 1).await.unwrap();

        let frequent = &told(&processor)[0]["mostFrequentWords"];
        assert_eq!(frequent.as_array().unwrap().len(), 20);
        assert_eq!((&frequent[0]["word"], &frequent[19]["count"]), (&json!("w39"), &json!(20)));
    }

    #[tokio::test]
    async fn a_chunk_that_is_told_of_twice_counts_once() {
        let processor = processor(&[b"one\n", b"two\n"]).await;

        for number in [1, 1, 2, 1, 2] {
            tell(&processor, number, 2).await.unwrap();
        }

        assert_eq!(told(&processor).len(), 1);
        assert_eq!(told(&processor)[0]["words"], 2);
    }

    #[tokio::test]
    async fn a_chunk_that_is_not_utf_8_fails_the_workflow_with_its_place() {
        let processor = processor(&[b"one\n", b"tw\xff\n", b"\xff"]).await;

        for number in [1, 2, 3, 2] {
            tell(&processor, number, 3).await.unwrap();
        }

        let cause = "chunk 2 of 3 is not UTF-8: its byte 2 is wrong";
        assert_eq!(told(&processor), [json!(["ProcessingFailed", cause])]);
    }

    #[tokio::test]
    async fn too_many_different_words_fail_the_workflow() {
        let words = |from: u32| {
            let words: Vec<String> = (from..from + 1_000_001).map(|word| format!("{word:x} ")).collect();
            words.concat().into_bytes()
        };
        let processor = processor(&[&words(0), &words(2_000_000)]).await;

        tell(&processor, 1, 2).await.unwrap();
        tell(&processor, 2, 2).await.unwrap();

        let cause = "the text has more than 2000000 different words";
        assert_eq!(told(&processor), [json!(["ProcessingFailed", cause])]);
    }

    #[tokio::test]
    async fn a_chunk_that_is_gone_is_let_be() {
        let processor = processor(&[b"one\n"]).await;
        processor.objects.objects.lock().unwrap().clear();

        tell(&processor, 1, 1).await.unwrap();

        assert_eq!(told(&processor), [json!(null); 0]);
        assert!(processor.objects.objects.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_object_that_is_no_chunk_is_let_be() {
        let processor = processor(&[b"one\n"]).await;

        for event in [NO_CHUNK, TEST_EVENT] {
            handle(&processor, &serde_json::from_str(event).unwrap()).await.unwrap();
        }
        tell(&processor, 2, 1).await.unwrap();
        tell(&processor, 1, 16_385).await.unwrap();

        assert_eq!(told(&processor), [json!(null); 0]);
    }

    #[tokio::test]
    async fn a_chunk_that_failed_is_done_when_its_event_comes_again() {
        let processor = processor(&[b"one\n", b"two\n"]).await;
        tell(&processor, 1, 2).await.unwrap();

        *processor.objects.fail_next_put.lock().unwrap() = true;
        let not_stored = tell(&processor, 2, 2).await.unwrap_err();
        processor.rendezvous.callbacks.fail_next(CallbackError::Unavailable { source: "throttled".into() });
        let not_delivered = tell(&processor, 2, 2).await.unwrap_err();
        tell(&processor, 2, 2).await.unwrap();

        assert_eq!((not_stored.name(), not_delivered.name()), ("StorageFailed", "CallbackUnavailable"));
        assert_eq!(told(&processor)[0]["words"], 2);
    }

    #[tokio::test]
    async fn errors_have_names_that_say_what_to_repair() {
        let lost = processor(&[b"one\n", b"two\n"]).await;
        tell(&lost, 1, 2).await.unwrap();
        lost.objects.objects.lock().unwrap().retain(|key, _| key.starts_with("chunks/"));
        let missing = tell(&lost, 2, 2).await.unwrap_err();
        let first = ChunkName { document: DOCUMENT.into(), number: 1, of: 2 }.result_key();
        lost.objects.objects.lock().unwrap().insert(first, b"{".to_vec());
        let malformed = tell(&lost, 2, 2).await.unwrap_err();
        assert_eq!((missing.name(), malformed.name()), ("ResultsMalformed", "ResultsMalformed"));

        let refused = processor(&[b"\xff"]).await;
        refused.rendezvous.callbacks.fail_next(CallbackError::Rejected { source: "denied".into() });
        assert_eq!(tell(&refused, 1, 1).await.unwrap_err().name(), "CallbackRefused");
        refused.rendezvous.callbacks.fail_next(CallbackError::Unavailable { source: "busy".into() });
        assert_eq!(tell(&refused, 1, 1).await.unwrap_err().name(), "CallbackUnavailable");

        let other_count = processor(&[b"one\n", b"two\n"]).await;
        tell(&other_count, 1, 2).await.unwrap();
        let key = ChunkName { document: DOCUMENT.into(), number: 2, of: 3 }.chunk_key();
        other_count.objects.objects.lock().unwrap().insert(key, b"three\n".to_vec());
        assert_eq!(tell(&other_count, 2, 3).await.unwrap_err().name(), "CallbackRefused");
    }
}
