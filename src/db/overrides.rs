//! `rule_overrides`: rules that are milder for one contributor, and under which of them batches were judged.

use chrono::NaiveDate;
use serde::Deserialize;
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::approvals::{Approval, Signature};
use crate::domain::rules::{Code, Effect, RuleOverride};
use crate::error::{Error, Result};
use crate::ids::{BatchId, ContributorId, OverrideId};

/// An override, whatever became of it.
#[derive(Clone, Debug)]
pub struct Override {
    pub contributor_id: ContributorId,
    pub agreed: RuleOverride,
    pub reason: String,
    pub approval: Approval,
}

#[derive(FromRow)]
struct Row {
    override_id: OverrideId,
    contributor_id: ContributorId,
    code: String,
    effect: String,
    reason: String,
    starts_on: NaiveDate,
    expires_on: NaiveDate,
    #[sqlx(flatten)]
    approval: Approval,
}

/// An override as a contributor's terms carry it.
#[derive(Clone, Debug, Deserialize)]
pub struct Stored {
    override_id: OverrideId,
    code: String,
    effect: String,
    starts_on: NaiveDate,
    expires_on: NaiveDate,
}

impl TryFrom<Stored> for RuleOverride {
    type Error = Error;

    fn try_from(row: Stored) -> Result<RuleOverride> {
        let wrong = |column| Error::Inconsistent {
            table: "rule_overrides",
            column,
            row: row.override_id.to_string(),
        };
        Ok(RuleOverride {
            override_id: row.override_id,
            code: Code::parse(&row.code).ok_or_else(|| wrong("code"))?,
            effect: Effect::parse(&row.effect).ok_or_else(|| wrong("effect"))?,
            starts_on: row.starts_on,
            expires_on: row.expires_on,
        })
    }
}

impl TryFrom<Row> for Override {
    type Error = Error;

    fn try_from(row: Row) -> Result<Override> {
        let Row { override_id, code, effect, starts_on, expires_on, .. } = row;
        let agreed = Stored { override_id, code, effect, starts_on, expires_on };
        Ok(Override {
            contributor_id: row.contributor_id,
            agreed: agreed.try_into()?,
            reason: row.reason,
            approval: row.approval,
        })
    }
}

/// Inserts a request; `false` when the rule has one of the same first day already.
pub async fn insert(executor: impl PgExecutor<'_>, asked: &Override) -> Result<bool> {
    let agreed = &asked.agreed;
    let inserted = sqlx::query(
        "/* rule_overrides.insert */
         INSERT INTO rule_overrides (override_id, contributor_id, code, effect, reason, starts_on, expires_on,
             requested_by, requested_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (contributor_id, code, starts_on) WHERE revoked_at IS NULL DO NOTHING",
    )
    .bind(agreed.override_id)
    .bind(asked.contributor_id)
    .bind(agreed.code.as_str())
    .bind(agreed.effect.as_str())
    .bind(&asked.reason)
    .bind(agreed.starts_on)
    .bind(agreed.expires_on)
    .bind(&asked.approval.requested_by)
    .bind(asked.approval.requested_at)
    .execute(executor)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The columns of [`Row`].
macro_rules! override_columns {
    () => {
        "override_id, contributor_id, code, effect, reason, starts_on, expires_on, requested_by, requested_at, \
         approved_by, approved_at, revoked_by, revoked_at"
    };
}

/// The override of a rule from a day on that is not revoked.
pub async fn find_open(
    executor: impl PgExecutor<'_>,
    contributor: ContributorId,
    code: Code,
    starts_on: NaiveDate,
) -> Result<Option<Override>> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "/* rule_overrides.find_open */ SELECT ",
        override_columns!(),
        " FROM rule_overrides WHERE contributor_id = $1 AND code = $2 AND starts_on = $3 AND revoked_at IS NULL"
    ))
    .bind(contributor)
    .bind(code.as_str())
    .bind(starts_on)
    .fetch_optional(executor)
    .await?;
    row.map(Override::try_from).transpose()
}

/// An override, locked until the transaction ends.
pub async fn find_locked_in_tx(connection: &mut PgConnection, id: OverrideId) -> Result<Option<Override>> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "/* rule_overrides.find_locked */ SELECT ",
        override_columns!(),
        " FROM rule_overrides WHERE override_id = $1 FOR UPDATE"
    ))
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.map(Override::try_from).transpose()
}

/// All overrides of a contributor, newest request first.
pub async fn list(executor: impl PgExecutor<'_>, contributor: ContributorId) -> Result<Vec<Override>> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "/* rule_overrides.list */ SELECT ",
        override_columns!(),
        " FROM rule_overrides WHERE contributor_id = $1 ORDER BY requested_at DESC, override_id"
    ))
    .bind(contributor)
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(Override::try_from).collect()
}

pub async fn approve(executor: impl PgExecutor<'_>, id: OverrideId, signature: Signature<'_>) -> Result<()> {
    let updated = sqlx::query(
        "/* rule_overrides.approve */ UPDATE rule_overrides SET approved_by = $2, approved_at = $3
         WHERE override_id = $1 AND approved_at IS NULL AND revoked_at IS NULL",
    )
    .bind(id)
    .bind(signature.by)
    .bind(signature.at)
    .execute(executor)
    .await?;
    super::ensure_one_row("rule_overrides", &updated)
}

pub async fn revoke(executor: impl PgExecutor<'_>, id: OverrideId, signature: Signature<'_>) -> Result<()> {
    let updated = sqlx::query(
        "/* rule_overrides.revoke */ UPDATE rule_overrides SET revoked_by = $2, revoked_at = $3
         WHERE override_id = $1 AND revoked_at IS NULL",
    )
    .bind(id)
    .bind(signature.by)
    .bind(signature.at)
    .execute(executor)
    .await?;
    super::ensure_one_row("rule_overrides", &updated)
}

/// What a batch was judged under beside the rules themselves.
#[derive(Clone, Debug, Default, FromRow)]
pub struct Leniency {
    /// A list of [`crate::domain::rules::Softened`].
    pub softened: Option<serde_json::Value>,
    /// Records per imputed field.
    pub imputed: Option<serde_json::Value>,
}

impl Leniency {
    /// The agreements and constants by kind and name, as lineage speaks of them.
    pub fn sources(&self) -> Vec<(&'static str, String)> {
        let softened = self.softened.as_ref().and_then(|list| list.as_array()).into_iter().flatten();
        let overrides =
            softened.filter_map(|one| Some(("override", one["override_id"].as_str()?.to_owned())));
        let imputed = self.imputed.as_ref().and_then(|fields| fields.as_object());
        let constants = imputed.into_iter().flatten().map(|(field, _)| ("constant", field.clone()));
        overrides.chain(constants).collect()
    }
}

/// Keeps with a batch what its verdict was reached under.
pub async fn set_leniency_in_tx(
    connection: &mut PgConnection,
    batch: BatchId,
    leniency: &Leniency,
) -> Result<()> {
    let updated = sqlx::query(
        "/* batches.set_leniency */ UPDATE batches SET softened = $2, imputed = $3 WHERE batch_id = $1",
    )
    .bind(batch)
    .bind(&leniency.softened)
    .bind(&leniency.imputed)
    .execute(connection)
    .await?;
    super::ensure_one_row("batches", &updated)
}

pub async fn leniency(executor: impl PgExecutor<'_>, batch: BatchId) -> Result<Leniency> {
    let found =
        sqlx::query_as("/* batches.leniency */ SELECT softened, imputed FROM batches WHERE batch_id = $1")
            .bind(batch)
            .fetch_optional(executor)
            .await?;
    Ok(found.unwrap_or_default())
}
