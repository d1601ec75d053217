//! What is made of a document on its way: chunks, and the counts of chunks.

use crate::documents::StorageError;

/// Writes, lists and deletes artifacts.
pub(crate) trait Artifacts: Send + Sync {
    /// Writes one.
    fn put(&self, key: &str, content: Vec<u8>) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Lists those whose keys begin with `prefix`: at most a thousand of them that come after the key `after`.
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Future<Output = Result<Vec<String>, StorageError>> + Send;

    /// Deletes at most a thousand of them.
    fn delete(&self, keys: &[String]) -> impl Future<Output = Result<(), StorageError>> + Send;
}

/// How many artifacts there are.
pub(crate) async fn count(artifacts: &impl Artifacts, prefix: &str) -> Result<u64, StorageError> {
    let mut counted = 0;
    let mut after = None;
    loop {
        let page = artifacts.list(prefix, after.as_deref()).await?;
        let Some(last) = page.last() else { return Ok(counted) };
        counted += page.len() as u64;
        after = Some(last.clone());
    }
}

/// Deletes all artifacts, and says how many there were.
pub(crate) async fn clear(artifacts: &impl Artifacts, prefix: &str) -> Result<u64, StorageError> {
    let mut deleted = 0;
    loop {
        let page = artifacts.list(prefix, None).await?;
        if page.is_empty() {
            return Ok(deleted);
        }
        artifacts.delete(&page).await?;
        deleted += page.len() as u64;
    }
}
