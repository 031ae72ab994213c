//! A batch beside what its contributor published before: the last whole book, the accounts that a whole book leaves out,
//! the last numbered DELTA.

use super::ledger::Ledger;
use super::stage::Stage;
use super::tally::{SAMPLES, Sample};
use crate::db::batches::Batch;
use crate::db::precedents;
use crate::domain::finding::Finding;
use crate::domain::rules::{Absences, BookFacts, Code, Declared, check_precedents, is_whole_book};
use crate::error::Result;

/// What came of the comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    pub findings: Vec<Finding>,
    /// What the staged rows add up to, for a whole book.
    pub book: Option<BookFacts>,
}

/// Compares the rows that would be accepted; called when nothing more leaves the staging table.
pub async fn compare(batch: &Batch, ledger: &mut Ledger, stage: &mut Stage) -> Result<Comparison> {
    let precedents = precedents::find(&mut *stage.connection, batch).await?;
    let (book, absences) = match is_whole_book(batch.mode) {
        true => (
            Some(precedents::staged_book(&mut stage.connection).await?),
            absences(batch, ledger, stage).await?,
        ),
        false => (None, Absences::default()),
    };
    let declared = Declared::from(&batch.envelope);
    let findings = check_precedents(&declared, &precedents, &book.unwrap_or_default(), &absences);
    Ok(Comparison { findings, book })
}

/// The active accounts that the book leaves out, each told as P009: there is no record to tell it of.
async fn absences(batch: &Batch, ledger: &mut Ledger, stage: &mut Stage) -> Result<Absences> {
    if !stage.has_accounts {
        return Ok(Absences::default());
    }
    let Batch { contributor_id, period_end, mode, .. } = *batch;
    let absences = precedents::absences(&mut stage.connection, contributor_id, period_end, mode).await?;
    if absences.missing > 0 {
        let shown =
            precedents::some_absent(&mut stage.connection, contributor_id, period_end, mode, SAMPLES).await?;
        let finding = Finding::whole(Code::P009);
        let sample = |account_ref| Sample { account_ref: Some(account_ref), ..Sample::of_file(&finding) };
        ledger.tally.add_all(&finding, absences.missing, shown.into_iter().map(sample));
    }
    Ok(absences)
}
