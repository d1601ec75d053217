//! What the workflow `document-processor` asks for.

use function_runtime::NamedError;
use serde::{Deserialize, Serialize};
use text_chunks::{ChunkName, ChunkSize};
use tracing::info;

use crate::{
    artifacts::{self, Artifacts},
    documents::{Documents, StorageError},
    split::{SplitError, split},
};

/// What the splitter works with.
pub(crate) struct Splitter<B> {
    pub(crate) chunk_size: ChunkSize,
    pub(crate) bucket: B,
}

/// What the workflow asks for.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Request {
    /// Split a document. Every attempt has chunks of its own, so that none meets those of another.
    Split {
        /// The key of the document.
        key: String,
        /// The name of the execution.
        execution: String,
        redrive_count: u32,
        retry_count: u32,
    },
    /// Say how many chunks are done.
    Count { document: String },
    /// Delete the chunks and what was made of them, of all attempts.
    Discard { execution: String },
}

/// What was done.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Split { document: String, chunks: u32 },
    Counted { done: u64 },
    Discarded { chunks: u64, results: u64 },
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SplitterError {
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error("the artifacts could not be listed or deleted")]
    Artifacts(#[source] StorageError),
}

impl NamedError for SplitterError {
    fn name(&self) -> &'static str {
        match self {
            Self::Split(SplitError::Missing(_)) => "DocumentMissing",
            Self::Split(SplitError::TooLarge { .. }) => "DocumentTooLarge",
            Self::Split(
                SplitError::Incomplete { .. } | SplitError::Storage(StorageError::Unavailable(_)),
            )
            | Self::Artifacts(StorageError::Unavailable(_)) => "StorageUnavailable",
            Self::Split(SplitError::Storage(StorageError::Refused(_)))
            | Self::Artifacts(StorageError::Refused(_)) => "StorageRefused",
        }
    }
}

/// Does what the workflow asks for. Asked again, it does it again, or finds it done.
///
/// # Errors
///
/// Every variant of [`SplitterError`]; `…Unavailable` is worth a retry.
pub(crate) async fn handle(
    splitter: &Splitter<impl Documents + Artifacts>,
    request: Request,
) -> Result<Answer, SplitterError> {
    match request {
        Request::Split { key, execution, redrive_count, retry_count } => {
            let document = format!("{execution}/{redrive_count}.{retry_count}");
            let chunks = split(&splitter.bucket, splitter.chunk_size, &key, &document).await?;
            info!(document, chunks, "document split");
            Ok(Answer::Split { document, chunks })
        }
        Request::Count { document } => {
            let results = ChunkName::results_of(&document);
            let done =
                artifacts::count(&splitter.bucket, &results).await.map_err(SplitterError::Artifacts)?;
            Ok(Answer::Counted { done })
        }
        Request::Discard { execution } => {
            // First what is still to be done: what is gone is not processed any more.
            let clear = async |prefix: String| {
                artifacts::clear(&splitter.bucket, &prefix).await.map_err(SplitterError::Artifacts)
            };
            let chunks = clear(ChunkName::chunks_of(&execution)).await?;
            let results = clear(ChunkName::results_of(&execution)).await?;
            info!(execution, chunks, results, "artifacts deleted");
            Ok(Answer::Discarded { chunks, results })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::memory::MemoryBucket;

    const SPLIT: &str = include_str!("../../../events/document-splitter/split.json");
    const COUNT: &str = include_str!("../../../events/document-splitter/count.json");
    const DISCARD: &str = include_str!("../../../events/document-splitter/discard.json");

    type TestSplitter = Splitter<MemoryBucket>;

    fn splitter(objects: &[(&str, &[u8])]) -> TestSplitter {
        Splitter { chunk_size: ChunkSize::new(128).unwrap(), bucket: MemoryBucket::with(objects) }
    }

    async fn ask(splitter: &TestSplitter, request: &str) -> Result<Value, SplitterError> {
        let answer = handle(splitter, serde_json::from_str(request).unwrap()).await?;
        Ok(serde_json::to_value(answer).unwrap())
    }

    #[tokio::test]
    async fn every_attempt_has_chunks_of_its_own() {
        let text = "a line of the poem\n".repeat(10);
        let splitter = splitter(&[("documents/poem.txt", text.as_bytes())]);

        let first = ask(&splitter, SPLIT).await.unwrap();
        let redriven = ask(&splitter, &SPLIT.replace(r#""redriveCount": 0"#, r#""redriveCount": 1"#)).await;
        let retried = ask(&splitter, &SPLIT.replace(r#""retryCount": 0"#, r#""retryCount": 2"#)).await;

        assert_eq!(first, json!({ "document": "nightly-2026-03-01/0.0", "chunks": 2 }));
        assert_eq!(redriven.unwrap()["document"], "nightly-2026-03-01/1.0");
        assert_eq!(retried.unwrap()["document"], "nightly-2026-03-01/0.2");
        let chunks = ["0.0", "0.2", "1.0"].map(|attempt| {
            ["1", "2"].map(|number| format!("chunks/nightly-2026-03-01/{attempt}/0000{number}-of-00002.txt"))
        });
        assert_eq!(splitter.bucket.keys()[..6], chunks.concat());
    }

    #[tokio::test]
    async fn done_chunks_are_counted_on_all_pages_and_those_of_others_are_not() {
        let name = |number| ChunkName { document: "nightly-2026-03-01/0.0".into(), number, of: 9 };
        let done: Vec<String> = (1..=7).map(|number| name(number).result_key()).collect();
        let mut objects: Vec<(&str, &[u8])> = done.iter().map(|key| (key.as_str(), &b""[..])).collect();
        objects.push(("results/nightly-2026-03-01/0.1/00001-of-00009.json", b""));
        objects.push(("chunks/nightly-2026-03-01/0.0/00008-of-00009.txt", b""));
        let splitter = splitter(&objects);

        let answer = ask(&splitter, COUNT).await.unwrap();

        assert_eq!(answer, json!({ "done": 7 }));
    }

    #[tokio::test]
    async fn the_artifacts_of_all_attempts_are_deleted_and_those_of_others_are_left() {
        let left = [
            "chunks/nightly-2026-03-01-b/0.0/00001-of-00001.txt",
            "documents/nightly-2026-03-01/0.0/00001-of-00001.txt",
        ];
        let mut objects: Vec<(&str, &[u8])> = left.map(|key| (key, &b""[..])).to_vec();
        let chunks: Vec<String> = (1..=4)
            .map(|number| format!("chunks/nightly-2026-03-01/0.{number}/00001-of-00001.txt"))
            .collect();
        objects.extend(chunks.iter().map(|key| (key.as_str(), &b""[..])));
        objects.push(("results/nightly-2026-03-01/0.0/00001-of-00001.json", b""));
        let splitter = splitter(&objects);

        let answers = [ask(&splitter, DISCARD).await.unwrap(), ask(&splitter, DISCARD).await.unwrap()];

        assert_eq!(answers, [json!({ "chunks": 4, "results": 1 }), json!({ "chunks": 0, "results": 0 })]);
        assert_eq!(splitter.bucket.keys(), left);
    }

    #[tokio::test]
    async fn errors_have_the_names_that_the_workflow_matches() {
        let name =
            async |splitter: &TestSplitter, request: &str| ask(splitter, request).await.unwrap_err().name();
        let huge = vec![b'x'; 128 * 16_384 + 1];
        let too_large = splitter(&[("documents/poem.txt", &huge)]);
        let broken = splitter(&[("documents/poem.txt", &huge[..1_000])]);
        let broken = Splitter { bucket: MemoryBucket { breaks_after: Some(9), ..broken.bucket }, ..broken };

        assert_eq!(name(&splitter(&[]), SPLIT).await, "DocumentMissing");
        assert_eq!(name(&too_large, SPLIT).await, "DocumentTooLarge");
        assert_eq!(name(&broken, SPLIT).await, "StorageUnavailable");
        for request in [SPLIT, COUNT, DISCARD] {
            let splitter = splitter(&[]);
            *splitter.bucket.failure.lock().unwrap() = Some(StorageError::Unavailable("busy".into()));
            assert_eq!(name(&splitter, request).await, "StorageUnavailable");
            *splitter.bucket.failure.lock().unwrap() = Some(StorageError::Refused("denied".into()));
            assert_eq!(name(&splitter, request).await, "StorageRefused");
        }
    }
}
