//! `account_snapshots`: the journal of accepted records, append-only, and what `accounts` is folded from.
//!
//! (batch_id, record_no, publication_no) is a version of a record. Its newest version counts, while its batch is
//! published or curated, unless that version is withdrawn.

use sqlx::{PgConnection, PgExecutor};

use super::columns::{journal_columns, snapshot_columns};
use super::serving::Origin;
use crate::error::Result;
use crate::ids::BatchId;

/// The next place in the order of publications.
///
/// Taken in the transaction that publishes, under the contributor's lane: what a contributor published later has the
/// higher number.
pub async fn next_publication(ex: impl PgExecutor<'_>) -> Result<i64> {
    let number = sqlx::query_scalar("/* journal.next_publication */ SELECT nextval('publication_numbers')")
        .fetch_one(ex)
        .await?;
    Ok(number)
}

/// Enters the staged rows, with the subjects that stand.
pub async fn record_staged_in_tx(connection: &mut PgConnection, origin: &Origin<'_>) -> Result<()> {
    sqlx::query(concat!(
        "/* journal.record_staged */ INSERT INTO account_snapshots (subject_id, contributor_id, batch_id, publication_no,
            known_from, rules_version, contract, account_ref, ",
        snapshot_columns!(""),
        ", ",
        journal_columns!(""),
        ") SELECT s.subject_id, $1, $2, $3, $4, $5, $6, s.account_ref, ",
        snapshot_columns!("s."),
        ", ",
        journal_columns!("s."),
        " FROM staged_accounts s"
    ))
    .bind(origin.contributor_id)
    .bind(origin.batch_id)
    .bind(origin.publication_no)
    .bind(origin.known_from)
    .bind(origin.rules_version)
    .bind(origin.contract)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a batch that is being published its place among all publications.
pub async fn number_batch_in_tx(
    connection: &mut PgConnection,
    id: BatchId,
    publication_no: i64,
) -> Result<()> {
    let updated = sqlx::query(
        "/* journal.set_publication */ UPDATE batches SET publication_no = $2 WHERE batch_id = $1",
    )
    .bind(id)
    .bind(publication_no)
    .execute(connection)
    .await?;
    super::ensure_one_row("batches", &updated)
}
