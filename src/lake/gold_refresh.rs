//! A version of gold, from one snapshot of each silver table into the gold tables.
//!
//! Persons are asked for in ranges of `subject_id`, which are random, so that ranges are alike in size; what portfolios add
//! up to is added over the ranges, because a person is in one of them alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use iceberg::table::Table;
use serde_json::{Value, json};
use uuid::Uuid;

use super::gold::{self, Moment};
use super::gold_tables::{PORTFOLIO_MONTHLY, PORTFOLIO_ROLLS, PORTFOLIO_VINTAGES, SUBJECT_ATTRIBUTES};
use super::query::Session;
use super::silver::{ACCOUNT_SNAPSHOTS, APPLICATIONS, BATCHES, REPAYMENT_EVENTS};
use super::withheld::Withheld;
use super::write::{Files, Writer};
use super::{Lake, Snapshot, TableSpec};
use crate::db::lake_commits::{self, Written};
use crate::db::withheld;
use crate::error::{Error, Result};

/// The silver tables that gold is computed from, each as one snapshot.
#[derive(Clone, Debug)]
pub struct Sources {
    snapshots: Vec<(&'static TableSpec, Option<Snapshot>)>,
}

impl Sources {
    /// The snapshot of each table by its name, as a version names them.
    pub fn names(&self) -> Value {
        let name = |(table, snapshot): &(&TableSpec, Option<Snapshot>)| {
            (table.full_name(), json!(snapshot.as_ref().map(|snapshot| snapshot.snapshot_id)))
        };
        Value::Object(self.snapshots.iter().map(name).collect())
    }

    fn rows(&self) -> u64 {
        let rows = |snapshot: &Snapshot| snapshot.files.iter().map(|file| file.rows).sum();
        self.snapshots.first().and_then(|(_, snapshot)| snapshot.as_ref()).map_or(0, rows)
    }
}

/// What a version is.
#[derive(Debug)]
pub struct Made {
    /// Rows and snapshot of each gold table.
    pub tables: Value,
    pub control_sums: Value,
    pub rows: u64,
}

/// The tables of what [`gold::portfolios`] gives, in its order, and how many columns the key of each has.
const PORTFOLIOS: [(&TableSpec, usize); 3] =
    [(&PORTFOLIO_MONTHLY, 3), (&PORTFOLIO_ROLLS, 5), (&PORTFOLIO_VINTAGES, 4)];

/// Sums by key.
type Sums = BTreeMap<Vec<String>, Vec<i64>>;

impl Lake {
    /// The newest snapshot of the table that says which batches count. It is pinned before what waits is asked for, and
    /// the other tables after: then the rows of each of its batches have landed in them, or are known to wait.
    ///
    /// # Errors
    /// When the catalog or the store fails.
    pub async fn gold_batches(&self) -> Result<Option<Snapshot>> {
        self.snapshot(&BATCHES).await
    }

    /// The newest snapshot of each other silver table, beside that of the batches.
    ///
    /// # Errors
    /// When the catalog or the store fails.
    pub async fn gold_sources(&self, batches: Option<Snapshot>) -> Result<Sources> {
        let mut snapshots = Vec::new();
        for table in [&ACCOUNT_SNAPSHOTS, &REPAYMENT_EVENTS, &APPLICATIONS] {
            snapshots.push((table, self.snapshot(table).await?));
        }
        snapshots.push((&BATCHES, batches));
        Ok(Sources { snapshots })
    }

    /// Computes a version and appends it to the gold tables, each once.
    ///
    /// # Errors
    /// When a statement, the catalog or the store fails. What was appended by then stays, and belongs to a version that
    /// nobody is told of.
    pub async fn make_gold(
        &self,
        version: i64,
        moment: Moment,
        sources: &Sources,
        new_id: fn() -> Uuid,
    ) -> Result<Made> {
        let session = self.gold_session(moment, sources).await?;
        let output = |spec| Output::begin(self, spec, version, moment, new_id());
        let mut attributes = output(&SUBJECT_ATTRIBUTES).await?;
        let mut portfolios: [Sums; 3] = Default::default();
        for range in gold::ranges(sources.rows()) {
            gold::narrow(&session, &range).await?;
            attributes.write(gold::attributes(&session).await?).await?;
            let rows = gold::portfolios(&session).await?;
            for ((sums, rows), (_, keys)) in portfolios.iter_mut().zip(rows).zip(PORTFOLIOS) {
                add(sums, &rows, keys)?;
            }
            gold::forget_persons(&session)?;
        }
        let mut outputs = vec![attributes];
        for ((spec, keys), sums) in PORTFOLIOS.into_iter().zip(portfolios) {
            let mut portfolio = output(spec).await?;
            portfolio.write(vec![summed(spec, &sums, keys)?]).await?;
            outputs.push(portfolio);
        }
        self.land_all(outputs).await
    }

    /// Appends what was written, table by table.
    async fn land_all(&self, outputs: Vec<Output>) -> Result<Made> {
        let (mut tables, mut control_sums, mut rows) = (serde_json::Map::new(), serde_json::Map::new(), 0);
        for output in outputs {
            let name = output.spec.full_name();
            control_sums.insert(name.clone(), json!(output.sums));
            let (landed, snapshot_id) = output.land(self).await?;
            rows += landed;
            tables.insert(name, json!({"rows": landed, "snapshot_id": snapshot_id}));
        }
        Ok(Made { tables: Value::Object(tables), control_sums: Value::Object(control_sums), rows })
    }

    /// A question with every table that the statements name, and what is asked of everybody answered.
    async fn gold_session(&self, moment: Moment, sources: &Sources) -> Result<Session> {
        let session = self.engine.session().await?;
        for (table, snapshot) in &sources.snapshots {
            let files = snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.files);
            session.register_files(table.name, table.arrow_schema()?.as_ref(), files)?;
        }
        let withheld = Withheld {
            restrictions: withheld::restrictions(&self.pool, moment.known_at).await?,
            delistings: withheld::delistings(&self.pool, moment.known_at).await?,
        };
        withheld.register(&session)?;
        gold::prepare(&session, moment).await?;
        gold::divide(&session)?;
        Ok(session)
    }
}

/// Rows on their way into a table, as one append of the ledger.
struct Output {
    spec: &'static TableSpec,
    table: Table,
    commit: Uuid,
    writer: Writer,
    schema: SchemaRef,
    version: i64,
    moment: Moment,
    /// Of every column that can be added up.
    sums: BTreeMap<String, i128>,
}

impl Output {
    async fn begin(
        lake: &Lake,
        spec: &'static TableSpec,
        version: i64,
        moment: Moment,
        commit: Uuid,
    ) -> Result<Output> {
        let table = lake.table(spec).await?;
        lake.begin_append(spec, commit).await?;
        let writer = Writer::new(&table, spec, commit, 0).await?;
        let schema = spec.arrow_schema()?;
        Ok(Output { spec, table, commit, writer, schema, version, moment, sums: BTreeMap::new() })
    }

    async fn write(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
            let rows = self.versioned(batch)?;
            self.add_up(&rows);
            self.writer.write(rows).await?;
        }
        Ok(())
    }

    /// The columns of the table, by their names, with those that every row of the version bears.
    fn versioned(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let (_, params) = gold::params(self.moment)?;
        let constant = |of: &RecordBatch, name: &str| -> Result<ArrayRef> {
            let value = of.column_by_name(name).ok_or_else(|| missing(name))?;
            let zeros = arrow::array::UInt64Array::from(vec![0; batch.num_rows()]);
            arrow::compute::take(value, &zeros, None).map_err(|error| mismatch(self.spec, &error))
        };
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let column: ArrayRef = match field.name().as_str() {
                "gold_version" => Arc::new(Int64Array::from(vec![self.version; batch.num_rows()])),
                name @ ("as_of" | "known_at") => constant(&params, name)?,
                name => Arc::clone(batch.column_by_name(name).ok_or_else(|| missing(name))?),
            };
            columns.push(cast(&column, field.data_type()).map_err(|error| mismatch(self.spec, &error))?);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| mismatch(self.spec, &error))
    }

    fn add_up(&mut self, rows: &RecordBatch) {
        *self.sums.entry("rows".to_owned()).or_default() += rows.num_rows() as i128;
        for (field, column) in self.schema.fields().iter().zip(rows.columns()).skip(3) {
            if field.data_type() == &DataType::Int64 {
                let sum: i128 = column.as_primitive::<Int64Type>().iter().flatten().map(i128::from).sum();
                *self.sums.entry(field.name().clone()).or_default() += sum;
            }
        }
    }

    async fn land(self, lake: &Lake) -> Result<(u64, Option<i64>)> {
        let files: Files = self.writer.close().await?;
        let written = Written {
            rows: files.rows,
            bytes: files.bytes,
            paths: files.paths(),
            files: files.to_json(&self.table)?,
        };
        if !lake_commits::set_written(&lake.pool, self.commit, &written, lake.clock.now()).await? {
            return Err(Error::Overloaded("the append was given up by somebody else"));
        }
        let open = lake_commits::open(&lake.pool, &self.spec.full_name()).await?;
        let open = open.filter(|open| open.commit_id == self.commit);
        let open = open.ok_or(Error::Overloaded("the append was landed by somebody else"))?;
        let landing = lake.land(self.spec, &open).await?;
        lake.maintain(self.spec, landing).await?;
        Ok((landing.rows as u64, landing.snapshot_id))
    }
}

impl Lake {
    /// Begins an append to a gold table. What somebody else left half done is landed when its files are complete, and
    /// given up otherwise: a version is computed again, not gone on with.
    async fn begin_append(&self, spec: &TableSpec, commit: Uuid) -> Result<()> {
        let name = spec.full_name();
        if let Some(open) = lake_commits::open(&self.pool, &name).await? {
            if open.state == "written" {
                self.land(spec, &open).await?;
            } else {
                let mut connection = self.pool.acquire().await?;
                lake_commits::abandon_in_tx(&mut connection, open.commit_id, self.clock.now()).await?;
            }
        }
        let mut connection = self.pool.acquire().await?;
        match lake_commits::begin_in_tx(&mut connection, commit, &name, self.clock.now()).await? {
            true => Ok(()),
            false => Err(Error::Overloaded("somebody else appends to the table")),
        }
    }
}

/// Adds the rows of one range to those of the others: the first columns are the key, the rest is added up.
fn add(sums: &mut Sums, batches: &[RecordBatch], keys: usize) -> Result<()> {
    for batch in batches {
        let texts: Vec<ArrayRef> = batch.columns()[..keys]
            .iter()
            .map(|column| cast(column, &DataType::Utf8))
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Internal(format!("gold: a key: {error}")))?;
        for row in 0..batch.num_rows() {
            let key: Vec<String> =
                texts.iter().map(|column| column.as_string::<i32>().value(row).to_owned()).collect();
            let sum = sums.entry(key).or_insert_with(|| vec![0; batch.num_columns() - keys]);
            for (sum, column) in sum.iter_mut().zip(&batch.columns()[keys..]) {
                *sum += column.as_primitive::<Int64Type>().value(row);
            }
        }
    }
    Ok(())
}

/// The sums as rows again: texts are read as what the table's columns are.
fn summed(spec: &TableSpec, sums: &Sums, keys: usize) -> Result<RecordBatch> {
    // After the three that every row of a version bears.
    let names = spec.columns.iter().skip(3).map(|column| column.name);
    let mut columns: Vec<ArrayRef> = Vec::new();
    for n in 0..keys {
        columns.push(Arc::new(StringArray::from_iter_values(sums.keys().map(|key| &key[n]))));
    }
    for n in keys..spec.columns.len() - 3 {
        columns.push(Arc::new(Int64Array::from_iter_values(sums.values().map(|sums| sums[n - keys]))));
    }
    let fields = names.zip(&columns).map(|(name, column)| Field::new(name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns).map_err(|error| mismatch(spec, &error))
}

fn missing(column: &str) -> Error {
    Error::Internal(format!("gold: a statement gives no {column}"))
}

fn mismatch(spec: &TableSpec, error: &arrow::error::ArrowError) -> Error {
    Error::Internal(format!("gold: rows of {}: {error}", spec.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_several_ranges_are_added_up_by_their_key() {
        let rows = |product: &str, accounts: i64| {
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("product_type", Arc::new(StringArray::from(vec![product]))),
                ("accounts", Arc::new(Int64Array::from(vec![accounts]))),
            ];
            gold::table(columns).unwrap().1
        };
        let mut sums = BTreeMap::new();
        add(&mut sums, &[rows("RENTAL", 2), rows("OTHER", 5)], 1).unwrap();
        add(&mut sums, &[rows("RENTAL", 3)], 1).unwrap();
        assert_eq!(
            sums,
            BTreeMap::from([(vec!["OTHER".to_owned()], vec![5]), (vec!["RENTAL".to_owned()], vec![5])])
        );
    }
}
