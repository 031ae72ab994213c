//! The merge of staged rows into `accounts`: set-wise, in transaction C.
//!
//! Runs inside the transaction that holds the contributor's lane, so no other batch of the contributor merges
//! at the same time. The persons are entered before: see [`super::subjects`].

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};

use super::columns::snapshot_columns;
use super::staging::KnownSubject;
use super::{delistings, journal, serving_restrictions};
use crate::error::Result;
use crate::ids::{BatchId, ContributorId, SubjectId};

/// The subjects behind tokens, as far as they are known.
pub async fn known_subjects(ex: impl PgExecutor<'_>, tokens: &[&[u8]]) -> Result<Vec<KnownSubject>> {
    let known = sqlx::query_as(
        "/* serving.known_subjects */ SELECT i.token, i.subject_id, s.sealed_name
        FROM subject_identifiers i LEFT JOIN subjects s ON s.subject_id = i.subject_id WHERE i.token = ANY($1)",
    )
    .bind(tokens)
    .fetch_all(ex)
    .await?;
    Ok(known)
}

/// Whether the contributor has any account yet; a first load spares the look-ups.
pub async fn has_accounts(ex: impl PgExecutor<'_>, contributor: ContributorId) -> Result<bool> {
    let any = sqlx::query_scalar(
        "/* serving.has_accounts */ SELECT EXISTS (SELECT FROM accounts WHERE contributor_id = $1)",
    )
    .bind(contributor)
    .fetch_one(ex)
    .await?;
    Ok(any)
}

/// Whose the contributor's accounts are: the primary holder of each reference that exists (I015).
pub async fn primary_holders(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    account_refs: &[&str],
) -> Result<Vec<(String, SubjectId)>> {
    let holders = sqlx::query_as(
        // One look into the index per reference, whatever the statistics say: just after a first load they say
        // nothing, and a plan that compares every account with every reference takes minutes.
        "/* serving.primary_holders */ SELECT r.account_ref, a.subject_id
        FROM unnest($2::text[]) AS r (account_ref)
        CROSS JOIN LATERAL (
            SELECT subject_id FROM accounts
            WHERE contributor_id = $1 AND account_ref = r.account_ref AND holder_role = 0
            -- Where only some of its records were moved to another person, it is the newest record's.
            ORDER BY as_of_date DESC LIMIT 1) a",
    )
    .bind(contributor)
    .bind(account_refs)
    .fetch_all(ex)
    .await?;
    Ok(holders)
}

/// Lineage of the rows that a merge writes.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub contributor_id: ContributorId,
    pub batch_id: BatchId,
    pub known_from: DateTime<Utc>,
    pub rules_version: &'a str,
    /// The batch's place among all publications.
    pub publication_no: i64,
    /// The dataset and the version of its contract.
    pub contract: &'a str,
}

/// Merges the staged rows, which the journal holds already, into the accounts.
///
/// The usual batch, a snapshot per account that is new or a month ahead, is merged by two statements. Accounts that
/// these did not bring to the newest of their rows are folded anew from the journal. A batch that takes the place
/// of others has to be folded as a whole: see [`journal::refold_in_tx`].
pub async fn merge_accounts_in_tx(connection: &mut PgConnection, origin: &Origin<'_>) -> Result<()> {
    let staged: i64 = sqlx::query_scalar("/* serving.count_staged */ SELECT count(*) FROM staged_accounts")
        .fetch_one(&mut *connection)
        .await?;
    let inserted = run(connection, INSERT_NEW, origin).await?;
    // A first load is done here; the joins below would find nothing. Each row counts once: an account takes at most
    // one of its rows by the first statement and one later row by the second.
    if inserted < staged && inserted + run(connection, ADVANCE, origin).await? < staged {
        touch_rest_in_tx(connection, origin).await?;
        journal::refold_in_tx(connection, origin.contributor_id, Some(origin)).await?;
    }
    serving_restrictions::apply_in_tx(connection, origin.contributor_id).await?;
    delistings::apply_in_tx(connection, origin.contributor_id).await
}

async fn run(connection: &mut PgConnection, statement: &'static str, origin: &Origin<'_>) -> Result<i64> {
    let done = sqlx::query(statement)
        .bind(origin.contributor_id)
        .bind(origin.batch_id)
        .bind(origin.known_from)
        .bind(origin.rules_version)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() as i64)
}

const INSERT_NEW: &str = concat!(
    "/* serving.insert_accounts */ INSERT INTO accounts (subject_id, contributor_id, batch_id, known_from, rules_version,
        account_ref, month_as_of, month_status, month_dpd, month_outstanding_sen, month_overdue_sen, ",
    snapshot_columns!(""),
    ") SELECT s.subject_id, $1, $2, $3, $4, s.account_ref, ARRAY[s.as_of_date], ARRAY[s.status], ARRAY[s.dpd],
        ARRAY[s.outstanding_sen], ARRAY[s.overdue_sen], ",
    snapshot_columns!("s."),
    " FROM staged_accounts s ON CONFLICT (subject_id, contributor_id, account_ref) DO NOTHING"
);

/// A month newer than all before it, with the whole history still inside 24 months: array concatenation only. A row
/// that the first statement entered bears its own mark (batch and record) and does not advance itself.
const ADVANCE: &str = concat!(
    "/* serving.advance_accounts */ UPDATE accounts a SET (batch_id, known_from, rules_version, ",
    snapshot_columns!(""),
    ") = ROW($2, $3, $4, ",
    snapshot_columns!("s."),
    "), month_as_of = (s.as_of_date || a.month_as_of)[1:24], month_status = (s.status || a.month_status)[1:24],
        month_dpd = (s.dpd || a.month_dpd)[1:24],
        month_outstanding_sen = (s.outstanding_sen || a.month_outstanding_sen)[1:24],
        month_overdue_sen = (s.overdue_sen || a.month_overdue_sen)[1:24]
    FROM staged_accounts s
    WHERE a.subject_id = s.subject_id AND a.contributor_id = $1 AND a.account_ref = s.account_ref
      AND NOT (a.batch_id = $2 AND a.record_no = s.record_no)
      AND s.as_of_date >= (date_trunc('month', a.month_as_of[1]::timestamp) + interval '1 month')
      AND a.month_as_of[least(cardinality(a.month_as_of), 23)]
          >= (date_trunc('month', s.as_of_date::timestamp) - interval '23 months')"
);

/// Adds to the touched accounts those with a row that neither statement took: each leaves its mark on what it wrote,
/// and a second row of an account finds the mark of the first.
async fn touch_rest_in_tx(connection: &mut PgConnection, origin: &Origin<'_>) -> Result<()> {
    journal::prepare_touched(connection).await?;
    sqlx::query(
        "/* serving.touch_rest */ INSERT INTO touched_accounts (account_ref)
        SELECT DISTINCT s.account_ref FROM staged_accounts s
        WHERE NOT EXISTS (
            SELECT FROM accounts a
            WHERE a.subject_id = s.subject_id AND a.contributor_id = $1 AND a.account_ref = s.account_ref
              AND a.batch_id = $2 AND a.record_no = s.record_no)
        ON CONFLICT DO NOTHING",
    )
    .bind(origin.contributor_id)
    .bind(origin.batch_id)
    .execute(connection)
    .await?;
    Ok(())
}
