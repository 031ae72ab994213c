//! Any batch, as operators see it; the dead letters among them, and trying one again.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::app::AppState;
use crate::db::batches::{self, Batch};
use crate::db::dead_letters::{self, DeadLetter};
use crate::db::transitions::{self, Transition};
use crate::error::Error;
use crate::http::auth::Authorized;
use crate::http::batches::BatchView;
use crate::http::examples;
use crate::http::extract::{Path, Query};
use crate::http::page::{Cursors, Limit, Page};
use crate::http::problem::Problem;
use crate::ids::{BatchId, ContributorId};
use crate::pipeline::replay;

/// A batch with whose it is and everything that happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperatorBatchView {
    pub contributor_id: ContributorId,
    pub batch: BatchView,
    /// Its cause when it failed by a fault of ours.
    pub failure: Option<String>,
    /// What its contributor said when it confirmed a held batch.
    pub hold_explanation: Option<String>,
    /// Oldest first.
    pub transitions: Vec<TransitionView>,
}

/// One step of a batch's life.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransitionView {
    pub from: Option<String>,
    pub to: String,
    pub at: DateTime<Utc>,
    /// `client`, `worker`, `server`, `sweeper` or `operator`.
    pub actor: String,
    pub reason: Option<String>,
}

impl From<Transition> for TransitionView {
    fn from(step: Transition) -> TransitionView {
        TransitionView {
            from: step.from_state,
            to: step.to_state,
            at: step.at,
            actor: step.actor,
            reason: step.reason,
        }
    }
}

impl OperatorBatchView {
    async fn load(app: &AppState, batch: &Batch) -> Result<OperatorBatchView, Error> {
        let steps = transitions::of_batch(&app.db.system, batch.id).await?;
        Ok(OperatorBatchView {
            contributor_id: batch.contributor_id,
            batch: BatchView::from(batch),
            failure: batch.failure.clone(),
            hold_explanation: batch.hold_explanation.clone(),
            transitions: steps.into_iter().map(TransitionView::from).collect(),
        })
    }
}

/// Find any contributor's batch, with its transitions.
#[utoipa::path(
    get, path = "/v1/operations/batches/{batch_id}", operation_id = "find_any_batch", tag = "operations",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    responses((status = 200, description = "the batch", body = OperatorBatchView, example = json!(examples::operator_batch())),
        (status = 404, description = "no such batch")),
)]
pub async fn find_any_batch(
    State(app): State<AppState>,
    _authorized: Authorized,
    Path(id): Path<BatchId>,
) -> Result<Json<OperatorBatchView>, Problem> {
    let batch = batches::find_any(&app.db.system, id).await?.ok_or(Error::NotFound)?;
    Ok(Json(OperatorBatchView::load(&app, &batch).await?))
}

/// Which page of a list of batches.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterQuery {
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A batch that failed by a fault of ours, after every attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterView {
    pub batch_id: BatchId,
    pub contributor_id: ContributorId,
    pub dataset: String,
    pub period_end: NaiveDate,
    pub received_at: Option<DateTime<Utc>>,
    pub failed_at: Option<DateTime<Utc>>,
    /// Seconds since it failed.
    pub age_seconds: Option<i64>,
    pub cause: Option<String>,
    /// Attempts of its last job.
    pub attempts: i32,
}

impl DeadLetterView {
    fn new(letter: DeadLetter, now: DateTime<Utc>) -> DeadLetterView {
        DeadLetterView {
            age_seconds: letter.failed_at.map(|at| (now - at).max(TimeDelta::zero()).num_seconds()),
            batch_id: letter.batch_id,
            contributor_id: letter.contributor_id,
            dataset: letter.dataset,
            period_end: letter.period_end,
            received_at: letter.received_at,
            failed_at: letter.failed_at,
            cause: letter.cause,
            attempts: letter.attempts,
        }
    }
}

/// List the batches that failed by a fault of ours, newest first.
#[utoipa::path(
    get, path = "/v1/operations/dead-letters", operation_id = "list_dead_letters", tag = "operations",
    params(DeadLetterQuery),
    responses((status = 200, description = "a page of failed batches", body = Page<DeadLetterView>, example = json!(examples::dead_letters()))),
)]
pub async fn list_dead_letters(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<DeadLetterQuery>,
) -> Result<Response, Problem> {
    let cursors = Cursors { keys: &app.keys, list: "dead_letters", owner: principal.client_id.0 };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<BatchId>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    // One more than asked tells whether there is a next page.
    let mut letters = dead_letters::list(&app.db.system, after, limit + 1).await?;
    let more = letters.len() as i64 > limit;
    letters.truncate(limit as usize);
    let last = letters.last().filter(|_| more).map(|letter| letter.batch_id);
    let next_cursor = last.map(|id| cursors.seal(&id)).transpose()?;
    let now = app.clock.now();
    let items: Vec<_> = letters.into_iter().map(|letter| DeadLetterView::new(letter, now)).collect();
    Ok(Page { items, next_cursor }.respond(&uri))
}

/// Try a failed batch again.
///
/// It goes back into its contributor's lane, behind what waits there, with as many tries as a new batch.
#[utoipa::path(
    post, path = "/v1/operations/batches/{batch_id}/replay", operation_id = "replay_batch", tag = "operations",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    responses((status = 200, description = "the batch, received again", body = OperatorBatchView, example = json!(examples::operator_batch())),
        (status = 404, description = "no such batch"),
        (status = 409, description = "`illegal-transition`: the batch did not fail")),
)]
pub async fn replay_batch(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
) -> Result<Json<OperatorBatchView>, Problem> {
    let batch = replay::failed_batch(&app, principal.client_id, id).await?;
    Ok(Json(OperatorBatchView::load(&app, &batch).await?))
}
