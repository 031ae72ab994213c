//! The committer of the lake: takes what waits for a table in groups, writes its files, appends them once, and moves the
//! batches of which everything has landed to `curated`.
//!
//! One function of the schedule per table, so that a table has one committer at a time; what a dead one left is gone on with
//! by the next (the table of steps is in `lake::commit`).

use chrono::TimeDelta;

use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::batches::{self, Step};
use crate::db::{lake_commits, lake_entries, lake_rows};
use crate::domain::batch::State;
use crate::error::{Error, Result};
use crate::ids::BatchId;
use crate::lake::gold_tables::GOLD_TABLES;
use crate::lake::{Lake, Landing, TableSpec, silver};
use crate::privacy::random;

/// A table that the pipeline fills.
#[derive(Debug)]
pub struct Fed {
    pub table: &'static TableSpec,
    statement: &'static str,
    /// What was entered never changes, so that exactly as many rows must be found.
    journal: bool,
}

pub const ACCOUNT_SNAPSHOTS: Fed =
    Fed { table: &silver::ACCOUNT_SNAPSHOTS, statement: lake_rows::ACCOUNT_SNAPSHOTS, journal: true };
pub const REPAYMENT_EVENTS: Fed =
    Fed { table: &silver::REPAYMENT_EVENTS, statement: lake_rows::REPAYMENT_EVENTS, journal: true };
pub const APPLICATIONS: Fed =
    Fed { table: &silver::APPLICATIONS, statement: lake_rows::APPLICATIONS, journal: true };
pub const BATCHES: Fed = Fed { table: &silver::BATCHES, statement: lake_rows::BATCHES, journal: true };
pub const REJECTED_RECORDS: Fed =
    Fed { table: &silver::REJECTED_RECORDS, statement: lake_rows::REJECTED_RECORDS, journal: false };

/// All of them.
pub const FED: &[Fed] = &[ACCOUNT_SNAPSHOTS, REPAYMENT_EVENTS, APPLICATIONS, BATCHES, REJECTED_RECORDS];

/// A group is full with so many rows; one entry may have more.
const GROUP_ROWS: i64 = 1_000_000;
/// Most entries of one group.
const GROUP_ENTRIES: i64 = 10_000;
/// The files of a commit that was given up are removed after so long: whoever made them is done or dead by then.
const SWEEP_AFTER: TimeDelta = TimeDelta::minutes(45);
const SWEEP_PORTION: i64 = 100;
/// Batches are looked for behind what landed in the last while; a run that failed has been repeated long before.
const LOOK_BACK: TimeDelta = TimeDelta::days(1);
const CURATE_PORTION: i64 = 500;

/// Lands what waits for a table; says how many rows landed.
///
/// # Errors
/// When the store, the catalog or Postgres fails. What was begun is gone on with at the next run.
pub async fn land(app: &App, fed: &Fed) -> Result<u64> {
    let Some(lake) = &app.lake else { return Ok(0) };
    let name = fed.table.full_name();
    let mut landed = 0;
    if let Some(open) = lake_commits::open(&app.db.system, &name).await? {
        landed += go_on(app, lake, fed, &open).await?;
    }
    while let Some(commit) = begin(app, &name).await? {
        if !lake.write(fed.table, fed.statement, commit, fed.journal).await? {
            return Ok(landed);
        }
        let open = lake_commits::open(&app.db.system, &name).await?;
        let Some(open) = open.filter(|open| open.commit_id == commit) else { return Ok(landed) };
        let landing = lake.land(fed.table, &open).await?;
        landed += count(fed, landing);
        if let Err(error) = lake.maintain(fed.table, landing).await {
            tracing::warn!(table = fed.table.name, %error, "maintenance was left to the next time");
        }
    }
    Ok(landed)
}

/// What somebody else began: complete files land, others are given up and their rows wait again.
async fn go_on(app: &App, lake: &Lake, fed: &Fed, open: &lake_commits::Open) -> Result<u64> {
    if open.state == "written" {
        return Ok(count(fed, lake.land(fed.table, open).await?));
    }
    let mut tx = app.db.system.begin().await?;
    if lake_commits::abandon_in_tx(&mut tx, open.commit_id, app.clock.now()).await? {
        lake_entries::release_in_tx(&mut tx, open.commit_id).await?;
    }
    tx.commit().await?;
    tracing::warn!(table = fed.table.name, commit = %open.commit_id, "an append was given up; its rows wait again");
    Ok(0)
}

fn count(fed: &Fed, landing: Landing) -> u64 {
    let table = fed.table.full_name();
    metrics::counter!("etr_lake_commits_total", "table" => table.clone()).increment(1);
    metrics::counter!("etr_lake_rows_total", "table" => table).increment(landing.rows as u64);
    landing.rows as u64
}

/// Takes the next group, when it is full or has waited long enough.
async fn begin(app: &App, table: &str) -> Result<Option<uuid::Uuid>> {
    let waiting = lake_entries::waiting(&app.db.system, table, GROUP_ENTRIES).await?;
    let now = app.clock.now();
    let wait = TimeDelta::from_std(app.config.lake.commit_wait).unwrap_or_default();
    let Some(oldest) = waiting.iter().map(|entry| entry.known_from).min() else { return Ok(None) };
    let total: i64 = waiting.iter().map(|entry| entry.rows).sum();
    if total < GROUP_ROWS && (waiting.len() as i64) < GROUP_ENTRIES && now - oldest < wait {
        return Ok(None);
    }
    let mut rows = 0;
    let group: Vec<i64> = waiting
        .iter()
        .take_while(|entry| {
            let fits = rows == 0 || rows + entry.rows <= GROUP_ROWS;
            rows += entry.rows;
            fits
        })
        .map(|entry| entry.entry_no)
        .collect();
    let commit = random::uuid_v4();
    let mut tx = app.db.system.begin().await?;
    if !lake_commits::begin_in_tx(&mut tx, commit, table, now).await? {
        return Ok(None);
    }
    if lake_entries::assign_in_tx(&mut tx, commit, &group).await? != group.len() as u64 {
        // Somebody else took some of them: whose table it is, is told by the commit that is open now.
        return Err(Error::Overloaded("another committer was quicker"));
    }
    tx.commit().await?;
    Ok(Some(commit))
}

/// Moves batches to `curated` of which everything has landed; says how many.
///
/// # Errors
/// When Postgres fails.
pub async fn curate(app: &App) -> Result<u64> {
    if app.lake.is_none() {
        return Ok(0);
    }
    let since = app.clock.now() - LOOK_BACK;
    let batches = lake_entries::curable(&app.db.system, since, CURATE_PORTION).await?;
    let mut moved = 0;
    for batch in batches {
        moved += u64::from(move_to_curated(app, batch).await?);
    }
    Ok(moved)
}

async fn move_to_curated(app: &App, batch: BatchId) -> Result<bool> {
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    let step = Step { at: now, actor: "committer", reason: None };
    if !batches::move_in_tx(&mut tx, batch, State::Curated, step).await? {
        return Ok(false);
    }
    let id = batch.to_string();
    let entry = Entry {
        at: now,
        actor_client: None,
        actor: "committer",
        action: "batch.curated",
        object_kind: "batch",
        object_id: &id,
        outcome: "done",
        detail: serde_json::json!({}),
    };
    audit::record(&mut *tx, &entry).await?;
    tx.commit().await?;
    metrics::counter!("etr_batches_settled_total", "state" => State::Curated.as_str()).increment(1);
    Ok(true)
}

/// Removes files of commits that were given up; says how many commits.
///
/// # Errors
/// When the store or Postgres fails.
pub async fn sweep(app: &App) -> Result<u64> {
    let Some(lake) = &app.lake else { return Ok(0) };
    let before = app.clock.now() - SWEEP_AFTER;
    let mut swept = 0;
    for (commit, table) in lake_commits::abandoned(&app.db.system, before, SWEEP_PORTION).await? {
        let fed = FED.iter().map(|fed| fed.table);
        let Some(table) = fed.chain(GOLD_TABLES).find(|known| known.full_name() == table) else { continue };
        lake.sweep(table, commit).await?;
        lake_commits::set_swept(&app.db.system, commit).await?;
        swept += 1;
    }
    Ok(swept)
}
