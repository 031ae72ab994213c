//! What is kept of a batch beside what Postgres says of it: the object with its receipt, the reject file with the rejected
//! records, and what the bytes say, read again, with the journal.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::{Findings, Scope};
use crate::app::App;
use crate::db::batches::{self, Batch};
use crate::db::reconcile::{self, Compared};
use crate::db::reconcile_records::{self, Publication};
use crate::db::{Connection, contributors};
use crate::domain::contract::Terms;
use crate::error::{Error, Result};
use crate::pipeline::decode::{Fault, Source};
use crate::pipeline::refine::{Reread, feed_from_store, stage_accepted, stage_rejects};

/// Pieces of an object that wait for the thread that digests them.
const FEED_DEPTH: usize = 16;

/// Compares the batches of the sample, until the time is over.
pub async fn compare(
    app: &Arc<App>,
    scope: &Scope,
    seed: &str,
    connection: &mut Connection,
    found: &mut Findings<'_>,
) -> Result<()> {
    let owner = contributors::find(&app.db.system, scope.contributor).await?.ok_or(Error::NotFound)?;
    let limit = (!scope.whole).then_some(super::SAMPLED);
    for id in reconcile::sample(&app.db.system, scope.contributor, scope.since, seed, limit).await? {
        if scope.until.is_some_and(|until| Instant::now() >= until) {
            return Ok(());
        }
        // A batch that was swept or cancelled since is no business of ours.
        let Some(batch) = batches::find_any(&app.db.system, id).await? else { continue };
        one_batch(app, &Arc::new(batch), &owner.terms, connection, found).await?;
    }
    Ok(())
}

async fn one_batch(
    app: &Arc<App>,
    batch: &Arc<Batch>,
    terms: &Terms,
    connection: &mut Connection,
    found: &mut Findings<'_>,
) -> Result<()> {
    let damage = damage(app, batch).await?;
    let key = format!("batch {}", batch.id);
    let intact = damage.is_none();
    found.add("bronze", Compared::one(key.clone(), "as the receipt says", damage));
    if let Some(file) = batch.rejects_key.as_deref() {
        if app.store.get(file).await?.is_some() {
            stage_rejects(app, connection, Some(file)).await?;
            let compared = reconcile_records::compare_rejects(connection, batch.dataset, batch.id).await?;
            found.add("reject_file", compared);
        } else {
            found.add("reject_file", Compared::one(key, "a reject file", Some("no object".to_owned())));
        }
    }
    if intact {
        let publications = reconcile_records::publications(&mut *connection, batch.dataset, batch.id).await?;
        for publication in &publications {
            read_again(app, batch, terms, publication, connection, found).await?;
        }
    }
    Ok(())
}

/// What is wrong with a batch's object, if something is.
async fn damage(app: &Arc<App>, batch: &Arc<Batch>) -> Result<Option<String>> {
    let Some(object) = app.store.get(&batch.object_key).await? else {
        return Ok(Some("no object".to_owned()));
    };
    let (send, feed) = mpsc::channel(FEED_DEPTH);
    let feeder = tokio::spawn(feed_from_store(object, send));
    let batch = Arc::clone(batch);
    let read = tokio::task::spawn_blocking(move || {
        let source = Source::new(feed, &batch.stored_encoding, &batch.content_encoding)?;
        let (digest, bytes) = (batch.sha256.as_deref(), batch.received_bytes.unwrap_or_default());
        source.verify(digest.unwrap_or_default(), bytes as u64)
    });
    let read = read.await.map_err(|panic| Error::Internal(format!("digesting panicked: {panic}")))?;
    feeder.abort();
    match read {
        Ok(()) => Ok(None),
        Err(Fault::BrokenOff(cause)) => Err(Error::Store(cause)),
        Err(fault) => Ok(Some(fault.to_string())),
    }
}

/// Reads the records of one publication from the batch's bytes and compares them with the journal, value by value.
async fn read_again(
    app: &Arc<App>,
    batch: &Arc<Batch>,
    terms: &Terms,
    publication: &Publication,
    connection: &mut Connection,
    found: &mut Findings<'_>,
) -> Result<()> {
    let number = publication.publication_no;
    let constants =
        reconcile_records::constants_at(&app.db.system, batch.contributor_id, publication.known_from).await?;
    let terms = Terms { constants, ..terms.clone() };
    let accepted = reconcile_records::accepted(&app.db.system, batch.dataset, batch.id, number).await?;
    let key = format!("batch {}", batch.id);
    match stage_accepted(app, batch, terms, accepted, connection).await? {
        Reread::Differs(how) => {
            found.add("content", Compared::one(key, "the bytes of the receipt", Some(how)));
        }
        Reread::Staged { received, unreadable } => {
            let expected = batch.counts.map_or(0, |counts| counts.received);
            let wrong = received as i64 != expected || unreadable > 0;
            let told = format!("{received} records, {unreadable} accepted ones not whole");
            let whole = format!("{expected} records");
            found.add("content", Compared::one(key, &whole, wrong.then_some(told)));
            let compared =
                reconcile_records::compare_staged(connection, batch.dataset, batch.id, number).await?;
            found.add("content", compared);
        }
    }
    Ok(())
}
