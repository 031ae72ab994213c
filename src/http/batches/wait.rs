//! `Prefer: wait`: an answer that comes a little later and has everything in it (RFC 7240).

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::find_owned;
use crate::app::AppState;
use crate::db::batches::Batch;
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// How often to look when no worker of this process says that something is settled.
const POLL: Duration = Duration::from_millis(100);

/// The batch once it is settled, or `None` when time runs out first.
pub async fn until_settled(
    app: &AppState,
    contributor: ContributorId,
    id: BatchId,
    limit: Duration,
) -> Result<Option<Batch>> {
    let deadline = Instant::now() + limit;
    loop {
        let settled = app.wake.until_settled();
        let batch = find_owned(app, contributor, id).await?;
        if batch.state.is_settled() {
            return Ok(Some(batch));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        let next_look = deadline.min(Instant::now() + POLL);
        // Either way we look again; only the time of the look differs.
        let _ = timeout_at(next_look, settled).await;
    }
}
