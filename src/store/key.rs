//! The only place that spells the path of an object.

use std::fmt;

use crate::ids::{ArchiveQueryId, BatchId, ContributorId};

/// Where an object lives in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageKey(String);

impl StorageKey {
    /// A batch's bytes as received. Written once, never changed.
    pub fn bronze(contributor: ContributorId, batch: BatchId) -> StorageKey {
        StorageKey(format!("bronze/{contributor}/{batch}"))
    }

    /// The same of a rehearsal: these go after a while.
    pub fn rehearsal(contributor: ContributorId, batch: BatchId) -> StorageKey {
        StorageKey(format!("rehearsal/{contributor}/{batch}"))
    }

    /// The rejected records of one attempt at a batch: a worker that lost its lease cannot overwrite the
    /// file of the one that took over.
    pub fn rejects(batch: BatchId, attempt: uuid::Uuid) -> StorageKey {
        StorageKey(format!("refined/{batch}/{attempt}/rejects.zst"))
    }

    /// The same of a rehearsal, whatever the attempt: it goes after a while, and must be found then.
    pub fn rehearsed_rejects(batch: BatchId) -> StorageKey {
        StorageKey(format!("rehearsal/refined/{batch}/rejects.zst"))
    }

    /// The result of one attempt at an archive query.
    pub fn archive(query: ArchiveQueryId, attempt: uuid::Uuid) -> StorageKey {
        StorageKey(format!("archive/{query}/{attempt}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
