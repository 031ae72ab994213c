//! `/v1/operations/schedules`: what runs at an interval, for operators.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Authorized;
use super::examples;
use super::extract::Path;
use super::problem::Problem;
use crate::app::AppState;
use crate::db::schedules::{self, Schedule};
use crate::pipeline;

/// A function that runs at an interval, in one process at a time.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Permanent.
    pub name: String,
    /// Seconds from the end of one run to the start of the next.
    pub every_seconds: i32,
    /// Not before this instant does the next run start.
    pub due_at: DateTime<Utc>,
    /// Whether a process runs it now.
    pub running: bool,
    pub last_started_at: Option<DateTime<Utc>>,
    /// When the last run ended, whatever came of it.
    pub last_run_at: Option<DateTime<Utc>>,
    /// How many things the last good run changed.
    pub last_changed: Option<i64>,
    /// Why the last run failed; null when it did not.
    pub last_error: Option<String>,
}

impl From<Schedule> for ScheduleView {
    fn from(schedule: Schedule) -> ScheduleView {
        ScheduleView {
            name: schedule.name,
            every_seconds: schedule.every_seconds,
            due_at: schedule.due_at,
            running: schedule.running,
            last_started_at: schedule.last_started_at,
            last_run_at: schedule.last_run_at,
            last_changed: schedule.last_changed,
            last_error: schedule.last_error,
        }
    }
}

/// Everything that runs at an interval.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleList {
    pub schedules: Vec<ScheduleView>,
}

/// List what runs at an interval, and how the last runs ended.
#[utoipa::path(
    get, path = "/v1/operations/schedules", operation_id = "list_schedules", tag = "operations",
    responses((status = 200, description = "all functions that a worker ever ran, by name", body = ScheduleList, example = json!(examples::schedules()))),
)]
pub async fn list_schedules(State(app): State<AppState>) -> Result<axum::Json<ScheduleList>, Problem> {
    let schedules = schedules::list(&app.db.system).await?.into_iter().map(ScheduleView::from).collect();
    Ok(axum::Json(ScheduleList { schedules }))
}

/// Run a function of the schedule now.
///
/// A worker takes it up within seconds; while a run is going on, another one follows it. Read the list for how it
/// ended.
#[utoipa::path(
    post, path = "/v1/operations/schedules/{name}/run", operation_id = "run_schedule", tag = "operations",
    params(("name" = String, Path, example = json!("sweep_abandoned_uploads"))),
    responses((status = 202, description = "it is due", body = ScheduleView, example = json!(examples::schedule())),
        (status = 404, description = "no function of that name")),
)]
pub async fn run_schedule(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let schedule = pipeline::schedules::request(&app, principal.client_id, &name).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(ScheduleView::from(schedule))).into_response())
}
