//! `obligations`: what contributors owe, with the batches that were sent for it.
//!
//! A batch is for the obligation of its contributor, dataset and period; of account snapshots only a whole book counts
//! (FULL, or REPLACE of one), since any DELTA would do otherwise.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::domain::calendar::CalendarState;
use crate::domain::contract::Dataset;
use crate::domain::dates::business_date;
use crate::domain::obligations::Facts;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ClientId, ContributorId, ObligationId};

/// An obligation and what is known of its batches.
#[derive(Clone, Debug)]
pub struct Obligation {
    pub id: ObligationId,
    pub contributor_id: ContributorId,
    /// The contributor's short name.
    pub slug: String,
    pub dataset: Dataset,
    pub calendar_state: String,
    pub facts: Facts,
    /// The first batch that was published for it, else the first one that waits for a decision.
    pub batch_id: Option<BatchId>,
    pub received_at: Option<DateTime<Utc>>,
    /// When the schedule found it late.
    pub found_late_at: Option<DateTime<Utc>>,
    pub waived_at: Option<DateTime<Utc>>,
    pub waiver_reason: Option<String>,
}

#[derive(FromRow)]
struct Row {
    obligation_id: ObligationId,
    contributor_id: ContributorId,
    slug: String,
    dataset: String,
    period_end: NaiveDate,
    due_on: NaiveDate,
    calendar_state: String,
    published_id: Option<BatchId>,
    published_received_at: Option<DateTime<Utc>>,
    pending_id: Option<BatchId>,
    pending_received_at: Option<DateTime<Utc>>,
    found_late_at: Option<DateTime<Utc>>,
    waived_at: Option<DateTime<Utc>>,
    waiver_reason: Option<String>,
}

impl TryFrom<Row> for Obligation {
    type Error = Error;

    fn try_from(row: Row) -> Result<Obligation> {
        let wrong = || Error::Inconsistent {
            table: "obligations",
            column: "dataset",
            row: row.obligation_id.to_string(),
        };
        Ok(Obligation {
            id: row.obligation_id,
            contributor_id: row.contributor_id,
            slug: row.slug,
            dataset: Dataset::parse(&row.dataset).ok_or_else(wrong)?,
            calendar_state: row.calendar_state,
            facts: Facts {
                period_end: row.period_end,
                due_on: row.due_on,
                waived: row.waived_at.is_some(),
                published: row.published_received_at.map(business_date),
                pending: row.pending_received_at.map(business_date),
            },
            batch_id: row.published_id.or(row.pending_id),
            received_at: row.published_received_at.or(row.pending_received_at),
            found_late_at: row.found_late_at,
            waived_at: row.waived_at,
            waiver_reason: row.waiver_reason,
        })
    }
}

/// Obligations `o` with their contributors `c` and the first batches `b` that count for them.
macro_rules! from_obligations {
    () => {
        " SELECT o.obligation_id, o.contributor_id, c.slug, o.dataset, o.period_end, o.due_on, o.calendar_state,
            b.published_id, b.published_received_at, b.pending_id, b.pending_received_at, o.found_late_at, o.waived_at,
            o.waiver_reason
        FROM obligations o JOIN contributors c ON c.contributor_id = o.contributor_id
        CROSS JOIN LATERAL (
            SELECT min(received_at) FILTER (WHERE published) AS published_received_at,
                min(received_at) FILTER (WHERE pending) AS pending_received_at,
                (array_agg(batch_id ORDER BY received_at, batch_id) FILTER (WHERE published))[1] AS published_id,
                (array_agg(batch_id ORDER BY received_at, batch_id) FILTER (WHERE pending))[1] AS pending_id
            FROM (SELECT batch_id, received_at, state IN ('published', 'curated', 'superseded') AS published,
                    state IN ('received', 'validating', 'on_hold', 'accepted', 'failed') AS pending
                FROM batches
                WHERE contributor_id = o.contributor_id AND dataset = o.dataset AND period_end = o.period_end
                  AND state NOT IN ('receiving', 'swept') AND NOT dry_run
                  AND (mode <> 'DELTA' OR dataset <> 'account_snapshot')) AS sent) AS b "
    };
}

fn typed(rows: Vec<Row>) -> Result<Vec<Obligation>> {
    rows.into_iter().map(Obligation::try_from).collect()
}

/// What a list may be narrowed to; absent means any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    pub contributor: Option<ContributorId>,
    pub dataset: Option<Dataset>,
    pub period_end: Option<NaiveDate>,
}

/// The place of an obligation in the lists.
pub type Position = (NaiveDate, ObligationId);

/// Some obligations, the latest periods first, after the given one.
pub async fn list(
    ex: impl PgExecutor<'_>,
    filter: &Filter,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<Obligation>> {
    let rows = sqlx::query_as(concat!(
        "/* obligations.list */",
        from_obligations!(),
        "WHERE ($1::uuid IS NULL OR o.contributor_id = $1) AND ($2::text IS NULL OR o.dataset = $2)
          AND ($3::date IS NULL OR o.period_end = $3)
          AND ($4::date IS NULL OR o.period_end < $4 OR (o.period_end = $4 AND o.obligation_id > $5))
        ORDER BY o.period_end DESC, o.obligation_id LIMIT $6"
    ))
    .bind(filter.contributor)
    .bind(filter.dataset.map(Dataset::as_str))
    .bind(filter.period_end)
    .bind(after.map(|(period_end, _)| period_end))
    .bind(after.map(|(_, id)| id))
    .bind(limit)
    .fetch_all(ex)
    .await?;
    typed(rows)
}

/// Those of the periods that end from one day to another.
pub async fn between(
    ex: impl PgExecutor<'_>,
    contributor: Option<ContributorId>,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<Obligation>> {
    let rows = sqlx::query_as(concat!(
        "/* obligations.between */",
        from_obligations!(),
        "WHERE o.period_end BETWEEN $2 AND $3 AND ($1::uuid IS NULL OR o.contributor_id = $1)"
    ))
    .bind(contributor)
    .bind(from)
    .bind(to)
    .fetch_all(ex)
    .await?;
    typed(rows)
}

pub async fn find(ex: impl PgExecutor<'_>, id: ObligationId) -> Result<Option<Obligation>> {
    let row: Option<Row> =
        sqlx::query_as(concat!("/* obligations.find */", from_obligations!(), "WHERE o.obligation_id = $1"))
            .bind(id)
            .fetch_optional(ex)
            .await?;
    row.map(Obligation::try_from).transpose()
}

/// The obligation of a period.
pub async fn find_by_period(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    dataset: Dataset,
    period_end: NaiveDate,
) -> Result<Option<Obligation>> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "/* obligations.find_by_period */",
        from_obligations!(),
        "WHERE o.contributor_id = $1 AND o.dataset = $2 AND o.period_end = $3"
    ))
    .bind(contributor)
    .bind(dataset.as_str())
    .bind(period_end)
    .fetch_optional(ex)
    .await?;
    row.map(Obligation::try_from).transpose()
}

/// Those whose due date is past, without a batch in time, waiver or finding: the schedule's portion. A day ends in
/// Malaysia at 16:00 UTC.
pub async fn overdue(ex: impl PgExecutor<'_>, today: NaiveDate, limit: i64) -> Result<Vec<Obligation>> {
    let rows = sqlx::query_as(concat!(
        "/* obligations.overdue */",
        from_obligations!(),
        "WHERE o.found_late_at IS NULL AND o.waived_at IS NULL AND o.due_on < $1
          AND coalesce(least(b.published_received_at, b.pending_received_at)
                >= (o.due_on + 1)::timestamp AT TIME ZONE 'Asia/Kuala_Lumpur', true)
        ORDER BY o.due_on, o.obligation_id LIMIT $2"
    ))
    .bind(today)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    typed(rows)
}

/// One to be opened.
#[derive(Clone, Debug)]
pub struct NewObligation {
    pub id: ObligationId,
    pub contributor_id: ContributorId,
    pub dataset: Dataset,
    pub period_end: NaiveDate,
    pub due_on: NaiveDate,
    pub calendar_state: CalendarState,
}

/// Opens those that are not there; says how many.
pub async fn open(ex: impl PgExecutor<'_>, new: &[NewObligation], at: DateTime<Utc>) -> Result<u64> {
    let opened = sqlx::query(
        "/* obligations.open */
        INSERT INTO obligations (obligation_id, contributor_id, dataset, period_end, due_on, calendar_state, opened_at)
        SELECT obligation_id, contributor_id, dataset, period_end, due_on, calendar_state, $7
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::date[], $5::date[], $6::text[])
            AS new (obligation_id, contributor_id, dataset, period_end, due_on, calendar_state)
        ON CONFLICT ON CONSTRAINT obligations_period_key DO NOTHING",
    )
    .bind(new.iter().map(|one| one.id.0).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.contributor_id.0).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.dataset.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.period_end).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.due_on).collect::<Vec<_>>())
    .bind(new.iter().map(|one| one.calendar_state.as_str()).collect::<Vec<_>>())
    .bind(at)
    .execute(ex)
    .await?;
    Ok(opened.rows_affected())
}

/// Those that can still be met in time: id, period end, due date, calendar.
pub async fn open_on(
    ex: impl PgExecutor<'_>,
    today: NaiveDate,
) -> Result<Vec<(ObligationId, NaiveDate, NaiveDate, String)>> {
    Ok(sqlx::query_as(
        "/* obligations.open_on */ SELECT obligation_id, period_end, due_on, calendar_state FROM obligations
        WHERE due_on >= $1 AND found_late_at IS NULL AND waived_at IS NULL",
    )
    .bind(today)
    .fetch_all(ex)
    .await?)
}

/// Moves due dates, later only: nobody who relied on one is late by it. Says how many moved.
pub async fn postpone(ex: impl PgExecutor<'_>, later: &[(ObligationId, NaiveDate)]) -> Result<u64> {
    let moved = sqlx::query(
        "/* obligations.postpone */ UPDATE obligations SET due_on = later.due_on
        FROM unnest($1::uuid[], $2::date[]) AS later (obligation_id, due_on)
        WHERE obligations.obligation_id = later.obligation_id AND obligations.due_on < later.due_on",
    )
    .bind(later.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
    .bind(later.iter().map(|(_, due_on)| *due_on).collect::<Vec<_>>())
    .execute(ex)
    .await?;
    Ok(moved.rows_affected())
}

/// Writes down that one was found late. `false` when it was before, or is waived.
pub async fn mark_late_in_tx(
    connection: &mut PgConnection,
    id: ObligationId,
    at: DateTime<Utc>,
) -> Result<bool> {
    let marked = sqlx::query(
        "/* obligations.mark_late */ UPDATE obligations SET found_late_at = $2
        WHERE obligation_id = $1 AND found_late_at IS NULL AND waived_at IS NULL",
    )
    .bind(id)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(marked.rows_affected() == 1)
}

/// Lets a contributor off. `false` when it was before, or there is no such obligation.
pub async fn waive_in_tx(
    connection: &mut PgConnection,
    id: ObligationId,
    by: ClientId,
    at: DateTime<Utc>,
    reason: &str,
) -> Result<bool> {
    let waived = sqlx::query(
        "/* obligations.waive */ UPDATE obligations SET waived_at = $2, waived_by = $3, waiver_reason = $4
        WHERE obligation_id = $1 AND waived_at IS NULL",
    )
    .bind(id)
    .bind(at)
    .bind(by)
    .bind(reason)
    .execute(connection)
    .await?;
    Ok(waived.rows_affected() == 1)
}

/// How many were found late and have nothing published yet, per dataset, for the metrics.
pub async fn count_missing(ex: impl PgExecutor<'_>) -> Result<Vec<(String, i64)>> {
    Ok(sqlx::query_as(
        "/* obligations.count_missing */
        SELECT o.dataset, count(*) FROM obligations o
        WHERE o.found_late_at IS NOT NULL AND o.waived_at IS NULL AND NOT EXISTS (
            SELECT FROM batches b
            WHERE b.contributor_id = o.contributor_id AND b.dataset = o.dataset AND b.period_end = o.period_end
              AND b.state IN ('published', 'curated', 'superseded') AND NOT b.dry_run
              AND (b.mode <> 'DELTA' OR b.dataset <> 'account_snapshot'))
        GROUP BY o.dataset",
    )
    .fetch_all(ex)
    .await?)
}
