//! Rows of the lake, as they stand in its files: for comparing, and for making other stores from them.

use futures::{StreamExt as _, TryStreamExt as _};
use iceberg::Runtime;
use iceberg::arrow::ArrowReaderBuilder;
use iceberg::expr::{Predicate, Reference};
use iceberg::scan::ArrowRecordBatchStream;
use iceberg::spec::Datum;

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
    /// Rows of one file.
    pub file: Option<&'a str>,
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
        let mut tasks: Vec<_> = tasks.try_collect().await.map_err(|error| trouble("plan files", &error))?;
        if tasks.iter().any(|task| !task.deletes.is_empty()) {
            return Err(Error::Internal(format!("{} has deleted rows", spec.full_name())));
        }
        tasks.retain(|task| choice.file.is_none_or(|file| task.data_file_path == file));
        let runtime = Runtime::try_current().map_err(|error| trouble("read", &error))?;
        let reader = ArrowReaderBuilder::new(table.file_io().clone(), runtime)
            .with_batch_size(BATCH_ROWS)
            .with_data_file_concurrency_limit(FILES)
            .build();
        let tasks = futures::stream::iter(tasks.into_iter().map(Ok)).boxed();
        Ok(reader.read(tasks).map_err(|error| trouble("read", &error))?.stream())
    }
}
