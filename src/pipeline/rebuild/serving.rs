//! The serving store from the lake alone.
//!
//! | Step | What is left when the process dies after it | Who goes on |
//! |---|---|---|
//! | a file of the lake is in, or is not | the schema `serving_rebuild` with the files that are in | the next run, with the next file |
//! | a portion of accounts is folded | what was folded, and how far | the next run, with the next portion |
//! | a contributor's accounts are in their place | the accounts of that contributor, and a note that they are | the next run, with the next contributor |
//! | all are | nothing: the schema is removed | nobody needs to |
//!
//! What is left is begun anew instead when it is old, or when the lake has other files by then.
//!
//! Each contributor's accounts are put in place in one transaction that holds its lane: nothing is published meanwhile, and
//! what was until then has landed and is in. Accounts of different contributors have nothing to do with each other.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::Tell;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::rebuild_serving::{self, SOURCES, Standing};
use crate::db::reconcile::{Compared, contributors};
use crate::db::{Connection, jobs, schedules};
use crate::error::{Error, Result};
use crate::ids::ContributorId;
use crate::lake::silver::TABLES;
use crate::lake::{Lake, Snapshot, TableSpec};

/// Tries to catch up with a contributor that goes on sending; a second between them.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);
/// The functions of the schedule that land what is read here.
pub const LANDED_BY: [&str; 3] = ["land_account_snapshots", "land_repayment_events", "land_batches"];

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Order {
    /// Say what differs and change nothing.
    pub compare_only: bool,
    /// Who asks, for the audit trail.
    pub asked_by: String,
}

/// What became of one contributor's accounts.
#[derive(Debug)]
pub struct Rebuilt {
    pub contributor_id: ContributorId,
    /// Its short name.
    pub slug: String,
    /// The accounts that were served beside those that were made anew; `None` when an earlier run, which was interrupted, has
    /// put them in their place.
    pub compared: Option<Compared>,
}

/// Makes the serving store anew, compares it, and puts it in its place. Contributors that an earlier run finished are left
/// alone, unless nothing is to be changed.
///
/// # Errors
/// `conflict` when there is no lake or another rebuild goes on; trouble of ours. Whatever was done stays done, and the next run
/// goes on.
pub async fn rebuild(app: &App, order: &Order, tell: Tell<'_>) -> Result<Vec<Rebuilt>> {
    let lake = app.lake.as_ref().ok_or_else(|| Error::conflict("conflict", "there is no lake to read"))?;
    let connection = rebuild_serving::open(&app.db).await?;
    let mut connection = connection
        .ok_or_else(|| Error::conflict("conflict", "another rebuild of the serving store goes on"))?;
    let done = rebuild_on(app, lake, order, &mut connection, tell).await;
    rebuild_serving::close(connection).await?;
    done
}

async fn rebuild_on(
    app: &App,
    lake: &Lake,
    order: &Order,
    connection: &mut Connection,
    tell: Tell<'_>,
) -> Result<Vec<Rebuilt>> {
    if files_are_gone(lake, connection).await? {
        rebuild_serving::begin_anew(connection).await?;
    }
    load(lake, connection, tell).await?;
    let all = contributors(&app.db.system).await?;
    for (n, (contributor, _)) in all.iter().enumerate() {
        let mut folded = 0;
        loop {
            let references = rebuild_serving::fold_portion(connection, *contributor).await?;
            if references == 0 {
                break;
            }
            folded += references;
            tell(&format!("fold accounts of contributor {} of {}", n + 1, all.len()), folded, folded);
        }
    }
    let mut rebuilt = Vec::new();
    for (n, (contributor, slug)) in all.iter().enumerate() {
        tell("compare and put in place", n as i64, all.len() as i64);
        let compared = if !order.compare_only && rebuild_serving::is_swapped(connection, *contributor).await?
        {
            None
        } else {
            Some(swap(app, lake, order, *contributor, connection, tell).await?)
        };
        rebuilt.push(Rebuilt { contributor_id: *contributor, slug: slug.clone(), compared });
    }
    rebuild_serving::discard(connection).await?;
    Ok(rebuilt)
}

/// The newest snapshot of a table that is read here.
async fn newest(lake: &Lake, table: &str) -> Result<Option<(&'static TableSpec, Snapshot)>> {
    let spec = TABLES.iter().find(|spec| spec.full_name() == table);
    let spec = spec.ok_or_else(|| Error::Internal(format!("there is no table {table}")))?;
    Ok(lake.snapshot(spec).await?.map(|snapshot| (spec, snapshot)))
}

/// Takes in every file of the lake that is not in yet.
async fn load(lake: &Lake, connection: &mut Connection, tell: Tell<'_>) -> Result<()> {
    for source in SOURCES {
        let loaded = loaded(connection, source.table).await?;
        // Whether anything should be in it is asked of the ledger, contributor by contributor.
        let Some((spec, snapshot)) = newest(lake, source.table).await? else { continue };
        if !has_all(&snapshot, &loaded) {
            let text = format!("the files of {} are others than before; start again", source.table);
            return Err(Error::conflict("conflict", text));
        }
        let tuples = lake.tuples(spec, &snapshot, source.columns).await?;
        let all: i64 = snapshot.files.iter().map(|file| file.rows as i64).sum();
        let mut rows = 0;
        for file in &snapshot.files {
            if !loaded.contains(&file.path) {
                rebuild_serving::load(connection, source, &file.path, tuples.of_file(&file.path)?).await?;
            }
            rows += file.rows as i64;
            tell(&format!("read {}", source.table), rows, all);
        }
    }
    // Always: an earlier run may have died between its last file and this.
    rebuild_serving::settle(connection).await
}

/// The files of a table that are in.
async fn loaded(connection: &mut Connection, table: &str) -> Result<HashSet<String>> {
    Ok(rebuild_serving::loaded(connection, table).await?.into_iter().collect())
}

fn has_all(snapshot: &Snapshot, loaded: &HashSet<String>) -> bool {
    snapshot.files.iter().filter(|file| loaded.contains(&file.path)).count() == loaded.len()
}

/// Whether files are in that the lake has no more: a table was made anew, and its rows stand in others.
async fn files_are_gone(lake: &Lake, connection: &mut Connection) -> Result<bool> {
    for source in SOURCES {
        let loaded = loaded(connection, source.table).await?;
        let has_all = match newest(lake, source.table).await? {
            Some((_, snapshot)) => has_all(&snapshot, &loaded),
            None => loaded.is_empty(),
        };
        if !has_all {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether every file of the lake is in.
async fn is_loaded(lake: &Lake, connection: &mut Connection) -> Result<bool> {
    for source in SOURCES {
        let loaded = loaded(connection, source.table).await?;
        if let Some((_, snapshot)) = newest(lake, source.table).await?
            && snapshot.files.iter().any(|file| !loaded.contains(&file.path))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Compares one contributor's accounts and puts them in place, once everything that it published has landed and is in.
async fn swap(
    app: &App,
    lake: &Lake,
    order: &Order,
    contributor: ContributorId,
    connection: &mut Connection,
    tell: Tell<'_>,
) -> Result<Compared> {
    for attempt in 0..TRIES {
        if attempt > 0 {
            // A table has one committer at a time, the schedule's: what it has in hand is not ours to give up.
            for function in LANDED_BY {
                schedules::request_in_tx(&app.db.system, function).await?;
            }
            load(lake, connection, tell).await?;
        }
        if let Some(compared) = try_to_swap(app, lake, order, contributor, connection).await? {
            return Ok(compared);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::Overloaded(
        "what a contributor published has not landed in a minute; start again when a worker is up",
    ))
}

/// `None` while something of the contributor's is still on its way.
async fn try_to_swap(
    app: &App,
    lake: &Lake,
    order: &Order,
    contributor: ContributorId,
    connection: &mut Connection,
) -> Result<Option<Compared>> {
    let mut tx = sqlx::Connection::begin(connection).await?;
    jobs::wait_for_lane_in_tx(&mut tx, contributor).await?;
    let standing = rebuild_serving::standing_in_tx(&mut tx, contributor).await?;
    if standing.waiting > 0 || !is_loaded(lake, &mut tx).await? {
        tx.rollback().await?;
        return Ok(None);
    }
    if let Some(what) = distrust(&standing) {
        let text = format!("{what} (contributor {contributor}); `etrplus reconcile` tells which");
        return Err(Error::Internal(text));
    }
    rebuild_serving::fold_stale_in_tx(&mut tx, contributor).await?;
    let compared = rebuild_serving::compare_in_tx(&mut tx, contributor).await?;
    if order.compare_only {
        tx.rollback().await?;
        return Ok(Some(compared));
    }
    if compared.differences > 0 {
        rebuild_serving::swap_in_tx(&mut tx, contributor).await?;
        let entry = Entry {
            at: app.clock.now(),
            actor_client: None,
            actor: &order.asked_by,
            action: "serving.rebuild",
            object_kind: "contributor",
            object_id: &contributor.to_string(),
            outcome: "done",
            detail: json!({ "accounts": compared.compared, "differences": compared.differences }),
        };
        audit::record(&mut *tx, &entry).await?;
    }
    rebuild_serving::set_swapped_in_tx(&mut tx, contributor).await?;
    tx.commit().await?;
    Ok(Some(compared))
}

/// Why this is not the moment to trust the lake, if it is not.
fn distrust(standing: &Standing) -> Option<String> {
    let counts = [
        ("snapshots", standing.snapshots_read, standing.snapshots_landed),
        ("events", standing.events_read, standing.events_landed),
    ];
    for (what, read, landed) in counts {
        if read != landed {
            return Some(format!("the lake has {read} {what}, {landed} have landed in it"));
        }
    }
    let wrong = standing.batches_wrong;
    (wrong > 0).then(|| format!("the lake's last word on {wrong} batches is not the one that landed last"))
}
