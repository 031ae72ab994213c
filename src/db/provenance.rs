//! The records that an account, or what a person applied for, is made of: read model of explained lookups.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::error::Result;
use crate::ids::{BatchId, ContributorId, SubjectId};

/// One record that counts.
#[derive(Clone, Debug, FromRow)]
pub struct Record {
    /// Which of the accounts that were asked about, counted from 0.
    pub account: i64,
    /// The nil id for months from before there was a journal.
    pub batch_id: BatchId,
    pub record_no: i64,
    pub publication_no: i64,
    /// The day that it describes; of an event its value date, of an application the day in Malaysia.
    pub as_of_date: NaiveDate,
    pub known_from: DateTime<Utc>,
    pub contract: String,
    pub rules_version: String,
    /// Of the batch's bytes as received.
    pub sha256: Option<Vec<u8>>,
    pub content_encoding: Option<String>,
    /// What made this version of it, where that is not its batch.
    pub correction_id: Option<Uuid>,
    pub shadow_id: Option<Uuid>,
}

/// Makes all that the transaction reads one state of the database: the answer, and what is behind it.
pub async fn read_one_state_in_tx(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("/* provenance.one_state */ SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .execute(connection)
        .await?;
    Ok(())
}

/// The snapshots that count for a person's accounts, newest first in each: the same rule as the fold of the journal.
pub async fn snapshots(
    connection: &mut PgConnection,
    subject: SubjectId,
    contributors: &[ContributorId],
    account_refs: &[String],
) -> Result<Vec<Record>> {
    let records = sqlx::query_as(
        "/* provenance.snapshots */
        SELECT w.n - 1 AS account, m.batch_id, m.record_no, m.publication_no, m.as_of_date, m.known_from, m.contract,
            m.rules_version, b.sha256, b.content_encoding,
            (SELECT c.correction_id FROM corrections c
             WHERE c.contributor_id = w.contributor_id AND c.account_ref = w.account_ref
               AND c.publication_no = m.publication_no LIMIT 1) AS correction_id,
            (SELECT s.shadow_id FROM shadows s
             WHERE s.batch_id = m.batch_id AND s.publication_no = m.publication_no LIMIT 1) AS shadow_id
        FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS w (contributor_id, account_ref, n)
        CROSS JOIN LATERAL (
            SELECT DISTINCT ON (v.month_no) v.* FROM (
                SELECT DISTINCT ON (s.batch_id, s.record_no) s.subject_id, s.batch_id, s.record_no, s.publication_no,
                    s.as_of_date, s.known_from, s.contract, s.rules_version, s.withdrawn, s.holder_role,
                    coalesce(p.publication_no, 0) AS place,
                    (extract(year FROM s.as_of_date) * 12 + extract(month FROM s.as_of_date))::integer AS month_no
                FROM account_snapshots s LEFT JOIN batches p ON p.batch_id = s.batch_id
                WHERE s.contributor_id = w.contributor_id AND s.account_ref = w.account_ref
                  AND (s.batch_id = '00000000-0000-0000-0000-000000000000'
                       OR (p.state IN ('published', 'curated') AND NOT p.dry_run))
                ORDER BY s.batch_id, s.record_no, s.publication_no DESC) v
            WHERE NOT v.withdrawn AND v.subject_id = $1
            ORDER BY v.month_no, v.as_of_date DESC, v.place DESC, v.holder_role, v.record_no DESC) m
        LEFT JOIN batches b ON b.batch_id = m.batch_id
        ORDER BY w.n, m.as_of_date DESC",
    )
    .bind(subject)
    .bind(contributors)
    .bind(account_refs)
    .fetch_all(connection)
    .await?;
    Ok(records)
}

/// The events that move a person's accounts after their snapshots up to a day, and the payments that tell of instalments
/// due by then, whenever they were paid: until it is, an instalment is late. `accounts` are contributors and their refs.
pub async fn events(
    connection: &mut PgConnection,
    subject: SubjectId,
    (contributors, account_refs): (&[ContributorId], &[String]),
    as_of: NaiveDate,
) -> Result<Vec<Record>> {
    let records = sqlx::query_as(
        "/* provenance.events */
        SELECT w.n - 1 AS account, e.batch_id, e.record_no, e.publication_no, e.value_date AS as_of_date, e.known_from,
            e.contract, e.rules_version, b.sha256, b.content_encoding, NULL::uuid AS correction_id, NULL::uuid AS shadow_id
        FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS w (contributor_id, account_ref, n)
        JOIN accounts a ON a.subject_id = $1 AND a.contributor_id = w.contributor_id AND a.account_ref = w.account_ref
        JOIN repayment_events e ON e.contributor_id = w.contributor_id AND e.account_ref = w.account_ref
            AND e.withdrawn_at IS NULL
            AND ((e.value_date > a.as_of_date AND e.value_date <= $4)
                 OR (e.event_type = 1 AND e.instalment_due_date <= $4))
        LEFT JOIN batches b ON b.batch_id = e.batch_id
        ORDER BY w.n, e.value_date DESC, e.publication_no DESC, e.record_no DESC",
    )
    .bind(subject)
    .bind(contributors)
    .bind(account_refs)
    .bind(as_of)
    .fetch_all(connection)
    .await?;
    Ok(records)
}

/// What a person applied for since an instant: the latest word on each application, as lookups count them.
pub async fn applications(
    connection: &mut PgConnection,
    subject: SubjectId,
    since: DateTime<Utc>,
) -> Result<Vec<Record>> {
    let records = sqlx::query_as(
        "/* provenance.applications */
        SELECT 0::bigint AS account, w.batch_id, w.record_no, w.publication_no,
            (w.applied_at AT TIME ZONE 'Asia/Kuala_Lumpur')::date AS as_of_date, w.known_from, w.contract, w.rules_version,
            b.sha256, b.content_encoding, NULL::uuid AS correction_id, NULL::uuid AS shadow_id
        FROM (SELECT DISTINCT ON (contributor_id, application_ref) batch_id, record_no, publication_no, applied_at,
                     known_from, contract, rules_version, decision
              FROM applications
              WHERE subject_id = $1 AND applied_at >= $2 AND withdrawn_at IS NULL AND holder_role IN (0, 1)
              ORDER BY contributor_id, application_ref, publication_no DESC, record_no DESC) w
        LEFT JOIN batches b ON b.batch_id = w.batch_id
        WHERE w.decision <> 4 ORDER BY w.applied_at DESC, w.publication_no DESC, w.record_no DESC",
    )
    .bind(subject)
    .bind(since)
    .fetch_all(connection)
    .await?;
    Ok(records)
}
