//! `rejected_records`, `rejected_codes`: what was refused, by record and by rule, and what became of it.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::copy::TupleWriter;
use super::lake_entries;
use crate::domain::contract::Dataset;
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// Makes the table of the worker's connection, or empties it, and says how it is filled: a line of the reject file a row.
pub async fn prepare(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "/* rejected_records.create_staging */
        CREATE TEMPORARY TABLE IF NOT EXISTS staged_rejects (line jsonb NOT NULL) ON COMMIT PRESERVE ROWS",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query("/* rejected_records.clear_staging */ TRUNCATE staged_rejects").execute(connection).await?;
    Ok(())
}

pub const COPY: &str = "COPY staged_rejects FROM STDIN (FORMAT binary)";

/// Writes one line of the reject file, JSON as it stands there.
pub fn write_line(tuple: &mut TupleWriter, line: &[u8]) {
    tuple.tuple(1);
    tuple.jsonb(line);
}

/// Whose rejected records a batch leaves, and when.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub batch_id: BatchId,
    pub contributor_id: ContributorId,
    pub dataset: Dataset,
    pub period_end: NaiveDate,
    pub at: DateTime<Utc>,
}

/// Opens again what a batch had resolved that no longer counts.
pub async fn reopen_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
    by: BatchId,
) -> Result<()> {
    sqlx::query(
        "/* rejected_records.reopen */ UPDATE rejected_records SET resolved_by = NULL, resolved_at = NULL
        WHERE contributor_id = $1 AND resolved_by = $2",
    )
    .bind(contributor)
    .bind(by)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets the records that an earlier judgement of the batch rejected.
pub async fn clear_in_tx(connection: &mut PgConnection, batch: BatchId) -> Result<()> {
    sqlx::query(
        "/* rejected_codes.clear */ DELETE FROM rejected_codes c
        USING rejected_records r, unnest(r.codes) AS broken (code)
        WHERE r.batch_id = $1 AND c.contributor_id = r.contributor_id AND c.code = broken.code
          AND c.batch_id = r.batch_id AND c.record_no = r.record_no",
    )
    .bind(batch)
    .execute(&mut *connection)
    .await?;
    sqlx::query("/* rejected_records.clear */ DELETE FROM rejected_records WHERE batch_id = $1")
        .bind(batch)
        .execute(connection)
        .await?;
    Ok(())
}

/// The statement over a source of lines.
macro_rules! insert {
    ($name:literal, $lines:literal) => {
        concat!(
            "/* ",
            $name,
            " */
            WITH inserted AS (
                INSERT INTO rejected_records (batch_id, record_no, contributor_id, rejected_at, period_end, dataset,
                    account_ref, application_ref, codes, fields, findings)
                SELECT $1, (s.line ->> 'n')::bigint, $2, $3, $4, $5, s.line ->> 'r', s.line ->> 'a',
                    ARRAY(SELECT DISTINCT f ->> 'c' FROM jsonb_array_elements(s.line -> 'f') f ORDER BY 1),
                    ARRAY(SELECT DISTINCT f ->> 'p' FROM jsonb_array_elements(s.line -> 'f') f WHERE f ? 'p' ORDER BY 1),
                    s.line -> 'f'
                FROM ",
            $lines,
            " RETURNING record_no, codes)
            INSERT INTO rejected_codes (contributor_id, code, batch_id, record_no)
            SELECT $2, code, $1, i.record_no FROM inserted i, unnest(i.codes) AS code"
        )
    };
}

/// Keeps the staged lines as rows.
pub async fn insert_staged_in_tx(connection: &mut PgConnection, origin: &Origin) -> Result<()> {
    sqlx::query(insert!("rejected_records.insert_staged", "staged_rejects s"))
        .bind(origin.batch_id)
        .bind(origin.contributor_id)
        .bind(origin.at)
        .bind(origin.period_end)
        .bind(origin.dataset.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds records that were rejected after their batch was judged; each a line as the reject file has them.
pub async fn append_in_tx(
    connection: &mut PgConnection,
    origin: &Origin,
    lines: &[serde_json::Value],
) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    sqlx::query(insert!("rejected_records.append", "unnest($6::jsonb[]) AS s (line)"))
        .bind(origin.batch_id)
        .bind(origin.contributor_id)
        .bind(origin.at)
        .bind(origin.period_end)
        .bind(origin.dataset.as_str())
        .bind(lines)
        .execute(&mut *connection)
        .await?;
    lake_entries::enter_rejects_in_tx(connection, origin.batch_id, origin.at).await
}

/// The batch that a correction fixes and every batch that this one was to fix.
macro_rules! with_origins {
    () => {
        "WITH RECURSIVE origins (batch_id) AS (
            SELECT $1::uuid UNION
            SELECT b.fixes FROM batches b JOIN origins o ON b.batch_id = o.batch_id WHERE b.fixes IS NOT NULL)"
    };
}

/// The statement that marks the lines which were judged again: known by their place in the batch that brought them.
macro_rules! resolve_replayed {
    ($name:literal, $good:literal) => {
        concat!(
            "/* rejected_records.",
            $name,
            " */ UPDATE rejected_records r SET resolved_by = $1, resolved_at = $2 FROM ",
            $good,
            " WHERE r.replay_batch_id = $1 AND r.replay_record_no = s.record_no AND r.resolved_at IS NULL"
        )
    };
}

/// The statement that marks the others, known by their reference: as many rejected records of it are fixed as good ones
/// came, first ones first.
macro_rules! resolve_named {
    ($name:literal, $reference:literal, $good:literal) => {
        concat!(
            "/* rejected_records.",
            $name,
            " */ ",
            with_origins!(),
            ", good AS (SELECT s.reference, count(*) AS records FROM ",
            $good,
            " GROUP BY s.reference),
            waiting AS (
                SELECT r.batch_id, r.record_no, good.records,
                       row_number() OVER (PARTITION BY r.batch_id, good.reference ORDER BY r.record_no) AS place
                FROM origins o
                JOIN rejected_records r ON r.batch_id = o.batch_id AND r.resolved_at IS NULL
                JOIN good ON good.reference = r.",
            $reference,
            " WHERE NOT EXISTS (
                SELECT FROM rejected_records m WHERE m.replay_batch_id = $2 AND m.batch_id = o.batch_id))
            UPDATE rejected_records r SET resolved_by = $2, resolved_at = $3
            FROM waiting w WHERE w.place <= w.records AND r.batch_id = w.batch_id AND r.record_no = w.record_no"
        )
    };
}

/// Both statements, over what a batch of a dataset has staged to be accepted.
fn resolving(dataset: Dataset) -> (&'static str, &'static str) {
    match dataset {
        Dataset::AccountSnapshot => (
            resolve_replayed!("resolve_replayed_accounts", "staged_accounts s"),
            resolve_named!(
                "resolve_accounts",
                "account_ref",
                "(SELECT account_ref AS reference FROM staged_accounts) s"
            ),
        ),
        Dataset::RepaymentEvent => (
            resolve_replayed!(
                "resolve_replayed_events",
                "(SELECT record_no FROM staged_events WHERE NOT parked) s"
            ),
            resolve_named!(
                "resolve_events",
                "account_ref",
                "(SELECT account_ref AS reference FROM staged_events WHERE NOT parked) s"
            ),
        ),
        Dataset::Application => (
            resolve_replayed!("resolve_replayed_applications", "staged_applications s"),
            resolve_named!(
                "resolve_applications",
                "application_ref",
                "(SELECT application_ref AS reference FROM staged_applications) s"
            ),
        ),
    }
}

/// Marks what a correction's accepted records make good.
pub async fn resolve_in_tx(
    connection: &mut PgConnection,
    dataset: Dataset,
    fixed: BatchId,
    by: BatchId,
    at: DateTime<Utc>,
) -> Result<()> {
    let (replayed, named) = resolving(dataset);
    sqlx::query(replayed).bind(by).bind(at).execute(&mut *connection).await?;
    sqlx::query(named).bind(fixed).bind(by).bind(at).execute(connection).await?;
    Ok(())
}

/// Records of a correction that were accepted after it was judged: their places and accounts, entry by entry.
#[derive(Clone, Debug, Default)]
pub struct Good {
    record_nos: Vec<i64>,
    account_refs: Vec<String>,
}

impl Good {
    pub fn push(&mut self, record_no: i64, account_ref: &str) {
        self.record_nos.push(record_no);
        self.account_refs.push(account_ref.to_owned());
    }
}

/// Marks what such records make good.
pub async fn resolve_by_in_tx(
    connection: &mut PgConnection,
    fixed: BatchId,
    by: BatchId,
    good: &Good,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(resolve_replayed!("resolve_replayed_unparked", "unnest($3::bigint[]) AS s (record_no)"))
        .bind(by)
        .bind(at)
        .bind(&good.record_nos)
        .execute(&mut *connection)
        .await?;
    sqlx::query(resolve_named!("resolve_unparked", "account_ref", "unnest($4::text[]) AS s (reference)"))
        .bind(fixed)
        .bind(by)
        .bind(at)
        .bind(&good.account_refs)
        .execute(connection)
        .await?;
    Ok(())
}

/// Marks all open records of a batch as made good by the one that replaced it.
pub async fn resolve_all_in_tx(
    connection: &mut PgConnection,
    replaced: BatchId,
    by: BatchId,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* rejected_records.resolve_all */ UPDATE rejected_records SET resolved_by = $2, resolved_at = $3
        WHERE batch_id = $1 AND resolved_at IS NULL",
    )
    .bind(replaced)
    .bind(by)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The first rejected records of a batch that nothing has fixed, by number.
pub async fn open_record_nos(ex: impl PgExecutor<'_>, batch: BatchId, limit: i64) -> Result<Vec<i64>> {
    let numbers = sqlx::query_scalar(
        "/* rejected_records.open_record_nos */ SELECT record_no FROM rejected_records
        WHERE batch_id = $1 AND resolved_at IS NULL ORDER BY record_no LIMIT $2",
    )
    .bind(batch)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(numbers)
}

/// Notes that the n-th record of a batch is the n-th of these rejected ones; says how many of them were still open and in
/// no other replay that may yet be published. One that is being received counts: of two that get here at the same
/// moment, the second may see the first as it was before.
pub async fn link_replay_in_tx(
    connection: &mut PgConnection,
    origin: BatchId,
    replay: BatchId,
    record_nos: &[i64],
) -> Result<u64> {
    let linked = sqlx::query(
        "/* rejected_records.link_replay */ UPDATE rejected_records r
        SET replay_batch_id = $2, replay_record_no = line.place
        FROM unnest($3::bigint[]) WITH ORDINALITY AS line (record_no, place)
        WHERE r.batch_id = $1 AND r.record_no = line.record_no AND r.resolved_at IS NULL
          AND NOT EXISTS (SELECT FROM batches b WHERE b.batch_id = r.replay_batch_id
              AND b.state IN ('receiving', 'received', 'validating', 'on_hold', 'accepted', 'failed'))",
    )
    .bind(origin)
    .bind(replay)
    .bind(record_nos)
    .execute(connection)
    .await?;
    Ok(linked.rows_affected())
}

/// How much of what a batch left was fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct FixCounts {
    pub open: i64,
    pub resolved: i64,
}

/// Counts them as the list does: what a batch left that no longer counts waits for nothing.
pub async fn fix_counts(ex: impl PgExecutor<'_>, batch: BatchId) -> Result<FixCounts> {
    let counts = sqlx::query_as(
        "/* rejected_records.fix_counts */ SELECT
            count(*) FILTER (WHERE r.resolved_at IS NULL AND b.state NOT IN ('superseded', 'recalled', 'cancelled')) AS open,
            count(*) FILTER (WHERE r.resolved_at IS NOT NULL) AS resolved
        FROM rejected_records r JOIN batches b ON b.batch_id = r.batch_id WHERE r.batch_id = $1",
    )
    .bind(batch)
    .fetch_one(ex)
    .await?;
    Ok(counts)
}

/// A batch that was sent to fix another, and how many of its rejected records it made good.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Fix {
    pub batch_id: BatchId,
    pub state: String,
    pub resolved: i64,
}

pub async fn fixes_of(ex: impl PgExecutor<'_>, contributor: ContributorId, id: BatchId) -> Result<Vec<Fix>> {
    let fixes = sqlx::query_as(
        "/* rejected_records.fixes_of */ SELECT b.batch_id, b.state,
            (SELECT count(*) FROM rejected_records r WHERE r.batch_id = $2 AND r.resolved_by = b.batch_id) AS resolved
        FROM batches b
        WHERE b.fixes = $2 AND b.contributor_id = $1 AND NOT b.dry_run AND b.state NOT IN ('receiving', 'swept')
        ORDER BY b.batch_id",
    )
    .bind(contributor)
    .bind(id)
    .fetch_all(ex)
    .await?;
    Ok(fixes)
}

/// One rejected record, as it is told to its contributor.
#[derive(Clone, Debug, FromRow)]
pub struct RejectedRecord {
    pub batch_id: BatchId,
    pub record_no: i64,
    pub dataset: String,
    pub period_end: NaiveDate,
    pub account_ref: Option<String>,
    /// In place of the account, for an application.
    pub application_ref: Option<String>,
    /// As in the reject file.
    pub findings: serde_json::Value,
    pub rejected_at: DateTime<Utc>,
    pub resolved_by: Option<BatchId>,
    pub resolved_at: Option<DateTime<Utc>>,
}

/// What a list may be narrowed to; absent means any.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    pub code: Option<&'a str>,
    pub field: Option<&'a str>,
    pub batch_id: Option<BatchId>,
    pub account_ref: Option<&'a str>,
    pub period_end: Option<NaiveDate>,
    /// Only records that wait to be fixed, or only those that were. What a batch left that no longer counts waits for nothing.
    pub open: Option<bool>,
}

/// A list led by one filter, which has an index in the order of the list; the others are looked at on the way.
macro_rules! list {
    ($name:literal, $from:literal, $leading:literal) => {
        concat!(
            "/* rejected_records.list_by_",
            $name,
            " */ SELECT r.batch_id, r.record_no, r.dataset, r.period_end, r.account_ref, r.application_ref, r.findings, r.rejected_at,
                r.resolved_by, r.resolved_at
            FROM ",
            $from,
            " WHERE ",
            $leading,
            " AND ($2::text IS NULL OR $2 = ANY (r.codes)) AND ($3::text IS NULL OR $3 = ANY (r.fields))
              AND ($4::uuid IS NULL OR r.batch_id = $4) AND ($5::text IS NULL OR r.account_ref = $5)
              AND ($6::date IS NULL OR r.period_end = $6) AND ($7::bool IS NULL OR (r.resolved_at IS NULL) = $7)
              AND ($7 IS DISTINCT FROM true OR NOT EXISTS (SELECT FROM batches b WHERE b.batch_id = r.batch_id
                   AND b.state IN ('superseded', 'recalled', 'cancelled')))
              AND (r.batch_id < $8 OR r.record_no > $9)
            ORDER BY 1 DESC, 2 LIMIT $10"
        )
    };
}

const BY_BATCH: &str =
    list!("batch", "rejected_records r", "r.contributor_id = $1 AND r.batch_id = $4 AND r.batch_id <= $8");
const BY_ACCOUNT: &str = list!(
    "account",
    "rejected_records r",
    "r.contributor_id = $1 AND r.account_ref = $5 AND r.batch_id <= $8"
);
const BY_CODE: &str = list!(
    "code",
    "rejected_codes c JOIN rejected_records r ON r.batch_id = c.batch_id AND r.record_no = c.record_no",
    "c.contributor_id = $1 AND c.code = $2 AND c.batch_id <= $8"
);
const BY_CONTRIBUTOR: &str =
    list!("contributor", "rejected_records r", "r.contributor_id = $1 AND r.batch_id <= $8");

/// A page of a contributor's rejected records, newest batch first, in the order of the file, after the given one.
pub async fn list(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    filter: &Filter<'_>,
    after: Option<(BatchId, i64)>,
    limit: i64,
) -> Result<Vec<RejectedRecord>> {
    let statement = match filter {
        Filter { batch_id: Some(_), .. } => BY_BATCH,
        Filter { account_ref: Some(_), .. } => BY_ACCOUNT,
        Filter { code: Some(_), .. } => BY_CODE,
        _ => BY_CONTRIBUTOR,
    };
    let (batch, record_no) = after.unwrap_or((BatchId(Uuid::max()), i64::MAX));
    let rows = sqlx::query_as(statement)
        .bind(contributor)
        .bind(filter.code)
        .bind(filter.field)
        .bind(filter.batch_id)
        .bind(filter.account_ref)
        .bind(filter.period_end)
        .bind(filter.open)
        .bind(batch)
        .bind(record_no)
        .bind(limit)
        .fetch_all(ex)
        .await?;
    Ok(rows)
}
