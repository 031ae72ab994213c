//! What Postgres withholds of accounts, as the statements of `gold/` read it: `serving_restrictions` and `delistings`.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::error::Result;

/// Why an account is withheld.
#[derive(Clone, Debug, FromRow)]
pub struct Restriction {
    pub contributor_id: Uuid,
    pub account_ref: String,
    pub kind: String,
    pub opened_at: DateTime<Utc>,
    pub lifted_at: Option<DateTime<Utc>>,
}

/// Every restriction that was in force at an instant.
pub async fn restrictions(ex: impl PgExecutor<'_>, at: DateTime<Utc>) -> Result<Vec<Restriction>> {
    let restrictions = sqlx::query_as(
        "/* withheld.restrictions */
        SELECT contributor_id, account_ref, kind, opened_at, lifted_at FROM serving_restrictions
        WHERE opened_at <= $1 AND (lifted_at IS NULL OR lifted_at > $1)",
    )
    .bind(at)
    .fetch_all(ex)
    .await?;
    Ok(restrictions)
}

/// What was withheld at an instant, and what is withheld now: the latter as if it had been then.
pub async fn restrictions_then_and_now(
    ex: impl PgExecutor<'_>,
    known_at: DateTime<Utc>,
) -> Result<Vec<Restriction>> {
    let restrictions = sqlx::query_as(
        "/* withheld.restrictions_then_and_now */ SELECT contributor_id, account_ref, kind,
            least(opened_at, $1) AS opened_at, lifted_at
        FROM serving_restrictions
        WHERE lifted_at IS NULL OR (opened_at <= $1 AND lifted_at > $1)
        ORDER BY contributor_id, account_ref, kind, case_id",
    )
    .bind(known_at)
    .fetch_all(ex)
    .await?;
    Ok(restrictions)
}

/// A listing that was taken back.
#[derive(Clone, Debug, FromRow)]
pub struct Delisting {
    pub contributor_id: Uuid,
    pub account_ref: String,
    pub delisted_on: NaiveDate,
    pub delisted_at: DateTime<Utc>,
}

/// Every listing that had been taken back at an instant.
pub async fn delistings(ex: impl PgExecutor<'_>, known_at: DateTime<Utc>) -> Result<Vec<Delisting>> {
    let delistings = sqlx::query_as(
        "/* withheld.delistings */ SELECT contributor_id, account_ref, delisted_on, delisted_at FROM delistings
        WHERE delisted_at <= $1 ORDER BY contributor_id, account_ref, delisted_on",
    )
    .bind(known_at)
    .fetch_all(ex)
    .await?;
    Ok(delistings)
}
