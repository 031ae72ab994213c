//! What only the end of the file can tell of a record: the rules about sets of rows, and what the serving store
//! contradicts. Each finding is a set of records; the rows themselves are in the staging table, and those that do not
//! stay leave it in one pass, each with its line in the reject file.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;

use super::chunk::Contradicted;
use super::ledger::Ledger;
use super::stage::Stage;
use super::tally::SAMPLES;
use crate::db::{history, rekeys, staging};
use crate::domain::contract::Field;
use crate::domain::finding::Finding;
use crate::domain::marks::{Marked, Marks};
use crate::domain::rules::history::{bound_to_somebody_else, taken_from_this_person};
use crate::domain::rules::{Code, RowSetOutcome, RulePolicy};
use crate::error::Result;

/// Settles what is rejected or repeats another record: it is counted, and leaves staging. Returns what was found about
/// the records that stay so far; it is counted when nothing more leaves, because a record that does not come in must not
/// hold up the others.
pub async fn settle(
    row_set: RowSetOutcome,
    policy: &RulePolicy,
    ledger: &mut Ledger,
    stage: &mut Stage,
) -> Result<Vec<Marked>> {
    let RowSetOutcome { mut rejected, mut duplicates, mut warnings, .. } = row_set;
    let Contradicted { holders, identities, erased, names, reviewed_names } =
        std::mem::take(&mut stage.contradicted);
    for Marked { finding, records } in contested(&holders, ledger.received, stage).await? {
        // An account that belongs to somebody else is refused with all its holders, as it is when the file
        // contradicts itself.
        let records = same_accounts(&records, ledger.received, stage).await?;
        rejected.push(Marked { finding, records });
    }
    let mut repeated = repeated(stage).await?;
    rejected.iter().for_each(|marked| repeated.remove_all(&marked.records));
    if !repeated.is_empty() {
        rejected.push(Marked { finding: taken_from_this_person(), records: repeated });
    }
    if !erased.is_empty() {
        rejected.push(Marked { finding: Finding::at(Code::L009, Field::IdNumber), records: erased });
    }
    if !identities.is_empty() {
        warnings.push(Marked { finding: Finding::whole(Code::I017), records: identities });
    }
    if !names.is_empty() {
        warnings.push(Marked { finding: Finding::whole(Code::I014), records: names });
    }
    if !reviewed_names.is_empty() {
        // Confirmed once, and not served until it is decided: it holds nothing any more.
        let finding = Finding::whole(Code::I014).as_warning();
        warnings.push(Marked { finding, records: reviewed_names });
    }
    let (rejected, mut warnings) = as_agreed(rejected.into_iter().chain(warnings), policy);
    for marked in &rejected {
        duplicates.remove_all(&marked.records);
    }
    without(&mut warnings, rejected.iter().map(|marked| &marked.records).chain([&duplicates]));
    take_out(&rejected, &duplicates, ledger, stage).await?;
    Ok(warnings)
}

/// Takes out of staging what is rejected, and counts what was found about records that stay.
pub async fn conclude(
    rejected: &[Marked],
    mut staying: Vec<Marked>,
    ledger: &mut Ledger,
    stage: &mut Stage,
) -> Result<()> {
    without(&mut staying, rejected.iter().map(|marked| &marked.records));
    warn(&staying, ledger, stage).await?;
    take_out(rejected, &Marks::default(), ledger, stage).await
}

/// What was found, but for records that do not stay.
fn without<'m>(found: &mut Vec<Marked>, gone: impl Iterator<Item = &'m Marks>) {
    for gone in gone {
        found.iter_mut().for_each(|marked| marked.records.remove_all(gone));
    }
    found.retain(|marked| !marked.records.is_empty());
}

/// The records whose account has another primary holder, by what that means: another account, or the same one with its
/// subject swapped.
async fn contested(of: &Marks, last: u64, stage: &mut Stage) -> Result<Vec<Marked>> {
    let mut found = Vec::new();
    if of.is_empty() {
        return Ok(found);
    }
    let Stage { connection, contributor_id, batch_id, .. } = stage;
    let mut rows = history::origins(connection, (*contributor_id, *batch_id), of.to_bits(last));
    while let Some(origins) = rows.try_next().await? {
        let finding = bound_to_somebody_else(origins.known, origins.staged);
        Marked::add(&mut found, finding, origins.record_no);
    }
    Ok(found)
}

/// The records that name somebody from whom a correction took the account, in whatever role.
async fn repeated(stage: &mut Stage) -> Result<Marks> {
    let mut repeated = Marks::default();
    let Stage { connection, contributor_id, batch_id, .. } = stage;
    if rekeys::any_applied(&mut **connection, *contributor_id).await? {
        let mut rows = rekeys::repeated(connection, *contributor_id, *batch_id);
        while let Some(record_no) = rows.try_next().await? {
            repeated.set(record_no as u64);
        }
    }
    Ok(repeated)
}

/// What remains of the findings under the contributor's overrides: what rejects, and what only warns or holds.
fn as_agreed(spoken: impl Iterator<Item = Marked>, policy: &RulePolicy) -> (Vec<Marked>, Vec<Marked>) {
    let remains = |Marked { finding, records }| Some(Marked { finding: policy.apply(finding)?, records });
    spoken.filter_map(remains).partition(|marked| marked.finding.rejects())
}

/// The given records and all staged ones of the same accounts.
async fn same_accounts(of: &Marks, last: u64, stage: &mut Stage) -> Result<Marks> {
    let mut all = of.clone();
    let mut rows = staging::rows_of_same_accounts(&mut stage.connection, of.to_bits(last));
    while let Some(record_no) = rows.try_next().await? {
        all.set(record_no as u64);
    }
    Ok(all)
}

/// Counts findings about records that stay. The first of each are shown, and only these are looked up.
async fn warn(warnings: &[Marked], ledger: &mut Ledger, stage: &mut Stage) -> Result<()> {
    let shown: Vec<i64> = warnings
        .iter()
        .flat_map(|marked| marked.records.iter().take(SAMPLES))
        .map(|record_no| record_no as i64)
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    let rows = staging::account_refs(&mut stage.connection, &shown).await?;
    let refs: BTreeMap<u64, String> =
        rows.into_iter().map(|row| (row.record_no as u64, row.account_ref)).collect();
    for marked in warnings {
        ledger.warn_staged(marked, |record_no| refs.get(&record_no));
    }
    Ok(())
}

/// Takes rejected records and duplicates out of staging; a rejected one leaves a line.
async fn take_out(
    rejected: &[Marked],
    duplicates: &Marks,
    ledger: &mut Ledger,
    stage: &mut Stage,
) -> Result<()> {
    let mut gone = duplicates.clone();
    rejected.iter().for_each(|marked| gone.add_all(&marked.records));
    if gone.is_empty() {
        return Ok(());
    }
    let Stage { connection, rejects, .. } = stage;
    let mut rows = staging::remove(connection, gone.to_bits(ledger.received));
    while let Some(row) = rows.try_next().await? {
        let record_no = row.record_no as u64;
        let findings: Vec<Finding> = rejected
            .iter()
            .filter(|marked| marked.records.contains(record_no))
            .map(|marked| marked.finding.clone())
            .collect();
        if findings.is_empty() {
            ledger.repeat_staged(record_no);
        } else {
            rejects.line(&ledger.reject_staged(record_no, Some(row.account_ref), &findings)).await?;
        }
    }
    Ok(())
}
