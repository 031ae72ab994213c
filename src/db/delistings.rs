//! `delistings`: listings that contributors took back. `accounts.delisted_on` repeats the last one, so that lookups need
//! not look here.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::error::Result;
use crate::ids::{ClientId, ContributorId};

/// A listing taken back.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Delisting {
    pub contributor_id: ContributorId,
    pub account_ref: String,
    /// The business day of the delisting.
    pub delisted_on: NaiveDate,
    pub delisted_at: DateTime<Utc>,
    /// When the debt was settled, if that is why.
    pub settled_on: Option<NaiveDate>,
    /// Later than three working days after the settlement.
    pub breached: bool,
    pub client_id: ClientId,
}

/// What was taken back on a day.
pub async fn find(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    account_ref: &str,
    delisted_on: NaiveDate,
) -> Result<Option<Delisting>> {
    let found = sqlx::query_as(
        "/* delistings.find */ SELECT contributor_id, account_ref, delisted_on, delisted_at, settled_on, breached, client_id
        FROM delistings WHERE contributor_id = $1 AND account_ref = $2 AND delisted_on = $3",
    )
    .bind(contributor)
    .bind(account_ref)
    .bind(delisted_on)
    .fetch_optional(ex)
    .await?;
    Ok(found)
}

/// Enters a delisting, with its effect on the account. The caller holds the contributor's lane.
pub async fn insert_in_tx(connection: &mut PgConnection, delisting: &Delisting) -> Result<()> {
    sqlx::query(
        "/* delistings.insert */ INSERT INTO delistings
            (contributor_id, account_ref, delisted_on, delisted_at, settled_on, breached, client_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(delisting.contributor_id)
    .bind(&delisting.account_ref)
    .bind(delisting.delisted_on)
    .bind(delisting.delisted_at)
    .bind(delisting.settled_on)
    .bind(delisting.breached)
    .bind(delisting.client_id)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "/* delistings.delist */ UPDATE accounts SET delisted_on = $3
        WHERE contributor_id = $1 AND account_ref = $2",
    )
    .bind(delisting.contributor_id)
    .bind(&delisting.account_ref)
    .bind(delisting.delisted_on)
    .execute(connection)
    .await?;
    Ok(())
}

/// Tells the accounts of the contributor when they were delisted last: after a fold, which knows nothing of it.
pub async fn apply_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<()> {
    sqlx::query(
        "/* delistings.apply */ UPDATE accounts a SET delisted_on = d.delisted_on
        FROM (SELECT account_ref, max(delisted_on) AS delisted_on FROM delistings
              WHERE contributor_id = $1 GROUP BY account_ref) d
        WHERE a.contributor_id = $1 AND a.account_ref = d.account_ref
          AND a.delisted_on IS DISTINCT FROM d.delisted_on",
    )
    .bind(contributor)
    .execute(connection)
    .await?;
    Ok(())
}

/// A listing that stands.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Listing {
    pub account_ref: String,
    /// The snapshot that it stands in.
    pub as_of_date: NaiveDate,
    /// What is overdue.
    pub listed_sen: i64,
    pub dpd: i16,
    pub evidence_ref: String,
}

/// The contributor's listings that stand, by account reference, from after one on.
pub async fn live(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Listing>> {
    let listings = sqlx::query_as(
        "/* delistings.live */ SELECT account_ref, as_of_date, listed_sen, dpd, evidence_ref FROM accounts
        WHERE contributor_id = $1 AND listed_sen IS NOT NULL AND holder_role = 0 AND account_ref > coalesce($2, '')
        ORDER BY account_ref LIMIT $3",
    )
    .bind(contributor)
    .bind(after)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(listings)
}

/// Whether the contributor has the account, and whether it is listed.
pub async fn is_listed(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    account_ref: &str,
) -> Result<Option<bool>> {
    let listed = sqlx::query_scalar(
        "/* delistings.is_listed */ SELECT bool_or(listed_sen IS NOT NULL) FROM accounts
        WHERE contributor_id = $1 AND account_ref = $2",
    )
    .bind(contributor)
    .bind(account_ref)
    .fetch_one(ex)
    .await?;
    Ok(listed)
}
