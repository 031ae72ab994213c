//! Overrides: a rule that is milder for one contributor for a while, as two operators agree.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::agreements::{ApprovalView, agreements};
use crate::access::agreement::{self, NewOverride, Operator};
use crate::app::AppState;
use crate::db::overrides::Override;
use crate::domain::rules::{Code, Effect};
use crate::http::auth::Authorized;
use crate::http::dates;
use crate::http::examples::operations as examples;
use crate::http::extract::{Json, Path, validation_failed};
use crate::http::page::Page;
use crate::http::problem::{FieldProblem, Problem};
use crate::ids::OverrideId;

/// A rule that should be milder for a contributor.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct OverrideRequest {
    /// The permanent code. Rules that protect integrity, identity or the law cannot be softened.
    pub code: String,
    /// `warn`: nothing is rejected or held for it. `off`: it says nothing.
    pub effect: Effect,
    /// Why, for whoever reads a report in a year; no personal data.
    #[validate(length(min = 10, max = 1000, message = "must have 10 to 1000 characters"))]
    #[schema(min_length = 10, max_length = 1000)]
    pub reason: String,
    /// The first day of receipt for which it holds; today when absent.
    #[serde(default, deserialize_with = "dates::optional_date")]
    pub starts_on: Option<NaiveDate>,
    /// The last one, at most 366 days later.
    #[serde(deserialize_with = "dates::date")]
    pub expires_on: NaiveDate,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OverrideView {
    pub id: OverrideId,
    pub code: &'static str,
    pub effect: Effect,
    pub reason: String,
    pub starts_on: NaiveDate,
    /// The last day on which it holds.
    pub expires_on: NaiveDate,
    pub approval: ApprovalView,
}

impl From<Override> for OverrideView {
    fn from(found: Override) -> OverrideView {
        OverrideView {
            id: found.agreed.override_id,
            code: found.agreed.code.as_str(),
            effect: found.agreed.effect,
            reason: found.reason,
            starts_on: found.agreed.starts_on,
            expires_on: found.agreed.expires_on,
            approval: found.approval.into(),
        }
    }
}

/// Ask that a rule be milder for a contributor for a while.
///
/// It holds for batches received between its days once another operator has agreed; a batch that holds is judged
/// under it when it is judged again. The same request again is the same override.
#[utoipa::path(
    post, path = "/v1/operations/contributors/{slug}/overrides", operation_id = "request_override", tag = "operations",
    params(("slug" = String, Path, example = json!(examples::SLUG))),
    request_body(content = OverrideRequest, example = json!(examples::override_request())),
    responses((status = 201, description = "the override, which waits for another operator", body = OverrideView, example = json!(examples::override_requested())),
        (status = 404, description = "no such contributor"),
        (status = 409, description = "`conflict`: another override of the rule starts on that day"),
        (status = 422, description = "`unprocessable`: the rule cannot be softened, or the time is not allowed")),
)]
pub async fn request_override(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(slug): Path<String>,
    Json(request): Json<OverrideRequest>,
) -> Result<Response, Problem> {
    let code = Code::parse(&request.code).ok_or_else(|| {
        validation_failed(vec![FieldProblem::new("/code", "unknown-value", "must be the code of a rule")])
    })?;
    let new = NewOverride {
        code,
        effect: request.effect,
        reason: request.reason,
        starts_on: request.starts_on,
        expires_on: request.expires_on,
    };
    let operator = Operator::client(&principal);
    let asked = agreements(&app, &operator).request_override(&slug, &new).await?;
    Ok((StatusCode::CREATED, axum::Json(OverrideView::from(asked))).into_response())
}

/// List a contributor's overrides, newest first, with those that are over.
#[utoipa::path(
    get, path = "/v1/operations/contributors/{slug}/overrides", operation_id = "list_overrides", tag = "operations",
    params(("slug" = String, Path, example = json!(examples::SLUG))),
    responses((status = 200, description = "all of them", body = Page<OverrideView>, example = json!(examples::overrides())),
        (status = 404, description = "no such contributor")),
)]
pub async fn list_overrides(
    State(app): State<AppState>,
    Path(slug): Path<String>,
) -> Result<axum::Json<Page<OverrideView>>, Problem> {
    let found = agreement::overrides_of(&app.db, &slug).await?;
    Ok(axum::Json(Page { items: found.into_iter().map(OverrideView::from).collect(), next_cursor: None }))
}

/// Agree to an override that another operator asked for.
#[utoipa::path(
    post, path = "/v1/operations/overrides/{override_id}/approve", operation_id = "approve_override", tag = "operations",
    params(("override_id" = OverrideId, Path, example = json!(examples::OVERRIDE_ID))),
    responses((status = 200, description = "the override; doing it again changes nothing", body = OverrideView, example = json!(examples::override_approved())),
        (status = 404, description = "no such override"),
        (status = 409, description = "`same-operator`: you asked for it; `conflict`: it is revoked")),
)]
pub async fn approve_override(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<OverrideId>,
) -> Result<axum::Json<OverrideView>, Problem> {
    let operator = Operator::client(&principal);
    Ok(axum::Json(agreements(&app, &operator).approve_override(id).await?.into()))
}

/// End an override, or withdraw the request: from now on nothing is judged under it.
#[utoipa::path(
    post, path = "/v1/operations/overrides/{override_id}/revoke", operation_id = "revoke_override", tag = "operations",
    params(("override_id" = OverrideId, Path, example = json!(examples::OVERRIDE_ID))),
    responses((status = 200, description = "the override; doing it again changes nothing", body = OverrideView, example = json!(examples::override_revoked())),
        (status = 404, description = "no such override")),
)]
pub async fn revoke_override(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<OverrideId>,
) -> Result<axum::Json<OverrideView>, Problem> {
    let operator = Operator::client(&principal);
    Ok(axum::Json(agreements(&app, &operator).revoke_override(id).await?.into()))
}
