//! Rows of the lake on their way into tables of Postgres: `columns` the other way round.

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::columns::EPOCH_DAY;
use super::fingerprint::column;
use super::read::{Choice, Planned};
use super::tables::{Column, Kind, TableSpec};
use super::{Lake, Snapshot, trouble};
use crate::db::copy::TupleWriter;
use crate::error::{Error, Result};

/// The rows of a snapshot, file by file, as tuples for a binary COPY of some columns. Whole numbers of 32 bits are `integer`,
/// codes `smallint`, ids `uuid`, lists `text[]`.
#[derive(Debug)]
pub struct Tuples {
    planned: Planned,
    columns: Vec<&'static Column>,
}

impl Lake {
    /// Finds the files of a snapshot, to be read one by one.
    ///
    /// # Errors
    /// When the catalog or the store fails, or there is no such column.
    pub async fn tuples(
        &self,
        spec: &'static TableSpec,
        snapshot: &Snapshot,
        names: &'static [&'static str],
    ) -> Result<Tuples> {
        let find = |name: &&str| {
            let found = spec.columns.iter().find(|column| column.name == *name);
            found.ok_or_else(|| Error::Internal(format!("{} has no column {name}", spec.full_name())))
        };
        let columns = names.iter().map(find).collect::<Result<Vec<&'static Column>>>()?;
        let choice = Choice { columns: Some(names), ..Choice::default() };
        Ok(Tuples { planned: self.plan(spec, snapshot, choice).await?, columns })
    }
}

impl Tuples {
    /// The tuples of one file, in pieces.
    ///
    /// # Errors
    /// When the file is none of the snapshot's, the store fails, or a value is none of its kind.
    pub fn of_file(&self, path: &str) -> Result<BoxStream<'static, Result<Vec<u8>>>> {
        let columns = self.columns.clone();
        let encode = move |batch: iceberg::Result<RecordBatch>| {
            encode(&batch.map_err(|error| trouble("read", &error))?, &columns)
        };
        Ok(self.planned.file(path)?.into_stream().map(encode).boxed())
    }
}

fn encode(batch: &RecordBatch, columns: &[&Column]) -> Result<Vec<u8>> {
    let arrays = columns.iter().map(|known| column(batch, known.name)).collect::<Result<Vec<_>>>()?;
    let mut tuples = TupleWriter::default();
    for row in 0..batch.num_rows() {
        tuples.tuple(columns.len() as i16);
        for (known, array) in columns.iter().zip(&arrays) {
            if array.is_null(row) {
                tuples.null();
            } else {
                field(&mut tuples, known.kind, array, row).ok_or_else(|| {
                    Error::Internal(format!("lake: a value of {} is none of its kind", known.name))
                })?;
            }
        }
    }
    Ok(tuples.bytes)
}

/// Writes a value that is there; `None` when it is none of its kind.
fn field(tuples: &mut TupleWriter, kind: Kind, array: &ArrayRef, row: usize) -> Option<()> {
    match kind {
        Kind::Long => tuples.bigint(Some(array.as_primitive_opt::<Int64Type>()?.value(row))),
        Kind::Int => tuples.integer(Some(array.as_primitive_opt::<Int32Type>()?.value(row))),
        Kind::Bool => tuples.boolean(array.as_boolean_opt()?.value(row)),
        Kind::Date => {
            let days = array.as_primitive_opt::<Date32Type>()?.value(row);
            tuples.date(Some(NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_DAY)?)?));
        }
        Kind::Instant => {
            let micros = array.as_primitive_opt::<TimestampMicrosecondType>()?.value(row);
            tuples.instant(Some(DateTime::from_timestamp_micros(micros)?));
        }
        Kind::Id => tuples.uuid(Uuid::try_parse(text(array, row)?).ok()?),
        Kind::Word(words) => {
            let place = words.iter().position(|word| Some(*word) == text(array, row))?;
            tuples.smallint(Some(place as i16));
        }
        Kind::List => tuples.texts(&text(array, row)?.split(',').collect::<Vec<_>>()),
        Kind::Text | Kind::Digest | Kind::Json => tuples.text(text(array, row)?),
    }
    Some(())
}

fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    Some(array.as_string_opt::<i32>()?.value(row))
}
