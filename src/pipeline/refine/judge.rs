//! Judging records: decode, the rules that one record can break, tokens. Blocking and free of I/O but for its
//! channels: what it accepts goes out in chunks for the staging tables, what it rejects as packed lines.
//!
//! [`Judge`] does what is the same for every dataset; what a dataset's records are and which rules they meet is its
//! [`Records`].

use tokio::sync::mpsc::Sender;

use super::chunk::Chunk;
use super::events::EventChunk;
use super::imputed::Imputed;
use super::ledger::Ledger;
use super::mask;
use super::quality::Quality;
use super::rejects::{RejectFinding, RejectLine, RejectWriter, shown_ref};
use super::snapshots::Rows;
use super::tally::Sample;
use super::totals::Totals;
use crate::config::Limits;
use crate::db::batches::Batch;
use crate::domain::contract::row::{Row, RowError};
use crate::domain::contract::spec::Contract;
use crate::domain::contract::{Terms, impute, supplied};
use crate::domain::dates;
use crate::domain::finding::Finding;
use crate::domain::rules::field::{FieldContext, MoneyForms};
use crate::domain::rules::{Code, RulePolicy};
use crate::pipeline::decode::{self, Fault, Feed, Source};
use crate::privacy::Keyring;

/// What a judge sends out while it reads.
#[derive(Debug)]
pub enum Output {
    /// Records that name a subject: snapshots or applications.
    Chunk(Chunk),
    Events(EventChunk),
    /// A packed frame of reject lines.
    Rejects(Vec<u8>),
}

/// What every reading of a batch found out, whatever its dataset.
#[derive(Debug)]
pub struct Reading {
    pub ledger: Ledger,
    pub totals: Totals,
    pub money: MoneyForms,
    /// What the rows of a book say together; absent for other datasets.
    pub rows: Option<Rows>,
    pub imputed: Imputed,
    pub quality: Quality,
    /// Why reading stopped before the end, if it did: the file's fault.
    pub file_fault: Option<Finding>,
}

/// The records of one dataset on their way through their rules.
pub trait Records: Sized {
    /// Reads a row by type, asks the rules about it and keeps it for staging if it stays.
    fn record(&mut self, judge: &mut Judge<'_>, record_no: u64, row: &Row<'_>) -> Result<(), Fault>;

    /// Sends out what is left after the last row.
    fn end(&mut self, judge: &mut Judge<'_>) -> Result<(), Fault>;

    /// What the rows say together, where they are a book.
    fn finish(self) -> Result<Option<Rows>, Fault> {
        Ok(None)
    }
}

/// One batch under judgement.
pub struct Judge<'a> {
    batch: &'a Batch,
    pub terms: &'a Terms,
    pub keys: &'a Keyring,
    pub policy: RulePolicy,
    output: &'a Sender<Output>,
    findings: Vec<Finding>,
    rejects: RejectWriter,
    ledger: Ledger,
    pub totals: Totals,
    money: MoneyForms,
    imputed: Imputed,
    pub quality: Quality,
}

impl<'a> Judge<'a> {
    pub fn new(
        batch: &'a Batch,
        terms: &'a Terms,
        keys: &'a Keyring,
        output: &'a Sender<Output>,
    ) -> Judge<'a> {
        Judge {
            batch,
            terms,
            keys,
            policy: terms.policy(dates::business_date(batch.received_at.unwrap_or(batch.created_at))),
            output,
            findings: Vec::new(),
            rejects: RejectWriter::default(),
            ledger: Ledger::new(batch.dataset),
            totals: Totals::default(),
            money: MoneyForms::default(),
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
        mut records: impl Records,
        feed: tokio::sync::mpsc::Receiver<Feed>,
        limits: &Limits,
    ) -> Result<Reading, Fault> {
        let source = Source::new(feed, &self.batch.stored_encoding, &self.batch.content_encoding)?;
        let constants = self.terms.constants_of(self.batch.dataset);
        let format = self.batch.envelope.format;
        let visit = |record_no, row: Result<Row<'_>, RowError>| {
            self.ledger.received += 1;
            match row {
                Ok(mut row) => {
                    impute(&mut row, &constants);
                    self.imputed.add(row.imputed());
                    records.record(&mut self, record_no, &row)
                }
                Err(error) => self.unreadable(record_no, &error),
            }
        };
        let done = decode::for_each_row(&source, contract, supplied(&constants), format, limits, visit);
        let file_fault = match done {
            Ok(_) => None,
            Err(Fault::File { code, detail }) => Some(Finding::whole(code).with_detail(detail)),
            Err(fault) => return Err(fault),
        };
        let digest = self.batch.sha256.as_deref().unwrap_or_default();
        source.verify(digest, self.batch.received_bytes.unwrap_or_default() as u64)?;
        records.end(&mut self)?;
        if let Some(frame) = self.rejects.take().map_err(|error| Fault::Ours(error.to_string()))? {
            self.send(Output::Rejects(frame))?;
        }
        let Judge { ledger, totals, money, imputed, quality, .. } = self;
        Ok(Reading { ledger, totals, money, rows: records.finish()?, imputed, quality, file_fault })
    }

    /// An empty list for the findings of the next record; [`Judge::weigh`] takes it back.
    pub fn blank(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// What the V rules need to know beside the row.
    pub fn field_context(&self) -> FieldContext<'_> {
        FieldContext { terms: self.terms, money: self.batch.envelope.money_unit(), money_forms: &self.money }
    }

    /// Counts what was found of a record and says whether it stays; one that does not leaves its line. `reference` is
    /// what the contributor knows the record by.
    pub fn weigh(
        &mut self,
        record_no: u64,
        row: &Row<'_>,
        reference: Option<&str>,
        mut findings: Vec<Finding>,
    ) -> Result<bool, Fault> {
        let stays = !findings.iter().any(Finding::rejects);
        if findings.is_empty() {
            self.findings = findings;
            return Ok(true);
        }
        let dataset = self.batch.dataset;
        let reference = shown_ref(dataset, reference, &findings);
        self.ledger.tally.record(&findings, |finding| Sample {
            value_masked: finding.field.and_then(|field| mask::masked(row, field)),
            ..Sample::of_record(dataset, record_no, reference.clone(), finding)
        });
        if stays {
            self.ledger.keep(record_no, &findings);
        } else {
            self.ledger.reject(&findings);
            let shown = findings.iter().map(|finding| RejectFinding::new(finding, Some(row))).collect();
            self.write_reject(&RejectLine::new(dataset, record_no, reference, shown))?;
        }
        findings.clear();
        self.findings = findings;
        Ok(stays)
    }

    /// A line that is no row: V002 of the record as a whole.
    fn unreadable(&mut self, record_no: u64, error: &RowError) -> Result<(), Fault> {
        let findings = [Finding::whole(Code::V002).with_detail(error.to_string())];
        let dataset = self.batch.dataset;
        self.ledger.tally.record(&findings, |finding| Sample::of_record(dataset, record_no, None, finding));
        self.ledger.reject(&findings);
        let findings = findings.iter().map(|finding| RejectFinding::new(finding, None)).collect();
        self.write_reject(&RejectLine::new(dataset, record_no, None, findings))
    }

    fn write_reject(&mut self, line: &RejectLine) -> Result<(), Fault> {
        match self.rejects.add(line).map_err(|error| Fault::Ours(error.to_string()))? {
            Some(frame) => self.send(Output::Rejects(frame)),
            None => Ok(()),
        }
    }

    pub fn send(&self, output: Output) -> Result<(), Fault> {
        self.output.blocking_send(output).map_err(|_| Fault::BrokenOff("the work was given up".into()))
    }
}
