//! Application rules A001 to A006 (`domain.md` 6.2).
//!
//! One function per rule, named by its code. [`check_application`] asks what needs nothing but the record,
//! [`check_against_known`] what was known under its application_ref before.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};

use super::Code;
use crate::domain::contract::{Application, ApplicationChannel, Decision, Field, ProductType};
use crate::domain::finding::Finding;
use crate::domain::money::Sen;

/// More applications of one person within [`A006_WINDOW_HOURS`] hold the batch.
pub const A006_APPLICATIONS: u32 = 20;
pub const A006_WINDOW_HOURS: i32 = 24;
/// Reporting periods (months) in which an approved application should become an account (A005).
pub const A005_PERIODS: u32 = 2;

/// What an application breaks by itself: A002, A003.
pub fn check_application(application: &Application<'_>, findings: &mut Vec<Finding>) {
    findings.extend(a002(application));
    findings.extend(a003(application));
}

/// A002: nothing is decided before it is asked for.
pub fn a002(application: &Application<'_>) -> Option<Finding> {
    (application.decision_at? < application.applied_at?).then(|| Finding::at(Code::A002, Field::DecisionAt))
}

/// A003: an approval says how much, and what was declined became no account.
pub fn a003(application: &Application<'_>) -> Option<Finding> {
    let unsaid = |field, absent: bool| absent && !application.unreadable.contains(field);
    match application.decision? {
        Decision::Approved if unsaid(Field::AmountApproved, application.amount_approved.is_none()) => {
            Some(Finding::at(Code::A003, Field::AmountApproved))
        }
        Decision::Declined if application.account_ref.is_some() => {
            Some(Finding::at(Code::A003, Field::AccountRef))
        }
        _ => None,
    }
}

/// What was accepted last under an application_ref, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The person, as this attempt knows them: equal for the same person.
    pub subject: [u8; 16],
    pub applied_at: DateTime<Utc>,
    pub product_type: ProductType,
    pub amount_requested: Sen,
    pub tenor_days: Option<u16>,
    pub decision: Decision,
    pub decision_at: Option<DateTime<Utc>>,
    pub amount_approved: Option<Sen>,
    pub account_ref: Option<String>,
    pub channel: Option<ApplicationChannel>,
}

/// How a record stands to what was filed under its reference before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The first of its reference, or a newer word on the same application.
    New,
    /// The same again: a duplicate, which changes nothing.
    Repeated,
    /// A001 or A004.
    Refused(Finding),
}

/// A001 and A004, and whether anything is said anew.
pub fn check_against_known(known: Option<&Filed>, arriving: &Filed) -> Standing {
    let Some(known) = known else { return Standing::New };
    if known == arriving {
        return Standing::Repeated;
    }
    match a001(known, arriving).or_else(|| a004(known, arriving)) {
        Some(finding) => Standing::Refused(finding),
        None => Standing::New,
    }
}

/// A001: one reference, one application: of the same person, for the same product, made at the same instant.
pub fn a001(known: &Filed, arriving: &Filed) -> Option<Finding> {
    let field = if known.subject != arriving.subject {
        Field::IdNumber
    } else if known.applied_at != arriving.applied_at {
        Field::AppliedAt
    } else if known.product_type != arriving.product_type {
        Field::ProductType
    } else {
        return None;
    };
    Some(Finding::at(Code::A001, field))
}

/// A004: a decision goes forward only. What was approved may still be withdrawn or expire; what was declined, withdrawn
/// or has expired stays so.
pub fn a004(known: &Filed, arriving: &Filed) -> Option<Finding> {
    use Decision::{Approved, CounterOffered, Declined, Expired, Pending, Withdrawn};
    let forward = match known.decision {
        Pending => true,
        CounterOffered => arriving.decision != Pending,
        Approved => matches!(arriving.decision, Approved | Withdrawn | Expired),
        Declined | Withdrawn | Expired => arriving.decision == known.decision,
    };
    (!forward).then(|| {
        let detail = format!("{} after {}", arriving.decision, known.decision);
        Finding::at(Code::A004, Field::Decision).with_detail(detail)
    })
}

/// A005: what was approved became an account within two reporting periods. Asked once those have passed, by a job.
pub fn a005(decided_on: NaiveDate, account_known: bool, today: NaiveDate) -> Option<Finding> {
    (decided_on < a005_decided_before(today) && !account_known)
        .then(|| Finding::at(Code::A005, Field::AccountRef))
}

/// The day before which an approval must have been decided for A005 to speak of it.
pub fn a005_decided_before(today: NaiveDate) -> NaiveDate {
    let first = today.with_day(1).unwrap_or(today);
    first.checked_sub_months(Months::new(A005_PERIODS)).unwrap_or(first)
}

/// A006: how many applications of one person fall into the 24 hours that end with this one. Only the contributor's own
/// are counted: what others were asked is not told, not even by a batch on hold.
pub fn a006(applications: u32) -> Option<Finding> {
    (applications > A006_APPLICATIONS).then(|| {
        Finding::whole(Code::A006).with_detail(format!("{applications} applications within 24 hours"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn filed(decision: Decision) -> Filed {
        Filed {
            subject: [1; 16],
            applied_at: at("2026-01-31T01:00:00Z"),
            product_type: ProductType::BnplPlan,
            amount_requested: Sen(50_000),
            tenor_days: Some(90),
            decision,
            decision_at: None,
            amount_approved: None,
            account_ref: None,
            channel: None,
        }
    }

    fn check(application: &Application<'_>) -> Vec<(Code, Option<Field>)> {
        let mut findings = Vec::new();
        check_application(application, &mut findings);
        findings.iter().map(|finding| (finding.code, finding.field)).collect()
    }

    #[test]
    fn a_decision_follows_the_application_and_is_complete() {
        let approved = Application {
            applied_at: Some(at("2026-01-31T01:00:00Z")),
            decision_at: Some(at("2026-01-31T01:00:00Z")),
            decision: Some(Decision::Approved),
            amount_approved: Some(Sen(50_000)),
            account_ref: Some("A-1"),
            ..Application::default()
        };
        assert!(check(&approved).is_empty());
        let early = Application { decision_at: Some(at("2026-01-31T00:59:59Z")), ..approved.clone() };
        assert_eq!(check(&early), [(Code::A002, Some(Field::DecisionAt))]);
        let unsaid = Application { amount_approved: None, ..approved.clone() };
        assert_eq!(check(&unsaid), [(Code::A003, Some(Field::AmountApproved))]);
        let declined = Application { decision: Some(Decision::Declined), ..approved };
        assert_eq!(check(&declined), [(Code::A003, Some(Field::AccountRef))]);
    }

    #[test]
    fn a_reference_belongs_to_one_application() {
        let known = filed(Decision::Pending);
        assert_eq!(check_against_known(None, &known), Standing::New);
        assert_eq!(check_against_known(Some(&known), &known), Standing::Repeated);
        for other in [
            Filed { subject: [2; 16], ..known.clone() },
            Filed { applied_at: at("2026-01-31T01:00:01Z"), ..known.clone() },
            Filed { product_type: ProductType::BnplLine, ..known.clone() },
        ] {
            let Standing::Refused(finding) = check_against_known(Some(&known), &other) else { panic!() };
            assert_eq!(finding.code, Code::A001);
        }
        let amended = Filed { amount_requested: Sen(40_000), ..known.clone() };
        assert_eq!(check_against_known(Some(&known), &amended), Standing::New);
    }

    #[test]
    fn a_decision_goes_forward_only() {
        use Decision::*;
        let allowed = |from, to| a004(&filed(from), &filed(to)).is_none();
        for decision in Decision::ALL {
            assert!(allowed(Pending, *decision));
            assert!(allowed(*decision, *decision));
        }
        assert!(
            allowed(CounterOffered, Approved) && allowed(Approved, Withdrawn) && allowed(Approved, Expired)
        );
        for (from, to) in [
            (CounterOffered, Pending),
            (Approved, Pending),
            (Approved, Declined),
            (Approved, CounterOffered),
            (Declined, Approved),
            (Withdrawn, Pending),
            (Expired, Approved),
        ] {
            assert!(!allowed(from, to), "{from} to {to}");
        }
    }

    #[test]
    fn an_approval_becomes_an_account_within_two_periods() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert!(a005(day("2026-01-31"), false, day("2026-03-31")).is_none());
        assert!(a005(day("2026-01-31"), false, day("2026-04-01")).is_some());
        assert!(a005(day("2026-01-31"), true, day("2026-04-01")).is_none());
    }

    #[test]
    fn twenty_applications_a_day_are_still_believed() {
        assert!(a006(20).is_none());
        let finding = a006(21).unwrap();
        assert_eq!((finding.code, finding.severity.as_str()), (Code::A006, "W*"));
    }
}
