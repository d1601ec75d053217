//! Names under which a document fails the workflow that waits for it.

/// A chunk is no text, or the whole has too many words; the cause says which.
pub(crate) const PROCESSING_FAILED: &str = "ProcessingFailed";
