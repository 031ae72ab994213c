//! The contract versions of a dataset, for whoever sends or is about to: public, since there is no data in them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::examples::contracts as examples;
use super::extract::Path;
use super::page::Page;
use super::problem::{Problem, ProblemKind};
use crate::access::contracts::{DatasetVersions, KnownVersion};
use crate::app::{App, AppState};
use crate::db::contracts::{Compatibility, ContractState, ContractVersion};
use crate::domain::contract::Dataset;
use crate::domain::contract::version::{Definition, parse_version};

/// RFC 9745.
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// RFC 8594.
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// A version and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContractSummary {
    pub dataset: Dataset,
    /// What `schema_version` says of a batch.
    pub version: u32,
    pub state: ContractState,
    /// What it promises to those who send with the version before.
    pub compatibility: Compatibility,
    /// Why it breaks the version before, where it does.
    pub compatibility_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
    pub deprecated_at: Option<DateTime<Utc>>,
    /// From this day on it may be refused (F002).
    pub sunset_on: Option<NaiveDate>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// A version with its definition.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContractView {
    pub contract: ContractSummary,
    /// Never changes once published.
    pub definition: Definition,
}

impl From<&ContractVersion> for ContractSummary {
    fn from(row: &ContractVersion) -> ContractSummary {
        ContractSummary {
            dataset: row.dataset,
            version: row.version,
            state: row.state,
            compatibility: row.compatibility,
            compatibility_reason: row.compatibility_reason.clone(),
            created_at: row.created_at,
            published_at: row.published_at,
            deprecated_at: row.deprecated_at,
            sunset_on: row.sunset_on,
            retired_at: row.retired_at,
        }
    }
}

impl From<&ContractVersion> for ContractView {
    fn from(row: &ContractVersion) -> ContractView {
        ContractView { contract: row.into(), definition: row.definition.clone() }
    }
}

/// Where a version is explained.
pub fn page_of(dataset: Dataset, version: u32) -> String {
    format!("/v1/datasets/{dataset}/contracts/{version}")
}

/// Says of a deprecated version since when it is, when it ends and what follows it; of any other nothing.
pub fn announce(headers: &mut HeaderMap, known: &KnownVersion, versions: &DatasetVersions) {
    let row = &known.row;
    let (ContractState::Deprecated, Some(since)) = (row.state, row.deprecated_at) else { return };
    let mut put = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(name, value);
        }
    };
    put(DEPRECATION, format!("@{}", since.timestamp()));
    if let Some(day) = row.sunset_on {
        let instant = day.and_time(NaiveTime::MIN).and_utc();
        put(SUNSET, instant.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    }
    if let Some(next) = versions.newest_published() {
        let page = page_of(row.dataset, next.row.version);
        put(header::LINK, format!("<{page}>; rel=\"successor-version\""));
    }
}

/// Announces the end of the version that a batch was sent with. The batch is acknowledged: nothing here may fail it.
pub async fn announce_for(app: &App, headers: &mut HeaderMap, dataset: Dataset, version: &str) {
    let Ok(versions) = app.contracts.versions_of(dataset).await else { return };
    if let Some(known) = parse_version(version).and_then(|version| versions.find(version)) {
        announce(headers, known, &versions);
    }
}

/// A version that was published, by the words of a path.
pub async fn find_published(
    app: &App,
    dataset: &str,
    version: Option<&str>,
) -> Result<(std::sync::Arc<KnownVersion>, DatasetVersions), Problem> {
    let missing = || Problem::new(ProblemKind::NotFound);
    let versions = app.contracts.versions_of(Dataset::parse(dataset).ok_or_else(missing)?).await?;
    let known = match version {
        Some(text) => parse_version(text).and_then(|version| versions.find(version)),
        None => versions.newest_published(),
    };
    let known = known.filter(|known| known.contract.is_some()).ok_or_else(missing)?;
    Ok((std::sync::Arc::clone(known), versions.clone()))
}

/// The versions of a dataset's contract, oldest first
#[utoipa::path(
    get, path = "/v1/datasets/{dataset}/contracts", operation_id = "list_contracts", tag = "reference",
    params(("dataset" = Dataset, Path, description = "The dataset", example = "account_snapshot")),
    responses((status = 200, description = "Every version that was published", body = Page<ContractSummary>, example = json!(examples::list())),
        (status = 404, description = "no such dataset")),
)]
pub async fn list_contracts(
    State(app): State<AppState>,
    Path(dataset): Path<String>,
) -> Result<axum::Json<Page<ContractSummary>>, Problem> {
    let dataset = Dataset::parse(&dataset).ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let versions = app.contracts.versions_of(dataset).await?;
    let published = versions.iter().filter(|known| known.contract.is_some());
    let items = published.map(|known| ContractSummary::from(&known.row)).collect();
    Ok(axum::Json(Page { items, next_cursor: None }))
}

/// One version of a dataset's contract
#[utoipa::path(
    get, path = "/v1/datasets/{dataset}/contracts/{version}", operation_id = "find_contract", tag = "reference",
    params(("dataset" = Dataset, Path, description = "The dataset", example = "account_snapshot"),
        ("version" = String, Path, description = "The version", example = "1")),
    responses((status = 200, description = "The version; `Deprecation`, `Sunset` and `Link` when its end is announced", body = ContractView, example = json!(examples::contract())),
        (status = 404, description = "no such dataset, or no such version was published")),
)]
pub async fn find_contract(
    State(app): State<AppState>,
    Path((dataset, version)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (known, versions) = find_published(&app, &dataset, Some(&version)).await?;
    let mut response = axum::Json(ContractView::from(&known.row)).into_response();
    announce(response.headers_mut(), &known, &versions);
    Ok(response)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_page_has_one_address() {
        let page = super::page_of(super::Dataset::Application, 2);
        assert_eq!(page, "/v1/datasets/application/contracts/2");
    }
}
