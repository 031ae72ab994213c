//! What the lake holds, read from its Parquet files.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use etrplus::app::App;
use etrplus::lake::TableSpec;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A row by its columns, values as text; nulls are left out.
pub type LakeRow = BTreeMap<String, String>;

/// All rows of a table's newest snapshot, file by file.
pub async fn rows(app: &App, table: &TableSpec) -> Vec<LakeRow> {
    record_batches(app, table).await.iter().flat_map(named_texts).collect()
}

/// The same as Arrow has them.
pub async fn record_batches(app: &App, table: &TableSpec) -> Vec<RecordBatch> {
    let Some(snapshot) = app.lake.as_ref().unwrap().snapshot(table).await.unwrap() else { return Vec::new() };
    let mut batches = Vec::new();
    for file in &snapshot.files {
        let prefix = format!("s3://{}/", app.config.s3.bucket);
        let key = file.path.strip_prefix(&prefix).unwrap();
        let bytes = app.store.get(key).await.unwrap().unwrap().collect().await.unwrap().into_bytes();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
        let of_file: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        let rows: usize = of_file.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows as u64, file.rows, "{}", file.path);
        batches.extend(of_file);
    }
    batches
}

/// Rows as texts, in the order of the columns; nulls are empty.
pub fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default();
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|n| columns.iter().map(|column| column.value(n).to_string()).collect())
        .collect()
}

fn named_texts(batch: &RecordBatch) -> Vec<LakeRow> {
    let named = |(n, row): (usize, Vec<String>)| {
        let schema = batch.schema();
        let values = schema.fields().iter().zip(row).enumerate();
        let filled = values.filter(|(column, _)| !batch.column(*column).is_null(n));
        filled.map(|(_, (field, text))| (field.name().clone(), text)).collect()
    };
    texts(batch).into_iter().enumerate().map(named).collect()
}

/// Batch and number of each row, in order: what conservation is about.
pub fn keys(rows: &[LakeRow]) -> Vec<(String, i64)> {
    let key = |row: &LakeRow| (row["batch_id"].clone(), row["record_no"].parse().unwrap());
    let mut keys: Vec<_> = rows.iter().map(key).collect();
    keys.sort();
    keys
}
