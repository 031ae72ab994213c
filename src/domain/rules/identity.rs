//! I rules: whether a row's identifiers are what they say and fit the rest of the row (`domain.md` 6.2, Identity).
//!
//! Here is what a row tells by itself: I001 to I013. Whether a number belongs to another person (I014, I015), comes
//! too often in a file (I016) or contradicts a known link (I017) needs the store or the whole file, and
//! [`CheckedIdentity`] is what those who have them ask with.

use chrono::{Datelike, Months, NaiveDate};

use super::Code;
use crate::domain::contract::{AccountSnapshot, Field, IdType, SubjectBlock, SubjectType};
use crate::domain::finding::Finding;
use crate::domain::identity::{self, NormalisedId};

/// What the I rules need to know beside the record.
#[derive(Clone, Copy, Debug)]
pub struct IdentityContext {
    /// The business day: no business is registered in a year to come (I010).
    pub today: NaiveDate,
}

/// The subject's identifiers in their normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedIdentity {
    pub primary: NormalisedId,
    pub secondary: Option<NormalisedId>,
}

impl CheckedIdentity {
    /// The NRIC among them.
    pub fn nric(&self) -> Option<&NormalisedId> {
        [Some(&self.primary), self.secondary.as_ref()]
            .into_iter()
            .flatten()
            .find(|id| id.id_type() == IdType::Nric)
    }
}

/// From this age on, in years, a person can owe: contracts of minors do not bind them.
const AGE_OF_MAJORITY: u32 = 18;

/// Checks a record's identifiers against themselves and the record: I001 to I013. `None` when there is no primary
/// identifier that can be read; the findings, here or of the V rules, say why.
pub fn check_identity(
    record: &AccountSnapshot<'_>,
    context: &IdentityContext,
    findings: &mut Vec<Finding>,
) -> Option<CheckedIdentity> {
    let moment = Moment { reference: record.as_of_date.unwrap_or(context.today), opened: record.opened_date };
    check_subject(&record.subject(), moment, context, findings)
}

/// The same for somebody who applies on a day; I013 waits for the account, since nothing is opened yet.
pub fn check_applicant(
    subject: &SubjectBlock<'_>,
    applied_on: Option<NaiveDate>,
    context: &IdentityContext,
    findings: &mut Vec<Finding>,
) -> Option<CheckedIdentity> {
    let moment = Moment { reference: applied_on.unwrap_or(context.today), opened: None };
    check_subject(subject, moment, context, findings)
}

/// When the record speaks of its subject.
#[derive(Clone, Copy)]
struct Moment {
    /// The day that tells the century of an NRIC.
    reference: NaiveDate,
    opened: Option<NaiveDate>,
}

fn check_subject(
    subject: &SubjectBlock<'_>,
    moment: Moment,
    context: &IdentityContext,
    findings: &mut Vec<Finding>,
) -> Option<CheckedIdentity> {
    check_subject_type(subject, findings);
    check_country(subject, findings);
    let secondary = check_secondary(subject, context, findings);
    let primary = check_number(subject.id_type?, subject.id_number?, Field::IdNumber, context, findings)?;
    let checked = CheckedIdentity { primary, secondary };
    if subject.subject_type == Some(SubjectType::Individual) {
        check_person(subject, &checked, moment, findings);
    }
    Some(checked)
}

/// I001 to I003, I005 to I008, I010, I011.
fn check_number(
    id_type: IdType,
    raw: &str,
    field: Field,
    context: &IdentityContext,
    findings: &mut Vec<Finding>,
) -> Option<NormalisedId> {
    match identity::normalise(id_type, raw) {
        Ok(id) if identity::registration_year(&id).is_some_and(|year| year > context.today.year()) => {
            findings.push(Finding::at(Code::I010, field).with_detail("the year of registration is to come"));
            None
        }
        Ok(id) => Some(id),
        Err(fault) => {
            findings.push(Finding::at(fault.code, field).with_detail(fault.reason));
            None
        }
    }
}

/// The second identifier, and I009: a service number is given back when the service ends, the NRIC is not.
fn check_secondary(
    subject: &SubjectBlock<'_>,
    context: &IdentityContext,
    findings: &mut Vec<Finding>,
) -> Option<NormalisedId> {
    let needs_nric = matches!(subject.id_type, Some(IdType::Army | IdType::Police));
    let has_nric = subject.secondary_id_type == Some(IdType::Nric) && subject.secondary_id_number.is_some();
    if needs_nric && !has_nric {
        findings.push(Finding::at(Code::I009, Field::SecondaryIdNumber));
    }
    match (subject.secondary_id_type, subject.secondary_id_number) {
        (Some(id_type), Some(raw)) => check_number(id_type, raw, Field::SecondaryIdNumber, context, findings),
        _ => None,
    }
}

/// I012: businesses have registration numbers, persons have personal ones.
fn check_subject_type(subject: &SubjectBlock<'_>, findings: &mut Vec<Finding>) {
    let (Some(subject_type), Some(id_type)) = (subject.subject_type, subject.id_type) else { return };
    let identifies = match id_type {
        IdType::Brn | IdType::BrnOld => SubjectType::Business,
        IdType::Nric | IdType::OldIc | IdType::Passport | IdType::Army | IdType::Police => {
            SubjectType::Individual
        }
    };
    if subject_type != identifies {
        findings.push(Finding::at(Code::I012, Field::IdType));
    }
}

/// I007: passport numbers are unique within a country only.
fn check_country(subject: &SubjectBlock<'_>, findings: &mut Vec<Finding>) {
    let unreadable = subject.unreadable.contains(Field::IdCountry);
    if subject.id_type == Some(IdType::Passport) && subject.id_country.is_none() && !unreadable {
        findings.push(Finding::at(Code::I007, Field::IdCountry).with_detail("a passport needs its country"));
    }
}

/// I004 and I013, from the stated date of birth and the one in the NRIC.
fn check_person(
    subject: &SubjectBlock<'_>,
    checked: &CheckedIdentity,
    moment: Moment,
    findings: &mut Vec<Finding>,
) {
    let in_nric = checked.nric().and_then(|nric| identity::birth_date(nric, moment.reference));
    let stated = subject.date_of_birth;
    if let (Some(stated), Some((in_nric, _))) = (stated, in_nric)
        && !same_day_of_a_century(stated, in_nric)
    {
        findings.push(Finding::at(Code::I004, Field::DateOfBirth));
    }
    let Some((born, ambiguous)) = stated.map(|date| (date, false)).or(in_nric) else { return };
    if moment.opened.is_some_and(|opened| is_minor(born, opened)) {
        let finding = Finding::at(Code::I013, Field::OpenedDate);
        findings.push(if ambiguous { finding.as_warning() } else { finding });
    }
}

fn is_minor(born: NaiveDate, day: NaiveDate) -> bool {
    // Of nearly everybody the years tell.
    day.year() - born.year() <= AGE_OF_MAJORITY as i32
        && born.checked_add_months(Months::new(AGE_OF_MAJORITY * 12)).is_some_and(|of_age| day < of_age)
}

/// An NRIC does not tell the century, so only what it tells is compared.
fn same_day_of_a_century(stated: NaiveDate, in_nric: NaiveDate) -> bool {
    let day = |date: NaiveDate| (date.year().rem_euclid(100), date.month(), date.day());
    day(stated) == day(in_nric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dates::parse_iso;

    fn day(text: &str) -> Option<NaiveDate> {
        Some(parse_iso(text).unwrap())
    }

    /// A synthetic person of full age with a well-formed NRIC.
    fn person() -> AccountSnapshot<'static> {
        AccountSnapshot {
            subject_type: Some(SubjectType::Individual),
            id_type: Some(IdType::Nric),
            id_number: Some("900101-14-5678"),
            as_of_date: day("2026-01-31"),
            opened_date: day("2025-06-01"),
            ..AccountSnapshot::default()
        }
    }

    fn check(record: &AccountSnapshot<'_>) -> (Option<CheckedIdentity>, String) {
        let context = IdentityContext { today: parse_iso("2026-11-24").unwrap() };
        let mut findings = Vec::new();
        let checked = check_identity(record, &context, &mut findings);
        let seen: Vec<String> = findings
            .iter()
            .map(|f| format!("{} {} {}", f.code, f.severity.as_str(), f.field.map_or("-", Field::name)))
            .collect();
        (checked, seen.join(", "))
    }

    #[test]
    fn a_good_identity_comes_back_in_normal_form() {
        let (checked, findings) = check(&person());
        assert_eq!(findings, "");
        assert_eq!(checked.unwrap().primary.as_str(), "900101145678");
    }

    #[test]
    fn each_rule_fires_on_its_own_case() {
        let passport =
            AccountSnapshot { id_type: Some(IdType::Passport), id_number: Some("A1234567"), ..person() };
        let soldier =
            AccountSnapshot { id_type: Some(IdType::Army), id_number: Some("T1234567"), ..person() };
        let company = AccountSnapshot {
            subject_type: Some(SubjectType::Business),
            id_type: Some(IdType::Brn),
            id_number: Some("201901000005"),
            ..person()
        };
        let with_number = |number: &'static str| AccountSnapshot { id_number: Some(number), ..person() };
        for (record, expected) in [
            (with_number("90010114567"), "I001 R id_number"),
            (with_number("050229145678"), "I002 R id_number"),
            (with_number("900101705678"), "I003 R id_number"),
            (with_number("900101140000"), "I005 R id_number"),
            (AccountSnapshot { date_of_birth: day("1990-01-01"), ..person() }, ""),
            (AccountSnapshot { date_of_birth: day("1990-01-02"), ..person() }, "I004 W date_of_birth"),
            (AccountSnapshot { id_type: Some(IdType::OldIc), ..person() }, "I006 R id_number"),
            (AccountSnapshot { id_country: Some("IDN"), ..passport.clone() }, ""),
            (passport.clone(), "I007 R id_country"),
            (
                AccountSnapshot { id_country: Some("IDN"), id_number: Some("A12"), ..passport },
                "I007 R id_number",
            ),
            (soldier.clone(), "I009 W secondary_id_number"),
            (
                AccountSnapshot {
                    secondary_id_type: Some(IdType::Nric),
                    secondary_id_number: Some("900101145678"),
                    ..soldier.clone()
                },
                "",
            ),
            (
                AccountSnapshot {
                    secondary_id_type: Some(IdType::Nric),
                    secondary_id_number: Some("900101145"),
                    ..soldier.clone()
                },
                "I001 R secondary_id_number",
            ),
            (
                AccountSnapshot { id_number: Some("T12"), ..soldier },
                "I009 W secondary_id_number, I008 R id_number",
            ),
            (company.clone(), ""),
            (AccountSnapshot { id_number: Some("202601000005"), ..company.clone() }, ""),
            (AccountSnapshot { id_number: Some("202701000005"), ..company.clone() }, "I010 R id_number"),
            (
                AccountSnapshot { id_type: Some(IdType::BrnOld), id_number: Some("?"), ..company.clone() },
                "I011 R id_number",
            ),
            (AccountSnapshot { subject_type: Some(SubjectType::Individual), ..company }, "I012 R id_type"),
            (AccountSnapshot { subject_type: Some(SubjectType::Business), ..person() }, "I012 R id_type"),
        ] {
            assert_eq!(check(&record).1, expected, "{:?} {:?}", record.id_type, record.id_number);
        }
    }

    #[test]
    fn minors_cannot_open_accounts() {
        let opened_by = |number: &'static str, opened: &str| AccountSnapshot {
            id_number: Some(number),
            opened_date: day(opened),
            ..person()
        };
        for (record, expected) in [
            (opened_by("070601145678", "2025-06-01"), ""),
            (opened_by("070602145678", "2025-06-01"), "I013 R opened_date"),
            // 1920 or 2020: a child of five or somebody of 105.
            (opened_by("200101145678", "2025-06-01"), "I013 W opened_date"),
            (
                AccountSnapshot {
                    date_of_birth: day("1920-01-01"),
                    ..opened_by("200101145678", "2025-06-01")
                },
                "",
            ),
            (
                AccountSnapshot {
                    date_of_birth: day("2020-01-01"),
                    ..opened_by("200101145678", "2025-06-01")
                },
                "I013 R opened_date",
            ),
            // Born on a leap day, of age on the last of February.
            (opened_by("000229145678", "2018-02-27"), "I013 R opened_date"),
            (opened_by("000229145678", "2018-02-28"), ""),
        ] {
            assert_eq!(check(&record).1, expected, "{:?} {:?}", record.id_number, record.opened_date);
        }
    }

    #[test]
    fn without_a_readable_number_there_is_no_identity() {
        let nobody = AccountSnapshot { id_number: None, ..person() };
        assert_eq!(check(&nobody), (None, String::new()));
    }
}
