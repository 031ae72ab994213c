//! The merge of staged rows into `accounts`: set-wise, in transaction C.
//!
//! Runs inside the transaction that holds the contributor's lane, so no other batch of the contributor merges
//! at the same time. The persons are entered before: see [`super::subjects`].

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};

use super::columns::snapshot_columns;
use super::staging::{self, KnownSubject};
use crate::error::Result;
use crate::ids::{BatchId, ContributorId, SubjectId};

/// The subjects behind tokens, as far as they are known.
pub async fn known_subjects(ex: impl PgExecutor<'_>, tokens: &[&[u8]]) -> Result<Vec<KnownSubject>> {
    let known = sqlx::query_as(
        "/* serving.known_subjects */ SELECT token, subject_id FROM subject_identifiers WHERE token = ANY($1)",
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
            WHERE contributor_id = $1 AND account_ref = r.account_ref AND holder_role = 0 OFFSET 0) a",
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

/// Which staged rows a statement takes: the n-th snapshot of each account ($5).
macro_rules! wave {
    () => {
        "(SELECT * FROM staged_waves WHERE wave = $5)"
    };
}

/// Merges the staged rows into the accounts. `waves`: the most snapshots that one holder has of one account in
/// this batch, by identifier.
///
/// A statement writes an account once, so the usual batch, a snapshot per account, is merged whole, and another
/// one snapshot by snapshot. Two identifiers may turn out to be one subject, whose snapshots then meet in one
/// account: that, too, is left for the second way.
pub async fn merge_accounts_in_tx(
    connection: &mut PgConnection,
    origin: &Origin<'_>,
    waves: u32,
) -> Result<()> {
    if waves <= 1 {
        let staged: i64 =
            sqlx::query_scalar("/* serving.count_staged */ SELECT count(*) FROM staged_accounts")
                .fetch_one(&mut *connection)
                .await?;
        let inserted = run(connection, INSERT_NEW_ALL, origin, 0).await?;
        // A first load is done here; the joins below would find nothing.
        if inserted == staged || inserted + run(connection, ADVANCE_ALL, origin, 0).await? >= staged {
            return Ok(());
        }
    }
    for wave in 1..=staging::divide_into_waves(connection).await? {
        merge_wave_in_tx(connection, origin, wave).await?;
    }
    Ok(())
}

/// At most one staged row per account: new accounts, then newer months, then the rest. A row that was merged
/// before changes nothing.
async fn merge_wave_in_tx(connection: &mut PgConnection, origin: &Origin<'_>, wave: i64) -> Result<()> {
    for statement in [INSERT_NEW_WAVE, ADVANCE_WAVE, PLACE_MONTHS_WAVE, REPLACE_CURRENT_WAVE] {
        run(connection, statement, origin, wave).await?;
    }
    Ok(())
}

async fn run(
    connection: &mut PgConnection,
    statement: &'static str,
    origin: &Origin<'_>,
    wave: i64,
) -> Result<i64> {
    let done = sqlx::query(statement)
        .bind(origin.contributor_id)
        .bind(origin.batch_id)
        .bind(origin.known_from)
        .bind(origin.rules_version)
        .bind(wave)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() as i64)
}

macro_rules! insert_new {
    ($name:literal, $from:expr) => {
        concat!(
            "/* ", $name, " */ INSERT INTO accounts (subject_id, contributor_id, batch_id, known_from, rules_version,
                account_ref, month_as_of, month_status, month_dpd, month_outstanding_sen, month_overdue_sen, ",
            snapshot_columns!(""),
            ") SELECT s.subject_id, $1, $2, $3, $4, s.account_ref, ARRAY[s.as_of_date], ARRAY[s.status], ARRAY[s.dpd],
                ARRAY[s.outstanding_sen], ARRAY[s.overdue_sen], ",
            snapshot_columns!("s."),
            " FROM ", $from, " s WHERE $5 >= 0 ON CONFLICT (subject_id, contributor_id, account_ref) DO NOTHING"
        )
    };
}

const INSERT_NEW_ALL: &str = insert_new!("serving.insert_accounts", "staged_accounts");
const INSERT_NEW_WAVE: &str = insert_new!("serving.insert_accounts_wave", wave!());

/// Key of the join, and the rows that no earlier statement made the current snapshot: each leaves its mark
/// (batch and record) on what it wrote.
macro_rules! join {
    () => {
        "a.subject_id = s.subject_id AND a.contributor_id = $1 AND a.account_ref = s.account_ref
         AND NOT (a.batch_id = $2 AND a.record_no = s.record_no)"
    };
}

/// A month newer than all before it, with the whole history still inside 24 months: array concatenation only.
macro_rules! advance {
    ($name:literal, $from:expr) => {
        concat!(
            "/* ", $name, " */ UPDATE accounts a SET (batch_id, known_from, rules_version, ",
            snapshot_columns!(""),
            ") = ROW($2, $3, $4, ",
            snapshot_columns!("s."),
            "), month_as_of = (s.as_of_date || a.month_as_of)[1:24], month_status = (s.status || a.month_status)[1:24],
                month_dpd = (s.dpd || a.month_dpd)[1:24],
                month_outstanding_sen = (s.outstanding_sen || a.month_outstanding_sen)[1:24],
                month_overdue_sen = (s.overdue_sen || a.month_overdue_sen)[1:24]
            FROM ", $from, " s WHERE $5 >= 0 AND ", join!(), "
              AND s.as_of_date >= (date_trunc('month', a.month_as_of[1]::timestamp) + interval '1 month')
              AND a.month_as_of[least(cardinality(a.month_as_of), 23)]
                  >= (date_trunc('month', s.as_of_date::timestamp) - interval '23 months')"
        )
    };
}

const ADVANCE_ALL: &str = advance!("serving.advance_accounts", "staged_accounts");
const ADVANCE_WAVE: &str = advance!("serving.advance_accounts_wave", wave!());

/// Every other month: into its place, the later day of a month winning.
const PLACE_MONTHS_WAVE: &str = concat!(
    "/* serving.place_months */ UPDATE accounts a
    SET (month_as_of, month_status, month_dpd, month_outstanding_sen, month_overdue_sen) =
        (SELECT m.as_of, m.status, m.dpd, m.outstanding_sen, m.overdue_sen
         FROM etr_merge_month(a.month_as_of, a.month_status, a.month_dpd, a.month_outstanding_sen, a.month_overdue_sen,
              s.as_of_date, s.status, s.dpd, s.outstanding_sen, s.overdue_sen) m)
    FROM ",
    wave!(),
    " s WHERE $3 IS NOT NULL AND $4 <> '' AND ",
    join!()
);

/// A snapshot at least as recent as the current one takes its place.
const REPLACE_CURRENT_WAVE: &str = concat!(
    "/* serving.replace_current */ UPDATE accounts a SET (batch_id, known_from, rules_version, ",
    snapshot_columns!(""),
    ") = ROW($2, $3, $4, ",
    snapshot_columns!("s."),
    ") FROM ",
    wave!(),
    " s WHERE ",
    join!(),
    " AND s.as_of_date >= a.as_of_date"
);
