//! The serving store from the lake alone.
//!
//! | Step | What is left when the process dies after it | Who goes on |
//! |---|---|---|
//! | a file of the lake is in, or is not | the schema `serving_rebuild` with the files that are in | the next run, with the next file |
//! | a portion of accounts is folded | what was folded, and how far | the next run, with the next portion |
//! | a contributor's accounts are in their place | the accounts of that contributor, and a note that they are | the next run, with the next contributor |
//! | all are | nothing: the schema is removed | nobody needs to |
//!
//! Each contributor's accounts are put in place in one transaction that holds its lane: nothing is published meanwhile, and
//! what was until then has landed and is in. Accounts of different contributors have nothing to do with each other.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::Tell;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::rebuild_serving::{self, SOURCES};
use crate::db::reconcile::{Compared, contributors};
use crate::db::{Connection, jobs};
use crate::error::{Error, Result};
use crate::ids::ContributorId;
use crate::lake::silver::TABLES;
use crate::lake::{Lake, Snapshot, TableSpec};
use crate::pipeline::curate::{self, FED};

/// Tries to catch up with a contributor that goes on sending; a second between them.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

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
    /// The accounts that were served beside those that were made anew.
    pub compared: Compared,
}

/// Makes the serving store anew, compares it, and puts it in its place. Contributors that an earlier run finished are not
/// told again.
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
        if rebuild_serving::is_swapped(connection, *contributor).await? {
            continue;
        }
        let compared = swap(app, lake, order, *contributor, connection, tell).await?;
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
    let loaded: HashSet<String> = rebuild_serving::loaded(connection).await?.into_iter().collect();
    let mut new = false;
    for source in SOURCES {
        let Some((spec, snapshot)) = newest(lake, source.table).await? else { continue };
        let all: i64 = snapshot.files.iter().map(|file| file.rows as i64).sum();
        let mut rows = 0;
        for file in &snapshot.files {
            if !loaded.contains(&file.path) {
                let pieces = lake.tuples(spec, &snapshot, &file.path, source.columns).await?;
                rebuild_serving::load(connection, source, &file.path, pieces).await?;
                new = true;
            }
            rows += file.rows as i64;
            tell(&format!("read {}", source.table), rows, all);
        }
    }
    if new {
        rebuild_serving::settle(connection).await?;
    }
    Ok(())
}

/// Whether every file of the lake is in.
async fn is_loaded(lake: &Lake, connection: &mut Connection) -> Result<bool> {
    let loaded: HashSet<String> = rebuild_serving::loaded(connection).await?.into_iter().collect();
    for source in SOURCES {
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
            for fed in FED {
                // The workers land as well; whoever comes second leaves it to the other.
                if let Err(error) = curate::land(app, fed).await {
                    tracing::debug!(%error, "left to another committer");
                }
            }
            load(lake, connection, tell).await?;
        }
        if let Some(compared) = try_to_swap(app, lake, order, contributor, connection).await? {
            return Ok(compared);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::Overloaded("what a contributor published has not landed in a minute; start again later"))
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
    if standing.landed != standing.read {
        // Not the moment to trust the lake.
        let text = format!(
            "the lake has {} snapshots of contributor {contributor}, {} have landed in it; `etrplus reconcile` tells which",
            standing.read, standing.landed
        );
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
