//! V rules: each cell of a row, read by the type that the contract gives its field (`domain.md` 6.2, Format).
//!
//! A value that cannot be read leaves its field empty and is noted as unreadable; a value that can be read but
//! breaks a rule stays, because other rules still have something true to say about it.

mod money;
mod shape;
#[cfg(test)]
mod tests;

use chrono::{Datelike, NaiveDate};

pub use money::MoneyForms;

use super::Code;
use crate::domain::contract::row::{Cell, Notation, Row};
use crate::domain::contract::spec::{self, Form, Kind};
use crate::domain::contract::{
    AccountSnapshot, AccountStatus, Field, FieldSet, HolderRole, IdType, MoneyUnit, PaymentFrequency,
    PortfolioType, ProductType, SettlementType, SubjectType, Terms,
};
use crate::domain::dates;
use crate::domain::finding::Finding;
use crate::domain::money::Sen;
use shape::Shape;

/// What the V rules need to know beside the row.
#[derive(Clone, Copy, Debug)]
pub struct FieldContext<'c> {
    pub terms: &'c Terms,
    /// What an amount in a CSV cell counts; JSON amounts are sen whatever this says.
    pub money: MoneyUnit,
    /// Counts how amounts are written, over all rows that are read with this context.
    pub money_forms: &'c MoneyForms,
}

/// Above this, an amount of a BNPL_PLAN is doubted (V007): RM50,000.
const BNPL_PLAN_CAP: Sen = Sen(5_000_000);
/// Before this year, a date is doubted (V009).
const FIRST_PLAUSIBLE_YEAR: i32 = 1950;
/// People born before 1950 are among us; nobody born before this is.
const FIRST_PLAUSIBLE_BIRTH_YEAR: i32 = 1900;

/// Reads a row by type and puts down what is wrong with each field: V001 to V017.
///
/// Defaults of the contract are applied: `holder_role` PRIMARY, `status_date` closed_date or as_of_date.
pub fn read_snapshot<'a>(
    row: &'a Row<'_>,
    context: &FieldContext<'_>,
    findings: &mut Vec<Finding>,
) -> AccountSnapshot<'a> {
    let mut record = read_fields(&mut Cells { row, context, findings, unreadable: FieldSet::EMPTY });
    apply_defaults(&mut record, row);
    check_secondary_pair(row, findings);
    check_name(&record, findings);
    check_dates_against_as_of(&record, findings);
    check_product_cap(&record, findings);
    record
}

fn read_fields<'a>(cells: &mut Cells<'a, '_, '_>) -> AccountSnapshot<'a> {
    let mut record = AccountSnapshot {
        subject_type: cells.word(Field::SubjectType, SubjectType::parse),
        id_type: cells.word(Field::IdType, IdType::parse),
        id_number: cells.text(Field::IdNumber),
        id_country: cells.text(Field::IdCountry),
        secondary_id_type: cells.word(Field::SecondaryIdType, IdType::parse),
        secondary_id_number: cells.text(Field::SecondaryIdNumber),
        full_name: cells.text(Field::FullName),
        date_of_birth: cells.date(Field::DateOfBirth),
        phone: cells.text(Field::Phone),
        postcode: cells.text(Field::Postcode),
        holder_role: cells.word(Field::HolderRole, HolderRole::parse),
        account_ref: cells.text(Field::AccountRef),
        product_type: cells.word(Field::ProductType, ProductType::parse),
        portfolio_type: cells.word(Field::PortfolioType, PortfolioType::parse),
        islamic: cells.flag(Field::Islamic),
        merchant_category: cells.text(Field::MerchantCategory),
        as_of_date: cells.date(Field::AsOfDate),
        opened_date: cells.date(Field::OpenedDate),
        maturity_date: cells.date(Field::MaturityDate),
        closed_date: cells.date(Field::ClosedDate),
        status: cells.word(Field::Status, AccountStatus::parse),
        status_date: cells.date(Field::StatusDate),
        currency: cells.text(Field::Currency),
        original_amount: cells.money(Field::OriginalAmount),
        credit_limit: cells.money(Field::CreditLimit),
        instalment_amount: cells.money(Field::InstalmentAmount),
        instalments_total: cells.count(Field::InstalmentsTotal),
        instalments_paid: cells.count(Field::InstalmentsPaid),
        instalments_overdue: cells.count(Field::InstalmentsOverdue),
        payment_frequency: cells.word(Field::PaymentFrequency, PaymentFrequency::parse),
        outstanding: cells.money(Field::Outstanding),
        overdue: cells.money(Field::Overdue),
        fees_outstanding: cells.money(Field::FeesOutstanding),
        dpd: cells.count(Field::Dpd),
        oldest_unpaid_due_date: cells.date(Field::OldestUnpaidDueDate),
        first_delinquency_date: cells.date(Field::FirstDelinquencyDate),
        aging_current: cells.money(Field::AgingCurrent),
        aging_1_30: cells.money(Field::Aging130),
        aging_31_60: cells.money(Field::Aging3160),
        aging_61_90: cells.money(Field::Aging6190),
        aging_91_120: cells.money(Field::Aging91120),
        aging_121_150: cells.money(Field::Aging121150),
        aging_151_180: cells.money(Field::Aging151180),
        aging_181_plus: cells.money(Field::Aging181Plus),
        amount_paid_period: cells.money(Field::AmountPaidPeriod),
        scheduled_amount_period: cells.money(Field::ScheduledAmountPeriod),
        last_payment_date: cells.date(Field::LastPaymentDate),
        last_payment_amount: cells.money(Field::LastPaymentAmount),
        next_due_date: cells.date(Field::NextDueDate),
        next_due_amount: cells.money(Field::NextDueAmount),
        write_off_date: cells.date(Field::WriteOffDate),
        write_off_amount: cells.money(Field::WriteOffAmount),
        sold_to: cells.text(Field::SoldTo),
        sold_date: cells.date(Field::SoldDate),
        settled_date: cells.date(Field::SettledDate),
        settlement_type: cells.word(Field::SettlementType, SettlementType::parse),
        restructured: cells.flag(Field::Restructured),
        hardship: cells.flag(Field::Hardship),
        legal_action: cells.flag(Field::LegalAction),
        contributor_dispute: cells.flag(Field::ContributorDispute),
        listing_requested: cells.flag(Field::ListingRequested),
        evidence_ref: cells.text(Field::EvidenceRef),
        status_date_defaulted: false,
        unreadable: FieldSet::EMPTY,
    };
    record.unreadable = cells.unreadable;
    record
}

/// A sent value that cannot be read gets no default: the record is rejected for it anyway.
fn apply_defaults(record: &mut AccountSnapshot<'_>, row: &Row<'_>) {
    if *row.get(Field::HolderRole) == Cell::Absent {
        record.holder_role = Some(HolderRole::Primary);
    }
    if *row.get(Field::StatusDate) == Cell::Absent {
        record.status_date = record.closed_date.or(record.as_of_date);
        record.status_date_defaulted = true;
    }
}

/// V001 as a warning: half of the second identifier says nothing, and would be lost without a word.
fn check_secondary_pair(row: &Row<'_>, findings: &mut Vec<Finding>) {
    let absent = |field| *row.get(field) == Cell::Absent;
    let missing = match (absent(Field::SecondaryIdType), absent(Field::SecondaryIdNumber)) {
        (true, false) => Field::SecondaryIdType,
        (false, true) => Field::SecondaryIdNumber,
        _ => return,
    };
    findings.push(Finding::at(Code::V001, missing).as_warning().with_detail("the other half was sent"));
}

/// V012: no person's name has digits (a company's may), nobody's is one character over and over.
fn check_name(record: &AccountSnapshot<'_>, findings: &mut Vec<Finding>) {
    let Some(name) = record.full_name else { return };
    let digits = Shape::of(name).has(shape::DIGIT) && record.subject_type != Some(SubjectType::Business);
    if digits || shape::repeats_one_character(name) {
        findings.push(Finding::at(Code::V012, Field::FullName));
    }
}

/// V008: what happened cannot have happened after the day the row describes. opened_date has X002.
fn check_dates_against_as_of(record: &AccountSnapshot<'_>, findings: &mut Vec<Finding>) {
    let Some(as_of) = record.as_of_date else { return };
    for (field, date) in [
        (Field::ClosedDate, record.closed_date),
        (Field::LastPaymentDate, record.last_payment_date),
        (Field::WriteOffDate, record.write_off_date),
        (Field::SettledDate, record.settled_date),
        (Field::SoldDate, record.sold_date),
    ] {
        if date.is_some_and(|date| date > as_of) {
            findings.push(Finding::at(Code::V008, field));
        }
    }
}

/// V007: amounts above the product's cap; those above V006's have that finding already.
fn check_product_cap(record: &AccountSnapshot<'_>, findings: &mut Vec<Finding>) {
    if record.product_type == Some(ProductType::BnplPlan) {
        let doubted = record.amounts().filter(|(_, sen)| *sen > BNPL_PLAN_CAP && *sen <= spec::MAX_AMOUNT);
        findings.extend(doubted.map(|(field, _)| Finding::at(Code::V007, field)));
    }
}

/// The row's cells on their way to types.
struct Cells<'a, 'row, 'c> {
    row: &'a Row<'row>,
    context: &'c FieldContext<'c>,
    findings: &'c mut Vec<Finding>,
    unreadable: FieldSet,
}

impl<'a> Cells<'a, '_, '_> {
    /// V001 where the contract requires the field.
    #[inline]
    fn absent<T>(&mut self, field: Field) -> Option<T> {
        if spec::REQUIRED.contains(field) {
            self.findings.push(Finding::at(Code::V001, field));
        }
        None
    }

    #[cold]
    fn unreadable<T>(&mut self, code: Code, field: Field, detail: &'static str) -> Option<T> {
        self.unreadable.insert(field);
        self.findings.push(Finding::at(code, field).with_detail(detail));
        None
    }

    /// V002, telling what the field takes and, for the kinds that no field takes, what was there.
    #[cold]
    fn wrong_type<T>(&mut self, field: Field, expected: &'static str) -> Option<T> {
        match self.row.get(field) {
            Cell::Unusable(found) => {
                self.unreadable.insert(field);
                let finding = Finding::at(Code::V002, field);
                self.findings.push(finding.with_detail(format!("{expected}, found {found}")));
                None
            }
            _ => self.unreadable(Code::V002, field, expected),
        }
    }

    #[cold]
    fn doubt(&mut self, code: Code, field: Field) {
        self.findings.push(Finding::at(code, field));
    }

    /// V004: a word outside the field's list. The word is not repeated: it may be anything.
    #[inline]
    fn word<T>(&mut self, field: Field, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        match self.row.get(field) {
            Cell::Absent => self.absent(field),
            Cell::Text(word) => match parse(word) {
                None => self.unreadable(Code::V004, field, "not a word of the field's list"),
                found => found,
            },
            _ => self.wrong_type(field, "expected a word of the field's list"),
        }
    }

    /// V002 and, for a date that nobody remembers, V009.
    #[inline]
    fn date(&mut self, field: Field) -> Option<NaiveDate> {
        let text = match self.row.get(field) {
            Cell::Absent => return self.absent(field),
            Cell::Text(text) => text,
            _ => return self.wrong_type(field, "expected a date YYYY-MM-DD"),
        };
        let Some(date) = dates::parse_iso(text) else {
            return self.wrong_type(field, "expected a date YYYY-MM-DD");
        };
        let first_plausible =
            if field == Field::DateOfBirth { FIRST_PLAUSIBLE_BIRTH_YEAR } else { FIRST_PLAUSIBLE_YEAR };
        if date.year() < first_plausible {
            self.doubt(Code::V009, field);
        }
        Some(date)
    }

    /// V002; V005 and V006, where the amount stays.
    #[inline]
    fn money(&mut self, field: Field) -> Option<Sen> {
        let amount = match (self.row.get(field), self.row.notation()) {
            (Cell::Absent, _) => return self.absent(field),
            (Cell::Integer(sen), _) => Sen(*sen),
            (Cell::Text(text), Notation::Csv) => {
                match money::read(text, self.context.money, self.context.money_forms) {
                    Ok(amount) => amount,
                    Err(reason) => return self.wrong_type(field, reason),
                }
            }
            _ => return self.wrong_type(field, "expected a whole number of sen"),
        };
        if amount < Sen::ZERO {
            self.doubt(Code::V005, field);
        } else if amount > spec::MAX_AMOUNT {
            self.doubt(Code::V006, field);
        }
        Some(amount)
    }

    /// V002, V005; V015 for dpd.
    #[inline]
    fn count(&mut self, field: Field) -> Option<u16> {
        let number = match (self.row.get(field), self.row.notation()) {
            (Cell::Absent, _) => return self.absent(field),
            (Cell::Integer(number), _) => *number,
            (Cell::Text(text), Notation::Csv) => match money::whole_number(text) {
                Some(number) => number,
                None => return self.wrong_type(field, "expected a whole number"),
            },
            _ => return self.wrong_type(field, "expected a whole number"),
        };
        let count = u16::try_from(number).ok();
        match (field, count) {
            _ if number < 0 => self.unreadable(Code::V005, field, "a count cannot be negative"),
            (Field::Dpd, Some(dpd)) if dpd > spec::MAX_DPD => {
                self.doubt(Code::V015, field);
                Some(dpd)
            }
            (Field::Dpd, None) => self.unreadable(Code::V015, field, "more than 65535 days"),
            (_, None) => self.unreadable(Code::V002, field, "expected a whole number up to 65535"),
            (_, Some(count)) => Some(count),
        }
    }

    #[inline]
    fn flag(&mut self, field: Field) -> Option<bool> {
        match (self.row.get(field), self.row.notation()) {
            (Cell::Absent, _) => self.absent(field),
            (Cell::Bool(truth), _) => Some(*truth),
            (Cell::Text(word), Notation::Csv) => match &**word {
                "true" | "TRUE" | "1" | "Y" => Some(true),
                "false" | "FALSE" | "0" | "N" => Some(false),
                _ => self.wrong_type(field, "expected true or false"),
            },
            _ => self.wrong_type(field, "expected true or false"),
        }
    }

    /// V003; V011 and V016; then what the field's own form asks for.
    #[inline]
    fn text(&mut self, field: Field) -> Option<&'a str> {
        let row = self.row;
        match row.get(field) {
            Cell::Absent => self.absent(field),
            Cell::Text(text) => self.text_value(field, text),
            _ => self.wrong_type(field, "expected text"),
        }
    }

    fn text_value(&mut self, field: Field, text: &'a str) -> Option<&'a str> {
        let Kind::Text(max_length, form) = field.spec().kind else { return Some(text) };
        let shape = Shape::of(text);
        if shape.has_control_characters(text) {
            return self.unreadable(Code::V003, field, "control or invisible characters");
        }
        if shape::longer_than(text, max_length) {
            return self.unreadable(Code::V003, field, "too long");
        }
        if matches!(form, Form::Free | Form::Identifier | Form::Name | Form::AccountRef) {
            if shape::is_placeholder(text) {
                self.doubt(Code::V011, field);
            }
            if shape::starts_a_formula(text, form) {
                self.doubt(Code::V016, field);
            }
        }
        if let Some(code) = self.breaks_form(form, shape, text) {
            self.doubt(code, field);
        }
        Some(text)
    }

    /// The rule that speaks for a text's form, when the text has it not.
    fn breaks_form(&self, form: Form, shape: Shape, text: &str) -> Option<Code> {
        let (fits, code) = match form {
            Form::Free | Form::Identifier => return None,
            Form::Name => (shape.is_name(text), Code::V003),
            Form::AccountRef => (shape.is_account_ref(), Code::V014),
            Form::Phone => (shape::is_e164(text), Code::V013),
            Form::Postcode => (text.len() == 5 && shape.is_digits(), Code::V017),
            Form::Currency => (self.context.terms.currencies.iter().any(|code| code == text), Code::V010),
            Form::Country => (text.len() == 3 && shape.is_upper_case(), Code::V004),
            Form::MerchantCategory => (text.len() == 4 && shape.is_digits(), Code::V002),
        };
        (!fits).then_some(code)
    }
}
