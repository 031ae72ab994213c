//! The pass over history: every staged row against what was accepted of its account before (P rules, X028, X030).
//!
//! Rows come by account and day, the holders of one snapshot together, each beside the past that the serving store has.
//! A snapshot that is not rejected becomes part of the past of the next one in the batch. What is found is kept as sets of
//! records, so memory does not grow with the findings. A first load, where each account comes once, is not walked
//! through: only rows that a rule may speak of without a past are looked at.

use std::collections::HashMap;

use chrono::NaiveDate;
use futures::TryStreamExt as _;
use futures::stream::TryChunksError;
use sqlx::PgPool;

use super::late;
use super::ledger::Ledger;
use super::stage::Stage;
use crate::db::batches::Batch;
use crate::db::history::{self as store, Encounter};
use crate::db::{corrections, events, replacements};
use crate::domain::batch::State;
use crate::domain::contract::{Dataset, Mode, Terms};
use crate::domain::finding::Finding;
use crate::domain::marks::Marked;
use crate::domain::rules::RulePolicy;
use crate::domain::rules::history::{Arriving, HistoryContext, Movements, Past, check_history};
use crate::error::Result;
use crate::ids::ContributorId;

/// Rows whose accounts' events are looked up together.
const CHUNK: usize = 4096;

/// What events moved on accounts, by reference: sums by value date.
type Moved = HashMap<String, Vec<(NaiveDate, Movements)>>;

/// Compares the staged rows with the past; takes out of staging what is rejected, and counts what is found and what
/// was found before (`standing`) about the rows that stay.
pub async fn compare(
    batch: &Batch,
    terms: &Terms,
    policy: &RulePolicy,
    most_snapshots: u32,
    standing: Vec<Marked>,
    ledger: &mut Ledger,
    stage: &mut Stage,
) -> Result<()> {
    if batch.dataset != Dataset::AccountSnapshot {
        return Ok(());
    }
    let replaces = restated(batch, stage).await?;
    let pool = stage.app.db.system.clone();
    let sends_events = events::sends_events(&pool, batch.contributor_id).await?;
    let mut walk = Walk::new(HistoryContext { terms, replaces, sends_events }, policy);
    store::analyze_staged(&mut stage.connection).await?;
    // Where the only account was deleted, there is none, and yet a past.
    let has_past =
        stage.has_accounts || corrections::any_deleted(&mut *stage.connection, batch.contributor_id).await?;
    let first_load = !has_past && most_snapshots <= 1;
    let encounters = match first_load {
        true => store::first_load(&mut stage.connection),
        false => {
            store::with_past(&mut stage.connection, batch.contributor_id, (batch.id, batch.envelope.case_id))
        }
    };
    let mut chunks = encounters.try_chunks(CHUNK);
    while let Some(chunk) = chunks.try_next().await.map_err(|TryChunksError(_, error)| error)? {
        let mut moved = match sends_events {
            true => moved_on(&pool, batch.contributor_id, &chunk).await?,
            false => Moved::new(),
        };
        for encounter in chunk {
            walk.meet(encounter, &mut moved);
        }
    }
    drop(chunks);
    let (rejected, staying): (Vec<Marked>, Vec<Marked>) =
        walk.found.into_iter().chain(standing).partition(|marked| marked.finding.rejects());
    late::conclude(&rejected, staying, ledger, stage).await
}

/// The end of the period that the batch states anew: as a REPLACE, or in the place of what counts. Who names a batch that was
/// never published, or no longer counts, states it for the first time. Judged in the lane, so what is replaced now is
/// what is replaced at publication.
async fn restated(batch: &Batch, stage: &mut Stage) -> Result<Option<NaiveDate>> {
    if batch.mode == Mode::Replace {
        return Ok(Some(batch.period_end));
    }
    let replaced = replacements::replaced_by(&mut *stage.connection, batch).await?;
    let counts = |state: &str| State::parse(state).is_some_and(|state| state.may_become(State::Superseded));
    Ok(replaced.iter().any(|replaced| counts(&replaced.state)).then_some(batch.period_end))
}

/// The events of the accounts of a chunk. The look-up has a connection of its own: the rows stream on this one's.
async fn moved_on(pool: &PgPool, contributor: ContributorId, chunk: &[Encounter]) -> Result<Moved> {
    let mut refs: Vec<&str> = chunk.iter().map(|encounter| encounter.account_ref.as_str()).collect();
    refs.dedup();
    let mut moved = Moved::new();
    for (account_ref, on, movements) in events::movements(pool, contributor, &refs).await? {
        moved.entry(account_ref).or_default().push((on, movements));
    }
    Ok(moved)
}

/// One walk through the rows.
struct Walk<'a> {
    context: HistoryContext<'a>,
    policy: &'a RulePolicy,
    account_ref: String,
    past: Past,
    /// The snapshot that the past does not hold yet: all of its holders see the same past.
    pending: Option<Arriving>,
    findings: Vec<Finding>,
    found: Vec<Marked>,
}

impl<'a> Walk<'a> {
    fn new(context: HistoryContext<'a>, policy: &'a RulePolicy) -> Walk<'a> {
        Walk {
            context,
            policy,
            account_ref: String::new(),
            past: Past::default(),
            pending: None,
            findings: Vec::new(),
            found: Vec::new(),
        }
    }

    fn meet(&mut self, encounter: Encounter, moved: &mut Moved) {
        let Encounter { record_no, account_ref, row, known, disputed, deleted } = encounter;
        if account_ref != self.account_ref {
            let events = moved.remove(&account_ref).unwrap_or_default();
            self.past = Past { known, events, disputed, deleted };
            self.account_ref = account_ref;
            self.pending = None;
        }
        if let Some(earlier) = self.pending.take_if(|earlier| earlier.facts.as_of_date < row.facts.as_of_date)
        {
            self.past.step(&earlier);
        }
        // A deletion is of some days of the account.
        self.past.deleted = deleted;
        self.findings.clear();
        check_history(&self.past, &row, &self.context, &mut self.findings);
        // A rule that is milder for the contributor lets the row in, and so into the past of the next one.
        self.policy.apply_to(&mut self.findings);
        match self.findings.iter().any(Finding::rejects) {
            // What else could be said of a row that does not come in would only hold up the others.
            true => self.findings.retain(Finding::rejects),
            false => self.pending = Some(row),
        }
        for finding in self.findings.drain(..) {
            Marked::add(&mut self.found, finding, record_no);
        }
    }
}
