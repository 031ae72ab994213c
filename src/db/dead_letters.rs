//! Dead letters: batches that failed by a fault of ours, after every attempt.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// A batch that waits for an operator.
#[derive(Clone, Debug, FromRow)]
pub struct DeadLetter {
    pub batch_id: BatchId,
    pub contributor_id: ContributorId,
    pub dataset: String,
    pub period_end: NaiveDate,
    pub received_at: Option<DateTime<Utc>>,
    pub failed_at: Option<DateTime<Utc>>,
    pub cause: Option<String>,
    /// Attempts of its last job.
    pub attempts: i32,
}

/// A page of them, the newest batch first, after the given one.
pub async fn list(ex: impl PgExecutor<'_>, after: Option<BatchId>, limit: i64) -> Result<Vec<DeadLetter>> {
    let letters = sqlx::query_as(
        "/* dead_letters.list */
        SELECT b.batch_id, b.contributor_id, b.dataset, b.period_end, b.received_at, b.settled_at AS failed_at,
            b.failure AS cause, coalesce(j.attempts, 0) AS attempts
        FROM batches b
        LEFT JOIN LATERAL (
            SELECT attempts FROM jobs WHERE batch_id = b.batch_id ORDER BY job_no DESC LIMIT 1) j ON true
        WHERE b.state = 'failed' AND ($1::uuid IS NULL OR b.batch_id < $1)
        ORDER BY b.batch_id DESC LIMIT $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(letters)
}

/// Forgets the cause of a failure: the batch is being tried again, and the cause stays in its transitions.
pub async fn clear_failure_in_tx(connection: &mut PgConnection, batch: BatchId) -> Result<()> {
    sqlx::query("/* dead_letters.clear_failure */ UPDATE batches SET failure = NULL WHERE batch_id = $1")
        .bind(batch)
        .execute(connection)
        .await?;
    Ok(())
}
