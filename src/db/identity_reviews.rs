//! `identity_reviews`: accounts that came under a name which contradicts the one that their identifier is known by.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::error::Result;
use crate::ids::{BatchId, CaseId, ClientId, ContributorId};

/// A record whose name contradicts the pool.
#[derive(Clone, Debug)]
pub struct Contradiction {
    pub record_no: i64,
    pub account_ref: String,
    /// Keyed hash of the person and the two names.
    pub name_pair: Vec<u8>,
}

/// Makes the table of the worker's connection, or empties it: contradictions that open a case when the batch is published.
pub async fn prepare(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "/* identity_reviews.create_staging */
        CREATE TEMPORARY TABLE IF NOT EXISTS staged_reviews (record_no bigint NOT NULL, name_pair bytea NOT NULL)
        ON COMMIT PRESERVE ROWS",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query("/* identity_reviews.clear_staging */ TRUNCATE staged_reviews").execute(connection).await?;
    Ok(())
}

pub async fn stage(connection: &mut PgConnection, new: &[&Contradiction]) -> Result<()> {
    let record_nos: Vec<i64> = new.iter().map(|one| one.record_no).collect();
    let pairs: Vec<&[u8]> = new.iter().map(|one| one.name_pair.as_slice()).collect();
    sqlx::query(
        "/* identity_reviews.stage */ INSERT INTO staged_reviews (record_no, name_pair)
        SELECT * FROM unnest($1::bigint[], $2::bytea[])",
    )
    .bind(record_nos)
    .bind(pairs)
    .execute(connection)
    .await?;
    Ok(())
}

/// A contradiction that was met before, and what was found.
#[derive(Clone, Debug, FromRow)]
pub struct Known {
    pub record_no: i64,
    pub state: String,
}

/// Which of these contradictions have a case.
pub async fn known(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    found: &[Contradiction],
) -> Result<Vec<Known>> {
    let record_nos: Vec<i64> = found.iter().map(|one| one.record_no).collect();
    let refs: Vec<&str> = found.iter().map(|one| one.account_ref.as_str()).collect();
    let pairs: Vec<&[u8]> = found.iter().map(|one| one.name_pair.as_slice()).collect();
    let known = sqlx::query_as(
        "/* identity_reviews.known */ SELECT c.record_no, r.state
        FROM unnest($2::bigint[], $3::text[], $4::bytea[]) AS c (record_no, account_ref, name_pair)
        JOIN identity_reviews r ON r.contributor_id = $1 AND r.account_ref = c.account_ref AND r.name_pair = c.name_pair",
    )
    .bind(contributor)
    .bind(record_nos)
    .bind(refs)
    .bind(pairs)
    .fetch_all(ex)
    .await?;
    Ok(known)
}

/// Opens a case for each staged contradiction whose record is published, and keeps its account from being served. What
/// is in review is brought to `accounts` by the merge that follows.
pub async fn open_staged_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
    batch: BatchId,
    at: DateTime<Utc>,
) -> Result<u64> {
    let opened = sqlx::query(
        "/* identity_reviews.open_staged */
        WITH opened AS (
            INSERT INTO identity_reviews (case_id, contributor_id, subject_id, batch_id, record_no, opened_at, account_ref,
                state, name_pair)
            SELECT gen_random_uuid(), $1, c.subject_id, $2, c.record_no, $3, c.account_ref, 'open', c.name_pair
            FROM (SELECT DISTINCT ON (s.account_ref, r.name_pair) s.subject_id, s.record_no, s.account_ref, r.name_pair
                  FROM staged_reviews r JOIN staged_accounts s ON s.record_no = r.record_no
                  ORDER BY s.account_ref, r.name_pair, s.record_no) c
            ON CONFLICT (contributor_id, account_ref, name_pair) DO NOTHING
            RETURNING case_id, account_ref)
        INSERT INTO serving_restrictions (contributor_id, account_ref, kind, case_id, opened_at)
        SELECT $1, account_ref, 'IN_REVIEW', case_id, $3 FROM opened",
    )
    .bind(contributor)
    .bind(batch)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(opened.rows_affected())
}

/// One case.
#[derive(Clone, Debug, FromRow)]
pub struct IdentityReview {
    pub case_id: CaseId,
    pub contributor_id: ContributorId,
    pub batch_id: BatchId,
    pub record_no: i64,
    pub account_ref: String,
    /// `open`, `same_person` or `other_person`.
    pub state: String,
    pub opened_at: DateTime<Utc>,
    pub decided_by: Option<ClientId>,
    pub decided_at: Option<DateTime<Utc>>,
}

macro_rules! review_columns {
    () => {
        "case_id, contributor_id, batch_id, record_no, account_ref, state, opened_at, decided_by, decided_at"
    };
}

pub async fn find(ex: impl PgExecutor<'_>, id: CaseId) -> Result<Option<IdentityReview>> {
    let review = sqlx::query_as(concat!(
        "/* identity_reviews.find */ SELECT ",
        review_columns!(),
        " FROM identity_reviews WHERE case_id = $1"
    ))
    .bind(id)
    .fetch_optional(ex)
    .await?;
    Ok(review)
}

/// A page of the cases in a state, after the given one.
pub async fn list(
    ex: impl PgExecutor<'_>,
    state: &str,
    after: Option<CaseId>,
    limit: i64,
) -> Result<Vec<IdentityReview>> {
    let reviews = sqlx::query_as(concat!(
        "/* identity_reviews.list */ SELECT ",
        review_columns!(),
        " FROM identity_reviews WHERE state = $1 AND ($2::uuid IS NULL OR case_id < $2)
        ORDER BY case_id DESC LIMIT $3"
    ))
    .bind(state)
    .bind(after)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(reviews)
}

/// Keeps what was found. `false` when somebody has decided already.
pub async fn decide_in_tx(
    connection: &mut PgConnection,
    id: CaseId,
    outcome: &str,
    by: ClientId,
    at: DateTime<Utc>,
) -> Result<bool> {
    let decided = sqlx::query(
        "/* identity_reviews.decide */ UPDATE identity_reviews SET state = $2, decided_by = $3, decided_at = $4
        WHERE case_id = $1 AND state = 'open'",
    )
    .bind(id)
    .bind(outcome)
    .bind(by)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(decided.rows_affected() == 1)
}
