//! What the binary can be told to do: one file per command.

pub mod client;
pub mod contributor;
pub mod dev;
pub mod gold;
pub mod healthcheck;
pub mod migrate;
pub mod openapi;
pub mod rebuild;
pub mod reconcile;
mod registry_access;
pub mod serve;
pub mod signing_key;
pub mod work;

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled by SIGTERM or SIGINT. A second signal ends the process at once, for whoever cannot wait.
pub fn stop_signal() -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        for message in ["stopping: requests may finish", "stopping at once"] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("{message}");
            if stopped.is_cancelled() {
                std::process::exit(130);
            }
            stopped.cancel();
        }
    });
    Ok(stop)
}
