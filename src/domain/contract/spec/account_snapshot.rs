//! `account_snapshot`: the account as it stands on one day (`domain.md` 6.1 A), after the subject block.

use super::super::codes::*;
use super::super::field::Field;
use super::Class::{Financial, Internal, Quasi};
use super::Kind::{Count, Date, Flag, Money, Text, Word};
use super::Need::{Optional, Required, Wanted, When};
use super::{FieldSpec, Form, MAX_DPD, line};

#[rustfmt::skip]
pub(super) const LINES: &[FieldSpec] = &[
    line(Field::AccountRef, Text(64, Form::AccountRef), Required, Internal, "The contributor's reference of the account: stable, without personal data."),
    line(Field::ProductType, Word(ProductType::WORDS), Required, Financial, "What was sold."),
    line(Field::PortfolioType, Word(PortfolioType::WORDS), Required, Financial, "How it is repaid."),
    line(Field::Islamic, Flag, Optional, Financial, "Financed under a Shariah contract."),
    line(Field::MerchantCategory, Text(4, Form::MerchantCategory), Optional, Quasi, "Merchant category code (ISO 18245)."),
    line(Field::AsOfDate, Date, Required, Financial, "The day the row describes; the period's end in a FULL batch."),
    line(Field::OpenedDate, Date, Required, Financial, "The day the account was opened; never changes."),
    line(Field::MaturityDate, Date, Optional, Financial, "The day the last instalment is due."),
    line(Field::ClosedDate, Date, When("status is not ACTIVE"), Financial, "The day the account ended."),
    line(Field::Status, Word(AccountStatus::WORDS), Required, Financial, "What the contributor says of the account; delinquency is derived."),
    line(Field::StatusDate, Date, Optional, Financial, "The day this status began; closed_date or as_of_date when absent."),
    line(Field::Currency, Text(3, Form::Currency), Required, Financial, "Currency of all amounts of the row, ISO 4217."),
    line(Field::OriginalAmount, Money, When("portfolio_type is INSTALMENT"), Financial, "Amount financed at the start; never changes."),
    line(Field::CreditLimit, Money, When("portfolio_type is REVOLVING"), Financial, "Limit of the line."),
    line(Field::InstalmentAmount, Money, Wanted("portfolio_type is INSTALMENT"), Financial, "Amount of a regular instalment."),
    line(Field::InstalmentsTotal, Count(u16::MAX), Wanted("portfolio_type is INSTALMENT"), Financial, "Number of instalments agreed."),
    line(Field::InstalmentsPaid, Count(u16::MAX), Wanted("portfolio_type is INSTALMENT"), Financial, "Number of instalments paid in full."),
    line(Field::InstalmentsOverdue, Count(u16::MAX), Wanted("portfolio_type is INSTALMENT"), Financial, "Number of instalments due and not paid in full."),
    line(Field::PaymentFrequency, Word(PaymentFrequency::WORDS), Wanted("portfolio_type is INSTALMENT"), Financial, "How often an instalment falls due."),
    line(Field::Outstanding, Money, Required, Financial, "What is owed, with fees due; 0 for a credit balance."),
    line(Field::Overdue, Money, Required, Financial, "The part of outstanding that is past its due date."),
    line(Field::FeesOutstanding, Money, Optional, Financial, "The part of outstanding that is fees."),
    line(Field::Dpd, Count(MAX_DPD), Required, Financial, "Days past due of the oldest unpaid due date; 0 when nothing is overdue."),
    line(Field::OldestUnpaidDueDate, Date, Wanted("dpd is above 0"), Financial, "The due date that dpd counts from."),
    line(Field::FirstDelinquencyDate, Date, Wanted("dpd is 30 or more"), Financial, "The day the present spell of delinquency began."),
    line(Field::AgingCurrent, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding that is not yet due."),
    line(Field::Aging130, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 1 to 30 days past due."),
    line(Field::Aging3160, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 31 to 60 days past due."),
    line(Field::Aging6190, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 61 to 90 days past due."),
    line(Field::Aging91120, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 91 to 120 days past due."),
    line(Field::Aging121150, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 121 to 150 days past due."),
    line(Field::Aging151180, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 151 to 180 days past due."),
    line(Field::Aging181Plus, Money, Wanted("portfolio_type is OPEN"), Financial, "The part of outstanding 181 days or more past due."),
    line(Field::AmountPaidPeriod, Money, Optional, Financial, "What was paid since the previous as_of_date."),
    line(Field::ScheduledAmountPeriod, Money, Optional, Financial, "What fell due since the previous as_of_date."),
    line(Field::LastPaymentDate, Date, Optional, Financial, "The day of the last payment."),
    line(Field::LastPaymentAmount, Money, Optional, Financial, "Amount of the last payment."),
    line(Field::NextDueDate, Date, Wanted("portfolio_type is INSTALMENT and status is ACTIVE"), Financial, "The day the next amount falls due."),
    line(Field::NextDueAmount, Money, Wanted("portfolio_type is INSTALMENT and status is ACTIVE"), Financial, "The amount that falls due next."),
    line(Field::WriteOffDate, Date, When("status is WRITTEN_OFF"), Financial, "The day the account was written off."),
    line(Field::WriteOffAmount, Money, When("status is WRITTEN_OFF"), Financial, "The amount written off."),
    line(Field::SoldTo, Text(150, Form::Free), When("status is SOLD"), Financial, "Name of the organisation that bought the debt."),
    line(Field::SoldDate, Date, When("status is SOLD"), Financial, "The day the debt was sold."),
    line(Field::SettledDate, Date, Optional, Financial, "The day the debt was settled."),
    line(Field::SettlementType, Word(SettlementType::WORDS), Optional, Financial, "How the debt was settled."),
    line(Field::Restructured, Flag, Optional, Financial, "The terms were changed for a borrower in difficulty."),
    line(Field::Hardship, Flag, Optional, Financial, "A hardship arrangement is in force."),
    line(Field::LegalAction, Flag, Optional, Financial, "Legal action was begun."),
    line(Field::ContributorDispute, Flag, Optional, Financial, "The subject disputes the account with the contributor."),
    line(Field::ListingRequested, Flag, Optional, Financial, "Asks for a listing as a trade reference, beside the history."),
    line(Field::EvidenceRef, Text(100, Form::Free), Wanted("listing_requested is true"), Internal, "Where the document that proves the debt is kept: a locator without personal data."),
];
