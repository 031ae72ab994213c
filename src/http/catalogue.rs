//! What is checked, as data: the rules and the contract's schema. Contributors read their rejects against these.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};

use super::extract::{Path, Query};
use super::problem::{Problem, ProblemKind};
use super::{contracts, examples};
use crate::app::AppState;
use crate::domain::contract::Dataset;
use crate::domain::contract::schema::json_schema;
use crate::domain::rules::{self, Code, RULES, RULES_VERSION, RuleView};

/// The rules that are in force.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RuleList {
    /// Changes with any rule that could change a verdict; every report names it.
    version: &'static str,
    rules: Vec<RuleView>,
}

/// All rules, with what they mean and what to do about them
#[utoipa::path(get, path = "/v1/rules", tag = "reference", responses((status = 200, description = "The catalogue", body = RuleList, example = json!(examples::rules()))))]
pub async fn list_rules() -> Json<RuleList> {
    Json(RuleList { version: RULES_VERSION, rules: RULES.iter().map(RuleView::from).collect() })
}

/// One rule
#[utoipa::path(
    get, path = "/v1/rules/{code}", tag = "reference",
    params(("code" = String, Path, description = "The permanent code", example = "X007")),
    responses((status = 200, description = "The rule", body = RuleView, example = json!(examples::rule())))
)]
pub async fn find_rule(Path(code): Path<String>) -> Result<Json<RuleView>, Problem> {
    let rule = Code::parse(&code).map(rules::rule).ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    Ok(Json(rule.into()))
}

/// Which version of a contract.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SchemaQuery {
    /// A version that was published; the newest one when absent.
    pub version: Option<String>,
}

/// The contract of a dataset as JSON Schema 2020-12
#[utoipa::path(
    get, path = "/v1/datasets/{dataset}/schema", tag = "reference",
    params(("dataset" = Dataset, Path, description = "The dataset", example = "account_snapshot"), SchemaQuery),
    responses((status = 200, description = "JSON Schema of one record", body = Object, content_type = "application/schema+json", example = json!(examples::schema())))
)]
pub async fn find_dataset_schema(
    State(app): State<AppState>,
    Path(dataset): Path<String>,
    Query(query): Query<SchemaQuery>,
) -> Result<Response, Problem> {
    let (known, versions) = contracts::find_published(&app, &dataset, query.version.as_deref()).await?;
    let contract = known.contract.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let mut response = Json(json_schema(contract)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/schema+json"));
    contracts::announce(response.headers_mut(), &known, &versions);
    Ok(response)
}
