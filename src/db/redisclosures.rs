//! `redisclosures`, `notices`: what was told and is corrected since, and the notice that each recipient gets.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::error::Result;
use crate::ids::{CaseId, ClientId, ContributorId, NoticeId, QueryId, RedisclosureId, SubjectId};

/// Months that recipients are looked back for (`domain.md` 6.5).
const MONTHS: i32 = 12;
/// Answers that a notice names.
const NAMED: i32 = 100;

/// What an account tells of one of its holders, as one value. Guarantors are told of nothing.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Told {
    pub subject_id: SubjectId,
    pub told: Value,
}

/// What a contributor's account tells now. Where its records came from is not told, nor is what only bears on listings.
pub async fn told(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    account_ref: &str,
) -> Result<Vec<Told>> {
    let told = sqlx::query_as(
        "/* redisclosures.told */ SELECT subject_id, to_jsonb(a) - ARRAY['batch_id', 'record_no', 'known_from',
            'rules_version', 'serving_state', 'evidence_ref', 'listing_requested', 'delisted_on'] AS told
        FROM accounts a WHERE contributor_id = $1 AND account_ref = $2 AND holder_role <> 2",
    )
    .bind(contributor)
    .bind(account_ref)
    .fetch_all(ex)
    .await?;
    Ok(told)
}

/// Something that was told of a person and is not true any more.
#[derive(Clone, Debug, FromRow)]
pub struct Redisclosure {
    pub redisclosure_id: RedisclosureId,
    pub contributor_id: ContributorId,
    pub account_ref: String,
    pub subject_id: SubjectId,
    /// `None`: a listing was taken back.
    pub correction_id: Option<CaseId>,
    /// `CORRECTED`, `REMOVED` or `DELISTED`.
    pub change: String,
    pub changed_at: DateTime<Utc>,
    /// Since when anything of it was known.
    pub known_from: DateTime<Utc>,
    /// The first day that anything of it speaks of.
    pub as_of_from: NaiveDate,
    pub seen_at: Option<DateTime<Utc>>,
    /// When the notices were made.
    pub noticed_at: Option<DateTime<Utc>>,
}

macro_rules! redisclosure_columns {
    () => {
        "redisclosure_id, contributor_id, account_ref, subject_id, correction_id, change, changed_at, known_from, as_of_from, \
         seen_at, noticed_at"
    };
}

pub async fn insert(ex: impl PgExecutor<'_>, new: &Redisclosure) -> Result<()> {
    sqlx::query(
        "/* redisclosures.insert */ INSERT INTO redisclosures (redisclosure_id, contributor_id, account_ref, subject_id,
            correction_id, change, changed_at, known_from, as_of_from)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.redisclosure_id)
    .bind(new.contributor_id)
    .bind(&new.account_ref)
    .bind(new.subject_id)
    .bind(new.correction_id)
    .bind(&new.change)
    .bind(new.changed_at)
    .bind(new.known_from)
    .bind(new.as_of_from)
    .execute(ex)
    .await?;
    Ok(())
}

/// Since when a listing of an account was told, by holder, and the first day that it stood in.
#[derive(Clone, Debug, FromRow)]
pub struct Listed {
    pub subject_id: SubjectId,
    pub known_from: DateTime<Utc>,
    pub as_of_from: NaiveDate,
}

/// Of whom an account's listing was told.
pub async fn listed(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    account_ref: &str,
) -> Result<Vec<Listed>> {
    let listed = sqlx::query_as(
        "/* redisclosures.listed */ SELECT a.subject_id, min(s.known_from) AS known_from, min(s.as_of_date) AS as_of_from
        FROM accounts a JOIN account_snapshots s ON s.contributor_id = a.contributor_id AND s.account_ref = a.account_ref
            AND s.subject_id = a.subject_id AND s.listing_requested
        WHERE a.contributor_id = $1 AND a.account_ref = $2 AND a.holder_role <> 2 GROUP BY a.subject_id",
    )
    .bind(contributor)
    .bind(account_ref)
    .fetch_all(ex)
    .await?;
    Ok(listed)
}

/// Changes that were not met before: they are committed by now.
pub async fn unseen(ex: impl PgExecutor<'_>) -> Result<Vec<RedisclosureId>> {
    let unseen = sqlx::query_scalar(
        "/* redisclosures.unseen */ SELECT redisclosure_id FROM redisclosures WHERE seen_at IS NULL AND noticed_at IS NULL",
    )
    .fetch_all(ex)
    .await?;
    Ok(unseen)
}

/// Notes when changes were met first. `at` is taken after [`unseen`] told them, so that it is not before their commit.
pub async fn set_seen(ex: impl PgExecutor<'_>, changes: &[RedisclosureId], at: DateTime<Utc>) -> Result<()> {
    let ids: Vec<Uuid> = changes.iter().map(|id| id.0).collect();
    sqlx::query(
        "/* redisclosures.set_seen */ UPDATE redisclosures SET seen_at = $1
        WHERE redisclosure_id = ANY($2) AND seen_at IS NULL",
    )
    .bind(at)
    .bind(ids)
    .execute(ex)
    .await?;
    Ok(())
}

/// Some changes that were seen by a time and whose recipients have no notice yet, locked; those that another transaction
/// has in hand are passed over.
pub async fn waiting_in_tx(
    connection: &mut PgConnection,
    seen_until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Redisclosure>> {
    let waiting = sqlx::query_as(concat!(
        "/* redisclosures.waiting */ SELECT ",
        redisclosure_columns!(),
        " FROM redisclosures WHERE noticed_at IS NULL AND seen_at <= $1 ORDER BY redisclosure_id LIMIT $2
        FOR UPDATE SKIP LOCKED"
    ))
    .bind(seen_until)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(waiting)
}

/// Who was told, and by how many answers.
#[derive(Clone, Debug, FromRow)]
pub struct Recipient {
    pub client_id: ClientId,
    pub answers: i64,
    pub first_answered_at: DateTime<Utc>,
    pub last_answered_at: DateTime<Utc>,
    pub query_ids: Vec<Uuid>,
}

/// The clients that may have been told, in the twelve months before the change: by an answer about the person with accounts
/// in it, given until `told_until`, or by an archive query that was asked until then and has not failed, named by the
/// question that names the person in it. Neither when it looks at days or at a knowledge from before the account.
///
/// Whether the account was kept back is not asked: a restriction is dated before the commit that makes it hold, and an
/// account is told of until then.
pub async fn recipients(
    ex: impl PgExecutor<'_>,
    of: &Redisclosure,
    told_until: DateTime<Utc>,
) -> Result<Vec<Recipient>> {
    let recipients = sqlx::query_as(
        "/* redisclosures.recipients */
        WITH tokens AS (
            SELECT primary_token AS token FROM subjects WHERE subject_id = $1
            UNION SELECT token FROM subject_identifiers WHERE subject_id = $1 AND secondary),
        answers AS (
            SELECT f.client_id, f.query_id, f.answered_at
            FROM tokens t JOIN footprints f ON f.subject_token = t.token
            WHERE f.subject_id = $1 AND f.account_count > 0 AND f.as_of >= $2
              AND f.answered_at >= greatest($3, $4 - make_interval(months => $6)) AND f.answered_at <= $5
            UNION ALL
            SELECT q.client_id, f.query_id, coalesce(q.finished_at, q.requested_at)
            FROM tokens t JOIN footprints f ON f.subject_token = t.token
            JOIN archive_query_subjects s ON s.query_id = f.query_id
            JOIN archive_queries q ON q.archive_query_id = s.archive_query_id
            WHERE q.state IN ('queued', 'running', 'done', 'expired') AND q.as_of >= $2 AND q.known_at >= $3
              AND coalesce(q.finished_at, q.requested_at) >= $4 - make_interval(months => $6) AND q.requested_at <= $5),
        questions AS (
            SELECT client_id, query_id, count(*) AS answers, min(answered_at) AS first_answered_at,
                max(answered_at) AS last_answered_at
            FROM answers GROUP BY client_id, query_id)
        SELECT client_id, sum(answers)::bigint AS answers, min(first_answered_at) AS first_answered_at,
            max(last_answered_at) AS last_answered_at, (array_agg(query_id ORDER BY last_answered_at DESC))[1:$7] AS query_ids
        FROM questions GROUP BY client_id ORDER BY client_id",
    )
    .bind(of.subject_id)
    .bind(of.as_of_from)
    .bind(of.known_from)
    .bind(of.changed_at)
    .bind(told_until)
    .bind(MONTHS)
    .bind(NAMED)
    .fetch_all(ex)
    .await?;
    Ok(recipients)
}

/// Makes a recipient's notice; nothing where it has one.
pub async fn insert_notice(
    ex: impl PgExecutor<'_>,
    (id, of): (NoticeId, RedisclosureId),
    to: &Recipient,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* notices.insert */ INSERT INTO notices (notice_id, redisclosure_id, client_id, created_at, first_answered_at,
            last_answered_at, answers, query_ids)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT ON CONSTRAINT notices_once DO NOTHING",
    )
    .bind(id)
    .bind(of)
    .bind(to.client_id)
    .bind(at)
    .bind(to.first_answered_at)
    .bind(to.last_answered_at)
    .bind(to.answers)
    .bind(&to.query_ids)
    .execute(ex)
    .await?;
    Ok(())
}

pub async fn set_noticed_in_tx(
    connection: &mut PgConnection,
    id: RedisclosureId,
    at: DateTime<Utc>,
) -> Result<()> {
    let updated = sqlx::query(
        "/* redisclosures.set_noticed */ UPDATE redisclosures SET noticed_at = $2 WHERE redisclosure_id = $1",
    )
    .bind(id)
    .bind(at)
    .execute(connection)
    .await?;
    super::ensure_one_row("redisclosures", &updated)
}

/// A notice as its recipient reads it.
#[derive(Clone, Debug, FromRow)]
pub struct Notice {
    pub notice_id: NoticeId,
    pub redisclosure_id: RedisclosureId,
    pub client_id: ClientId,
    pub change: String,
    pub changed_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub first_answered_at: DateTime<Utc>,
    pub last_answered_at: DateTime<Utc>,
    pub answers: i64,
    pub query_ids: Vec<Uuid>,
}

macro_rules! notices {
    () => {
        "SELECT n.notice_id, n.redisclosure_id, n.client_id, r.change, r.changed_at, n.created_at, n.acknowledged_at,
            n.first_answered_at, n.last_answered_at, n.answers, n.query_ids
        FROM notices n JOIN redisclosures r ON r.redisclosure_id = n.redisclosure_id "
    };
}

/// A page of a client's notices, the newest first, after the given one.
pub async fn notices_of(
    ex: impl PgExecutor<'_>,
    client: ClientId,
    acknowledged: Option<bool>,
    after: Option<NoticeId>,
    limit: i64,
) -> Result<Vec<Notice>> {
    let notices = sqlx::query_as(concat!(
        "/* notices.list */ ",
        notices!(),
        "WHERE n.client_id = $1 AND ($2::boolean IS NULL OR (n.acknowledged_at IS NOT NULL) = $2)
          AND ($3::uuid IS NULL OR n.notice_id < $3)
        ORDER BY n.notice_id DESC LIMIT $4"
    ))
    .bind(client)
    .bind(acknowledged)
    .bind(after)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(notices)
}

/// Notes that a client has read its notice, once; the notice, if it is the client's.
pub async fn acknowledge_in_tx(
    connection: &mut PgConnection,
    id: NoticeId,
    client: ClientId,
    at: DateTime<Utc>,
) -> Result<Option<Notice>> {
    sqlx::query(
        "/* notices.acknowledge */ UPDATE notices SET acknowledged_at = $3
        WHERE notice_id = $1 AND client_id = $2 AND acknowledged_at IS NULL",
    )
    .bind(id)
    .bind(client)
    .bind(at)
    .execute(&mut *connection)
    .await?;
    let notice = sqlx::query_as(concat!(
        "/* notices.find */ ",
        notices!(),
        "WHERE n.notice_id = $1 AND n.client_id = $2"
    ))
    .bind(id)
    .bind(client)
    .fetch_optional(connection)
    .await?;
    Ok(notice)
}

/// The notices of some changes, by change and client.
pub async fn notices_about(ex: impl PgExecutor<'_>, changes: &[RedisclosureId]) -> Result<Vec<Notice>> {
    let ids: Vec<Uuid> = changes.iter().map(|id| id.0).collect();
    let notices = sqlx::query_as(concat!(
        "/* notices.about */ ",
        notices!(),
        "WHERE n.redisclosure_id = ANY($1) ORDER BY n.redisclosure_id, n.client_id"
    ))
    .bind(ids)
    .fetch_all(ex)
    .await?;
    Ok(notices)
}

/// Which changes an operator asks about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sought<'a> {
    pub correction_id: Option<CaseId>,
    pub account_ref: Option<&'a str>,
}

/// A page of changes, the newest first, after the given one.
pub async fn list(
    ex: impl PgExecutor<'_>,
    sought: Sought<'_>,
    after: Option<RedisclosureId>,
    limit: i64,
) -> Result<Vec<Redisclosure>> {
    let changes = sqlx::query_as(concat!(
        "/* redisclosures.list */ SELECT ",
        redisclosure_columns!(),
        " FROM redisclosures
        WHERE ($1::uuid IS NULL OR correction_id = $1) AND ($2::text IS NULL OR account_ref = $2)
          AND ($3::uuid IS NULL OR redisclosure_id < $3)
        ORDER BY redisclosure_id DESC LIMIT $4"
    ))
    .bind(sought.correction_id)
    .bind(sought.account_ref)
    .bind(after)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(changes)
}

/// A question, by the client's own words for it.
#[derive(Clone, Debug, FromRow)]
pub struct Asked {
    pub query_id: QueryId,
    pub client_reference: String,
    pub as_of: NaiveDate,
    pub answered_at: DateTime<Utc>,
}

/// The questions behind query ids, the newest first.
pub async fn asked(ex: impl PgExecutor<'_>, query_ids: &[Uuid]) -> Result<Vec<Asked>> {
    let asked = sqlx::query_as(
        "/* notices.asked */ SELECT query_id, client_reference, as_of, answered_at FROM footprints
        WHERE query_id = ANY($1) ORDER BY answered_at DESC, query_id",
    )
    .bind(query_ids)
    .fetch_all(ex)
    .await?;
    Ok(asked)
}
