//! `gold_versions`: what was computed for the lake's gold tables, and from what.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};

use crate::error::Result;

/// A version of gold.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct GoldVersion {
    pub gold_version: i64,
    /// `computing`, `landed` or `failed`.
    pub state: String,
    /// The last day that it tells of.
    pub as_of: NaiveDate,
    /// Nothing that was known later is in it.
    pub known_at: DateTime<Utc>,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    /// The snapshot of each silver table, by the table's name.
    pub sources: Value,
    /// Rows and snapshot of each gold table.
    pub tables: Option<Value>,
    /// Sums over all rows of the version.
    pub control_sums: Option<Value>,
    /// Why it failed.
    pub cause: Option<String>,
}

/// Begins a version; `None` while another one is computed.
pub async fn begin(
    ex: impl PgExecutor<'_>,
    as_of: NaiveDate,
    known_at: DateTime<Utc>,
    sources: &Value,
    at: DateTime<Utc>,
) -> Result<Option<i64>> {
    let version = sqlx::query_scalar(
        "/* gold_versions.begin */ INSERT INTO gold_versions (state, as_of, known_at, started_at, sources)
        VALUES ('computing', $1, $2, $3, $4)
        ON CONFLICT ((true)) WHERE state = 'computing' DO NOTHING RETURNING gold_version",
    )
    .bind(as_of)
    .bind(known_at)
    .bind(at)
    .bind(sources)
    .fetch_optional(ex)
    .await?;
    Ok(version)
}

/// All tables have the version. `false` when somebody thought its maker dead meanwhile.
pub async fn set_landed(
    ex: impl PgExecutor<'_>,
    version: i64,
    tables: &Value,
    control_sums: &Value,
    at: DateTime<Utc>,
) -> Result<bool> {
    let updated = sqlx::query(
        "/* gold_versions.set_landed */
        UPDATE gold_versions SET state = 'landed', tables = $2, control_sums = $3, finished_at = $4
        WHERE gold_version = $1 AND state = 'computing'",
    )
    .bind(version)
    .bind(tables)
    .bind(control_sums)
    .bind(at)
    .execute(ex)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// The version will not be finished.
pub async fn set_failed(ex: impl PgExecutor<'_>, version: i64, cause: &str, at: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "/* gold_versions.set_failed */ UPDATE gold_versions SET state = 'failed', cause = $2, finished_at = $3
        WHERE gold_version = $1 AND state = 'computing'",
    )
    .bind(version)
    .bind(cause)
    .bind(at)
    .execute(ex)
    .await?;
    Ok(())
}

/// Gives up what began before a time: whoever computed it is dead.
pub async fn give_up(ex: impl PgExecutor<'_>, before: DateTime<Utc>, at: DateTime<Utc>) -> Result<u64> {
    let updated = sqlx::query(
        "/* gold_versions.give_up */
        UPDATE gold_versions SET state = 'failed', cause = 'it was not finished in time', finished_at = $2
        WHERE state = 'computing' AND started_at < $1",
    )
    .bind(before)
    .bind(at)
    .execute(ex)
    .await?;
    Ok(updated.rows_affected())
}

/// The newest version that can be read, of a day or of any.
pub async fn newest(ex: impl PgExecutor<'_>, as_of: Option<NaiveDate>) -> Result<Option<GoldVersion>> {
    let version = sqlx::query_as(
        "/* gold_versions.newest */
        SELECT gold_version, state, as_of, known_at, started_at, finished_at, sources, tables, control_sums, cause
        FROM gold_versions WHERE state = 'landed' AND ($1::date IS NULL OR as_of = $1)
        ORDER BY gold_version DESC LIMIT 1",
    )
    .bind(as_of)
    .fetch_optional(ex)
    .await?;
    Ok(version)
}

/// The version that is in force: the newest of the latest day.
pub async fn in_force(ex: impl PgExecutor<'_>) -> Result<Option<GoldVersion>> {
    let version = sqlx::query_as(
        "/* gold_versions.in_force */
        SELECT gold_version, state, as_of, known_at, started_at, finished_at, sources, tables, control_sums, cause
        FROM gold_versions WHERE state = 'landed' ORDER BY as_of DESC, gold_version DESC LIMIT 1",
    )
    .fetch_optional(ex)
    .await?;
    Ok(version)
}

/// A point that everything comes behind which has not begun to write yet.
pub async fn horizon(ex: impl PgExecutor<'_>) -> Result<i64> {
    let horizon = sqlx::query_scalar(
        "/* gold_versions.horizon */ SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    )
    .fetch_one(ex)
    .await?;
    Ok(horizon)
}

/// Whether everything that was being written before a [`horizon`] has ended.
pub async fn has_ended_before(ex: impl PgExecutor<'_>, horizon: i64) -> Result<bool> {
    let ended = sqlx::query_scalar(
        "/* gold_versions.has_ended */ SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1",
    )
    .bind(horizon)
    .fetch_one(ex)
    .await?;
    Ok(ended)
}

/// Whether what is withheld of accounts has changed since an instant.
pub async fn withheld_since(ex: impl PgExecutor<'_>, at: DateTime<Utc>) -> Result<bool> {
    let changed = sqlx::query_scalar(
        "/* gold_versions.withheld_since */ SELECT
            EXISTS (SELECT FROM serving_restrictions WHERE opened_at > $1 OR lifted_at > $1)
            OR EXISTS (SELECT FROM delistings WHERE delisted_at > $1)",
    )
    .bind(at)
    .fetch_one(ex)
    .await?;
    Ok(changed)
}
