//! Recalls: taking a published batch back, by two operators.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::app::AppState;
use crate::db::recalls::{self, Recall};
use crate::error::Error;
use crate::http::auth::Authorized;
use crate::http::examples;
use crate::http::extract::{Json as Body, Path, Query};
use crate::http::page::{Cursors, Limit, Page};
use crate::http::problem::Problem;
use crate::ids::{BatchId, ClientId, ContributorId, RecallId};
use crate::pipeline::recall;

/// Where a request stands.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecallState {
    Requested,
    Approved,
    Refused,
}

impl RecallState {
    fn as_str(self) -> &'static str {
        match self {
            RecallState::Requested => "requested",
            RecallState::Approved => "approved",
            RecallState::Refused => "refused",
        }
    }
}

/// A request to take a batch back, and its decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecallView {
    pub recall_id: RecallId,
    pub batch_id: BatchId,
    pub contributor_id: ContributorId,
    #[schema(value_type = RecallState)]
    pub state: String,
    pub reason: String,
    /// The operator's client.
    pub requested_by: ClientId,
    pub requested_at: DateTime<Utc>,
    pub decided_by: Option<ClientId>,
    pub decided_at: Option<DateTime<Utc>>,
}

impl From<Recall> for RecallView {
    fn from(recall: Recall) -> RecallView {
        RecallView {
            recall_id: recall.recall_id,
            batch_id: recall.batch_id,
            contributor_id: recall.contributor_id,
            state: recall.state,
            reason: recall.reason,
            requested_by: recall.requested_by,
            requested_at: recall.requested_at,
            decided_by: recall.decided_by,
            decided_at: recall.decided_at,
        }
    }
}

/// Why the batch has to go.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallRequest {
    /// Kept with the batch. Names nobody.
    #[validate(length(min = 1, max = 2000, message = "must have 1 to 2000 characters"))]
    pub reason: String,
}

/// Ask for the recall of a published batch.
///
/// Nothing changes until another operator approves. A batch has one open request at a time: asking again gives that.
#[utoipa::path(
    post, path = "/v1/operations/batches/{batch_id}/recalls", operation_id = "request_recall", tag = "operations",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    request_body(content = RecallRequest, example = json!(examples::recall_reason())),
    responses((status = 201, description = "the request", body = RecallView, example = json!(examples::recall("requested"))),
        (status = 200, description = "the batch's open request", body = RecallView),
        (status = 404, description = "no such batch"),
        (status = 409, description = "`illegal-transition`: the batch is not published")),
)]
pub async fn request_recall(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
    Body(request): Body<RecallRequest>,
) -> Result<Response, Problem> {
    let (recall, new) = recall::request(&app, principal.client_id, id, &request.reason).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(RecallView::from(recall))).into_response())
}

/// Approve a recall, as another operator than who asked.
///
/// The contributor's accounts are then what they would be if the batch had never come; a batch that it replaced is
/// published again. It may take a minute for a large batch. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/operations/recalls/{recall_id}/approve", operation_id = "approve_recall", tag = "operations",
    params(("recall_id" = RecallId, Path, example = json!(examples::RECALL_ID))),
    responses((status = 200, description = "the request, approved: the batch is recalled", body = RecallView, example = json!(examples::recall("approved"))),
        (status = 404, description = "no such request"),
        (status = 409, description = "`same-operator`, `conflict` (refused already) or `illegal-transition`")),
)]
pub async fn approve_recall(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<RecallId>,
) -> Result<Json<RecallView>, Problem> {
    let operator = principal.client_id;
    // A task of its own: when the caller hangs up, the recall goes on to its end.
    let task = tokio::spawn(async move { recall::approve(&app, operator, id).await });
    let approved = task.await.map_err(|error| Error::Internal(format!("recalling: {error}")))??;
    Ok(Json(RecallView::from(approved)))
}

/// Refuse a recall, as another operator than who asked.
#[utoipa::path(
    post, path = "/v1/operations/recalls/{recall_id}/refuse", operation_id = "refuse_recall", tag = "operations",
    params(("recall_id" = RecallId, Path, example = json!(examples::RECALL_ID))),
    responses((status = 200, description = "the request, refused; doing it again changes nothing", body = RecallView, example = json!(examples::recall("refused"))),
        (status = 404, description = "no such request"),
        (status = 409, description = "`same-operator` or `conflict` (approved already)")),
)]
pub async fn refuse_recall(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<RecallId>,
) -> Result<Json<RecallView>, Problem> {
    Ok(Json(RecallView::from(recall::refuse(&app, principal.client_id, id).await?)))
}

/// Which requests.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecallQuery {
    #[param(inline)]
    pub state: Option<RecallState>,
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// List requests for recalls, newest first.
#[utoipa::path(
    get, path = "/v1/operations/recalls", operation_id = "list_recalls", tag = "operations",
    params(RecallQuery),
    responses((status = 200, description = "a page of requests", body = Page<RecallView>, example = json!(examples::recalls()))),
)]
pub async fn list_recalls(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<RecallQuery>,
) -> Result<Response, Problem> {
    let cursors = Cursors { keys: &app.keys, list: "recalls", owner: principal.client_id.0 };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<RecallId>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let state = query.state.map(RecallState::as_str);
    let mut found = recalls::list(&app.db.system, state, after, limit + 1).await?;
    let more = found.len() as i64 > limit;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| more).map(|recall| recall.recall_id);
    let next_cursor = last.map(|id| cursors.seal(&id)).transpose()?;
    let items: Vec<RecallView> = found.into_iter().map(RecallView::from).collect();
    Ok(Page { items, next_cursor }.respond(&uri))
}
