//! Rows into Parquet files, one for each partition that they belong to.
//!
//! Every file of an append lies in a folder of its own, `data/<commit>/`, so that what an append left behind can be
//! removed by its name alone.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use iceberg::arrow::RecordBatchPartitionSplitter;
use iceberg::spec::{DataFile, DataFileFormat, FormatVersion, PartitionKey};
use iceberg::spec::{deserialize_data_file_from_json, serialize_data_file_to_json};
use iceberg::table::Table;
use iceberg::writer::base_writer::data_file_writer::{DataFileWriter, DataFileWriterBuilder};
use iceberg::writer::file_writer::ParquetWriterBuilder;
use iceberg::writer::file_writer::location_generator::{DefaultFileNameGenerator, LocationGenerator};
use iceberg::writer::file_writer::rolling_writer::RollingFileWriterBuilder;
use iceberg::writer::partitioning::PartitioningWriter as _;
use iceberg::writer::partitioning::fanout_writer::FanoutWriter;
use iceberg::writer::{IcebergWriter as _, IcebergWriterBuilder as _};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::columns::Columns;
use super::tables::{Kind, TableSpec};
use super::trouble;
use crate::error::{Error, Result};

/// Rows that go to the writers at once.
const BATCH_ROWS: usize = 8192;
/// Rows of one row group: what a writer holds in memory of each open file, encoded.
const GROUP_ROWS: usize = 128 * 1024;
/// A file that has grown so large is closed and another one begun, in bytes.
const FILE_BYTES: usize = 256 << 20;
/// Compression level: smaller files for a tenth more time than the default.
const ZSTD_LEVEL: i32 = 3;
/// A look-up by the column of the bloom filter reads a needless row group once in so many.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// The finished files of an append.
#[derive(Debug, Default)]
pub struct Files {
    pub rows: i64,
    pub bytes: i64,
    pub(super) files: Vec<DataFile>,
}

impl Files {
    pub fn paths(&self) -> Vec<String> {
        self.files.iter().map(|file| file.file_path().to_owned()).collect()
    }

    fn of(files: Vec<DataFile>) -> Files {
        let rows = files.iter().map(|file| file.record_count() as i64).sum();
        let bytes = files.iter().map(|file| file.file_size_in_bytes() as i64).sum();
        Files { rows, bytes, files }
    }

    /// The files with their statistics, for the ledger.
    pub(super) fn to_json(&self, table: &Table) -> Result<serde_json::Value> {
        let partition = table.metadata().default_partition_type();
        let mut list = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let text = serialize_data_file_to_json(file.clone(), partition, FormatVersion::V2)
                .map_err(|error| trouble("describe a file", &error))?;
            list.push(serde_json::Value::String(text));
        }
        Ok(serde_json::Value::Array(list))
    }

    /// What [`Files::to_json`] gave.
    pub(super) fn from_json(json: &serde_json::Value, table: &Table) -> Result<Files> {
        let metadata = table.metadata();
        let read = |text: &serde_json::Value| {
            let text = text.as_str().ok_or_else(|| Error::Inconsistent {
                table: "lake_commits",
                column: "files",
                row: "a file".into(),
            })?;
            deserialize_data_file_from_json(
                text,
                metadata.default_partition_spec_id(),
                metadata.default_partition_type(),
                metadata.current_schema(),
            )
            .map_err(|error| trouble("read a file's description", &error))
        };
        let list = json.as_array().map_or(&[][..], Vec::as_slice);
        Ok(Files::of(list.iter().map(read).collect::<Result<_>>()?))
    }
}

/// The folder of everything that an append writes.
pub(super) fn folder(table: &Table, commit: Uuid) -> String {
    format!("{}/data/{commit}", table.metadata().location())
}

/// Where the files of one append go. Their partitions are told by the manifest, and by no path: keys stay short.
#[derive(Clone, Debug)]
struct Folder(String);

impl LocationGenerator for Folder {
    fn generate_location(&self, _: Option<&PartitionKey>, file_name: &str) -> String {
        format!("{}/{file_name}", self.0)
    }
}

type Builder = DataFileWriterBuilder<ParquetWriterBuilder, Folder, DefaultFileNameGenerator>;
type Single = DataFileWriter<ParquetWriterBuilder, Folder, DefaultFileNameGenerator>;

/// Writes record batches of a table in files.
pub(super) struct Writer {
    sink: Sink,
}

enum Sink {
    Whole(Box<Single>),
    Parts { splitter: Box<RecordBatchPartitionSplitter>, writer: Box<FanoutWriter<Builder>> },
}

impl Writer {
    /// `rows`: about how many there will be, for the size of the bloom filter.
    pub(super) async fn new(table: &Table, spec: &TableSpec, commit: Uuid, rows: u64) -> Result<Writer> {
        let metadata = table.metadata();
        let schema = Arc::clone(metadata.current_schema());
        let parquet = ParquetWriterBuilder::new(properties(spec, rows)?, Arc::clone(&schema));
        let rolling = RollingFileWriterBuilder::new(
            parquet,
            FILE_BYTES,
            table.file_io().clone(),
            Folder(folder(table, commit)),
            DefaultFileNameGenerator::new("rows".to_owned(), None, DataFileFormat::Parquet),
        );
        let builder = DataFileWriterBuilder::new(rolling);
        let partitions = metadata.default_partition_spec();
        let sink = if partitions.is_unpartitioned() {
            let writer = builder.build(None).await.map_err(|error| trouble("open a file", &error))?;
            Sink::Whole(Box::new(writer))
        } else {
            let splitter =
                RecordBatchPartitionSplitter::try_new_with_computed_values(schema, Arc::clone(partitions))
                    .map_err(|error| trouble("partitions", &error))?;
            Sink::Parts { splitter: Box::new(splitter), writer: Box::new(FanoutWriter::new(builder)) }
        };
        Ok(Writer { sink })
    }

    pub(super) async fn write(&mut self, batch: arrow::array::RecordBatch) -> Result<()> {
        let written = match &mut self.sink {
            Sink::Whole(writer) => writer.write(batch).await,
            Sink::Parts { splitter, writer } => {
                let parts: Vec<(PartitionKey, _)> =
                    splitter.split(&batch).map_err(|error| trouble("partition", &error))?;
                for (key, part) in parts {
                    writer.write(key, part).await.map_err(|error| trouble("write a file", &error))?;
                }
                Ok(())
            }
        };
        written.map_err(|error| trouble("write a file", &error))
    }

    pub(super) async fn close(self) -> Result<Files> {
        let files = match self.sink {
            Sink::Whole(mut writer) => writer.close().await,
            Sink::Parts { writer, .. } => writer.close().await,
        };
        Ok(Files::of(files.map_err(|error| trouble("finish a file", &error))?))
    }
}

pub(super) fn properties(spec: &TableSpec, rows: u64) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(|error| Error::Internal(error.to_string()))?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        // As many as come at once: to look at the size of a page more often costs a twentieth of all time.
        .set_write_batch_size(BATCH_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page);
    // A dictionary of values that are nearly all different costs more than it saves: a third of the time that writing takes.
    for column in spec.columns {
        let path = ColumnPath::from(column.name);
        let encoding = match column.kind {
            Kind::Long => Encoding::DELTA_BINARY_PACKED,
            _ if [spec.sorted_by, spec.bloom].contains(&Some(column.name)) => {
                Encoding::DELTA_LENGTH_BYTE_ARRAY
            }
            _ => continue,
        };
        properties =
            properties.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding);
    }
    if let Some(column) = spec.bloom {
        let path = ColumnPath::from(column);
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
            .set_column_bloom_filter_ndv(path, rows.clamp(1, GROUP_ROWS as u64));
    }
    Ok(properties.build())
}

/// Writes the rows of a stream.
pub(super) async fn rows(
    table: &Table,
    spec: &'static TableSpec,
    commit: Uuid,
    announced: u64,
    mut rows: BoxStream<'_, sqlx::Result<PgRow>>,
) -> Result<Files> {
    let mut writer = Writer::new(table, spec, commit, announced).await?;
    let mut columns = Columns::new(spec)?;
    while let Some(row) = rows.next().await {
        columns.push(&row?)?;
        if columns.rows() == BATCH_ROWS {
            writer.write(columns.finish()?).await?;
        }
    }
    if columns.rows() > 0 {
        writer.write(columns.finish()?).await?;
    }
    writer.close().await
}
