//! Splits a document as it streams by.

use std::future::ready;

use bytes::{Buf, Bytes};
use futures_util::{TryStreamExt, stream};
use text_chunks::{ChunkName, ChunkSize, Cutter};
use token_store::Part;

use crate::{
    artifacts::Artifacts,
    documents::{Content, Document, Documents, StorageError},
};

/// How many chunks are written at once. With the one that is being read, this is what memory holds.
const AT_ONCE: usize = 8;

/// Why a document was not split. Chunks may have been written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SplitError {
    /// Terminal, until somebody puts it there.
    #[error("there is no document {0}")]
    Missing(String),
    /// Terminal: split it, or choose larger chunks.
    #[error("the document has {length} bytes, and {} chunks of {chunk_bytes} bytes are the most", Part::MOST)]
    TooLarge { length: u64, chunk_bytes: usize },
    /// Retryable: the stream ended before the document did.
    #[error("{written} of {of} chunks were written when the document ended")]
    Incomplete { written: u32, of: u32 },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Writes the chunks of the document `key` under the name `document`, and says how many there are.
///
/// Whatever the document's size, memory holds less than two chunks that are being read, and [`AT_ONCE`] that are being
/// written.
pub(crate) async fn split(
    bucket: &(impl Documents + Artifacts),
    chunk_size: ChunkSize,
    key: &str,
    document: &str,
) -> Result<u32, SplitError> {
    let Some(Document { length, content }) = bucket.open(key).await? else {
        return Err(SplitError::Missing(key.to_owned()));
    };
    let of = u32::try_from(chunk_size.chunks_in(length)).ok().filter(|of| *of <= Part::MOST);
    let too_large = || SplitError::TooLarge { length, chunk_bytes: chunk_size.bytes() };
    let of = of.ok_or_else(too_large)?;

    let reader = Reader { content, piece: Bytes::new(), cutter: Some(Cutter::new(chunk_size)) };
    let chunks = stream::try_unfold((reader, 1), async |(mut reader, number)| {
        let chunk = reader.next_chunk().await?;
        Ok(chunk.map(|chunk| ((number, chunk), (reader, number + 1))))
    });
    let written = chunks
        .map_ok(async |(number, chunk)| {
            let name = ChunkName { document: document.to_owned(), number, of };
            bucket.put(&name.chunk_key(), chunk).await
        })
        .try_buffer_unordered(AT_ONCE)
        .try_fold(0, |written, ()| ready(Ok(written + 1)))
        .await?;
    if written == of { Ok(of) } else { Err(SplitError::Incomplete { written, of }) }
}

/// A document, as chunks.
struct Reader<C> {
    content: C,
    /// What is not yet cut of what was read last.
    piece: Bytes,
    /// Nothing after the last chunk.
    cutter: Option<Cutter>,
}

impl<C: Content> Reader<C> {
    async fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, StorageError> {
        while let Some(cutter) = &mut self.cutter {
            let mut rest = &self.piece[..];
            let chunk = cutter.next_chunk(&mut rest);
            let taken = self.piece.len() - rest.len();
            self.piece.advance(taken);
            if chunk.is_some() {
                return Ok(chunk);
            }
            match self.content.next().await? {
                Some(piece) => self.piece = piece,
                None => return Ok(self.cutter.take().map(Cutter::finish)),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::memory::MemoryBucket;

    const KEY: &str = "documents/poem.txt";

    fn size() -> ChunkSize {
        ChunkSize::new(128).unwrap()
    }

    fn poem(lines: usize) -> Vec<u8> {
        "Über allen Gipfeln ist Ruh\n".repeat(lines).into_bytes()
    }

    async fn split_all(bucket: &MemoryBucket) -> Result<u32, SplitError> {
        split(bucket, size(), KEY, "nightly/0.0").await
    }

    #[tokio::test]
    async fn the_chunks_together_are_the_document_and_each_ends_with_a_line() {
        let document = poem(100);
        let bucket = MemoryBucket::with(&[(KEY, &document)]);

        let chunks = split_all(&bucket).await.unwrap();

        assert_eq!(u64::from(chunks), size().chunks_in(document.len() as u64));
        let objects = bucket.objects.into_inner().unwrap();
        let names: Vec<_> = objects.keys().filter_map(|key| ChunkName::of_chunk_key(key)).collect();
        assert_eq!(
            names.iter().map(|name| name.number).collect::<Vec<_>>(),
            (1..=chunks).collect::<Vec<_>>()
        );
        assert!(names.iter().all(|name| name.document == "nightly/0.0" && name.of == chunks));
        let chunks: Vec<_> = names.iter().map(|name| objects[&name.chunk_key()].clone()).collect();
        assert!(chunks.iter().all(|chunk| chunk.ends_with(b"\n")));
        assert_eq!(chunks.concat(), document);
    }

    #[tokio::test]
    async fn an_empty_document_is_one_empty_chunk() {
        let bucket = MemoryBucket::with(&[(KEY, b"")]);

        assert_eq!(split_all(&bucket).await.unwrap(), 1);
        assert_eq!(bucket.objects.into_inner().unwrap()["chunks/nightly/0.0/00001-of-00001.txt"], b"");
    }

    #[tokio::test]
    async fn several_chunks_are_written_at_once_but_not_all() {
        let bucket = MemoryBucket::with(&[(KEY, &poem(1_000))]);

        split_all(&bucket).await.unwrap();

        assert_eq!(bucket.most_puts_at_once.load(Ordering::Relaxed), AT_ONCE);
    }

    #[tokio::test]
    async fn a_document_that_is_missing_or_too_large_is_said_before_anything_is_written() {
        let bucket = MemoryBucket::with(&[(KEY, &vec![b'x'; 128 * Part::MOST as usize + 1])]);

        let too_large = split_all(&bucket).await.unwrap_err();
        let missing = split_all(&MemoryBucket::default()).await.unwrap_err();

        let said = "the document has 2097153 bytes, and 16384 chunks of 128 bytes are the most";
        assert_eq!(too_large.to_string(), said);
        assert_eq!(missing.to_string(), "there is no document documents/poem.txt");
        assert_eq!(bucket.keys(), [KEY]);
    }

    #[tokio::test]
    async fn a_stream_that_breaks_is_an_error() {
        let bucket = MemoryBucket { breaks_after: Some(500), ..MemoryBucket::with(&[(KEY, &poem(100))]) };

        let error = split_all(&bucket).await.unwrap_err();

        assert!(matches!(error, SplitError::Storage(StorageError::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_chunk_that_cannot_be_written_is_an_error() {
        let bucket = MemoryBucket::with(&[(KEY, &poem(100))]);
        bucket.refuse_puts_after(5);

        let error = split_all(&bucket).await.unwrap_err();

        assert!(matches!(error, SplitError::Storage(StorageError::Refused(_))));
        assert!(bucket.keys().len() <= 1 + 5);
    }
}
