//! Asking for a shadow of a batch, and for its promotion. The work itself is a job of the contributor's lane
//! ([`super::refine::shadow`]).

use serde_json::json;
use sqlx::PgConnection;

use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::batches;
use crate::db::shadows::{self, Shadow};
use crate::domain::batch::State;
use crate::domain::contract::Dataset;
use crate::domain::rules::RULES_VERSION;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ClientId, JobId, ShadowId};
use crate::pipeline::refine::shadow::may_be_shadowed;
use crate::privacy::random;

/// Asks that a batch be judged again, under the rules, the contract and the terms of today. Changes nothing else.
///
/// # Errors
/// `illegal-transition` when the batch has no judgement, or none that stands.
pub async fn request(app: &App, operator: ClientId, id: BatchId) -> Result<Shadow> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    let batch = batches::find_any(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    if batch.envelope.dry_run {
        return Err(Error::conflict("illegal-transition", "a rehearsal is sent again, not judged again"));
    }
    if batch.dataset != Dataset::AccountSnapshot {
        let text =
            "only batches of account snapshots are judged again; recall this one, and have it sent again";
        return Err(Error::conflict("conflict", text));
    }
    if !may_be_shadowed(batch.state) {
        let text = format!(
            "the batch is {}; one that is published, rejected or on hold can be shadowed",
            batch.state
        );
        return Err(Error::conflict("illegal-transition", text));
    }
    let shadow = ShadowId(random::uuid_v7(now));
    shadows::insert_in_tx(&mut tx, (shadow, JobId(random::uuid_v7(now))), &batch, operator, now).await?;
    record(app, &mut tx, operator, "shadow.request", (id, shadow)).await?;
    let queued = shadows::find(&mut *tx, shadow).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    app.wake.work();
    Ok(queued)
}

/// Asks that what a shadow found be applied. Doing it again changes nothing.
///
/// # Errors
/// `same-operator`; a conflict when the shadow is not judged, would not publish the batch, or when the batch or the rules
/// are not what they were.
pub async fn promote(app: &App, operator: ClientId, id: ShadowId) -> Result<Shadow> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    let shadow = shadows::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    if shadow.requested_by == operator {
        let text = "who asked for a shadow cannot promote it; another operator has to";
        return Err(Error::conflict("same-operator", text));
    }
    if matches!(shadow.state.as_str(), "promoting" | "promoted") {
        return Ok(shadow);
    }
    let batch = batches::find_any(&mut *tx, shadow.batch_id).await?.ok_or(Error::NotFound)?;
    if let Some(obstacle) = obstacle(&shadow, batch.state) {
        return Err(Error::conflict("conflict", obstacle));
    }
    if shadows::begin_promotion_in_tx(&mut tx, (id, JobId(random::uuid_v7(now))), operator, now).await? {
        record(app, &mut tx, operator, "shadow.approve", (shadow.batch_id, id)).await?;
    }
    let queued = shadows::find(&mut *tx, id).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    app.wake.work();
    Ok(queued)
}

/// Why a shadow cannot be promoted, if it cannot.
fn obstacle(shadow: &Shadow, batch: State) -> Option<String> {
    if shadow.state != "judged" {
        return Some(format!("the shadow is {}; only a judged one can be promoted", shadow.state));
    }
    if shadow.rules_version.as_deref() != Some(RULES_VERSION)
        || shadow.batch_state.as_deref() != Some(batch.as_str())
    {
        return Some("the batch or the rules have changed since; ask for a new shadow".to_owned());
    }
    if !matches!(batch, State::Published | State::Curated) {
        return Some(format!(
            "the batch is {batch}: nothing of it is published that could be changed; it is sent or confirmed by its contributor"
        ));
    }
    let verdict = shadow.verdict.as_deref().unwrap_or_default();
    (verdict != State::Published.as_str())
        .then(|| format!("judged again, the batch would be {verdict}; recall it instead"))
}

async fn record(
    app: &App,
    tx: &mut PgConnection,
    operator: ClientId,
    action: &str,
    (batch, shadow): (BatchId, ShadowId),
) -> Result<()> {
    let batch = batch.to_string();
    let entry = Entry {
        at: app.clock.now(),
        actor_client: Some(operator),
        actor: "operator",
        action,
        object_kind: "batch",
        object_id: &batch,
        outcome: "done",
        detail: json!({ "shadow_id": shadow }),
    };
    audit::record(tx, &entry).await
}
