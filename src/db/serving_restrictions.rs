//! `serving_restrictions`: why an account is not served, or not shown in full. A case opens its restriction and lifts
//! it; `accounts.serving_state` repeats the strictest open one, so that lookups need not look here.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::ids::ContributorId;

/// What a restriction does to lookups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restriction {
    /// Whose account it is stands in question: it is not served.
    InReview,
    /// It is counted as disputed, and its content is not shown (`domain.md` 6.5).
    Disputed,
    /// It is not served.
    Hidden,
}

impl Restriction {
    pub fn as_str(self) -> &'static str {
        match self {
            Restriction::InReview => "IN_REVIEW",
            Restriction::Disputed => "DISPUTED",
            Restriction::Hidden => "HIDDEN",
        }
    }
}

/// Lifts what a case put on an account. Another case's restriction stays in force.
pub async fn lift_in_tx(
    connection: &mut PgConnection,
    (contributor, account_ref): (ContributorId, &str),
    restriction: Restriction,
    case: Uuid,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* serving_restrictions.lift */ UPDATE serving_restrictions SET lifted_at = $5
        WHERE contributor_id = $1 AND account_ref = $2 AND kind = $3 AND case_id = $4 AND lifted_at IS NULL",
    )
    .bind(contributor)
    .bind(account_ref)
    .bind(restriction.as_str())
    .bind(case)
    .bind(at)
    .execute(&mut *connection)
    .await?;
    settle_account_in_tx(connection, contributor, account_ref).await
}

/// Brings every account of the contributor with an open restriction to its state: after a merge or a fold, which
/// write accounts as visible.
pub async fn apply_in_tx(connection: &mut PgConnection, contributor: ContributorId) -> Result<()> {
    sqlx::query(
        "/* serving_restrictions.apply */ UPDATE accounts a SET serving_state = r.state
        FROM (SELECT account_ref, CASE WHEN bool_or(kind = 'HIDDEN') THEN 3 WHEN bool_or(kind = 'IN_REVIEW') THEN 1
                                  ELSE 2 END AS state
              FROM serving_restrictions WHERE contributor_id = $1 AND lifted_at IS NULL GROUP BY account_ref) r
        WHERE a.contributor_id = $1 AND a.account_ref = r.account_ref AND a.serving_state <> r.state",
    )
    .bind(contributor)
    .execute(connection)
    .await?;
    Ok(())
}

/// Brings one account, all its holders, to the state that its open restrictions ask for.
async fn settle_account_in_tx(
    connection: &mut PgConnection,
    contributor: ContributorId,
    account_ref: &str,
) -> Result<()> {
    sqlx::query(
        "/* serving_restrictions.settle_account */ UPDATE accounts a SET serving_state = r.state
        FROM (SELECT CASE WHEN bool_or(kind = 'HIDDEN') THEN 3 WHEN bool_or(kind = 'IN_REVIEW') THEN 1
                     WHEN bool_or(kind = 'DISPUTED') THEN 2 ELSE 0 END AS state
              FROM serving_restrictions WHERE contributor_id = $1 AND account_ref = $2 AND lifted_at IS NULL) r
        WHERE a.contributor_id = $1 AND a.account_ref = $2 AND a.serving_state <> r.state",
    )
    .bind(contributor)
    .bind(account_ref)
    .execute(connection)
    .await?;
    Ok(())
}
