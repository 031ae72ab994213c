//! `/v1/listings`: adverse trade references that stand, and taking one back.

use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::auth::Authorized;
use super::extract::{Json, Path, Query};
use super::page::{Cursors, Limit, Page};
use super::problem::Problem;
use super::{dates, examples};
use crate::app::AppState;
use crate::db::delistings::{self, Delisting, Listing};
use crate::pipeline;

/// A listing that stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListingView {
    pub account_ref: String,
    /// The snapshot that it stands in.
    pub as_of_date: NaiveDate,
    /// What is overdue, in sen.
    pub amount: i64,
    pub dpd: i16,
    /// Where you keep the proof.
    pub evidence_ref: String,
}

impl From<Listing> for ListingView {
    fn from(listing: Listing) -> ListingView {
        let Listing { account_ref, as_of_date, listed_sen, dpd, evidence_ref } = listing;
        ListingView { account_ref, as_of_date, amount: listed_sen, dpd, evidence_ref }
    }
}

/// A page of listings.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListingQuery {
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

/// List your listings that stand, by account reference.
///
/// A listing stands while the latest snapshot of the account asks for it with evidence, RM150 or more is overdue for
/// more than 60 days, and it was not taken back since.
#[utoipa::path(
    get, path = "/v1/listings", operation_id = "list_listings", tag = "batches",
    params(ListingQuery),
    responses((status = 200, description = "a page of listings", body = Page<ListingView>, example = json!(examples::listings()))),
)]
pub async fn list_listings(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<ListingQuery>,
) -> Result<Response, Problem> {
    let contributor = principal.contributor()?;
    let cursors = Cursors { keys: &app.keys, list: "listings", owner: contributor.0 };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<String>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let mut tx = app.db.as_contributor(contributor).await?;
    // One more than asked tells whether there is a next page.
    let mut listings = delistings::live(&mut *tx, contributor, after.as_deref(), limit + 1).await?;
    tx.commit().await?;
    let more = listings.len() as i64 > limit;
    listings.truncate(limit as usize);
    let last = listings.last().filter(|_| more);
    let next_cursor = last.map(|listing| cursors.seal(&listing.account_ref)).transpose()?;
    Ok(Page { items: listings.into_iter().map(ListingView::from).collect(), next_cursor }.respond(&uri))
}

/// Why a listing is taken back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelistingRequest {
    /// The day on which the debt was settled; absent when the listing is taken back for another reason.
    #[serde(default, deserialize_with = "dates::optional_date")]
    pub settled_on: Option<NaiveDate>,
}

/// A listing that was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub struct DelistingView {
    pub account_ref: String,
    /// The business day; snapshots of this day and before do not list the account again.
    pub delisted_on: NaiveDate,
    pub settled_on: Option<NaiveDate>,
    /// Later than three working days after the settlement; counted in the scorecard.
    pub breached: bool,
}

impl From<Delisting> for DelistingView {
    fn from(delisting: Delisting) -> DelistingView {
        let Delisting { account_ref, delisted_on, settled_on, breached, .. } = delisting;
        DelistingView { account_ref, delisted_on, settled_on, breached }
    }
}

/// Take a listing back, within three working days of the settlement.
///
/// Nobody is shown the listing from this answer on. The account's history stays as it was reported. A later snapshot that
/// asks for a listing again brings one about again.
#[utoipa::path(
    post, path = "/v1/listings/{account_ref}/delist", operation_id = "delist_account", tag = "batches",
    params(("account_ref" = String, Path, example = "PLAN-000009")),
    request_body(content = DelistingRequest, example = json!(examples::delisting_request())),
    responses((status = 200, description = "taken back; doing it again on the same day changes nothing", body = DelistingView, example = json!(examples::delisting())),
        (status = 404, description = "no such account of yours"),
        (status = 409, description = "`not-listed`: the account is not listed"),
        (status = 422, description = "`unprocessable`: settled_on is still to come")),
)]
pub async fn delist_account(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(account_ref): Path<String>,
    Json(request): Json<DelistingRequest>,
) -> Result<axum::Json<DelistingView>, Problem> {
    let contributor = principal.contributor()?;
    let delisting =
        pipeline::listings::delist(&app, contributor, principal.client_id, &account_ref, request.settled_on)
            .await?;
    Ok(axum::Json(delisting.into()))
}
