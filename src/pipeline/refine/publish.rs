//! Transaction C: the verdict, and for a good one the merge, in one commit that the lease fences.

use sqlx::PgConnection;

use super::stage::Stage;
use super::supersede;
use super::verdict::Judgement;
use super::{edges, quarantine};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::batches::{self, Batch, Step};
use crate::db::jobs::{self, Lease};
use crate::db::serving::{self, Origin};
use crate::db::{
    applications, batch_findings, erasure_tombstones, events, identity_reviews, journal, overlay, overrides,
    parked_events, precedents, scorecard, subjects,
};
use crate::domain::batch::State;
use crate::domain::contract::Dataset;
use crate::domain::rules::RULES_VERSION;
use crate::error::{Error, Result};
use crate::pipeline::{lineage as runs, parking};

/// Writes the verdict. If the answer to COMMIT is lost, the next attempt finds the batch settled.
pub async fn settle(
    app: &App,
    batch: &Batch,
    lease: &Lease,
    judgement: Judgement,
    mut stage: Stage,
) -> Result<()> {
    let rejects_key = stage.rejects.finish().await?;
    if !batch.envelope.dry_run {
        quarantine::stage(app, &mut stage.connection, rejects_key.as_deref()).await?;
    }
    let now = app.clock.now();
    let run = runs::settled(app, batch, lease, &judgement, rejects_key.is_some()).await;
    let mut tx = sqlx::Connection::begin(&mut *stage.connection).await?;
    jobs::fence_in_tx(&mut tx, lease).await?;
    let contract = format!("{}/{}", batch.dataset, batch.envelope.schema_version);
    let mut replaced = Vec::new();
    if judgement.state == State::Published && !batch.envelope.dry_run {
        let step = Step { at: now, actor: "worker", reason: None };
        replaced = publish_in_tx(&mut tx, batch, &judgement, &contract, step).await?;
        if let Some(book) = &judgement.book {
            precedents::set_book_in_tx(&mut tx, batch.id, book).await?;
        }
    }
    if !batch.envelope.dry_run {
        quarantine::write_in_tx(&mut tx, batch, judgement.state, now).await?;
    }
    let (counts, totals) = (&judgement.counts, &judgement.totals);
    batches::set_verdict_in_tx(&mut tx, batch.id, counts, totals, RULES_VERSION, rejects_key.as_deref())
        .await?;
    scorecard::set_quality_in_tx(&mut tx, batch.id, &judgement.quality).await?;
    overrides::set_leniency_in_tx(&mut tx, batch.id, &judgement.leniency).await?;
    batch_findings::replace_in_tx(&mut tx, batch.id, batch.contributor_id, &judgement.findings).await?;
    let step = Step { at: now, actor: "worker", reason: judgement.reason.as_deref() };
    if !move_to_verdict(&mut tx, batch, judgement.state, step).await? {
        // Cancelled while it was judged: nothing of this transaction stays but the end of the job.
        tx.rollback().await?;
        return end_job(app, lease).await;
    }
    let verdict = ("verdict", judgement.state.as_str());
    edges::record_in_tx(&mut tx, batch, &judgement, verdict, rejects_key.as_deref(), now).await?;
    runs::tell_in_tx(&mut tx, run.as_ref()).await?;
    let action = format!("batch.{}", judgement.state);
    let batch_id = batch.id.to_string();
    let entry = Entry {
        at: now,
        actor_client: None,
        actor: "worker",
        action: &action,
        object_kind: "batch",
        object_id: &batch_id,
        outcome: "done",
        detail: serde_json::json!({ "counts": counts, "rules_version": RULES_VERSION }),
    };
    audit::record(&mut *tx, &entry).await?;
    jobs::complete_in_tx(&mut tx, lease).await?;
    tx.commit().await?;
    // What is rehearsed is no business of the bureau.
    if !batch.envelope.dry_run {
        count_in_metrics(&judgement);
        for state in replaced {
            count_settled(state);
        }
    }
    app.wake.settled();
    Ok(())
}

/// Gives the batch its place among all publications, takes what it replaces out of the way, and enters its records. Says
/// what became of the batches that it replaced.
async fn publish_in_tx(
    tx: &mut PgConnection,
    batch: &Batch,
    judgement: &Judgement,
    contract: &str,
    step: Step<'_>,
) -> Result<Vec<State>> {
    let origin = Origin {
        contributor_id: batch.contributor_id,
        batch_id: batch.id,
        known_from: step.at,
        rules_version: RULES_VERSION,
        publication_no: journal::next_publication(&mut *tx).await?,
        contract,
    };
    // Tombstones were looked up while the batch was read, minutes ago for a large one: judged again, it finds the new one.
    if erasure_tombstones::among_staged_in_tx(tx, batch.dataset).await? {
        return Err(Error::Overloaded("a person was erased while the batch was judged"));
    }
    let replaced = match batch.dataset {
        Dataset::AccountSnapshot => {
            let replaced = merge_in_tx(tx, batch, &origin, step).await?;
            parking::accept_in_tx(tx, &origin, &judgement.policy).await?;
            replaced
        }
        Dataset::RepaymentEvent => {
            // First, so that the names of the events that go are free.
            let replaced = supersede::supersede_in_tx(tx, batch, step).await?;
            events::record_staged_in_tx(tx, &origin).await?;
            parked_events::park_staged_in_tx(tx, &origin, origin.known_from + parking::TIME).await?;
            overlay::of_staged_events_in_tx(tx, batch.contributor_id).await?;
            replaced
        }
        Dataset::Application => {
            let replaced = supersede::supersede_in_tx(tx, batch, step).await?;
            subjects::merge_applicants_in_tx(tx).await?;
            applications::record_staged_in_tx(tx, &origin, &judgement.warned).await?;
            replaced
        }
    };
    journal::number_batch_in_tx(tx, origin.batch_id, origin.publication_no).await?;
    Ok(replaced)
}

/// The persons, the journal, and what it adds up to.
async fn merge_in_tx(
    tx: &mut PgConnection,
    batch: &Batch,
    origin: &Origin<'_>,
    step: Step<'_>,
) -> Result<Vec<State>> {
    subjects::merge_holders_in_tx(tx).await?;
    journal::record_staged_in_tx(tx, origin).await?;
    let replaced = supersede::supersede_in_tx(tx, batch, step).await?;
    // After what the replaced batch had hidden is free: what this one says again is hidden again.
    identity_reviews::open_staged_in_tx(tx, batch.contributor_id, batch.id, step.at).await?;
    if replaced.contains(&State::Superseded) {
        // What the replaced batch brought may be gone with it: nothing can be added to the accounts as they are.
        journal::touch_batch_in_tx(tx, batch.id).await?;
        journal::refold_in_tx(tx, batch.contributor_id, Some(origin)).await?;
    } else {
        serving::merge_accounts_in_tx(tx, origin).await?;
        overlay::of_staged_accounts_in_tx(tx, batch.contributor_id).await?;
    }
    Ok(replaced)
}

/// A good verdict passes through `accepted`, so that the history shows both steps.
async fn move_to_verdict(tx: &mut PgConnection, batch: &Batch, state: State, step: Step<'_>) -> Result<bool> {
    if state == State::Published && !batches::move_in_tx(tx, batch.id, State::Accepted, step).await? {
        return Ok(false);
    }
    batches::move_in_tx(tx, batch.id, state, step).await
}

async fn end_job(app: &App, lease: &Lease) -> Result<()> {
    let mut tx = app.db.system.begin().await?;
    jobs::fence_in_tx(&mut tx, lease).await?;
    let batch = batches::find_any(&mut *tx, lease.batch_id).await?.ok_or(Error::NotFound)?;
    if !batch.state.is_settled() {
        return Err(Error::Internal(format!("batch {} is {} and could not be moved", batch.id, batch.state)));
    }
    runs::withdrawn_in_tx(app, &mut tx, &batch, lease).await?;
    jobs::complete_in_tx(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

fn count_settled(state: State) {
    metrics::counter!("etr_batches_settled_total", "state" => state.as_str()).increment(1);
}

fn count_in_metrics(judgement: &Judgement) {
    let counts = &judgement.counts;
    count_settled(judgement.state);
    let outcomes = [
        ("accepted", counts.accepted),
        ("rejected", counts.rejected),
        ("duplicate", counts.duplicate),
        ("unprocessed", counts.unprocessed),
    ];
    for (outcome, records) in outcomes {
        metrics::counter!("etr_records_total", "outcome" => outcome).increment(records as u64);
    }
    for finding in &judgement.findings {
        let labels = [("code", finding.code.clone()), ("severity", finding.severity.clone())];
        metrics::counter!("etr_rule_hits_total", &labels).increment(finding.records as u64);
    }
}
