//! A bucket in memory, for tests.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::task::yield_now;

use crate::{
    artifacts::Artifacts,
    documents::{Content, Document, Documents, StorageError},
};

/// How many keys a page of a list has.
const PAGE: usize = 3;

#[derive(Default)]
pub(crate) struct MemoryBucket {
    pub(crate) objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// How many bytes of a document come before the stream breaks; all when it is not given.
    pub(crate) breaks_after: Option<usize>,
    /// The next call that opens or lists fails so.
    pub(crate) failure: Mutex<Option<StorageError>>,
    /// How many chunks may be written; any number when it is not given.
    pub(crate) puts_left: Mutex<Option<usize>>,
    pub(crate) most_puts_at_once: AtomicUsize,
    pub(crate) puts_now: AtomicUsize,
}

impl MemoryBucket {
    pub(crate) fn with(objects: &[(&str, &[u8])]) -> Self {
        let objects = objects.iter().map(|(key, content)| ((*key).to_owned(), content.to_vec())).collect();
        Self { objects: Mutex::new(objects), ..Self::default() }
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn refuse_puts_after(&self, puts: usize) {
        *self.puts_left.lock().unwrap() = Some(puts);
    }

    fn failure(&self) -> Result<(), StorageError> {
        self.failure.lock().unwrap().take().map_or(Ok(()), Err)
    }
}

impl Documents for MemoryBucket {
    type Content = Pieces;

    async fn open(&self, key: &str) -> Result<Option<Document<Pieces>>, StorageError> {
        self.failure()?;
        let Some(content) = self.objects.lock().unwrap().get(key).cloned() else { return Ok(None) };
        let length = content.len() as u64;
        let breaks_after = self.breaks_after.unwrap_or(usize::MAX);
        Ok(Some(Document { length, content: Pieces { left: content.into(), breaks_after } }))
    }
}

/// A document in pieces of odd size.
pub(crate) struct Pieces {
    left: Bytes,
    breaks_after: usize,
}

impl Content for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        if self.breaks_after == 0 {
            return Err(StorageError::Unavailable("the connection was reset".into()));
        }
        let piece = self.left.split_to(77.min(self.left.len()).min(self.breaks_after));
        self.breaks_after -= piece.len();
        Ok((!piece.is_empty()).then_some(piece))
    }
}

impl Artifacts for MemoryBucket {
    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), StorageError> {
        match &mut *self.puts_left.lock().unwrap() {
            Some(0) => return Err(StorageError::Refused("no permission".into())),
            Some(left) => *left -= 1,
            None => {}
        }
        let now = self.puts_now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_puts_at_once.fetch_max(now, Ordering::Relaxed);
        yield_now().await;
        self.objects.lock().unwrap().insert(key.to_owned(), content);
        self.puts_now.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError> {
        self.failure()?;
        let listed =
            |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
        Ok(self.objects.lock().unwrap().keys().filter(listed).take(PAGE).cloned().collect())
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StorageError> {
        self.objects.lock().unwrap().retain(|key, _| !keys.contains(key));
        Ok(())
    }
}
