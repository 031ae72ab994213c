//! The HTTP API: the only place that knows status codes. [`router`] is its table of contents.

mod aggregates;
mod archive_queries;
mod auth;
mod batches;
mod calendar;
mod catalogue;
mod connection;
mod contracts;
mod corrections;
mod dates;
mod docs;
mod examples;
pub mod extract;
mod gate;
pub mod headers;
mod health;
mod layers;
mod limits;
mod lineage;
mod listings;
mod metrics;
mod notices;
mod obligations;
mod openapi;
mod operations;
mod pace;
pub mod page;
pub mod problem;
mod profiles;
mod provenance;
mod rejects;
mod rekeys;
pub mod routes;
mod rule_page;
mod schedules;
mod scorecard;
mod server;
mod tokens;
mod wellformed;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::routes;

pub use auth::Authorized;
pub use docs::document_text;
pub use problem::{Problem, ProblemKind};
pub use server::Server;

use crate::access::Scope;
use crate::app::{App, AppState};
use crate::config::Config;
use crate::telemetry;
use gate::Gate;
use health::Readiness;
use routes::Routes;

/// Every route, by who calls it.
fn routes() -> Routes {
    Routes::new()
        // Load balancers have no token, and learn nothing here that they could not see by asking.
        .public(routes!(health::find_health))
        .public(routes!(health::find_readiness))
        // A client comes here to get its token, and to learn how.
        .public(routes!(tokens::issue_token))
        .public(routes!(tokens::find_metadata))
        .public(routes!(tokens::find_keys))
        // Engineers who integrate read these before they have a client; there is no data about anybody in them.
        .public(routes!(limits::find_limits))
        .public(routes!(docs::find_openapi))
        .public(routes!(docs::find_problems))
        .public(routes!(catalogue::list_rules))
        .public(routes!(catalogue::find_rule))
        .public(routes!(catalogue::find_dataset_schema))
        .public(routes!(contracts::list_contracts))
        .public(routes!(contracts::find_contract))
        // Contributors.
        .scoped_streaming(Scope::BatchesWrite, routes!(batches::create_batch))
        .scoped(Scope::BatchesRead, routes!(batches::list_batches))
        .scoped(Scope::BatchesRead, routes!(batches::find_batch))
        .scoped(Scope::BatchesRead, routes!(batches::find_report))
        .scoped_streaming(Scope::BatchesRead, routes!(batches::list_rejects))
        .scoped_streaming(Scope::BatchesWrite, routes!(rejects::replay_rejects))
        .scoped(Scope::BatchesRead, routes!(rejects::list_rejected_records))
        .scoped(Scope::BatchesRead, routes!(batches::find_receipt))
        .scoped(Scope::BatchesRead, routes!(lineage::find_lineage))
        .scoped(Scope::BatchesWrite, routes!(batches::cancel_batch))
        .scoped(Scope::BatchesWrite, routes!(batches::confirm_batch))
        .scoped(Scope::BatchesRead, routes!(obligations::list_obligations))
        .scoped(Scope::BatchesRead, routes!(obligations::find_obligation))
        .scoped(Scope::BatchesRead, routes!(calendar::list_holidays))
        .scoped(Scope::BatchesRead, routes!(listings::list_listings))
        .scoped(Scope::BatchesWrite, routes!(listings::delist_account))
        .scoped(Scope::BatchesRead, routes!(scorecard::find_scorecard))
        .scoped(Scope::BatchesWrite, routes!(corrections::create_correction))
        .scoped(Scope::BatchesRead, routes!(corrections::list_corrections))
        // Risk engines.
        .scoped(Scope::ProfilesQuery, routes!(profiles::query_profile))
        // A million subjects take longer than other requests, and so does a large file.
        .scoped_streaming(Scope::ArchiveQuery, routes!(archive_queries::create_archive_query))
        .scoped(Scope::ArchiveQuery, routes!(archive_queries::find_archive_query))
        .scoped(Scope::ArchiveQuery, routes!(archive_queries::cancel_archive_query))
        .scoped_streaming(Scope::ArchiveQuery, routes!(archive_queries::find_archive_result))
        .scoped(Scope::ProfilesQuery, routes!(notices::list_notices))
        .scoped(Scope::ProfilesQuery, routes!(notices::acknowledge_notice))
        // Risk engines and reporting.
        .scoped(Scope::AggregatesRead, routes!(aggregates::find_aggregate))
        // Operators.
        .scoped(Scope::Admin, routes!(operations::batches::find_any_batch))
        .scoped(Scope::Admin, routes!(lineage::find_any_lineage))
        .scoped(Scope::Admin, routes!(operations::batches::list_dead_letters))
        .scoped(Scope::Admin, routes!(operations::batches::replay_batch))
        .scoped(Scope::Admin, routes!(operations::recalls::request_recall))
        .scoped(Scope::Admin, routes!(operations::recalls::list_recalls))
        // A recall has no time limit of its own: it ends, or the database says why not.
        .scoped_streaming(Scope::Admin, routes!(operations::recalls::approve_recall))
        .scoped(Scope::Admin, routes!(operations::recalls::refuse_recall))
        .scoped(Scope::Admin, routes!(operations::shadows::request_shadow))
        .scoped(Scope::Admin, routes!(operations::shadows::find_shadow))
        .scoped(Scope::Admin, routes!(operations::shadows::promote_shadow))
        .scoped(Scope::Admin, routes!(operations::overrides::request_override))
        .scoped(Scope::Admin, routes!(operations::overrides::list_overrides))
        .scoped(Scope::Admin, routes!(operations::overrides::approve_override))
        .scoped(Scope::Admin, routes!(operations::overrides::revoke_override))
        .scoped(Scope::Admin, routes!(operations::erasure::put_erasure_tombstone))
        .scoped(Scope::Admin, routes!(operations::constants::request_constant))
        .scoped(Scope::Admin, routes!(operations::constants::list_constants))
        .scoped(Scope::Admin, routes!(operations::constants::approve_constant))
        .scoped(Scope::Admin, routes!(operations::constants::revoke_constant))
        .scoped(
            Scope::Admin,
            routes!(operations::contracts::list_versions, operations::contracts::create_contract),
        )
        .scoped(Scope::Admin, routes!(operations::contracts::change_contract))
        .scoped(Scope::Admin, routes!(operations::contracts::check_contract))
        .scoped(Scope::Admin, routes!(operations::contracts::publish_contract))
        .scoped(Scope::Admin, routes!(operations::contracts::deprecate_contract))
        .scoped(Scope::Admin, routes!(operations::contracts::retire_contract))
        .scoped(Scope::Admin, routes!(operations::contracts::list_contract_users))
        .scoped(Scope::Admin, routes!(operations::contracts::pin_contract))
        .scoped(Scope::Admin, routes!(operations::reconciliations::list_reconciliations))
        .scoped(Scope::Admin, routes!(schedules::list_schedules))
        .scoped(Scope::Admin, routes!(schedules::run_schedule))
        .scoped(Scope::Admin, routes!(obligations::list_all_obligations))
        .scoped(Scope::Admin, routes!(obligations::waive_obligation))
        .scoped(Scope::Admin, routes!(calendar::put_holiday))
        .scoped(Scope::Admin, routes!(calendar::find_reporting, calendar::put_reporting))
        .scoped(Scope::Admin, routes!(operations::identity_reviews::list_identity_reviews))
        .scoped(Scope::Admin, routes!(operations::identity_reviews::resolve_identity_review))
        .scoped(Scope::Admin, routes!(operations::corrections::list_all_corrections))
        .scoped(Scope::Admin, routes!(operations::corrections::request_rekey))
        .scoped(Scope::Admin, routes!(operations::corrections::approve_correction))
        .scoped(Scope::Admin, routes!(operations::corrections::refuse_correction))
        .scoped(Scope::Admin, routes!(operations::redisclosures::list_redisclosures))
        .page("/docs", axum::routing::get(docs::open_ui))
        .page("/docs/", axum::routing::get(docs::find_ui_index))
        .page("/docs/{*file}", axum::routing::get(docs::find_ui_file))
}

/// The API as a service.
pub fn router(app: AppState) -> Router {
    router_until(app, CancellationToken::new())
}

/// The API, not ready from the moment that `stopping` is cancelled.
fn router_until(app: AppState, stopping: CancellationToken) -> Router {
    surround(routes(), app, stopping)
}

/// Routes behind their guards and inside the layers that surround every handler.
pub fn surround(routes: Routes, app: AppState, stopping: CancellationToken) -> Router {
    routes
        .into_router(&app)
        // What no route takes is a problem like any other; 405 keeps its Allow.
        .fallback(layers::not_found)
        .method_not_allowed_fallback(layers::method_not_allowed)
        // The layers, innermost first.
        // A sender that trickles must not hold a slot; this is the only limit on an upload's time.
        .layer(from_fn(layers::pace_body))
        // Nothing needs a longer target; what is longer is not parsed any further.
        .layer(from_fn(layers::limit_uri))
        // A panic is one failed request, not a dropped connection.
        .layer(CatchPanicLayer::custom(layers::panicked))
        // Outermost, so that every answer has an id, a log line, a measurement and its headers.
        .layer(from_fn_with_state(app.clone(), layers::observe))
        // Readiness alone needs to know that we are stopping.
        .layer(Extension(Readiness::new(stopping)))
        .with_state(app)
}

/// The OpenAPI document, from the handlers; needs neither database nor configuration.
pub fn openapi_document() -> utoipa::openapi::OpenApi {
    routes().document(openapi::frame())
}

/// Where a process listens.
pub struct Listeners {
    pub api: TcpListener,
    /// Metrics are served where there is a listener for them.
    pub metrics: Option<TcpListener>,
}

/// Serves the API and the metrics until `shutdown`; then lets requests finish within the configured grace.
/// Returns when everything has ended.
pub async fn run_server(app: Arc<App>, listeners: Listeners, shutdown: CancellationToken) {
    let config = app.config.clone();
    let wired: Result<_, Infallible> = Ok(app);
    let Ok(()) = run_server_when(&config, listeners, shutdown, std::future::ready(wired)).await;
}

/// Like [`run_server`], and listens while the app is still being wired: alive, not ready.
///
/// # Errors
/// The wiring's own; the server has stopped by then.
pub async fn run_server_when<E>(
    config: &Config,
    listeners: Listeners,
    shutdown: CancellationToken,
    wired: impl Future<Output = Result<Arc<App>, E>>,
) -> Result<(), E> {
    telemetry::metrics();
    let server = |router| Server {
        router,
        public_url: config.public_url.as_str().into(),
        grace: config.shutdown_grace,
    };
    let (gate, metered) = (Gate::default(), metrics::Metered::default());
    // Metrics outlive the API, so that the end of it can be seen.
    let api_ended = CancellationToken::new();
    let api = async {
        server(gate.router()).run(listeners.api, shutdown.clone()).await;
        api_ended.cancel();
    };
    let metrics = async {
        if let Some(listener) = listeners.metrics {
            serve_metrics_of(config, metered.clone(), listener, api_ended.clone()).await;
        }
    };
    let open = async {
        let app = wired.await.inspect_err(|_| shutdown.cancel())?;
        let app = AppState(app);
        metered.start(app.clone());
        gate.open(router_until(app, shutdown.clone()));
        Ok(())
    };
    let ((), (), result) = tokio::join!(api, metrics, open);
    result
}

/// Serves the metrics of a process that has no API, until `end`; also while its app is still being wired, since
/// that it answers is how a platform tells that the process lives.
pub async fn serve_metrics(
    config: Config,
    wired: impl Future<Output = Option<Arc<App>>>,
    listener: TcpListener,
    end: CancellationToken,
) {
    let metered = metrics::Metered::default();
    let start = async {
        if let Some(app) = wired.await {
            metered.start(AppState(app));
        }
    };
    tokio::join!(start, serve_metrics_of(&config, metered.clone(), listener, end));
}

async fn serve_metrics_of(
    config: &Config,
    metered: metrics::Metered,
    listener: TcpListener,
    end: CancellationToken,
) {
    telemetry::metrics();
    let server = Server {
        router: metrics::router(metered),
        public_url: config.public_url.as_str().into(),
        grace: config.shutdown_grace,
    };
    tokio::join!(server.run(listener, end.clone()), keep_metrics(&end));
}

/// Histograms gather until somebody looks; without this they would grow while nobody does.
async fn keep_metrics(end: &CancellationToken) {
    while !end.is_cancelled() {
        telemetry::metrics().run_upkeep();
        tokio::select! {
            () = end.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
    }
}
