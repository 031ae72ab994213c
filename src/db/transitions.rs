//! The steps of a batch's life: `batch_transitions`, read side, and the lock of whoever is about to add one.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::error::Result;
use crate::ids::BatchId;

/// One step: where from, where to, when, who and why.
#[derive(Clone, Debug, FromRow)]
pub struct Transition {
    pub from_state: Option<String>,
    pub to_state: String,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub reason: Option<String>,
}

/// All steps of a batch, oldest first.
pub async fn of_batch(ex: impl PgExecutor<'_>, batch: BatchId) -> Result<Vec<Transition>> {
    let steps = sqlx::query_as(
        "/* transitions.of_batch */ SELECT from_state, to_state, at, actor, reason FROM batch_transitions
        WHERE batch_id = $1 ORDER BY transition_no",
    )
    .bind(batch)
    .fetch_all(ex)
    .await?;
    Ok(steps)
}

/// Locks the batch until the transaction ends: what is read of it from now on is still so when it is moved.
pub async fn lock_batch_in_tx(connection: &mut PgConnection, batch: BatchId) -> Result<()> {
    sqlx::query("/* transitions.lock_batch */ SELECT FROM batches WHERE batch_id = $1 FOR NO KEY UPDATE")
        .bind(batch)
        .execute(connection)
        .await?;
    Ok(())
}
