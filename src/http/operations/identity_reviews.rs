//! Identity reviews: accounts that are not served until somebody has found out whose they are.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::app::AppState;
use crate::db::identity_reviews::{self, IdentityReview};
use crate::http::auth::Authorized;
use crate::http::examples::operations as examples;
use crate::http::extract::{Json as Body, Path, Query};
use crate::http::page::{Cursors, Limit, Page};
use crate::http::problem::Problem;
use crate::ids::{BatchId, CaseId, ClientId, ContributorId};
use crate::pipeline::identity_reviews::{self as cases, Outcome};

/// Where a case stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    #[default]
    Open,
    SamePerson,
    OtherPerson,
}

impl ReviewState {
    fn as_str(self) -> &'static str {
        match self {
            ReviewState::Open => "open",
            ReviewState::SamePerson => "same_person",
            ReviewState::OtherPerson => "other_person",
        }
    }
}

/// A case. The names are not shown: ask the contributor for the documents behind the record.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityReviewView {
    pub case_id: CaseId,
    pub contributor_id: ContributorId,
    pub batch_id: BatchId,
    pub record_no: i64,
    pub account_ref: String,
    #[schema(value_type = ReviewState)]
    pub state: String,
    pub opened_at: DateTime<Utc>,
    pub decided_by: Option<ClientId>,
    pub decided_at: Option<DateTime<Utc>>,
    /// The correction that moved the account to the person whose it is; it is served since.
    pub correction_id: Option<CaseId>,
}

impl From<IdentityReview> for IdentityReviewView {
    fn from(review: IdentityReview) -> IdentityReviewView {
        IdentityReviewView {
            case_id: review.case_id,
            contributor_id: review.contributor_id,
            batch_id: review.batch_id,
            record_no: review.record_no,
            account_ref: review.account_ref,
            state: review.state,
            opened_at: review.opened_at,
            decided_by: review.decided_by,
            decided_at: review.decided_at,
            correction_id: review.correction_id,
        }
    }
}

/// Which cases.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReviewsQuery {
    /// Open ones when absent.
    #[param(inline)]
    pub state: Option<ReviewState>,
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

/// List identity reviews: accounts whose name contradicts the one that their identifier is known by (I014).
#[utoipa::path(
    get, path = "/v1/operations/identity-reviews", operation_id = "list_identity_reviews", tag = "operations",
    params(ReviewsQuery),
    responses((status = 200, description = "a page of cases", body = Page<IdentityReviewView>, example = json!(examples::identity_reviews()))),
)]
pub async fn list_identity_reviews(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<ReviewsQuery>,
) -> Result<Response, Problem> {
    let cursors = Cursors { keys: &app.keys, list: "identity-reviews", owner: principal.client_id.0 };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<CaseId>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let state = query.state.unwrap_or_default().as_str();
    // One more than asked tells whether there is a next page.
    let mut rows = identity_reviews::list(&app.db.system, state, after, limit + 1).await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more).map(|row| row.case_id);
    let next_cursor = last.map(|position| cursors.seal(&position)).transpose()?;
    Ok(Page { items: rows.into_iter().map(IdentityReviewView::from).collect(), next_cursor }.respond(&uri))
}

/// What was found out.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOutcome {
    SamePerson,
    OtherPerson,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ReviewDecision {
    pub outcome: ReviewOutcome,
}

/// Decide an identity review.
///
/// `same_person`: the account is served, and these two names of this person are not asked about again. `other_person`: it stays
/// hidden until it is keyed to the right person.
#[utoipa::path(
    post, path = "/v1/operations/identity-reviews/{case_id}/resolve", operation_id = "resolve_identity_review", tag = "operations",
    params(("case_id" = CaseId, Path, example = json!(examples::CASE_ID))),
    request_body(content = ReviewDecision, example = json!(examples::identity_decision())),
    responses((status = 200, description = "the case; deciding the same again changes nothing", body = IdentityReviewView, example = json!(examples::identity_review("same_person"))),
        (status = 404, description = "no such case"),
        (status = 409, description = "`conflict`: it was decided otherwise")),
)]
pub async fn resolve_identity_review(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<CaseId>,
    Body(decision): Body<ReviewDecision>,
) -> Result<Json<IdentityReviewView>, Problem> {
    let outcome = match decision.outcome {
        ReviewOutcome::SamePerson => Outcome::SamePerson,
        ReviewOutcome::OtherPerson => Outcome::OtherPerson,
    };
    Ok(Json(cases::resolve(&app, principal.client_id, id, outcome).await?.into()))
}
