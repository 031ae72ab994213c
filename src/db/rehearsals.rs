//! Rehearsals among `batches`: their files go after a while.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};

use crate::error::Result;
use crate::ids::BatchId;

/// A rehearsal whose time has come.
#[derive(Clone, Debug, FromRow)]
pub struct Expired {
    pub batch_id: BatchId,
    pub object_key: String,
    /// It waits for somebody, who would find its bytes gone.
    pub waits: bool,
}

/// Rehearsals that were settled before an instant and still have files, oldest first.
pub async fn expired(ex: impl PgExecutor<'_>, before: DateTime<Utc>, limit: i64) -> Result<Vec<Expired>> {
    let rows = sqlx::query_as(
        "/* rehearsals.expired */ SELECT batch_id, object_key, state IN ('on_hold', 'failed') AS waits
        FROM batches
        WHERE dry_run AND files_removed_at IS NULL AND settled_at < $1 AND state <> 'swept'
        ORDER BY settled_at LIMIT $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(rows)
}

/// Notes that the files of a rehearsal are gone.
pub async fn set_files_removed(ex: impl PgExecutor<'_>, id: BatchId, at: DateTime<Utc>) -> Result<()> {
    sqlx::query(
        "/* rehearsals.set_files_removed */ UPDATE batches SET files_removed_at = $2
        WHERE batch_id = $1 AND dry_run AND files_removed_at IS NULL",
    )
    .bind(id)
    .bind(at)
    .execute(ex)
    .await?;
    Ok(())
}
