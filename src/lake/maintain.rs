//! What keeps the thousandth append as quick as the first: few manifests, few snapshots.
//!
//! An append adds a manifest, and every append writes the list of all of them. Now and then the small ones are merged into
//! one, in a snapshot that replaces nothing but this bookkeeping: the files and their rows stay as they are. With a
//! catalog other than ours that is left to an engine (`rewrite_manifests`).

use std::collections::HashMap;

use chrono::TimeDelta;
use iceberg::spec::{
    MAIN_BRANCH, ManifestContentType, ManifestFile, ManifestListWriter, ManifestWriterBuilder, Operation,
    Snapshot, SnapshotRef, Summary, TableMetadataBuilder,
};
use iceberg::table::Table;
use iceberg::transaction::{ApplyTransactionAction as _, Transaction};
use uuid::Uuid;

use super::tables::TableSpec;
use super::{Lake, Landing, trouble};
use crate::error::Result;
use crate::privacy::random;

/// Maintenance is due at every so-manieth append.
const EVERY: i64 = 100;
/// How long a snapshot can be asked for, at least. An append that has not settled is never forgotten: the next one of its
/// table waits for it. Who reads a snapshot has its list of files, and files stay.
const KEEP_SNAPSHOTS: TimeDelta = TimeDelta::minutes(1);
/// And how many of them stay in any case: each makes every append's metadata larger.
const KEEP_LAST: usize = 100;
/// A manifest of so many bytes is large enough to stay by itself.
const LARGE_MANIFEST: i64 = 8 << 20;

impl Lake {
    /// Merges manifests and forgets old snapshots, when it is time to. What a table says does not change.
    ///
    /// # Errors
    /// When the catalog, the store or Postgres fails, or the table moved on meanwhile; the next time will do.
    pub async fn maintain(&self, spec: &TableSpec, landing: Landing) -> Result<bool> {
        if landing.sequence_no.is_none_or(|number| number % EVERY != 0) {
            return Ok(false);
        }
        self.merge_manifests(spec).await?;
        self.expire_snapshots(spec).await?;
        Ok(true)
    }

    async fn expire_snapshots(&self, spec: &TableSpec) -> Result<()> {
        let table = self.table(spec).await?;
        let before = self.clock.now() - KEEP_SNAPSHOTS;
        let expire = Transaction::new(&table)
            .expire_snapshots()
            .expire_older_than_ms(before.timestamp_millis())
            .retain_last(KEEP_LAST);
        let transaction =
            expire.apply(Transaction::new(&table)).map_err(|error| trouble("expire snapshots", &error))?;
        transaction.commit(&*self.catalog).await.map_err(|error| trouble("expire snapshots", &error))?;
        Ok(())
    }

    /// Merges the small manifests of a table into one; says how many there were. None of them when the catalog is not ours.
    ///
    /// # Errors
    /// When the store or Postgres fails, or the table has moved on.
    pub async fn merge_manifests(&self, spec: &TableSpec) -> Result<usize> {
        let Some(sql) = &self.sql else { return Ok(0) };
        let table = self.table(spec).await?;
        let Some(current) = table.metadata().current_snapshot().cloned() else { return Ok(0) };
        let list = table.manifest_list_reader(&current).load().await;
        let list = list.map_err(|error| trouble("read the manifest list", &error))?;
        let spec_id = table.metadata().default_partition_spec_id();
        let (small, others): (Vec<ManifestFile>, Vec<ManifestFile>) =
            list.consume_entries().into_iter().partition(|manifest| {
                manifest.content == ManifestContentType::Data
                    && manifest.partition_spec_id == spec_id
                    && manifest.manifest_length < LARGE_MANIFEST
            });
        if small.len() < 2 {
            return Ok(0);
        }
        let id = i64::from_be_bytes(random::bytes()) & i64::MAX;
        let name = random::uuid_v4();
        let merged =
            merge(&table, &small, id, name).await.map_err(|error| trouble("merge manifests", &error))?;
        let snapshot = replacing(&table, &current, (id, name), others.into_iter().chain([merged]))
            .await
            .map_err(|error| trouble("merge manifests", &error))?;
        let metadata = table
            .metadata()
            .clone()
            .into_builder(table.metadata_location().map(ToOwned::to_owned))
            .set_branch_snapshot(snapshot, MAIN_BRANCH)
            .and_then(TableMetadataBuilder::build)
            .map_err(|error| trouble("merge manifests", &error))?
            .metadata;
        sql.replace_metadata(&table, metadata).await.map_err(|error| trouble("merge manifests", &error))?;
        Ok(small.len())
    }
}

fn path(table: &Table, name: &str) -> String {
    format!("{}/metadata/{name}.avro", table.metadata().location())
}

/// One manifest with the files of several, each as old as it was.
async fn merge(
    table: &Table,
    small: &[ManifestFile],
    snapshot: i64,
    name: Uuid,
) -> iceberg::Result<ManifestFile> {
    let output = table.file_io().new_output(path(table, &format!("{name}-m0")))?;
    let metadata = table.metadata();
    let mut writer = ManifestWriterBuilder::new(
        output,
        Some(snapshot),
        metadata.current_schema().clone(),
        metadata.default_partition_spec().as_ref().clone(),
    )
    .build_v2_data();
    for manifest in small {
        let manifest = manifest.load_manifest(table.file_io()).await?;
        for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
            let (Some(added_by), Some(sequence)) = (entry.snapshot_id(), entry.sequence_number()) else {
                let what = "a file of a manifest has no snapshot";
                return Err(iceberg::Error::new(iceberg::ErrorKind::DataInvalid, what));
            };
            // Nothing but appends wrote these tables: a file is as old as its rows.
            writer.add_existing_file(entry.data_file().clone(), added_by, sequence, Some(sequence))?;
        }
    }
    writer.write_manifest_file().await
}

/// The snapshot with other manifests and the same files.
async fn replacing(
    table: &Table,
    current: &SnapshotRef,
    (id, name): (i64, Uuid),
    manifests: impl Iterator<Item = ManifestFile>,
) -> iceberg::Result<Snapshot> {
    let metadata = table.metadata();
    let sequence = metadata.next_sequence_number();
    let location = path(table, &format!("snap-{id}-0-{name}"));
    let output = table.file_io().new_output(&location)?.writer().await?;
    let mut list = ManifestListWriter::v2(output, id, Some(current.snapshot_id()), sequence);
    list.add_manifests(manifests)?;
    list.close().await?;
    // How much there is in all stays as it was: the next append counts on from it.
    let totals = current.summary().additional_properties.iter();
    let totals: HashMap<String, String> = totals
        .filter(|(key, _)| key.starts_with("total-"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let summary = Summary { operation: Operation::Replace, additional_properties: totals };
    Ok(Snapshot::builder()
        .with_snapshot_id(id)
        .with_parent_snapshot_id(Some(current.snapshot_id()))
        .with_sequence_number(sequence)
        .with_manifest_list(location)
        .with_schema_id(metadata.current_schema_id())
        // Never before its parent, whatever clocks say.
        .with_timestamp_ms(current.timestamp_ms().max(metadata.last_updated_ms()) + 1)
        .with_summary(summary)
        .build())
}
