//! `/v1/holidays` and what operators arrange: the calendar that due dates are counted in, and what is owed how often.

use std::collections::BTreeMap;

use axum::extract::State;
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::auth::Authorized;
use super::extract::{Json, Path, Query, validation_failed};
use super::problem::{FieldProblem, Problem};
use super::{dates, examples};
use crate::app::AppState;
use crate::db::{contributors, holidays, reporting};
use crate::domain::calendar::{
    Basis, CalendarState, Change, ChangeKind, FIRST_YEAR, LAST_YEAR, weekday_name,
};
use crate::domain::contract::Dataset;
use crate::domain::obligations::Cadence;
use crate::error::Error;
use crate::pipeline::obligations::{self, Arrangement};

/// Years around today in which anything may be arranged.
const YEARS: i32 = 5;

/// Which calendar to read.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HolidayQuery {
    /// The state; your own calendar's when absent.
    pub state: Option<CalendarState>,
    /// The year; this one when absent.
    #[param(minimum = 1957, maximum = 2200)]
    pub year: Option<i32>,
}

/// The days of a year on which a state does not work.
#[derive(Debug, Serialize, ToSchema)]
pub struct HolidayList {
    pub state: CalendarState,
    pub year: i32,
    /// Whether the moving days of the year are known; without them, due dates may come too early.
    pub complete: bool,
    /// The days of the weekend, as on the last day of the year.
    pub weekend: [&'static str; 2],
    pub holidays: Vec<HolidayView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct HolidayView {
    pub day: NaiveDate,
    pub name: String,
    /// How we know: fixed by law, computed by a rule, announced, estimated until it is announced, added by an operator.
    pub basis: Basis,
}

/// Read the public holidays of a state and year, as due dates count them.
#[utoipa::path(
    get, path = "/v1/holidays", operation_id = "list_holidays", tag = "batches",
    params(HolidayQuery),
    responses((status = 200, description = "the calendar", body = HolidayList, example = json!(examples::holidays()))),
)]
pub async fn list_holidays(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Query(query): Query<HolidayQuery>,
) -> Result<axum::Json<HolidayList>, Problem> {
    let year = query.year.unwrap_or_else(|| app.clock.today().year());
    let end = NaiveDate::from_ymd_opt(year, 12, 31).filter(|_| (1957..=2200).contains(&year));
    let end = end.ok_or_else(|| {
        validation_failed(vec![FieldProblem::new("query/year", "range", "must be a year from 1957 to 2200")])
    })?;
    let own = match principal.contributor_id {
        Some(contributor) => reporting::calendar_state(&app.db.system, contributor).await?,
        None => None,
    };
    let state = query.state.or(own).unwrap_or(CalendarState::Kul);
    let calendar = holidays::calendar(&app.db.system).await?;
    let view = |holiday: crate::domain::calendar::Holiday| HolidayView {
        day: holiday.day,
        name: holiday.name.into_owned(),
        basis: holiday.basis,
    };
    Ok(axum::Json(HolidayList {
        state,
        year,
        complete: (FIRST_YEAR..=LAST_YEAR).contains(&year),
        weekend: state.weekend(end).map(weekday_name),
        holidays: calendar.holidays(state, year).into_iter().map(view).collect(),
    }))
}

/// What an operator says of a day.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct HolidayRequest {
    #[serde(deserialize_with = "dates::date")]
    pub day: NaiveDate,
    /// HOLIDAY: nobody works. WORKING_DAY: it is worked, whatever the calendar says.
    pub kind: ChangeKind,
    /// The states that it is so in; all of them when absent.
    #[serde(default)]
    pub states: Option<Vec<CalendarState>>,
    #[validate(length(min = 1, max = 200, message = "must have 1 to 200 characters"))]
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
}

/// Say of a day that it is a holiday, or worked after all.
///
/// What was said of the day before gives way; doing it again changes nothing. Due dates that have not passed move later where
/// they must, within minutes, and never earlier.
#[utoipa::path(
    post, path = "/v1/operations/holidays", operation_id = "put_holiday", tag = "operations",
    request_body(content = HolidayRequest, example = json!(examples::holiday_request())),
    responses((status = 200, description = "as it is kept", body = HolidayRequest, example = json!(examples::holiday_request())),
        (status = 422, description = "`validation-failed`: the day is too far away, or no state is named")),
)]
pub async fn put_holiday(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Json(request): Json<HolidayRequest>,
) -> Result<axum::Json<HolidayRequest>, Problem> {
    check_near(app.clock.today(), request.day, "/day")?;
    let states = request.states.clone().unwrap_or_else(|| CalendarState::ALL.to_vec());
    if states.is_empty() {
        let problem = FieldProblem::new("/states", "length", "must name a state, or be left out for all");
        return Err(validation_failed(vec![problem]));
    }
    let change = |state| Change { day: request.day, state, kind: request.kind, name: request.name.clone() };
    let mut states = states;
    states.sort_unstable();
    states.dedup();
    let changes: Vec<Change> = states.iter().copied().map(change).collect();
    obligations::change_calendar(&app, principal.client_id, &changes).await?;
    Ok(axum::Json(HolidayRequest { states: Some(states), ..request }))
}

/// What a contributor owes how often.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ReportingView {
    /// The state whose working days due dates are counted in.
    pub calendar_state: CalendarState,
    /// By dataset; one that is absent goes by the default: account snapshots monthly since the contributor joined, and
    /// nothing else.
    pub cadences: BTreeMap<Dataset, CadenceView>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CadenceView {
    pub cadence: Cadence,
    /// Any day of the first period that is owed.
    #[serde(deserialize_with = "dates::date")]
    pub starts_on: NaiveDate,
}

/// Read what a contributor owes how often.
#[utoipa::path(
    get, path = "/v1/operations/contributors/{slug}/reporting", operation_id = "find_reporting", tag = "operations",
    params(("slug" = String, Path, description = "the contributor's short name", example = "documented")),
    responses((status = 200, description = "with the defaults written out", body = ReportingView, example = json!(examples::reporting())),
        (status = 404, description = "no such contributor")),
)]
pub async fn find_reporting(
    State(app): State<AppState>,
    Path(slug): Path<String>,
) -> Result<axum::Json<ReportingView>, Problem> {
    let contributor = contributors::find_by_slug(&app.db.system, &slug).await?.ok_or(Error::NotFound)?;
    Ok(axum::Json(reporting_view(&app, contributor.contributor_id).await?))
}

/// Arrange what a contributor owes how often.
///
/// Replaces what was arranged before. What was opened stays as it is: waive what should not be owed.
#[utoipa::path(
    put, path = "/v1/operations/contributors/{slug}/reporting", operation_id = "put_reporting", tag = "operations",
    params(("slug" = String, Path, description = "the contributor's short name", example = "documented")),
    request_body(content = ReportingView, example = json!(examples::reporting())),
    responses((status = 200, description = "with the defaults written out", body = ReportingView, example = json!(examples::reporting())),
        (status = 404, description = "no such contributor"),
        (status = 422, description = "`unprocessable`: a dataset is not in the agreement; `validation-failed`: a start is too far away")),
)]
pub async fn put_reporting(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(slug): Path<String>,
    Json(request): Json<ReportingView>,
) -> Result<axum::Json<ReportingView>, Problem> {
    for (dataset, view) in &request.cadences {
        check_near(app.clock.today(), view.starts_on, &format!("/cadences/{dataset}/starts_on"))?;
    }
    let cadences = request.cadences.iter().map(|(dataset, view)| (*dataset, (view.cadence, view.starts_on)));
    let arrangement = Arrangement { calendar_state: request.calendar_state, cadences: cadences.collect() };
    let contributor = obligations::arrange(&app, principal.client_id, &slug, &arrangement).await?;
    Ok(axum::Json(reporting_view(&app, contributor).await?))
}

async fn reporting_view(
    app: &AppState,
    contributor: crate::ids::ContributorId,
) -> Result<ReportingView, Problem> {
    let calendar_state = reporting::calendar_state(&app.db.system, contributor).await?;
    let rows = reporting::of_contributor(&app.db.system, contributor).await?;
    let cadences = rows
        .into_iter()
        .map(|row| (row.dataset, CadenceView { cadence: row.cadence, starts_on: row.starts_on }));
    Ok(ReportingView { calendar_state: calendar_state.ok_or(Error::NotFound)?, cadences: cadences.collect() })
}

/// A mistyped year would open obligations of a century.
fn check_near(today: NaiveDate, day: NaiveDate, pointer: &str) -> Result<(), Problem> {
    if (day.year() - today.year()).abs() <= YEARS {
        return Ok(());
    }
    let detail = format!("must be within {YEARS} years of today");
    Err(validation_failed(vec![FieldProblem::new(pointer, "range", detail)]))
}
