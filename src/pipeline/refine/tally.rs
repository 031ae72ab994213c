//! Counting while records stream by: how many broke which rule, and the first few that did.

use serde::{Deserialize, Serialize};

use super::rejects::by_dataset;
use crate::db::batch_findings::RuleCount;
use crate::domain::contract::Dataset;
use crate::domain::finding::{Finding, Severity};
use crate::domain::rules::Code;

/// Examples kept per rule; the reject file has all.
pub const SAMPLES: usize = 5;

/// One example of a broken rule, as the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sample {
    /// The record's place in the file, counted from 1; absent for a finding about the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_no: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<String>,
    /// In place of the account, for an application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The value with everything personal masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_masked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Sample {
    /// What can be shown of a finding without a record.
    pub fn of_file(finding: &Finding) -> Sample {
        Sample {
            record_no: None,
            account_ref: None,
            application_ref: None,
            field: finding.field.map(|field| field.name().to_owned()),
            value_masked: None,
            detail: finding.detail.as_ref().map(ToString::to_string),
        }
    }

    /// What can be shown of a finding about a record of a dataset; `reference` is what its contributor knows it by.
    pub fn of_record(
        dataset: Dataset,
        record_no: u64,
        reference: Option<String>,
        finding: &Finding,
    ) -> Sample {
        let (account_ref, application_ref) = by_dataset(dataset, reference);
        Sample { record_no: Some(record_no), account_ref, application_ref, ..Sample::of_file(finding) }
    }
}

#[derive(Clone, Debug, Default)]
struct Slot {
    records: u64,
    samples: Vec<Sample>,
}

/// Counts per code and severity. A record counts once for a rule, however many of its fields break it.
#[derive(Debug)]
pub struct Tally {
    slots: Vec<Slot>,
}

impl Default for Tally {
    fn default() -> Self {
        Tally { slots: vec![Slot::default(); Code::COUNT * SEVERITIES.len()] }
    }
}

const SEVERITIES: [Severity; 3] = [Severity::Warning, Severity::Hold, Severity::Reject];

fn slot_of(finding: &Finding) -> usize {
    finding.code as usize * SEVERITIES.len() + finding.severity as usize
}

impl Tally {
    /// Counts the findings of one record; `sample` is asked only while examples are still wanted.
    pub fn record(&mut self, findings: &[Finding], mut sample: impl FnMut(&Finding) -> Sample) {
        for (i, finding) in findings.iter().enumerate() {
            let again =
                findings[..i].iter().any(|f| f.code == finding.code && f.severity == finding.severity);
            if !again {
                self.add(finding, || sample(finding));
            }
        }
    }

    pub fn add(&mut self, finding: &Finding, sample: impl FnOnce() -> Sample) {
        let slot = &mut self.slots[slot_of(finding)];
        slot.records += 1;
        if slot.samples.len() < SAMPLES {
            slot.samples.push(sample());
        }
    }

    /// Counts a finding of many records; `samples` gives examples as long as they are wanted.
    pub fn add_all(&mut self, finding: &Finding, records: u64, samples: impl Iterator<Item = Sample>) {
        let slot = &mut self.slots[slot_of(finding)];
        slot.records += records;
        slot.samples.extend(samples.take(SAMPLES.saturating_sub(slot.samples.len())));
    }

    /// Whether any finding holds the batch (W*).
    pub fn holds(&self) -> bool {
        self.slots.iter().skip(Severity::Hold as usize).step_by(SEVERITIES.len()).any(|slot| slot.records > 0)
    }

    /// What was counted, by code, as the database keeps it.
    pub fn counts(&self) -> Vec<RuleCount> {
        let mut counts = Vec::new();
        for (i, code) in Code::ALL.iter().enumerate() {
            for (j, severity) in SEVERITIES.iter().enumerate() {
                let slot = &self.slots[i * SEVERITIES.len() + j];
                if slot.records > 0 {
                    counts.push(RuleCount {
                        code: code.as_str().to_owned(),
                        severity: severity.as_str().to_owned(),
                        records: slot.records as i64,
                        samples: serde_json::json!(slot.samples),
                    });
                }
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::Field;

    #[test]
    fn a_record_counts_once_for_a_rule() {
        let mut tally = Tally::default();
        let twice = [Finding::at(Code::V001, Field::Outstanding), Finding::at(Code::V001, Field::Overdue)];
        tally.record(&twice, Sample::of_file);
        tally.record(&[Finding::at(Code::X007, Field::Dpd).as_warning()], Sample::of_file);
        let counts: Vec<_> = tally.counts().into_iter().map(|c| (c.code, c.severity, c.records)).collect();
        assert_eq!(counts, [("V001".into(), "R".into(), 1), ("X007".into(), "W".into(), 1)]);
        assert!(!tally.holds());
        let hold = Finding::whole(Code::I016);
        tally.add(&hold, || Sample::of_file(&hold));
        assert!(tally.holds());
    }
}
