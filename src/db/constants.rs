//! `contributor_constants`: values that stand in for fields that a contributor's systems do not have.

use serde::Deserialize;
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::approvals::{Approval, Signature};
use crate::domain::contract::{Constant, Dataset, Field};
use crate::error::{Error, Result};
use crate::ids::{ConstantId, ContributorId};

/// A constant, whatever became of it.
#[derive(Clone, Debug, FromRow)]
pub struct StoredConstant {
    pub constant_id: ConstantId,
    pub contributor_id: ContributorId,
    pub dataset: String,
    pub field: String,
    pub value: String,
    pub reason: String,
    #[sqlx(flatten)]
    pub approval: Approval,
}

/// A constant as a contributor's terms carry it.
#[derive(Clone, Debug, Deserialize)]
pub struct Stored {
    constant_id: ConstantId,
    dataset: String,
    field: String,
    value: String,
}

impl TryFrom<Stored> for Constant {
    type Error = Error;

    fn try_from(row: Stored) -> Result<Constant> {
        let wrong = |column| Error::Inconsistent {
            table: "contributor_constants",
            column,
            row: row.constant_id.to_string(),
        };
        let dataset = Dataset::parse(&row.dataset).ok_or_else(|| wrong("dataset"))?;
        let field = Field::from_name(&row.field).ok_or_else(|| wrong("field"))?;
        Constant::parse(dataset, field, &row.value).map_err(|_| wrong("value"))
    }
}

/// Inserts a request; `false` when the field has a constant already.
pub async fn insert(executor: impl PgExecutor<'_>, asked: &StoredConstant) -> Result<bool> {
    let inserted = sqlx::query(
        "/* contributor_constants.insert */
         INSERT INTO contributor_constants (constant_id, contributor_id, dataset, field, value, reason,
             requested_by, requested_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (contributor_id, dataset, field) WHERE revoked_at IS NULL DO NOTHING",
    )
    .bind(asked.constant_id)
    .bind(asked.contributor_id)
    .bind(&asked.dataset)
    .bind(&asked.field)
    .bind(&asked.value)
    .bind(&asked.reason)
    .bind(&asked.approval.requested_by)
    .bind(asked.approval.requested_at)
    .execute(executor)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The columns of [`StoredConstant`].
macro_rules! constant_columns {
    () => {
        "constant_id, contributor_id, dataset, field, value, reason, requested_by, requested_at, approved_by, \
         approved_at, revoked_by, revoked_at"
    };
}

/// The constant of a field that is not revoked.
pub async fn find_open(
    executor: impl PgExecutor<'_>,
    contributor: ContributorId,
    dataset: &str,
    field: &str,
) -> Result<Option<StoredConstant>> {
    let row = sqlx::query_as(concat!(
        "/* contributor_constants.find_open */ SELECT ",
        constant_columns!(),
        " FROM contributor_constants
          WHERE contributor_id = $1 AND dataset = $2 AND field = $3 AND revoked_at IS NULL"
    ))
    .bind(contributor)
    .bind(dataset)
    .bind(field)
    .fetch_optional(executor)
    .await?;
    Ok(row)
}

/// A constant, locked until the transaction ends.
pub async fn find_locked_in_tx(
    connection: &mut PgConnection,
    id: ConstantId,
) -> Result<Option<StoredConstant>> {
    let row = sqlx::query_as(concat!(
        "/* contributor_constants.find_locked */ SELECT ",
        constant_columns!(),
        " FROM contributor_constants WHERE constant_id = $1 FOR UPDATE"
    ))
    .bind(id)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// All constants of a contributor, newest request first.
pub async fn list(executor: impl PgExecutor<'_>, contributor: ContributorId) -> Result<Vec<StoredConstant>> {
    let rows = sqlx::query_as(concat!(
        "/* contributor_constants.list */ SELECT ",
        constant_columns!(),
        " FROM contributor_constants WHERE contributor_id = $1 ORDER BY requested_at DESC, constant_id"
    ))
    .bind(contributor)
    .fetch_all(executor)
    .await?;
    Ok(rows)
}

pub async fn approve(executor: impl PgExecutor<'_>, id: ConstantId, signature: Signature<'_>) -> Result<()> {
    let updated = sqlx::query(
        "/* contributor_constants.approve */ UPDATE contributor_constants SET approved_by = $2, approved_at = $3
         WHERE constant_id = $1 AND approved_at IS NULL AND revoked_at IS NULL",
    )
    .bind(id)
    .bind(signature.by)
    .bind(signature.at)
    .execute(executor)
    .await?;
    super::ensure_one_row("contributor_constants", &updated)
}

pub async fn revoke(executor: impl PgExecutor<'_>, id: ConstantId, signature: Signature<'_>) -> Result<()> {
    let updated = sqlx::query(
        "/* contributor_constants.revoke */ UPDATE contributor_constants SET revoked_by = $2, revoked_at = $3
         WHERE constant_id = $1 AND revoked_at IS NULL",
    )
    .bind(id)
    .bind(signature.by)
    .bind(signature.at)
    .execute(executor)
    .await?;
    super::ensure_one_row("contributor_constants", &updated)
}
