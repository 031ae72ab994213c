//! What a correction does to the history of its account: the history rules over its records in the order of their days, as
//! they are and as they would be. What is found then and was not found before is the correction's doing, whichever record
//! it shows at: a corrected month is the past of the one after it.

use std::ops::RangeInclusive;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{CorrectionReason, Sent, changed, with_record};
use crate::domain::contract::{AccountSnapshot, Field, FieldSet, Terms};
use crate::domain::finding::{Finding, Severity};
use crate::domain::rules::Code;
use crate::domain::rules::history::{Arriving, Facts, HistoryContext, Movements, Past, check_history};

/// A record that counts, one of each day of the account.
#[derive(Clone, Debug)]
pub struct Counting {
    pub as_of_date: NaiveDate,
    pub sent: Sent,
    /// Fields that were not sent: a constant stands for them.
    pub imputed: FieldSet,
}

/// What should become of the records of some days.
#[derive(Clone, Copy, Debug)]
pub enum Restatement<'a> {
    Change(&'a Sent),
    Delete,
}

/// A rule of the history that an account would break after a correction and does not break now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HistoryFinding {
    /// The record that shows it.
    pub as_of_date: NaiveDate,
    pub code: String,
    /// W and W* are told; R is applied only by an operator who says why.
    pub severity: String,
    pub field: Option<String>,
}

impl HistoryFinding {
    pub fn rejects(&self) -> bool {
        self.severity == Severity::Reject.as_str()
    }

    /// Re-aging, which no reason permits (`domain.md` 6.5).
    pub fn re_ages(&self) -> bool {
        self.rejects() && self.code == Code::P011.as_str()
    }
}

/// An account's records and events, and what they are judged under.
#[derive(Clone, Copy, Debug)]
pub struct AccountHistory<'a> {
    /// By day, the oldest first.
    pub records: &'a [Counting],
    /// Summed by value date.
    pub events: &'a [(NaiveDate, Movements)],
    pub sends_events: bool,
    pub terms: &'a Terms,
    /// The business day whose overrides hold.
    pub today: NaiveDate,
}

impl AccountHistory<'_> {
    /// What the rules would find that they do not find now. An account that is reopened on purpose is told as such: for
    /// the reason REOPENED, P003 only warns.
    pub fn findings_after(
        &self,
        restatement: Restatement<'_>,
        days: &RangeInclusive<NaiveDate>,
        reason: CorrectionReason,
    ) -> Vec<HistoryFinding> {
        let mut before =
            self.walk(self.records.iter().filter_map(|record| self.arriving(&record.sent, record.imputed)));
        let after =
            self.walk(self.records.iter().filter_map(|record| self.restated(record, restatement, days)));
        let mut found = Vec::new();
        for (day, finding) in after {
            match before.iter().position(|old| *old == (day, finding.clone())) {
                Some(at) => drop(before.swap_remove(at)),
                None => found.push(told(day, finding, reason)),
            }
        }
        found
    }

    fn restated(
        &self,
        record: &Counting,
        restatement: Restatement<'_>,
        days: &RangeInclusive<NaiveDate>,
    ) -> Option<Arriving> {
        match restatement {
            _ if !days.contains(&record.as_of_date) => self.arriving(&record.sent, record.imputed),
            Restatement::Delete => None,
            Restatement::Change(changes) => {
                let kept =
                    |field: &Field| record.imputed.contains(*field) && !changes.contains_key(field.name());
                self.arriving(
                    &changed(&record.sent, changes),
                    Field::ALL.iter().copied().filter(kept).collect(),
                )
            }
        }
    }

    fn arriving(&self, sent: &Sent, imputed: FieldSet) -> Option<Arriving> {
        with_record(sent, self.terms, |record, _| arriving(record, imputed)).flatten()
    }

    /// Runs the rules over records in their order. A record in the journal is past to the next one, whatever is found.
    fn walk(&self, records: impl Iterator<Item = Arriving>) -> Vec<(NaiveDate, Finding)> {
        let policy = self.terms.policy(self.today);
        let context = HistoryContext { terms: self.terms, replaces: None, sends_events: self.sends_events };
        let mut past = Past { events: self.events.to_vec(), ..Past::default() };
        let mut found = Vec::new();
        for record in records {
            let mut findings = Vec::new();
            check_history(&past, &record, &context, &mut findings);
            policy.apply_to(&mut findings);
            found.extend(findings.into_iter().map(|finding| (record.facts.as_of_date, finding)));
            past.step(&record);
        }
        found
    }
}

fn told(as_of_date: NaiveDate, finding: Finding, reason: CorrectionReason) -> HistoryFinding {
    let finding = match (finding.code, reason) {
        (Code::P003, CorrectionReason::Reopened) => finding.as_warning(),
        _ => finding,
    };
    HistoryFinding {
        as_of_date,
        code: finding.code.as_str().to_owned(),
        severity: finding.severity.as_str().to_owned(),
        field: finding.field.map(|field| field.name().to_owned()),
    }
}

/// What the rules read of a record; `None` when it lacks what every record in the journal has.
fn arriving(record: &AccountSnapshot<'_>, imputed: FieldSet) -> Option<Arriving> {
    Some(Arriving {
        facts: Facts {
            as_of_date: record.as_of_date?,
            opened_date: record.opened_date?,
            product_type: record.product_type?,
            portfolio_type: record.portfolio_type?,
            currency: record.currency?.as_bytes().try_into().ok()?,
            original_amount: record.original_amount,
            status: record.status?,
            dpd: record.dpd?,
            outstanding: record.outstanding?,
            overdue: record.overdue?,
            fees_outstanding: record.fees_outstanding,
            instalments_paid: record.instalments_paid,
            first_delinquency_date: record.first_delinquency_date,
            write_off_amount: record.write_off_amount,
            restructured: record.restructured.unwrap_or(false),
            imputed,
        },
        credit_limit: record.credit_limit,
        amount_paid_period: record.amount_paid_period,
        settlement_type: record.settlement_type,
        contributor_dispute: record.contributor_dispute.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::dates::parse_iso;

    fn day(text: &str) -> NaiveDate {
        parse_iso(text).unwrap()
    }

    /// Three months of an account in arrears since August.
    fn records() -> Vec<Counting> {
        let months = [("2026-08-31", 10), ("2026-09-30", 40), ("2026-10-31", 71)];
        let record = |(as_of_date, dpd): (&str, u16)| {
            let sent = json!({
                "account_ref": "ACC-1", "product_type": "PERSONAL_LOAN", "portfolio_type": "INSTALMENT",
                "as_of_date": as_of_date, "opened_date": "2026-06-15", "status": "ACTIVE", "currency": "MYR",
                "original_amount": 120_000, "outstanding": 60_000, "overdue": 500, "dpd": dpd,
                "first_delinquency_date": "2026-08-21", "instalments_paid": 4,
            });
            let sent = sent.as_object().unwrap().clone();
            Counting { as_of_date: day(as_of_date), sent, imputed: FieldSet::EMPTY }
        };
        months.map(record).into()
    }

    fn found(restatement: Restatement<'_>, month: &str, reason: CorrectionReason) -> Vec<String> {
        let (records, terms) = (records(), Terms::default());
        let history = AccountHistory {
            records: &records,
            events: &[],
            sends_events: false,
            terms: &terms,
            today: day("2026-11-24"),
        };
        let days = day(month)..=day(month);
        let found = history.findings_after(restatement, &days, reason);
        found.iter().map(|one| format!("{} {} {}", one.as_of_date, one.code, one.severity)).collect()
    }

    #[test]
    fn a_corrected_month_is_judged_with_its_neighbours() {
        let change = |changes: &Value| {
            found(
                Restatement::Change(changes.as_object().unwrap()),
                "2026-09-30",
                CorrectionReason::DataError,
            )
        };
        for (changes, expected) in [
            (json!({"outstanding": 59_000}), vec!["2026-10-31 P006 W*"]),
            (json!({"dpd": 12}), vec!["2026-10-31 P004 W*"]),
            (json!({"first_delinquency_date": "2026-08-25"}), vec!["2026-09-30 P011 R"]),
            (json!({"instalments_paid": 6}), vec!["2026-10-31 P013 R"]),
            (json!({"opened_date": "2026-06-16"}), vec!["2026-09-30 P001 R", "2026-10-31 P001 R"]),
            (json!({"dpd": 41}), vec![]),
        ] {
            let told = change(&changes);
            let codes = |list: Vec<&str>| list.iter().map(|one| one[..15].to_owned()).collect::<Vec<_>>();
            assert_eq!(
                codes(told.iter().map(String::as_str).collect()),
                codes(expected),
                "{changes}: {told:?}"
            );
        }
    }

    #[test]
    fn what_ended_is_active_again_for_one_reason_only() {
        let ended = json!({"status": "SETTLED", "status_date": "2026-09-30", "closed_date": "2026-09-30",
            "settled_date": "2026-09-30", "outstanding": 0, "overdue": 0, "dpd": 0});
        let change = Restatement::Change(ended.as_object().unwrap());
        let told = found(change, "2026-09-30", CorrectionReason::DataError);
        assert!(told.contains(&"2026-10-31 P003 R".to_owned()), "{told:?}");
        let told = found(change, "2026-09-30", CorrectionReason::Reopened);
        assert!(told.contains(&"2026-10-31 P003 W".to_owned()), "{told:?}");
    }

    #[test]
    fn a_month_that_goes_leaves_the_others_as_they_are() {
        assert_eq!(found(Restatement::Delete, "2026-09-30", CorrectionReason::Duplicate), [""; 0]);
    }
}
