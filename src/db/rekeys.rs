//! `rekeys`: records that were reported under the wrong person, and whose they are. The person is kept as a keyed token;
//! what is needed to enter somebody new stands sealed until the correction is decided.

use chrono::{DateTime, NaiveDate, Utc};
use futures::stream::BoxStream;
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::corrections::{Correction, records_in_range};
use super::lake_entries;
use crate::error::Result;
use crate::ids::{BatchId, CaseId, ContributorId, SubjectId};
use crate::privacy::Token;

/// A person as a request names them, without anything in clear.
#[derive(Clone, FromRow)]
pub struct Person {
    pub token: Token,
    pub id_type: i16,
    pub subject_type: i16,
    pub sealed_number: Option<Vec<u8>>,
    pub sealed_name: Option<Vec<u8>>,
    pub secondary_token: Option<Token>,
    pub secondary_id_type: Option<i16>,
    pub secondary_sealed: Option<Vec<u8>>,
    /// Whose the records are. Before the rekey is applied: how the person is called if nobody knows the token by then.
    pub to_subject: SubjectId,
}

/// What a rekey is about, beside its correction.
#[derive(Clone, FromRow)]
pub struct Rekey {
    pub correction_id: CaseId,
    pub holder_role: i16,
    pub from_subject: SubjectId,
    #[sqlx(flatten)]
    pub person: Person,
}

/// A record that may move.
#[derive(Clone, Debug, FromRow)]
pub struct Moving {
    pub subject_id: SubjectId,
    pub as_of_date: NaiveDate,
    pub opened_date: NaiveDate,
}

/// Keeps whose the records of a requested correction are.
pub async fn insert(ex: impl PgExecutor<'_>, of: &Correction, new: &Rekey) -> Result<()> {
    let person = &new.person;
    sqlx::query(
        "/* rekeys.insert */ INSERT INTO rekeys (correction_id, contributor_id, account_ref, as_of_from, as_of_to, holder_role,
            from_subject, to_subject, token, id_type, subject_type, sealed_number, sealed_name, secondary_token,
            secondary_id_type, secondary_sealed)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(of.correction_id)
    .bind(of.contributor_id)
    .bind(&of.account_ref)
    .bind(of.as_of_from)
    .bind(of.as_of_to)
    .bind(new.holder_role)
    .bind(new.from_subject)
    .bind(person.to_subject)
    .bind(person.token)
    .bind(person.id_type)
    .bind(person.subject_type)
    .bind(&person.sealed_number)
    .bind(&person.sealed_name)
    .bind(person.secondary_token)
    .bind(person.secondary_id_type)
    .bind(&person.secondary_sealed)
    .execute(ex)
    .await?;
    Ok(())
}

pub async fn find(ex: impl PgExecutor<'_>, correction: CaseId) -> Result<Option<Rekey>> {
    let found = sqlx::query_as(
        "/* rekeys.find */ SELECT correction_id, holder_role, from_subject, to_subject, token, id_type, subject_type,
            sealed_number, sealed_name, secondary_token, secondary_id_type, secondary_sealed
        FROM rekeys WHERE correction_id = $1",
    )
    .bind(correction)
    .fetch_optional(ex)
    .await?;
    Ok(found)
}

/// The records of the correction's account and days that count and name a holder in the role.
pub async fn records(
    connection: &mut PgConnection,
    of: &Correction,
    holder_role: i16,
) -> Result<Vec<Moving>> {
    let rows = sqlx::query_as(concat!(
        "/* rekeys.records */ ",
        records_in_range!(),
        " SELECT subject_id, as_of_date, opened_date FROM targets WHERE holder_role = $5"
    ))
    .bind(of.contributor_id)
    .bind(&of.account_ref)
    .bind(of.as_of_from)
    .bind(of.as_of_to)
    .bind(holder_role)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The numbers that the two versions of a moved record carry.
#[derive(Clone, Copy, Debug)]
pub struct Versions {
    /// Of the one that takes it from the wrong person.
    pub withdrawn: i64,
    /// Of the one that gives it to the right one; the higher.
    pub moved: i64,
}

/// Enters two versions of each record: a withdrawn one, by which whoever reads the wrong person's records alone sees it gone,
/// and one with the right person. Says which batches they came in.
pub async fn enter_versions_in_tx(
    connection: &mut PgConnection,
    of: &Correction,
    rekey: &Rekey,
    versions: Versions,
    (to, at): (SubjectId, DateTime<Utc>),
) -> Result<Vec<BatchId>> {
    let batches = sqlx::query_scalar(concat!(
        "/* rekeys.enter_versions */ ",
        records_in_range!(),
        ", entered AS (
            INSERT INTO account_snapshots
            SELECT v.* FROM targets t
            CROSS JOIN (VALUES ($7::bigint, true, $6::uuid), ($8, false, $9::uuid)) AS n (publication_no, withdrawn, subject_id)
            CROSS JOIN LATERAL jsonb_populate_record(NULL::account_snapshots, to_jsonb(t) || jsonb_build_object(
                'publication_no', n.publication_no, 'withdrawn', n.withdrawn, 'subject_id', n.subject_id,
                'known_from', $10::timestamptz)) v
            WHERE t.holder_role = $5 AND t.subject_id = $6
            RETURNING contributor_id, batch_id, publication_no, known_from),
        ",
        lake_entries::enter_versions!(),
        "
        SELECT DISTINCT batch_id FROM entered WHERE batch_id <> '00000000-0000-0000-0000-000000000000'"
    ))
    .bind(of.contributor_id)
    .bind(&of.account_ref)
    .bind(of.as_of_from)
    .bind(of.as_of_to)
    .bind(rekey.holder_role)
    .bind(rekey.from_subject)
    .bind(versions.withdrawn)
    .bind(versions.moved)
    .bind(to)
    .bind(at)
    .fetch_all(connection)
    .await?;
    Ok(batches)
}

/// Enters the person, unless somebody named them before, and says who bears the token.
///
/// Identifiers are entered in token order and at once, as a batch enters its own (see [`super::subjects`]): two
/// transactions never wait for each other in a circle.
pub async fn enter_person_in_tx(connection: &mut PgConnection, person: &Person) -> Result<SubjectId> {
    sqlx::query(
        "/* rekeys.insert_identifiers */ INSERT INTO subject_identifiers (token, subject_id, id_type, sealed_number, secondary)
        SELECT token, $1, id_type, sealed, secondary
        FROM (VALUES ($2::bytea, $3::smallint, $4::bytea, false), ($5, $6, $7, true)) AS n (token, id_type, sealed, secondary)
        WHERE token IS NOT NULL ORDER BY token ON CONFLICT (token) DO NOTHING",
    )
    .bind(person.to_subject)
    .bind(person.token)
    .bind(person.id_type)
    .bind(&person.sealed_number)
    .bind(person.secondary_token)
    .bind(person.secondary_id_type)
    .bind(&person.secondary_sealed)
    .execute(&mut *connection)
    .await?;
    let standing: SubjectId = sqlx::query_scalar(
        "/* rekeys.standing */ SELECT subject_id FROM subject_identifiers WHERE token = $1",
    )
    .bind(person.token)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(
        "/* rekeys.adopt */ UPDATE subject_identifiers SET subject_id = $2
        WHERE token = $3 AND subject_id = $1 AND subject_id <> $2",
    )
    .bind(person.to_subject)
    .bind(standing)
    .bind(person.secondary_token)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "/* rekeys.insert_subject */ INSERT INTO subjects (subject_id, subject_type, primary_token, sealed_name)
        SELECT $1, $3, $4, $5 WHERE $1 = $2 ON CONFLICT (subject_id) DO NOTHING",
    )
    .bind(person.to_subject)
    .bind(standing)
    .bind(person.subject_type)
    .bind(person.token)
    .bind(&person.sealed_name)
    .execute(connection)
    .await?;
    Ok(standing)
}

/// Keeps that the records are the person's. The caller has entered the versions.
pub async fn set_applied_in_tx(
    connection: &mut PgConnection,
    of: &Correction,
    rekey: &Rekey,
    (to, at): (SubjectId, DateTime<Utc>),
) -> Result<()> {
    let updated = sqlx::query(concat!(
        "/* rekeys.set_applied */ ",
        records_in_range!(),
        " UPDATE rekeys SET applied_at = $6, to_subject = $7, sealed_number = NULL, sealed_name = NULL, secondary_sealed = NULL,
            as_of_to = CASE WHEN EXISTS (
                SELECT FROM newest n WHERE NOT n.withdrawn AND n.holder_role = $8 AND n.subject_id = $9 AND n.as_of_date > $4
            ) THEN $4 END
        WHERE correction_id = $5"
    ))
    .bind(of.contributor_id)
    .bind(&of.account_ref)
    .bind(of.as_of_from)
    .bind(of.as_of_to)
    .bind(of.correction_id)
    .bind(at)
    .bind(to)
    .bind(rekey.holder_role)
    .bind(rekey.from_subject)
    .execute(connection)
    .await?;
    super::ensure_one_row("rekeys", &updated)
}

/// Removes what a refused rekey had sealed of the person.
pub async fn forget_person_in_tx(connection: &mut PgConnection, correction: CaseId) -> Result<()> {
    sqlx::query(
        "/* rekeys.forget_person */ UPDATE rekeys SET sealed_number = NULL, sealed_name = NULL, secondary_sealed = NULL
        WHERE correction_id = $1",
    )
    .bind(correction)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a rekey of the contributor was ever applied; few have one, and the others spare the look-up.
pub async fn any_applied(ex: impl PgExecutor<'_>, contributor: ContributorId) -> Result<bool> {
    let any = sqlx::query_scalar(
        "/* rekeys.any_applied */ SELECT EXISTS (SELECT FROM rekeys WHERE contributor_id = $1 AND applied_at IS NOT NULL)",
    )
    .bind(contributor)
    .fetch_one(ex)
    .await?;
    Ok(any)
}

/// The staged records that name somebody from whom a rekey took the account, and whom no later one gave back that day of it.
/// Not those of a batch that is judged again and published them itself: they have their version with the right person.
pub fn repeated(
    connection: &mut PgConnection,
    contributor: ContributorId,
    batch: BatchId,
) -> BoxStream<'_, sqlx::Result<i64>> {
    sqlx::query_scalar(
        "/* rekeys.repeated */ SELECT DISTINCT s.record_no
        FROM rekeys r JOIN corrections c ON c.correction_id = r.correction_id
        JOIN staged_accounts s ON s.account_ref = r.account_ref AND s.subject_id = r.from_subject
            AND s.holder_role = r.holder_role AND s.as_of_date >= r.as_of_from
            AND s.as_of_date <= coalesce(r.as_of_to, s.as_of_date)
        WHERE r.contributor_id = $1 AND r.applied_at IS NOT NULL
          AND NOT EXISTS (
              SELECT FROM rekeys g JOIN corrections d ON d.correction_id = g.correction_id
              WHERE g.contributor_id = r.contributor_id AND g.account_ref = r.account_ref AND g.holder_role = r.holder_role
                AND g.to_subject = r.from_subject AND g.applied_at IS NOT NULL AND d.publication_no > c.publication_no
                AND s.as_of_date >= g.as_of_from AND s.as_of_date <= coalesce(g.as_of_to, s.as_of_date))
          AND NOT EXISTS (SELECT FROM account_snapshots j WHERE j.batch_id = $2 AND j.record_no = s.record_no)",
    )
    .bind(contributor)
    .bind(batch)
    .fetch(connection)
}
