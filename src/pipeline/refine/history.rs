//! The pass over history: every staged row against what was accepted of its account before (P rules, X028, X030).
//!
//! Rows come by account and day, the holders of one snapshot together, each beside the past that the serving store has.
//! A snapshot that is not rejected becomes part of the past of the next one in the batch. What is found is kept as sets of
//! records, so memory does not grow with the findings. A first load, where each account comes once, is not walked
//! through: only rows that a rule may speak of without a past are looked at.

use futures::TryStreamExt as _;

use super::late;
use super::ledger::Ledger;
use super::stage::Stage;
use crate::db::batches::Batch;
use crate::db::history::{self as store, Encounter};
use crate::domain::contract::{Dataset, Mode, Terms};
use crate::domain::finding::Finding;
use crate::domain::marks::Marked;
use crate::domain::rules::RulePolicy;
use crate::domain::rules::history::{Arriving, HistoryContext, Past, check_history};
use crate::error::Result;

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
    let replaces = batch.mode == Mode::Replace || batch.envelope.replaces.is_some();
    let context = HistoryContext { terms, replaces, sends_events: false };
    let mut walk = Walk::new(context, policy);
    store::analyze_staged(&mut stage.connection).await?;
    let first_load = !stage.has_accounts && most_snapshots <= 1;
    let mut encounters = match first_load {
        true => store::first_load(&mut stage.connection),
        false => store::with_past(&mut stage.connection, batch.contributor_id),
    };
    while let Some(encounter) = encounters.try_next().await? {
        walk.meet(encounter);
    }
    drop(encounters);
    let (rejected, staying): (Vec<Marked>, Vec<Marked>) =
        walk.found.into_iter().chain(standing).partition(|marked| marked.finding.rejects());
    late::conclude(&rejected, staying, ledger, stage).await
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

    fn meet(&mut self, encounter: Encounter) {
        let Encounter { record_no, account_ref, row, known, disputed } = encounter;
        if account_ref != self.account_ref {
            self.past = Past { known, disputed, ..Past::default() };
            self.account_ref = account_ref;
            self.pending = None;
        }
        if let Some(earlier) = self.pending.take_if(|earlier| earlier.facts.as_of_date < row.facts.as_of_date)
        {
            self.past.step(&earlier);
        }
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
