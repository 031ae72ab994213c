//! Corrections out of cycle (`domain.md` 6.5): what may be changed about a record that was published, and what such a
//! change means for the person and, in [`history`], for the account.

pub mod history;

use chrono::NaiveDate;
use serde_json::{Map, Value};

use crate::domain::calendar::WorkingDays;
use crate::domain::contract::ndjson::NdjsonReader;
use crate::domain::contract::spec::{self, Kind};
use crate::domain::contract::{AccountSnapshot, AccountStatus, Field, Mode, MoneyUnit, Terms};
use crate::domain::finding::Finding;
use crate::domain::rules::field::{FieldContext, MoneyForms, read_snapshot};
use crate::domain::rules::{Code, RowContext, check_row};

/// Why a record is corrected. There is no reason of goodwill: what is true stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CorrectionReason {
    DataError,
    PaymentPostedLate,
    WrongSubject,
    Duplicate,
    FraudConfirmed,
    SystemMigration,
    /// The only one that opens an account which had ended.
    Reopened,
    CourtOrder,
}

impl CorrectionReason {
    pub const ALL: [CorrectionReason; 8] = [
        CorrectionReason::DataError,
        CorrectionReason::PaymentPostedLate,
        CorrectionReason::WrongSubject,
        CorrectionReason::Duplicate,
        CorrectionReason::FraudConfirmed,
        CorrectionReason::SystemMigration,
        CorrectionReason::Reopened,
        CorrectionReason::CourtOrder,
    ];

    pub fn parse(word: &str) -> Option<CorrectionReason> {
        CorrectionReason::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            CorrectionReason::DataError => "DATA_ERROR",
            CorrectionReason::PaymentPostedLate => "PAYMENT_POSTED_LATE",
            CorrectionReason::WrongSubject => "WRONG_SUBJECT",
            CorrectionReason::Duplicate => "DUPLICATE",
            CorrectionReason::FraudConfirmed => "FRAUD_CONFIRMED",
            CorrectionReason::SystemMigration => "SYSTEM_MIGRATION",
            CorrectionReason::Reopened => "REOPENED",
            CorrectionReason::CourtOrder => "COURT_ORDER",
        }
    }
}

/// Fields that a correction may change. Not among them: whose account it is, which account and day it is about, and what
/// the journal does not keep.
pub const CORRECTABLE: &[Field] = &[
    Field::OpenedDate,
    Field::MaturityDate,
    Field::ClosedDate,
    Field::Status,
    Field::StatusDate,
    Field::OriginalAmount,
    Field::CreditLimit,
    Field::InstalmentAmount,
    Field::InstalmentsTotal,
    Field::InstalmentsPaid,
    Field::InstalmentsOverdue,
    Field::PaymentFrequency,
    Field::Outstanding,
    Field::Overdue,
    Field::FeesOutstanding,
    Field::Dpd,
    Field::OldestUnpaidDueDate,
    Field::FirstDelinquencyDate,
    Field::AmountPaidPeriod,
    Field::LastPaymentDate,
    Field::LastPaymentAmount,
    Field::NextDueDate,
    Field::NextDueAmount,
    Field::WriteOffDate,
    Field::WriteOffAmount,
    Field::SettledDate,
    Field::SettlementType,
    Field::Restructured,
    Field::Hardship,
    Field::LegalAction,
    Field::ContributorDispute,
];

/// Fields of those that no record in the journal lacks, beside the flags.
const ALWAYS_FILLED: &[Field] =
    &[Field::OpenedDate, Field::Status, Field::StatusDate, Field::Outstanding, Field::Overdue, Field::Dpd];

/// A record as its contributor would send it in NDJSON, by the names of the contract, without its person.
pub type Sent = Map<String, Value>;

/// What a change does to one record. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    pub changed: bool,
    /// The person looks worse: more days past due, more overdue, or a worse status.
    pub adverse: bool,
    /// An account that had ended is open again.
    pub reopened: bool,
}

/// Whether a new value is written as the journal keeps it: no number in a text, and no emptiness where every record has a
/// value.
fn malformed(name: &str, value: &Value) -> Option<Finding> {
    let line = spec::ACCOUNT_SNAPSHOT.lines.iter().find(|line| line.field.name() == name)?;
    let field = line.field;
    if value.is_null() {
        let filled = ALWAYS_FILLED.contains(&field) || matches!(line.kind, Kind::Flag);
        return filled.then(|| Finding::at(Code::V001, field));
    }
    let formed = match line.kind {
        Kind::Money => value.is_i64(),
        Kind::Count(_) => value.is_u64(),
        Kind::Flag => value.is_boolean(),
        _ => value.is_string(),
    };
    if !formed {
        return Some(Finding::at(Code::V002, field));
    }
    let listed = match (line.kind, value.as_str()) {
        (Kind::Word(words), Some(word)) => words.contains(&word),
        _ => true,
    };
    (!listed).then(|| Finding::at(Code::V004, field))
}

/// Compares a record with itself after a change.
///
/// # Errors
/// The rejecting rules that the record breaks afterwards and did not break before.
pub fn effect(
    before: &Sent,
    changes: &Sent,
    terms: &Terms,
    today: NaiveDate,
) -> Result<Effect, Vec<Finding>> {
    let malformed: Vec<Finding> = changes.iter().filter_map(|(name, value)| malformed(name, value)).collect();
    if !malformed.is_empty() {
        return Err(malformed);
    }
    let after = changed(before, changes);
    let (was, broken_before) = judge(before, terms, today);
    let (is, broken) = judge(&after, terms, today);
    let new: Vec<Finding> = broken
        .into_iter()
        .filter(|finding| {
            !broken_before.iter().any(|old| (old.code, old.field) == (finding.code, finding.field))
        })
        .collect();
    if !new.is_empty() {
        return Err(new);
    }
    let ended = |standing: &Standing| standing.status.is_some_and(AccountStatus::is_terminal);
    Ok(Effect {
        changed: *before != after,
        adverse: is.dpd > was.dpd || is.overdue > was.overdue || rank(is.status) > rank(was.status),
        reopened: ended(&was) && !ended(&is),
    })
}

/// A record after a change; null empties a field.
fn changed(before: &Sent, changes: &Sent) -> Sent {
    let mut after = before.clone();
    after.extend(changes.clone());
    after.retain(|_, value| !value.is_null());
    after
}

/// What a lookup tells of a record first.
struct Standing {
    status: Option<AccountStatus>,
    overdue: Option<i64>,
    dpd: Option<u16>,
}

impl Standing {
    fn of(record: &AccountSnapshot<'_>) -> Standing {
        Standing { status: record.status, overdue: record.overdue.map(|sen| sen.0), dpd: record.dpd }
    }
}

/// Reads a record by the field rules, and looks at it with what they found. `None` when it cannot be read at all.
fn with_record<T>(
    sent: &Sent,
    terms: &Terms,
    look: impl FnOnce(&AccountSnapshot<'_>, Vec<Finding>) -> T,
) -> Option<T> {
    let line = Value::Object(sent.clone()).to_string();
    let mut reader = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT);
    let row = reader.read(line.as_bytes()).ok()?;
    let mut findings = Vec::new();
    let forms = MoneyForms::default();
    let context = FieldContext { terms, money: MoneyUnit::Sen, money_forms: &forms };
    let record = read_snapshot(&row, &context, &mut findings);
    Some(look(&record, findings))
}

/// Reads a record and names the rejecting rules that it breaks. That its person is not there is among them, each time.
fn judge(sent: &Sent, terms: &Terms, today: NaiveDate) -> (Standing, Vec<Finding>) {
    let judged = with_record(sent, terms, |record, mut findings| {
        let period_end = record.as_of_date.unwrap_or(today);
        let working_days = &WorkingDays::default();
        let context = RowContext { terms, mode: Mode::Delta, period_end, today, working_days };
        check_row(record, &context, &mut findings);
        findings.retain(Finding::rejects);
        (Standing::of(record), findings)
    });
    judged.unwrap_or_else(|| {
        let nothing = Standing { status: None, overdue: None, dpd: None };
        (nothing, vec![Finding::whole(Code::V002)])
    })
}

/// How bad a status is for the person; between two of one rank there is nothing to choose.
fn rank(status: Option<AccountStatus>) -> u8 {
    match status {
        None | Some(AccountStatus::Settled | AccountStatus::Closed | AccountStatus::Cancelled) => 0,
        Some(AccountStatus::Active) => 1,
        Some(AccountStatus::SettledShort) => 2,
        Some(AccountStatus::Sold) => 3,
        Some(AccountStatus::WrittenOff) => 4,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::dates::parse_iso;

    fn record() -> Sent {
        let record = json!({
            "account_ref": "ACC-1", "product_type": "PERSONAL_LOAN", "portfolio_type": "INSTALMENT",
            "as_of_date": "2026-10-31", "opened_date": "2026-01-15", "status": "ACTIVE", "currency": "MYR",
            "original_amount": 120_000, "outstanding": 60_000, "overdue": 500, "dpd": 40,
        });
        record.as_object().unwrap().clone()
    }

    fn after(changes: &Value) -> Result<Effect, Vec<String>> {
        let today = parse_iso("2026-11-24").unwrap();
        let changes = changes.as_object().unwrap();
        let effect = effect(&record(), changes, &Terms::default(), today);
        effect.map_err(|findings| findings.iter().map(|finding| finding.code.to_string()).collect())
    }

    #[test]
    fn worse_is_more_days_more_overdue_or_a_worse_status() {
        for (changes, adverse) in [
            (json!({"dpd": 12}), false),
            (json!({"dpd": 41}), true),
            (json!({"overdue": 400}), false),
            (json!({"overdue": 501}), true),
            (json!({"overdue": 0, "dpd": 0}), false),
            (json!({"outstanding": 70_000}), false),
            (
                json!({"status": "SETTLED", "closed_date": "2026-10-30", "settled_date": "2026-10-30", "outstanding": 0,
                "overdue": 0, "dpd": 0, "status_date": "2026-10-30"}),
                false,
            ),
        ] {
            let effect = after(&changes).unwrap();
            assert_eq!(
                (effect.changed, effect.adverse, effect.reopened),
                (true, adverse, false),
                "{changes}"
            );
        }
        assert!(!after(&json!({"dpd": 40, "overdue": 500})).unwrap().changed);
    }

    #[test]
    fn a_corrected_record_keeps_to_the_rules() {
        for (changes, code) in [
            (json!({"dpd": 0}), "X007"),
            (json!({"overdue": 70_000}), "X006"),
            (json!({"dpd": "forty"}), "V002"),
            (json!({"status": "LOST"}), "V004"),
            (json!({"outstanding": -1}), "V005"),
            (json!({"outstanding": "55000"}), "V002"),
            (json!({"status": "active"}), "V004"),
            (json!({"restructured": null}), "V001"),
            (json!({"status_date": null}), "V001"),
        ] {
            let broken = after(&changes).unwrap_err();
            assert!(broken.iter().any(|found| found == code), "{changes} should break {code}: {broken:?}");
        }
    }
}
