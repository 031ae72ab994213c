//! Gold: what decisions and reports use, computed from the silver tables by the statements of `gold/*.sql`.
//!
//! Each file is one statement over the tables that are named in it, and its rows get the file's name: run one after the
//! other in the order of [`WHOLE`] and [`PERSONS`], in any engine, they end in `subject_attributes`. The parameters are a
//! table of one row, and days are counted by a calendar that is a table too, because engines differ in both.
//!
//! Here the statements about persons run for a range of persons at a time, so that memory does not grow with the lake.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};

use super::query::Session;
use crate::domain::dates::{month_number, start_of};
use crate::error::{Error, Result};

/// A statement of `gold/`, and the name of its rows.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub name: &'static str,
    pub statement: &'static str,
}

macro_rules! steps {
    ($($name:literal),+ $(,)?) => {
        &[$(Step { name: $name, statement: include_str!(concat!("../../gold/", $name, ".sql")) }),+]
    };
}

/// What is asked of everybody at once.
pub const WHOLE: &[Step] =
    steps!["clock", "known_batches", "revisions", "counting_events", "event_effects", "instalments"];
/// What can be asked of some persons and of others later. The last one is the answer.
pub const PERSONS: &[Step] = steps![
    "snapshot_months",
    "account_standings",
    "account_months",
    "payments_due",
    "bnpl_peaks",
    "applications_made",
    "subject_attributes",
];

/// The silver tables, and the two of Postgres, that the statements name.
pub const TABLES: &[&str] = &[
    "account_snapshots",
    "repayment_events",
    "applications",
    "batches",
    "serving_restrictions",
    "delistings",
];

/// All days that a contract takes, and some more.
const CALENDAR: (i32, i32) = (1900, 2200);

/// What gold is computed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The valid day: nothing of later days is told.
    pub as_of: NaiveDate,
    /// The known instant: nothing that came later is told.
    pub known_at: DateTime<Utc>,
}

/// Brings in the parameters and the calendar, and asks what is asked of everybody. [`TABLES`] are registered already.
///
/// # Errors
/// When a statement fails.
pub async fn prepare(session: &Session, moment: Moment) -> Result<()> {
    let (schema, row) = params(moment)?;
    session.register_rows("params", vec![row], &schema)?;
    let (schema, days) = calendar()?;
    session.register_rows("calendar", vec![days], &schema)?;
    for step in WHOLE {
        session.keep(step.name, step.statement).await?;
    }
    Ok(())
}

/// The attributes of the persons whose rows `account_snapshots` has.
///
/// # Errors
/// When a statement fails.
pub async fn attributes(session: &Session) -> Result<Vec<RecordBatch>> {
    let Some((last, steps)) = PERSONS.split_last() else { return Ok(Vec::new()) };
    for step in steps {
        session.keep(step.name, step.statement).await?;
    }
    let rows = session.rows(last.name, last.statement).await;
    // Make room for the next persons.
    for step in steps {
        session.forget(step.name)?;
    }
    rows
}

/// The table of one row that all statements take their parameters from.
///
/// # Errors
/// None that is known of: the columns fit the schema.
pub fn params(moment: Moment) -> Result<(SchemaRef, RecordBatch)> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("as_of", DataType::Date32, false),
        Field::new("known_at", instant_type(), false),
    ]));
    let row = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![Arc::new(Date32Array::from(vec![days_since_1970(moment.as_of)])), instants([moment.known_at])],
    );
    Ok((schema, row.map_err(|error| mismatch("params", &error))?))
}

/// The days of three centuries, numbered: subtracting days and telling the end of a month are written differently in
/// every dialect.
///
/// # Errors
/// None that is known of: the columns fit the schema.
pub fn calendar() -> Result<(SchemaRef, RecordBatch)> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("day", DataType::Date32, false),
        Field::new("day_no", DataType::Int64, false),
        Field::new("month_no", DataType::Int64, false),
        Field::new("day_of_month", DataType::Int64, false),
        Field::new("last_of_month", DataType::Boolean, false),
        // The business day in Malaysia, end excluded.
        Field::new("starts_at", instant_type(), false),
        Field::new("ends_at", instant_type(), false),
    ]));
    let days: Vec<NaiveDate> = NaiveDate::from_yo_opt(CALENDAR.0, 1)
        .into_iter()
        .flat_map(|first| first.iter_days())
        .take_while(|day| day.year() < CALENDAR.1)
        .collect();
    let numbers = |of: fn(&NaiveDate) -> i64| Arc::new(Int64Array::from_iter_values(days.iter().map(of)));
    let rows = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(Date32Array::from_iter_values(days.iter().map(|day| days_since_1970(*day)))),
            numbers(|day| i64::from(days_since_1970(*day))),
            numbers(|day| i64::from(month_number(*day))),
            numbers(|day| i64::from(day.day())),
            Arc::new(BooleanArray::from_iter(
                days.iter().map(|day| Some(day.succ_opt().is_none_or(|next| next.day() == 1))),
            )),
            instants(days.iter().map(|day| start_of(*day))),
            instants(days.iter().map(|day| start_of(*day) + TimeDelta::days(1))),
        ],
    );
    Ok((schema, rows.map_err(|error| mismatch("calendar", &error))?))
}

fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn instants(of: impl IntoIterator<Item = DateTime<Utc>>) -> ArrayRef {
    let micros = of.into_iter().map(|instant| instant.timestamp_micros());
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
}

fn days_since_1970(day: NaiveDate) -> i32 {
    day.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days() as i32
}

fn mismatch(table: &str, error: &arrow::error::ArrowError) -> Error {
    Error::Internal(format!("gold: {table}: {error}"))
}
