//! Is the process alive, and can it serve: `/healthz` and `/readyz`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::examples;
use super::problem::{FieldProblem, Problem, ProblemKind};
use crate::app::AppState;
use crate::db::schema::{self, Schema};

/// How long one check may take before it counts as failed.
const CHECK_LIMIT: Duration = Duration::from_secs(2);
/// How long an outcome is told again: the route is public and must not become a way to load the database.
const REMEMBER: Duration = Duration::from_millis(500);

/// Alive.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Health {
    #[schema(example = "alive")]
    status: &'static str,
    /// Version of the server.
    version: &'static str,
}

/// Ready, and what was looked at.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Ready {
    #[schema(example = "ready")]
    status: &'static str,
    checks: Vec<Check>,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Check {
    #[schema(example = "database")]
    name: &'static str,
    ok: bool,
    /// What to do, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// What readiness depends on beside the app: whether we are stopping, and the last outcome.
pub struct Readiness {
    stopping: CancellationToken,
    last: Mutex<Option<(Instant, Vec<Check>)>>,
}

impl Readiness {
    pub fn new(stopping: CancellationToken) -> Arc<Readiness> {
        Arc::new(Readiness { stopping, last: Mutex::new(None) })
    }

    /// The checks' outcome, at most [`REMEMBER`] old. Callers that come together share one round of checks.
    async fn checks(&self, app: &AppState) -> Vec<Check> {
        let mut last = self.last.lock().await;
        if let Some((at, checks)) = &*last
            && at.elapsed() < REMEMBER
        {
            return checks.clone();
        }
        let (database, schema, store) = tokio::join!(database(app), schema(app), object_store(app));
        let checks = vec![database, schema, store];
        *last = Some((Instant::now(), checks.clone()));
        checks
    }
}

/// Whether the process is alive
///
/// Says nothing about what it depends on: a restart does not bring a database back.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "The process is alive", body = Health, example = json!(examples::health()))))]
pub async fn find_health() -> Json<Health> {
    Json(Health { status: "alive", version: env!("CARGO_PKG_VERSION") })
}

/// Whether requests can be served
///
/// Asks Postgres over both pools, compares its schema with the server's, and asks the object store. Not ready
/// while the server stops.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, description = "Ready", body = Ready, example = json!(examples::ready())),
        (status = 503, description = "`not-ready`: `errors` names the checks that failed", body = super::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn find_readiness(
    State(app): State<AppState>,
    Extension(readiness): Extension<Arc<Readiness>>,
) -> Result<Json<Ready>, Problem> {
    if readiness.stopping.is_cancelled() {
        return Err(Problem::new(ProblemKind::NotReady).detail("The server is stopping."));
    }
    let checks = readiness.checks(&app).await;
    let failed: Vec<FieldProblem> = checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| {
            FieldProblem::new(format!("checks/{}", check.name), "failed", check.detail.unwrap_or("failed"))
        })
        .collect();
    if failed.is_empty() {
        return Ok(Json(Ready { status: "ready", checks }));
    }
    Err(Problem::new(ProblemKind::NotReady).detail("The server misses something it needs.").errors(failed))
}

async fn database(app: &AppState) -> Check {
    let ok = matches!(timeout(CHECK_LIMIT, app.db.ping()).await, Ok(Ok(())));
    outcome("database", ok, "Postgres does not answer in time")
}

async fn schema(app: &AppState) -> Check {
    let (ok, detail) = match timeout(CHECK_LIMIT, schema::compare(&app.db.system)).await {
        Ok(Ok(Schema::Current)) => (true, ""),
        Ok(Ok(Schema::Behind { .. })) => (false, "the schema is older than the server: run etrplus migrate"),
        Ok(Ok(_)) => (false, "the schema is not the one this server was built for"),
        Ok(Err(_)) | Err(_) => (false, "the schema cannot be read"),
    };
    outcome("schema", ok, detail)
}

async fn object_store(app: &AppState) -> Check {
    let ok = matches!(timeout(CHECK_LIMIT, app.store.ping()).await, Ok(Ok(())));
    outcome("object-store", ok, "the object store does not answer in time")
}

fn outcome(name: &'static str, ok: bool, otherwise: &'static str) -> Check {
    Check { name, ok, detail: (!ok).then_some(otherwise) }
}
