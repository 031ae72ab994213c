//! The schedule: functions that run at an interval, each in one process at a time, wherever a worker runs.
//!
//! A function is a line of [`SCHEDULE`]. It must be safe to run twice, also at once (a process that was thought dead
//! may finish), and it ends within its `longest`: work that may be more goes in bounded portions, and what is left is
//! found again at the next run. It changes things by the app's clock; only when it runs goes by the database's.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::runner::{chain, jittered};
use crate::app::App;
use crate::db::schedules;
use crate::error::{Error, Result};
use crate::pipeline::{
    archive, curate, explain, gold, lineage, notices, obligations, parking, reconcile, rehearsals, sweep,
    unopened,
};
use crate::privacy::random;

/// One function of the schedule.
pub struct Scheduled {
    /// Permanent: the row in `schedules`, the metrics and the API know it by this name.
    pub name: &'static str,
    /// From the end of one run to the start of the next; what failed is tried again within a minute.
    pub every: Duration,
    /// The longest that one run may take; then it is cut off, and repeated.
    pub longest: Duration,
    /// Does the work; says how many things it changed.
    pub run: fn(Arc<App>) -> BoxFuture<'static, Result<u64>>,
}

/// All of them.
pub const SCHEDULE: &[Scheduled] = &[
    Scheduled {
        name: "sweep_abandoned_uploads",
        every: Duration::from_secs(10),
        longest: SHORT,
        run: |app| async move { Ok(sweep::abandoned_uploads(&app).await? as u64) }.boxed(),
    },
    Scheduled {
        name: "reject_expired_events",
        every: Duration::from_secs(600),
        longest: SHORT,
        run: |app| async move { parking::reject_expired(&app).await }.boxed(),
    },
    Scheduled {
        name: "find_unopened_applications",
        every: Duration::from_secs(3600),
        longest: SHORT,
        run: |app| async move { unopened::find(&app).await }.boxed(),
    },
    Scheduled {
        name: "send_notices",
        every: Duration::from_secs(10),
        longest: SHORT,
        run: |app| async move { notices::send(&app).await }.boxed(),
    },
    Scheduled {
        name: "remove_rehearsals",
        every: Duration::from_secs(600),
        longest: SHORT,
        run: |app| async move { rehearsals::remove_expired(&app).await }.boxed(),
    },
    Scheduled {
        name: "locate_records",
        every: Duration::from_secs(10),
        longest: SHORT,
        run: |app| async move { explain::locate_wanted(&app).await }.boxed(),
    },
    Scheduled {
        name: "send_lineage",
        every: Duration::from_secs(5),
        longest: SHORT,
        run: |app| async move { lineage::send(&app).await }.boxed(),
    },
    Scheduled {
        name: "refresh_gold",
        every: Duration::from_secs(3600),
        // Every person of the lake; a version that takes longer than an hour is given up.
        longest: Duration::from_secs(3500),
        run: |app| async move { gold::refresh_yesterday(&app).await }.boxed(),
    },
    Scheduled {
        name: obligations::OPEN_OBLIGATIONS,
        every: Duration::from_secs(3600),
        longest: SHORT,
        run: |app| async move { obligations::open(&app).await }.boxed(),
    },
    Scheduled {
        name: "find_late_obligations",
        every: Duration::from_secs(600),
        longest: SHORT,
        run: |app| async move { obligations::find_late(&app).await }.boxed(),
    },
    Scheduled {
        name: "land_account_snapshots",
        every: LANDING,
        longest: LANDING_LONGEST,
        run: |app| async move { curate::land(&app, &curate::ACCOUNT_SNAPSHOTS).await }.boxed(),
    },
    Scheduled {
        name: "land_repayment_events",
        every: LANDING,
        longest: LANDING_LONGEST,
        run: |app| async move { curate::land(&app, &curate::REPAYMENT_EVENTS).await }.boxed(),
    },
    Scheduled {
        name: "land_applications",
        every: LANDING,
        longest: LANDING_LONGEST,
        run: |app| async move { curate::land(&app, &curate::APPLICATIONS).await }.boxed(),
    },
    Scheduled {
        name: "land_batches",
        every: LANDING,
        longest: LANDING_LONGEST,
        run: |app| async move { curate::land(&app, &curate::BATCHES).await }.boxed(),
    },
    Scheduled {
        name: "land_rejected_records",
        every: LANDING,
        longest: LANDING_LONGEST,
        run: |app| async move { curate::land(&app, &curate::REJECTED_RECORDS).await }.boxed(),
    },
    Scheduled {
        name: "curate_batches",
        every: LANDING,
        longest: SHORT,
        run: |app| async move { curate::curate(&app).await }.boxed(),
    },
    Scheduled {
        name: "sweep_lake_files",
        every: Duration::from_secs(600),
        longest: SHORT,
        run: |app| async move { curate::sweep(&app).await }.boxed(),
    },
    Scheduled {
        name: "answer_archive_queries",
        every: LANDING,
        longest: archive::LONGEST,
        run: |app| async move { archive::run(&app).await }.boxed(),
    },
    Scheduled {
        name: "remove_archive_results",
        every: Duration::from_secs(600),
        longest: SHORT,
        run: |app| async move { archive::remove_expired(&app).await }.boxed(),
    },
    Scheduled {
        name: "reconcile_stores",
        every: Duration::from_secs(600),
        longest: SHORT,
        run: |app| async move { reconcile::due(&app).await }.boxed(),
    },
];

/// How often a process looks for what is due.
const POLL: Duration = Duration::from_secs(1);
/// The longest run of what goes in portions.
const SHORT: Duration = Duration::from_secs(240);
/// How often what waits for the lake is looked at.
const LANDING: Duration = Duration::from_secs(2);
/// One batch of the largest size has to land within it.
const LANDING_LONGEST: Duration = Duration::from_secs(3600);

/// Runs what is due until the token is cancelled; then lets what runs go on to its end. Each run is a task of its
/// own: a long one keeps no other one waiting.
pub async fn keep(app: Arc<App>, stop: CancellationToken) {
    let mut runs = JoinSet::new();
    let mut known = false;
    while !stop.is_cancelled() {
        let started = async {
            if !known {
                ensure(&app).await?;
                known = true;
            }
            while let Some(lease) = lease(&app).await? {
                let app = Arc::clone(&app);
                runs.spawn(async move { run(&app, lease).await });
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = started.await {
            tracing::warn!(%error, "the schedule cannot be read");
        }
        while runs.try_join_next().is_some() {}
        tokio::select! {
            () = tokio::time::sleep(jittered(POLL)) => {}
            () = stop.cancelled() => {}
        }
    }
    while runs.join_next().await.is_some() {}
}

/// Runs everything that is due, one after the other; says the names. For callers that wait for the effect.
///
/// # Errors
/// When the schedule cannot be read. What a function says is in its row.
pub async fn run_due(app: &Arc<App>) -> Result<Vec<&'static str>> {
    ensure(app).await?;
    let mut names = Vec::new();
    while let Some(lease) = lease(app).await? {
        names.push(lease.function.name);
        run(app, lease).await;
    }
    Ok(names)
}

/// A function that is this process's to run.
struct Lease {
    function: &'static Scheduled,
    token: uuid::Uuid,
}

fn names() -> Vec<&'static str> {
    SCHEDULE.iter().map(|function| function.name).collect()
}

async fn ensure(app: &App) -> Result<()> {
    let seconds = |function: &Scheduled| i32::try_from(function.every.as_secs()).unwrap_or(i32::MAX);
    let every: Vec<i32> = SCHEDULE.iter().map(seconds).collect();
    schedules::ensure(&app.db.system, &names(), &every).await
}

async fn lease(app: &App) -> Result<Option<Lease>> {
    let token = random::uuid_v4();
    let name = schedules::lease(&app.db.system, &names(), token, app.config.lease).await?;
    // Only names of the list were asked for.
    let function = name.and_then(|name| SCHEDULE.iter().find(|function| function.name == name));
    Ok(function.map(|function| Lease { function, token }))
}

/// Runs one function and writes down how it ended. What goes wrong stays here: it is tried again.
async fn run(app: &Arc<App>, lease: Lease) {
    let Lease { function, token } = lease;
    let started = Instant::now();
    let work = AssertUnwindSafe((function.run)(Arc::clone(app))).catch_unwind();
    let outcome = tokio::select! {
        done = tokio::time::timeout(function.longest, work) => match done {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Error::Internal("it panicked".into())),
            Err(_) => Err(Error::Overloaded("it took too long and was cut off")),
        },
        () = keep_lease(app, function.name, token) => {
            Err(Error::Overloaded("another process runs it by now"))
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    metrics::histogram!("etr_schedule_seconds", "name" => function.name).record(seconds);
    let word = if outcome.is_ok() { "ok" } else { "failed" };
    metrics::counter!("etr_schedule_runs_total", "name" => function.name, "outcome" => word).increment(1);
    let outcome = outcome.map_err(|error| chain(&error));
    match &outcome {
        Ok(changed) => tracing::debug!(schedule = function.name, changed, seconds, "ran"),
        Err(error) => tracing::warn!(schedule = function.name, error, seconds, "a scheduled run failed"),
    }
    let outcome = outcome.as_ref().map(|changed| *changed).map_err(String::as_str);
    if let Err(error) = schedules::finish(&app.db.system, function.name, token, outcome).await {
        tracing::warn!(schedule = function.name, %error, "the end of a run was not written down");
    }
}

/// Shows that the run lives, as often as a worker does for its batch; ends when the lease is lost. A database that does not answer is waited for: whether the lease
/// was lost meanwhile is told by its next answer.
async fn keep_lease(app: &App, name: &str, token: uuid::Uuid) {
    loop {
        tokio::time::sleep(app.config.lease / 3).await;
        match schedules::extend(&app.db.system, name, token, app.config.lease).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(schedule = name, %error, "a lease could not be extended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::rebuild;

    #[test]
    fn names_are_words_and_each_stands_once() {
        let mut names = names();
        for name in &names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCHEDULE.len());
        assert!(SCHEDULE.iter().all(|function| function.every >= POLL && function.longest >= SHORT));
        assert!(rebuild::serving::LANDED_BY.iter().all(|name| names.contains(name)));
    }
}
