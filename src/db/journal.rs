//! `account_snapshots`: the journal of accepted records, append-only, and what `accounts` is folded from.
//!
//! (batch_id, record_no, publication_no) is a version of a record. Its newest version counts, while its batch is
//! published or curated, unless that version is withdrawn.

use sqlx::{Connection as _, PgConnection, PgExecutor};

use super::batches::Batch;
use super::columns::{journal_columns, snapshot_columns};
use super::serving::Origin;
use super::{delistings, lake_entries, overlay, serving_restrictions};
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

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
    let recorded = sqlx::query(concat!(
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
    .execute(&mut *connection)
    .await?;
    let rows = recorded.rows_affected();
    lake_entries::enter_publication_in_tx(connection, "silver.account_snapshots", origin, rows).await
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

/// Makes `touched_accounts`, the set of a contributor's account references that [`refold_in_tx`] works on. It empties
/// itself when the transaction ends; until then every call of the `touch` functions adds to it.
pub async fn prepare_touched(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "/* journal.create_touched */ CREATE TEMPORARY TABLE IF NOT EXISTS touched_accounts (account_ref text PRIMARY KEY)
        ON COMMIT DELETE ROWS",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds the accounts that a batch has records of.
pub async fn touch_batch_in_tx(connection: &mut PgConnection, batch: BatchId) -> Result<()> {
    prepare_touched(connection).await?;
    sqlx::query(
        "/* journal.touch_batch */ INSERT INTO touched_accounts (account_ref)
        SELECT DISTINCT account_ref FROM account_snapshots WHERE batch_id = $1 ON CONFLICT DO NOTHING",
    )
    .bind(batch)
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds accounts by their references.
pub async fn touch_accounts_in_tx(connection: &mut PgConnection, account_refs: &[&str]) -> Result<()> {
    prepare_touched(connection).await?;
    sqlx::query(
        "/* journal.touch_accounts */ INSERT INTO touched_accounts (account_ref)
        SELECT DISTINCT r FROM unnest($1::text[]) AS r ON CONFLICT DO NOTHING",
    )
    .bind(account_refs)
    .execute(connection)
    .await?;
    Ok(())
}

/// Folds the touched accounts of a contributor anew from what counts in the journal.
///
/// Where a record stands among those of the same day is its batch's place in the order of publications, whatever
/// version of it counts: judging an old batch again does not put it above what was sent since. `publishing` is a batch
/// that counts although its state does not say so yet. The caller holds the contributor's lane.
pub async fn refold_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
    publishing: Option<&Origin<'_>>,
) -> Result<()> {
    // Nobody else does it for a temporary table, and a plan for an unknown size may be a bad one.
    sqlx::query("/* journal.analyze_touched */ ANALYZE touched_accounts").execute(&mut *connection).await?;
    sqlx::query(
        "/* journal.clear_accounts */ DELETE FROM accounts a USING touched_accounts t
        WHERE a.contributor_id = $1 AND a.account_ref = t.account_ref",
    )
    .bind(contributor)
    .execute(&mut *connection)
    .await?;
    sqlx::query(FOLD)
        .bind(contributor)
        .bind(publishing.map(|origin| origin.batch_id))
        .bind(publishing.map(|origin| origin.publication_no))
        .execute(&mut *connection)
        .await?;
    overlay::of_touched_accounts_in_tx(connection, contributor).await?;
    serving_restrictions::apply_in_tx(connection, contributor).await?;
    delistings::apply_in_tx(connection, contributor).await
}

/// `domain::history` over all records at once: one per calendar month (the later day; on the same day the later place;
/// within a batch the primary holder's row, then the later record), 24 calendar months back from the newest, and the
/// newest of them is the current snapshot.
macro_rules! fold {
    ($name:literal, $counting:expr) => {
        concat!(
    "/* ", $name, " */ INSERT INTO accounts (subject_id, contributor_id, account_ref, batch_id, known_from, rules_version,
        month_as_of, month_status, month_dpd, month_outstanding_sen, month_overdue_sen, ",
    snapshot_columns!(""),
    ")
    WITH counting AS MATERIALIZED (", $counting, "
        UNION
        -- Months from before there was a journal.
        SELECT '00000000-0000-0000-0000-000000000000', 0),
    versions AS (
        SELECT DISTINCT ON (s.batch_id, s.record_no) s.*, c.place
        FROM touched_accounts t
        CROSS JOIN LATERAL (
            SELECT subject_id, account_ref, batch_id, record_no, publication_no, holder_role, withdrawn, as_of_date,
                status, dpd, outstanding_sen, overdue_sen,
                (extract(year FROM as_of_date) * 12 + extract(month FROM as_of_date))::integer AS month_no
            FROM account_snapshots WHERE contributor_id = $1 AND account_ref = t.account_ref OFFSET 0) s
        JOIN counting c ON c.batch_id = s.batch_id
        ORDER BY s.batch_id, s.record_no, s.publication_no DESC),
    months AS (
        SELECT DISTINCT ON (subject_id, account_ref, month_no) *,
            max(month_no) OVER (PARTITION BY subject_id, account_ref) AS newest
        FROM versions WHERE NOT withdrawn
        ORDER BY subject_id, account_ref, month_no, as_of_date DESC, place DESC, holder_role, record_no DESC),
    folded AS (
        SELECT subject_id, account_ref,
            (array_agg(batch_id ORDER BY as_of_date DESC))[1] AS batch_id,
            (array_agg(record_no ORDER BY as_of_date DESC))[1] AS record_no,
            (array_agg(publication_no ORDER BY as_of_date DESC))[1] AS publication_no,
            array_agg(as_of_date ORDER BY as_of_date DESC) AS month_as_of,
            array_agg(status ORDER BY as_of_date DESC) AS month_status,
            array_agg(dpd ORDER BY as_of_date DESC) AS month_dpd,
            array_agg(outstanding_sen ORDER BY as_of_date DESC) AS month_outstanding_sen,
            array_agg(overdue_sen ORDER BY as_of_date DESC) AS month_overdue_sen
        FROM months WHERE month_no > newest - 24 GROUP BY subject_id, account_ref)
    SELECT f.subject_id, $1, f.account_ref, s.batch_id, s.known_from, s.rules_version,
        f.month_as_of, f.month_status, f.month_dpd, f.month_outstanding_sen, f.month_overdue_sen, ",
    snapshot_columns!("s."),
    " FROM folded f JOIN account_snapshots s USING (batch_id, record_no, publication_no)"
)
    };
}

/// What counts now, and a batch that is about to.
const FOLD: &str = fold!(
    "journal.fold",
    "SELECT batch_id, publication_no AS place FROM batches
     WHERE contributor_id = $1 AND state IN ('published', 'curated') AND NOT dry_run
     UNION SELECT $2::uuid, $3::bigint WHERE $2 IS NOT NULL"
);

/// What counted before a batch was published: earlier publications, and what it took the place of. For a batch that
/// never was, all that counts now.
const FOLD_BEFORE: &str = fold!(
    "journal.fold_before",
    "SELECT batch_id, publication_no AS place FROM batches
     WHERE contributor_id = $1 AND batch_id <> $2 AND NOT dry_run AND ($3::bigint IS NULL OR publication_no < $3)
       AND (state IN ('published', 'curated') OR (state = 'superseded' AND superseded_by = $2))"
);

/// Puts a temporary table `accounts` in front of the real one, as it was before a batch, for the rest of the session. What
/// judges the batch again then reads that past, and the batch's own effect is no history of it. The caller sees to it
/// that the connection is closed and never reused.
pub async fn stand_before_in_session(connection: &mut PgConnection, batch: &Batch) -> Result<()> {
    let published = publication_of(&mut *connection, batch.id).await?;
    // Statements that were prepared before would go on reading the real table.
    connection.clear_cached_statements().await?;
    let mut tx = connection.begin().await?;
    sqlx::query(
        "/* journal.mask_accounts */ CREATE TEMPORARY TABLE accounts (LIKE accounts INCLUDING DEFAULTS INCLUDING INDEXES)",
    )
    .execute(&mut *tx)
    .await?;
    prepare_touched(&mut tx).await?;
    sqlx::query(
        "/* journal.touch_all */ INSERT INTO touched_accounts (account_ref)
        SELECT DISTINCT account_ref FROM account_snapshots WHERE contributor_id = $1",
    )
    .bind(batch.contributor_id)
    .execute(&mut *tx)
    .await?;
    sqlx::query("/* journal.analyze_all */ ANALYZE touched_accounts").execute(&mut *tx).await?;
    sqlx::query(FOLD_BEFORE)
        .bind(batch.contributor_id)
        .bind(batch.id)
        .bind(published)
        .execute(&mut *tx)
        .await?;
    serving_restrictions::apply_in_tx(&mut tx, batch.contributor_id).await?;
    delistings::apply_in_tx(&mut tx, batch.contributor_id).await?;
    sqlx::query("/* journal.analyze_past */ ANALYZE accounts").execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Takes the past away again: the session sees the accounts as they are.
pub async fn leave_past_in_session(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("/* journal.unmask_accounts */ DROP TABLE pg_temp.accounts")
        .execute(&mut *connection)
        .await?;
    connection.clear_cached_statements().await?;
    Ok(())
}

/// A batch's place in the order of publications; `None` when it was never published.
pub async fn publication_of(ex: impl PgExecutor<'_>, batch: BatchId) -> Result<Option<i64>> {
    let number = sqlx::query_scalar(
        "/* journal.publication_of */ SELECT publication_no FROM batches WHERE batch_id = $1",
    )
    .bind(batch)
    .fetch_one(ex)
    .await?;
    Ok(number)
}
