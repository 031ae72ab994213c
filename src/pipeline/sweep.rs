//! What dead senders and dead servers left: unfinished uploads. Safe to run anywhere, any number of times.

use crate::app::App;
use crate::db::batches;
use crate::error::Result;

/// Uploads handled in one go.
const BATCH_LIMIT: i64 = 100;

/// Sweeps abandoned uploads and removes their objects; returns how many there were.
///
/// The row goes first. If this process dies between the two, an object that no batch names stays in `bronze/`
/// and costs its space; the other order could lose bytes that a late transaction still acknowledges.
pub async fn abandoned_uploads(app: &App) -> Result<usize> {
    let keys = batches::sweep_abandoned(&app.db.system, BATCH_LIMIT).await?;
    for key in &keys {
        app.store.delete(key).await?;
    }
    if !keys.is_empty() {
        tracing::info!(uploads = keys.len(), "swept abandoned uploads");
    }
    Ok(keys.len())
}
