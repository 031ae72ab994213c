//! What is checked, as data: the rules and the contract's schema. Contributors read their rejects against these.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;

use super::examples;
use super::extract::Path;
use super::problem::{Problem, ProblemKind};
use crate::domain::contract::schema::json_schema;
use crate::domain::contract::{Dataset, spec};
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

/// The contract of a dataset as JSON Schema 2020-12
#[utoipa::path(
    get, path = "/v1/datasets/{dataset}/schema", tag = "reference",
    params(("dataset" = Dataset, Path, description = "The dataset", example = "account_snapshot")),
    responses((status = 200, description = "JSON Schema of one record", body = Object, content_type = "application/schema+json", example = json!(examples::schema())))
)]
pub async fn find_dataset_schema(Path(dataset): Path<String>) -> Result<Response, Problem> {
    let dataset = Dataset::parse(&dataset).ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let mut response = Json(json_schema(spec::contract(dataset))).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/schema+json"));
    Ok(response)
}
