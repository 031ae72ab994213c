//! `account_snapshot`: its records under the V, I, X and L rules, and how they reach the staging table.

use std::path::Path;

use super::chunk::{ChunkBuilder, Person};
use super::judge::{Judge, Output, Records};
use super::spill::TempFile;
use crate::db::batches::Batch;
use crate::domain::calendar::WorkingDays;
use crate::domain::contract::row::Row;
use crate::domain::contract::{AccountSnapshot, Terms};
use crate::domain::dates;
use crate::domain::rules::field::read_snapshot;
use crate::domain::rules::identity::{CheckedIdentity, IdentityContext, check_identity};
use crate::domain::rules::{Concentration, RowContext, RowSet, RowSetOutcome, check_policy, check_row};
use crate::pipeline::decode::Fault;
use crate::privacy::{Keyring, MacPurpose};

/// What the rows of a book say together.
#[derive(Debug)]
pub struct Rows {
    pub row_set: RowSetOutcome,
    pub concentration: Concentration,
}

/// The snapshots of one batch while they are read.
pub struct Snapshots<'a> {
    row: RowContext<'a>,
    chunk: ChunkBuilder,
    concentration: Concentration,
    row_set: RowSet<TempFile>,
}

impl<'a> Snapshots<'a> {
    pub fn new(
        batch: &Batch,
        terms: &'a Terms,
        working_days: &'a WorkingDays,
        keys: &Keyring,
        temp_dir: &Path,
    ) -> Snapshots<'a> {
        // Dates are judged by the day of receipt, so that a second judgement gives the same verdict.
        let today = dates::business_date(batch.received_at.unwrap_or(batch.created_at));
        let [row_set_key, concentration_key] = hash_keys(batch, keys);
        Snapshots {
            row: RowContext { terms, mode: batch.mode, period_end: batch.period_end, today, working_days },
            chunk: ChunkBuilder::snapshots(),
            concentration: Concentration::new(concentration_key),
            row_set: RowSet::new(row_set_key, TempFile::new(temp_dir)),
        }
    }

    fn keep(
        &mut self,
        judge: &Judge<'_>,
        record_no: u64,
        record: &AccountSnapshot<'_>,
        identity: &CheckedIdentity,
    ) -> Result<(), Fault> {
        let person = Person::new(judge.keys, &record.subject(), identity);
        let added = self.row_set.add(record_no, record, person.token.subject_bytes());
        added.map_err(|error| Fault::Disk(error.to_string()))?;
        if !self.chunk.add(record_no, record, &person) {
            return Err(Fault::Ours(format!(
                "record {record_no} passed every rule without its required fields"
            )));
        }
        if self.chunk.is_full() { self.flush(judge) } else { Ok(()) }
    }

    fn flush(&mut self, judge: &Judge<'_>) -> Result<(), Fault> {
        self.chunk.take().map_or(Ok(()), |chunk| judge.send(Output::Chunk(chunk)))
    }
}

impl Records for Snapshots<'_> {
    fn record(&mut self, judge: &mut Judge<'_>, record_no: u64, row: &Row<'_>) -> Result<(), Fault> {
        let mut findings = judge.blank();
        let record = read_snapshot(row, &judge.field_context(), &mut findings);
        let identity = IdentityContext { today: self.row.today };
        let checked = check_identity(&record, &identity, &mut findings);
        check_row(&record, &self.row, &mut findings);
        check_policy(&record, &self.row, &mut findings);
        judge.policy.apply_to_record(&mut findings, &record, checked.is_some());
        judge.totals.add(&record);
        self.concentration.add(&record);
        if !judge.weigh(record_no, row, record.account_ref, findings)? {
            return Ok(());
        }
        let Some(identity) = checked else {
            return Err(Fault::Ours(format!("record {record_no} passed every rule without an identity")));
        };
        judge.quality.add(&record);
        self.keep(judge, record_no, &record, &identity)
    }

    fn end(&mut self, judge: &mut Judge<'_>) -> Result<(), Fault> {
        self.flush(judge)
    }

    fn finish(self) -> Result<Option<Rows>, Fault> {
        let row_set = self.row_set.finish().map_err(|error| Fault::Disk(error.to_string()))?;
        Ok(Some(Rows { row_set, concentration: self.concentration }))
    }
}

/// Keys for hashes of what a file contains: secret, and the same whenever the same file is judged.
fn hash_keys(batch: &Batch, keys: &Keyring) -> [[u8; 16]; 2] {
    let mac = keys.mac(MacPurpose::FileHashes, batch.sha256.as_deref().unwrap_or_default());
    [1, 17].map(|start| std::array::from_fn(|i| mac[start + i]))
}
