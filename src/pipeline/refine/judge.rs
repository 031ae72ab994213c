//! Judging records: decode, V, I and X rules, tokens. Blocking and free of I/O but for its channels: what it
//! accepts goes out in chunks for the serving store, what it rejects as packed lines.

use std::path::Path;

use tokio::sync::mpsc::Sender;

use super::chunk::{Chunk, ChunkBuilder, Person};
use super::imputed::Imputed;
use super::ledger::Ledger;
use super::mask;
use super::quality::Quality;
use super::rejects::{RejectFinding, RejectLine, RejectWriter, shown_ref};
use super::spill::TempFile;
use super::tally::Sample;
use super::totals::Totals;
use crate::config::Limits;
use crate::db::batches::Batch;
use crate::domain::contract::row::{Row, RowError};
use crate::domain::contract::spec::Contract;
use crate::domain::contract::{AccountSnapshot, Terms, impute, supplied};
use crate::domain::dates;
use crate::domain::finding::Finding;
use crate::domain::rules::field::{FieldContext, MoneyForms, read_snapshot};
use crate::domain::rules::identity::{IdentityContext, check_identity};
use crate::domain::rules::{
    Code, Concentration, RowContext, RowSet, RowSetOutcome, RulePolicy, check_policy, check_row,
};
use crate::pipeline::decode::{self, Fault, Feed, Source};
use crate::privacy::{Keyring, MacPurpose};

/// What a judge sends out while it reads.
#[derive(Debug)]
pub enum Output {
    Chunk(Chunk),
    /// A packed frame of reject lines.
    Rejects(Vec<u8>),
}

/// Everything that one reading of a batch found out.
#[derive(Debug)]
pub struct Reading {
    pub ledger: Ledger,
    pub totals: Totals,
    pub money: MoneyForms,
    pub concentration: Concentration,
    /// What the rows say about each other.
    pub row_set: RowSetOutcome,
    pub imputed: Imputed,
    pub quality: Quality,
    /// Why reading stopped before the end, if it did: the file's fault.
    pub file_fault: Option<Finding>,
}

/// One batch under judgement.
pub struct Judge<'a> {
    batch: &'a Batch,
    terms: &'a Terms,
    keys: &'a Keyring,
    row: RowContext<'a>,
    policy: RulePolicy,
    output: &'a Sender<Output>,
    findings: Vec<Finding>,
    chunk: ChunkBuilder,
    rejects: RejectWriter,
    ledger: Ledger,
    totals: Totals,
    money: MoneyForms,
    concentration: Concentration,
    row_set: RowSet<TempFile>,
    imputed: Imputed,
    quality: Quality,
}

impl<'a> Judge<'a> {
    pub fn new(
        batch: &'a Batch,
        terms: &'a Terms,
        keys: &'a Keyring,
        output: &'a Sender<Output>,
        temp_dir: &Path,
    ) -> Judge<'a> {
        // Dates are judged by the day of receipt, so that a second judgement gives the same verdict.
        let today = dates::business_date(batch.received_at.unwrap_or(batch.created_at));
        let [row_set_key, concentration_key] = hash_keys(batch, keys);
        Judge {
            batch,
            terms,
            keys,
            row: RowContext { terms, mode: batch.mode, period_end: batch.period_end, today },
            policy: terms.policy(today),
            output,
            findings: Vec::new(),
            chunk: ChunkBuilder::default(),
            rejects: RejectWriter::default(),
            ledger: Ledger::default(),
            totals: Totals::default(),
            money: MoneyForms::default(),
            concentration: Concentration::new(concentration_key),
            row_set: RowSet::new(row_set_key, TempFile::new(temp_dir)),
            imputed: Imputed::default(),
            quality: Quality::default(),
        }
    }

    /// Reads the whole batch.
    ///
    /// # Errors
    /// Only a fault of ours; what is wrong with the file is in the [`Reading`].
    pub fn read(
        mut self,
        contract: &'static Contract,
        feed: tokio::sync::mpsc::Receiver<Feed>,
        limits: &Limits,
    ) -> Result<Reading, Fault> {
        let source = Source::new(feed, &self.batch.stored_encoding, &self.batch.content_encoding)?;
        let constants = self.terms.constants_of(self.batch.dataset);
        let format = self.batch.envelope.format;
        let visit = |record_no, row: Result<Row<'_>, RowError>| match row {
            Ok(mut row) => {
                impute(&mut row, &constants);
                self.record(record_no, &row)
            }
            Err(error) => self.unreadable(record_no, &error),
        };
        let done = decode::for_each_row(&source, contract, supplied(&constants), format, limits, visit);
        let file_fault = match done {
            Ok(_) => None,
            Err(Fault::File { code, detail }) => Some(Finding::whole(code).with_detail(detail)),
            Err(fault) => return Err(fault),
        };
        let digest = self.batch.sha256.as_deref().unwrap_or_default();
        source.verify(digest, self.batch.received_bytes.unwrap_or_default() as u64)?;
        self.flush_chunk()?;
        if let Some(frame) = self.rejects.take().map_err(|error| Fault::Ours(error.to_string()))? {
            self.send(Output::Rejects(frame))?;
        }
        let row_set = self.row_set.finish().map_err(|error| Fault::Disk(error.to_string()))?;
        let Judge { ledger, totals, money, concentration, imputed, quality, .. } = self;
        Ok(Reading { ledger, totals, money, concentration, row_set, imputed, quality, file_fault })
    }

    fn record(&mut self, record_no: u64, row: &Row<'_>) -> Result<(), Fault> {
        self.ledger.received += 1;
        self.findings.clear();
        let context = FieldContext {
            terms: self.terms,
            money: self.batch.envelope.money_unit(),
            money_forms: &self.money,
        };
        let record = read_snapshot(row, &context, &mut self.findings);
        let identity = IdentityContext { today: self.row.today };
        let checked = check_identity(&record, &identity, &mut self.findings);
        check_row(&record, &self.row, &mut self.findings);
        check_policy(&record, &self.row, &mut self.findings);
        self.policy.apply_to_record(&mut self.findings, &record, checked.is_some());
        self.totals.add(&record);
        self.imputed.add(row.imputed());
        self.concentration.add(&record);

        let rejects = self.findings.iter().any(Finding::rejects);
        if !self.findings.is_empty() {
            self.count_findings(record_no, row, &record);
        }
        if rejects {
            return self.reject(record_no, row, &record);
        }
        let Some(identity) = checked else {
            return Err(Fault::Ours(format!("record {record_no} passed every rule without an identity")));
        };
        self.ledger.keep(record_no, &self.findings);
        self.quality.add(&record);
        let person = Person::new(self.keys, &record, &identity);
        let added = self.row_set.add(record_no, &record, person.token.subject_bytes());
        added.map_err(|error| Fault::Disk(error.to_string()))?;
        if !self.chunk.add(record_no, &record, &person) {
            return Err(Fault::Ours(format!(
                "record {record_no} passed every rule without its required fields"
            )));
        }
        if self.chunk.is_full() { self.flush_chunk() } else { Ok(()) }
    }

    /// A line that is no row: V002 of the record as a whole.
    fn unreadable(&mut self, record_no: u64, error: &RowError) -> Result<(), Fault> {
        self.ledger.received += 1;
        self.findings.clear();
        self.findings.push(Finding::whole(Code::V002).with_detail(error.to_string()));
        self.ledger.tally.record(&self.findings, |finding| sample(record_no, None, finding, None));
        self.ledger.reject(&self.findings);
        let findings = self.findings.iter().map(|finding| RejectFinding::new(finding, None)).collect();
        self.write_reject(&RejectLine { record_no, account_ref: None, findings })
    }

    fn count_findings(&mut self, record_no: u64, row: &Row<'_>, record: &AccountSnapshot<'_>) {
        let account_ref = shown_ref(record, &self.findings);
        self.ledger
            .tally
            .record(&self.findings, |finding| sample(record_no, account_ref.clone(), finding, Some(row)));
    }

    fn reject(&mut self, record_no: u64, row: &Row<'_>, record: &AccountSnapshot<'_>) -> Result<(), Fault> {
        self.ledger.reject(&self.findings);
        let account_ref = shown_ref(record, &self.findings);
        let findings = self.findings.iter().map(|finding| RejectFinding::new(finding, Some(row))).collect();
        self.write_reject(&RejectLine { record_no, account_ref, findings })
    }

    fn write_reject(&mut self, line: &RejectLine) -> Result<(), Fault> {
        match self.rejects.add(line).map_err(|error| Fault::Ours(error.to_string()))? {
            Some(frame) => self.send(Output::Rejects(frame)),
            None => Ok(()),
        }
    }

    fn flush_chunk(&mut self) -> Result<(), Fault> {
        match self.chunk.take() {
            Some(chunk) => self.send(Output::Chunk(chunk)),
            None => Ok(()),
        }
    }

    fn send(&self, output: Output) -> Result<(), Fault> {
        self.output.blocking_send(output).map_err(|_| Fault::BrokenOff("the work was given up".into()))
    }
}

/// Keys for hashes of what a file contains: secret, and the same whenever the same file is judged.
fn hash_keys(batch: &Batch, keys: &Keyring) -> [[u8; 16]; 2] {
    let mac = keys.mac(MacPurpose::FileHashes, batch.sha256.as_deref().unwrap_or_default());
    [1, 17].map(|start| std::array::from_fn(|i| mac[start + i]))
}

fn sample(record_no: u64, account_ref: Option<String>, finding: &Finding, row: Option<&Row<'_>>) -> Sample {
    Sample {
        record_no: Some(record_no),
        account_ref,
        value_masked: finding.field.zip(row).and_then(|(field, row)| mask::masked(row, field)),
        ..Sample::of_file(finding)
    }
}
