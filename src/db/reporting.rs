//! `reporting_cadences` and the calendar of `contributors`: what each contributor owes how often.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::domain::calendar::CalendarState;
use crate::domain::contract::Dataset;
use crate::domain::dates;
use crate::domain::obligations::Cadence;
use crate::error::{Error, Result};
use crate::ids::ContributorId;

/// A dataset of a contributor's agreement and how often it is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reporting {
    pub contributor_id: ContributorId,
    pub calendar_state: CalendarState,
    pub dataset: Dataset,
    pub cadence: Cadence,
    /// Any day of the first period that is owed.
    pub starts_on: NaiveDate,
}

#[derive(FromRow)]
struct Row {
    contributor_id: ContributorId,
    calendar_state: String,
    dataset: String,
    cadence: Option<String>,
    starts_on: Option<NaiveDate>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Reporting {
    type Error = Error;

    /// Without a row of its own, a contributor owes account snapshots for every month since it joined.
    fn try_from(row: Row) -> Result<Reporting> {
        let wrong =
            |table, column| Error::Inconsistent { table, column, row: row.contributor_id.to_string() };
        let dataset = Dataset::parse(&row.dataset).ok_or_else(|| wrong("contributors", "datasets"))?;
        let cadence = match &row.cadence {
            Some(word) => Cadence::parse(word).ok_or_else(|| wrong("reporting_cadences", "cadence"))?,
            None if dataset == Dataset::AccountSnapshot => Cadence::Monthly,
            None => Cadence::None,
        };
        Ok(Reporting {
            contributor_id: row.contributor_id,
            calendar_state: CalendarState::parse(&row.calendar_state)
                .ok_or_else(|| wrong("contributors", "calendar_state"))?,
            dataset,
            cadence,
            starts_on: row.starts_on.unwrap_or_else(|| dates::business_date(row.created_at)),
        })
    }
}

/// What active contributors owe how often.
pub async fn of_active(ex: impl PgExecutor<'_>) -> Result<Vec<Reporting>> {
    let rows: Vec<Row> = sqlx::query_as(
        "/* reporting.of_active */
        SELECT c.contributor_id, c.calendar_state, agreed.dataset, r.cadence, r.starts_on, c.created_at
        FROM contributors c CROSS JOIN LATERAL unnest(c.datasets) AS agreed (dataset)
        LEFT JOIN reporting_cadences r ON r.contributor_id = c.contributor_id AND r.dataset = agreed.dataset
        WHERE c.status = 'active' ORDER BY c.contributor_id, agreed.dataset",
    )
    .fetch_all(ex)
    .await?;
    rows.into_iter().map(Reporting::try_from).collect()
}

/// What one contributor owes how often.
pub async fn of_contributor(ex: impl PgExecutor<'_>, contributor: ContributorId) -> Result<Vec<Reporting>> {
    let rows: Vec<Row> = sqlx::query_as(
        "/* reporting.of_contributor */
        SELECT c.contributor_id, c.calendar_state, agreed.dataset, r.cadence, r.starts_on, c.created_at
        FROM contributors c CROSS JOIN LATERAL unnest(c.datasets) AS agreed (dataset)
        LEFT JOIN reporting_cadences r ON r.contributor_id = c.contributor_id AND r.dataset = agreed.dataset
        WHERE c.contributor_id = $1 ORDER BY agreed.dataset",
    )
    .bind(contributor)
    .fetch_all(ex)
    .await?;
    rows.into_iter().map(Reporting::try_from).collect()
}

/// The state whose working days a contributor's due dates are counted in; `None` when there is no such contributor.
pub async fn calendar_state(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
) -> Result<Option<CalendarState>> {
    let word: Option<String> = sqlx::query_scalar(
        "/* reporting.calendar_state */ SELECT calendar_state FROM contributors WHERE contributor_id = $1",
    )
    .bind(contributor)
    .fetch_optional(ex)
    .await?;
    let wrong = || Error::Inconsistent {
        table: "contributors",
        column: "calendar_state",
        row: contributor.to_string(),
    };
    word.map(|word| CalendarState::parse(&word).ok_or_else(wrong)).transpose()
}

/// Sets the calendar and replaces all cadences of a contributor.
pub async fn replace_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
    calendar_state: CalendarState,
    cadences: &[(Dataset, Cadence, NaiveDate)],
) -> Result<()> {
    let updated = sqlx::query(
        "/* reporting.set_calendar */ UPDATE contributors SET calendar_state = $2 WHERE contributor_id = $1",
    )
    .bind(contributor)
    .bind(calendar_state.as_str())
    .execute(&mut *connection)
    .await?;
    super::ensure_one_row("contributors", &updated)?;
    sqlx::query("/* reporting.clear */ DELETE FROM reporting_cadences WHERE contributor_id = $1")
        .bind(contributor)
        .execute(&mut *connection)
        .await?;
    let datasets: Vec<&str> = cadences.iter().map(|(dataset, ..)| dataset.as_str()).collect();
    let words: Vec<&str> = cadences.iter().map(|(_, cadence, _)| cadence.as_str()).collect();
    let starts: Vec<NaiveDate> = cadences.iter().map(|(.., starts_on)| *starts_on).collect();
    sqlx::query(
        "/* reporting.insert */
        INSERT INTO reporting_cadences (contributor_id, dataset, cadence, starts_on)
        SELECT $1, dataset, cadence, starts_on
        FROM unnest($2::text[], $3::text[], $4::date[]) AS agreed (dataset, cadence, starts_on)",
    )
    .bind(contributor)
    .bind(datasets)
    .bind(words)
    .bind(starts)
    .execute(connection)
    .await?;
    Ok(())
}
