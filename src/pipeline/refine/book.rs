//! A batch beside what its contributor published before: the last whole book, the accounts that a whole book leaves out,
//! the last numbered DELTA.

use super::ledger::Ledger;
use super::stage::Stage;
use super::tally::{SAMPLES, Sample};
use crate::db::batches::Batch;
use crate::db::precedents;
use crate::domain::contract::Dataset;
use crate::domain::finding::Finding;
use crate::domain::rules::{
    Absences, BookFacts, Code, Declared, RulePolicy, check_precedents, is_whole_book,
};
use crate::error::Result;

/// What came of the comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    pub findings: Vec<Finding>,
    /// What the staged rows add up to, for a whole book.
    pub book: Option<BookFacts>,
}

/// Compares the rows that would be accepted; called when nothing more leaves the staging table.
pub async fn compare(
    batch: &Batch,
    policy: &RulePolicy,
    ledger: &mut Ledger,
    stage: &mut Stage,
) -> Result<Comparison> {
    let precedents = precedents::find(&mut *stage.connection, batch).await?;
    let is_book = batch.dataset == Dataset::AccountSnapshot && is_whole_book(batch.mode);
    let (book, absences) = match is_book {
        true => (
            Some(precedents::staged_book(&mut stage.connection).await?),
            absences(batch, policy, ledger, stage).await?,
        ),
        false => (None, Absences::default()),
    };
    let declared = Declared::from(&batch.envelope);
    let mut findings = check_precedents(&declared, &precedents, &book.unwrap_or_default(), &absences);
    policy.apply_to(&mut findings);
    Ok(Comparison { findings, book })
}

/// The active accounts that the book leaves out, each told as P009: there is no record to tell it of.
async fn absences(
    batch: &Batch,
    policy: &RulePolicy,
    ledger: &mut Ledger,
    stage: &mut Stage,
) -> Result<Absences> {
    if !stage.has_accounts {
        return Ok(Absences::default());
    }
    let (absences, shown) = precedents::absences(&mut stage.connection, batch, SAMPLES).await?;
    if let Some(finding) = policy.apply(Finding::whole(Code::P009)).filter(|_| absences.missing > 0) {
        let sample = |account_ref| Sample { account_ref: Some(account_ref), ..Sample::of_file(&finding) };
        ledger.tally.add_all(&finding, absences.missing, shown.into_iter().map(sample));
    }
    Ok(absences)
}
