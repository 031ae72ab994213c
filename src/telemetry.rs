//! Logs to standard error, metrics to Prometheus, and a panic hook that tells where and not what.

use std::io::IsTerminal;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Config;

/// Upper bounds of the latency buckets, in seconds: fine where lookups are, coarse where uploads are.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

const NOTICES: &str = "sqlx::postgres::notice=warn";

/// Sets up logs as configured. A second call in one process changes nothing.
pub fn init(config: &Config) {
    init_logs(config.log_json, &config.log_filter);
}

/// Sets up logs before there is a configuration.
pub fn init_logs(json: bool, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Postgres' notices ("already exists, skipping") tell nothing that the caller does not know.
    let filter = NOTICES.parse().map_or(filter.clone(), |directive| filter.add_directive(directive));
    let registry = tracing_subscriber::registry().with(filter);
    let set = if json {
        let lines = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
        registry.with(lines.with_writer(std::io::stderr)).try_init()
    } else {
        let lines = fmt::layer().with_ansi(std::io::stderr().is_terminal());
        registry.with(lines.with_writer(std::io::stderr)).try_init()
    };
    if set.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// A panic's message may hold the value that it choked on, and that may be a person's: only the place is logged.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(place = place.as_deref(), thread = thread.name(), "panic");
}

/// The process's metrics. The first call installs the recorder; what was counted before is lost.
pub fn metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder =
            PrometheusBuilder::new().set_buckets(SECONDS).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        describe();
        handle
    })
}

fn describe() {
    metrics::describe_counter!("etr_http_requests_total", "Requests by method, route template and status.");
    metrics::describe_histogram!(
        "etr_http_request_seconds",
        metrics::Unit::Seconds,
        "Time to the answer's head."
    );
    metrics::describe_gauge!("etr_http_connections", "Open client connections.");
    metrics::describe_counter!("etr_http_slow_connections_total", "Connections cut off for being too slow.");
    metrics::describe_gauge!("etr_db_connections", "Postgres connections by pool and state.");
}
