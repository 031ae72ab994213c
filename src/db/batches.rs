//! `batches`, `batch_transitions`, `batch_findings`: one submission and what happened to it.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::domain::batch::{Counts, State};
use crate::domain::contract::{Dataset, Mode};
use crate::domain::envelope::Envelope;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ClientId, ContributorId, JobId, ObligationId};

/// One row of `batches`, typed.
#[derive(Clone, Debug)]
pub struct Batch {
    pub id: BatchId,
    pub contributor_id: ContributorId,
    pub client_id: ClientId,
    pub dataset: Dataset,
    pub mode: Mode,
    pub period_end: NaiveDate,
    pub envelope: Envelope,
    pub state: State,
    pub idempotency_key: String,
    pub content_type: String,
    pub content_encoding: String,
    pub stored_encoding: String,
    pub object_key: String,
    pub sha256: Option<Vec<u8>>,
    pub received_bytes: Option<i64>,
    pub receipt: Option<String>,
    pub created_at: DateTime<Utc>,
    pub received_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
    pub published_at: Option<DateTime<Utc>>,
    pub counts: Option<Counts>,
    pub totals: Option<serde_json::Value>,
    pub rules_version: Option<String>,
    pub rejects_key: Option<String>,
    pub hold_explanation: Option<String>,
    pub failure: Option<String>,
    /// When the files of a rehearsal were removed.
    pub files_removed_at: Option<DateTime<Utc>>,
    /// What it was sent for, where its period is owed and it counts for that.
    pub obligation_id: Option<ObligationId>,
    /// The batch that took this one's place.
    pub superseded_by: Option<BatchId>,
}

/// The columns of [`BatchRow`], in one place for every statement that returns a batch.
macro_rules! batch_columns {
    () => {
        "batch_id, contributor_id, client_id, dataset, mode, period_end, envelope, state, idempotency_key, \
         content_type, content_encoding, stored_encoding, object_key, sha256, received_bytes, receipt, created_at, \
         received_at, settled_at, published_at, received_records, accepted_records, rejected_records, \
         duplicate_records, unprocessed_records, warned_records, totals, rules_version, rejects_key, \
         hold_explanation, failure, superseded_by, files_removed_at, \
         (SELECT obligation_id FROM obligations o WHERE o.contributor_id = batches.contributor_id \
            AND o.dataset = batches.dataset AND o.period_end = batches.period_end \
            AND (batches.mode <> 'DELTA' OR batches.dataset <> 'account_snapshot')) AS obligation_id"
    };
}

#[derive(FromRow)]
struct BatchRow {
    batch_id: BatchId,
    contributor_id: ContributorId,
    client_id: ClientId,
    dataset: String,
    mode: String,
    period_end: NaiveDate,
    envelope: Json<Envelope>,
    state: String,
    idempotency_key: String,
    content_type: String,
    content_encoding: String,
    stored_encoding: String,
    object_key: String,
    sha256: Option<Vec<u8>>,
    received_bytes: Option<i64>,
    receipt: Option<String>,
    created_at: DateTime<Utc>,
    received_at: Option<DateTime<Utc>>,
    settled_at: Option<DateTime<Utc>>,
    published_at: Option<DateTime<Utc>>,
    received_records: Option<i64>,
    accepted_records: Option<i64>,
    rejected_records: Option<i64>,
    duplicate_records: Option<i64>,
    unprocessed_records: Option<i64>,
    warned_records: Option<i64>,
    totals: Option<serde_json::Value>,
    rules_version: Option<String>,
    rejects_key: Option<String>,
    hold_explanation: Option<String>,
    failure: Option<String>,
    files_removed_at: Option<DateTime<Utc>>,
    obligation_id: Option<ObligationId>,
    superseded_by: Option<BatchId>,
}

impl TryFrom<BatchRow> for Batch {
    type Error = Error;

    fn try_from(row: BatchRow) -> Result<Batch> {
        let wrong = |column| Error::Inconsistent { table: "batches", column, row: row.batch_id.to_string() };
        Ok(Batch {
            dataset: Dataset::parse(&row.dataset).ok_or_else(|| wrong("dataset"))?,
            mode: Mode::parse(&row.mode).ok_or_else(|| wrong("mode"))?,
            state: State::parse(&row.state).ok_or_else(|| wrong("state"))?,
            counts: row.counts(),
            id: row.batch_id,
            contributor_id: row.contributor_id,
            client_id: row.client_id,
            period_end: row.period_end,
            envelope: row.envelope.0,
            idempotency_key: row.idempotency_key,
            content_type: row.content_type,
            content_encoding: row.content_encoding,
            stored_encoding: row.stored_encoding,
            object_key: row.object_key,
            sha256: row.sha256,
            received_bytes: row.received_bytes,
            receipt: row.receipt,
            created_at: row.created_at,
            received_at: row.received_at,
            settled_at: row.settled_at,
            published_at: row.published_at,
            totals: row.totals,
            rules_version: row.rules_version,
            rejects_key: row.rejects_key,
            hold_explanation: row.hold_explanation,
            failure: row.failure,
            files_removed_at: row.files_removed_at,
            obligation_id: row.obligation_id,
            superseded_by: row.superseded_by,
        })
    }
}

impl BatchRow {
    fn counts(&self) -> Option<Counts> {
        Some(Counts {
            received: self.received_records?,
            accepted: self.accepted_records?,
            rejected: self.rejected_records?,
            duplicate: self.duplicate_records?,
            unprocessed: self.unprocessed_records?,
            warned: self.warned_records?,
        })
    }
}

fn typed(row: Option<BatchRow>) -> Result<Option<Batch>> {
    row.map(Batch::try_from).transpose()
}

/// What is known of a submission before its first byte is stored.
#[derive(Clone, Debug)]
pub struct NewBatch {
    pub id: BatchId,
    pub contributor_id: ContributorId,
    pub client_id: ClientId,
    pub envelope: Envelope,
    pub idempotency_key: String,
    pub content_type: String,
    pub content_encoding: &'static str,
    pub stored_encoding: &'static str,
    pub object_key: String,
    pub created_at: DateTime<Utc>,
}

/// Opens a submission (transaction A). `false` when the client has used the key already; a rehearsal has keys of its own.
pub async fn insert_receiving(ex: impl PgExecutor<'_>, new: &NewBatch, lease: Duration) -> Result<bool> {
    let inserted = sqlx::query(
        "/* batches.insert_receiving */
        INSERT INTO batches (batch_id, contributor_id, client_id, dataset, mode, period_end, envelope, state,
            idempotency_key, content_type, content_encoding, stored_encoding, object_key, created_at, dry_run, receiving_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'receiving', $8, $9, $10, $11, $12, $13, $15,
            clock_timestamp() + make_interval(secs => $14))
        ON CONFLICT (client_id, idempotency_key, dry_run) WHERE state <> 'swept' DO NOTHING",
    )
    .bind(new.id)
    .bind(new.contributor_id)
    .bind(new.client_id)
    .bind(new.envelope.dataset.as_str())
    .bind(new.envelope.mode.as_str())
    .bind(new.envelope.period_end)
    .bind(Json(&new.envelope))
    .bind(&new.idempotency_key)
    .bind(&new.content_type)
    .bind(new.content_encoding)
    .bind(new.stored_encoding)
    .bind(&new.object_key)
    .bind(new.created_at)
    .bind(lease.as_secs_f64())
    .bind(new.envelope.dry_run)
    .execute(ex)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Says that bytes still flow, so that no sweeper takes the upload for dead.
pub async fn extend_receiving(ex: impl PgExecutor<'_>, id: BatchId, lease: Duration) -> Result<()> {
    sqlx::query(
        "/* batches.extend_receiving */ UPDATE batches
        SET receiving_until = clock_timestamp() + make_interval(secs => $2)
        WHERE batch_id = $1 AND state = 'receiving'",
    )
    .bind(id)
    .bind(lease.as_secs_f64())
    .execute(ex)
    .await?;
    Ok(())
}

/// What an upload turned out to be, once its object is complete.
#[derive(Clone, Debug)]
pub struct Reception<'a> {
    pub id: BatchId,
    pub contributor_id: ContributorId,
    pub client_id: ClientId,
    pub job_id: JobId,
    pub dataset: Dataset,
    pub period_end: NaiveDate,
    pub sha256: &'a [u8],
    pub received_bytes: i64,
    pub stored_bytes: i64,
    pub receipt: &'a str,
    pub received_at: DateTime<Utc>,
    /// The contributor did not say that the same bytes are meant.
    pub refuse_same_bytes: bool,
    /// FULL and REPLACE: one at a time for a dataset and period (F015).
    pub alone_in_period: bool,
}

/// How transaction B ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct ReceptionOutcome {
    /// A batch of the same contributor with the same bytes.
    pub same_bytes: Option<BatchId>,
    /// A FULL or REPLACE of the same period that is not settled.
    pub in_flight: Option<BatchId>,
    pub received: bool,
    /// What it was sent for, as in [`Batch`].
    pub obligation_id: Option<ObligationId>,
}

/// Acknowledges a submission (transaction B): state, receipt, job, lineage, transition and audit in one
/// statement. The caller holds the advisory locks that make the look-back for earlier batches true.
pub async fn receive_in_tx(connection: &mut PgConnection, r: &Reception<'_>) -> Result<ReceptionOutcome> {
    let outcome = sqlx::query_as(
        "/* batches.receive */
        WITH earlier AS (
            SELECT batch_id FROM batches
            WHERE $10 AND contributor_id = $2 AND sha256 = $3 AND batch_id <> $1 AND NOT dry_run
              AND state NOT IN ('receiving', 'swept', 'cancelled')
            ORDER BY batch_id LIMIT 1),
        flying AS (
            SELECT batch_id FROM batches
            WHERE $11 AND contributor_id = $2 AND dataset = $12 AND period_end = $13 AND batch_id <> $1 AND NOT dry_run
              AND mode IN ('FULL', 'REPLACE') AND state IN ('received', 'validating', 'on_hold', 'accepted')
            LIMIT 1),
        moved AS (
            UPDATE batches
            SET state = 'received', sha256 = $3, received_bytes = $4, stored_bytes = $5, receipt = $6, received_at = $7
            WHERE batch_id = $1 AND contributor_id = $2 AND state = 'receiving'
              AND NOT EXISTS (SELECT FROM earlier) AND NOT EXISTS (SELECT FROM flying)
            RETURNING batch_id, contributor_id, object_key),
        job AS (
            INSERT INTO jobs (job_id, kind, contributor_id, batch_id, state, run_at, created_at)
            SELECT $8, 'refine_batch', contributor_id, batch_id, 'queued', clock_timestamp(), clock_timestamp() FROM moved),
        edge AS (
            INSERT INTO lineage_edges (contributor_id, batch_id, from_kind, from_ref, to_kind, to_ref, at)
            SELECT contributor_id, batch_id, 'client', $9::uuid::text, 'bronze_object', object_key, $7 FROM moved),
        step AS (
            INSERT INTO batch_transitions (batch_id, contributor_id, from_state, to_state, at, actor, reason)
            SELECT batch_id, contributor_id, 'receiving', 'received', $7, 'client', NULL FROM moved),
        entry AS (
            INSERT INTO audit_entries (at, actor_client, actor, action, object_kind, object_id, outcome, detail)
            SELECT $7, $9, 'client', 'batch.receive', 'batch', batch_id::text, 'done',
                   jsonb_build_object('sha256', encode($3, 'hex'), 'bytes', $4) FROM moved)
        SELECT (SELECT batch_id FROM earlier) AS same_bytes, (SELECT batch_id FROM flying) AS in_flight,
               EXISTS (SELECT FROM moved) AS received,
               (SELECT obligation_id FROM obligations WHERE contributor_id = $2 AND dataset = $12
                  AND period_end = $13 AND ($11 OR dataset <> 'account_snapshot')) AS obligation_id",
    )
    .bind(r.id)
    .bind(r.contributor_id)
    .bind(r.sha256)
    .bind(r.received_bytes)
    .bind(r.stored_bytes)
    .bind(r.receipt)
    .bind(r.received_at)
    .bind(r.job_id)
    .bind(r.client_id)
    .bind(r.refuse_same_bytes)
    .bind(r.alone_in_period)
    .bind(r.dataset.as_str())
    .bind(r.period_end)
    .fetch_one(connection)
    .await?;
    Ok(outcome)
}

/// Gives up a submission that was never acknowledged; its key is free again. `false` when it is too late.
pub async fn sweep(ex: impl PgExecutor<'_>, id: BatchId, reason: &str) -> Result<bool> {
    let swept = sqlx::query(
        "/* batches.sweep */
        WITH moved AS (
            UPDATE batches SET state = 'swept', settled_at = clock_timestamp(), failure = $2
            WHERE batch_id = $1 AND state = 'receiving' RETURNING batch_id, contributor_id)
        INSERT INTO batch_transitions (batch_id, contributor_id, from_state, to_state, at, actor, reason)
        SELECT batch_id, contributor_id, 'receiving', 'swept', clock_timestamp(), 'server', $2 FROM moved",
    )
    .bind(id)
    .bind(reason)
    .execute(ex)
    .await?;
    Ok(swept.rows_affected() == 1)
}

/// Sweeps the uploads whose sender, or server, died; returns their objects so that these can go too.
pub async fn sweep_abandoned(ex: impl PgExecutor<'_>, limit: i64) -> Result<Vec<String>> {
    let keys = sqlx::query_scalar(
        "/* batches.sweep_abandoned */
        WITH dead AS (
            SELECT batch_id FROM batches WHERE state = 'receiving' AND receiving_until < clock_timestamp()
            LIMIT $1 FOR UPDATE SKIP LOCKED),
        moved AS (
            UPDATE batches SET state = 'swept', settled_at = clock_timestamp(), failure = 'upload abandoned'
            FROM dead WHERE batches.batch_id = dead.batch_id
            RETURNING batches.batch_id, contributor_id, object_key),
        step AS (
            INSERT INTO batch_transitions (batch_id, contributor_id, from_state, to_state, at, actor, reason)
            SELECT batch_id, contributor_id, 'receiving', 'swept', clock_timestamp(), 'sweeper', 'upload abandoned' FROM moved)
        SELECT object_key FROM moved",
    )
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(keys)
}

/// The live submission under a client's key, and whether its upload was given up by everyone.
pub async fn find_by_key(
    ex: impl PgExecutor<'_>,
    client: ClientId,
    key: &str,
    dry_run: bool,
) -> Result<Option<(Batch, bool)>> {
    #[derive(FromRow)]
    struct Found {
        #[sqlx(flatten)]
        batch: BatchRow,
        abandoned: bool,
    }
    let row: Option<Found> = sqlx::query_as(concat!(
        "/* batches.find_by_key */ SELECT ",
        batch_columns!(),
        ", (state = 'receiving' AND receiving_until < clock_timestamp()) AS abandoned FROM batches
        WHERE client_id = $1 AND idempotency_key = $2 AND dry_run = $3 AND state <> 'swept'"
    ))
    .bind(client)
    .bind(key)
    .bind(dry_run)
    .fetch_optional(ex)
    .await?;
    row.map(|found| Ok((Batch::try_from(found.batch)?, found.abandoned))).transpose()
}

/// One batch of the contributor in whose transaction this runs. An upload that is not complete is not there yet.
pub async fn find(ex: impl PgExecutor<'_>, contributor: ContributorId, id: BatchId) -> Result<Option<Batch>> {
    let row = sqlx::query_as(concat!(
        "/* batches.find */ SELECT ",
        batch_columns!(),
        " FROM batches WHERE batch_id = $1 AND contributor_id = $2 AND state NOT IN ('receiving', 'swept')"
    ))
    .bind(id)
    .bind(contributor)
    .fetch_optional(ex)
    .await?;
    typed(row)
}

/// One batch, whoever owns it: for workers and operators.
pub async fn find_any(ex: impl PgExecutor<'_>, id: BatchId) -> Result<Option<Batch>> {
    let row = sqlx::query_as(concat!(
        "/* batches.find_any */ SELECT ",
        batch_columns!(),
        " FROM batches WHERE batch_id = $1 AND state NOT IN ('receiving', 'swept')"
    ))
    .bind(id)
    .fetch_optional(ex)
    .await?;
    typed(row)
}

/// What a list may be narrowed to; absent means any.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub dataset: Option<Dataset>,
    pub state: Option<State>,
    pub period_end: Option<NaiveDate>,
    /// Rehearsals are listed apart.
    pub dry_run: bool,
}

/// A page of a contributor's batches, newest first, after the given one.
pub async fn list(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    filter: &Filter,
    after: Option<BatchId>,
    limit: i64,
) -> Result<Vec<Batch>> {
    let rows: Vec<BatchRow> = sqlx::query_as(concat!(
        "/* batches.list */ SELECT ",
        batch_columns!(),
        " FROM batches
        WHERE contributor_id = $1 AND state NOT IN ('receiving', 'swept')
          AND ($2::text IS NULL OR dataset = $2) AND ($3::text IS NULL OR state = $3)
          AND ($4::date IS NULL OR period_end = $4) AND ($5::uuid IS NULL OR batch_id < $5)
          AND dry_run = $7
        ORDER BY batch_id DESC LIMIT $6"
    ))
    .bind(contributor)
    .bind(filter.dataset.map(Dataset::as_str))
    .bind(filter.state.map(State::as_str))
    .bind(filter.period_end)
    .bind(after)
    .bind(limit)
    .bind(filter.dry_run)
    .fetch_all(ex)
    .await?;
    rows.into_iter().map(Batch::try_from).collect()
}

/// Who moves a batch, when and why: one line of its history.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub at: DateTime<Utc>,
    pub actor: &'a str,
    pub reason: Option<&'a str>,
}

/// Moves a batch along the transition table. `false` when it stands somewhere that does not lead there.
pub async fn move_in_tx(
    connection: &mut PgConnection,
    id: BatchId,
    to: State,
    step: Step<'_>,
) -> Result<bool> {
    let from: Vec<&str> = State::leading_to(to).into_iter().map(State::as_str).collect();
    let moved = sqlx::query(
        "/* batches.move */
        WITH before AS (SELECT batch_id, state FROM batches WHERE batch_id = $1 AND state = ANY($3) FOR UPDATE),
        moved AS (
            UPDATE batches SET state = $2,
                settled_at = CASE WHEN $7 THEN $4 ELSE NULL END,
                published_at = CASE WHEN $2 = 'published' THEN coalesce(published_at, $4) ELSE published_at END
            FROM before WHERE batches.batch_id = before.batch_id
            RETURNING batches.batch_id, contributor_id, before.state AS from_state, publication_no, superseded_by, dry_run),
        -- Readers of the lake must know which batches count.
        to_land AS (
            INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, superseded_by, rows, known_from,
                state)
            SELECT 'silver.batches', contributor_id, batch_id, publication_no,
                CASE WHEN $2 = 'superseded' THEN superseded_by END, 1, $4, $2
            FROM moved WHERE $2 IN ('published', 'superseded', 'recalled') AND NOT dry_run)
        INSERT INTO batch_transitions (batch_id, contributor_id, from_state, to_state, at, actor, reason)
        SELECT batch_id, contributor_id, from_state, $2, $4, $5, $6 FROM moved",
    )
    .bind(id)
    .bind(to.as_str())
    .bind(from)
    .bind(step.at)
    .bind(step.actor)
    .bind(step.reason)
    .bind(to.is_settled())
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Writes down what a judgement found.
pub async fn set_verdict_in_tx(
    connection: &mut PgConnection,
    id: BatchId,
    counts: &Counts,
    totals: &serde_json::Value,
    rules_version: &str,
    rejects_key: Option<&str>,
) -> Result<()> {
    let updated = sqlx::query(
        "/* batches.set_verdict */ UPDATE batches
        SET received_records = $2, accepted_records = $3, rejected_records = $4, duplicate_records = $5,
            unprocessed_records = $6, warned_records = $7, totals = $8, rules_version = $9, rejects_key = $10
        WHERE batch_id = $1",
    )
    .bind(id)
    .bind(counts.received)
    .bind(counts.accepted)
    .bind(counts.rejected)
    .bind(counts.duplicate)
    .bind(counts.unprocessed)
    .bind(counts.warned)
    .bind(totals)
    .bind(rules_version)
    .bind(rejects_key)
    .execute(connection)
    .await?;
    super::ensure_one_row("batches", &updated)
}

/// Keeps the explanation of a held batch and queues it for another judgement.
pub async fn requeue_confirmed_in_tx(
    connection: &mut PgConnection,
    id: BatchId,
    job: JobId,
    explanation: &str,
) -> Result<()> {
    let queued = sqlx::query(
        "/* batches.requeue_confirmed */
        WITH explained AS (
            UPDATE batches SET hold_explanation = $3 WHERE batch_id = $1 RETURNING batch_id, contributor_id)
        INSERT INTO jobs (job_id, kind, contributor_id, batch_id, state, run_at, created_at)
        SELECT $2, 'refine_batch', contributor_id, batch_id, 'queued', clock_timestamp(), clock_timestamp() FROM explained",
    )
    .bind(id)
    .bind(job)
    .bind(explanation)
    .execute(connection)
    .await?;
    super::ensure_one_row("jobs", &queued)
}

/// Keeps the cause of a failure of ours, for operators.
pub async fn set_failure_in_tx(connection: &mut PgConnection, id: BatchId, cause: &str) -> Result<()> {
    sqlx::query("/* batches.set_failure */ UPDATE batches SET failure = $2 WHERE batch_id = $1")
        .bind(id)
        .bind(cause)
        .execute(connection)
        .await?;
    Ok(())
}

/// How many batches, rehearsals aside, stand in each state, for the metrics.
pub async fn count_by_state(ex: impl PgExecutor<'_>) -> Result<Vec<(String, i64)>> {
    let counts = sqlx::query_as(
        "/* batches.count_by_state */ SELECT state, count(*) FROM batches WHERE NOT dry_run GROUP BY state",
    )
    .fetch_all(ex)
    .await?;
    Ok(counts)
}
