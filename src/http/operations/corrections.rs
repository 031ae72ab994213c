//! Corrections that wait for an operator: what makes a person look worse, and deletions.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::Uri;

use crate::app::AppState;
use crate::error::Error;
use crate::http::auth::Authorized;
use crate::http::corrections::{CorrectionView, CorrectionsQuery, page_of, refused};
use crate::http::examples::corrections as examples;
use crate::http::extract::{Path, Query};
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::ids::CaseId;
use crate::pipeline::corrections;

/// List the corrections of all contributors, newest first.
#[utoipa::path(
    get, path = "/v1/operations/corrections", operation_id = "list_all_corrections", tag = "operations",
    params(CorrectionsQuery),
    responses((status = 200, description = "a page of corrections", body = Page<CorrectionView>, example = json!(examples::page()))),
)]
pub async fn list_all_corrections(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<CorrectionsQuery>,
) -> Result<Response, Problem> {
    page_of(&app, (None, principal.client_id.0), &query, &uri).await
}

/// Agree to a correction: it is applied to the records as they are now.
#[utoipa::path(
    post, path = "/v1/operations/corrections/{correction_id}/approve", operation_id = "approve_correction", tag = "operations",
    params(("correction_id" = CaseId, Path, example = json!(examples::CORRECTION_ID))),
    responses((status = 200, description = "the correction, applied; doing it again changes nothing", body = CorrectionView, example = json!(examples::deleted())),
        (status = 404, description = "no such correction, or its records are gone"),
        (status = 409, description = "`same-operator`, or `conflict` (refused already)"),
        (status = 422, description = "`validation-failed`: the records as they are now would break a rule")),
)]
pub async fn approve_correction(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<CaseId>,
) -> Result<Json<CorrectionView>, Problem> {
    let operator = principal.client_id;
    // A task of its own: when the caller hangs up, what was begun is finished.
    let task = tokio::spawn(async move { corrections::approve(&app, operator, id).await });
    let done = task.await.map_err(|error| Error::Internal(format!("correcting: {error}")))?;
    Ok(Json(done.map_err(refused)?.into()))
}

/// Refuse a correction.
#[utoipa::path(
    post, path = "/v1/operations/corrections/{correction_id}/refuse", operation_id = "refuse_correction", tag = "operations",
    params(("correction_id" = CaseId, Path, example = json!(examples::CORRECTION_ID))),
    responses((status = 200, description = "the correction, refused; doing it again changes nothing", body = CorrectionView, example = json!(examples::refused())),
        (status = 404, description = "no such correction"),
        (status = 409, description = "`same-operator`, or `conflict` (applied already)")),
)]
pub async fn refuse_correction(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<CaseId>,
) -> Result<Json<CorrectionView>, Problem> {
    Ok(Json(corrections::refuse(&app, principal.client_id, id).await?.into()))
}
