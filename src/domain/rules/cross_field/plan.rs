//! The plan: what was lent or allowed, the instalments, and what was paid.

use chrono::Days;

use crate::domain::contract::{AccountSnapshot, Field, PortfolioType};
use crate::domain::finding::Finding;
use crate::domain::rules::Code;

use super::RowContext;

/// The longest reporting period: a calendar month (X018).
const PERIOD: Days = Days::new(31);

/// X012: no more instalments are paid and overdue than there are. What is not stated counts as none: more
/// would only break the rule further.
pub fn x012(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let total = u32::from(r.instalments_total?);
    let used = u32::from(r.instalments_paid.unwrap_or(0)) + u32::from(r.instalments_overdue.unwrap_or(0));
    (used > total).then(|| Finding::at(Code::X012, Field::InstalmentsTotal))
}

/// X013: an instalment account states its original amount, a revolving one its limit.
///
/// Contract v1 requires these two and nothing else that depends on the portfolio type. Gaps in the other
/// conditional fields of `domain.md` 6.1 are not findings, row by row, that nobody could read: real books
/// lack such a field in every row. They are counted for the completeness score instead, by
/// [`missing_conditional_fields`](crate::domain::rules::missing_conditional_fields).
pub fn x013(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let missing = match r.portfolio_type? {
        PortfolioType::Instalment if r.original_amount.is_none() => Field::OriginalAmount,
        PortfolioType::Revolving if r.credit_limit.is_none() => Field::CreditLimit,
        _ => return None,
    };
    Some(Finding::at(Code::X013, missing))
}

/// X014: an instalment account rarely owes more than was lent plus the fees it states.
pub fn x014(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    if r.portfolio_type? != PortfolioType::Instalment {
        return None;
    }
    let fees = r.fees_outstanding.unwrap_or_default();
    let most = i128::from(r.original_amount?.0) + i128::from(fees.0);
    (i128::from(r.outstanding?.0) > most).then(|| Finding::at(Code::X014, Field::Outstanding))
}

/// X015: a revolving account is rarely over its limit.
pub fn x015(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    (r.portfolio_type? == PortfolioType::Revolving && r.outstanding? > r.credit_limit?)
        .then(|| Finding::at(Code::X015, Field::Outstanding))
}

/// X016: the last payment has both a date and an amount, or neither.
pub fn x016(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let missing = match (r.last_payment_date, r.last_payment_amount) {
        (Some(_), None) => Field::LastPaymentAmount,
        (None, Some(_)) => Field::LastPaymentDate,
        _ => return None,
    };
    Some(Finding::at(Code::X016, missing))
}

/// X017: nothing was paid before the account was opened.
pub fn x017(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    (r.last_payment_date? < r.opened_date?).then(|| Finding::at(Code::X017, Field::LastPaymentDate))
}

/// X018: what was paid in the period was paid within it. The row does not say when the period began, so
/// the rule allows the longest one, 31 days up to and including the row's day, and it is silent where no
/// payment date is stated.
pub fn x018(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let (paid_on, as_of) = (r.last_payment_date?, r.as_of_date?);
    if !r.amount_paid_period?.is_positive() {
        return None;
    }
    let before_period = as_of.checked_sub_days(PERIOD).is_some_and(|previous| paid_on <= previous);
    (before_period || paid_on > as_of).then(|| Finding::at(Code::X018, Field::LastPaymentDate))
}

/// X025: the instalments together are within one per cent of the original amount, or somebody should look.
pub fn x025(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let planned = i128::from(r.instalment_amount?.0) * i128::from(r.instalments_total?);
    let original = i128::from(r.original_amount?.0);
    let apart = (planned - original).abs();
    (apart * 100 > original.abs()).then(|| Finding::at(Code::X025, Field::InstalmentAmount))
}
