//! Corrections that wait for an operator: what makes a person look worse, deletions, and rekeys, which operators may ask
//! for as well.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use http::Uri;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::app::AppState;
use crate::db::contributors;
use crate::domain::correction::CorrectionReason;
use crate::error::Error;
use crate::http::auth::Authorized;
use crate::http::corrections::{CorrectionView, CorrectionsQuery, page_of, refused, take};
use crate::http::dates;
use crate::http::examples::corrections as examples;
use crate::http::examples::operations::SLUG;
use crate::http::extract::{Json as Body, Path, Query};
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::rekeys::RekeyRequest;
use crate::ids::CaseId;
use crate::pipeline::corrections::{self, NewCorrection, Wish};

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

/// Records of a contributor that name the wrong person, and whose they are.
#[derive(Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct OperatorRekeyRequest {
    #[validate(length(min = 1, max = 64, message = "must have 1 to 64 characters"))]
    #[schema(min_length = 1, max_length = 64)]
    pub account_ref: String,
    /// The first `as_of_date` that it is about.
    #[serde(deserialize_with = "dates::date")]
    pub as_of_from: NaiveDate,
    /// The last one.
    #[serde(deserialize_with = "dates::date")]
    pub as_of_to: NaiveDate,
    #[validate(nested)]
    pub rekey: RekeyRequest,
    /// Where the proof is kept. No personal data.
    #[validate(length(min = 1, max = 200, message = "must have 1 to 200 characters"))]
    #[schema(min_length = 1, max_length = 200)]
    pub evidence_ref: String,
}

/// Ask that records of a contributor move to the person whose they are.
///
/// As an identity review finds it (I014), or a person who complains. You are the first of the two operators; another one
/// approves. The reason is WRONG_SUBJECT.
#[utoipa::path(
    post, path = "/v1/operations/contributors/{slug}/rekeys", operation_id = "request_rekey", tag = "operations",
    params(("slug" = String, Path, example = json!(SLUG))),
    request_body(content = OperatorRekeyRequest, example = json!(examples::rekey_request())),
    responses((status = 201, description = "waiting for another operator", body = CorrectionView, example = json!(examples::rekey())),
        (status = 200, description = "the same was asked for before", body = CorrectionView),
        (status = 404, description = "no such contributor, or no published record of such a holder in the range"),
        (status = 409, description = "`conflict`: another rekey of these records waits"),
        (status = 422, description = "`validation-failed`: the person breaks an identity rule, or several holders have the role")),
)]
pub async fn request_rekey(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(slug): Path<String>,
    Body(request): Body<OperatorRekeyRequest>,
) -> Result<Response, Problem> {
    let contributor = contributors::find_by_slug(&app.db.system, &slug).await?.ok_or(Error::NotFound)?;
    let new = NewCorrection {
        contributor_id: contributor.contributor_id,
        client_id: principal.client_id,
        by_operator: true,
        account_ref: request.account_ref,
        as_of_from: request.as_of_from,
        as_of_to: request.as_of_to,
        wish: Wish::Rekey(request.rekey.into_wish()?),
        reason: CorrectionReason::WrongSubject,
        evidence_ref: Some(request.evidence_ref),
    };
    take(app, new).await
}

/// What an operator says to a correction.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Why the records are right although a rule of the account's history rejects them; kept with the correction. No personal
    /// data.
    #[validate(length(min = 10, max = 2000, message = "must have 10 to 2000 characters"))]
    #[schema(min_length = 10, max_length = 2000)]
    pub override_reason: Option<String>,
}

/// Agree to a correction: it is applied to the records as they are now. A body is needed only where the account's history
/// contradicts it. A rekey that its contributor asked for is applied when
/// a second operator agrees.
#[utoipa::path(
    post, path = "/v1/operations/corrections/{correction_id}/approve", operation_id = "approve_correction", tag = "operations",
    params(("correction_id" = CaseId, Path, example = json!(examples::CORRECTION_ID))),
    request_body(content = Option<Approval>, example = json!({"override_reason": "The ledger of 2026-09 was read by hand."})),
    responses((status = 200, description = "the correction, applied; doing it again changes nothing", body = CorrectionView, example = json!(examples::deleted())),
        (status = 404, description = "no such correction, or its records are gone"),
        (status = 409, description = "`same-operator`, or `conflict` (refused already)"),
        (status = 422, description = "`validation-failed`: the records as they are now would break a rule, or contradict the account's history without a reason")),
)]
pub async fn approve_correction(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<CaseId>,
    body: Option<Body<Approval>>,
) -> Result<Json<CorrectionView>, Problem> {
    let operator = principal.client_id;
    let why = body.and_then(|Body(approval)| approval.override_reason);
    // A task of its own: when the caller hangs up, what was begun is finished.
    let task = tokio::spawn(async move { corrections::approve(&app, operator, id, why).await });
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
