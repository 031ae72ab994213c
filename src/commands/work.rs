//! `etrplus work`: refines received batches. Any number of these share the lanes; none holds state.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{serve, stop_signal};
use crate::app::App;
use crate::config::Config;
use crate::http;
use crate::jobs::runner;

/// Works until told to stop, then lets running batches finish within the grace; what does not is taken up by
/// another worker when its lease has run out.
pub async fn run(config: Config) -> Result<()> {
    let stop = stop_signal().context("cannot listen for signals")?;
    let listener = serve::bind(config.metrics_listen, "ETR_METRICS_LISTEN").await?;
    let (tell, told) = oneshot::channel();
    let metrics = http::serve_metrics(config.clone(), async { told.await.ok() }, listener, stop.clone());
    let metrics = tokio::spawn(metrics);
    let app = serve::wire_when_reachable(&config, &stop).await?;
    // Nobody listens any more when it is already time to stop.
    let _ = tell.send(Arc::clone(&app));
    tracing::info!(workers = config.workers, metrics = %config.metrics_listen, "working");
    serve::spawn_upkeep(&app, &stop);
    work_until(app, stop).await;
    metrics.abort();
    tracing::info!("stopped");
    Ok(())
}

/// The worker as `work` and `dev` run it.
pub async fn work_until(app: Arc<App>, stop: CancellationToken) {
    let grace = app.config.shutdown_grace;
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        () = runner::run(app, stop.clone()) => {}
        () = deadline => tracing::warn!("running batches were cut off; their leases run out soon"),
    }
}
