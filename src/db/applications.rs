//! `applications`: the journal of applications. The latest word under a reference counts; a word is withdrawn with its
//! batch and in no other way. Nobody but the contributor ever sees more of it than counts.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::columns::application_columns;
use super::lake_entries;
use super::serving::Origin;
use super::staged_applications::ApplicationRow;
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// The latest word on each application behind references, of every applicant. Those of batches that are replaced
/// do not count.
pub async fn latest(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    application_refs: &[&str],
    replaced: &[BatchId],
) -> Result<Vec<ApplicationRow>> {
    let rows = sqlx::query_as(concat!(
        "/* applications.latest */ SELECT ",
        application_columns!("a."),
        " FROM unnest($2::text[]) AS r (application_ref)
        CROSS JOIN LATERAL (
            SELECT DISTINCT ON (holder_role = 0, CASE WHEN holder_role <> 0 THEN subject_id END) *
            FROM applications
            WHERE contributor_id = $1 AND application_ref = r.application_ref AND withdrawn_at IS NULL
              AND batch_id <> ALL($3)
            ORDER BY holder_role = 0, CASE WHEN holder_role <> 0 THEN subject_id END, publication_no DESC, record_no DESC
        ) a"
    ))
    .bind(contributor)
    .bind(application_refs)
    .bind(replaced)
    .fetch_all(ex)
    .await?;
    Ok(rows)
}

/// Enters the staged applications. `warned`: the bits of the records that are counted as warned.
pub async fn record_staged_in_tx(
    connection: &mut PgConnection,
    origin: &Origin<'_>,
    warned: &[u8],
) -> Result<()> {
    let recorded = sqlx::query(concat!(
        "/* applications.record_staged */ INSERT INTO applications (contributor_id, batch_id, publication_no, known_from,
            rules_version, contract, warned, ",
        application_columns!(""),
        ") SELECT $1, $2, $3, $4, $5, $6, get_bit($7, s.record_no) = 1, ",
        application_columns!("s."),
        " FROM staged_applications s"
    ))
    .bind(origin.contributor_id)
    .bind(origin.batch_id)
    .bind(origin.publication_no)
    .bind(origin.known_from)
    .bind(origin.rules_version)
    .bind(origin.contract)
    .bind(warned)
    .execute(&mut *connection)
    .await?;
    let rows = recorded.rows_affected();
    lake_entries::enter_publication_in_tx(connection, "silver.applications", origin, rows).await
}

/// Takes the applications of a batch out of what counts. Doing it again finds nothing.
pub async fn withdraw_in_tx(connection: &mut PgConnection, batch: BatchId, at: DateTime<Utc>) -> Result<u64> {
    let withdrawn = sqlx::query(
        "/* applications.withdraw */ UPDATE applications SET withdrawn_at = $2
        WHERE batch_id = $1 AND withdrawn_at IS NULL",
    )
    .bind(batch)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(withdrawn.rows_affected())
}

/// Lets the applications of a batch count again.
pub async fn restore_in_tx(connection: &mut PgConnection, batch: BatchId) -> Result<u64> {
    let restored = sqlx::query(
        "/* applications.restore */ UPDATE applications SET withdrawn_at = NULL
        WHERE batch_id = $1 AND withdrawn_at IS NOT NULL",
    )
    .bind(batch)
    .execute(connection)
    .await?;
    Ok(restored.rows_affected())
}

/// An approval of which no account came.
#[derive(Clone, Debug, FromRow)]
pub struct Unopened {
    pub contributor_id: ContributorId,
    pub batch_id: BatchId,
    pub record_no: i64,
    pub application_ref: String,
    pub decided_at: DateTime<Utc>,
    /// It was counted as warned before.
    pub warned: bool,
}

/// Marks the approvals that were decided before the given instant and became no account (A005), as far as they are the
/// latest word on their application; gives back what was marked. One that names no account may have become any account
/// that the contributor opened for the person since.
pub async fn mark_unopened_in_tx(
    connection: &mut PgConnection,
    decided_before: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Unopened>> {
    let marked = sqlx::query_as(
        "/* applications.mark_unopened */ WITH unopened AS (
            SELECT a.batch_id, a.record_no, a.publication_no FROM applications a
            WHERE a.decision = 1 AND a.withdrawn_at IS NULL AND a.found_unopened_at IS NULL AND a.holder_role = 0
              AND coalesce(a.decision_at, a.applied_at) < $1
              AND NOT EXISTS (SELECT FROM accounts k WHERE k.contributor_id = a.contributor_id
                  AND k.account_ref = a.account_ref)
              AND NOT EXISTS (SELECT FROM accounts k WHERE a.account_ref IS NULL AND k.subject_id = a.subject_id
                  AND k.contributor_id = a.contributor_id
                  AND k.opened_date >= (a.applied_at AT TIME ZONE 'Asia/Kuala_Lumpur')::date)
              AND NOT EXISTS (SELECT FROM applications n WHERE n.contributor_id = a.contributor_id
                  AND n.application_ref = a.application_ref AND n.withdrawn_at IS NULL AND n.holder_role = 0
                  AND (n.publication_no, n.record_no) > (a.publication_no, a.record_no))
            ORDER BY a.batch_id, a.record_no LIMIT $3 FOR UPDATE OF a SKIP LOCKED)
        UPDATE applications a SET found_unopened_at = $2 FROM unopened u
        WHERE a.batch_id = u.batch_id AND a.record_no = u.record_no AND a.publication_no = u.publication_no
        RETURNING a.contributor_id, a.batch_id, a.record_no, a.application_ref, a.warned,
            coalesce(a.decision_at, a.applied_at) AS decided_at",
    )
    .bind(decided_before)
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(marked)
}

/// Counts records of a published batch as warned that were not before.
pub async fn add_warned_in_tx(connection: &mut PgConnection, batch: BatchId, records: i64) -> Result<()> {
    let counted = sqlx::query(
        "/* applications.add_warned */ UPDATE batches SET warned_records = warned_records + $2 WHERE batch_id = $1",
    )
    .bind(batch)
    .bind(records)
    .execute(connection)
    .await?;
    super::ensure_one_row("batches", &counted)
}
