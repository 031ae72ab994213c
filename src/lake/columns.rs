//! Rows of Postgres as Arrow columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::tables::{Kind, TableSpec};
use crate::error::{Error, Result};

/// Days from the common era's first day to 1970-01-01.
pub(super) const EPOCH_DAY: i32 = 719_163;

/// Gathers rows into record batches of a table.
pub(super) struct Columns {
    spec: &'static TableSpec,
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
}

enum Builder {
    Long(Int64Builder),
    /// From a `smallint` or an `integer`.
    Int(Int32Builder),
    Date(Date32Builder),
    Bool(BooleanBuilder),
    Instant(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Columns {
    pub(super) fn new(spec: &'static TableSpec) -> Result<Columns> {
        let builders = spec.columns.iter().map(|column| builder(column.kind)).collect();
        Ok(Columns { spec, schema: spec.arrow_schema()?, builders, rows: 0 })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes a row whose columns are named and ordered as the table's are.
    pub(super) fn push(&mut self, row: &PgRow) -> Result<()> {
        let columns = self.spec.columns;
        if self.rows == 0 && !row.columns().iter().map(sqlx::Column::name).eq(columns.iter().map(|c| c.name))
        {
            return Err(Error::Internal(format!(
                "the statement for {} has other columns",
                self.spec.full_name()
            )));
        }
        for (place, (column, builder)) in columns.iter().zip(&mut self.builders).enumerate() {
            append(builder, column.kind, row, place).map_err(|error| match error {
                Error::Inconsistent { .. } => Error::Inconsistent {
                    table: self.spec.name,
                    column: column.name,
                    row: "a row of a commit".into(),
                },
                other => other,
            })?;
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows so far; begins anew.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        self.rows = 0;
        let arrays: Vec<ArrayRef> = self.builders.iter_mut().map(finish).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| Error::Internal(format!("lake: {}: {error}", self.spec.full_name())))
    }
}

fn builder(kind: Kind) -> Builder {
    match kind {
        Kind::Long => Builder::Long(Int64Builder::new()),
        Kind::Int => Builder::Int(Int32Builder::new()),
        Kind::Date => Builder::Date(Date32Builder::new()),
        Kind::Bool => Builder::Bool(BooleanBuilder::new()),
        Kind::Instant => Builder::Instant(TimestampMicrosecondBuilder::new().with_timezone("+00:00")),
        _ => Builder::Text(StringBuilder::new()),
    }
}

fn finish(builder: &mut Builder) -> ArrayRef {
    match builder {
        Builder::Long(values) => Arc::new(values.finish()),
        Builder::Int(values) => Arc::new(values.finish()),
        Builder::Date(values) => Arc::new(values.finish()),
        Builder::Bool(values) => Arc::new(values.finish()),
        Builder::Instant(values) => Arc::new(values.finish()),
        Builder::Text(values) => Arc::new(values.finish()),
    }
}

fn append(builder: &mut Builder, kind: Kind, row: &PgRow, place: usize) -> Result<()> {
    match builder {
        Builder::Long(values) => values.append_option(row.try_get(place)?),
        Builder::Int(values) => values.append_option(integer(row, place)?),
        Builder::Date(values) => {
            let day: Option<NaiveDate> = row.try_get(place)?;
            values.append_option(day.map(|day| day.num_days_from_ce() - EPOCH_DAY));
        }
        Builder::Bool(values) => values.append_option(row.try_get(place)?),
        Builder::Instant(values) => {
            let at: Option<DateTime<Utc>> = row.try_get(place)?;
            values.append_option(at.map(|at| at.timestamp_micros()));
        }
        Builder::Text(values) => append_text(values, kind, row, place)?,
    }
    Ok(())
}

fn integer(row: &PgRow, place: usize) -> Result<Option<i32>> {
    match row.try_get::<Option<i32>, _>(place) {
        Ok(value) => Ok(value),
        Err(sqlx::Error::ColumnDecode { .. }) => Ok(row.try_get::<Option<i16>, _>(place)?.map(i32::from)),
        Err(error) => Err(error.into()),
    }
}

fn append_text(values: &mut StringBuilder, kind: Kind, row: &PgRow, place: usize) -> Result<()> {
    match kind {
        Kind::Id => match row.try_get::<Option<Uuid>, _>(place)? {
            Some(id) => values.append_value(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
            None => values.append_null(),
        },
        Kind::Word(words) => match row.try_get::<Option<i16>, _>(place)? {
            Some(code) => {
                let word = usize::try_from(code).ok().and_then(|code| words.get(code));
                let wrong = || Error::Inconsistent { table: "", column: "", row: String::new() };
                values.append_value(word.ok_or_else(wrong)?);
            }
            None => values.append_null(),
        },
        Kind::List => {
            let list: Option<Vec<String>> = row.try_get(place)?;
            values.append_option(list.map(|list| list.join(",")));
        }
        Kind::Digest => {
            let digest: Option<&[u8]> = row.try_get(place)?;
            values.append_option(digest.map(hex::encode));
        }
        Kind::Json => {
            let json: Option<serde_json::Value> = row.try_get(place)?;
            values.append_option(json.map(|json| json.to_string()));
        }
        _ => values.append_option(row.try_get::<Option<&str>, _>(place)?),
    }
    Ok(())
}
