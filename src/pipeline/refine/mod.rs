//! Refining a batch: read, judge, stage, reach a verdict, publish. One call is one attempt under one lease.
//!
//! `judge` is the blocking half (decode and rules), `stage` the half that talks to Postgres, and both run
//! at once, a chunk apart. `verdict` decides; `publish` is transaction C. What differs between datasets is in
//! `snapshots`, `events` and `applications`.

mod applications;
mod book;
mod chunk;
mod edges;
mod events;
mod history;
mod imputed;
mod judge;
mod late;
mod ledger;
mod mask;
mod posting;
mod publish;
mod quality;
mod quarantine;
mod rejects;
mod reread;
pub mod shadow;
mod snapshots;
mod spill;
mod stage;
mod supersede;
mod tally;
mod totals;
mod verdict;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

pub(in crate::pipeline) use posting::Accounts;
pub(in crate::pipeline) use quarantine::stage as stage_rejects;
pub use rejects::{RejectFinding, RejectLine};
pub(in crate::pipeline) use reread::{Reread, stage_accepted};
pub(in crate::pipeline) use supersede::{restore_in_tx, withdraw_in_tx};
pub use tally::Sample;
pub(in crate::pipeline) use tally::Tally;
pub use totals::Totals;
pub(in crate::pipeline) use verdict::Judgement;

use applications::Applications;
use events::Events;
use judge::{Judge, Output, Reading};
use snapshots::Snapshots;
use stage::Stage;

use crate::app::App;
use crate::db::batches::{self, Batch, Step};
use crate::db::jobs::Lease;
use crate::db::{contributors, jobs, working_days};
use crate::domain::batch::State;
use crate::domain::contract::{Dataset, Terms};
use crate::error::{Error, Result};
use crate::pipeline::decode::{Fault, Feed};
use crate::pipeline::lineage;

/// Pieces and chunks that wait between two halves: enough to keep both busy, little enough to bound memory.
const FEED_DEPTH: usize = 16;
const OUTPUT_DEPTH: usize = 2;

/// Takes a received batch to its verdict and, if favourable, to `published`. Doing it again is harmless: a
/// batch that is settled already only has its job completed.
///
/// # Errors
/// Trouble of ours; the batch is left for another attempt.
pub async fn refine(app: &Arc<App>, lease: &Lease) -> Result<()> {
    let Some(batch) = begin(app, lease).await? else { return Ok(()) };
    let contributor =
        contributors::find(&app.db.system, batch.contributor_id).await?.ok_or(Error::NotFound)?;
    let batch = Arc::new(batch);
    let terms = Arc::new(contributor.terms);
    let mut stage = Stage::open(app, &batch, lease).await?;
    let reading = timed("read", Box::pin(read_and_stage(app, &batch, &terms, &mut stage))).await?;
    let judgement = timed("verdict", Box::pin(verdict::reach(&batch, &terms, reading, &mut stage))).await?;
    timed("publish", Box::pin(publish::settle(app, &batch, lease, judgement, stage))).await
}

/// Does a part of the work and tells how long it took.
async fn timed<T>(stage: &'static str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = work.await;
    metrics::histogram!("etr_refine_stage_seconds", "stage" => stage).record(begun.elapsed().as_secs_f64());
    done
}

/// Moves the batch to `validating`; `None` when there is nothing left to do.
async fn begin(app: &App, lease: &Lease) -> Result<Option<Batch>> {
    let mut tx = app.db.system.begin().await?;
    jobs::fence_in_tx(&mut tx, lease).await?;
    let batch = batches::find_any(&mut *tx, lease.batch_id).await?.ok_or(Error::NotFound)?;
    match batch.state {
        // A worker died on it: go on.
        State::Validating => {}
        State::Received => {
            let step = Step { at: app.clock.now(), actor: "worker", reason: None };
            batches::move_in_tx(&mut tx, batch.id, State::Validating, step).await?;
            lineage::began_in_tx(app, &mut tx, &batch, lease).await?;
        }
        _ => {
            // An attempt before this one had begun a run.
            if lease.attempts > 1 {
                lineage::withdrawn_in_tx(app, &mut tx, &batch, lease).await?;
            }
            jobs::complete_in_tx(&mut tx, lease).await?;
            tx.commit().await?;
            return Ok(None);
        }
    }
    tx.commit().await?;
    Ok(Some(batch))
}

async fn read_and_stage(
    app: &Arc<App>,
    batch: &Arc<Batch>,
    terms: &Arc<Terms>,
    stage: &mut Stage,
) -> Result<Reading> {
    let contract = app.contracts.contract(batch.dataset, &batch.envelope.schema_version).await?;
    let object = app.store.get(&batch.object_key).await?;
    let object = object.ok_or_else(|| Error::Internal("the stored object is missing".into()))?;
    let (send_feed, feed) = mpsc::channel(FEED_DEPTH);
    let (send_output, mut output) = mpsc::channel(OUTPUT_DEPTH);
    let working_days = working_days::of(&app.db.system, batch.contributor_id).await?;
    let feeder = tokio::spawn(feed_from_store(object, send_feed));
    let judge = {
        let (app, batch, terms) = (Arc::clone(app), Arc::clone(batch), Arc::clone(terms));
        tokio::task::spawn_blocking(move || {
            let judge = Judge::new(&batch, &terms, &app.keys, &send_output);
            let limits = &app.config.limits;
            match batch.dataset {
                Dataset::AccountSnapshot => {
                    let temp_dir = &app.config.temp_dir;
                    let records = Snapshots::new(&batch, &terms, &working_days, &app.keys, temp_dir);
                    judge.read(contract, records, feed, limits)
                }
                Dataset::RepaymentEvent => judge.read(contract, Events::new(&batch), feed, limits),
                Dataset::Application => judge.read(contract, Applications::new(&batch), feed, limits),
            }
        })
    };
    let staged = async {
        while let Some(output) = output.recv().await {
            match output {
                Output::Chunk(chunk) => stage.chunk(chunk).await?,
                Output::Events(chunk) => events::stage(stage, chunk).await?,
                Output::Rejects(frame) => stage.rejects.write(&frame).await?,
            }
        }
        Ok::<_, Error>(())
    }
    .await;
    // Closing the channel ends the judge if staging failed; whichever error came first is told.
    drop(output);
    let reading = judge.await.map_err(|panic| Error::Internal(format!("judging panicked: {panic}")));
    feeder.abort();
    staged?;
    reading?.map_err(|fault| match fault {
        Fault::Ours(cause) => Error::Internal(cause),
        Fault::BrokenOff(cause) => Error::Store(cause),
        Fault::Disk(cause) => Error::Disk(cause),
        Fault::File { code, detail } => Error::Internal(format!("unhandled file fault {code}: {detail}")),
    })
}

/// Hands the bytes of an object on, piece by piece.
pub(in crate::pipeline) async fn feed_from_store(
    mut object: aws_sdk_s3::primitives::ByteStream,
    feed: mpsc::Sender<Feed>,
) {
    while let Some(piece) = object.next().await {
        let message = match piece {
            Ok(bytes) => Feed::Bytes(bytes),
            Err(error) => Feed::Broken(error.to_string()),
        };
        if feed.send(message).await.is_err() {
            return;
        }
    }
    // The receiver may be gone already: then nobody needs the end.
    let _ = feed.send(Feed::End).await;
}
