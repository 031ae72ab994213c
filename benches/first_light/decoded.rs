//! A row as a typed record without a rule: what decoding alone costs. The same cells become the same types as in
//! `domain::rules::field`; nothing is looked at but whether it can be read, and what cannot is left out.

use chrono::NaiveDate;
use etrplus::domain::contract::row::{Cell, Row};
use etrplus::domain::contract::{
    AccountSnapshot, AccountStatus, Field, HolderRole, IdType, PaymentFrequency, PortfolioType, ProductType,
    SettlementType, SubjectType,
};
use etrplus::domain::dates;
use etrplus::domain::money::Sen;

fn text<'a>(row: &'a Row<'_>, field: Field) -> Option<&'a str> {
    match row.get(field) {
        Cell::Text(text) => Some(text),
        _ => None,
    }
}

fn date(row: &Row<'_>, field: Field) -> Option<NaiveDate> {
    dates::parse_iso(text(row, field)?)
}

fn number(row: &Row<'_>, field: Field) -> Option<i64> {
    match row.get(field) {
        Cell::Integer(number) => Some(*number),
        Cell::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn sen(row: &Row<'_>, field: Field) -> Option<Sen> {
    number(row, field).map(Sen)
}

fn count(row: &Row<'_>, field: Field) -> Option<u16> {
    number(row, field)?.try_into().ok()
}

fn flag(row: &Row<'_>, field: Field) -> Option<bool> {
    match row.get(field) {
        Cell::Bool(truth) => Some(*truth),
        Cell::Text(word) => Some(word == "true"),
        _ => None,
    }
}

/// All fields of the contract.
pub fn typed<'a>(row: &'a Row<'_>) -> AccountSnapshot<'a> {
    AccountSnapshot {
        subject_type: text(row, Field::SubjectType).and_then(SubjectType::parse),
        id_type: text(row, Field::IdType).and_then(IdType::parse),
        id_number: text(row, Field::IdNumber),
        id_country: text(row, Field::IdCountry),
        secondary_id_type: text(row, Field::SecondaryIdType).and_then(IdType::parse),
        secondary_id_number: text(row, Field::SecondaryIdNumber),
        full_name: text(row, Field::FullName),
        date_of_birth: date(row, Field::DateOfBirth),
        phone: text(row, Field::Phone),
        postcode: text(row, Field::Postcode),
        holder_role: text(row, Field::HolderRole).and_then(HolderRole::parse),
        account_ref: text(row, Field::AccountRef),
        product_type: text(row, Field::ProductType).and_then(ProductType::parse),
        portfolio_type: text(row, Field::PortfolioType).and_then(PortfolioType::parse),
        islamic: flag(row, Field::Islamic),
        merchant_category: text(row, Field::MerchantCategory),
        as_of_date: date(row, Field::AsOfDate),
        opened_date: date(row, Field::OpenedDate),
        maturity_date: date(row, Field::MaturityDate),
        closed_date: date(row, Field::ClosedDate),
        status: text(row, Field::Status).and_then(AccountStatus::parse),
        status_date: date(row, Field::StatusDate),
        currency: text(row, Field::Currency),
        original_amount: sen(row, Field::OriginalAmount),
        credit_limit: sen(row, Field::CreditLimit),
        instalment_amount: sen(row, Field::InstalmentAmount),
        instalments_total: count(row, Field::InstalmentsTotal),
        instalments_paid: count(row, Field::InstalmentsPaid),
        instalments_overdue: count(row, Field::InstalmentsOverdue),
        payment_frequency: text(row, Field::PaymentFrequency).and_then(PaymentFrequency::parse),
        outstanding: sen(row, Field::Outstanding),
        overdue: sen(row, Field::Overdue),
        fees_outstanding: sen(row, Field::FeesOutstanding),
        dpd: count(row, Field::Dpd),
        oldest_unpaid_due_date: date(row, Field::OldestUnpaidDueDate),
        first_delinquency_date: date(row, Field::FirstDelinquencyDate),
        aging_current: sen(row, Field::AgingCurrent),
        aging_1_30: sen(row, Field::Aging130),
        aging_31_60: sen(row, Field::Aging3160),
        aging_61_90: sen(row, Field::Aging6190),
        aging_91_120: sen(row, Field::Aging91120),
        aging_121_150: sen(row, Field::Aging121150),
        aging_151_180: sen(row, Field::Aging151180),
        aging_181_plus: sen(row, Field::Aging181Plus),
        amount_paid_period: sen(row, Field::AmountPaidPeriod),
        scheduled_amount_period: sen(row, Field::ScheduledAmountPeriod),
        last_payment_date: date(row, Field::LastPaymentDate),
        last_payment_amount: sen(row, Field::LastPaymentAmount),
        next_due_date: date(row, Field::NextDueDate),
        next_due_amount: sen(row, Field::NextDueAmount),
        write_off_date: date(row, Field::WriteOffDate),
        write_off_amount: sen(row, Field::WriteOffAmount),
        sold_to: text(row, Field::SoldTo),
        sold_date: date(row, Field::SoldDate),
        settled_date: date(row, Field::SettledDate),
        settlement_type: text(row, Field::SettlementType).and_then(SettlementType::parse),
        restructured: flag(row, Field::Restructured),
        hardship: flag(row, Field::Hardship),
        legal_action: flag(row, Field::LegalAction),
        contributor_dispute: flag(row, Field::ContributorDispute),
        listing_requested: flag(row, Field::ListingRequested),
        evidence_ref: text(row, Field::EvidenceRef),
        ..AccountSnapshot::default()
    }
}
