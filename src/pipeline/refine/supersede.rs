//! A batch in another one's place: what was published is superseded, what still waits is cancelled, what was rejected is
//! made good.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use crate::audit::{self, Entry};
use crate::db::batches::{self, Batch, Step};
use crate::db::{
    applications, events, identity_reviews, journal, lineage, overlay, rejected_records, replacements,
};
use crate::domain::batch::State;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ContributorId};

/// Takes out of the way what the batch replaces, in the transaction that publishes it, and says what became of each batch.
/// When one is superseded, what was published no longer counts: its accounts are touched and have to be folded anew.
pub async fn supersede_in_tx(tx: &mut PgConnection, batch: &Batch, step: Step<'_>) -> Result<Vec<State>> {
    let mut outcomes = Vec::new();
    for replaced in replacements::replaced_by(&mut *tx, batch).await? {
        let from = State::parse(&replaced.state).ok_or_else(|| Error::Inconsistent {
            table: "batches",
            column: "state",
            row: replaced.batch_id.to_string(),
        })?;
        rejected_records::resolve_all_in_tx(tx, replaced.batch_id, batch.id, step.at).await?;
        // What is received waits behind this batch in the lane: it was confirmed or replayed meanwhile, and would be
        // published over its replacement. A batch that holds no data any more stays as it is.
        let to = match from {
            State::Received | State::OnHold | State::Failed => State::Cancelled,
            from if from.may_become(State::Superseded) => State::Superseded,
            _ => continue,
        };
        // Noted first: a superseded batch always says by which.
        replacements::set_superseded_by_in_tx(tx, replaced.batch_id, batch.id).await?;
        let reason = format!("replaced by batch {}", batch.id);
        let step = Step { reason: Some(&reason), ..step };
        if !batches::move_in_tx(tx, replaced.batch_id, to, step).await? {
            return Err(Error::Overloaded("a batch that is being replaced changed at the same moment"));
        }
        if to == State::Superseded {
            journal::touch_batch_in_tx(tx, replaced.batch_id).await?;
            withdraw_in_tx(tx, batch.contributor_id, replaced.batch_id, step.at).await?;
        }
        tell_in_tx(tx, batch, &replaced.batch_id.to_string(), (from, to), step).await?;
        outcomes.push(to);
    }
    Ok(outcomes)
}

/// Takes the events and applications of a batch that no longer counts out of what counts, and frees the accounts that
/// only its names kept in review; doing it again changes nothing. Snapshots count by the state of their batch: their
/// accounts are folded anew instead, afterwards.
pub async fn withdraw_in_tx(
    tx: &mut PgConnection,
    contributor: ContributorId,
    batch: BatchId,
    at: DateTime<Utc>,
) -> Result<()> {
    applications::withdraw_in_tx(tx, batch, at).await?;
    identity_reviews::release_in_tx(tx, contributor, batch, at).await?;
    let account_refs = events::withdraw_in_tx(tx, batch, at).await?;
    overlay::of_accounts_in_tx(tx, contributor, &account_refs).await
}

/// The opposite, for a batch that counts again because what replaced it was recalled.
pub async fn restore_in_tx(
    tx: &mut PgConnection,
    contributor: ContributorId,
    batch: BatchId,
    at: DateTime<Utc>,
) -> Result<()> {
    applications::restore_in_tx(tx, batch).await?;
    identity_reviews::restore_in_tx(tx, contributor, batch, at).await?;
    let account_refs = events::restore_in_tx(tx, batch).await?;
    overlay::of_accounts_in_tx(tx, contributor, &account_refs).await
}

async fn tell_in_tx(
    tx: &mut PgConnection,
    batch: &Batch,
    replaced: &str,
    (from, to): (State, State),
    step: Step<'_>,
) -> Result<()> {
    let by = batch.id.to_string();
    let edge = [("batch", replaced, "replaced_by", by.as_str())];
    lineage::insert_edges(tx, batch.contributor_id, batch.id, &edge, step.at).await?;
    let action = format!("batch.{to}");
    let entry = Entry {
        at: step.at,
        actor_client: None,
        actor: step.actor,
        action: &action,
        object_kind: "batch",
        object_id: replaced,
        outcome: "done",
        detail: json!({ "from": from, "to": to, "replaced_by": batch.id }),
    };
    audit::record(&mut *tx, &entry).await
}
