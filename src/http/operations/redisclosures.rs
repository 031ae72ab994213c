//! What was told of a person and is corrected since: who received it, how often, and whether they know.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::AppState;
use crate::db::redisclosures::{self, Notice, Redisclosure, Sought};
use crate::http::auth::Authorized;
use crate::http::examples::corrections as examples;
use crate::http::extract::Query;
use crate::http::page::{Cursors, Limit, Page};
use crate::http::problem::Problem;
use crate::ids::{CaseId, ClientId, ContributorId, RedisclosureId};

/// A client that may have been told.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecipientView {
    pub client_id: ClientId,
    pub answers: i64,
    pub first_answered_at: DateTime<Utc>,
    pub last_answered_at: DateTime<Utc>,
    pub noticed_at: DateTime<Utc>,
    pub acknowledged_at: Option<DateTime<Utc>>,
}

/// A change of what was told of one holder of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct RedisclosureView {
    pub redisclosure_id: RedisclosureId,
    pub contributor_id: ContributorId,
    pub account_ref: String,
    /// Null where a listing was taken back.
    pub correction_id: Option<CaseId>,
    /// CORRECTED, REMOVED or DELISTED.
    pub change: String,
    pub changed_at: DateTime<Utc>,
    /// Null until the recipients have been found.
    pub noticed_at: Option<DateTime<Utc>>,
    pub recipients: Vec<RecipientView>,
}

impl RedisclosureView {
    fn new(change: Redisclosure, notices: &[Notice]) -> RedisclosureView {
        let recipient = |notice: &Notice| RecipientView {
            client_id: notice.client_id,
            answers: notice.answers,
            first_answered_at: notice.first_answered_at,
            last_answered_at: notice.last_answered_at,
            noticed_at: notice.created_at,
            acknowledged_at: notice.acknowledged_at,
        };
        let own = notices.iter().filter(|notice| notice.redisclosure_id == change.redisclosure_id);
        RedisclosureView {
            recipients: own.map(recipient).collect(),
            redisclosure_id: change.redisclosure_id,
            contributor_id: change.contributor_id,
            account_ref: change.account_ref,
            correction_id: change.correction_id,
            change: change.change,
            changed_at: change.changed_at,
            noticed_at: change.noticed_at,
        }
    }
}

/// Which changes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RedisclosuresQuery {
    pub correction_id: Option<CaseId>,
    pub account_ref: Option<String>,
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

/// List who was told what is corrected since, newest first: for a person who asks who received it.
#[utoipa::path(
    get, path = "/v1/operations/redisclosures", operation_id = "list_redisclosures", tag = "operations",
    params(RedisclosuresQuery),
    responses((status = 200, description = "a page of changes with their recipients", body = Page<RedisclosureView>, example = json!(examples::redisclosures()))),
)]
pub async fn list_redisclosures(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<RedisclosuresQuery>,
) -> Result<Response, Problem> {
    let cursors = Cursors { keys: &app.keys, list: "redisclosures", owner: principal.client_id.0 };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<RedisclosureId>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let sought = Sought { correction_id: query.correction_id, account_ref: query.account_ref.as_deref() };
    // One more than asked tells whether there is a next page.
    let mut rows = redisclosures::list(&app.db.system, sought, after, limit + 1).await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let ids: Vec<RedisclosureId> = rows.iter().map(|row| row.redisclosure_id).collect();
    let notices = redisclosures::notices_about(&app.db.system, &ids).await?;
    let last = ids.last().filter(|_| more);
    let next_cursor = last.map(|position| cursors.seal(position)).transpose()?;
    let items = rows.into_iter().map(|row| RedisclosureView::new(row, &notices)).collect();
    Ok(Page { items, next_cursor }.respond(&uri))
}
