//! What a table holds of each publication of each batch, in a few numbers: so that the lake and the journals, or two makings of
//! a table, can be compared as multisets of rows without being held in memory.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::row::{RowConverter, SortField};
use aws_lc_rs::digest;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::postgres::PgRow;

use super::columns::Columns;
use super::read::Choice;
use super::silver::BATCHES;
use super::tables::TableSpec;
use super::{Lake, Snapshot, trouble};
use crate::error::{Error, Result};

/// A batch and one of its publications, the ids as text.
pub type Group = (String, i64);

/// The record numbers of a group as a multiset: how many, their sum, the sum of their squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    pub rows: i64,
    pub sum: i128,
    pub squares: i128,
}

/// The rows of a group with all their values: how many, and the sum of a digest of each. Equal sums are equal rows, in
/// whatever order; a row that is there twice counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub rows: i64,
    sum: u128,
}

/// The last word on a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchState {
    transition_no: i64,
    pub state: String,
    /// Its place in the order of publications.
    pub publication_no: Option<i64>,
}

impl Lake {
    /// The last word on each of a contributor's batches, by id.
    ///
    /// # Errors
    /// When the catalog or the store fails.
    pub async fn batch_states(
        &self,
        snapshot: &Snapshot,
        contributor: &str,
    ) -> Result<BTreeMap<String, BatchState>> {
        let columns = ["batch_id", "transition_no", "state", "publication_no", "contributor_id"];
        let choice = Choice { columns: Some(&columns), contributor: Some(contributor), ..Choice::default() };
        let mut batches = self.rows(&BATCHES, snapshot, choice).await?;
        let mut states: BTreeMap<String, BatchState> = BTreeMap::new();
        while let Some(batch) = batches.try_next().await.map_err(|error| trouble("read", &error))? {
            let ids = column(&batch, "batch_id")?.as_string::<i32>();
            let changes = column(&batch, "transition_no")?.as_primitive::<Int64Type>();
            let words = column(&batch, "state")?.as_string::<i32>();
            let places = column(&batch, "publication_no")?.as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let told = BatchState {
                    transition_no: changes.value(row),
                    state: words.value(row).to_owned(),
                    publication_no: places.is_valid(row).then(|| places.value(row)),
                };
                let known = states.entry(ids.value(row).to_owned()).or_insert_with(|| told.clone());
                if told.transition_no > known.transition_no {
                    *known = told;
                }
            }
        }
        Ok(states)
    }

    /// The keys of a contributor's rows in a journal's table.
    ///
    /// # Errors
    /// When the catalog or the store fails.
    pub async fn keys(
        &self,
        spec: &TableSpec,
        snapshot: &Snapshot,
        contributor: &str,
    ) -> Result<BTreeMap<Group, Keys>> {
        let columns = ["batch_id", "record_no", "publication_no", "contributor_id"];
        let choice = Choice { columns: Some(&columns), contributor: Some(contributor), ..Choice::default() };
        let mut batches = self.rows(spec, snapshot, choice).await?;
        let mut groups: BTreeMap<Group, Keys> = BTreeMap::new();
        while let Some(batch) = batches.try_next().await.map_err(|error| trouble("read", &error))? {
            let numbers = column(&batch, "record_no")?.as_primitive::<Int64Type>();
            for (row, group) in groups_of(&batch)?.into_iter().enumerate() {
                let number = i128::from(numbers.value(row));
                let keys = groups.entry(group).or_default();
                keys.rows += 1;
                keys.sum += number;
                keys.squares += number * number;
            }
        }
        Ok(groups)
    }

    /// The contents of the rows of some batches, or of all, in a journal's table.
    ///
    /// # Errors
    /// When the catalog or the store fails.
    pub async fn contents(
        &self,
        spec: &TableSpec,
        snapshot: &Snapshot,
        batch_ids: Option<&[String]>,
    ) -> Result<BTreeMap<Group, Contents>> {
        let choice = Choice { batches: batch_ids, ..Choice::default() };
        let mut batches = self.rows(spec, snapshot, choice).await?;
        let mut digests = Digests::new(&spec.arrow_schema()?)?;
        while let Some(batch) = batches.try_next().await.map_err(|error| trouble("read", &error))? {
            digests.add(&batch)?;
        }
        Ok(digests.groups)
    }
}

/// The contents of journal rows as the lake would hold them. The statement names its columns as the table does.
///
/// # Errors
/// When Postgres fails.
pub async fn contents_of(
    spec: &'static TableSpec,
    mut rows: BoxStream<'_, sqlx::Result<PgRow>>,
) -> Result<BTreeMap<Group, Contents>> {
    const ROWS: usize = 8192;
    let mut columns = Columns::new(spec)?;
    let mut digests = Digests::new(&spec.arrow_schema()?)?;
    while let Some(row) = rows.next().await {
        columns.push(&row?)?;
        if columns.rows() == ROWS {
            digests.add(&columns.finish()?)?;
        }
    }
    digests.add(&columns.finish()?)?;
    Ok(digests.groups)
}

/// Digests of rows, summed by group.
struct Digests {
    schema: SchemaRef,
    converter: RowConverter,
    groups: BTreeMap<Group, Contents>,
}

impl Digests {
    fn new(schema: &SchemaRef) -> Result<Digests> {
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(|error| confused(&error))?;
        Ok(Digests { schema: schema.clone(), converter, groups: BTreeMap::new() })
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        // In the table's own order and types, whatever the reader made of them.
        let fields = self.schema.fields().iter();
        let columns = fields.map(|field| {
            arrow::compute::cast(column(batch, field.name())?, field.data_type())
                .map_err(|error| confused(&error))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let rows = self.converter.convert_columns(&columns).map_err(|error| confused(&error))?;
        for (row, group) in rows.iter().zip(groups_of(batch)?) {
            let digest = digest::digest(&digest::SHA256, row.as_ref());
            let half: [u8; 16] = std::array::from_fn(|place| digest.as_ref()[place]);
            let contents = self.groups.entry(group).or_default();
            contents.rows += 1;
            contents.sum = contents.sum.wrapping_add(u128::from_be_bytes(half));
        }
        Ok(())
    }
}

/// Whose each row of a record batch is.
fn groups_of(batch: &RecordBatch) -> Result<Vec<Group>> {
    let ids = column(batch, "batch_id")?.as_string::<i32>();
    let numbers = column(batch, "publication_no")?.as_primitive::<Int64Type>();
    Ok((0..batch.num_rows()).map(|row| (ids.value(row).to_owned(), numbers.value(row))).collect())
}

pub(super) fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b arrow::array::ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::Internal(format!("lake: no column {name} was read")))
}

fn confused(error: &arrow::error::ArrowError) -> Error {
    Error::Internal(format!("lake: comparing rows: {error}"))
}
