//! Shadows: a batch judged again under today's rules, what would change, and its promotion by another operator.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::shadows::{self, Difference, Judged, Shadow};
use crate::error::Error;
use crate::http::auth::Authorized;
use crate::http::examples;
use crate::http::extract::Path;
use crate::http::problem::Problem;
use crate::ids::{BatchId, ClientId, ContributorId, ShadowId};
use crate::pipeline;

/// A batch judged again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShadowView {
    pub shadow_id: ShadowId,
    pub batch_id: BatchId,
    pub contributor_id: ContributorId,
    /// `queued`, `judged`, `promoting`, `promoted`, `outdated` (the batch, the rules or its past changed) or `failed`.
    pub state: String,
    pub requested_by: ClientId,
    pub requested_at: DateTime<Utc>,
    pub judged_at: Option<DateTime<Utc>>,
    /// The rules that it was judged by.
    pub rules_version: Option<String>,
    /// Where the batch stood then.
    pub batch_state: Option<String>,
    /// Where the batch would go.
    pub verdict: Option<String>,
    /// The judgement that counts, and the new one. Null until it is judged.
    #[schema(inline)]
    pub before: Option<Judged>,
    #[schema(inline)]
    pub after: Option<Judged>,
    /// Which records would change sides, the first hundred of each kind by number.
    #[schema(inline)]
    pub difference: Option<Difference>,
    pub promoted_by: Option<ClientId>,
    pub promoted_at: Option<DateTime<Utc>>,
    /// Why it came to nothing.
    pub failure: Option<String>,
}

impl From<Shadow> for ShadowView {
    fn from(shadow: Shadow) -> ShadowView {
        ShadowView {
            shadow_id: shadow.shadow_id,
            batch_id: shadow.batch_id,
            contributor_id: shadow.contributor_id,
            state: shadow.state,
            requested_by: shadow.requested_by,
            requested_at: shadow.requested_at,
            judged_at: shadow.judged_at,
            rules_version: shadow.rules_version,
            batch_state: shadow.batch_state,
            verdict: shadow.verdict,
            before: shadow.before.map(|json| json.0),
            after: shadow.after.map(|json| json.0),
            difference: shadow.difference.map(|json| json.0),
            promoted_by: shadow.promoted_by,
            promoted_at: shadow.promoted_at,
            failure: shadow.failure,
        }
    }
}

/// Judge a batch again, under the rules, the contract and the terms of today.
///
/// A job of its contributor's lane reads the bytes as they were received and compares the verdict with the one that
/// counts, against what had been published before the batch. Nothing else changes.
#[utoipa::path(
    post, path = "/v1/operations/batches/{batch_id}/shadows", operation_id = "request_shadow", tag = "operations",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID))),
    responses((status = 202, description = "the shadow, queued", body = ShadowView, example = json!(examples::shadow("queued"))),
        (status = 404, description = "no such batch"),
        (status = 409, description = "`illegal-transition`: the batch is not published, rejected or on hold")),
)]
pub async fn request_shadow(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
) -> Result<(StatusCode, Json<ShadowView>), Problem> {
    let shadow = pipeline::shadows::request(&app, principal.client_id, id).await?;
    Ok((StatusCode::ACCEPTED, Json(ShadowView::from(shadow))))
}

/// Find a shadow, and what would change.
#[utoipa::path(
    get, path = "/v1/operations/shadows/{shadow_id}", operation_id = "find_shadow", tag = "operations",
    params(("shadow_id" = ShadowId, Path, example = json!(examples::SHADOW_ID))),
    responses((status = 200, description = "the shadow", body = ShadowView, example = json!(examples::shadow("judged"))),
        (status = 404, description = "no such shadow")),
)]
pub async fn find_shadow(
    State(app): State<AppState>,
    _authorized: Authorized,
    Path(id): Path<ShadowId>,
) -> Result<Json<ShadowView>, Problem> {
    let shadow = shadows::find(&app.db.system, id).await?.ok_or(Error::NotFound)?;
    Ok(Json(ShadowView::from(shadow)))
}

/// Promote a shadow, as another operator than who asked for it.
///
/// A job of the contributor's lane judges once more and, when that gives what the shadow shows, writes new versions of the
/// records that differ, folds their accounts, and replaces counts, findings and rejects of the batch, in one transaction.
/// Doing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/operations/shadows/{shadow_id}/promote", operation_id = "promote_shadow", tag = "operations",
    params(("shadow_id" = ShadowId, Path, example = json!(examples::SHADOW_ID))),
    responses((status = 202, description = "the shadow, on its way", body = ShadowView, example = json!(examples::shadow("promoting"))),
        (status = 404, description = "no such shadow"),
        (status = 409, description = "`same-operator`, or `conflict`: it is not judged, the batch or the rules changed since, or the batch is not published, before or after")),
)]
pub async fn promote_shadow(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<ShadowId>,
) -> Result<(StatusCode, Json<ShadowView>), Problem> {
    let shadow = pipeline::shadows::promote(&app, principal.client_id, id).await?;
    Ok((StatusCode::ACCEPTED, Json(ShadowView::from(shadow))))
}
