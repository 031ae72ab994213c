//! An explained lookup: the answer, the records behind each of its attributes, and where these stand in the bytes that
//! were received.
//!
//! It is one transaction that reads one state of the database, and its footprint is committed with its audit entry before
//! anything leaves. Where the bytes are is looked up in bronze afterwards: for a while within the request, and by the
//! schedule for what that did not reach; what was found is kept (ADR 20).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::decode::{self, Fault, Source};
use super::footprints::{Answer, Question, applied_since, prepare};
use super::refine::feed_from_store;
use crate::app::App;
use crate::audit::{self, Entry};
use crate::db::accounts::{self, Subject};
use crate::db::batches::{self, Batch};
use crate::db::provenance::{self, Record};
use crate::db::record_ranges::{self, RecordRange};
use crate::db::{Connection, footprints};
use crate::domain::profile::{Evidence, Looked, evidence};
use crate::error::{Error, Result};
use crate::ids::{BatchId, ContributorId};

/// How long a request looks for bytes. What takes longer is found by the schedule.
const SEARCH: Duration = Duration::from_secs(5);
/// How long the schedule looks in one run.
const SCHEDULED_SEARCH: Duration = Duration::from_secs(180);
/// Batches that one run of the schedule looks into.
const SCHEDULED_BATCHES: i64 = 100;
/// Requests of one process that look for bytes at once: reading a batch again keeps a core busy.
static SEARCHES: Semaphore = Semaphore::const_new(1);
/// Pieces between the store and the thread that looks.
const PIECES: usize = 16;

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Snapshot,
    Event,
    Application,
}

/// A record behind an answer.
#[derive(Clone, Debug)]
pub struct Behind {
    pub kind: Kind,
    pub record: Record,
    /// Where its bytes are, as far as that is known.
    pub range: Option<RecordRange>,
}

/// What is behind a profile.
#[derive(Debug)]
pub struct Provenance {
    pub evidence: Evidence,
    /// For each account of the profile what an attribute looked at: snapshots newest first, then events newest first.
    pub accounts: Vec<Vec<Behind>>,
    pub applications: Vec<Behind>,
}

impl Provenance {
    /// Places, among the records of an account, of what an attribute looked at: the current snapshot, which says what has
    /// no date; the months; events where one of the months is how the account stood after them, or where payments were
    /// read.
    pub fn records_looked_at(&self, looked: &Looked) -> Vec<usize> {
        let records = &self.accounts[looked.account];
        let snapshots = || records.iter().filter(|one| one.kind == Kind::Snapshot);
        let current = snapshots().map(|one| one.record.as_of_date).max();
        let after_events =
            looked.months.iter().any(|day| !snapshots().any(|one| one.record.as_of_date == *day));
        places(records, |one| match one.kind {
            Kind::Snapshot => {
                Some(one.record.as_of_date) == current || looked.months.contains(&one.record.as_of_date)
            }
            _ => looked.payments || (after_events && Some(one.record.as_of_date) > current),
        })
    }

    /// Places, among the applications, of those from a day to the day of the question.
    pub fn applications_looked_at(&self, from: NaiveDate) -> Vec<usize> {
        places(&self.applications, |one| (from..=self.evidence.as_of).contains(&one.record.as_of_date))
    }

    /// Leaves out what no attribute looked at: it is no part of the answer, and nobody asked for it.
    fn keep_what_is_looked_at(&mut self) {
        let mut kept: Vec<BTreeSet<usize>> = self.accounts.iter().map(|_| BTreeSet::new()).collect();
        let mut applications = BTreeSet::new();
        for attribute in &self.evidence.attributes {
            for looked in &attribute.accounts {
                kept[looked.account].extend(self.records_looked_at(looked));
            }
            applications
                .extend(attribute.applied_from.iter().flat_map(|from| self.applications_looked_at(*from)));
        }
        for (records, kept) in self.accounts.iter_mut().zip(&kept) {
            retain_places(records, kept);
        }
        retain_places(&mut self.applications, &applications);
    }
}

fn places(records: &[Behind], meant: impl Fn(&Behind) -> bool) -> Vec<usize> {
    records.iter().enumerate().filter(|(_, one)| meant(one)).map(|(place, _)| place).collect()
}

fn retain_places(records: &mut Vec<Behind>, kept: &BTreeSet<usize>) {
    let mut place = 0..;
    records.retain(|_| place.next().is_some_and(|place: usize| kept.contains(&place)));
}

/// Answers a question and tells what is behind the answer.
///
/// # Errors
/// As a lookup; `Inconsistent` when the journal does not have what an account is said to be made of.
pub async fn explain(app: &App, question: Question) -> Result<(Answer, Provenance)> {
    let mut tx = app.db.system.begin().await?;
    provenance::read_one_state_in_tx(&mut tx).await?;
    let (known_at, token) = (app.clock.now(), question.subject);
    let since = applied_since(std::slice::from_ref(&question), known_at);
    let (as_of, client_id, query_id) = (question.as_of, question.client_id, question.query_id);
    let mut found = accounts::find_for_tokens(&mut *tx, &[token], since).await?;
    let (answer, footprint) = prepare(question, &found, known_at, app.clock.now())?;
    let mut provenance = match found.remove(&token).transpose()? {
        None => {
            Provenance { evidence: evidence(&[], &[], as_of), accounts: Vec::new(), applications: Vec::new() }
        }
        Some(subject) => {
            let evidence = evidence(&subject.accounts, &subject.applications, as_of);
            let accounts = records_of(&mut tx, &subject, &evidence).await?;
            let applications = provenance::applications(&mut tx, subject.subject_id, since).await?;
            let applications =
                applications.into_iter().map(|record| behind(Kind::Application, record)).collect();
            Provenance { evidence, accounts, applications }
        }
    };
    provenance.keep_what_is_looked_at();
    footprints::insert_all(&mut *tx, &[footprint]).await?;
    let records = provenance.applications.len() + provenance.accounts.iter().map(Vec::len).sum::<usize>();
    let query = query_id.to_string();
    let entry = Entry {
        at: known_at,
        actor_client: Some(client_id),
        actor: "client",
        action: "profile.explain",
        object_kind: "footprint",
        object_id: &query,
        outcome: "done",
        detail: json!({ "records": records }),
    };
    audit::record(&mut *tx, &entry).await?;
    tx.commit().await?;
    // It is on record that this was told: whatever comes between is said to be pending, and the schedule goes on.
    if let Err(error) = add_ranges(app, &mut provenance).await {
        tracing::warn!(%error, "where records are was not looked up");
    }
    Ok((answer, provenance))
}

fn behind(kind: Kind, record: Record) -> Behind {
    Behind { kind, record, range: None }
}

/// The records of each account that is told. Every month that the profile was computed from must be among them.
async fn records_of(tx: &mut Connection, subject: &Subject, evidence: &Evidence) -> Result<Vec<Vec<Behind>>> {
    let (contributors, refs): (Vec<ContributorId>, Vec<String>) = evidence.accounts.iter().cloned().unzip();
    let mut accounts: Vec<Vec<Behind>> = refs.iter().map(|_| Vec::new()).collect();
    let snapshots = provenance::snapshots(tx, subject.subject_id, &contributors, &refs).await?;
    let events = provenance::events(tx, subject.subject_id, (&contributors, &refs), evidence.as_of).await?;
    let snapshots = snapshots.into_iter().map(|record| behind(Kind::Snapshot, record));
    for one in snapshots.chain(events.into_iter().map(|record| behind(Kind::Event, record))) {
        if let Some(account) = accounts.get_mut(one.record.account as usize) {
            account.push(one);
        }
    }
    let months = evidence.attributes.iter().flat_map(|behind| &behind.accounts);
    let missing = months
        .flat_map(|looked| looked.months.iter().map(move |day| (looked.account, day)))
        .find(|(account, day)| !accounts[*account].iter().any(|one| one.record.as_of_date == **day));
    match missing {
        None => Ok(accounts),
        Some((account, day)) => Err(Error::Inconsistent {
            table: "account_snapshots",
            column: "as_of_date",
            row: format!("subject {} account {}, nothing of {day}", subject.subject_id, refs[account]),
        }),
    }
}

/// Adds where the bytes are: what is known, and what can be found in a while.
async fn add_ranges(app: &App, provenance: &mut Provenance) -> Result<()> {
    let wanted: Vec<(BatchId, i64)> = provenance
        .accounts
        .iter()
        .flatten()
        .chain(&provenance.applications)
        .map(|one| (one.record.batch_id, one.record.record_no))
        .filter(|(batch, _)| !batch.0.is_nil())
        .collect();
    let (batch_ids, numbers): (Vec<BatchId>, Vec<i64>) = wanted.into_iter().unzip();
    record_ranges::want(&app.db.system, &batch_ids, &numbers, app.clock.now()).await?;
    let known = record_ranges::find(&app.db.system, &batch_ids, &numbers).await?;
    let open = known.iter().filter(|range| range.byte_from.is_none() && range.failure.is_none());
    let mut missing: Vec<BatchId> = open.map(|range| range.batch_id).collect();
    missing.sort_unstable();
    missing.dedup();
    let known = match SEARCHES.try_acquire() {
        Ok(_permit) if !missing.is_empty() => {
            let search = locate_in(app, &missing, Instant::now() + SEARCH);
            if let Ok(Err(error)) = timeout(SEARCH, search).await {
                tracing::warn!(%error, "bytes of records were not found");
            }
            record_ranges::find(&app.db.system, &batch_ids, &numbers).await?
        }
        _ => known,
    };
    let ranges: BTreeMap<(BatchId, i64), RecordRange> =
        known.into_iter().map(|range| ((range.batch_id, range.record_no), range)).collect();
    for one in provenance.accounts.iter_mut().flatten().chain(&mut provenance.applications) {
        one.range = ranges.get(&(one.record.batch_id, one.record.record_no)).cloned();
    }
    Ok(())
}

/// Finds what requests had no time for; says how many records. A function of the schedule.
///
/// # Errors
/// When Postgres or the store fails.
pub async fn locate_wanted(app: &App) -> Result<u64> {
    let batches = record_ranges::batches_with_wanted(&app.db.system, SCHEDULED_BATCHES).await?;
    locate_in(app, &batches, Instant::now() + SCHEDULED_SEARCH).await
}

/// Looks for what is wanted in batches, one after the other, until a moment; says how many records were found. A batch
/// that cannot be read is given up, so that it is not read again and again.
async fn locate_in(app: &App, batches: &[BatchId], until: Instant) -> Result<u64> {
    let mut located = 0;
    for id in batches {
        if Instant::now() >= until {
            break;
        }
        let numbers = record_ranges::wanted_of(&app.db.system, *id).await?;
        let batch = batches::find_any(&app.db.system, *id).await?.ok_or(Error::NotFound)?;
        match locate(app, batch, numbers.clone(), until).await? {
            Ok(found) => {
                let rows: Vec<(i64, i64, i64)> =
                    found.iter().map(|at| (at.record_no, at.from as i64, at.to as i64)).collect();
                record_ranges::set_located(&app.db.system, *id, &rows, app.clock.now()).await?;
                if found.len() < numbers.len() && Instant::now() < until {
                    record_ranges::give_up(&app.db.system, *id, "the content has fewer records").await?;
                }
                located += found.len() as u64;
            }
            Err(Fault::BrokenOff(cause)) => return Err(Error::Store(cause)),
            Err(fault) => record_ranges::give_up(&app.db.system, *id, &fault.to_string()).await?,
        }
    }
    Ok(located)
}

/// Reads the content of a batch again, as far as the last of the records.
async fn locate(
    app: &App,
    batch: Batch,
    numbers: Vec<i64>,
    until: Instant,
) -> Result<Result<Vec<decode::Located>, Fault>> {
    let Some(object) = app.store.get(&batch.object_key).await? else {
        return Ok(Err(Fault::Ours("the stored object is missing".into())));
    };
    let (send, feed) = mpsc::channel(PIECES);
    // Ends with this future, and with it the thread that waits for pieces.
    let mut feeder = JoinSet::new();
    feeder.spawn(feed_from_store(object, send));
    let limits = app.config.limits.clone();
    let found = tokio::task::spawn_blocking(move || {
        let source = Source::new(feed, &batch.stored_encoding, &batch.content_encoding)?;
        decode::locate_records(&source, batch.envelope.format, &limits, &numbers, until)
    });
    found.await.map_err(|panic| Error::Internal(format!("looking for records: {panic}")))
}
