//! `schedules`: functions that run at an interval, one process at a time. The row is a lease, and times are the
//! database's clock, so that nodes whose clocks disagree never run one function twice at once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::error::Result;

/// Longest error that is kept, in characters.
const MAX_ERROR: usize = 2000;
/// The longest that a run which failed waits for the next one, however long the interval.
const RETRY: Duration = Duration::from_secs(60);

/// Makes rows for functions that have none, due at once, and brings intervals up to date.
pub async fn ensure(ex: impl PgExecutor<'_>, names: &[&str], every_seconds: &[i32]) -> Result<()> {
    sqlx::query(
        "/* schedules.ensure */
        INSERT INTO schedules (name, every_seconds, due_at)
        SELECT name, every_seconds, clock_timestamp() FROM unnest($1::text[], $2::int[]) AS known (name, every_seconds)
        ON CONFLICT (name) DO UPDATE SET every_seconds = excluded.every_seconds
        WHERE schedules.every_seconds <> excluded.every_seconds",
    )
    .bind(names)
    .bind(every_seconds)
    .execute(ex)
    .await?;
    Ok(())
}

/// Takes the function that has been due for longest, of those that the caller knows and nobody runs.
pub async fn lease(
    ex: impl PgExecutor<'_>,
    names: &[&str],
    token: Uuid,
    length: Duration,
) -> Result<Option<String>> {
    let name = sqlx::query_scalar(
        "/* schedules.lease */
        WITH due AS (
            SELECT name FROM schedules
            WHERE name = ANY($1) AND due_at <= clock_timestamp()
              AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp())
            ORDER BY due_at LIMIT 1
            FOR UPDATE SKIP LOCKED)
        UPDATE schedules
        SET lease_token = $2, lease_expires_at = clock_timestamp() + make_interval(secs => $3),
            last_started_at = clock_timestamp()
        FROM due WHERE schedules.name = due.name
        RETURNING schedules.name",
    )
    .bind(names)
    .bind(token)
    .bind(length.as_secs_f64())
    .fetch_optional(ex)
    .await?;
    Ok(name)
}

/// A sign of life of a run; `false` when the function is somebody else's by now.
pub async fn extend(ex: impl PgExecutor<'_>, name: &str, token: Uuid, length: Duration) -> Result<bool> {
    let extended = sqlx::query(
        "/* schedules.extend */
        UPDATE schedules SET lease_expires_at = clock_timestamp() + make_interval(secs => $3)
        WHERE name = $1 AND lease_token = $2",
    )
    .bind(name)
    .bind(token)
    .bind(length.as_secs_f64())
    .execute(ex)
    .await?;
    Ok(extended.rows_affected() == 1)
}

/// How a run ended: how many things it changed, or why it failed.
pub type Outcome<'a> = std::result::Result<u64, &'a str>;

/// Ends a run; does nothing when somebody else holds the lease by now. A request that came in meanwhile is not
/// lost: it is the only thing that makes a function due while it runs.
pub async fn finish(ex: impl PgExecutor<'_>, name: &str, token: Uuid, outcome: Outcome<'_>) -> Result<()> {
    let error = outcome.err().map(|error| error.chars().take(MAX_ERROR).collect::<String>());
    sqlx::query(
        "/* schedules.finish */
        UPDATE schedules
        SET lease_token = NULL, lease_expires_at = NULL, last_run_at = clock_timestamp(),
            last_changed = coalesce($3, last_changed), last_error = $4,
            due_at = CASE
                WHEN due_at > last_started_at THEN due_at
                WHEN $4::text IS NULL THEN clock_timestamp() + make_interval(secs => every_seconds)
                ELSE clock_timestamp() + make_interval(secs => least(every_seconds, $5)) END
        WHERE name = $1 AND lease_token = $2",
    )
    .bind(name)
    .bind(token)
    .bind(outcome.ok().and_then(|changed| i64::try_from(changed).ok()))
    .bind(error)
    .bind(RETRY.as_secs_f64())
    .execute(ex)
    .await?;
    Ok(())
}

/// Makes a function due now. `false` when there is none of that name.
pub async fn request_in_tx(ex: impl PgExecutor<'_>, name: &str) -> Result<bool> {
    let requested = sqlx::query(
        "/* schedules.request */ UPDATE schedules SET due_at = clock_timestamp() WHERE name = $1",
    )
    .bind(name)
    .execute(ex)
    .await?;
    Ok(requested.rows_affected() == 1)
}

/// A function and its last run.
#[derive(Clone, Debug, FromRow)]
pub struct Schedule {
    pub name: String,
    pub every_seconds: i32,
    pub due_at: DateTime<Utc>,
    /// A process runs it now.
    pub running: bool,
    pub last_started_at: Option<DateTime<Utc>>,
    pub last_run_at: Option<DateTime<Utc>>,
    pub last_changed: Option<i64>,
    pub last_error: Option<String>,
    /// How long it has been due without being run, in seconds; 0 while it is not due or runs.
    pub late_seconds: f64,
}

/// The columns of [`Schedule`].
macro_rules! schedule_columns {
    () => {
        "name, every_seconds, due_at, coalesce(lease_expires_at > clock_timestamp(), false) AS running, \
         last_started_at, last_run_at, last_changed, last_error, \
         CASE WHEN lease_expires_at > clock_timestamp() THEN 0 \
              ELSE greatest(extract(epoch FROM clock_timestamp() - due_at), 0) END::float8 AS late_seconds"
    };
}

pub async fn find(ex: impl PgExecutor<'_>, name: &str) -> Result<Option<Schedule>> {
    Ok(sqlx::query_as(concat!(
        "/* schedules.find */ SELECT ",
        schedule_columns!(),
        " FROM schedules WHERE name = $1"
    ))
    .bind(name)
    .fetch_optional(ex)
    .await?)
}

pub async fn list(ex: impl PgExecutor<'_>) -> Result<Vec<Schedule>> {
    Ok(sqlx::query_as(concat!(
        "/* schedules.list */ SELECT ",
        schedule_columns!(),
        " FROM schedules ORDER BY name"
    ))
    .fetch_all(ex)
    .await?)
}
