//! `lake_commits`: the ledger of appends to the tables of the lake.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::error::Result;

/// An append that has not landed.
#[derive(Clone, Debug, FromRow)]
pub struct Open {
    pub commit_id: Uuid,
    pub state: String,
    /// The files, as [`set_written`] was given them.
    pub files: Option<serde_json::Value>,
}

/// Begins an append. Fails when another one to the same table is open.
pub async fn begin_in_tx(
    connection: &mut PgConnection,
    commit: Uuid,
    table: &str,
    at: DateTime<Utc>,
) -> Result<bool> {
    let begun = sqlx::query(
        "/* lake_commits.begin */ INSERT INTO lake_commits (commit_id, table_name, state, created_at)
        VALUES ($1, $2, 'writing', $3)
        ON CONFLICT (table_name) WHERE state IN ('writing', 'written') DO NOTHING",
    )
    .bind(commit)
    .bind(table)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// The append to a table that somebody began and did not end.
pub async fn open(ex: impl PgExecutor<'_>, table: &str) -> Result<Option<Open>> {
    let open = sqlx::query_as(
        "/* lake_commits.open */ SELECT commit_id, state, files FROM lake_commits
        WHERE table_name = $1 AND state IN ('writing', 'written')",
    )
    .bind(table)
    .fetch_optional(ex)
    .await?;
    Ok(open)
}

/// Files that are complete and in the store.
#[derive(Clone, Debug)]
pub struct Written {
    pub rows: i64,
    pub bytes: i64,
    pub paths: Vec<String>,
    pub files: serde_json::Value,
}

/// The files of an append are complete. `false` when somebody thought its maker dead meanwhile.
pub async fn set_written(
    ex: impl PgExecutor<'_>,
    commit: Uuid,
    written: &Written,
    at: DateTime<Utc>,
) -> Result<bool> {
    let updated = sqlx::query(
        "/* lake_commits.set_written */
        UPDATE lake_commits SET state = 'written', written_at = $2, rows = $3, bytes = $4, file_paths = $5, files = $6
        WHERE commit_id = $1 AND state = 'writing'",
    )
    .bind(commit)
    .bind(at)
    .bind(written.rows)
    .bind(written.bytes)
    .bind(&written.paths)
    .bind(&written.files)
    .execute(ex)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// The table has the files. Once: whoever comes second finds the append landed and changes nothing.
pub async fn set_landed_in_tx(
    connection: &mut PgConnection,
    commit: Uuid,
    snapshot_id: Option<i64>,
    at: DateTime<Utc>,
) -> Result<bool> {
    let updated = sqlx::query(
        "/* lake_commits.set_landed */
        UPDATE lake_commits SET state = 'landed', landed_at = $3, snapshot_id = $2, files = NULL
        WHERE commit_id = $1 AND state = 'written'",
    )
    .bind(commit)
    .bind(snapshot_id)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Gives up an append whose files were never complete.
pub async fn abandon_in_tx(connection: &mut PgConnection, commit: Uuid, at: DateTime<Utc>) -> Result<bool> {
    let updated = sqlx::query(
        "/* lake_commits.abandon */ UPDATE lake_commits SET state = 'abandoned', abandoned_at = $2
        WHERE commit_id = $1 AND state = 'writing'",
    )
    .bind(commit)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Appends that were given up before a time and whose files may still be there: commit and table.
pub async fn abandoned(
    ex: impl PgExecutor<'_>,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(Uuid, String)>> {
    let abandoned = sqlx::query_as(
        "/* lake_commits.abandoned */ SELECT commit_id, table_name FROM lake_commits
        WHERE state = 'abandoned' AND abandoned_at < $1 ORDER BY abandoned_at LIMIT $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(abandoned)
}

/// Nothing is left of an append that was given up.
pub async fn set_swept(ex: impl PgExecutor<'_>, commit: Uuid) -> Result<()> {
    sqlx::query(
        "/* lake_commits.set_swept */ UPDATE lake_commits SET state = 'swept'
        WHERE commit_id = $1 AND state = 'abandoned'",
    )
    .bind(commit)
    .execute(ex)
    .await?;
    Ok(())
}
