//! `record_ranges`: where records stand in the content of their batches, as far as somebody has asked.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};

use crate::error::Result;
use crate::ids::BatchId;

/// What is known of a record's place.
#[derive(Clone, Debug, FromRow)]
pub struct RecordRange {
    pub batch_id: BatchId,
    pub record_no: i64,
    pub byte_from: Option<i64>,
    pub byte_to: Option<i64>,
    /// Why nobody looks for it any more.
    pub failure: Option<String>,
}

/// Says that records are wanted; those that were asked for before stay as they are.
pub async fn want(
    ex: impl PgExecutor<'_>,
    batches: &[BatchId],
    record_nos: &[i64],
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* record_ranges.want */ INSERT INTO record_ranges (batch_id, record_no, wanted_at)
        SELECT DISTINCT batch_id, record_no, $3::timestamptz FROM unnest($1::uuid[], $2::bigint[]) AS w (batch_id, record_no)
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING",
    )
    .bind(batches)
    .bind(record_nos)
    .bind(at)
    .execute(ex)
    .await?;
    Ok(())
}

/// What is known of these records.
pub async fn find(
    ex: impl PgExecutor<'_>,
    batches: &[BatchId],
    record_nos: &[i64],
) -> Result<Vec<RecordRange>> {
    let ranges = sqlx::query_as(
        "/* record_ranges.find */ SELECT r.batch_id, r.record_no, r.byte_from, r.byte_to, r.failure
        FROM unnest($1::uuid[], $2::bigint[]) AS w (batch_id, record_no) JOIN record_ranges r USING (batch_id, record_no)",
    )
    .bind(batches)
    .bind(record_nos)
    .fetch_all(ex)
    .await?;
    Ok(ranges)
}

/// Batches with records that are looked for, those that were asked for first.
pub async fn batches_with_wanted(ex: impl PgExecutor<'_>, limit: i64) -> Result<Vec<BatchId>> {
    let batches = sqlx::query_scalar(
        "/* record_ranges.batches */ SELECT batch_id FROM record_ranges WHERE located_at IS NULL AND failure IS NULL
        GROUP BY batch_id ORDER BY min(wanted_at) LIMIT $1",
    )
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(batches)
}

/// The records of a batch that are looked for, ascending.
pub async fn wanted_of(ex: impl PgExecutor<'_>, batch: BatchId) -> Result<Vec<i64>> {
    let numbers = sqlx::query_scalar(
        "/* record_ranges.wanted_of */ SELECT record_no FROM record_ranges
        WHERE batch_id = $1 AND located_at IS NULL AND failure IS NULL ORDER BY record_no",
    )
    .bind(batch)
    .fetch_all(ex)
    .await?;
    Ok(numbers)
}

/// Keeps where records are: number, first byte, first byte behind.
pub async fn set_located(
    ex: impl PgExecutor<'_>,
    batch: BatchId,
    found: &[(i64, i64, i64)],
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* record_ranges.set_located */ UPDATE record_ranges r
        SET byte_from = f.byte_from, byte_to = f.byte_to, located_at = $5
        FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS f (record_no, byte_from, byte_to)
        WHERE r.batch_id = $1 AND r.record_no = f.record_no AND r.located_at IS NULL",
    )
    .bind(batch)
    .bind(found.iter().map(|one| one.0).collect::<Vec<i64>>())
    .bind(found.iter().map(|one| one.1).collect::<Vec<i64>>())
    .bind(found.iter().map(|one| one.2).collect::<Vec<i64>>())
    .bind(at)
    .execute(ex)
    .await?;
    Ok(())
}

/// Gives up on what is looked for in a batch.
pub async fn give_up(ex: impl PgExecutor<'_>, batch: BatchId, cause: &str) -> Result<()> {
    sqlx::query(
        "/* record_ranges.give_up */ UPDATE record_ranges SET failure = left($2, 500)
        WHERE batch_id = $1 AND located_at IS NULL",
    )
    .bind(batch)
    .bind(cause)
    .execute(ex)
    .await?;
    Ok(())
}
