//! What became of a batch in the lake: its entries, the appends that they landed in, and who has been told of these.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::error::Result;
use crate::ids::BatchId;

/// Something of a batch that was entered for the lake.
#[derive(Clone, Debug, FromRow)]
pub struct Entry {
    pub entry_no: i64,
    pub table_name: String,
    pub publication_no: Option<i64>,
    pub rows: i64,
    pub known_from: DateTime<Utc>,
    /// What the batch became, when that is what was entered.
    pub state: Option<String>,
    /// The append that took it; none while it waits.
    pub commit_id: Option<Uuid>,
}

/// Most entries of one batch that are told; a batch has a handful, each correction adds one.
const MAX_ENTRIES: i64 = 1000;

/// The entries of a batch, oldest first.
pub async fn entries(ex: impl PgExecutor<'_>, batch: BatchId) -> Result<Vec<Entry>> {
    let entries = sqlx::query_as(
        "/* lineage_lake.entries */
        SELECT entry_no, table_name, publication_no, rows, known_from, state, commit_id FROM lake_entries
        WHERE batch_id = $1 ORDER BY entry_no LIMIT $2",
    )
    .bind(batch)
    .bind(MAX_ENTRIES)
    .fetch_all(ex)
    .await?;
    Ok(entries)
}

/// An append to a table of the lake.
#[derive(Clone, Debug, FromRow)]
pub struct Commit {
    pub commit_id: Uuid,
    pub table_name: String,
    pub state: String,
    pub created_at: DateTime<Utc>,
    pub landed_at: Option<DateTime<Utc>>,
    pub snapshot_id: Option<i64>,
    pub rows: Option<i64>,
    pub bytes: Option<i64>,
    pub file_paths: Option<Vec<String>>,
}

/// Appends by their ids. They hold rows of many contributors; their files are named by month and hash alone.
pub async fn commits(ex: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<Commit>> {
    let commits = sqlx::query_as(
        "/* lineage_lake.commits */
        SELECT commit_id, table_name, state, created_at, landed_at, snapshot_id, rows, bytes, file_paths
        FROM lake_commits WHERE commit_id = ANY($1) ORDER BY created_at",
    )
    .bind(ids)
    .fetch_all(ex)
    .await?;
    Ok(commits)
}

/// The instant from which on appends are looked at that nobody may have been told of. It is `floor` the first time, and
/// moves to it as often as everything before it has been told of: an outage of any length keeps it where it is.
pub async fn told_up_to_in_tx(connection: &mut PgConnection, floor: DateTime<Utc>) -> Result<DateTime<Utc>> {
    sqlx::query(
        "/* lineage_lake.tell_up_to */ INSERT INTO lineage_told AS w (kind, run_id, told_at)
        VALUES ('up_to', '00000000-0000-0000-0000-000000000000', $1)
        ON CONFLICT (kind, run_id) DO UPDATE SET told_at = $1
        WHERE w.told_at < $1 AND NOT EXISTS (
            SELECT FROM lake_commits c WHERE c.state = 'landed' AND c.landed_at >= w.told_at AND c.landed_at < $1
              AND NOT EXISTS (SELECT FROM lineage_told t WHERE t.kind = 'commit' AND t.run_id = c.commit_id))",
    )
    .bind(floor)
    .execute(&mut *connection)
    .await?;
    let up_to = sqlx::query_scalar(
        "/* lineage_lake.told_up_to */ SELECT told_at FROM lineage_told WHERE kind = 'up_to'",
    )
    .fetch_one(connection)
    .await?;
    Ok(up_to)
}

/// Appends that landed since an instant and of which nobody has been told, oldest first; each is this transaction's.
pub async fn untold_in_tx(
    connection: &mut PgConnection,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Commit>> {
    let commits = sqlx::query_as(
        "/* lineage_lake.untold */
        SELECT commit_id, table_name, state, created_at, landed_at, snapshot_id, rows, bytes, file_paths
        FROM lake_commits c
        WHERE state = 'landed' AND landed_at >= $1
          AND NOT EXISTS (SELECT FROM lineage_told t WHERE t.kind = 'commit' AND t.run_id = c.commit_id)
        ORDER BY landed_at LIMIT $2 FOR UPDATE SKIP LOCKED",
    )
    .bind(since)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(commits)
}

/// Keeps that an append has been told of. `false` when somebody else was quicker.
pub async fn set_told_in_tx(connection: &mut PgConnection, commit: Uuid, at: DateTime<Utc>) -> Result<bool> {
    let told = sqlx::query(
        "/* lineage_lake.set_told */ INSERT INTO lineage_told (kind, run_id, told_at) VALUES ('commit', $1, $2)
        ON CONFLICT DO NOTHING",
    )
    .bind(commit)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(told.rows_affected() == 1)
}
