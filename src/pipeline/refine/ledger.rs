//! What became of a batch's records: every one is counted once, whichever stage speaks last about it.

use super::rejects::{RejectFinding, RejectLine};
use super::tally::{Sample, Tally};
use crate::domain::contract::Dataset;
use crate::domain::finding::{Finding, Severity};
use crate::domain::marks::{Marked, Marks};

/// The account of a batch's records, from the first row read to the verdict. Its size does not depend on how many
/// records there are or how many rules they break, but for a bit per record.
#[derive(Debug)]
pub struct Ledger {
    dataset: Dataset,
    /// Records read, readable or not.
    pub received: u64,
    pub rejected: u64,
    /// Of these, the ones that an identity rule rejected (F019).
    pub rejected_by_identity: u64,
    /// Records that repeat another one of the batch.
    pub duplicate: u64,
    /// Good records that wait for something else to appear (E002).
    pub parked: u64,
    pub tally: Tally,
    /// Records with a warning.
    warned: Marks,
}

impl Ledger {
    pub fn new(dataset: Dataset) -> Ledger {
        Ledger {
            dataset,
            received: 0,
            rejected: 0,
            rejected_by_identity: 0,
            duplicate: 0,
            parked: 0,
            tally: Tally::default(),
            warned: Marks::default(),
        }
    }

    /// A record that its own findings reject. They are in the tally already.
    pub fn reject(&mut self, findings: &[Finding]) {
        self.rejected += 1;
        self.rejected_by_identity += u64::from(findings.iter().any(Finding::rejects_identity));
    }

    /// A record that stays, with its findings. They are in the tally already.
    pub fn keep(&mut self, record_no: u64, findings: &[Finding]) {
        if findings.iter().any(|finding| finding.severity == Severity::Warning) {
            self.warned.set(record_no);
        }
    }

    /// A staged record that only a later stage could reject; the line that says so.
    pub fn reject_staged(
        &mut self,
        record_no: u64,
        reference: Option<String>,
        findings: &[Finding],
    ) -> RejectLine {
        self.mention(record_no, reference.as_ref(), findings);
        self.reject(findings);
        self.warned.clear(record_no);
        let findings = findings.iter().map(|finding| RejectFinding::new(finding, None)).collect();
        RejectLine::new(self.dataset, record_no, reference, findings)
    }

    /// A staged record that repeats another one.
    pub fn repeat_staged(&mut self, record_no: u64) {
        self.duplicate += 1;
        self.warned.clear(record_no);
    }

    /// A staged record that stays, with what a later stage found of it.
    pub fn keep_staged(&mut self, record_no: u64, reference: Option<&String>, findings: &[Finding]) {
        self.mention(record_no, reference, findings);
        self.keep(record_no, findings);
    }

    /// A staged record that waits; what it is warned of counts when it is accepted.
    pub fn park_staged(&mut self, record_no: u64, reference: Option<&String>, findings: &[Finding]) {
        self.mention(record_no, reference, findings);
        self.parked += 1;
        self.warned.clear(record_no);
    }

    /// Counts findings about a record whose fate is decided elsewhere.
    pub fn mention(&mut self, record_no: u64, reference: Option<&String>, findings: &[Finding]) {
        let sample =
            |finding: &Finding| Sample::of_record(self.dataset, record_no, reference.cloned(), finding);
        self.tally.record(findings, sample);
    }

    /// Findings about staged records that stay; `reference` is asked for the few that are shown.
    pub fn warn_staged<'r>(&mut self, marked: &Marked, reference: impl Fn(u64) -> Option<&'r String>) {
        let Marked { finding, records } = marked;
        let samples = records.iter().map(|record_no| {
            Sample::of_record(self.dataset, record_no, reference(record_no).cloned(), finding)
        });
        self.tally.add_all(finding, records.count(), samples);
        if finding.severity == Severity::Warning {
            self.warned.add_all(records);
        }
    }

    /// Records with a warning that were not rejected.
    pub fn warned(&self) -> u64 {
        self.warned.count()
    }

    /// The same, a bit each.
    pub fn warned_bits(&self) -> Vec<u8> {
        self.warned.to_bits(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rules::Code;

    #[test]
    fn a_record_has_one_fate_whoever_speaks_last() {
        let mut ledger = Ledger { received: 5, ..Ledger::new(Dataset::AccountSnapshot) };
        let warning = Finding::whole(Code::S002);
        ledger.keep(1, &[]);
        ledger.keep(2, std::slice::from_ref(&warning));
        ledger.warn_staged(&Marked { finding: warning, records: [2, 3, 4].into_iter().collect() }, |_| None);
        ledger.warn_staged(
            &Marked { finding: Finding::whole(Code::I016), records: [1].into_iter().collect() },
            |_| None,
        );
        assert_eq!(ledger.warned(), 3, "what holds a batch is no warning");
        ledger.repeat_staged(3);
        let line = ledger.reject_staged(
            4,
            Some("ACC-4".into()),
            &[Finding::whole(Code::S003), Finding::whole(Code::I015)],
        );
        assert_eq!((line.record_no, line.findings.len()), (4, 2));
        assert_eq!((ledger.rejected, ledger.rejected_by_identity, ledger.duplicate), (1, 1, 1));
        assert_eq!(ledger.warned(), 1);
        let counts: Vec<_> = ledger.tally.counts().into_iter().map(|c| (c.code, c.records)).collect();
        let expected = [("I015", 1), ("I016", 1), ("S002", 3), ("S003", 1)];
        assert_eq!(counts, expected.map(|(code, records)| (code.to_owned(), records)));
    }
}
