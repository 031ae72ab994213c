//! File rules (`domain.md` 6.2) that are a matter of judgement: what is wrong with a batch as a whole.
//!
//! The pipeline counts, this file judges. What can be known from the envelope is asked before the body is
//! read ([`envelope_findings`]); counts, totals and thresholds when every record has been looked at
//! ([`check_file`]); then also what earlier batches have to say ([`check_precedents`]). What only happens while
//! bytes are taken or decoded (F003 to F006, F016) or in a transaction with earlier batches (F012, F015, F027) is
//! found there.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::domain::contract::{AccountStatus, Dataset, Environment, Field, Mode, Terms};
use crate::domain::envelope::Envelope;
use crate::domain::finding::Finding;
use crate::domain::money::Sen;

use super::Code;

mod concentration;
mod history;

pub use concentration::{Concentration, Fullest, f024};
pub use history::*;

/// What the contributor declared about the batch, in its envelope or its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    pub dataset: Dataset,
    pub mode: Mode,
    /// The last day of the reporting period; `None` when it was not a date.
    pub period_end: Option<NaiveDate>,
    pub schema_version: Option<String>,
    pub environment: Option<Environment>,
    pub sequence_no: Option<u64>,
    /// The batch says: there is nothing to report for this period.
    pub nil_return: bool,
    pub record_count: Option<u64>,
    pub sum_outstanding: Option<Sen>,
    pub sum_overdue: Option<Sen>,
    /// Of events their amounts, of applications what they ask for.
    pub sum_amount: Option<Sen>,
    /// Records per status; a status that is left out is declared to have none.
    pub count_by_status: Option<BTreeMap<AccountStatus, u64>>,
}

impl Declared {
    /// A declaration of the three things without which no batch can be understood, and nothing else.
    pub fn new(dataset: Dataset, mode: Mode, period_end: Option<NaiveDate>) -> Declared {
        Declared {
            dataset,
            mode,
            period_end,
            schema_version: None,
            environment: None,
            sequence_no: None,
            nil_return: false,
            record_count: None,
            sum_outstanding: None,
            sum_overdue: None,
            sum_amount: None,
            count_by_status: None,
        }
    }
}

impl From<&Envelope> for Declared {
    /// The envelope's part; digest and length come with the request's headers.
    fn from(envelope: &Envelope) -> Declared {
        Declared {
            schema_version: Some(envelope.schema_version.clone()),
            environment: envelope.environment,
            sequence_no: envelope.sequence_no,
            nil_return: envelope.nil_return,
            record_count: envelope.record_count,
            sum_outstanding: envelope.sum_outstanding,
            sum_overdue: envelope.sum_overdue,
            sum_amount: envelope.sum_amount,
            count_by_status: envelope.count_by_status.clone(),
            ..Declared::new(envelope.dataset, envelope.mode, Some(envelope.period_end))
        }
    }
}

/// What is known of the sender and of earlier batches before the body is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission<'a> {
    pub contributor_active: bool,
    /// The credential carries the scope of the declared dataset.
    pub dataset_in_scope: bool,
    /// The contract versions of the dataset that are open for submission.
    pub schema_versions: &'a [&'a str],
    /// The environment that the credential belongs to.
    pub environment: Environment,
}

/// What the pipeline counted while it read the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// A CSV body writes some amounts with a decimal point and others without, and no unit is declared:
    /// the same digits may be ringgit or sen.
    pub money_forms_mixed: bool,
    /// Every record, readable or not.
    pub received: u64,
    pub rejected: u64,
    /// Records that an identity rule rejected; contained in `rejected`.
    pub rejected_by_identity: u64,
    /// Records that repeat an earlier one; not rejects.
    pub duplicate: u64,
    /// In sen, over all readable records, rejected ones and negative values included.
    pub sum_outstanding: i128,
    /// In sen, over all readable records, rejected ones and negative values included.
    pub sum_overdue: i128,
    /// In sen, over all readable records: of events their amounts, of applications what they ask for.
    pub sum_amount: i128,
    /// Over all readable records, rejected ones included.
    pub count_by_status: BTreeMap<AccountStatus, u64>,
    /// The last day on which the batch would meet its obligation; none where nothing is owed, or not any more.
    pub due_on: Option<NaiveDate>,
    /// Over all readable records, rejected ones included.
    pub fullest: Vec<Fullest>,
}

/// The rules that the envelope alone can answer (F001, F002, F010, F011, F017, L003), in the order of their codes. `today` is the business day of receipt.
pub fn envelope_findings(
    declared: &Declared,
    admission: &Admission<'_>,
    terms: &Terms,
    today: NaiveDate,
) -> Vec<Finding> {
    [
        f001(declared, admission, terms),
        f002(declared, admission),
        f010(declared, today),
        f011(declared, terms, today),
        f017(declared, admission),
        l003(terms, today),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rules that need the whole body (F007 to F009, F018, F019, F024) and those about the declared period (F010, F011, F025),
/// in the order of their codes. `today` is the business day of receipt, so that a replay gives the same verdict.
///
/// Asked only of a body that was read to its end; where its amounts may be ringgit or sen, nothing else in it
/// could be trusted either.
pub fn check_file(facts: &FileFacts, declared: &Declared, terms: &Terms, today: NaiveDate) -> Vec<Finding> {
    if facts.money_forms_mixed {
        return vec![Finding::whole(Code::F009).with_detail("money-unit-ambiguous")];
    }
    let mut findings = Vec::new();
    findings.extend(f007(facts, declared));
    findings.extend(f008(facts, declared));
    findings.extend(f009(facts, declared));
    findings.extend(f010(declared, today));
    findings.extend(f011(declared, terms, today));
    findings.extend(f018(facts, terms));
    findings.extend(f019(facts, terms));
    findings.extend(f024(facts));
    findings.extend(f025(facts, today));
    findings
}

/// F001: the contributor is active, and both its agreement and the credential cover the dataset.
pub fn f001(declared: &Declared, admission: &Admission<'_>, terms: &Terms) -> Option<Finding> {
    let detail = if !admission.contributor_active {
        "contributor-inactive"
    } else if !terms.datasets.contains(&declared.dataset) {
        "dataset-not-agreed"
    } else if !admission.dataset_in_scope {
        "dataset-not-in-scope"
    } else {
        return None;
    };
    Some(Finding::whole(Code::F001).with_detail(detail))
}

/// L003: the contributor has attested that its customers get the notice of processing, and not too long ago.
pub fn l003(terms: &Terms, today: NaiveDate) -> Option<Finding> {
    let until = terms.notice_attested_until?;
    (until < today).then(|| Finding::whole(Code::L003).with_detail(format!("attested until {until}")))
}

/// F002: the contract version, where one is declared, is open for submission.
pub fn f002(declared: &Declared, admission: &Admission<'_>) -> Option<Finding> {
    let version = declared.schema_version.as_deref()?;
    (!admission.schema_versions.contains(&version)).then(|| Finding::whole(Code::F002))
}

/// F007: a batch without records says that it is meant so.
pub fn f007(facts: &FileFacts, declared: &Declared) -> Option<Finding> {
    (facts.received == 0 && !declared.nil_return).then(|| Finding::whole(Code::F007))
}

/// F008: there are as many records as declared. A nil return declares none.
pub fn f008(facts: &FileFacts, declared: &Declared) -> Option<Finding> {
    let expected = if declared.nil_return { Some(0) } else { declared.record_count }?;
    (expected != facts.received)
        .then(|| Finding::whole(Code::F008).with_detail(compared("records", expected, facts.received)))
}

/// F009: the declared totals equal what the records add up to, to the sen.
pub fn f009(facts: &FileFacts, declared: &Declared) -> Vec<Finding> {
    let sums = [
        (Field::Outstanding, "sum_outstanding_sen", declared.sum_outstanding, facts.sum_outstanding),
        (Field::Overdue, "sum_overdue_sen", declared.sum_overdue, facts.sum_overdue),
        (Field::Amount, "sum_amount_sen", declared.sum_amount, facts.sum_amount),
    ];
    let mut findings: Vec<Finding> = sums
        .into_iter()
        .filter_map(|(field, name, declared, found)| {
            let declared = i128::from(declared?.0);
            (declared != found)
                .then(|| Finding::at(Code::F009, field).with_detail(compared(name, declared, found)))
        })
        .collect();
    findings.extend(count_by_status_differs(facts, declared));
    findings
}

/// The first status whose count is not as declared.
fn count_by_status_differs(facts: &FileFacts, declared: &Declared) -> Option<Finding> {
    let counts = declared.count_by_status.as_ref()?;
    let of = |counts: &BTreeMap<AccountStatus, u64>, status| counts.get(&status).copied().unwrap_or(0);
    AccountStatus::ALL.iter().find_map(|&status| {
        let (declared, found) = (of(counts, status), of(&facts.count_by_status, status));
        (declared != found).then(|| {
            Finding::at(Code::F009, Field::Status).with_detail(compared(status.as_str(), declared, found))
        })
    })
}

/// F010: the period end is a date, and not a day that is still to come.
pub fn f010(declared: &Declared, today: NaiveDate) -> Option<Finding> {
    let detail = match declared.period_end {
        None => "not-a-date",
        Some(end) if end > today => "future",
        Some(_) => return None,
    };
    Some(Finding::whole(Code::F010).with_detail(detail))
}

/// F011: the period is open: recent enough, or covered by a back-fill grant.
pub fn f011(declared: &Declared, terms: &Terms, today: NaiveDate) -> Option<Finding> {
    let open_from = terms.open_from(today);
    (declared.period_end? < open_from)
        .then(|| Finding::whole(Code::F011).with_detail(format!("open from {open_from}")))
}

/// F017: test data stays with test credentials, and real data with production ones.
pub fn f017(declared: &Declared, admission: &Admission<'_>) -> Option<Finding> {
    (declared.environment? != admission.environment).then(|| Finding::whole(Code::F017))
}

/// F018: no larger share of the records is rejected than agreed.
pub fn f018(facts: &FileFacts, terms: &Terms) -> Option<Finding> {
    over_threshold(Code::F018, facts.rejected, facts.received, terms.reject_threshold_bps)
}

/// F019: no larger share of the records is rejected for its identifiers than agreed.
pub fn f019(facts: &FileFacts, terms: &Terms) -> Option<Finding> {
    over_threshold(Code::F019, facts.rejected_by_identity, facts.received, terms.identity_threshold_bps)
}

/// F025: the batch comes no later than its obligation is due.
pub fn f025(facts: &FileFacts, today: NaiveDate) -> Option<Finding> {
    let due_on = facts.due_on?;
    let days = (today - due_on).num_days();
    (days > 0).then(|| Finding::whole(Code::F025).with_detail(format!("due on {due_on}, {days} days late")))
}

/// Compares a share with a threshold in basis points, exactly; the threshold itself is still allowed.
fn over_threshold(code: Code, part: u64, whole: u64, threshold_bps: u32) -> Option<Finding> {
    (u128::from(part) * 10_000 > u128::from(whole) * u128::from(threshold_bps)).then(|| {
        Finding::whole(code).with_detail(format!("{part} of {whole}, threshold {threshold_bps} bps"))
    })
}

fn compared(what: &str, declared: impl std::fmt::Display, found: impl std::fmt::Display) -> String {
    format!("{what}: declared {declared}, found {found}")
}

#[cfg(test)]
mod tests;
