//! Tombstones of persons who were erased by a legal order.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::app::AppState;
use crate::domain::contract::IdType;
use crate::domain::identity::normalise;
use crate::http::auth::Authorized;
use crate::http::examples::operations as examples;
use crate::http::extract::Json;
use crate::http::problem::{Problem, ProblemKind};
use crate::pipeline::erasure;

/// Who was erased, and by which case.
#[derive(Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TombstoneRequest {
    pub id_type: IdType,
    /// Kept nowhere: only its keyed token is.
    #[schema(max_length = 40)]
    #[validate(length(max = 40, message = "must have at most 40 characters"))]
    pub id_number: String,
    /// The number of the legal case; no personal data.
    #[validate(length(min = 1, max = 100, message = "must have 1 to 100 characters"))]
    #[schema(min_length = 1, max_length = 100)]
    pub case_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TombstoneView {
    pub case_id: String,
    pub erased_at: DateTime<Utc>,
}

/// Keep a person out whose data were erased by a legal order.
///
/// From now on a record about this identifier is refused (L009). The same identifier again changes nothing and answers
/// with the case that it was erased by.
#[utoipa::path(
    post, path = "/v1/operations/erasure-tombstones", operation_id = "put_erasure_tombstone", tag = "operations",
    request_body(content = TombstoneRequest, example = json!(examples::tombstone_request())),
    responses((status = 201, description = "the tombstone, new or as it was", body = TombstoneView, example = json!(examples::tombstone())),
        (status = 400, description = "`invalid-identifier`: the number is not one of its type")),
)]
pub async fn put_erasure_tombstone(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Json(request): Json<TombstoneRequest>,
) -> Result<Response, Problem> {
    let person = normalise(request.id_type, &request.id_number)
        .map_err(|fault| Problem::new(ProblemKind::InvalidIdentifier).detail(fault.to_string()))?;
    let put = erasure::put_tombstone(&app, &principal, &person, &request.case_id).await?;
    let view = TombstoneView { case_id: put.case_id, erased_at: put.erased_at };
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}
