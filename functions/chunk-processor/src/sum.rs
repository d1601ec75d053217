//! Adds up what was counted in all chunks.

use futures_util::{StreamExt, stream};
use serde::Serialize;
use text_chunks::{ChunkName, TextCounts, TooManyWords, WordCount};
use token_store::Outcome;

use crate::{
    failure::PROCESSING_FAILED,
    objects::{Objects, ObjectsError},
};

/// How many counts are read at once.
const AT_ONCE: usize = 16;
/// How many of the most frequent words are told.
const MOST_FREQUENT: usize = 20;

/// What the workflow goes on with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sum {
    chunks: u32,
    lines: u64,
    words: u64,
    bytes: u64,
    most_frequent_words: Vec<WordCount>,
}

/// Why the counts could not be added up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SumError {
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error("the counts of {0} are not there")]
    Missing(ChunkName),
    #[error("the counts of {name} cannot be read")]
    Malformed { name: ChunkName, source: serde_json::Error },
}

/// Adds up the counts of all chunks of the document of `name`. The same counts give the same outcome, whoever adds.
pub(crate) async fn sum(objects: &impl Objects, bucket: &str, name: &ChunkName) -> Result<Outcome, SumError> {
    let names = (1..=name.of).map(|number| ChunkName { number, ..name.clone() });
    let counts = stream::iter(names).map(async |name| read(objects, bucket, name).await).buffered(AT_ONCE);
    let mut counts = std::pin::pin!(counts);
    let mut sum = TextCounts::default();
    while let Some(counts) = counts.next().await {
        if let Err(error @ TooManyWords) = sum.append(counts?) {
            return Ok(Outcome::failure(PROCESSING_FAILED, error.to_string()));
        }
    }
    let sum = Sum {
        chunks: name.of,
        lines: sum.lines,
        words: sum.words,
        bytes: sum.bytes,
        most_frequent_words: sum.most_frequent(MOST_FREQUENT),
    };
    let json = serde_json::to_string(&sum).expect("numbers and texts are JSON");
    Ok(Outcome::success(json).expect("twenty short words are less than 256 KB"))
}

async fn read(objects: &impl Objects, bucket: &str, name: ChunkName) -> Result<TextCounts, SumError> {
    match objects.get(bucket, &name.result_key()).await? {
        Some(json) => serde_json::from_slice(&json).map_err(|source| SumError::Malformed { name, source }),
        None => Err(SumError::Missing(name)),
    }
}
