//! `/v1/obligations` and what operators do with them: what is owed, by when, and where it stands.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::auth::Authorized;
use super::extract::{Json, Path, Query};
use super::page::{Cursors, Limit, Page};
use super::problem::Problem;
use super::{dates, examples};
use crate::app::AppState;
use crate::db::contributors;
use crate::db::obligations::{self, Filter, Obligation, Position};
use crate::domain::contract::Dataset;
use crate::domain::obligations::ObligationState;
use crate::error::{Error, Result as AppResult};
use crate::ids::{BatchId, ContributorId, ObligationId};
use crate::pipeline;

/// Rows read at once while a list is narrowed to a state, which the database does not know.
const PORTION: i64 = 200;

/// A dataset that a contributor owes for a period.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObligationView {
    pub id: ObligationId,
    /// The contributor's short name.
    pub contributor: String,
    pub dataset: Dataset,
    pub period_end: NaiveDate,
    /// The last day on which it is in time: five working days after the end of the period.
    pub due_on: NaiveDate,
    /// The state whose working days are counted.
    #[schema(example = "KUL")]
    pub calendar_state: String,
    pub state: ObligationState,
    /// Calendar days from the due date to the receipt of what was published, or to today; null unless it is late.
    pub days_late: Option<i64>,
    /// The first batch that was published for it, else the first one that waits for a decision. Account snapshots need
    /// a FULL or a REPLACE.
    pub batch_id: Option<BatchId>,
    /// When that batch was received.
    pub received_at: Option<DateTime<Utc>>,
    /// When it was found late and written down; it stays when a batch comes later.
    pub found_late_at: Option<DateTime<Utc>>,
    /// Why an operator let the contributor off.
    pub waiver: Option<Waiver>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Waiver {
    pub at: DateTime<Utc>,
    pub reason: String,
}

impl ObligationView {
    fn new(obligation: Obligation, today: NaiveDate) -> ObligationView {
        let facts = obligation.facts;
        let waiver = obligation.waived_at.zip(obligation.waiver_reason);
        ObligationView {
            id: obligation.id,
            contributor: obligation.slug,
            dataset: obligation.dataset,
            period_end: facts.period_end,
            due_on: facts.due_on,
            calendar_state: obligation.calendar_state,
            state: facts.state(today),
            days_late: facts.days_late(today),
            batch_id: obligation.batch_id,
            received_at: obligation.received_at,
            found_late_at: obligation.found_late_at,
            waiver: waiver.map(|(at, reason)| Waiver { at, reason }),
        }
    }
}

/// Which obligations to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ObligationQuery {
    pub dataset: Option<Dataset>,
    pub state: Option<ObligationState>,
    #[serde(default, deserialize_with = "dates::optional_date")]
    pub period_end: Option<NaiveDate>,
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

/// Which obligations of all contributors to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AllObligationsQuery {
    /// The contributor's short name.
    pub contributor: Option<String>,
    pub dataset: Option<Dataset>,
    pub state: Option<ObligationState>,
    #[serde(default, deserialize_with = "dates::optional_date")]
    pub period_end: Option<NaiveDate>,
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

/// List what you owe, the latest periods first.
///
/// NOT_DUE while the period runs, DUE until the due date, SUBMITTED when a batch came in time and is not decided, MET when it
/// was published, LATE when the due date passed without one, WAIVED when an operator let you off.
#[utoipa::path(
    get, path = "/v1/obligations", operation_id = "list_obligations", tag = "batches",
    params(ObligationQuery),
    responses((status = 200, description = "a page of obligations", body = Page<ObligationView>, example = json!(examples::obligations()))),
)]
pub async fn list_obligations(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<ObligationQuery>,
) -> Result<Response, Problem> {
    let contributor = principal.contributor()?;
    let cursors = Cursors { keys: &app.keys, list: "obligations", owner: contributor.0 };
    let filter =
        Filter { contributor: Some(contributor), dataset: query.dataset, period_end: query.period_end };
    let wanted = Wanted { filter, state: query.state, limit: query.limit.unwrap_or_default() };
    Ok(wanted.page(&app, cursors, query.cursor.as_deref()).await?.respond(&uri))
}

/// Find an obligation of yours.
#[utoipa::path(
    get, path = "/v1/obligations/{obligation_id}", operation_id = "find_obligation", tag = "batches",
    params(("obligation_id" = ObligationId, Path, example = json!(examples::OBLIGATION_ID))),
    responses((status = 200, description = "the obligation", body = ObligationView, example = json!(examples::obligation())),
        (status = 404, description = "no such obligation of yours")),
)]
pub async fn find_obligation(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<ObligationId>,
) -> Result<axum::Json<ObligationView>, Problem> {
    let mut tx = app.db.as_contributor(principal.contributor()?).await?;
    let obligation = obligations::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(axum::Json(ObligationView::new(obligation, app.clock.today())))
}

/// List what all contributors owe, the latest periods first.
#[utoipa::path(
    get, path = "/v1/operations/obligations", operation_id = "list_all_obligations", tag = "operations",
    params(AllObligationsQuery),
    responses((status = 200, description = "a page of obligations", body = Page<ObligationView>, example = json!(examples::obligations())),
        (status = 404, description = "no such contributor")),
)]
pub async fn list_all_obligations(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<AllObligationsQuery>,
) -> Result<Response, Problem> {
    let contributor = match &query.contributor {
        Some(slug) => {
            let found = contributors::find_by_slug(&app.db.system, slug).await?.ok_or(Error::NotFound)?;
            Some(found.contributor_id)
        }
        None => None,
    };
    let cursors = Cursors {
        keys: &app.keys,
        list: "all-obligations",
        owner: owner(principal.client_id.0, contributor),
    };
    let filter = Filter { contributor, dataset: query.dataset, period_end: query.period_end };
    let wanted = Wanted { filter, state: query.state, limit: query.limit.unwrap_or_default() };
    Ok(wanted.page(&app, cursors, query.cursor.as_deref()).await?.respond(&uri))
}

/// Why a contributor is let off.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct WaiverRequest {
    /// Kept with the obligation and shown to the contributor; no personal data.
    #[validate(length(min = 10, max = 2000, message = "must have 10 to 2000 characters"))]
    #[schema(min_length = 10, max_length = 2000, example = "The core system is being replaced this month.")]
    pub reason: String,
}

/// Let a contributor off an obligation. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/operations/obligations/{obligation_id}/waive", operation_id = "waive_obligation", tag = "operations",
    params(("obligation_id" = ObligationId, Path, example = json!(examples::OBLIGATION_ID))),
    request_body(content = WaiverRequest, example = json!(examples::waiver())),
    responses((status = 200, description = "the obligation, waived", body = ObligationView, example = json!(examples::waived_obligation())),
        (status = 404, description = "no such obligation")),
)]
pub async fn waive_obligation(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<ObligationId>,
    Json(request): Json<WaiverRequest>,
) -> Result<axum::Json<ObligationView>, Problem> {
    let waived = pipeline::obligations::waive(&app, principal.client_id, id, &request.reason).await?;
    Ok(axum::Json(ObligationView::new(waived, app.clock.today())))
}

/// A cursor of one contributor's list leads nowhere in another's.
fn owner(client: Uuid, contributor: Option<ContributorId>) -> Uuid {
    contributor.map_or(client, |contributor| contributor.0)
}

/// A page that somebody asked for.
struct Wanted {
    filter: Filter,
    state: Option<ObligationState>,
    limit: Limit,
}

impl Wanted {
    async fn page(
        &self,
        app: &AppState,
        cursors: Cursors<'_>,
        cursor: Option<&str>,
    ) -> Result<Page<ObligationView>, Problem> {
        let after = cursor.map(|cursor| cursors.open::<Position>(cursor)).transpose()?;
        let today = app.clock.today();
        let limit = self.limit.get() as usize;
        // One more than asked tells whether there is a next page.
        let mut rows = self.rows(app, after, limit + 1, today).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more).map(|row| (row.facts.period_end, row.id));
        let next_cursor = last.map(|position| cursors.seal(&position)).transpose()?;
        let items = rows.into_iter().map(|row| ObligationView::new(row, today)).collect();
        Ok(Page { items, next_cursor })
    }

    /// Reads on until there are enough in the wanted state. A contributor's own list sees its rows alone.
    async fn rows(
        &self,
        app: &AppState,
        mut after: Option<Position>,
        enough: usize,
        today: NaiveDate,
    ) -> AppResult<Vec<Obligation>> {
        let mut tx = match self.filter.contributor {
            Some(contributor) => app.db.as_contributor(contributor).await?,
            None => app.db.system.begin().await?,
        };
        let mut rows = Vec::new();
        loop {
            let read = obligations::list(&mut *tx, &self.filter, after, PORTION).await?;
            let end = (read.len() as i64) < PORTION;
            after = read.last().map(|row| (row.facts.period_end, row.id));
            rows.extend(
                read.into_iter().filter(|row| self.state.is_none_or(|state| row.facts.state(today) == state)),
            );
            if end || rows.len() >= enough {
                rows.truncate(enough);
                break;
            }
        }
        tx.commit().await?;
        Ok(rows)
    }
}
