//! `identity_reviews`: accounts that came under a name which contradicts the one that their identifier is known by.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::error::Result;
use crate::ids::{BatchId, CaseId, ClientId, ContributorId, SubjectId};

/// A record whose name contradicts the pool.
#[derive(Clone, Debug)]
pub struct Contradiction {
    pub record_no: i64,
    pub account_ref: String,
    /// Keyed hash of the person and the two names.
    pub name_pair: Vec<u8>,
}

/// Makes the table of the worker's connection, or empties it: contradictions that keep accounts in review when the batch
/// is published.
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

pub async fn stage(connection: &mut PgConnection, found: &[&Contradiction]) -> Result<()> {
    let record_nos: Vec<i64> = found.iter().map(|one| one.record_no).collect();
    let pairs: Vec<&[u8]> = found.iter().map(|one| one.name_pair.as_slice()).collect();
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

/// Opens a case for each staged contradiction whose record is published, and keeps its account from being served. A case
/// that is there, did not find one person and whose account was not moved to the right one restricts the account again if
/// it had been released. What is in review is brought to `accounts` by the merge that follows.
pub async fn open_staged_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
    batch: BatchId,
    at: DateTime<Utc>,
) -> Result<u64> {
    let opened = sqlx::query(
        "/* identity_reviews.open_staged */
        WITH met AS (
            SELECT DISTINCT ON (s.account_ref, r.name_pair) s.subject_id, s.record_no, s.account_ref, r.name_pair
            FROM staged_reviews r JOIN staged_accounts s ON s.record_no = r.record_no
            ORDER BY s.account_ref, r.name_pair, s.record_no),
        opened AS (
            INSERT INTO identity_reviews (case_id, contributor_id, subject_id, batch_id, record_no, opened_at, account_ref,
                state, name_pair)
            SELECT gen_random_uuid(), $1, c.subject_id, $2, c.record_no, $3, c.account_ref, 'open', c.name_pair FROM met c
            ON CONFLICT (contributor_id, account_ref, name_pair) DO NOTHING
            RETURNING case_id, account_ref)
        INSERT INTO serving_restrictions (contributor_id, account_ref, kind, case_id, opened_at)
        SELECT $1, account_ref, 'IN_REVIEW', case_id, $3 FROM opened
        UNION ALL
        SELECT $1, i.account_ref, 'IN_REVIEW', i.case_id, $3
        FROM met JOIN identity_reviews i USING (account_ref, name_pair)
        WHERE i.contributor_id = $1 AND i.state <> 'same_person' AND i.correction_id IS NULL
        ON CONFLICT (contributor_id, account_ref, kind, case_id) WHERE lifted_at IS NULL DO NOTHING",
    )
    .bind(contributor)
    .bind(batch)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(opened.rows_affected())
}

/// Frees the accounts that are in review for a record of a batch that no longer counts. An account of which a record
/// counts that came with the case's batch or after it stays in review: that record's name may be the wrong one, too.
pub async fn release_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
    batch: BatchId,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* identity_reviews.release */ UPDATE serving_restrictions r SET lifted_at = $3
        FROM identity_reviews i JOIN batches opened ON opened.batch_id = i.batch_id
        WHERE r.contributor_id = $1 AND r.kind = 'IN_REVIEW' AND r.lifted_at IS NULL AND r.case_id = i.case_id
          AND r.account_ref = i.account_ref
          AND EXISTS (
              SELECT FROM account_snapshots s
              WHERE s.contributor_id = $1 AND s.account_ref = i.account_ref AND s.subject_id = i.subject_id
                AND s.batch_id = $2)
          AND NOT EXISTS (
              SELECT FROM account_snapshots s JOIN batches b ON b.batch_id = s.batch_id
              WHERE s.contributor_id = $1 AND s.account_ref = i.account_ref AND s.subject_id = i.subject_id
                AND NOT s.withdrawn AND b.state IN ('published', 'curated') AND b.publication_no >= opened.publication_no)",
    )
    .bind(contributor)
    .bind(batch)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The opposite, for a batch that counts again: what its records, or those before it, had put in review. It is another
/// restriction: what was withheld at an earlier instant stays what it was.
pub async fn restore_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
    batch: BatchId,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* identity_reviews.restore */
        INSERT INTO serving_restrictions (contributor_id, account_ref, kind, case_id, opened_at)
        SELECT DISTINCT r.contributor_id, r.account_ref, r.kind, r.case_id, $3::timestamptz
        FROM serving_restrictions r JOIN identity_reviews i ON i.case_id = r.case_id
        JOIN batches opened ON opened.batch_id = i.batch_id
        JOIN batches b ON b.batch_id = $2 AND b.publication_no >= opened.publication_no
        WHERE r.contributor_id = $1 AND r.kind = 'IN_REVIEW' AND r.lifted_at IS NOT NULL
          AND i.state <> 'same_person' AND i.correction_id IS NULL
          AND EXISTS (
              SELECT FROM account_snapshots s
              WHERE s.contributor_id = $1 AND s.account_ref = i.account_ref AND s.subject_id = i.subject_id
                AND s.batch_id = $2)
        ON CONFLICT (contributor_id, account_ref, kind, case_id) WHERE lifted_at IS NULL DO NOTHING",
    )
    .bind(contributor)
    .bind(batch)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes the open cases of a recalled batch whose accounts are free: there is nothing to decide, and the same names are
/// asked about when they come again.
pub async fn forget_in_tx(connection: &mut PgConnection, batch: BatchId) -> Result<()> {
    sqlx::query(
        "/* identity_reviews.forget */ DELETE FROM identity_reviews i
        WHERE i.batch_id = $1 AND i.state = 'open'
          AND NOT EXISTS (SELECT FROM serving_restrictions r
                          WHERE r.contributor_id = i.contributor_id AND r.case_id = i.case_id AND r.lifted_at IS NULL)",
    )
    .bind(batch)
    .execute(connection)
    .await?;
    Ok(())
}

/// An account that a correction moved away from a person, and who applied it.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    pub contributor_id: ContributorId,
    pub account_ref: &'a str,
    pub from: SubjectId,
    pub correction_id: CaseId,
    pub by: ClientId,
    pub at: DateTime<Utc>,
}

/// Ends the cases whose account was moved away from the person that its name contradicted, and frees the account. As long
/// as a record under that person counts that came with the case's batch or after it, the case goes on.
pub async fn end_moved_in_tx(connection: &mut PgConnection, moved: &Moved<'_>) -> Result<()> {
    sqlx::query(
        "/* identity_reviews.end_moved */
        WITH newest AS (
            SELECT DISTINCT ON (s.batch_id, s.record_no) s.subject_id, s.withdrawn, b.publication_no AS place
            FROM account_snapshots s JOIN batches b ON b.batch_id = s.batch_id
            WHERE s.contributor_id = $1 AND s.account_ref = $2 AND b.state IN ('published', 'curated')
            ORDER BY s.batch_id, s.record_no, s.publication_no DESC),
        ended AS (
            UPDATE identity_reviews i SET correction_id = $4, state = 'other_person',
                decided_by = coalesce(i.decided_by, $5), decided_at = coalesce(i.decided_at, $6)
            FROM batches opened
            WHERE opened.batch_id = i.batch_id AND i.contributor_id = $1 AND i.account_ref = $2 AND i.subject_id = $3
              AND i.state <> 'same_person' AND i.correction_id IS NULL
              AND NOT EXISTS (SELECT FROM newest n
                  WHERE n.subject_id = $3 AND NOT n.withdrawn AND n.place >= opened.publication_no)
            RETURNING i.case_id)
        UPDATE serving_restrictions r SET lifted_at = $6 FROM ended e
        WHERE r.contributor_id = $1 AND r.account_ref = $2 AND r.kind = 'IN_REVIEW' AND r.case_id = e.case_id
          AND r.lifted_at IS NULL",
    )
    .bind(moved.contributor_id)
    .bind(moved.account_ref)
    .bind(moved.from)
    .bind(moved.correction_id)
    .bind(moved.by)
    .bind(moved.at)
    .execute(connection)
    .await?;
    Ok(())
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
    /// The correction that moved the account to the person whose it is.
    pub correction_id: Option<CaseId>,
}

macro_rules! review_columns {
    () => {
        "case_id, contributor_id, batch_id, record_no, account_ref, state, opened_at, decided_by, decided_at, correction_id"
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

/// A page of the cases in a state, after the given one. Of the open ones, those that keep an account from being served:
/// what came with a replaced batch alone needs no decision.
pub async fn list(
    ex: impl PgExecutor<'_>,
    state: &str,
    after: Option<CaseId>,
    limit: i64,
) -> Result<Vec<IdentityReview>> {
    let reviews = sqlx::query_as(concat!(
        "/* identity_reviews.list */ SELECT ",
        review_columns!(),
        " FROM identity_reviews i WHERE state = $1 AND ($2::uuid IS NULL OR case_id < $2)
          AND (state <> 'open' OR EXISTS (
              SELECT FROM serving_restrictions r
              WHERE r.contributor_id = i.contributor_id AND r.case_id = i.case_id AND r.lifted_at IS NULL))
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
