//! Dead letters: a batch that failed by a fault of ours is tried again when an operator says so.

use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::batches::{self, Batch, Step};
use crate::db::{dead_letters, jobs, lineage, transitions};
use crate::domain::batch::State;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ClientId, JobId};
use crate::pipeline::lifecycle;
use crate::privacy::random;

/// Puts a failed batch back into its contributor's lane, behind what waits there, with as many tries as a new one.
///
/// # Errors
/// `illegal-transition` when the batch did not fail; so a second call, too, is refused and queues nothing.
pub async fn failed_batch(app: &App, operator: ClientId, id: BatchId) -> Result<Batch> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    transitions::lock_batch_in_tx(&mut tx, id).await?;
    let batch = batches::find_any(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    // A held batch may become received as well, but by its contributor's word alone.
    let step = Step { at: now, actor: "operator", reason: batch.failure.as_deref() };
    if batch.state != State::Failed || !batches::move_in_tx(&mut tx, id, State::Received, step).await? {
        return Err(lifecycle::illegal(batch.state, State::Received));
    }
    dead_letters::clear_failure_in_tx(&mut tx, id).await?;
    jobs::queue_batch_in_tx(&mut tx, JobId(random::uuid_v7(now)), batch.contributor_id, id).await?;
    let object_id = id.to_string();
    let entry = Entry {
        at: now,
        actor_client: Some(operator),
        actor: "operator",
        action: "batch.replay",
        object_kind: "batch",
        object_id: &object_id,
        outcome: "done",
        detail: serde_json::json!({ "cause": batch.failure }),
    };
    audit::record(&mut *tx, &entry).await?;
    let who = operator.to_string();
    let edge = [("client", who.as_str(), "verdict", "replayed")];
    lineage::insert_edges(&mut tx, batch.contributor_id, id, &edge, now).await?;
    let queued = batches::find_any(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    app.wake.work();
    Ok(queued)
}
