//! The way of an archive query: asked and recorded in one transaction, answered from the lake alone by the schedule, one at a
//! time, and fetched until it expires.
//!
//! | Crash after … | What is left | Who goes on |
//! |---|---|---|
//! | the query is entered | a `queued` row with its subjects and its audit entry, together | the next run |
//! | an attempt has begun | a `running` row | the next run begins another attempt; the old one can end nothing any more |
//! | the object is in the store | the same, and an object of this attempt alone | the next attempt removes it |
//! | the attempt is ended | a `done` row | nobody needs to |

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use aws_sdk_s3::primitives::ByteStream;
use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use crate::access::Principal;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::archive_queries::{self, ArchiveQuery, Asked, Done};
use crate::db::withheld;
use crate::db::{Connection, advisory_lock_in_tx, erasure_tombstones};
use crate::domain::archive::State;
use crate::error::{Error, Result};
use crate::ids::{ArchiveQueryId, ClientId};
use crate::lake::Lake;
use crate::lake::archive::Archive;
use crate::lake::gold::Moment;
use crate::lake::withheld::Withheld;
use crate::privacy::random;
use crate::store::{StorageKey, Upload};

/// Queries of one client that may wait or go on.
pub const MAX_OPEN: i64 = 10;
/// How long a result can be fetched.
const KEEP_RESULT: TimeDelta = TimeDelta::days(7);
/// Attempts at one query.
const ATTEMPTS: i32 = 5;
/// Subjects that are entered in one statement.
const ENTER_PORTION: usize = 50_000;
/// Subjects that are answered at a time: what is held of them in memory is some hundred megabytes.
const ANSWER_PORTION: i64 = 10_000;
const REMOVE_PORTION: i64 = 100;
/// How long an attempt may go on: a million subjects have to be answered within it.
pub const LONGEST: Duration = Duration::from_secs(4 * 3600);

/// What became of a request.
#[derive(Debug)]
pub enum Entered {
    New(ArchiveQuery),
    /// The same request was taken before.
    Replayed(ArchiveQuery),
}

/// Enters a query about the subjects of answers that the client was given. Doing it again under the same key gives the first one.
///
/// # Errors
/// `idempotency-key-reused`; `unknown-subjects` when one is no answer to the client, which looks like an answer to another client;
/// a conflict when the client has too many queries open, or there is no lake.
pub async fn ask(app: &App, asked: &Asked, subjects: &[Uuid], actor: &str) -> Result<Entered> {
    if app.lake.is_none() {
        return Err(Error::conflict("conflict", "this server keeps no archive: its lake is switched off"));
    }
    let now = app.clock.now();
    let mut tx = app.db.system.begin().await?;
    // One request of a client at a time: a key is used once, and open queries are counted right.
    advisory_lock_in_tx(&mut tx, lock_key(asked.client_id)).await?;
    if let Some(first) =
        archive_queries::find_by_key(&mut *tx, asked.client_id, &asked.idempotency_key).await?
    {
        return match first.content_sha256 == asked.content_sha256 {
            true => Ok(Entered::Replayed(first)),
            false => Err(Error::unprocessable(
                "idempotency-key-reused",
                "the key belongs to an earlier archive query with other content; use a new one",
            )),
        };
    }
    if archive_queries::count_open(&mut *tx, asked.client_id).await? >= MAX_OPEN {
        let text =
            format!("{MAX_OPEN} of the client's archive queries wait or run; wait for one, or cancel it");
        return Err(Error::conflict("conflict", text));
    }
    let id = ArchiveQueryId(random::uuid_v7(now));
    let count = i32::try_from(subjects.len()).unwrap_or(i32::MAX);
    archive_queries::insert_in_tx(&mut tx, id, asked, count, now).await?;
    enter_subjects(&mut tx, id, subjects).await?;
    let detail = json!({
        "purpose": asked.purpose, "subjects": count, "as_of": asked.as_of, "known_at": asked.known_at,
        "client_reference": asked.client_reference,
    });
    record(app, &mut tx, (asked.client_id, actor), "archive_query.ask", id, detail).await?;
    let entered = archive_queries::owned(&mut *tx, asked.client_id, id).await?;
    tx.commit().await?;
    Ok(Entered::New(entered))
}

/// Half of the client's id: what collides waits a little longer.
fn lock_key(client: ClientId) -> i64 {
    client.0.as_u64_pair().1 as i64
}

async fn enter_subjects(tx: &mut Connection, id: ArchiveQueryId, subjects: &[Uuid]) -> Result<()> {
    let mut before = 0;
    for portion in subjects.chunks(ENTER_PORTION) {
        let entered = archive_queries::insert_subjects_in_tx(tx, id, portion, before).await?;
        if entered < portion.len() {
            let first = archive_queries::first_left_out_in_tx(tx, id, portion.len(), before).await?;
            let place = first.unwrap_or_default() - 1;
            let text = format!(
                "/subjects/{place} is no query_id of a profile that this client was given; nothing was kept"
            );
            return Err(Error::unprocessable("unknown-subjects", text));
        }
        before += portion.len() as i32;
    }
    Ok(())
}

async fn record(
    app: &App,
    tx: &mut Connection,
    (client, actor): (ClientId, &str),
    action: &str,
    id: ArchiveQueryId,
    detail: serde_json::Value,
) -> Result<()> {
    let id = id.to_string();
    let entry = Entry {
        at: app.clock.now(),
        actor_client: Some(client),
        actor,
        action,
        object_kind: "archive_query",
        object_id: &id,
        outcome: "done",
        detail,
    };
    audit::record(tx, &entry).await
}

/// Cancels a query. Doing it again changes nothing.
///
/// # Errors
/// `NotFound`; a conflict when it has ended otherwise.
pub async fn cancel(app: &App, principal: &Principal, id: ArchiveQueryId) -> Result<ArchiveQuery> {
    let mut tx = app.db.system.begin().await?;
    archive_queries::owned(&mut *tx, principal.client_id, id).await?;
    let cancelled = archive_queries::cancel_in_tx(&mut tx, id, app.clock.now()).await?;
    let query = archive_queries::owned(&mut *tx, principal.client_id, id).await?;
    if !cancelled && query.state != State::Cancelled {
        let text =
            format!("the query is {}; one that is queued or running can be cancelled", query.state.as_str());
        return Err(Error::conflict("conflict", text));
    }
    if cancelled {
        let who = (principal.client_id, &*principal.client_name);
        record(app, &mut tx, who, "archive_query.cancel", id, json!({})).await?;
    }
    tx.commit().await?;
    Ok(query)
}

/// The result of a query, once that it is fetched is on record.
///
/// # Errors
/// `NotFound`; a conflict while there is no result; `gone` when it has expired.
pub async fn fetch(
    app: &App,
    principal: &Principal,
    id: ArchiveQueryId,
) -> Result<(ArchiveQuery, ByteStream)> {
    let mut tx = app.db.system.begin().await?;
    let query = archive_queries::owned(&mut *tx, principal.client_id, id).await?;
    let gone = || Error::conflict("gone", "the result has expired; ask again with a new Idempotency-Key");
    if query.state == State::Expired || query.expires_at.is_some_and(|at| at <= app.clock.now()) {
        return Err(gone());
    }
    let Some(key) = query.result_key.as_deref().filter(|_| query.state == State::Done) else {
        let text = format!("the query is {}; a result is there when it is done", query.state.as_str());
        return Err(Error::conflict("conflict", text));
    };
    let object = app.store.get(key).await?.ok_or_else(gone)?;
    let who = (principal.client_id, &*principal.client_name);
    record(app, &mut tx, who, "archive_query.fetch", id, json!({ "subjects": query.subjects })).await?;
    tx.commit().await?;
    Ok((query, object))
}

/// Answers the query whose turn it is; says how many were answered. A function of the schedule, so that one is answered at a
/// time.
///
/// # Errors
/// Why an attempt failed. The query waits for another one, or is failed after the last.
pub async fn run(app: &App) -> Result<u64> {
    let Some(lake) = &app.lake else { return Ok(0) };
    let now = app.clock.now();
    let Some(query) = archive_queries::next_due(&app.db.system, now).await? else { return Ok(0) };
    if let Some(left) = query.attempt {
        app.store.delete(StorageKey::archive(query.id, left).as_str()).await?;
    }
    let attempt = random::uuid_v4();
    if !archive_queries::begin(&app.db.system, &query, attempt, now).await? {
        return Ok(0);
    }
    let tries = query.attempts + 1;
    let outcome = match tries <= ATTEMPTS {
        true => Box::pin(answer(app, lake, &query, attempt)).await,
        // Each of them died with its process.
        false => Err(Error::Internal("no attempt came to its end".into())),
    };
    let word = match &outcome {
        Ok(true) => "done",
        Ok(false) => "cancelled",
        Err(_) => "failed",
    };
    metrics::counter!("etr_archive_attempts_total", "outcome" => word).increment(1);
    match outcome {
        Ok(done) => Ok(u64::from(done)),
        Err(error) => {
            let this = (query.id, attempt);
            if tries < ATTEMPTS {
                let wait = TimeDelta::seconds(15 << tries);
                archive_queries::put_back(&app.db.system, this, app.clock.now() + wait).await?;
            } else {
                let text = "every attempt failed; ask again, and name this query to the bureau";
                archive_queries::fail(&app.db.system, this, text, app.clock.now()).await?;
            }
            Err(error)
        }
    }
}

/// One attempt; `false` when it is not wanted any more.
async fn answer(app: &App, lake: &Lake, query: &ArchiveQuery, attempt: Uuid) -> Result<bool> {
    let withheld = Withheld {
        restrictions: withheld::restrictions_then_and_now(&app.db.system, query.known_at).await?,
        delistings: withheld::delistings(&app.db.system, query.known_at).await?,
    };
    let moment = Moment { as_of: query.as_of, known_at: query.known_at };
    let archive = Archive::open(lake, &app.config.s3, moment, query.format, &withheld).await?;
    let erased = archive_queries::count_erased(&app.db.system, query.id).await?;
    let key = StorageKey::archive(query.id, attempt);
    let mut upload = app.store.upload(&key);
    let (snapshots, sha256) = match fill(app, query, attempt, archive, &mut upload).await {
        Ok(Some(filled)) => filled,
        Ok(None) => {
            upload.abort().await;
            return Ok(false);
        }
        Err(error) => {
            upload.abort().await;
            return Err(error);
        }
    };
    let bytes = upload.finish().await? as i64;
    let now = app.clock.now();
    let done =
        Done { snapshots, key: key.to_string(), bytes, sha256, at: now, expires_at: now + KEEP_RESULT };
    let mut tx = app.db.system.begin().await?;
    // Whoever is erased from here on finds the result and lets it expire; who was erased before is in what was counted.
    erasure_tombstones::keep_in_tx(&mut tx).await?;
    if archive_queries::count_erased(&mut *tx, query.id).await? != erased {
        return Err(Error::Overloaded("a person was erased while the query was answered"));
    }
    let wanted = archive_queries::finish_in_tx(&mut tx, (query.id, attempt), &done).await?;
    if wanted {
        let detail = json!({ "subjects": query.subjects, "bytes": bytes, "snapshots": done.snapshots });
        record(app, &mut tx, (query.client_id, "archive"), "archive_query.answer", query.id, detail).await?;
    }
    tx.commit().await?;
    if !wanted {
        app.store.delete(key.as_str()).await?;
    }
    Ok(wanted)
}

/// What was read, and the digest of what was written; `None` when nobody wants it any more.
type Filled = Option<(BTreeMap<String, i64>, [u8; 32])>;

/// Writes the whole file, portion by portion.
async fn fill(
    app: &App,
    query: &ArchiveQuery,
    attempt: Uuid,
    mut archive: Archive,
    upload: &mut Upload,
) -> Result<Filled> {
    let mut digest = Context::new(&SHA256);
    let mut done = 0;
    loop {
        let subjects = archive_queries::subjects(&app.db.system, query.id, done, ANSWER_PORTION).await?;
        let Some(last) = subjects.last() else { break };
        done = last.subject_no;
        let bytes = archive.portion(&subjects).await?;
        digest.update(&bytes);
        upload.write(&bytes).await?;
        if !archive_queries::advance(&app.db.system, (query.id, attempt), done).await? {
            return Ok(None);
        }
    }
    let snapshots = std::mem::take(&mut archive.snapshots);
    let bytes = archive.finish()?;
    digest.update(&bytes);
    upload.write(&bytes).await?;
    let digest = digest.finish();
    Ok(Some((snapshots, std::array::from_fn(|n| digest.as_ref()[n]))))
}

/// Removes results that have expired, and what attempts at failed and cancelled queries left, once nobody can be at them any
/// more; says how many. A function of the
/// schedule.
///
/// # Errors
/// When the store or Postgres fails.
pub async fn remove_expired(app: &App) -> Result<u64> {
    let now = app.clock.now();
    let removable = archive_queries::removable(&app.db.system, now, now - LONGEST, REMOVE_PORTION).await?;
    let mut removed = 0;
    for (id, attempt) in removable {
        app.store.delete(StorageKey::archive(id, attempt).as_str()).await?;
        archive_queries::set_removed(&app.db.system, id).await?;
        removed += 1;
    }
    Ok(removed)
}
