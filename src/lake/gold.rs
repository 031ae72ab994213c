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

/// What portfolios are added up from, and then what they add up to, each over the persons that were asked of.
pub const PORTFOLIOS: &[Step] =
    steps!["portfolio_accounts", "portfolio_monthly", "portfolio_rolls", "portfolio_vintages"];

/// The silver tables, and the two of Postgres, that the statements name.
pub const TABLES: &[&str] = &[
    "account_snapshots",
    "repayment_events",
    "applications",
    "batches",
    "serving_restrictions",
    "delistings",
];

/// The tables of which a part is enough to ask of some persons.
const DIVIDED: [&str; 2] = ["account_snapshots", "applications"];
/// Snapshot rows that are asked of at once: about 300 MB in memory.
const RANGE_ROWS: u64 = 500_000;
/// What is divided among ranges: the first four digits of an id.
const PREFIXES: u64 = 1 << 16;

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

/// From here on the persons are asked of in [`ranges`].
///
/// # Errors
/// When a table is missing.
pub fn divide(session: &Session) -> Result<()> {
    for name in DIVIDED {
        session.rename(name, &format!("all_{name}"))?;
    }
    Ok(())
}

/// Persons by their ids: from one on, and before another one.
pub type Range = (String, Option<String>);

/// Ranges of ids that hold about as many rows as fit: ids are random.
pub fn ranges(rows: u64) -> Vec<Range> {
    let count = rows.div_ceil(RANGE_ROWS).clamp(1, PREFIXES);
    let bound = |n: u64| format!("{:04x}", n * PREFIXES / count);
    (0..count).map(|n| (bound(n), (n + 1 < count).then(|| bound(n + 1)))).collect()
}

/// Leaves the rows of a range in the tables.
///
/// # Errors
/// When a table is missing.
pub async fn narrow(session: &Session, (from, before): &Range) -> Result<()> {
    for name in DIVIDED {
        let bounds = (Some(from.as_str()), before.as_deref());
        session.register_range(name, &format!("all_{name}"), "subject_id", bounds).await?;
    }
    Ok(())
}

/// The attributes of the persons whose rows `account_snapshots` and `applications` have.
///
/// # Errors
/// When a statement fails.
pub async fn attributes(session: &Session) -> Result<Vec<RecordBatch>> {
    let Some((last, steps)) = PERSONS.split_last() else { return Ok(Vec::new()) };
    for step in steps {
        session.keep(step.name, step.statement).await?;
    }
    session.rows(last.name, last.statement).await
}

/// The rows of the portfolio tables as far as the accounts of these persons make them: by month, by roll, by vintage. After
/// [`attributes`], which leaves what they are computed from.
///
/// # Errors
/// When a statement fails.
pub async fn portfolios(session: &Session) -> Result<Vec<Vec<RecordBatch>>> {
    let Some((accounts, steps)) = PORTFOLIOS.split_first() else { return Ok(Vec::new()) };
    session.keep(accounts.name, accounts.statement).await?;
    let mut tables = Vec::with_capacity(steps.len());
    for step in steps {
        tables.push(session.rows(step.name, step.statement).await?);
    }
    Ok(tables)
}

/// Makes room for other persons.
///
/// # Errors
/// None that is known of.
pub fn forget_persons(session: &Session) -> Result<()> {
    PERSONS.iter().chain(PORTFOLIOS).try_for_each(|step| session.forget(step.name))
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
        vec![dates([moment.as_of]), instants([Some(moment.known_at)])],
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
            dates(days.iter().copied()),
            numbers(|day| i64::from(days_since_1970(*day))),
            numbers(|day| i64::from(month_number(*day))),
            numbers(|day| i64::from(day.day())),
            Arc::new(BooleanArray::from_iter(
                days.iter().map(|day| Some(day.succ_opt().is_none_or(|next| next.day() == 1))),
            )),
            instants(days.iter().map(|day| Some(start_of(*day)))),
            instants(days.iter().map(|day| Some(start_of(*day) + TimeDelta::days(1)))),
        ],
    );
    Ok((schema, rows.map_err(|error| mismatch("calendar", &error))?))
}

fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(super) fn instants(of: impl IntoIterator<Item = Option<DateTime<Utc>>>) -> ArrayRef {
    let micros = of.into_iter().map(|instant| instant.as_ref().map(DateTime::timestamp_micros));
    Arc::new(TimestampMicrosecondArray::from_iter(micros).with_timezone("UTC"))
}

pub(super) fn dates(of: impl IntoIterator<Item = NaiveDate>) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(of.into_iter().map(days_since_1970)))
}

/// Rows as a table of their own, columns by name.
pub(super) fn table(columns: Vec<(&str, ArrayRef)>) -> Result<(SchemaRef, RecordBatch)> {
    let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns);
    Ok((schema, rows.map_err(|error| Error::Internal(format!("gold: {error}")))?))
}

fn days_since_1970(day: NaiveDate) -> i32 {
    day.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days() as i32
}

fn mismatch(table: &str, error: &arrow::error::ArrowError) -> Error {
    Error::Internal(format!("gold: {table}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_all_ids_and_do_not_overlap() {
        assert_eq!(ranges(0), [("0000".to_owned(), None)]);
        let many = ranges(RANGE_ROWS * 3);
        assert_eq!(many.len(), 3);
        assert!(many.windows(2).all(|pair| pair[0].1.as_ref() == Some(&pair[1].0)));
        assert_eq!((many[0].0.as_str(), many[2].1.as_ref()), ("0000", None));
    }

    #[test]
    fn the_calendar_has_every_day_once_and_knows_where_months_end() {
        let (_, days) = calendar().unwrap();
        assert_eq!(days.num_rows(), 109_573);
        let last = days.column_by_name("last_of_month").unwrap();
        let ends = last.as_any().downcast_ref::<BooleanArray>().unwrap().true_count();
        assert_eq!(ends, 300 * 12);
    }
}
