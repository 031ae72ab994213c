//! `lake_entries`: what is to land in the lake, entered in the transaction of its effect.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::serving::Origin;
use crate::error::Result;
use crate::ids::BatchId;

/// Enters what a statement `entered`, in that statement: versions of records of several batches or publications.
macro_rules! enter_versions {
    () => {
        "to_land AS (
            INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, rows, known_from)
            SELECT 'silver.account_snapshots', contributor_id, batch_id, publication_no, count(*), known_from
            FROM entered GROUP BY contributor_id, batch_id, publication_no, known_from)"
    };
}

pub(crate) use enter_versions;

/// What waits for a table.
#[derive(Clone, Debug, FromRow)]
pub struct Waiting {
    pub entry_no: i64,
    pub rows: i64,
    pub known_from: DateTime<Utc>,
}

/// Enters the rows that a publication gave a journal.
pub async fn enter_publication_in_tx(
    connection: &mut PgConnection,
    table: &str,
    origin: &Origin<'_>,
    rows: u64,
) -> Result<()> {
    if rows == 0 {
        return Ok(());
    }
    sqlx::query(
        "/* lake_entries.enter_publication */
        INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, rows, known_from)
        VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(table)
    .bind(origin.contributor_id)
    .bind(origin.batch_id)
    .bind(origin.publication_no)
    .bind(rows as i64)
    .bind(origin.known_from)
    .execute(connection)
    .await?;
    Ok(())
}

/// Enters the records of a batch that were rejected for good at one time. A promoted shadow puts others in their place:
/// then the lake takes what is there when they land.
pub async fn enter_rejects_in_tx(
    connection: &mut PgConnection,
    batch: BatchId,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* lake_entries.enter_rejects */
        INSERT INTO lake_entries (table_name, contributor_id, batch_id, rows, known_from)
        SELECT 'quarantine.rejected_records', contributor_id, batch_id, count(*), rejected_at FROM rejected_records
        WHERE batch_id = $1 AND rejected_at = $2 GROUP BY contributor_id, batch_id, rejected_at
        ON CONFLICT (batch_id, known_from) WHERE table_name = 'quarantine.rejected_records'
        DO UPDATE SET rows = excluded.rows WHERE lake_entries.commit_id IS NULL",
    )
    .bind(batch)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// What waits for a table, the oldest first.
pub async fn waiting(ex: impl PgExecutor<'_>, table: &str, limit: i64) -> Result<Vec<Waiting>> {
    let waiting = sqlx::query_as(
        "/* lake_entries.waiting */ SELECT entry_no, rows, known_from FROM lake_entries
        WHERE table_name = $1 AND commit_id IS NULL ORDER BY entry_no LIMIT $2",
    )
    .bind(table)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(waiting)
}

/// Gives entries to a commit; says how many of them still waited.
pub async fn assign_in_tx(connection: &mut PgConnection, commit: Uuid, entries: &[i64]) -> Result<u64> {
    let assigned = sqlx::query(
        "/* lake_entries.assign */ UPDATE lake_entries SET commit_id = $1
        WHERE entry_no = ANY($2) AND commit_id IS NULL",
    )
    .bind(commit)
    .bind(entries)
    .execute(connection)
    .await?;
    Ok(assigned.rows_affected())
}

/// Lets the entries of a commit wait again.
pub async fn release_in_tx(connection: &mut PgConnection, commit: Uuid) -> Result<()> {
    sqlx::query("/* lake_entries.release */ UPDATE lake_entries SET commit_id = NULL WHERE commit_id = $1")
        .bind(commit)
        .execute(connection)
        .await?;
    Ok(())
}

/// Published batches of which everything has landed. Looked for among the entries of landed commits that are younger than
/// a time, since what landed before was looked at then.
pub async fn curable(
    ex: impl PgExecutor<'_>,
    landed_since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<BatchId>> {
    let batches = sqlx::query_scalar(
        "/* lake_entries.curable */ SELECT DISTINCT b.batch_id
        FROM lake_commits c
        JOIN lake_entries e ON e.commit_id = c.commit_id
        JOIN batches b ON b.batch_id = e.batch_id
        WHERE c.state = 'landed' AND c.landed_at >= $1 AND b.state = 'published'
          AND NOT EXISTS (
              SELECT FROM lake_entries w LEFT JOIN lake_commits l ON l.commit_id = w.commit_id
              WHERE w.batch_id = b.batch_id AND l.state IS DISTINCT FROM 'landed')
        LIMIT $2",
    )
    .bind(landed_since)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(batches)
}

/// What has not landed. Two looks into small indexes: entries are kept for good, and most of them have landed.
macro_rules! not_landed {
    () => {
        "(SELECT table_name, known_from, rows FROM lake_entries WHERE commit_id IS NULL
          UNION ALL
          SELECT e.table_name, e.known_from, e.rows FROM lake_commits c
          JOIN lake_entries e ON e.commit_id = c.commit_id WHERE c.state IN ('writing', 'written'))"
    };
}

/// Since when the oldest thing waits that has not landed in the lake.
pub async fn waiting_since(ex: impl PgExecutor<'_>) -> Result<Option<DateTime<Utc>>> {
    let oldest = sqlx::query_scalar(concat!(
        "/* lake_entries.waiting_since */ SELECT min(w.known_from) FROM ",
        not_landed!(),
        " w"
    ))
    .fetch_one(ex)
    .await?;
    Ok(oldest)
}

/// How old the oldest thing is that waits, in seconds, and how many rows wait, by table.
pub async fn backlog(ex: impl PgExecutor<'_>) -> Result<Vec<(String, f64, i64)>> {
    let backlog = sqlx::query_as(concat!(
        "/* lake_entries.backlog */ SELECT w.table_name,
            extract(epoch FROM clock_timestamp() - min(w.known_from))::float8, sum(w.rows)::bigint FROM ",
        not_landed!(),
        " w GROUP BY w.table_name"
    ))
    .fetch_all(ex)
    .await?;
    Ok(backlog)
}
