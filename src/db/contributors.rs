//! `contributors`: who sends data, and on which terms.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor};

use super::{constants, overrides};
use crate::domain::contract::{Constant, Dataset, ProductType, Terms};
use crate::domain::rules::RuleOverride;
use crate::error::{Error, Result};
use crate::ids::ContributorId;

/// An organisation that sends data.
#[derive(Clone, Debug)]
pub struct Contributor {
    pub contributor_id: ContributorId,
    /// Short name for humans, scripts and object keys; never changes.
    pub slug: String,
    pub name: String,
    pub suspended: bool,
    pub terms: Terms,
    pub created_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    contributor_id: ContributorId,
    slug: String,
    name: String,
    status: String,
    datasets: Vec<String>,
    currencies: Vec<String>,
    products: Option<Vec<String>>,
    open_window_months: i32,
    backfill_from: Option<NaiveDate>,
    reject_threshold_bps: i32,
    identity_threshold_bps: i32,
    notice_attested_until: Option<NaiveDate>,
    retention_months: i32,
    overrides: Json<Vec<overrides::Stored>>,
    constants: Json<Vec<constants::Stored>>,
    pins: Json<Vec<(String, u32)>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Contributor {
    type Error = Error;

    fn try_from(row: Row) -> Result<Contributor> {
        let unknown = |column| Error::Inconsistent {
            table: "contributors",
            column,
            row: row.contributor_id.to_string(),
        };
        let count = |value: i32, column| u32::try_from(value).map_err(|_| unknown(column));
        let datasets = row.datasets.iter().map(|word| Dataset::parse(word).ok_or(unknown("datasets")));
        let products = row.products.as_ref().map(|words| {
            words.iter().map(|word| ProductType::parse(word).ok_or(unknown("products"))).collect()
        });
        let pins = row.pins.0.iter().map(|(word, version)| {
            Dataset::parse(word).map(|dataset| (dataset, *version)).ok_or(unknown("pins"))
        });
        let terms = Terms {
            datasets: datasets.collect::<Result<_>>()?,
            currencies: row.currencies.clone(),
            products: products.transpose()?,
            open_window_months: count(row.open_window_months, "open_window_months")?,
            backfill_from: row.backfill_from,
            reject_threshold_bps: count(row.reject_threshold_bps, "reject_threshold_bps")?,
            identity_threshold_bps: count(row.identity_threshold_bps, "identity_threshold_bps")?,
            notice_attested_until: row.notice_attested_until,
            retention_months: count(row.retention_months, "retention_months")?,
            overrides: row.overrides.0.into_iter().map(RuleOverride::try_from).collect::<Result<_>>()?,
            constants: row.constants.0.into_iter().map(Constant::try_from).collect::<Result<_>>()?,
            pins: pins.collect::<Result<_>>()?,
        };
        Ok(Contributor {
            contributor_id: row.contributor_id,
            suspended: row.status == "suspended",
            terms,
            created_at: row.created_at,
            slug: row.slug,
            name: row.name,
        })
    }
}

/// The columns of [`Row`]: the contributor's own, and what was agreed with it and holds or will hold. What day it is
/// does not matter here: a batch is judged by the agreement of its day of receipt.
macro_rules! contributor_columns {
    () => {
        "contributor_id, slug, name, status, datasets, currencies, products, open_window_months, backfill_from, \
         reject_threshold_bps, identity_threshold_bps, notice_attested_until, retention_months, created_at, \
         (SELECT coalesce(jsonb_agg(jsonb_build_object('override_id', o.override_id, 'code', o.code, \
              'effect', o.effect, 'starts_on', o.starts_on, 'expires_on', o.expires_on) ORDER BY o.override_id), '[]') \
          FROM rule_overrides o WHERE o.contributor_id = c.contributor_id \
              AND o.approved_at IS NOT NULL AND o.revoked_at IS NULL) AS overrides, \
         (SELECT coalesce(jsonb_agg(jsonb_build_object('constant_id', k.constant_id, 'dataset', k.dataset, \
              'field', k.field, 'value', k.value) ORDER BY k.constant_id), '[]') \
          FROM contributor_constants k WHERE k.contributor_id = c.contributor_id \
              AND k.approved_at IS NOT NULL AND k.revoked_at IS NULL) AS constants, \
         (SELECT coalesce(jsonb_agg(jsonb_build_array(p.dataset, p.version) ORDER BY p.dataset), '[]') \
          FROM contract_pins p WHERE p.contributor_id = c.contributor_id) AS pins"
    };
}

pub async fn find(executor: impl PgExecutor<'_>, id: ContributorId) -> Result<Option<Contributor>> {
    sqlx::query_as::<_, Row>(concat!(
        "/* contributors.find */ SELECT ",
        contributor_columns!(),
        " FROM contributors c WHERE contributor_id = $1"
    ))
    .bind(id)
    .fetch_optional(executor)
    .await?
    .map(Contributor::try_from)
    .transpose()
}

pub async fn find_by_slug(executor: impl PgExecutor<'_>, slug: &str) -> Result<Option<Contributor>> {
    sqlx::query_as::<_, Row>(concat!(
        "/* contributors.find_by_slug */ SELECT ",
        contributor_columns!(),
        " FROM contributors c WHERE slug = $1"
    ))
    .bind(slug)
    .fetch_optional(executor)
    .await?
    .map(Contributor::try_from)
    .transpose()
}

/// Inserts an active contributor. A taken slug violates `contributors_slug_key`.
pub async fn insert(executor: impl PgExecutor<'_>, contributor: &Contributor) -> sqlx::Result<()> {
    let terms = &contributor.terms;
    let datasets: Vec<&str> = terms.datasets.iter().map(|dataset| dataset.as_str()).collect();
    let products: Option<Vec<&str>> =
        terms.products.as_ref().map(|products| products.iter().map(|product| product.as_str()).collect());
    sqlx::query(
        "/* contributors.insert */
         INSERT INTO contributors (contributor_id, slug, name, datasets, currencies, products,
             open_window_months, backfill_from, reject_threshold_bps, identity_threshold_bps,
             notice_attested_until, retention_months, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
             -- Whoever says no day has a year: nobody is attested for ever (L003).
             coalesce($11, (($13 AT TIME ZONE 'Asia/Kuala_Lumpur') + interval '12 months')::date), $12, $13)",
    )
    .bind(contributor.contributor_id)
    .bind(&contributor.slug)
    .bind(&contributor.name)
    .bind(datasets)
    .bind(&terms.currencies)
    .bind(products)
    .bind(i64::from(terms.open_window_months))
    .bind(terms.backfill_from)
    .bind(i64::from(terms.reject_threshold_bps))
    .bind(i64::from(terms.identity_threshold_bps))
    .bind(terms.notice_attested_until)
    .bind(i64::from(terms.retention_months))
    .bind(contributor.created_at)
    .execute(executor)
    .await?;
    Ok(())
}

/// Notes until when the notice to customers is attested; tells whether there is such a contributor.
pub async fn attest_notice(
    executor: impl PgExecutor<'_>,
    id: ContributorId,
    until: NaiveDate,
) -> sqlx::Result<bool> {
    let result = sqlx::query(
        "/* contributors.attest_notice */
         UPDATE contributors SET notice_attested_until = $2 WHERE contributor_id = $1",
    )
    .bind(id)
    .bind(until)
    .execute(executor)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Suspends an active contributor; tells whether there was one to suspend.
pub async fn suspend(
    executor: impl PgExecutor<'_>,
    id: ContributorId,
    at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let result = sqlx::query(
        "/* contributors.suspend */
         UPDATE contributors SET status = 'suspended', suspended_at = $2
         WHERE contributor_id = $1 AND status = 'active'",
    )
    .bind(id)
    .bind(at)
    .execute(executor)
    .await?;
    Ok(result.rows_affected() == 1)
}
