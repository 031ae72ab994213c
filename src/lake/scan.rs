//! A table as one snapshot of it: the files to read.

use futures::TryStreamExt as _;
use iceberg::ErrorKind;

use super::tables::TableSpec;
use super::{Lake, trouble};
use crate::error::{Error, Result};

/// A table at one moment. Every reader of one answer reads the same.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub snapshot_id: i64,
    pub files: Vec<SnapshotFile>,
}

/// A Parquet file of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotFile {
    /// Where it is, as `s3://bucket/key`, or `file:///path` where files were made by hand.
    pub path: String,
    pub bytes: u64,
    pub rows: u64,
}

impl Lake {
    /// The newest snapshot of a table; `None` while nothing has landed in it.
    ///
    /// # Errors
    /// When the catalog or the store fails, or a file has rows deleted from it: nobody does that here, and reading the file
    /// as it is would be wrong.
    pub async fn snapshot(&self, spec: &TableSpec) -> Result<Option<Snapshot>> {
        self.snapshot_at(spec, None).await
    }

    /// The same of a snapshot by its id; `None` when the table has forgotten it.
    pub async fn snapshot_at(&self, spec: &TableSpec, id: Option<i64>) -> Result<Option<Snapshot>> {
        let table = match self.catalog.load_table(&spec.ident()).await {
            Err(error) if matches!(error.kind(), ErrorKind::TableNotFound | ErrorKind::NamespaceNotFound) => {
                return Ok(None);
            }
            found => found.map_err(|error| trouble("load a table", &error))?,
        };
        let metadata = table.metadata();
        let Some(snapshot_id) = id.or_else(|| metadata.current_snapshot_id()) else { return Ok(None) };
        if metadata.snapshot_by_id(snapshot_id).is_none() {
            return Ok(None);
        }
        let scan = table.scan().snapshot_id(snapshot_id).select_all().build();
        let scan = scan.map_err(|error| trouble("scan", &error))?;
        let tasks = scan.plan_files().await.map_err(|error| trouble("plan files", &error))?;
        let tasks: Vec<_> = tasks.try_collect().await.map_err(|error| trouble("plan files", &error))?;
        let mut files = Vec::with_capacity(tasks.len());
        for task in tasks {
            if !task.deletes.is_empty() {
                return Err(Error::Internal(format!("{} has deleted rows", spec.full_name())));
            }
            files.push(SnapshotFile {
                path: task.data_file_path,
                bytes: task.file_size_in_bytes,
                rows: task.record_count.unwrap_or_default(),
            });
        }
        files.sort_unstable();
        Ok(Some(Snapshot { snapshot_id, files }))
    }
}
