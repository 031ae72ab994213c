//! Batches that take the place of others: which ones a batch replaces.

use sqlx::{FromRow, PgConnection, PgExecutor};

use super::batches::Batch;
use crate::error::Result;
use crate::ids::BatchId;

/// A batch in whose place another one comes, and where it stands.
#[derive(Clone, Debug, FromRow)]
pub struct Replaced {
    pub batch_id: BatchId,
    pub state: String,
}

/// What a batch that is being published takes the place of.
///
/// That is the batch it names (`replaces`). A REPLACE that names none, and a batch that names a FULL or a REPLACE, comes in
/// the place of the book that stands for the period: two would contradict each other.
pub async fn replaced_by(ex: impl PgExecutor<'_>, batch: &Batch) -> Result<Vec<Replaced>> {
    let replaced = sqlx::query_as(
        "/* replacements.replaced_by */
        WITH named AS (SELECT mode FROM batches WHERE batch_id = $3 AND contributor_id = $2)
        SELECT batch_id, state FROM batches
        WHERE contributor_id = $2 AND batch_id <> $1 AND NOT dry_run AND dataset = $5 AND period_end = $6
          AND (batch_id = $3
               OR (mode IN ('FULL', 'REPLACE') AND state IN ('published', 'curated')
                   AND (($3 IS NULL AND $4 = 'REPLACE') OR (SELECT mode FROM named) IN ('FULL', 'REPLACE'))))
        ORDER BY batch_id",
    )
    .bind(batch.id)
    .bind(batch.contributor_id)
    .bind(batch.envelope.replaces)
    .bind(batch.mode.as_str())
    .bind(batch.dataset.as_str())
    .bind(batch.period_end)
    .fetch_all(ex)
    .await?;
    Ok(replaced)
}

/// Notes on a replaced batch which one took its place.
pub async fn set_superseded_by_in_tx(
    connection: &mut PgConnection,
    replaced: BatchId,
    by: BatchId,
) -> Result<()> {
    let updated = sqlx::query(
        "/* replacements.set_superseded_by */ UPDATE batches SET superseded_by = $2 WHERE batch_id = $1",
    )
    .bind(replaced)
    .bind(by)
    .execute(connection)
    .await?;
    super::ensure_one_row("batches", &updated)
}

/// The batches in whose place a batch came, and that would still be published without it.
pub async fn superseded_by(ex: impl PgExecutor<'_>, batch: BatchId) -> Result<Vec<BatchId>> {
    let superseded = sqlx::query_scalar(
        "/* replacements.superseded_by */ SELECT batch_id FROM batches
        WHERE superseded_by = $1 AND state = 'superseded' ORDER BY batch_id",
    )
    .bind(batch)
    .fetch_all(ex)
    .await?;
    Ok(superseded)
}

/// Takes the note back: nothing stands in the batch's place any more.
pub async fn clear_superseded_by_in_tx(connection: &mut PgConnection, batch: BatchId) -> Result<()> {
    let updated = sqlx::query(
        "/* replacements.clear_superseded_by */ UPDATE batches SET superseded_by = NULL WHERE batch_id = $1",
    )
    .bind(batch)
    .execute(connection)
    .await?;
    super::ensure_one_row("batches", &updated)
}
