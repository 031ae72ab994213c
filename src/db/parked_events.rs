//! `parked_events`: good events whose account is not known yet (E002).

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::batch_findings::RuleCount;
use super::columns::event_columns;
use super::serving::Origin;
use super::staged_events::EventRow;
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// Sets the staged events aside that are to be parked.
pub async fn park_staged_in_tx(
    connection: &mut PgConnection,
    origin: &Origin<'_>,
    until: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(concat!(
        "/* parked_events.park_staged */ INSERT INTO parked_events (contributor_id, batch_id, parked_at, parked_until,
            contract, ",
        event_columns!(""),
        ") SELECT $1, $2, $3, $4, $5, ",
        event_columns!("s."),
        " FROM staged_events s WHERE s.parked"
    ))
    .bind(origin.contributor_id)
    .bind(origin.batch_id)
    .bind(origin.known_from)
    .bind(until)
    .bind(origin.contract)
    .execute(connection)
    .await?;
    Ok(())
}

/// A parked event and the batch that it came in.
#[derive(Clone, Debug, FromRow)]
pub struct ParkedEvent {
    pub batch_id: BatchId,
    pub period_end: NaiveDate,
    /// The batch whose rejected records that one was sent to fix.
    pub fixes: Option<BatchId>,
    #[sqlx(flatten)]
    pub event: EventRow,
}

/// The next parked events whose account has appeared, in the order in which they count for their accounts. Locked, so
/// that nobody else decides about them.
pub async fn lock_with_account(
    connection: &mut PgConnection,
    contributor: ContributorId,
    limit: i64,
) -> Result<Vec<ParkedEvent>> {
    let parked = sqlx::query_as(concat!(
        "/* parked_events.lock_with_account */ SELECT p.batch_id, b.period_end, b.fixes, ",
        event_columns!("p."),
        " FROM parked_events p JOIN batches b ON b.batch_id = p.batch_id
        WHERE p.contributor_id = $1 AND p.withdrawn_at IS NULL
          AND EXISTS (SELECT FROM accounts a WHERE a.contributor_id = $1 AND a.account_ref = p.account_ref)
        ORDER BY p.account_ref, p.value_date, p.event_type = 2, p.parked_at, p.record_no LIMIT $2
        FOR UPDATE OF p"
    ))
    .bind(contributor)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(parked)
}

/// Counts records of a batch that were parked as accepted or rejected. An accepted one was warned that its account was
/// not known.
pub async fn move_counts_in_tx(
    connection: &mut PgConnection,
    batch: BatchId,
    accepted: i64,
    rejected: i64,
) -> Result<()> {
    let moved = sqlx::query(
        "/* parked_events.move_counts */ UPDATE batches
        SET accepted_records = accepted_records + $2, warned_records = warned_records + $2,
            rejected_records = rejected_records + $3, unprocessed_records = unprocessed_records - $2 - $3
        WHERE batch_id = $1",
    )
    .bind(batch)
    .bind(accepted)
    .bind(rejected)
    .execute(connection)
    .await?;
    super::ensure_one_row("batches", &moved)
}

/// Adds to the findings of a batch that was judged before; its samples stay the first few.
pub async fn add_findings_in_tx(
    connection: &mut PgConnection,
    batch: BatchId,
    contributor: ContributorId,
    findings: &[RuleCount],
) -> Result<()> {
    for finding in findings {
        sqlx::query(
            "/* parked_events.add_findings */
            INSERT INTO batch_findings AS f (batch_id, contributor_id, code, severity, records, samples)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (batch_id, code, severity) DO UPDATE SET records = f.records + excluded.records,
                samples = (SELECT jsonb_agg(s.sample ORDER BY s.place)
                    FROM jsonb_array_elements(f.samples || excluded.samples) WITH ORDINALITY AS s (sample, place)
                    WHERE s.place <= greatest(jsonb_array_length(f.samples), 5))",
        )
        .bind(batch)
        .bind(contributor)
        .bind(&finding.code)
        .bind(&finding.severity)
        .bind(finding.records)
        .bind(&finding.samples)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// The contributors some of whose events have waited too long.
pub async fn contributors_with_expired(
    ex: impl PgExecutor<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<ContributorId>> {
    let contributors = sqlx::query_scalar(
        "/* parked_events.contributors_with_expired */ SELECT DISTINCT contributor_id FROM parked_events
        WHERE parked_until <= $1 AND withdrawn_at IS NULL",
    )
    .bind(now)
    .fetch_all(ex)
    .await?;
    Ok(contributors)
}

/// The next events of a contributor that have waited too long, locked.
pub async fn lock_expired(
    connection: &mut PgConnection,
    contributor: ContributorId,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<ParkedEvent>> {
    let parked = sqlx::query_as(concat!(
        "/* parked_events.lock_expired */ SELECT p.batch_id, b.period_end, b.fixes, ",
        event_columns!("p."),
        " FROM parked_events p JOIN batches b ON b.batch_id = p.batch_id
        WHERE p.contributor_id = $1 AND p.parked_until <= $2 AND p.withdrawn_at IS NULL
        ORDER BY p.batch_id, p.record_no LIMIT $3 FOR UPDATE OF p"
    ))
    .bind(contributor)
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(parked)
}

/// Names parked events: batch and record, entry by entry.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    pub batches: Vec<BatchId>,
    pub records: Vec<i64>,
}

impl Keys {
    pub fn push(&mut self, parked: &ParkedEvent) {
        self.batches.push(parked.batch_id);
        self.records.push(parked.event.record_no);
    }
}

/// Moves parked events into the journal.
pub async fn accept_in_tx(
    connection: &mut PgConnection,
    keys: &Keys,
    publication_no: i64,
    known_from: DateTime<Utc>,
    rules_version: &str,
) -> Result<()> {
    sqlx::query(concat!(
        "/* parked_events.accept */ WITH gone AS (
            DELETE FROM parked_events p USING unnest($1::uuid[], $2::bigint[]) AS k (batch_id, record_no)
            WHERE p.batch_id = k.batch_id AND p.record_no = k.record_no RETURNING p.*),
        to_land AS (
            INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, rows, known_from)
            SELECT 'silver.repayment_events', contributor_id, batch_id, $3, count(*), $4 FROM gone
            GROUP BY contributor_id, batch_id ON CONFLICT (table_name, contributor_id, batch_id, publication_no)
                WHERE table_name <> 'silver.batches' AND publication_no IS NOT NULL
            DO UPDATE SET rows = lake_entries.rows + excluded.rows)
        INSERT INTO repayment_events (contributor_id, batch_id, publication_no, known_from, rules_version, contract, ",
        event_columns!(""),
        ") SELECT g.contributor_id, g.batch_id, $3, $4, $5, g.contract, ",
        event_columns!("g."),
        " FROM gone g"
    ))
    .bind(&keys.batches)
    .bind(&keys.records)
    .bind(publication_no)
    .bind(known_from)
    .bind(rules_version)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives parked events up.
pub async fn remove_in_tx(connection: &mut PgConnection, keys: &Keys) -> Result<()> {
    sqlx::query(
        "/* parked_events.remove */ DELETE FROM parked_events p
        USING unnest($1::uuid[], $2::bigint[]) AS k (batch_id, record_no)
        WHERE p.batch_id = k.batch_id AND p.record_no = k.record_no",
    )
    .bind(&keys.batches)
    .bind(&keys.records)
    .execute(connection)
    .await?;
    Ok(())
}
