//! Taking back what was published: one operator asks, another one decides.
//!
//! Approval leaves the contributor's accounts as if the batch had never come. It takes the contributor's lane first, as
//! every publication does, so that the two never wait for each other in a circle and a refinement that was judged
//! against the recalled records is judged again.

use serde_json::json;
use sqlx::PgConnection;

use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::batches::{self, Batch, Step};
use crate::db::recalls::{self, Recall};
use crate::db::{identity_reviews, jobs, journal, lineage, rejected_records, replacements};
use crate::domain::batch::State;
use crate::domain::contract::Dataset;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ClientId, RecallId};
use crate::pipeline::lifecycle;
use crate::pipeline::refine::{restore_in_tx, withdraw_in_tx};
use crate::privacy::random;

/// Asks for a recall. The batch's open request if there is one; `true` when it is new.
///
/// # Errors
/// `illegal-transition` when the batch cannot be recalled.
pub async fn request(app: &App, operator: ClientId, id: BatchId, reason: &str) -> Result<(Recall, bool)> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    let batch = batches::find_any(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    if batch.envelope.dry_run {
        return Err(Error::conflict(
            "illegal-transition",
            "a rehearsal published nothing that could be recalled",
        ));
    }
    if !batch.state.may_become(State::Recalled) {
        return Err(lifecycle::illegal(batch.state, State::Recalled));
    }
    if batch.envelope.dry_run {
        return Err(Error::conflict(
            "illegal-transition",
            "a rehearsal changed nothing that could be taken back",
        ));
    }
    let recall = Recall {
        recall_id: RecallId(random::uuid_v7(now)),
        contributor_id: batch.contributor_id,
        batch_id: id,
        state: "requested".to_owned(),
        reason: reason.to_owned(),
        requested_by: operator,
        requested_at: now,
        decided_by: None,
        decided_at: None,
    };
    if !recalls::insert(&mut *tx, &recall).await? {
        let open = recalls::find_open(&mut *tx, id).await?;
        let open = open.ok_or(Error::Overloaded("the request was decided at the same moment"))?;
        return Ok((open, false));
    }
    let deed = Deed { operator, action: "recall.request", recall: &recall };
    deed.record(app, &mut tx).await?;
    tx.commit().await?;
    Ok((recall, true))
}

/// Recalls the batch. Doing it again changes nothing.
///
/// # Errors
/// `same-operator`, or a conflict when the request was refused or the batch can no longer be recalled.
pub async fn approve(app: &App, operator: ClientId, id: RecallId) -> Result<Recall> {
    let recall = recalls::find(&app.db.system, id).await?.ok_or(Error::NotFound)?;
    // Minutes of work for a large book: on a connection that may take them.
    let mut tx = app.db.refinery.begin().await?;
    jobs::seize_lane_in_tx(&mut tx, recall.contributor_id).await?;
    if let Some(settled) = decide_in_tx(app, &mut tx, operator, &recall, "approved").await? {
        return Ok(settled);
    }
    let batch = batches::find_any(&mut *tx, recall.batch_id).await?.ok_or(Error::NotFound)?;
    let step = Step { at: app.clock.now(), actor: "operator", reason: Some(&recall.reason) };
    if !batches::move_in_tx(&mut tx, batch.id, State::Recalled, step).await? {
        return Err(lifecycle::illegal(batch.state, State::Recalled));
    }
    let restored = reverse_in_tx(&mut tx, &batch, step).await?;
    record_lineage(&mut tx, id, &batch, &restored, step.at).await?;
    let decided = recalls::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    metrics::counter!("etr_batches_settled_total", "state" => "recalled").increment(1);
    // The lane is free, and who waited for its batch may find it elsewhere.
    app.wake.work();
    app.wake.settled();
    Ok(decided)
}

/// Refuses a request. Doing it again changes nothing.
///
/// # Errors
/// `same-operator`, or a conflict when the request was approved.
pub async fn refuse(app: &App, operator: ClientId, id: RecallId) -> Result<Recall> {
    let recall = recalls::find(&app.db.system, id).await?.ok_or(Error::NotFound)?;
    let mut tx = app.db.system.begin().await?;
    if let Some(settled) = decide_in_tx(app, &mut tx, operator, &recall, "refused").await? {
        return Ok(settled);
    }
    let decided = recalls::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(decided)
}

/// Keeps the decision, with its audit entry. The request as it stands when it was decided so before.
async fn decide_in_tx(
    app: &App,
    tx: &mut PgConnection,
    operator: ClientId,
    recall: &Recall,
    decision: &str,
) -> Result<Option<Recall>> {
    if recall.state == "requested" && recall.requested_by == operator {
        return Err(Error::conflict(
            "same-operator",
            "who asked for a recall cannot decide on it; another operator has to",
        ));
    }
    if recalls::decide_in_tx(tx, recall.recall_id, decision, operator, app.clock.now()).await? {
        let action = if decision == "approved" { "recall.approve" } else { "recall.refuse" };
        Deed { operator, action, recall }.record(app, tx).await?;
        return Ok(None);
    }
    let settled = recalls::find(&mut *tx, recall.recall_id).await?.ok_or(Error::NotFound)?;
    if settled.state == decision {
        return Ok(Some(settled));
    }
    let text = format!("the request was {} already; ask for another recall", settled.state);
    Err(Error::conflict("conflict", text))
}

/// Takes what a batch did out of what counts: its records, what its records had fixed, and its place in front of the
/// batches that it replaced, which it names.
async fn reverse_in_tx(tx: &mut PgConnection, batch: &Batch, step: Step<'_>) -> Result<Vec<BatchId>> {
    let mut restored = Vec::new();
    journal::touch_batch_in_tx(tx, batch.id).await?;
    withdraw_in_tx(tx, batch.contributor_id, batch.id, step.at).await?;
    identity_reviews::forget_in_tx(tx, batch.id).await?;
    for replaced in replacements::superseded_by(&mut *tx, batch.id).await? {
        let reason = format!("its replacement {} was recalled", batch.id);
        let step = Step { reason: Some(&reason), ..step };
        if batches::move_in_tx(tx, replaced, State::Published, step).await? {
            replacements::clear_superseded_by_in_tx(tx, replaced).await?;
            journal::touch_batch_in_tx(tx, replaced).await?;
            restore_in_tx(tx, batch.contributor_id, replaced, step.at).await?;
            restored.push(replaced);
        }
    }
    rejected_records::reopen_in_tx(tx, batch.contributor_id, batch.id).await?;
    journal::refold_in_tx(tx, batch.contributor_id, None).await?;
    Ok(restored)
}

/// The recall changed its batch, those that count again because of it, and the accounts that follow from them.
async fn record_lineage(
    tx: &mut PgConnection,
    id: RecallId,
    batch: &Batch,
    restored: &[BatchId],
    at: chrono::DateTime<chrono::Utc>,
) -> Result<()> {
    let (by, what) = (id.to_string(), batch.id.to_string());
    let mut edges = vec![("recall", by.as_str(), "recalled_batch", what.as_str())];
    if batch.dataset != Dataset::Application {
        edges.push(("recall", by.as_str(), "serving_store", "accounts"));
    }
    lineage::insert_edges(tx, batch.contributor_id, batch.id, &edges, at).await?;
    for restored in restored {
        let again = restored.to_string();
        let edge = [("recall", by.as_str(), "restored_batch", again.as_str())];
        lineage::insert_edges(tx, batch.contributor_id, *restored, &edge, at).await?;
    }
    Ok(())
}

struct Deed<'a> {
    operator: ClientId,
    action: &'a str,
    recall: &'a Recall,
}

impl Deed<'_> {
    async fn record(&self, app: &App, tx: &mut PgConnection) -> Result<()> {
        let batch = self.recall.batch_id.to_string();
        let entry = Entry {
            at: app.clock.now(),
            actor_client: Some(self.operator),
            actor: "operator",
            action: self.action,
            object_kind: "batch",
            object_id: &batch,
            outcome: "done",
            detail: json!({ "recall_id": self.recall.recall_id, "reason": self.recall.reason }),
        };
        audit::record(tx, &entry).await
    }
}
