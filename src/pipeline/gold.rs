//! Gold, refreshed: a version for a day, from what the lake has.
//!
//! | Step | What is left when the process dies after it | Who goes on |
//! |---|---|---|
//! | the version is begun | a version `computing` | the next refresh, an hour later, calls it failed and makes another |
//! | rows are appended to some gold tables | rows of a version that nobody is told of | nobody reads them: versions that count are `landed` |
//! | all tables have it | as above: the version is not called landed | as above |

use std::time::{Duration, Instant};

use chrono::{NaiveDate, TimeDelta};

use crate::app::App;
use crate::db::gold_versions::{self, GoldVersion};
use crate::db::lake_entries;
use crate::error::{Error, Result};
use crate::lake::gold::Moment;
use crate::lake::silver::ACCOUNT_SNAPSHOTS;
use crate::lake::{Lake, gold_refresh::Sources};
use crate::privacy::random;

/// A version that takes longer has lost whoever computes it.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(1);
/// How long what is being written is waited for; the next run waits again.
const WRITERS: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Longest cause that is kept, in characters.
const MAX_CAUSE: usize = 2000;

/// What a refresh came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Refreshed {
    /// A new version.
    Made(GoldVersion),
    /// Nothing has landed since this one.
    Unchanged(GoldVersion),
}

/// The version of yesterday, the last day that is over, when there is anything new for it; says how many rows were made. A
/// function of the schedule.
///
/// # Errors
/// When a statement, the catalog, the store or Postgres fails.
pub async fn refresh_yesterday(app: &App) -> Result<u64> {
    let Some(lake) = &app.lake else { return Ok(0) };
    if lake.snapshot(&ACCOUNT_SNAPSHOTS).await?.is_none() {
        // Nobody is known yet.
        return Ok(0);
    }
    let Some(yesterday) = app.clock.today().pred_opt() else { return Ok(0) };
    match refresh(app, yesterday).await {
        Ok(Refreshed::Made(version)) => Ok(rows_of(&version)),
        // Somebody asked for one at the same time.
        Ok(Refreshed::Unchanged(_)) | Err(Error::Conflict { .. }) => Ok(0),
        Err(error) => Err(error),
    }
}

/// A version for a day, from everything that has landed by now.
///
/// # Errors
/// A conflict while another one is computed or when there is no lake; otherwise as [`refresh_yesterday`].
pub async fn refresh(app: &App, as_of: NaiveDate) -> Result<Refreshed> {
    let lake = app.lake.as_ref();
    let lake =
        lake.ok_or_else(|| Error::conflict("lake-off", "there is no lake: ETR_LAKE_CATALOG is off"))?;
    let pool = &app.db.system;
    let now = app.clock.now();
    gold_versions::give_up(pool, now - GIVE_UP_AFTER, now).await?;
    wait_for_writers(app).await?;
    let batches = lake.gold_batches().await?;
    // What waits to land is not known of yet, nor is anything that came after it.
    let waiting = lake_entries::waiting_since(pool).await?;
    let known_at = waiting.map_or(now, |since| now.min(since - TimeDelta::microseconds(1)));
    let sources = lake.gold_sources(batches).await?;
    if let Some(newest) = gold_versions::newest(pool, Some(as_of)).await? {
        let changed = gold_versions::withheld_since(pool, newest.known_at).await?;
        if newest.sources == sources.names() && !changed {
            return Ok(Refreshed::Unchanged(newest));
        }
    }
    let begun = gold_versions::begin(pool, as_of, known_at, &sources.names(), now).await?;
    let version = begun.ok_or_else(|| {
        Error::conflict("gold-refresh-running", "a version is being computed; try again when it is finished")
    })?;
    let made = make(app, lake, version, Moment { as_of, known_at }, &sources).await;
    if let Err(error) = &made {
        let cause: String = error.to_string().chars().take(MAX_CAUSE).collect();
        gold_versions::set_failed(pool, version, &cause, app.clock.now()).await?;
    }
    made?;
    let made = gold_versions::newest(pool, Some(as_of)).await?;
    made.map(Refreshed::Made).ok_or_else(|| Error::Internal("a version that landed is not there".into()))
}

/// Waits for the end of everything that is being written: it may be known of from an instant that is over, and nothing
/// that was known by a version's instant may come behind it.
async fn wait_for_writers(app: &App) -> Result<()> {
    let pool = &app.db.system;
    let (horizon, started) = (gold_versions::horizon(pool).await?, Instant::now());
    while !gold_versions::has_ended_before(pool, horizon).await? {
        if started.elapsed() >= WRITERS {
            return Err(Error::Overloaded("something is being written that takes long"));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn make(app: &App, lake: &Lake, version: i64, moment: Moment, sources: &Sources) -> Result<()> {
    let made = lake.make_gold(version, moment, sources, random::uuid_v4).await?;
    let pool = &app.db.system;
    let landed =
        gold_versions::set_landed(pool, version, &made.tables, &made.control_sums, app.clock.now()).await?;
    if !landed {
        return Err(Error::Overloaded("the version took too long and was given up"));
    }
    metrics::gauge!("etr_gold_version").set(version as f64);
    metrics::counter!("etr_gold_rows_total").increment(made.rows);
    tracing::info!(version, as_of = %moment.as_of, rows = made.rows, "gold is refreshed");
    Ok(())
}

/// Rows of all tables of a version.
pub fn rows_of(version: &GoldVersion) -> u64 {
    let tables = version.tables.as_ref().and_then(serde_json::Value::as_object);
    tables.into_iter().flatten().filter_map(|(_, table)| table["rows"].as_u64()).sum()
}
