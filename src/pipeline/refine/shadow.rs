//! Judging a batch again, beside what it is now, and promoting what came of it.
//!
//! The batch's own earlier effect is no history of it: on the connection that judges, a temporary table `accounts` stands
//! in front of the real one, folded from what the contributor had published before the batch (see
//! [`journal::stand_before_in_session`]). The connection is closed afterwards, whatever happens.

use std::sync::Arc;

use serde_json::json;
use sqlx::PgConnection;

use super::stage::Stage;
use super::verdict::{self, Judgement};
use super::{edges, quarantine, read_and_stage};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::batches::{self, Batch};
use crate::db::jobs::{self, Lease};
use crate::db::serving::Origin;
use crate::db::shadows::{self, Judged, Outcome, Shadow};
use crate::db::{
    batch_findings, contributors, identity_reviews, journal, lineage, overrides, precedents, scorecard,
    subjects, transitions,
};
use crate::domain::batch::State;
use crate::domain::rules::RULES_VERSION;
use crate::error::{Error, Result};
use crate::pipeline::{lineage as runs, parking};

/// Judges the batch of a queued shadow and leaves what would change. A shadow that is judged already only has its job
/// completed.
///
/// # Errors
/// Trouble of ours; the shadow is left for another attempt.
pub async fn judge(app: &Arc<App>, lease: &Lease) -> Result<()> {
    let shadow = find(app, lease).await?;
    if shadow.state != "queued" {
        return conclude(app, lease, None).await;
    }
    let Some(again) = judge_again(app, lease).await? else {
        return conclude(app, lease, Some("the batch no longer stands where it can be judged again")).await;
    };
    let mut tx = app.db.system.begin().await?;
    jobs::fence_in_tx(&mut tx, lease).await?;
    shadows::set_judged_in_tx(&mut tx, shadow.shadow_id, &again.outcome, app.clock.now()).await?;
    jobs::complete_in_tx(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

/// Applies a shadow, if judging once more still gives what the operators saw.
///
/// # Errors
/// Trouble of ours; the shadow is left for another attempt.
pub async fn promote(app: &Arc<App>, lease: &Lease) -> Result<()> {
    let shadow = find(app, lease).await?;
    if shadow.state != "promoting" {
        return conclude(app, lease, None).await;
    }
    let again = judge_again(app, lease).await?.filter(|again| again.is_as_seen(&shadow));
    let Some(again) = again else {
        return conclude(app, lease, Some("judging it once more gave another result; ask for a new shadow"))
            .await;
    };
    apply(app, lease, &shadow, again).await
}

async fn find(app: &App, lease: &Lease) -> Result<Shadow> {
    let id = lease.shadow_id.ok_or_else(|| Error::Internal("the job names no shadow".into()))?;
    shadows::find(&app.db.system, id).await?.ok_or(Error::NotFound)
}

/// Ends the job, and the shadow as well when there is a reason why it comes to nothing.
async fn conclude(app: &App, lease: &Lease, why: Option<&str>) -> Result<()> {
    let mut tx = app.db.system.begin().await?;
    jobs::fence_in_tx(&mut tx, lease).await?;
    if let Some((id, why)) = lease.shadow_id.zip(why) {
        shadows::end_in_tx(&mut tx, id, "outdated", why).await?;
    }
    jobs::complete_in_tx(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

/// A second judgement of a batch, with its rows still staged.
struct Again {
    batch: Arc<Batch>,
    published: i64,
    judgement: Judgement,
    outcome: Outcome,
    stage: Stage,
}

impl Again {
    fn is_as_seen(&self, shadow: &Shadow) -> bool {
        let outcome = &self.outcome;
        shadow.rules_version.as_deref() == Some(outcome.rules_version)
            && shadow.batch_state.as_deref() == Some(outcome.batch_state)
            && shadow.verdict.as_deref() == Some(outcome.verdict)
            && shadow.before.as_ref().is_some_and(|before| before.0 == outcome.before)
            && shadow.after.as_ref().is_some_and(|after| after.0 == outcome.after)
            && shadow.difference.as_ref().is_some_and(|difference| difference.0 == outcome.difference)
    }
}

/// `None` when the batch has moved on to a state without a judgement.
async fn judge_again(app: &Arc<App>, lease: &Lease) -> Result<Option<Again>> {
    let mut batch = batches::find_any(&app.db.system, lease.batch_id).await?.ok_or(Error::NotFound)?;
    if !may_be_shadowed(batch.state) {
        return Ok(None);
    }
    let published = journal::publication_of(&app.db.system, batch.id).await?;
    let before = Judged::new(batch.counts, &batch_findings::list(&app.db.system, batch.id).await?);
    if published.is_some() {
        // What is published is held no more: a finding that would hold it is shown among the others.
        batch.hold_explanation.get_or_insert_with(|| "published".to_owned());
    }
    let contributor =
        contributors::find(&app.db.system, batch.contributor_id).await?.ok_or(Error::NotFound)?;
    let (batch, terms) = (Arc::new(batch), Arc::new(contributor.terms));
    let mut stage = Stage::open_before(app, &batch, lease).await?;
    let reading = read_and_stage(app, &batch, &terms, &mut stage).await?;
    let judgement = verdict::reach(&batch, &terms, reading, &mut stage).await?;
    let published = published.unwrap_or_default();
    let accepted = judgement.state == State::Published;
    let outcome = Outcome {
        batch_state: batch.state.as_str(),
        rules_version: RULES_VERSION,
        verdict: judgement.state.as_str(),
        before,
        after: Judged::new(Some(judgement.counts), &judgement.findings),
        difference: shadows::difference(&mut stage.connection, &batch, published, accepted).await?,
    };
    Ok(Some(Again { batch, published, judgement, outcome, stage }))
}

/// Whether a batch has a judgement that another one can be compared with.
pub fn may_be_shadowed(state: State) -> bool {
    matches!(state, State::Published | State::Curated | State::Rejected | State::OnHold)
}

/// The transaction of a promotion: versions, accounts, verdict, and the end of the job, fenced by the lease.
async fn apply(app: &Arc<App>, lease: &Lease, shadow: &Shadow, again: Again) -> Result<()> {
    let Again { batch, published, judgement, mut stage, .. } = again;
    let rejects_key = stage.rejects.finish().await?;
    quarantine::stage(app, &mut stage.connection, rejects_key.as_deref()).await?;
    journal::leave_past_in_session(&mut stage.connection).await?;
    let now = app.clock.now();
    let run = runs::settled(app, &batch, lease, &judgement, rejects_key.is_some()).await;
    let mut tx = sqlx::Connection::begin(&mut *stage.connection).await?;
    jobs::fence_in_tx(&mut tx, lease).await?;
    transitions::lock_batch_in_tx(&mut tx, batch.id).await?;
    let current = batches::find_any(&mut *tx, batch.id).await?.ok_or(Error::NotFound)?;
    if current.state != batch.state {
        return Err(Error::Overloaded("the batch changed while its shadow was promoted"));
    }
    let contract = format!("{}/{}", batch.dataset, batch.envelope.schema_version);
    let origin = Origin {
        contributor_id: batch.contributor_id,
        batch_id: batch.id,
        known_from: now,
        rules_version: RULES_VERSION,
        publication_no: journal::next_publication(&mut *tx).await?,
        contract: &contract,
    };
    subjects::merge_holders_in_tx(&mut tx).await?;
    identity_reviews::open_staged_in_tx(&mut tx, batch.contributor_id, batch.id, now).await?;
    shadows::record_versions_in_tx(&mut tx, &origin, published).await?;
    journal::touch_batch_in_tx(&mut tx, batch.id).await?;
    journal::refold_in_tx(&mut tx, batch.contributor_id, None).await?;
    parking::accept_in_tx(&mut tx, &origin, &judgement.policy).await?;
    write_verdict_in_tx(&mut tx, &batch, &judgement, rejects_key.as_deref(), now).await?;
    tell_in_tx(&mut tx, &batch, shadow, now).await?;
    let id = shadow.shadow_id.to_string();
    edges::record_in_tx(&mut tx, &batch, &judgement, ("shadow", &id), rejects_key.as_deref(), now).await?;
    runs::began_in_tx(app, &mut tx, &batch, lease).await?;
    runs::tell_in_tx(&mut tx, run.as_ref()).await?;
    shadows::set_promoted_in_tx(&mut tx, shadow.shadow_id, origin.publication_no).await?;
    jobs::complete_in_tx(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

async fn write_verdict_in_tx(
    tx: &mut PgConnection,
    batch: &Batch,
    judgement: &Judgement,
    rejects_key: Option<&str>,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<()> {
    quarantine::write_in_tx(tx, batch, judgement.state, at).await?;
    let (counts, totals) = (&judgement.counts, &judgement.totals);
    batches::set_verdict_in_tx(tx, batch.id, counts, totals, RULES_VERSION, rejects_key).await?;
    if let Some(book) = &judgement.book {
        precedents::set_book_in_tx(tx, batch.id, book).await?;
    }
    scorecard::set_quality_in_tx(tx, batch.id, &judgement.quality).await?;
    overrides::set_leniency_in_tx(tx, batch.id, &judgement.leniency).await?;
    batch_findings::replace_in_tx(tx, batch.id, batch.contributor_id, &judgement.findings).await
}

async fn tell_in_tx(
    tx: &mut PgConnection,
    batch: &Batch,
    shadow: &Shadow,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<()> {
    let (id, batch_id) = (shadow.shadow_id.to_string(), batch.id.to_string());
    let edges = [
        ("shadow", id.as_str(), "journal", "account_snapshots"),
        ("journal", "account_snapshots", "serving_store", "accounts"),
    ];
    lineage::insert_edges(tx, batch.contributor_id, batch.id, &edges, at).await?;
    let entry = Entry {
        at,
        actor_client: shadow.promoted_by,
        actor: "worker",
        action: "shadow.promote",
        object_kind: "batch",
        object_id: &batch_id,
        outcome: "done",
        detail: json!({ "shadow_id": shadow.shadow_id, "rules_version": RULES_VERSION }),
    };
    audit::record(tx, &entry).await
}
