//! `reconciliations`: what was found when our stores were held against each other.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor};

use crate::error::Result;
use crate::ids::{ContributorId, ReconciliationId};

/// How one check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CheckCount {
    /// The check's name, permanent.
    pub check: String,
    /// Things that were compared: batches, records, accounts.
    pub compared: i64,
    /// How many of them differ.
    pub differences: i64,
}

/// One thing that two stores say differently. Names batches, records and accounts; never a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    pub check: String,
    /// What it is about.
    pub key: String,
    /// What the store that decides says.
    pub expected: String,
    /// What the other one says.
    pub found: String,
}

/// One comparison of what belongs to a contributor.
#[derive(Clone, Debug, FromRow)]
pub struct Reconciliation {
    pub reconciliation_id: ReconciliationId,
    pub contributor_id: ContributorId,
    pub asked_by: String,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    pub since: Option<DateTime<Utc>>,
    pub whole: bool,
    pub left_off: Option<String>,
    #[sqlx(json)]
    pub checks: Vec<CheckCount>,
    pub differences: i64,
    #[sqlx(json)]
    pub examples: Vec<Difference>,
}

/// Keeps a comparison.
pub async fn insert(ex: impl PgExecutor<'_>, done: &Reconciliation) -> Result<()> {
    sqlx::query(
        "/* reconciliations.insert */ INSERT INTO reconciliations (reconciliation_id, contributor_id, asked_by, started_at,
            finished_at, since, whole, left_off, checks, differences, examples)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(done.reconciliation_id)
    .bind(done.contributor_id)
    .bind(&done.asked_by)
    .bind(done.started_at)
    .bind(done.finished_at)
    .bind(done.since)
    .bind(done.whole)
    .bind(&done.left_off)
    .bind(Json(&done.checks))
    .bind(done.differences)
    .bind(Json(&done.examples))
    .execute(ex)
    .await?;
    Ok(())
}

/// What a list may be narrowed to; absent means any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    pub contributor: Option<ContributorId>,
    /// Only comparisons that found something.
    pub differing: bool,
}

/// A page of comparisons, newest first, after the given one.
pub async fn list(
    ex: impl PgExecutor<'_>,
    filter: Filter,
    after: Option<ReconciliationId>,
    limit: i64,
) -> Result<Vec<Reconciliation>> {
    let rows = sqlx::query_as(
        "/* reconciliations.list */ SELECT reconciliation_id, contributor_id, asked_by, started_at, finished_at, since, whole,
            left_off, checks, differences, examples
        FROM reconciliations
        WHERE ($1::uuid IS NULL OR contributor_id = $1) AND (differences > 0 OR NOT $2)
          AND ($3::uuid IS NULL OR reconciliation_id < $3)
        ORDER BY reconciliation_id DESC LIMIT $4",
    )
    .bind(filter.contributor)
    .bind(filter.differing)
    .bind(after)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(rows)
}

/// The contributor whose turn it is: compared by the schedule longest ago, or never, and not since the given instant; and
/// the account that its last comparison stopped at.
pub async fn next_due(
    ex: impl PgExecutor<'_>,
    before: DateTime<Utc>,
) -> Result<Option<(ContributorId, Option<String>)>> {
    let due = sqlx::query_as(
        "/* reconciliations.next_due */ SELECT c.contributor_id, r.left_off
        FROM contributors c LEFT JOIN LATERAL (
            SELECT finished_at, left_off FROM reconciliations
            WHERE contributor_id = c.contributor_id AND asked_by = 'schedule'
            ORDER BY reconciliation_id DESC LIMIT 1) r ON true
        WHERE r.finished_at IS NULL OR r.finished_at <= $1 OR r.left_off IS NOT NULL
        ORDER BY r.finished_at NULLS FIRST, c.contributor_id LIMIT 1",
    )
    .bind(before)
    .fetch_optional(ex)
    .await?;
    Ok(due)
}

/// Differences of each check that were found since an instant, the worst comparison of each contributor.
pub async fn stats(ex: impl PgExecutor<'_>, since: DateTime<Utc>) -> Result<Vec<(String, i64)>> {
    let counts = sqlx::query_as(
        "/* reconciliations.stats */ SELECT worst.name, sum(worst.differences)::bigint FROM (
            SELECT r.contributor_id, c ->> 'check' AS name, max((c ->> 'differences')::bigint) AS differences
            FROM reconciliations r, jsonb_array_elements(r.checks) c
            WHERE r.finished_at > $1 GROUP BY 1, 2) worst
        GROUP BY worst.name",
    )
    .bind(since)
    .fetch_all(ex)
    .await?;
    Ok(counts)
}

/// For how many seconds the contributor that waits longest has not been compared as a whole, counted from its first batch
/// when it never was. 0 when there is none.
pub async fn oldest_seconds(ex: impl PgExecutor<'_>, now: DateTime<Utc>) -> Result<f64> {
    let seconds = sqlx::query_scalar(
        "/* reconciliations.oldest_seconds */
        SELECT coalesce(max(extract(epoch FROM $1 - coalesce(
            (SELECT max(r.finished_at) FROM reconciliations r
             WHERE r.contributor_id = c.contributor_id AND r.left_off IS NULL AND r.since IS NULL),
            (SELECT min(b.received_at) FROM batches b WHERE b.contributor_id = c.contributor_id), $1))), 0)::float8
        FROM contributors c",
    )
    .bind(now)
    .fetch_one(ex)
    .await?;
    Ok(seconds)
}
