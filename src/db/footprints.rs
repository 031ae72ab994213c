//! `footprints`: who asked about whom. Rows are added and never changed; the table itself refuses.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::PgExecutor;

use crate::error::{Error, Result};
use crate::ids::{ClientId, QueryId, SubjectId};
use crate::privacy::Token;

/// One question and what kind of answer it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    pub query_id: QueryId,
    pub subject_token: Token,
    /// `None` when nobody was known by the token.
    pub subject_id: Option<SubjectId>,
    pub client_id: ClientId,
    pub end_user: Option<String>,
    pub purpose: &'static str,
    pub inquiry_type: &'static str,
    pub consent_reference: String,
    pub consent_obtained_at: DateTime<Utc>,
    pub consent_expires_at: DateTime<Utc>,
    pub client_reference: String,
    pub as_of: NaiveDate,
    pub hit_status: &'static str,
    /// Accounts that were told.
    pub account_count: i32,
    pub attribute_set_version: &'static str,
    pub answered_at: DateTime<Utc>,
}

const INSERT_ALL: &str = "/* footprints.insert_all */
    INSERT INTO footprints (
        query_id, subject_token, subject_id, client_id, end_user, purpose, inquiry_type, consent_reference,
        consent_obtained_at, consent_expires_at, client_reference, as_of, hit_status, account_count,
        attribute_set_version, answered_at
    )
    SELECT * FROM unnest(
        $1::uuid[], $2::bytea[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::timestamptz[], $10::timestamptz[], $11::text[], $12::date[], $13::text[], $14::integer[],
        $15::text[], $16::timestamptz[]
    )";

/// Adds all footprints in one statement. On a pool or a plain connection the statement is its own
/// transaction: when this returns, they are durable.
pub async fn insert_all(executor: impl PgExecutor<'_>, footprints: &[Footprint]) -> Result<()> {
    fn column<'f, T>(footprints: &'f [Footprint], of: impl Fn(&'f Footprint) -> T) -> Vec<T> {
        footprints.iter().map(of).collect()
    }
    let result = sqlx::query(INSERT_ALL)
        .bind(column(footprints, |f| f.query_id.0))
        .bind(column(footprints, |f| f.subject_token))
        .bind(column(footprints, |f| f.subject_id.map(|id| id.0)))
        .bind(column(footprints, |f| f.client_id.0))
        .bind(column(footprints, |f| f.end_user.as_deref()))
        .bind(column(footprints, |f| f.purpose))
        .bind(column(footprints, |f| f.inquiry_type))
        .bind(column(footprints, |f| f.consent_reference.as_str()))
        .bind(column(footprints, |f| f.consent_obtained_at))
        .bind(column(footprints, |f| f.consent_expires_at))
        .bind(column(footprints, |f| f.client_reference.as_str()))
        .bind(column(footprints, |f| f.as_of))
        .bind(column(footprints, |f| f.hit_status))
        .bind(column(footprints, |f| f.account_count))
        .bind(column(footprints, |f| f.attribute_set_version))
        .bind(column(footprints, |f| f.answered_at))
        .execute(executor)
        .await?;
    match result.rows_affected() == footprints.len() as u64 {
        true => Ok(()),
        false => Err(Error::Internal(format!(
            "{} footprints were written for {} answers",
            result.rows_affected(),
            footprints.len()
        ))),
    }
}
