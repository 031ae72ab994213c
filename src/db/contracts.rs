//! `contracts` and `contract_pins`: the versions of each dataset's contract, and which of them contributors mean.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::approvals::Signature;
use crate::domain::contract::Dataset;
use crate::domain::contract::version::Definition;
use crate::error::{Error, Result};
use crate::ids::ContributorId;

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContractState {
    /// Operators work on it; nobody can send with it.
    Draft,
    Published,
    /// Taken as ever, with the day on which it ends in every answer.
    Deprecated,
    /// Not taken any more (F002).
    Retired,
}

impl ContractState {
    pub fn as_str(self) -> &'static str {
        match self {
            ContractState::Draft => "draft",
            ContractState::Published => "published",
            ContractState::Deprecated => "deprecated",
            ContractState::Retired => "retired",
        }
    }

    /// Whether batches may be sent with it.
    pub fn is_open(self) -> bool {
        matches!(self, ContractState::Published | ContractState::Deprecated)
    }
}

impl FromStr for ContractState {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        use ContractState::*;
        [Draft, Published, Deprecated, Retired].into_iter().find(|state| state.as_str() == word).ok_or(())
    }
}

/// What a version promises to those who send with the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compatibility {
    /// Whatever keeps to the version before keeps to this one.
    Backward,
    /// Nothing, for a stated reason.
    None,
}

impl Compatibility {
    pub fn as_str(self) -> &'static str {
        match self {
            Compatibility::Backward => "backward",
            Compatibility::None => "none",
        }
    }
}

/// One version of a dataset's contract.
#[derive(Clone, Debug)]
pub struct ContractVersion {
    pub dataset: Dataset,
    pub version: u32,
    pub state: ContractState,
    pub definition: Definition,
    pub compatibility: Compatibility,
    /// Why it is not compatible, where it is not.
    pub compatibility_reason: Option<String>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
    pub deprecated_at: Option<DateTime<Utc>>,
    /// The first day on which it may be retired.
    pub sunset_on: Option<NaiveDate>,
    pub retired_at: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct Row {
    dataset: String,
    version: i32,
    state: String,
    definition: Json<Definition>,
    compatibility: String,
    compatibility_reason: Option<String>,
    created_by: String,
    created_at: DateTime<Utc>,
    published_at: Option<DateTime<Utc>>,
    deprecated_at: Option<DateTime<Utc>>,
    sunset_on: Option<NaiveDate>,
    retired_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for ContractVersion {
    type Error = Error;

    fn try_from(row: Row) -> Result<ContractVersion> {
        let name = format!("{}/{}", row.dataset, row.version);
        let wrong = |column| Error::Inconsistent { table: "contracts", column, row: name.clone() };
        Ok(ContractVersion {
            dataset: Dataset::parse(&row.dataset).ok_or_else(|| wrong("dataset"))?,
            version: u32::try_from(row.version).map_err(|_| wrong("version"))?,
            state: row.state.parse().map_err(|()| wrong("state"))?,
            definition: row.definition.0,
            compatibility: match row.compatibility.as_str() {
                "backward" => Compatibility::Backward,
                _ => Compatibility::None,
            },
            compatibility_reason: row.compatibility_reason,
            created_by: row.created_by,
            created_at: row.created_at,
            published_at: row.published_at,
            deprecated_at: row.deprecated_at,
            sunset_on: row.sunset_on,
            retired_at: row.retired_at,
        })
    }
}

/// The columns of [`Row`].
macro_rules! contract_columns {
    () => {
        "dataset, version, state, definition, compatibility, compatibility_reason, created_by, created_at, \
         published_at, deprecated_at, sunset_on, retired_at"
    };
}

/// Every version of every dataset, oldest first.
pub async fn list(executor: impl PgExecutor<'_>) -> Result<Vec<ContractVersion>> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "/* contracts.list */ SELECT ",
        contract_columns!(),
        " FROM contracts ORDER BY dataset, version"
    ))
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(ContractVersion::try_from).collect()
}

/// Every version of a dataset, oldest first; nobody else changes one of them before the transaction ends.
pub async fn list_locked_in_tx(
    connection: &mut PgConnection,
    dataset: Dataset,
) -> Result<Vec<ContractVersion>> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "/* contracts.list_locked */ SELECT ",
        contract_columns!(),
        " FROM contracts WHERE dataset = $1 ORDER BY version FOR UPDATE"
    ))
    .bind(dataset.as_str())
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(ContractVersion::try_from).collect()
}

/// Inserts a draft.
pub async fn insert(executor: impl PgExecutor<'_>, draft: &ContractVersion) -> Result<()> {
    sqlx::query(
        "/* contracts.insert */ INSERT INTO contracts (dataset, version, state, definition, compatibility,
             compatibility_reason, created_by, created_at)
         VALUES ($1, $2, 'draft', $3, $4, $5, $6, $7)",
    )
    .bind(draft.dataset.as_str())
    .bind(i64::from(draft.version))
    .bind(Json(&draft.definition))
    .bind(draft.compatibility.as_str())
    .bind(&draft.compatibility_reason)
    .bind(&draft.created_by)
    .bind(draft.created_at)
    .execute(executor)
    .await?;
    Ok(())
}

/// Writes another definition into a draft.
pub async fn change_draft(executor: impl PgExecutor<'_>, draft: &ContractVersion) -> Result<()> {
    let updated = sqlx::query(
        "/* contracts.change_draft */ UPDATE contracts
         SET definition = $3, compatibility = $4, compatibility_reason = $5
         WHERE dataset = $1 AND version = $2 AND state = 'draft'",
    )
    .bind(draft.dataset.as_str())
    .bind(i64::from(draft.version))
    .bind(Json(&draft.definition))
    .bind(draft.compatibility.as_str())
    .bind(&draft.compatibility_reason)
    .execute(executor)
    .await?;
    super::ensure_one_row("contracts", &updated)
}

pub async fn publish(
    executor: impl PgExecutor<'_>,
    dataset: Dataset,
    version: u32,
    signature: Signature<'_>,
) -> Result<()> {
    let updated = sqlx::query(
        "/* contracts.publish */ UPDATE contracts SET state = 'published', published_by = $3, published_at = $4
         WHERE dataset = $1 AND version = $2 AND state = 'draft'",
    )
    .bind(dataset.as_str())
    .bind(i64::from(version))
    .bind(signature.by)
    .bind(signature.at)
    .execute(executor)
    .await?;
    super::ensure_one_row("contracts", &updated)
}

/// Announces the end of a version, or moves an announced one to another day.
pub async fn deprecate(
    executor: impl PgExecutor<'_>,
    dataset: Dataset,
    version: u32,
    sunset_on: NaiveDate,
    signature: Signature<'_>,
) -> Result<()> {
    let updated = sqlx::query(
        "/* contracts.deprecate */ UPDATE contracts
         SET state = 'deprecated', sunset_on = $3, deprecated_by = coalesce(deprecated_by, $4),
             deprecated_at = coalesce(deprecated_at, $5)
         WHERE dataset = $1 AND version = $2 AND state IN ('published', 'deprecated')",
    )
    .bind(dataset.as_str())
    .bind(i64::from(version))
    .bind(sunset_on)
    .bind(signature.by)
    .bind(signature.at)
    .execute(executor)
    .await?;
    super::ensure_one_row("contracts", &updated)
}

pub async fn retire(
    executor: impl PgExecutor<'_>,
    dataset: Dataset,
    version: u32,
    signature: Signature<'_>,
) -> Result<()> {
    let updated = sqlx::query(
        "/* contracts.retire */ UPDATE contracts SET state = 'retired', retired_by = $3, retired_at = $4
         WHERE dataset = $1 AND version = $2 AND state IN ('draft', 'deprecated')",
    )
    .bind(dataset.as_str())
    .bind(i64::from(version))
    .bind(signature.by)
    .bind(signature.at)
    .execute(executor)
    .await?;
    super::ensure_one_row("contracts", &updated)
}

/// Pins a contributor to a version, or to another one.
pub async fn pin(
    executor: impl PgExecutor<'_>,
    contributor: ContributorId,
    dataset: Dataset,
    version: u32,
    signature: Signature<'_>,
) -> Result<()> {
    sqlx::query(
        "/* contract_pins.pin */ INSERT INTO contract_pins (contributor_id, dataset, version, pinned_by, pinned_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (contributor_id, dataset) DO UPDATE
         SET version = EXCLUDED.version, pinned_by = EXCLUDED.pinned_by, pinned_at = EXCLUDED.pinned_at",
    )
    .bind(contributor)
    .bind(dataset.as_str())
    .bind(i64::from(version))
    .bind(signature.by)
    .bind(signature.at)
    .execute(executor)
    .await?;
    Ok(())
}

/// Pins every contributor that has no pin: what they send today must go on to be read as it is.
pub async fn pin_the_rest(
    executor: impl PgExecutor<'_>,
    dataset: Dataset,
    version: u32,
    signature: Signature<'_>,
) -> Result<u64> {
    let pinned = sqlx::query(
        "/* contract_pins.pin_the_rest */
         INSERT INTO contract_pins (contributor_id, dataset, version, pinned_by, pinned_at)
         SELECT contributor_id, $1, $2, $3, $4 FROM contributors
         ON CONFLICT (contributor_id, dataset) DO NOTHING",
    )
    .bind(dataset.as_str())
    .bind(i64::from(version))
    .bind(signature.by)
    .bind(signature.at)
    .execute(executor)
    .await?;
    Ok(pinned.rows_affected())
}

/// A contributor that still uses a version.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct User {
    pub slug: String,
    pub pinned: bool,
    /// When it last sent a batch under this version.
    pub last_received_at: Option<DateTime<Utc>>,
}

/// Who is left on a version: pinned to it, or sent with it.
pub async fn users(executor: impl PgExecutor<'_>, dataset: Dataset, version: u32) -> Result<Vec<User>> {
    let users = sqlx::query_as(
        "/* contracts.users */
         WITH sent AS (
             SELECT contributor_id, max(received_at) AS last_received_at FROM batches
             WHERE dataset = $1 AND envelope ->> 'schema_version' IN ($2::text, $2::text || '.0')
               AND received_at IS NOT NULL AND NOT dry_run
             GROUP BY contributor_id)
         SELECT c.slug, p.contributor_id IS NOT NULL AS pinned, sent.last_received_at
         FROM contributors c
         LEFT JOIN contract_pins p ON p.contributor_id = c.contributor_id AND p.dataset = $1 AND p.version = $3
         LEFT JOIN sent ON sent.contributor_id = c.contributor_id
         WHERE p.contributor_id IS NOT NULL OR sent.contributor_id IS NOT NULL
         ORDER BY c.slug",
    )
    .bind(dataset.as_str())
    .bind(version.to_string())
    .bind(i64::from(version))
    .fetch_all(executor)
    .await?;
    Ok(users)
}
