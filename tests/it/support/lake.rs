//! What the lake holds, read from its Parquet files.

use std::collections::BTreeMap;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use etrplus::app::App;
use etrplus::lake::TableSpec;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A row by its columns, values as text; nulls are left out.
pub type LakeRow = BTreeMap<String, String>;

/// All rows of a table's newest snapshot, file by file.
pub async fn rows(app: &App, table: &TableSpec) -> Vec<LakeRow> {
    let Some(snapshot) = app.lake.as_ref().unwrap().snapshot(table).await.unwrap() else { return Vec::new() };
    let mut rows = Vec::new();
    for file in &snapshot.files {
        let prefix = format!("s3://{}/", app.config.s3.bucket);
        let key = file.path.strip_prefix(&prefix).unwrap();
        let bytes = app.store.get(key).await.unwrap().unwrap().collect().await.unwrap().into_bytes();
        let before = rows.len();
        read(bytes, &mut rows);
        assert_eq!((rows.len() - before) as u64, file.rows, "{}", file.path);
    }
    rows
}

fn read(bytes: bytes::Bytes, rows: &mut Vec<LakeRow>) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    for batch in reader {
        let batch = batch.unwrap();
        let schema = batch.schema();
        let options = FormatOptions::default();
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| (column, ArrayFormatter::try_new(column.as_ref(), &options).unwrap()))
            .collect();
        for n in 0..batch.num_rows() {
            let values = schema.fields().iter().zip(&columns).filter(|(_, (column, _))| !column.is_null(n));
            rows.push(
                values
                    .map(|(field, (_, values))| (field.name().clone(), values.value(n).to_string()))
                    .collect(),
            );
        }
    }
}

/// Batch and number of each row, in order: what conservation is about.
pub fn keys(rows: &[LakeRow]) -> Vec<(String, i64)> {
    let key = |row: &LakeRow| (row["batch_id"].clone(), row["record_no"].parse().unwrap());
    let mut keys: Vec<_> = rows.iter().map(key).collect();
    keys.sort();
    keys
}
