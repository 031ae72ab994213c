//! Rows of the lake, as they stand in its files: for comparing, and for making other stores from them.

use futures::{StreamExt as _, TryStreamExt as _};
use iceberg::Runtime;
use iceberg::arrow::ArrowReaderBuilder;
use iceberg::expr::{Predicate, Reference};
use iceberg::scan::{ArrowRecordBatchStream, FileScanTask};
use iceberg::spec::Datum;
use iceberg::table::Table;

use super::tables::TableSpec;
use super::{Lake, Snapshot, trouble};
use crate::error::{Error, Result};

/// Rows of one record batch.
const BATCH_ROWS: usize = 8192;
/// Files that are read at once.
const FILES: usize = 2;

/// Which rows are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choice<'a> {
    /// All columns when absent.
    pub columns: Option<&'a [&'a str]>,
    /// Rows of one contributor.
    pub contributor: Option<&'a str>,
    /// Rows of some batches.
    pub batches: Option<&'a [String]>,
    /// Rows of a version of gold.
    pub gold_version: Option<i64>,
}

impl Choice<'_> {
    fn predicate(&self) -> Option<Predicate> {
        let contributor =
            self.contributor.map(|id| Reference::new("contributor_id").equal_to(Datum::string(id)));
        let batches = self.batches.map(|ids| Reference::new("batch_id").is_in(ids.iter().map(Datum::string)));
        let version =
            self.gold_version.map(|version| Reference::new("gold_version").equal_to(Datum::long(version)));
        [contributor, batches, version].into_iter().flatten().reduce(Predicate::and)
    }
}

/// The files of a snapshot that have chosen rows, found once, to be read together or one by one.
#[derive(Debug)]
pub(super) struct Planned {
    table: Table,
    tasks: Vec<FileScanTask>,
}

impl Lake {
    /// The chosen rows of a snapshot, in no order.
    ///
    /// # Errors
    /// When the catalog or the store fails, or the table has forgotten the snapshot.
    pub(super) async fn rows(
        &self,
        spec: &TableSpec,
        snapshot: &Snapshot,
        choice: Choice<'_>,
    ) -> Result<ArrowRecordBatchStream> {
        let planned = self.plan(spec, snapshot, choice).await?;
        planned.read(planned.tasks.clone())
    }

    /// Finds the files that have the chosen rows.
    ///
    /// # Errors
    /// As [`Lake::rows`].
    pub(super) async fn plan(
        &self,
        spec: &TableSpec,
        snapshot: &Snapshot,
        choice: Choice<'_>,
    ) -> Result<Planned> {
        let table =
            self.catalog.load_table(&spec.ident()).await.map_err(|error| trouble("load a table", &error))?;
        let mut scan = table.scan().snapshot_id(snapshot.snapshot_id);
        scan = match choice.columns {
            Some(columns) => scan.select(columns.iter().copied()),
            None => scan.select_all(),
        };
        if let Some(predicate) = choice.predicate() {
            scan = scan.with_filter(predicate);
        }
        let scan = scan.build().map_err(|error| trouble("scan", &error))?;
        let tasks = scan.plan_files().await.map_err(|error| trouble("plan files", &error))?;
        let tasks: Vec<_> = tasks.try_collect().await.map_err(|error| trouble("plan files", &error))?;
        if tasks.iter().any(|task| !task.deletes.is_empty()) {
            return Err(Error::Internal(format!("{} has deleted rows", spec.full_name())));
        }
        Ok(Planned { table, tasks })
    }
}

impl Planned {
    /// The rows of one file.
    ///
    /// # Errors
    /// When the file is none of the snapshot's, or the store fails.
    pub(super) fn file(&self, path: &str) -> Result<ArrowRecordBatchStream> {
        let task = self.tasks.iter().find(|task| task.data_file_path == path);
        let task = task.ok_or_else(|| Error::Internal("a file is none of its snapshot's".into()))?;
        self.read(vec![task.clone()])
    }

    fn read(&self, tasks: Vec<FileScanTask>) -> Result<ArrowRecordBatchStream> {
        let runtime = Runtime::try_current().map_err(|error| trouble("read", &error))?;
        let reader = ArrowReaderBuilder::new(self.table.file_io().clone(), runtime)
            .with_batch_size(BATCH_ROWS)
            .with_data_file_concurrency_limit(FILES)
            .build();
        let tasks = futures::stream::iter(tasks.into_iter().map(Ok)).boxed();
        Ok(reader.read(tasks).map_err(|error| trouble("read", &error))?.stream())
    }
}
