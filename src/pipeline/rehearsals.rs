//! The end of rehearsals: after a while their bytes and reject files go. Safe to run anywhere, any number of times.

use crate::app::App;
use crate::db::batches::{self, Step};
use crate::db::rehearsals::{self, Expired};
use crate::db::transitions;
use crate::domain::batch::State;
use crate::error::{Error, Result};
use crate::store::StorageKey;

/// Rehearsals handled in one go.
const BATCH_LIMIT: i64 = 200;

/// Removes the files of rehearsals that were settled long enough ago; says how many there were.
///
/// Objects go first: if this process dies between the two, the next run removes what is not there and writes it down.
pub async fn remove_expired(app: &App) -> Result<u64> {
    let now = app.clock.now();
    let before = now - app.config.dry_run_retention;
    let expired = rehearsals::expired(&app.db.system, before, BATCH_LIMIT).await?;
    let mut removed = 0;
    for rehearsal in expired {
        if rehearsal.waits && !withdraw(app, &rehearsal).await? {
            // Confirmed or replayed in this moment: it has a while more.
            continue;
        }
        app.store.delete(&rehearsal.object_key).await?;
        // Also when the last attempt left none: one before it may have.
        app.store.delete(StorageKey::rehearsed_rejects(rehearsal.batch_id).as_str()).await?;
        rehearsals::set_files_removed(&app.db.system, rehearsal.batch_id, now).await?;
        removed += 1;
    }
    Ok(removed)
}

/// Nobody may confirm or replay what is about to lose its bytes.
async fn withdraw(app: &App, rehearsal: &Expired) -> Result<bool> {
    let mut tx = app.db.system.begin().await?;
    // It was found without a lock: confirmed since, it is judged again and must keep its bytes.
    transitions::lock_batch_in_tx(&mut tx, rehearsal.batch_id).await?;
    let batch = batches::find_any(&mut *tx, rehearsal.batch_id).await?.ok_or(Error::NotFound)?;
    if !matches!(batch.state, State::OnHold | State::Failed) {
        return Ok(false);
    }
    let step = Step { at: app.clock.now(), actor: "schedule", reason: Some("the rehearsal's time is over") };
    let withdrawn = batches::move_in_tx(&mut tx, rehearsal.batch_id, State::Cancelled, step).await?;
    tx.commit().await?;
    Ok(withdrawn)
}
