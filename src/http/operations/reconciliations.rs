//! What was found when our stores were held against each other.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::AppState;
use crate::db::reconciliations::{self, CheckCount, Difference, Filter, Reconciliation};
use crate::http::auth::Authorized;
use crate::http::examples::operations as examples;
use crate::http::extract::Query;
use crate::http::page::{Cursors, Limit, Page};
use crate::http::problem::Problem;
use crate::ids::{ContributorId, ReconciliationId};

/// One comparison of what belongs to a contributor.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationView {
    pub reconciliation_id: ReconciliationId,
    pub contributor_id: ContributorId,
    /// `schedule`, or who asked on the command line.
    pub asked_by: String,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    /// Batches received before were left out.
    pub since: Option<DateTime<Utc>>,
    /// The bytes of every batch were read, not of a few.
    pub full: bool,
    /// All accounts were compared; when not, the next run of the schedule goes on with the rest.
    pub complete: bool,
    /// How many things differ, over all checks.
    pub differences: i64,
    #[schema(inline)]
    pub checks: Vec<CheckCount>,
    /// The first hundred differences of each check.
    #[schema(inline)]
    pub examples: Vec<Difference>,
}

impl From<Reconciliation> for ReconciliationView {
    fn from(done: Reconciliation) -> ReconciliationView {
        ReconciliationView {
            reconciliation_id: done.reconciliation_id,
            contributor_id: done.contributor_id,
            asked_by: done.asked_by,
            started_at: done.started_at,
            finished_at: done.finished_at,
            since: done.since,
            full: done.whole,
            complete: done.left_off.is_none(),
            differences: done.differences,
            checks: done.checks,
            examples: done.examples,
        }
    }
}

/// Which comparisons.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReconciliationsQuery {
    /// Of one contributor alone.
    pub contributor_id: Option<ContributorId>,
    /// Only those that found something.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    pub differing: bool,
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

/// List the comparisons of our stores with each other, newest first.
///
/// The schedule compares every contributor once a day (`reconcile_stores`), `etrplus reconcile` when somebody asks.
#[utoipa::path(
    get, path = "/v1/operations/reconciliations", operation_id = "list_reconciliations", tag = "operations",
    params(ReconciliationsQuery),
    responses((status = 200, description = "a page of comparisons", body = Page<ReconciliationView>, example = json!(examples::reconciliations()))),
)]
pub async fn list_reconciliations(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<ReconciliationsQuery>,
) -> Result<Response, Problem> {
    let cursors = Cursors { keys: &app.keys, list: "reconciliations", owner: principal.client_id.0 };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<ReconciliationId>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let filter = Filter { contributor: query.contributor_id, differing: query.differing };
    // One more than asked tells whether there is a next page.
    let mut rows = reconciliations::list(&app.db.system, filter, after, limit + 1).await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more).map(|row| row.reconciliation_id);
    let next_cursor = last.map(|position| cursors.seal(&position)).transpose()?;
    Ok(Page { items: rows.into_iter().map(ReconciliationView::from).collect(), next_cursor }.respond(&uri))
}
