//! What a contributor may do with a batch of its own after sending it: cancel, confirm.

use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::batches::{self, Batch, Step};
use crate::db::{lineage, transitions};
use crate::domain::batch::State;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ClientId, ContributorId, JobId};
use crate::privacy::random;

/// Withdraws a batch that is not published. A batch that is cancelled already stays so.
pub async fn cancel(app: &App, contributor: ContributorId, client: ClientId, id: BatchId) -> Result<Batch> {
    let batch = change(app, contributor, client, id, State::Cancelled, None).await?;
    app.wake.settled();
    Ok(batch)
}

/// Lets a held batch be judged again without the hold; the explanation is kept.
pub async fn confirm(
    app: &App,
    contributor: ContributorId,
    client: ClientId,
    id: BatchId,
    explanation: &str,
) -> Result<Batch> {
    let batch = change(app, contributor, client, id, State::Received, Some(explanation)).await?;
    app.wake.work();
    Ok(batch)
}

/// One step along the transition table in the contributor's own transaction.
async fn change(
    app: &App,
    contributor: ContributorId,
    client: ClientId,
    id: BatchId,
    to: State,
    explanation: Option<&str>,
) -> Result<Batch> {
    let now = app.clock.now();
    let mut tx = app.db.as_contributor(contributor).await?;
    transitions::lock_batch_in_tx(&mut tx, id).await?;
    let batch = batches::find(&mut *tx, contributor, id).await?.ok_or(Error::NotFound)?;
    if batch.state == to && explanation.is_none() {
        return Ok(batch);
    }
    let step = Step { at: now, actor: "client", reason: explanation.map(|_| "confirmed by the contributor") };
    let legal = explanation.is_none() || batch.state == State::OnHold;
    if !legal || !batches::move_in_tx(&mut tx, id, to, step).await? {
        return Err(illegal(batch.state, to));
    }
    if let Some(explanation) = explanation {
        let job = JobId(random::uuid_v7(now));
        batches::requeue_confirmed_in_tx(&mut tx, id, job, explanation).await?;
    }
    let object_id = id.to_string();
    let entry = Entry {
        at: now,
        actor_client: Some(client),
        actor: "client",
        action: if explanation.is_some() { "batch.confirm" } else { "batch.cancel" },
        object_kind: "batch",
        object_id: &object_id,
        outcome: "done",
        detail: serde_json::json!({ "from": batch.state, "to": to }),
    };
    audit::record(&mut *tx, &entry).await?;
    let who = client.to_string();
    let word = if explanation.is_some() { "confirmed" } else { to.as_str() };
    lineage::insert_edges(&mut tx, contributor, id, &[("client", who.as_str(), "verdict", word)], now)
        .await?;
    let changed = batches::find(&mut *tx, contributor, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(changed)
}

/// Why a batch does not move, with where it may move instead.
pub fn illegal(from: State, to: State) -> Error {
    let legal: Vec<&str> = from.next().iter().map(|state| state.as_str()).collect();
    let legal = if legal.is_empty() {
        "it stays as it is".to_owned()
    } else {
        format!("it may become {}", legal.join(", "))
    };
    Error::conflict("illegal-transition", format!("the batch is {from} and cannot become {to}; {legal}"))
}
