//! Constants: a value that stands in for a field that a contributor's systems do not have, as two operators agree.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::agreements::{ApprovalView, agreements};
use crate::access::agreement::{self, NewConstant, Operator};
use crate::app::AppState;
use crate::db::constants::StoredConstant;
use crate::domain::contract::{Dataset, Field};
use crate::http::auth::Authorized;
use crate::http::examples::operations as examples;
use crate::http::extract::{Json, Path, validation_failed};
use crate::http::page::Page;
use crate::http::problem::{FieldProblem, Problem};
use crate::ids::ConstantId;

/// A value that should stand in for a required field.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConstantRequest {
    pub dataset: Dataset,
    /// A required field that the contributor's systems do not have. What tells records apart takes no constant.
    pub field: String,
    /// As in a CSV file: amounts in sen, dates YYYY-MM-DD.
    pub value: String,
    /// Why, for whoever reads a report in a year; no personal data.
    #[validate(length(min = 10, max = 1000, message = "must have 10 to 1000 characters"))]
    #[schema(min_length = 10, max_length = 1000)]
    pub reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ConstantView {
    pub id: ConstantId,
    pub dataset: String,
    pub field: String,
    pub value: String,
    pub reason: String,
    pub approval: ApprovalView,
}

impl From<StoredConstant> for ConstantView {
    fn from(found: StoredConstant) -> ConstantView {
        ConstantView {
            id: found.constant_id,
            dataset: found.dataset,
            field: found.field,
            value: found.value,
            reason: found.reason,
            approval: found.approval.into(),
        }
    }
}

/// Ask that a constant stand in for a field that a contributor does not have.
///
/// Once another operator has agreed it is filled in wherever a row has nothing, before any rule looks; such values
/// are marked as imputed and scored. The same request again is the same constant.
#[utoipa::path(
    post, path = "/v1/operations/contributors/{slug}/constants", operation_id = "request_constant", tag = "operations",
    params(("slug" = String, Path, example = json!(examples::SLUG))),
    request_body(content = ConstantRequest, example = json!(examples::constant_request())),
    responses((status = 201, description = "the constant, which waits for another operator", body = ConstantView, example = json!(examples::constant_requested())),
        (status = 404, description = "no such contributor"),
        (status = 409, description = "`conflict`: the field has another constant"),
        (status = 422, description = "`unprocessable`: the field takes no constant, or not this one")),
)]
pub async fn request_constant(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(slug): Path<String>,
    Json(request): Json<ConstantRequest>,
) -> Result<Response, Problem> {
    let field = Field::from_name(&request.field).ok_or_else(|| {
        validation_failed(vec![FieldProblem::new(
            "/field",
            "unknown-value",
            "must be a field of the dataset",
        )])
    })?;
    let new = NewConstant { dataset: request.dataset, field, value: request.value, reason: request.reason };
    let operator = Operator::client(&principal);
    let asked = agreements(&app, &operator).request_constant(&slug, &new).await?;
    Ok((StatusCode::CREATED, axum::Json(ConstantView::from(asked))).into_response())
}

/// List a contributor's constants, newest first, with those that are over.
#[utoipa::path(
    get, path = "/v1/operations/contributors/{slug}/constants", operation_id = "list_constants", tag = "operations",
    params(("slug" = String, Path, example = json!(examples::SLUG))),
    responses((status = 200, description = "all of them", body = Page<ConstantView>, example = json!(examples::constants())),
        (status = 404, description = "no such contributor")),
)]
pub async fn list_constants(
    State(app): State<AppState>,
    Path(slug): Path<String>,
) -> Result<axum::Json<Page<ConstantView>>, Problem> {
    let found = agreement::constants_of(&app.db, &slug).await?;
    Ok(axum::Json(Page { items: found.into_iter().map(ConstantView::from).collect(), next_cursor: None }))
}

/// Agree to a constant that another operator asked for.
#[utoipa::path(
    post, path = "/v1/operations/constants/{constant_id}/approve", operation_id = "approve_constant", tag = "operations",
    params(("constant_id" = ConstantId, Path, example = json!(examples::CONSTANT_ID))),
    responses((status = 200, description = "the constant; doing it again changes nothing", body = ConstantView, example = json!(examples::constant_approved())),
        (status = 404, description = "no such constant"),
        (status = 409, description = "`same-operator`: you asked for it; `conflict`: it is revoked")),
)]
pub async fn approve_constant(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<ConstantId>,
) -> Result<axum::Json<ConstantView>, Problem> {
    let operator = Operator::client(&principal);
    Ok(axum::Json(agreements(&app, &operator).approve_constant(id).await?.into()))
}

/// End a constant, or withdraw the request: from now on the field must be sent.
#[utoipa::path(
    post, path = "/v1/operations/constants/{constant_id}/revoke", operation_id = "revoke_constant", tag = "operations",
    params(("constant_id" = ConstantId, Path, example = json!(examples::CONSTANT_ID))),
    responses((status = 200, description = "the constant; doing it again changes nothing", body = ConstantView, example = json!(examples::constant_revoked())),
        (status = 404, description = "no such constant")),
)]
pub async fn revoke_constant(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<ConstantId>,
) -> Result<axum::Json<ConstantView>, Problem> {
    let operator = Operator::client(&principal);
    Ok(axum::Json(agreements(&app, &operator).revoke_constant(id).await?.into()))
}
