//! Under which keys chunks and their counts are kept.

use std::fmt;

const CHUNKS: &str = "chunks/";
const RESULTS: &str = "results/";

/// One chunk of a document that is being processed.
///
/// Its keys say all that whoever processes it must know: which document, which chunk, of how many.
///
/// ```
/// use text_chunks::ChunkName;
///
/// let name = ChunkName { document: "nightly/0.0".into(), number: 17, of: 42 };
/// assert_eq!(name.chunk_key(), "chunks/nightly/0.0/00017-of-00042.txt");
/// assert_eq!(name.result_key(), "results/nightly/0.0/00017-of-00042.json");
/// assert_eq!(ChunkName::of_chunk_key("chunks/nightly/0.0/00017-of-00042.txt"), Some(name));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkName {
    /// Which document.
    pub document: String,
    /// Which chunk, counted from 1.
    pub number: u32,
    /// Of how many.
    pub of: u32,
}

impl ChunkName {
    /// The key of the chunk.
    #[must_use]
    pub fn chunk_key(&self) -> String {
        format!("{}{:05}-of-{:05}.txt", Self::chunks_of(&self.document), self.number, self.of)
    }

    /// The key of the chunk's counts.
    #[must_use]
    pub fn result_key(&self) -> String {
        format!("{}{:05}-of-{:05}.json", Self::results_of(&self.document), self.number, self.of)
    }

    /// The name that stands in the key of a chunk; `None` when it is no such key.
    #[must_use]
    pub fn of_chunk_key(key: &str) -> Option<Self> {
        let (document, chunk) = key.strip_prefix(CHUNKS)?.rsplit_once('/')?;
        let (number, of) = chunk.strip_suffix(".txt")?.split_once("-of-")?;
        let name = Self { document: document.to_owned(), number: number.parse().ok()?, of: of.parse().ok()? };
        (name.chunk_key() == key).then_some(name)
    }

    /// What the keys of all chunks of a document begin with.
    #[must_use]
    pub fn chunks_of(document: &str) -> String {
        format!("{CHUNKS}{document}/")
    }

    /// What the keys of all counts of a document's chunks begin with.
    #[must_use]
    pub fn results_of(document: &str) -> String {
        format!("{RESULTS}{document}/")
    }
}

impl fmt::Display for ChunkName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "chunk {} of {}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_from_its_key() {
        for document in ["nightly/0.0", "a+b@c (1)/2.3", "ä/0.0"] {
            let name = ChunkName { document: document.into(), number: 10_000, of: 16_384 };

            assert_eq!(ChunkName::of_chunk_key(&name.chunk_key()), Some(name));
        }
    }

    #[test]
    fn other_keys_are_no_names() {
        for key in [
            "chunks/nightly/0.0/17-of-42.txt",
            "chunks/nightly/0.0/00017-of-00042.json",
            "chunks/nightly/0.0/00017.txt",
            "chunks/00017-of-00042.txt",
            "results/nightly/0.0/00017-of-00042.txt",
            "chunks/nightly/0.0/+0017-of-00042.txt",
            "documents/poem.txt",
        ] {
            assert_eq!(ChunkName::of_chunk_key(key), None, "{key}");
        }
    }
}
