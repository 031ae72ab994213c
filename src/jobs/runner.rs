//! The worker: any number of processes with any number of slots share the lanes.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::schedule;
use crate::app::App;
use crate::db::batches::{self, Step};
use crate::db::jobs::{self, JobKind, Lease};
use crate::db::shadows;
use crate::domain::batch::State;
use crate::error::{Error, Result};
use crate::pipeline::{lineage as runs, refine};
use crate::privacy::random;

/// Signs of life in the time of one lease: the lane outlives two that are lost.
const HEARTBEATS: u32 = 4;
/// How often an idle slot looks for work that nobody announced.
const POLL: Duration = Duration::from_millis(500);
/// Tries of a batch that fails by itself (a panic, a damaged object): then it is a dead letter.
const MAX_ATTEMPTS: i32 = 3;
/// Tries of a batch while Postgres or the store are away: some hours, with the delays below.
const MAX_OUTAGE_ATTEMPTS: i32 = 200;
/// Deaths of a worker over one batch, one after the other: deployments and crashes of machines stay below, a batch
/// that kills whoever reads it does not go on for ever.
const MAX_UNREPORTED_ATTEMPTS: i32 = 10;
/// The longest that one attempt may take: a statement may take half of it, and a connection that has fallen silent
/// would otherwise hold its lane for ever.
const MAX_ATTEMPT: Duration = Duration::from_secs(3600);
const MAX_DELAY_SECONDS: i32 = 60;

/// Works until the token is cancelled; then lets running batches go on to their end, or to the deadline that
/// the caller sets by dropping the future: what is cut off is taken up again by lease.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut tasks = JoinSet::new();
    for _ in 0..app.config.workers {
        tasks.spawn(slot(Arc::clone(&app), stop.clone()));
    }
    tasks.spawn(schedule::keep(Arc::clone(&app), stop.clone()));
    let listener = {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.wake.listen_to_others(app.db.system.clone()).await })
    };
    while tasks.join_next().await.is_some() {}
    listener.abort();
}

async fn slot(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match work_once(&app).await {
            Ok(true) => {}
            Ok(false) => {
                tokio::select! {
                    () = app.wake.until_work() => {}
                    () = tokio::time::sleep(jittered(POLL)) => {}
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the queue cannot be read");
                tokio::select! {
                    () = tokio::time::sleep(jittered(Duration::from_secs(1))) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
}

/// Leases one lane and does its oldest job. `false` when there was none.
pub async fn work_once(app: &Arc<App>) -> Result<bool> {
    let Some(lease) = jobs::lease(&app.db.system, random::uuid_v4(), app.config.lease).await? else {
        return Ok(false);
    };
    let started = std::time::Instant::now();
    let outcome = if lease.unreported_attempts > MAX_UNREPORTED_ATTEMPTS {
        Err(Error::Internal(format!("its worker died {MAX_UNREPORTED_ATTEMPTS} times in a row")))
    } else {
        hold_lane_while(app, &lease, Box::pin(work(app, &lease))).await
    };
    let seconds = started.elapsed().as_secs_f64();
    metrics::histogram!("etr_refine_seconds").record(seconds);
    if let Err(error) = outcome {
        tracing::error!(batch.id = %lease.batch_id, attempt = lease.attempts, error = %chain(&error), "a batch was not refined");
        settle_failure(app, &lease, &error).await?;
    } else {
        tracing::info!(batch.id = %lease.batch_id, seconds, "refined");
    }
    jobs::release(&app.db.system, &lease).await?;
    // The lane may hold more.
    app.wake.work_here();
    Ok(true)
}

async fn work(app: &Arc<App>, lease: &Lease) -> Result<()> {
    match lease.kind {
        JobKind::RefineBatch => refine::refine(app, lease).await,
        JobKind::JudgeShadow => refine::shadow::judge(app, lease).await,
        JobKind::PromoteShadow => refine::shadow::promote(app, lease).await,
    }
}

/// Runs the work with a heartbeat; ends it when the lane is lost. A panic in it is an error of the batch.
async fn hold_lane_while(
    app: &Arc<App>,
    lease: &Lease,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    let heartbeat = async {
        loop {
            tokio::time::sleep(app.config.lease / HEARTBEATS).await;
            match jobs::extend(&app.db.system, lease, app.config.lease).await {
                Ok(true) => {}
                Ok(false) => return Error::Overloaded("the lease on this contributor's lane was lost"),
                // An outage: the fence decides at the end.
                Err(error) => {
                    tracing::warn!(batch.id = %lease.batch_id, %error, "the lease was not extended");
                }
            }
        }
    };
    tokio::select! {
        outcome = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(work)) => {
            outcome.unwrap_or_else(|_| Err(Error::Internal("refining panicked".into())))
        }
        lost = heartbeat => Err(lost),
        () = tokio::time::sleep(MAX_ATTEMPT) => Err(Error::Overloaded("the attempt took too long")),
    }
}

/// Back into the queue with a delay, or, after the last try, into `failed` with its cause.
async fn settle_failure(app: &App, lease: &Lease, error: &Error) -> Result<()> {
    let cause = chain(error);
    let limit = if error.is_transient() { MAX_OUTAGE_ATTEMPTS } else { MAX_ATTEMPTS };
    let mut tx = app.db.system.begin().await?;
    if let Err(lost) = jobs::fence_in_tx(&mut tx, lease).await {
        tracing::info!(batch.id = %lease.batch_id, %lost, "left to the next worker");
        return Ok(());
    }
    if lease.attempts < limit {
        let delay = 2_i32.saturating_pow(lease.attempts.clamp(0, 10) as u32 - 1).min(MAX_DELAY_SECONDS);
        jobs::retry_in_tx(&mut tx, lease, delay, &cause).await?;
    } else if let Some(shadow) = lease.shadow_id {
        // The batch stays what it is: only its shadow came to nothing.
        jobs::bury_in_tx(&mut tx, lease, &cause).await?;
        shadows::end_in_tx(&mut tx, shadow, "failed", &cause).await?;
    } else {
        jobs::bury_in_tx(&mut tx, lease, &cause).await?;
        let step = Step { at: app.clock.now(), actor: "worker", reason: Some("every attempt failed") };
        batches::move_in_tx(&mut tx, lease.batch_id, State::Failed, step).await?;
        batches::set_failure_in_tx(&mut tx, lease.batch_id, &cause).await?;
        runs::failed_in_tx(app, &mut tx, lease, error).await?;
        // What is rehearsed is no business of the bureau.
        let batch = batches::find_any(&mut *tx, lease.batch_id).await?;
        if batch.is_some_and(|batch| !batch.envelope.dry_run) {
            metrics::counter!("etr_batches_settled_total", "state" => "failed").increment(1);
        }
    }
    tx.commit().await?;
    app.wake.settled();
    Ok(())
}

/// Plus or minus a quarter, so that many processes do not ask in step.
pub(super) fn jittered(base: Duration) -> Duration {
    let [byte] = random::bytes::<1>();
    base * (192 + u32::from(byte) / 2) / 256
}

/// The error and its sources in one line, for logs and operators.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
