//! `archive_queries` and `archive_query_subjects`: questions about many subjects as of the past, and how far they have come.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor, Row as _};
use uuid::Uuid;

use crate::domain::archive::{Format, State};
use crate::error::{Error, Result};
use crate::ids::{ArchiveQueryId, ClientId, QueryId};
use crate::privacy::Token;

/// What a client asks.
#[derive(Clone, Debug)]
pub struct Asked {
    pub client_id: ClientId,
    pub idempotency_key: String,
    /// SHA-256 of the request's body.
    pub content_sha256: [u8; 32],
    pub purpose: &'static str,
    pub end_user: Option<String>,
    pub client_reference: String,
    pub as_of: NaiveDate,
    pub known_at: DateTime<Utc>,
    pub format: Format,
    pub attribute_set_version: &'static str,
}

/// A query as far as it has come.
#[derive(Clone, Debug)]
pub struct ArchiveQuery {
    pub id: ArchiveQueryId,
    pub client_id: ClientId,
    pub content_sha256: Vec<u8>,
    pub purpose: String,
    pub client_reference: String,
    pub as_of: NaiveDate,
    pub known_at: DateTime<Utc>,
    pub format: Format,
    pub subjects: i32,
    pub subjects_done: i32,
    pub attribute_set_version: String,
    pub state: State,
    pub requested_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub attempts: i32,
    /// The attempt that goes on, or whose object may still be in the store.
    pub attempt: Option<Uuid>,
    /// The snapshot of each table that was read, by the table's full name.
    pub snapshots: Option<BTreeMap<String, i64>>,
    pub result_key: Option<String>,
    pub result_bytes: Option<i64>,
    pub result_sha256: Option<Vec<u8>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub failure: Option<String>,
}

impl FromRow<'_, PgRow> for ArchiveQuery {
    fn from_row(row: &PgRow) -> Result<ArchiveQuery, sqlx::Error> {
        let unknown = |column: &str| sqlx::Error::ColumnDecode {
            index: column.to_owned(),
            source: "a word that is not known".into(),
        };
        Ok(ArchiveQuery {
            id: row.try_get("archive_query_id")?,
            client_id: row.try_get("client_id")?,
            content_sha256: row.try_get("content_sha256")?,
            purpose: row.try_get("purpose")?,
            client_reference: row.try_get("client_reference")?,
            as_of: row.try_get("as_of")?,
            known_at: row.try_get("known_at")?,
            format: Format::parse(row.try_get("format")?).ok_or_else(|| unknown("format"))?,
            subjects: row.try_get("subjects")?,
            subjects_done: row.try_get("subjects_done")?,
            attribute_set_version: row.try_get("attribute_set_version")?,
            state: State::parse(row.try_get("state")?).ok_or_else(|| unknown("state"))?,
            requested_at: row.try_get("requested_at")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
            attempts: row.try_get("attempts")?,
            attempt: row.try_get("attempt")?,
            snapshots: row.try_get::<Option<Json<_>>, _>("snapshots")?.map(|json| json.0),
            result_key: row.try_get("result_key")?,
            result_bytes: row.try_get("result_bytes")?,
            result_sha256: row.try_get("result_sha256")?,
            expires_at: row.try_get("expires_at")?,
            failure: row.try_get("failure")?,
        })
    }
}

macro_rules! columns {
    () => {
        "archive_query_id, client_id, content_sha256, purpose, client_reference, as_of, known_at, format, subjects,
         subjects_done, attribute_set_version, state, requested_at, started_at, finished_at, attempts, attempt,
         snapshots, result_key, result_bytes, result_sha256, expires_at, failure"
    };
}

macro_rules! select {
    ($name:literal, $rest:literal) => {
        concat!("/* archive_queries.", $name, " */ SELECT ", columns!(), " FROM archive_queries ", $rest)
    };
}

/// Enters a query without its subjects.
pub async fn insert_in_tx(
    connection: &mut PgConnection,
    id: ArchiveQueryId,
    asked: &Asked,
    subjects: i32,
    at: DateTime<Utc>,
) -> Result<()> {
    let inserted = sqlx::query(
        "/* archive_queries.insert */ INSERT INTO archive_queries (archive_query_id, client_id, idempotency_key,
            content_sha256, purpose, end_user, client_reference, as_of, known_at, format, subjects,
            attribute_set_version, state, requested_at, run_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'queued', $13, $13)",
    )
    .bind(id)
    .bind(asked.client_id)
    .bind(&asked.idempotency_key)
    .bind(asked.content_sha256.as_slice())
    .bind(asked.purpose)
    .bind(&asked.end_user)
    .bind(&asked.client_reference)
    .bind(asked.as_of)
    .bind(asked.known_at)
    .bind(asked.format.as_str())
    .bind(subjects)
    .bind(asked.attribute_set_version)
    .bind(at)
    .execute(connection)
    .await?;
    super::ensure_one_row("archive_queries", &inserted)
}

/// Adds subjects behind the first `before` ones; says how many of them are questions that the query's client was answered.
pub async fn insert_subjects_in_tx(
    connection: &mut PgConnection,
    id: ArchiveQueryId,
    subjects: &[Uuid],
    before: i32,
) -> Result<usize> {
    let inserted = sqlx::query(
        "/* archive_queries.insert_subjects */
        INSERT INTO archive_query_subjects (archive_query_id, subject_no, query_id)
        SELECT q.archive_query_id, $3 + s.place::integer, f.query_id
        FROM archive_queries q
        CROSS JOIN unnest($2::uuid[]) WITH ORDINALITY AS s (query_id, place)
        JOIN footprints f ON f.query_id = s.query_id AND f.client_id = q.client_id
        WHERE q.archive_query_id = $1",
    )
    .bind(id)
    .bind(subjects)
    .bind(before)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() as usize)
}

/// The first place, counted from 1, among `subjects` that [`insert_subjects_in_tx`] did not enter behind `before`.
pub async fn first_left_out_in_tx(
    connection: &mut PgConnection,
    id: ArchiveQueryId,
    subjects: usize,
    before: i32,
) -> Result<Option<i32>> {
    let place = sqlx::query_scalar(
        "/* archive_queries.first_left_out */ SELECT min(n) FROM generate_series($3 + 1, $3 + $2) AS n
        WHERE NOT EXISTS (SELECT FROM archive_query_subjects WHERE archive_query_id = $1 AND subject_no = n)",
    )
    .bind(id)
    .bind(i32::try_from(subjects).unwrap_or(i32::MAX))
    .bind(before)
    .fetch_one(connection)
    .await?;
    Ok(place)
}

pub async fn find_by_key(
    ex: impl PgExecutor<'_>,
    client: ClientId,
    key: &str,
) -> Result<Option<ArchiveQuery>> {
    let query = sqlx::query_as(select!("find_by_key", "WHERE client_id = $1 AND idempotency_key = $2"))
        .bind(client)
        .bind(key)
        .fetch_optional(ex)
        .await?;
    Ok(query)
}

/// A client's query.
pub async fn find(
    ex: impl PgExecutor<'_>,
    client: ClientId,
    id: ArchiveQueryId,
) -> Result<Option<ArchiveQuery>> {
    let query = sqlx::query_as(select!("find", "WHERE client_id = $1 AND archive_query_id = $2"))
        .bind(client)
        .bind(id)
        .fetch_optional(ex)
        .await?;
    Ok(query)
}

/// How many of a client's queries wait or go on.
pub async fn count_open(ex: impl PgExecutor<'_>, client: ClientId) -> Result<i64> {
    let open = sqlx::query_scalar(
        "/* archive_queries.count_open */ SELECT count(*) FROM archive_queries
        WHERE client_id = $1 AND state IN ('queued', 'running')",
    )
    .bind(client)
    .fetch_one(ex)
    .await?;
    Ok(open)
}

/// The query whose turn it is: one that was left running, or the oldest that waits and whose past is complete. That is
/// when everything that was being written as it was asked has ended, and everything known by its instant has landed.
pub async fn next_due(ex: impl PgExecutor<'_>, now: DateTime<Utc>) -> Result<Option<ArchiveQuery>> {
    let query = sqlx::query_as(select!(
        "next_due",
        "q WHERE state IN ('queued', 'running') AND run_at <= $1
           AND asked_in < pg_snapshot_xmin(pg_current_snapshot())
           AND NOT EXISTS (SELECT FROM lake_entries e WHERE e.commit_id IS NULL AND e.known_from <= q.known_at
                           AND e.table_name LIKE 'silver.%')
           AND NOT EXISTS (SELECT FROM lake_commits c JOIN lake_entries e ON e.commit_id = c.commit_id
                           WHERE c.state IN ('writing', 'written') AND e.known_from <= q.known_at
                             AND e.table_name LIKE 'silver.%')
         ORDER BY state = 'running' DESC, run_at, archive_query_id LIMIT 1"
    ))
    .bind(now)
    .fetch_optional(ex)
    .await?;
    Ok(query)
}

/// Takes a query up in the place of whoever had it; `false` when it moved on meanwhile.
pub async fn begin(
    ex: impl PgExecutor<'_>,
    query: &ArchiveQuery,
    attempt: Uuid,
    at: DateTime<Utc>,
) -> Result<bool> {
    let begun = sqlx::query(
        "/* archive_queries.begin */ UPDATE archive_queries
        SET state = 'running', attempt = $3, attempts = attempts + 1, started_at = $4, subjects_done = 0
        WHERE archive_query_id = $1 AND state IN ('queued', 'running') AND attempt IS NOT DISTINCT FROM $2",
    )
    .bind(query.id)
    .bind(query.attempt)
    .bind(attempt)
    .bind(at)
    .execute(ex)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Says how far an attempt is; `false` when it is not wanted any more.
pub async fn advance(
    ex: impl PgExecutor<'_>,
    (id, attempt): (ArchiveQueryId, Uuid),
    subjects_done: i32,
) -> Result<bool> {
    let advanced = sqlx::query(
        "/* archive_queries.advance */ UPDATE archive_queries SET subjects_done = $3
        WHERE archive_query_id = $1 AND attempt = $2 AND state = 'running'",
    )
    .bind(id)
    .bind(attempt)
    .bind(subjects_done)
    .execute(ex)
    .await?;
    Ok(advanced.rows_affected() == 1)
}

/// The result of an attempt.
#[derive(Clone, Debug)]
pub struct Done {
    pub snapshots: BTreeMap<String, i64>,
    pub key: String,
    pub bytes: i64,
    pub sha256: [u8; 32],
    pub at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Ends an attempt well; `false` when it is not wanted any more.
pub async fn finish_in_tx(
    connection: &mut PgConnection,
    (id, attempt): (ArchiveQueryId, Uuid),
    done: &Done,
) -> Result<bool> {
    let finished = sqlx::query(
        "/* archive_queries.finish */ UPDATE archive_queries
        SET state = 'done', snapshots = $3, result_key = $4, result_bytes = $5, result_sha256 = $6, finished_at = $7,
            expires_at = $8
        WHERE archive_query_id = $1 AND attempt = $2 AND state = 'running'",
    )
    .bind(id)
    .bind(attempt)
    .bind(Json(&done.snapshots))
    .bind(&done.key)
    .bind(done.bytes)
    .bind(done.sha256.as_slice())
    .bind(done.at)
    .bind(done.expires_at)
    .execute(connection)
    .await?;
    Ok(finished.rows_affected() == 1)
}

/// Lets a query wait for another attempt.
pub async fn put_back(
    ex: impl PgExecutor<'_>,
    (id, attempt): (ArchiveQueryId, Uuid),
    run_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* archive_queries.put_back */ UPDATE archive_queries SET state = 'queued', run_at = $3
        WHERE archive_query_id = $1 AND attempt = $2 AND state = 'running'",
    )
    .bind(id)
    .bind(attempt)
    .bind(run_at)
    .execute(ex)
    .await?;
    Ok(())
}

/// Gives a query up.
pub async fn fail(
    ex: impl PgExecutor<'_>,
    (id, attempt): (ArchiveQueryId, Uuid),
    failure: &str,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* archive_queries.fail */ UPDATE archive_queries SET state = 'failed', failure = $3, finished_at = $4
        WHERE archive_query_id = $1 AND attempt = $2 AND state = 'running'",
    )
    .bind(id)
    .bind(attempt)
    .bind(failure)
    .bind(at)
    .execute(ex)
    .await?;
    Ok(())
}

/// Cancels a query that waits or goes on; `false` when it is neither.
pub async fn cancel_in_tx(
    connection: &mut PgConnection,
    id: ArchiveQueryId,
    at: DateTime<Utc>,
) -> Result<bool> {
    let cancelled = sqlx::query(
        "/* archive_queries.cancel */ UPDATE archive_queries SET state = 'cancelled', finished_at = $2
        WHERE archive_query_id = $1 AND state IN ('queued', 'running')",
    )
    .bind(id)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

/// Results that have had their time, and what attempts at queries that failed or were cancelled before `ended_before` may
/// have left: `(query, attempt)`. Whoever is at a younger one may still put its object there.
pub async fn removable(
    ex: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    ended_before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(ArchiveQueryId, Uuid)>> {
    let removable = sqlx::query_as(
        "/* archive_queries.removable */
        (SELECT archive_query_id, attempt FROM archive_queries WHERE state = 'done' AND expires_at <= $1
         ORDER BY expires_at LIMIT $3)
        UNION ALL
        (SELECT archive_query_id, attempt FROM archive_queries
         WHERE state IN ('failed', 'cancelled') AND attempt IS NOT NULL AND finished_at < $2
         ORDER BY archive_query_id LIMIT $3)",
    )
    .bind(now)
    .bind(ended_before)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(removable)
}

/// Notes that nothing of a query is in the store any more.
pub async fn set_removed(ex: impl PgExecutor<'_>, id: ArchiveQueryId) -> Result<()> {
    sqlx::query(
        "/* archive_queries.set_removed */ UPDATE archive_queries
        SET state = CASE WHEN state = 'done' THEN 'expired' ELSE state END, attempt = NULL
        WHERE archive_query_id = $1",
    )
    .bind(id)
    .execute(ex)
    .await?;
    Ok(())
}

/// A subject of a query, and who it is in the lake.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Subject {
    pub subject_no: i32,
    pub query_id: QueryId,
    /// `None` when nobody is known by the identifier that was asked about, or the person was erased.
    pub subject_id: Option<Uuid>,
}

/// The next subjects of a query in their order. Whose identifier it is, is as today: a person who was erased is nobody.
pub async fn subjects(
    ex: impl PgExecutor<'_>,
    id: ArchiveQueryId,
    after: i32,
    limit: i64,
) -> Result<Vec<Subject>> {
    let subjects = sqlx::query_as(
        "/* archive_queries.subjects */ SELECT s.subject_no, s.query_id, i.subject_id
        FROM archive_query_subjects s
        JOIN footprints f ON f.query_id = s.query_id
        LEFT JOIN subject_identifiers i ON i.token = f.subject_token
            AND NOT EXISTS (SELECT FROM erasure_tombstones t WHERE t.token = f.subject_token)
            AND i.subject_id NOT IN (SELECT j.subject_id FROM erasure_tombstones t JOIN subject_identifiers j USING (token))
        WHERE s.archive_query_id = $1 AND s.subject_no > $2 ORDER BY s.subject_no LIMIT $3",
    )
    .bind(id)
    .bind(after)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(subjects)
}

/// How many subjects of a query are persons who were erased, as [`subjects`] knows them.
pub async fn count_erased(ex: impl PgExecutor<'_>, id: ArchiveQueryId) -> Result<i64> {
    let erased = sqlx::query_scalar(
        "/* archive_queries.count_erased */ SELECT count(*)
        FROM archive_query_subjects s
        JOIN footprints f ON f.query_id = s.query_id
        LEFT JOIN subject_identifiers i ON i.token = f.subject_token
        WHERE s.archive_query_id = $1
          AND (EXISTS (SELECT FROM erasure_tombstones t WHERE t.token = f.subject_token)
               OR i.subject_id IN (SELECT j.subject_id FROM erasure_tombstones t JOIN subject_identifiers j USING (token)))",
    )
    .bind(id)
    .fetch_one(ex)
    .await?;
    Ok(erased)
}

/// Lets every result expire that tells of a person, by a token of theirs; says how many.
pub async fn expire_of_person_in_tx(
    connection: &mut PgConnection,
    token: &Token,
    at: DateTime<Utc>,
) -> Result<u64> {
    let expired = sqlx::query(
        "/* archive_queries.expire_of_person */
        WITH person AS (
            SELECT $1::bytea AS token
            UNION SELECT o.token FROM subject_identifiers i JOIN subject_identifiers o USING (subject_id) WHERE i.token = $1),
        told AS (
            SELECT q.archive_query_id FROM archive_queries q
            WHERE q.state = 'done' AND q.expires_at > $2
              AND q.archive_query_id IN (
                  SELECT s.archive_query_id FROM person p JOIN footprints f ON f.subject_token = p.token
                  JOIN archive_query_subjects s ON s.query_id = f.query_id)
            ORDER BY q.archive_query_id FOR UPDATE)
        UPDATE archive_queries q SET expires_at = $2 FROM told WHERE told.archive_query_id = q.archive_query_id",
    )
    .bind(token.as_slice())
    .bind(at)
    .execute(connection)
    .await?;
    Ok(expired.rows_affected())
}

/// A query that is nobody's to know of looks like none.
pub async fn owned(ex: impl PgExecutor<'_>, client: ClientId, id: ArchiveQueryId) -> Result<ArchiveQuery> {
    find(ex, client, id).await?.ok_or(Error::NotFound)
}
