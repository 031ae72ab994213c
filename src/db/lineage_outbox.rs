//! `lineage_outbox`: events about runs on their way to a lineage service, in order within a run.
//!
//! A row is written in the transaction of what it tells and deleted once the receiver has taken it. Whoever sends one
//! moves its next try ahead first, so that nobody else sends it meanwhile; times are the database's clock.

use std::time::Duration;

use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::error::Result;

/// The longest pause between two tries of one event.
const MAX_PAUSE_SECONDS: f64 = 900.0;
/// Longest cause that is kept, in characters.
const MAX_ERROR: usize = 500;

/// Puts an event behind those of its run.
pub async fn insert_in_tx(connection: &mut PgConnection, run: Uuid, event: &serde_json::Value) -> Result<()> {
    sqlx::query("/* lineage_outbox.insert */ INSERT INTO lineage_outbox (run_id, event) VALUES ($1, $2)")
        .bind(run)
        .bind(event)
        .execute(connection)
        .await?;
    Ok(())
}

/// An event that is this process's to send.
#[derive(Clone, Debug, FromRow)]
pub struct Claimed {
    pub event_no: i64,
    pub event: serde_json::Value,
    /// This one included.
    pub attempts: i32,
}

/// Takes the oldest event that is due and first in its run. Nobody else gets it within `length`.
pub async fn claim(ex: impl PgExecutor<'_>, length: Duration) -> Result<Option<Claimed>> {
    let claimed = sqlx::query_as(
        "/* lineage_outbox.claim */
        UPDATE lineage_outbox
        SET attempts = attempts + 1, next_try_at = clock_timestamp() + make_interval(secs => $1)
        WHERE event_no = (
            SELECT event_no FROM lineage_outbox o
            WHERE next_try_at <= clock_timestamp()
              AND NOT EXISTS (SELECT FROM lineage_outbox p WHERE p.run_id = o.run_id AND p.event_no < o.event_no)
            ORDER BY event_no LIMIT 1
            FOR UPDATE SKIP LOCKED)
        RETURNING event_no, event, attempts",
    )
    .bind(length.as_secs_f64())
    .fetch_optional(ex)
    .await?;
    Ok(claimed)
}

/// Removes an event that the receiver has taken.
pub async fn remove(ex: impl PgExecutor<'_>, event_no: i64) -> Result<()> {
    sqlx::query("/* lineage_outbox.remove */ DELETE FROM lineage_outbox WHERE event_no = $1")
        .bind(event_no)
        .execute(ex)
        .await?;
    Ok(())
}

/// Puts an event off: a second after its first try, twice as long after each further one, at most a quarter of an hour.
pub async fn put_off(ex: impl PgExecutor<'_>, event_no: i64, cause: &str) -> Result<()> {
    sqlx::query(
        "/* lineage_outbox.put_off */ UPDATE lineage_outbox
        SET next_try_at = clock_timestamp() + make_interval(secs => least(power(2, least(attempts, 20) - 1), $2)),
            last_error = left($3, $4)
        WHERE event_no = $1",
    )
    .bind(event_no)
    .bind(MAX_PAUSE_SECONDS)
    .bind(cause)
    .bind(MAX_ERROR as i32)
    .execute(ex)
    .await?;
    Ok(())
}

/// What waits, for the metrics.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Backlog {
    pub events: i64,
    pub oldest_seconds: f64,
}

pub async fn backlog(ex: impl PgExecutor<'_>) -> Result<Backlog> {
    let backlog = sqlx::query_as(
        "/* lineage_outbox.backlog */ SELECT count(*) AS events,
            coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS oldest_seconds
        FROM lineage_outbox",
    )
    .fetch_one(ex)
    .await?;
    Ok(backlog)
}
