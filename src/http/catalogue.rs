//! What is checked, as data: the rules and the contract's schema. Contributors read their rejects against these.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::extract::{Path, Query};
use super::headers::is_known;
use super::problem::{Problem, ProblemKind};
use super::rule_page::{self, PAGE_POLICY};
use super::{contracts, examples};
use crate::app::AppState;
use crate::domain::contract::Dataset;
use crate::domain::contract::schema::json_schema;
use crate::domain::rules::{self, Code, Family, RULES, RULES_VERSION, Rule, RuleView};

/// The rules that are in force.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RuleList {
    /// Changes with any rule that could change a verdict; every report names it.
    version: &'static str,
    rules: Vec<RuleView>,
}

/// Which rules to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RuleQuery {
    /// Only the rules of one family, by the letter of its codes.
    #[param(inline)]
    family: Option<Family>,
    /// Only the rules that look at batches of one dataset.
    #[param(inline)]
    dataset: Option<Dataset>,
}

impl RuleQuery {
    fn asks_for(&self, rule: &Rule) -> bool {
        self.family.is_none_or(|family| rule.family() == family)
            && self.dataset.is_none_or(|dataset| rule.datasets().contains(&dataset))
    }
}

/// All rules, with what they mean and what to do about them
#[utoipa::path(
    get, path = "/v1/rules", tag = "reference", params(RuleQuery),
    responses(
        (status = 200, description = "The catalogue", body = RuleList, example = json!(examples::rules())),
        (status = 304, description = "The rules are still those of If-None-Match"),
    )
)]
pub async fn list_rules(Query(query): Query<RuleQuery>, headers: HeaderMap) -> Response {
    unless_known(&headers, &entity_tag("json"), || {
        let asked = RULES.iter().filter(|rule| query.asks_for(rule));
        Json(RuleList { version: RULES_VERSION, rules: asked.map(RuleView::from).collect() }).into_response()
    })
}

/// One rule, with an example that breaks it and one that passes
///
/// As JSON, or as a page for people where Accept prefers text/html.
#[utoipa::path(
    get, path = "/v1/rules/{code}", tag = "reference",
    params(
        ("code" = String, Path, description = "The permanent code", example = "X007"),
        ("Accept" = Option<String>, Header, description = "application/json or text/html"),
    ),
    responses(
        (status = 200, description = "The rule", content(
            (RuleView = "application/json", example = json!(examples::rule_with_example())),
            (String = "text/html", example = json!("<!doctype html>")),
        )),
        (status = 304, description = "The rule is still the one of If-None-Match"),
    )
)]
pub async fn find_rule(Path(code): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let rule = Code::parse(&code).map(rules::rule).ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let as_page = prefers_html(&headers);
    let mut response = unless_known(&headers, &entity_tag(if as_page { "html" } else { "json" }), || {
        let view = RuleView::with_example(rule);
        if !as_page {
            return Json(view).into_response();
        }
        let html = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)),
        ];
        (html, rule_page::page(&view, RULES_VERSION)).into_response()
    });
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// What is told of rules changes with their version, or with the program that tells it.
fn entity_tag(shape: &str) -> String {
    format!("\"{RULES_VERSION}/{}/{shape}\"", env!("CARGO_PKG_VERSION"))
}

/// The answer, or 304 where the caller has it already. Kept, and asked about before use.
fn unless_known(headers: &HeaderMap, tag: &str, answer: impl FnOnce() -> Response) -> Response {
    let known = is_known(headers, tag);
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { answer() };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Whether a page is wanted more than data. Whoever has no wish gets data.
fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    quality(accept, "text", "html") > quality(accept, "application", "json")
}

/// How much a media type is wanted, in thousandths: what the most specific range of Accept says (RFC 9110 section
/// 12.5.1).
fn quality(accept: &str, kind: &str, subtype: &str) -> u32 {
    let range = |text: &str| {
        let mut parts = text.split(';').map(str::trim);
        let (left, right) = parts.next()?.split_once('/')?;
        let specific = match (left == kind, right == subtype) {
            (true, true) => 2,
            (true, _) if right == "*" => 1,
            _ if left == "*" && right == "*" => 0,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        Some((specific, weight.map_or(1000, thousandths)))
    };
    accept.split(',').filter_map(range).max_by_key(|(specific, _)| *specific).map_or(0, |(_, weight)| weight)
}

/// A weight of at most three decimals; one that cannot be read counts as none.
fn thousandths(weight: &str) -> u32 {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    format!("{whole}{decimals:0<3}").parse().unwrap_or(0).min(1000)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_who_prefers_one() {
        let prefers = |accept: &'static str| {
            prefers_html(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]))
        };
        assert!(prefers("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), "a browser");
        assert!(
            prefers("text/html") && prefers("text/*") && prefers("application/json;q=0.5, text/html;q=0.501")
        );
        for data in
            ["*/*", "application/json", "text/html;q=0.5, application/json", "image/png", "", "text/html;q=x"]
        {
            assert!(!prefers(data), "{data}");
        }
    }

    #[test]
    fn who_has_the_answer_already_is_told_so() {
        let status = |known: &'static str| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(known))]);
            unless_known(&headers, "\"1\"", || "answer".into_response()).status().as_u16()
        };
        assert_eq!([r#""1""#, r#"W/"1""#, r#""0", "1""#, "*"].map(status), [304; 4]);
        assert_eq!([r#""0""#, "1", ""].map(status), [200; 3]);
    }
}
