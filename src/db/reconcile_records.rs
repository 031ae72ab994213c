//! What a batch's bytes say, read again and staged, beside what the journal and the quarantine hold of it.

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use sqlx::{PgConnection, PgExecutor};

use super::columns::{application_columns, event_columns, journal_columns, snapshot_columns};
use super::constants::Stored;
use super::reconcile::{Compared, comparison};
use crate::domain::contract::{Constant, Dataset};
use crate::domain::marks::Marks;
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// Records of a batch that came into the journal by one publication.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Publication {
    pub publication_no: i64,
    pub known_from: DateTime<Utc>,
}

/// The publications by which a batch's records came from its bytes: its own and those of promoted shadows; events that were
/// unparked later came with the snapshots that brought their accounts. Corrections and rekeys come from no file, and what was entered
/// when the journal was made is not whole.
pub async fn publications(
    ex: impl PgExecutor<'_>,
    dataset: Dataset,
    batch: BatchId,
) -> Result<Vec<Publication>> {
    let statement = match dataset {
        Dataset::AccountSnapshot => {
            "/* reconcile.snapshot_publications */
            SELECT publication_no, min(known_from) AS known_from FROM account_snapshots s
            WHERE batch_id = $1 AND (
                publication_no = (SELECT b.publication_no FROM batches b WHERE b.batch_id = $1)
                OR publication_no IN (SELECT p.publication_no FROM shadows p WHERE p.batch_id = $1 AND p.state = 'promoted'))
              AND EXISTS (SELECT FROM lineage_edges e WHERE e.batch_id = $1 AND e.to_kind = 'journal')
            GROUP BY publication_no ORDER BY publication_no"
        }
        Dataset::RepaymentEvent => {
            "/* reconcile.event_publications */
            SELECT publication_no, min(known_from) AS known_from FROM repayment_events WHERE batch_id = $1
            GROUP BY publication_no ORDER BY publication_no"
        }
        Dataset::Application => {
            "/* reconcile.application_publications */
            SELECT publication_no, min(known_from) AS known_from FROM applications WHERE batch_id = $1
            GROUP BY publication_no ORDER BY publication_no"
        }
    };
    Ok(sqlx::query_as(statement).bind(batch).fetch_all(ex).await?)
}

/// The records that one publication accepted from the batch's bytes.
pub async fn accepted(
    ex: impl PgExecutor<'_>,
    dataset: Dataset,
    batch: BatchId,
    publication_no: i64,
) -> Result<Marks> {
    let statement = match dataset {
        Dataset::AccountSnapshot => {
            "/* reconcile.accepted_snapshots */ SELECT record_no FROM account_snapshots
            WHERE batch_id = $1 AND publication_no = $2 AND NOT withdrawn"
        }
        Dataset::RepaymentEvent => {
            "/* reconcile.accepted_events */ SELECT record_no FROM repayment_events
            WHERE batch_id = $1 AND publication_no = $2"
        }
        Dataset::Application => {
            "/* reconcile.accepted_applications */ SELECT record_no FROM applications
            WHERE batch_id = $1 AND publication_no = $2"
        }
    };
    let mut numbers = sqlx::query_scalar::<_, i64>(statement).bind(batch).bind(publication_no).fetch(ex);
    let mut marks = Marks::default();
    while let Some(number) = numbers.try_next().await? {
        marks.set(u64::try_from(number).unwrap_or_default());
    }
    Ok(marks)
}

/// The constants that stood in for a contributor's fields at an instant.
pub async fn constants_at(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    at: DateTime<Utc>,
) -> Result<Vec<Constant>> {
    let stored: Vec<sqlx::types::Json<Stored>> = sqlx::query_scalar(
        "/* reconcile.constants_at */
        SELECT jsonb_build_object('constant_id', constant_id, 'dataset', dataset, 'field', field, 'value', value)
        FROM contributor_constants
        WHERE contributor_id = $1 AND approved_at <= $2 AND (revoked_at IS NULL OR revoked_at > $2)",
    )
    .bind(contributor)
    .bind(at)
    .fetch_all(ex)
    .await?;
    stored.into_iter().map(|row| Constant::try_from(row.0)).collect()
}

/// Staged rows beside journal rows of the same batch ($1) and publication ($2), by record.
macro_rules! beside {
    ($name:literal, $columns:expr, $staged:literal, $journal:literal) => {
        comparison!(
            $name,
            concat!(
                "compared AS (
                SELECT format('batch %s, record %s', $1::uuid, record_no) AS key,
                    CASE WHEN j IS NULL THEN 'not in the journal' ELSE 'as the journal has it' END AS expected,
                    CASE WHEN s IS NULL THEN 'not in the bytes' ELSE 'another ' || coalesce((
                        SELECT string_agg(a.key, ', ' ORDER BY a.key) FROM jsonb_each(to_jsonb(s)) a
                        WHERE a.value IS DISTINCT FROM to_jsonb(j) -> a.key), 'content') END AS found,
                    s IS DISTINCT FROM j AS wrong
                FROM (SELECT ",
                $columns,
                " FROM ",
                $staged,
                ") s FULL JOIN (SELECT ",
                $columns,
                " FROM ",
                $journal,
                " WHERE batch_id = $1 AND publication_no = $2) j USING (record_no))"
            )
        )
    };
}

const SNAPSHOTS: &str = beside!(
    "reconcile.snapshot_content",
    concat!("subject_id, account_ref, ", snapshot_columns!(""), ", ", journal_columns!("")),
    "staged_accounts",
    "(SELECT * FROM account_snapshots WHERE NOT withdrawn) a"
);
const EVENTS: &str =
    beside!("reconcile.event_content", event_columns!(""), "staged_events", "repayment_events");
const APPLICATIONS: &str =
    beside!("reconcile.application_content", application_columns!(""), "staged_applications", "applications");

/// Compares every value of the staged records with the journal's.
pub async fn compare_staged(
    connection: &mut PgConnection,
    dataset: Dataset,
    batch: BatchId,
    publication_no: i64,
) -> Result<Compared> {
    let statement = match dataset {
        Dataset::AccountSnapshot => SNAPSHOTS,
        Dataset::RepaymentEvent => EVENTS,
        Dataset::Application => APPLICATIONS,
    };
    Ok(sqlx::query_as(statement).bind(batch).bind(publication_no).fetch_one(connection).await?)
}

/// The staged lines of a reject file beside the rejected records of its batch, and records that were both accepted and
/// rejected. Events are rejected after their batch was judged as well, when their account refuses them or never comes.
const REJECTS: &str = comparison!(
    "reconcile.reject_file",
    "lines AS (
        SELECT (line ->> 'n')::bigint AS record_no, line ->> 'r' AS account_ref, line -> 'f' AS findings FROM staged_rejects),
    compared AS (
        SELECT format('batch %s, record %s', $1::uuid, record_no) AS key,
            CASE WHEN l IS NULL THEN 'not in the reject file' ELSE 'as the reject file has it' END AS expected,
            CASE WHEN r IS NULL THEN 'no rejected record' ELSE 'another rejected record' END AS found,
            l IS DISTINCT FROM r AND NOT (l IS NULL AND $2::text = 'repayment_event') AS wrong
        FROM lines l FULL JOIN (
            SELECT record_no, account_ref, findings FROM rejected_records WHERE batch_id = $1) r USING (record_no)
        UNION ALL
        SELECT format('batch %s, record %s', $1::uuid, r.record_no), 'rejected', 'accepted as well', true
        FROM rejected_records r WHERE r.batch_id = $1
          AND (EXISTS (SELECT FROM account_snapshots s JOIN batches b ON b.batch_id = s.batch_id
                       WHERE s.batch_id = $1 AND s.record_no = r.record_no AND s.publication_no = b.publication_no
                         AND NOT EXISTS (SELECT FROM shadows p WHERE p.batch_id = $1 AND p.state = 'promoted'))
               OR EXISTS (SELECT FROM repayment_events e WHERE e.batch_id = $1 AND e.record_no = r.record_no)
               OR EXISTS (SELECT FROM applications a WHERE a.batch_id = $1 AND a.record_no = r.record_no)))"
);

/// Compares the staged reject file with the rejected records.
pub async fn compare_rejects(
    connection: &mut PgConnection,
    dataset: Dataset,
    batch: BatchId,
) -> Result<Compared> {
    Ok(sqlx::query_as(REJECTS).bind(batch).bind(dataset.as_str()).fetch_one(connection).await?)
}
