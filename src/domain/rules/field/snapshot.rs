//! V rules of `account_snapshot`.

use super::FieldContext;
use super::cells::Cells;
use super::shape::{self, Shape};
use crate::domain::contract::row::Row;
use crate::domain::contract::{
    AccountSnapshot, AccountStatus, Field, FieldSet, HolderRole, IdType, PaymentFrequency, PortfolioType,
    ProductType, SettlementType, SubjectType, spec,
};
use crate::domain::finding::Finding;
use crate::domain::money::Sen;
use crate::domain::rules::Code;

/// Above this, an amount of a BNPL_PLAN is doubted (V007): RM50,000.
const BNPL_PLAN_CAP: Sen = Sen(5_000_000);

/// Reads a row by type and puts down what is wrong with each field: V001 to V017.
///
/// Defaults of the contract are applied: `holder_role` PRIMARY, `status_date` closed_date or as_of_date.
pub fn read_snapshot<'a>(
    row: &'a Row<'_>,
    context: &FieldContext<'_>,
    findings: &mut Vec<Finding>,
) -> AccountSnapshot<'a> {
    let mut cells = Cells::new(row, context, findings);
    let mut record = read_fields(&mut cells);
    let name = cells.name;
    apply_defaults(&mut record, row);
    check_secondary_pair(row, findings);
    check_name(record.full_name.map(|text| (text, name)), record.subject_type, findings);
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
        imputed: cells.row.imputed(),
    };
    record.unreadable = cells.unreadable;
    record
}

/// A sent value that cannot be read gets no default: the record is rejected for it anyway.
fn apply_defaults(record: &mut AccountSnapshot<'_>, row: &Row<'_>) {
    if !row.present().contains(Field::HolderRole) {
        record.holder_role = Some(HolderRole::Primary);
    }
    if !row.present().contains(Field::StatusDate) {
        record.status_date = record.closed_date.or(record.as_of_date);
        record.status_date_defaulted = true;
    }
}

/// V001 as a warning: half of the second identifier says nothing, and would be lost without a word.
pub(super) fn check_secondary_pair(row: &Row<'_>, findings: &mut Vec<Finding>) {
    let absent = |field| !row.present().contains(field);
    let missing = match (absent(Field::SecondaryIdType), absent(Field::SecondaryIdNumber)) {
        (true, false) => Field::SecondaryIdType,
        (false, true) => Field::SecondaryIdNumber,
        _ => return,
    };
    findings.push(Finding::at(Code::V001, missing).as_warning().with_detail("the other half was sent"));
}

/// V012: no person's name has digits (a company's may), nobody's is one character over and over.
pub(super) fn check_name(
    name: Option<(&str, Shape)>,
    subject_type: Option<SubjectType>,
    findings: &mut Vec<Finding>,
) {
    let Some((name, shape)) = name else { return };
    let digits = shape.has(shape::DIGIT) && subject_type != Some(SubjectType::Business);
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
