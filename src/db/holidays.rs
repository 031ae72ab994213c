//! `holidays`: what operators know better than the built-in calendar.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgExecutor};

use crate::domain::calendar::{Calendar, CalendarState, Change, ChangeKind};
use crate::error::{Error, Result};
use crate::ids::ClientId;

#[derive(FromRow)]
struct Row {
    day: NaiveDate,
    state: String,
    kind: String,
    name: String,
}

impl TryFrom<Row> for Change {
    type Error = Error;

    fn try_from(row: Row) -> Result<Change> {
        let wrong = |column| Error::Inconsistent {
            table: "holidays",
            column,
            row: format!("{} {}", row.day, row.state),
        };
        Ok(Change {
            day: row.day,
            state: CalendarState::parse(&row.state).ok_or_else(|| wrong("state"))?,
            kind: ChangeKind::parse(&row.kind).ok_or_else(|| wrong("kind"))?,
            name: row.name,
        })
    }
}

/// The calendar as it is known now. Changes are few: some for every year.
pub async fn calendar(ex: impl PgExecutor<'_>) -> Result<Calendar> {
    let rows: Vec<Row> = sqlx::query_as(
        "/* holidays.calendar */ SELECT day, state, kind, name FROM holidays ORDER BY day, state",
    )
    .fetch_all(ex)
    .await?;
    Ok(Calendar::new(rows.into_iter().map(Change::try_from).collect::<Result<_>>()?))
}

/// Says of a day in some states what it is; what was said before gives way.
pub async fn put_in_tx(
    ex: impl PgExecutor<'_>,
    changes: &[Change],
    by: ClientId,
    at: DateTime<Utc>,
) -> Result<()> {
    let days: Vec<NaiveDate> = changes.iter().map(|change| change.day).collect();
    let states: Vec<&str> = changes.iter().map(|change| change.state.as_str()).collect();
    let kinds: Vec<&str> = changes.iter().map(|change| change.kind.as_str()).collect();
    let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    sqlx::query(
        "/* holidays.put */
        INSERT INTO holidays (day, state, kind, name, added_at, added_by)
        SELECT day, state, kind, name, $5, $6
        FROM unnest($1::date[], $2::text[], $3::text[], $4::text[]) AS change (day, state, kind, name)
        ON CONFLICT (day, state) DO UPDATE
        SET kind = excluded.kind, name = excluded.name, added_at = excluded.added_at, added_by = excluded.added_by",
    )
    .bind(days)
    .bind(states)
    .bind(kinds)
    .bind(names)
    .bind(at)
    .bind(by)
    .execute(ex)
    .await?;
    Ok(())
}
