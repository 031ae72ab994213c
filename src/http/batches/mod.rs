//! `/v1/batches`: submit, find, list, report, rejects, receipt, cancel, confirm.

mod rejects;
mod submission;
mod views;
mod wait;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

pub use rejects::{__path_list_rejects, RejectFindingView, list_rejects};
pub(super) use rejects::{Language, view_of, wanted_language};
pub use submission::SubmissionQuery;
pub use views::{BatchView, ConfirmRequest, ListQuery, ReceiptView, ReportView, SubmissionView};

use super::auth::Authorized;
use super::contracts::announce_for;
use super::examples;
use super::extract::{Json, Path, Query, body_problem};
use super::headers::{ContentDigest, IDEMPOTENCY_REPLAYED, IdempotencyKey, Prefer};
use super::page::{Cursors, Page};
use super::problem::{Problem, ProblemKind};
use crate::access::Principal;
use crate::app::AppState;
use crate::db::batches::{self, Batch, Filter};
use crate::db::contributors;
use crate::error::{Error, Result as AppResult};
use crate::ids::{BatchId, ContributorId};
use crate::pipeline::accept::{self, Accepted};
use crate::pipeline::lifecycle;

const LOCATION: HeaderName = header::LOCATION;

/// Submit a batch.
///
/// The body is the file: NDJSON or CSV, plain, gzip or zstd. A 2xx means that these exact bytes, digest checked,
/// are durable and that the batch is recorded; the receipt in the answer is our signature under that. Validation
/// follows in the background: ask for the report, or send `Prefer: wait=N` to get it in this answer when it is
/// ready in time. Anything but a 2xx was not taken and is safe to send again with the same Idempotency-Key.
#[utoipa::path(
    post, path = "/v1/batches", operation_id = "create_batch", tag = "batches",
    params(
        SubmissionQuery,
        ("Idempotency-Key" = String, Header, description = "your name for this submission; the same one for a retry", example = "october-2026"),
        ("Content-Digest" = Option<String>, Header, description = "RFC 9530, sha-256 or sha-512 of the body as sent"),
        ("Content-Encoding" = Option<String>, Header, description = "gzip or zstd, when the body is compressed"),
        ("Prefer" = Option<String>, Header, description = "wait=N: up to 20 seconds for the finished report"),
    ),
    request_body(description = "the file; see /v1/datasets/{dataset}/schema", content(
        (String = "application/x-ndjson", example = json!(examples::NDJSON)),
        (String = "text/csv", example = json!(examples::CSV)))),
    responses(
        (status = 202, description = "received; validation follows", body = SubmissionView, example = json!(examples::submission())),
        (status = 200, description = "received and settled within the wait", body = SubmissionView),
    ),
)]
#[expect(clippy::too_many_arguments, reason = "each argument is one part of the request")]
pub async fn create_batch(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Query(query): Query<SubmissionQuery>,
    IdempotencyKey(key): IdempotencyKey,
    digest: ContentDigest,
    prefer: Prefer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let contributor_id = own_contributor(&principal)?;
    let contributor = contributors::find(&app.db.system, contributor_id).await?.ok_or(Error::NotFound)?;
    let versions = app.contracts.versions_of(query.dataset).await?;
    let request = submission::Request { query, key, digest, headers: &headers };
    let submission = request.read(&app, &principal, &contributor, &versions)?;
    let pieces = body.into_data_stream().map(|piece| piece.map_err(|error| broken_body(&error)));
    // A task of its own: when the caller hangs up, what was begun is finished or undone, never left halfway.
    let task_app = app.clone();
    let accepted = tokio::spawn(async move { accept::accept(&task_app, submission, pieces).await });
    let accepted = accepted.await.map_err(|error| Error::Internal(format!("accepting: {error}")))?;
    let accepted = accepted.map_err(|error| match Problem::from(error) {
        problem if problem.kind() == ProblemKind::ContentDigestMismatch => ContentDigest::wanted(problem),
        problem => problem,
    })?;
    answer(&app, accepted, prefer).await
}

/// Why the body could not be read, in the words of the HTTP layer.
fn broken_body(error: &axum::Error) -> Error {
    match body_problem(error).kind() {
        ProblemKind::RequestTimeout => Error::bad_request(
            "request-timeout",
            "the body arrived too slowly and was cut off; nothing was kept",
        ),
        _ => Error::bad_request("bad-request", "the body ended before it was complete; nothing was kept"),
    }
}

pub(super) async fn answer(app: &AppState, accepted: Accepted, prefer: Prefer) -> Result<Response, Problem> {
    let replayed = matches!(accepted, Accepted::Replayed(_));
    let first = accepted.batch();
    let waited = match prefer.wait {
        Some(limit) => wait::until_settled(app, first.contributor_id, first.id, limit).await?,
        None => None,
    };
    let batch = waited.as_ref().unwrap_or(first);
    let report = match &waited {
        Some(batch) => Some(ReportView::load(app, batch).await?),
        None => None,
    };
    let status = if waited.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let view = SubmissionView::new(batch, report);
    let mut response = (status, axum::Json(view)).into_response();
    let headers = response.headers_mut();
    let location = format!("/v1/batches/{}", batch.id);
    headers.insert(LOCATION, HeaderValue::from_str(&location).map_err(|e| Error::Internal(e.to_string()))?);
    if replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some((name, value)) = prefer.applied() {
        headers.insert(name, value);
    }
    announce_for(app, headers, batch.dataset, &batch.envelope.schema_version).await;
    Ok(response)
}

/// Find a batch.
#[utoipa::path(
    get, path = "/v1/batches/{batch_id}", operation_id = "find_batch", tag = "batches",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    responses((status = 200, description = "the batch", body = BatchView, example = json!(examples::published())), (status = 404, description = "no such batch of yours")),
)]
pub async fn find_batch(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
) -> Result<axum::Json<BatchView>, Problem> {
    Ok(axum::Json(BatchView::from(&owned(&app, &principal, id).await?)))
}

/// List your batches, newest first. Rehearsals are listed apart, with `dry_run=true`.
#[utoipa::path(
    get, path = "/v1/batches", operation_id = "list_batches", tag = "batches",
    params(ListQuery),
    responses((status = 200, description = "a page of batches", body = Page<BatchView>, example = json!(examples::page()))),
)]
pub async fn list_batches(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let contributor = own_contributor(&principal)?;
    let cursors = Cursors { keys: &app.keys, list: "batches", owner: contributor.0 };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<BatchId>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let filter = Filter {
        dataset: query.dataset,
        state: query.state,
        period_end: query.period_end,
        dry_run: query.dry_run.unwrap_or(false),
    };
    let mut tx = app.db.as_contributor(contributor).await?;
    // One more than asked tells whether there is a next page.
    let mut rows = batches::list(&mut *tx, contributor, &filter, after, limit + 1).await?;
    tx.commit().await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|batch| cursors.seal(&batch.id)).transpose()?;
    Ok(Page { items: rows.iter().map(BatchView::from).collect(), next_cursor }.respond(&uri))
}

/// Read a batch's validation report.
///
/// Counts, per-rule counts with samples, declared against recomputed totals, and the thresholds that were applied.
#[utoipa::path(
    get, path = "/v1/batches/{batch_id}/report", operation_id = "find_report", tag = "batches",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    responses((status = 200, description = "the report as far as it is known", body = ReportView, example = json!(examples::report())), (status = 404, description = "no such batch of yours")),
)]
pub async fn find_report(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
) -> Result<axum::Json<ReportView>, Problem> {
    let batch = owned(&app, &principal, id).await?;
    Ok(axum::Json(ReportView::load(&app, &batch).await?))
}

/// Read a batch's receipt: our signed statement of what we received.
#[utoipa::path(
    get, path = "/v1/batches/{batch_id}/receipt", operation_id = "find_receipt", tag = "batches",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    responses((status = 200, description = "compact JWS; verifies against /.well-known/jwks.json", body = ReceiptView, example = json!(examples::receipt())), (status = 404, description = "no such batch of yours")),
)]
pub async fn find_receipt(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
) -> Result<axum::Json<ReceiptView>, Problem> {
    let batch = owned(&app, &principal, id).await?;
    let receipt = batch.receipt.ok_or_else(|| Error::Internal(format!("batch {id} has no receipt")))?;
    Ok(axum::Json(ReceiptView { receipt }))
}

/// Cancel a batch that is not published yet.
#[utoipa::path(
    post, path = "/v1/batches/{batch_id}/cancel", operation_id = "cancel_batch", tag = "batches",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    responses((status = 200, description = "the batch, cancelled; doing it again changes nothing", body = BatchView, example = json!(examples::cancelled())),
        (status = 404, description = "no such batch of yours"),
        (status = 409, description = "`illegal-transition`: the batch stands where it cannot be cancelled")),
)]
pub async fn cancel_batch(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
) -> Result<axum::Json<BatchView>, Problem> {
    let batch = lifecycle::cancel(&app, own_contributor(&principal)?, principal.client_id, id).await?;
    Ok(axum::Json(BatchView::from(&batch)))
}

/// Confirm a batch that W* rules hold, with an explanation that is kept. It is judged again, and held again only by a rule
/// that did not hold it before.
#[utoipa::path(
    post, path = "/v1/batches/{batch_id}/confirm", operation_id = "confirm_batch", tag = "batches",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    request_body(content = ConfirmRequest, example = json!(examples::explanation())),
    responses((status = 200, description = "the batch, queued to be judged again", body = BatchView, example = json!(examples::received())),
        (status = 404, description = "no such batch of yours"),
        (status = 409, description = "`illegal-transition`: the batch is not on hold")),
)]
pub async fn confirm_batch(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
    Json(request): Json<ConfirmRequest>,
) -> Result<axum::Json<BatchView>, Problem> {
    let contributor = own_contributor(&principal)?;
    let batch = lifecycle::confirm(&app, contributor, principal.client_id, id, &request.explanation).await?;
    Ok(axum::Json(BatchView::from(&batch)))
}

/// The contributor whose system calls.
pub(super) fn own_contributor(principal: &Principal) -> Result<ContributorId, Problem> {
    principal.contributor_id.ok_or_else(|| {
        Problem::new(ProblemKind::NoContributor)
            .detail("Batches belong to contributors; this client does not belong to one.")
    })
}

/// The one place where a batch's owner is checked; row-level security holds the same line underneath.
async fn owned(app: &AppState, principal: &Principal, id: BatchId) -> Result<Batch, Problem> {
    let contributor = own_contributor(principal)?;
    Ok(find_owned(app, contributor, id).await?)
}

async fn find_owned(app: &AppState, contributor: ContributorId, id: BatchId) -> AppResult<Batch> {
    let mut tx = app.db.as_contributor(contributor).await?;
    let batch = batches::find(&mut *tx, contributor, id).await?;
    tx.commit().await?;
    batch.ok_or(Error::NotFound)
}
