//! Prometheus metrics, on a listener of their own: they tell an outsider more than he should know.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::{HeaderValue, header};

use super::layers;
use crate::app::AppState;
use crate::telemetry;

/// What the pools are read from, once there is an app.
#[derive(Clone, Default)]
pub struct Metered(Arc<OnceLock<AppState>>);

impl Metered {
    pub fn start(&self, app: AppState) {
        self.0.get_or_init(|| app);
    }
}

/// The router of the metrics listener.
pub fn router(metered: Metered) -> Router {
    Router::new()
        .route("/metrics", get(find_metrics))
        .fallback(layers::not_found)
        .method_not_allowed_fallback(layers::method_not_allowed)
        .with_state(metered)
}

async fn find_metrics(State(metered): State<Metered>) -> ([(header::HeaderName, HeaderValue); 1], String) {
    for (pool, open, idle) in metered.0.get().into_iter().flat_map(|app| app.db.pool_sizes()) {
        let gauge =
            |state: &'static str| metrics::gauge!("etr_db_connections", "pool" => pool, "state" => state);
        gauge("idle").set(idle as f64);
        gauge("used").set(f64::from(open.saturating_sub(idle as u32)));
    }
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, text)], telemetry::metrics().render())
}
