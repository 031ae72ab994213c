//! Counting while records stream by: how many broke which rule, and the first few that did.

use serde::{Deserialize, Serialize};

use crate::db::batches::RuleCount;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The value with everything personal masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_masked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
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

/// Which records are marked, a bit each: 10 million records take 1.2 MB.
#[derive(Debug, Default)]
pub struct Marks {
    words: Vec<u64>,
}

impl Marks {
    pub fn set(&mut self, record_no: u64) {
        let word = (record_no / 64) as usize;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (record_no % 64);
    }

    pub fn clear(&mut self, record_no: u64) {
        if let Some(word) = self.words.get_mut((record_no / 64) as usize) {
            *word &= !(1 << (record_no % 64));
        }
    }

    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::Field;

    fn no_sample() -> Sample {
        Sample { record_no: None, account_ref: None, field: None, value_masked: None, detail: None }
    }

    #[test]
    fn a_record_counts_once_for_a_rule() {
        let mut tally = Tally::default();
        let twice = [Finding::at(Code::V001, Field::Outstanding), Finding::at(Code::V001, Field::Overdue)];
        tally.record(&twice, |_| no_sample());
        tally.record(&[Finding::at(Code::X007, Field::Dpd).as_warning()], |_| no_sample());
        let counts: Vec<_> = tally.counts().into_iter().map(|c| (c.code, c.severity, c.records)).collect();
        assert_eq!(counts, [("V001".into(), "R".into(), 1), ("X007".into(), "W".into(), 1)]);
        assert!(!tally.holds());
        tally.add(&Finding::whole(Code::I016), no_sample);
        assert!(tally.holds());
    }

    #[test]
    fn marks_are_a_set() {
        let mut marks = Marks::default();
        for n in [1, 64, 65, 1000, 64] {
            marks.set(n);
        }
        marks.clear(65);
        marks.clear(5000);
        assert_eq!(marks.count(), 3);
    }
}
