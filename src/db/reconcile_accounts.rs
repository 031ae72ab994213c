//! `accounts` beside what the journal adds up to, a portion of account references at a time.
//!
//! A temporary table of the session stands in front of `accounts`; the statements that fold the journal, post events and
//! apply restrictions write into it as they do in production, and the result is compared with the real table. Each
//! portion is one transaction of one snapshot, which is rolled back.

use sqlx::{Connection as _, PgConnection};

use super::journal;
use super::reconcile::{Compared, comparison};
use crate::error::Result;
use crate::ids::ContributorId;

/// Account references of a portion: some megabytes of temporary table.
const PORTION: i64 = 20_000;

/// Puts the temporary table in front of `accounts` for the rest of the session. The real one is `served_accounts` then.
/// The caller sees to it that the connection is closed and never reused.
pub async fn prepare(connection: &mut PgConnection) -> Result<()> {
    for statement in [
        "/* reconcile.view_served */ CREATE TEMPORARY VIEW served_accounts AS SELECT * FROM accounts",
        "/* reconcile.mask_accounts */ CREATE TEMPORARY TABLE accounts
            (LIKE accounts INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING INDEXES)",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    journal::prepare_touched(connection).await?;
    // Statements that were prepared before would go on writing the real table.
    connection.clear_cached_statements().await?;
    Ok(())
}

const COMPARE: &str = comparison!(
    "reconcile.accounts",
    "compared AS (
        SELECT 'account ' || account_ref || ' of subject ' || subject_id AS key,
            CASE WHEN f.batch_id IS NULL THEN 'nothing that counts'
                 ELSE format('record %s of batch %s', f.record_no, f.batch_id) END AS expected,
            CASE WHEN s.batch_id IS NULL THEN 'no account'
                 WHEN f.batch_id IS NULL THEN format('record %s of batch %s', s.record_no, s.batch_id)
                 WHEN s IS DISTINCT FROM f THEN 'another ' || (
                    SELECT string_agg(a.key, ', ' ORDER BY a.key) FROM jsonb_each(to_jsonb(s)) a
                    WHERE a.value IS DISTINCT FROM to_jsonb(f) -> a.key) END AS found,
            s IS DISTINCT FROM f AS wrong
        FROM (SELECT a.* FROM served_accounts a JOIN touched_accounts t ON t.account_ref = a.account_ref
              WHERE a.contributor_id = $1) s
        FULL JOIN (SELECT a.* FROM accounts a WHERE a.contributor_id = $1) f
            USING (subject_id, contributor_id, account_ref))"
);

/// Compares the portion of a contributor's accounts behind a reference. What was found, and the last reference of the
/// portion; `None` behind the last one.
pub async fn compare_portion(
    connection: &mut PgConnection,
    contributor: ContributorId,
    after: &str,
) -> Result<Option<(Compared, String)>> {
    let mut tx = connection.begin().await?;
    sqlx::query("/* reconcile.one_snapshot */ SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .execute(&mut *tx)
        .await?;
    let last: Option<String> = sqlx::query_scalar(
        "/* reconcile.touch_portion */ WITH portion AS (
            INSERT INTO touched_accounts (account_ref) SELECT account_ref FROM (
                (SELECT DISTINCT account_ref FROM account_snapshots WHERE contributor_id = $1 AND account_ref > $2
                 ORDER BY account_ref LIMIT $3)
                UNION
                (SELECT DISTINCT account_ref FROM served_accounts WHERE contributor_id = $1 AND account_ref > $2
                 ORDER BY account_ref LIMIT $3)) known
            ORDER BY account_ref LIMIT $3 RETURNING account_ref)
        SELECT max(account_ref) FROM portion",
    )
    .bind(contributor)
    .bind(after)
    .bind(PORTION)
    .fetch_one(&mut *tx)
    .await?;
    let Some(last) = last else { return Ok(None) };
    journal::refold_in_tx(&mut tx, contributor, None).await?;
    let compared = sqlx::query_as(COMPARE).bind(contributor).fetch_one(&mut *tx).await?;
    tx.rollback().await?;
    Ok(Some((compared, last)))
}
