//! Notices: what a risk engine was told and is corrected since. Whose data it was and who sent it is not repeated; the
//! client knows its own questions.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::auth::Authorized;
use super::examples::corrections as examples;
use super::extract::{Path, Query};
use super::page::{Cursors, Limit, Page};
use super::problem::Problem;
use crate::app::AppState;
use crate::db::redisclosures::{self, Asked, Notice};
use crate::error::Result as AppResult;
use crate::ids::{NoticeId, QueryId};
use crate::pipeline::notices;

/// An answer that may have told what is corrected since.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotedAnswer {
    pub query_id: QueryId,
    pub client_reference: String,
    pub as_of: NaiveDate,
    pub answered_at: DateTime<Utc>,
}

/// Something that you were told has changed. Ask again, under a purpose and a consent that hold, where you still rely on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoticeView {
    pub notice_id: NoticeId,
    /// CORRECTED: an account says something else; REMOVED: an account is not this person's or was an error; DELISTED: a
    /// listing was taken back.
    #[schema(example = "CORRECTED")]
    pub change: String,
    pub changed_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// How many answers to you may have told it, in the twelve months before.
    pub answers: i64,
    pub first_answered_at: DateTime<Utc>,
    pub last_answered_at: DateTime<Utc>,
    /// The newest hundred of them.
    pub queries: Vec<NotedAnswer>,
}

impl NoticeView {
    fn new(notice: Notice, asked: &HashMap<Uuid, Asked>) -> NoticeView {
        let answer = |id: &Uuid| {
            let Asked { query_id, client_reference, as_of, answered_at } = asked.get(id)?.clone();
            Some(NotedAnswer { query_id, client_reference, as_of, answered_at })
        };
        NoticeView {
            queries: notice.query_ids.iter().filter_map(answer).collect(),
            notice_id: notice.notice_id,
            change: notice.change,
            changed_at: notice.changed_at,
            created_at: notice.created_at,
            acknowledged_at: notice.acknowledged_at,
            answers: notice.answers,
            first_answered_at: notice.first_answered_at,
            last_answered_at: notice.last_answered_at,
        }
    }
}

/// Notices with the questions that they are about.
async fn views(app: &AppState, notices: Vec<Notice>) -> AppResult<Vec<NoticeView>> {
    let ids: Vec<Uuid> = notices.iter().flat_map(|notice| notice.query_ids.iter().copied()).collect();
    let asked = redisclosures::asked(&app.db.system, &ids).await?;
    let asked: HashMap<Uuid, Asked> = asked.into_iter().map(|asked| (asked.query_id.0, asked)).collect();
    Ok(notices.into_iter().map(|notice| NoticeView::new(notice, &asked)).collect())
}

/// Which notices.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NoticesQuery {
    /// Only those that you have acknowledged, or have not.
    pub acknowledged: Option<bool>,
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

/// List notices: what you were told and is corrected since, newest first.
///
/// A notice comes a minute or two after a correction, deletion or delisting, to every client that may have been told in the
/// twelve months before. It names your own questions and nobody's data.
#[utoipa::path(
    get, path = "/v1/notices", operation_id = "list_notices", tag = "profiles",
    params(NoticesQuery),
    responses((status = 200, description = "a page of notices", body = Page<NoticeView>, example = json!(examples::notices()))),
)]
pub async fn list_notices(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<NoticesQuery>,
) -> Result<Response, Problem> {
    let client = principal.client_id;
    let cursors = Cursors { keys: &app.keys, list: "notices", owner: client.0 };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<NoticeId>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    // One more than asked tells whether there is a next page.
    let mut rows =
        redisclosures::notices_of(&app.db.system, client, query.acknowledged, after, limit + 1).await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more).map(|row| row.notice_id);
    let next_cursor = last.map(|position| cursors.seal(&position)).transpose()?;
    Ok(Page { items: views(&app, rows).await?, next_cursor }.respond(&uri))
}

/// Acknowledge a notice: you have read it, and dealt with it or will.
#[utoipa::path(
    post, path = "/v1/notices/{notice_id}/acknowledge", operation_id = "acknowledge_notice", tag = "profiles",
    params(("notice_id" = NoticeId, Path, example = json!(examples::NOTICE_ID))),
    responses((status = 200, description = "the notice; doing it again changes nothing", body = NoticeView, example = json!(examples::acknowledged_notice())),
        (status = 404, description = "no such notice to you")),
)]
pub async fn acknowledge_notice(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<NoticeId>,
) -> Result<Json<NoticeView>, Problem> {
    let notice = notices::acknowledge(&app, principal.client_id, id).await?;
    let asked = redisclosures::asked(&app.db.system, &notice.query_ids).await?;
    let asked = asked.into_iter().map(|asked| (asked.query_id.0, asked)).collect();
    Ok(Json(NoticeView::new(notice, &asked)))
}
