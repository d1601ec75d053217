//! The documents, read as a stream.

use std::error::Error;

use bytes::Bytes;

/// Reads documents.
pub(crate) trait Documents: Send + Sync {
    /// A document's content.
    type Content: Content;

    /// Opens a document; nothing when there is none.
    fn open(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<Document<Self::Content>>, StorageError>> + Send;
}

/// A document that is about to be read.
pub(crate) struct Document<C> {
    /// How many bytes it has.
    pub(crate) length: u64,
    /// What is in it.
    pub(crate) content: C,
}

/// The content of a document, piece by piece.
pub(crate) trait Content: Send {
    /// The next piece; nothing at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, StorageError>> + Send;
}

/// Why a document or an artifact could not be read, written, listed or deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// S3 or the network is busy or broken. Retry later.
    #[error("S3 is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// S3 refuses and will refuse again: permissions, a missing bucket.
    #[error("S3 refused the request")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}
