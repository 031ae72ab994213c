//! The account's life: its dates, its status, and whether the product may be sent at all.

use chrono::{Datelike, Months};

use crate::domain::contract::{AccountSnapshot, AccountStatus, Field, Mode};
use crate::domain::finding::Finding;
use crate::domain::money::Sen;
use crate::domain::rules::Code;

use super::RowContext;

/// A buy-now-pay-later plan is not expected to run longer than this (X027).
const LONGEST_BNPL_YEARS: i32 = 3;
/// An account is not expected to be written off earlier than this, in days past due (X020).
const EARLIEST_WRITE_OFF_DPD: u16 = 90;

/// X001: in a FULL or REPLACE batch every row is as of the period end; a DELTA may look back, never ahead.
pub fn x001(r: &AccountSnapshot<'_>, c: &RowContext<'_>) -> Option<Finding> {
    let as_of = r.as_of_date?;
    let broken = match c.mode {
        Mode::Full | Mode::Replace => as_of != c.period_end,
        Mode::Delta => as_of > c.period_end,
    };
    broken.then(|| Finding::at(Code::X001, Field::AsOfDate))
}

/// X002: an account is not opened after the day that the row describes.
pub fn x002(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    (r.opened_date? > r.as_of_date?).then(|| Finding::at(Code::X002, Field::OpenedDate))
}

/// X003: an account is closed after it was opened and no later than the day that the row describes.
pub fn x003(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let closed = r.closed_date?;
    let before_opening = r.opened_date.is_some_and(|opened| closed < opened);
    let after_as_of = r.as_of_date.is_some_and(|as_of| closed > as_of);
    (before_opening || after_as_of).then(|| Finding::at(Code::X003, Field::ClosedDate))
}

/// X004: a terminal status has a closed_date, an active account has none.
pub fn x004(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    (r.status?.is_terminal() != r.closed_date.is_some()).then(|| Finding::at(Code::X004, Field::ClosedDate))
}

/// X005: nothing is owed on a settled or cancelled account. A missing amount is not an amount.
pub fn x005(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    if !matches!(r.status?, AccountStatus::Settled | AccountStatus::Cancelled) {
        return None;
    }
    let owed = if owes(r.outstanding) { Field::Outstanding } else { Field::Overdue };
    (owes(r.outstanding) || owes(r.overdue)).then(|| Finding::at(Code::X005, owed))
}

/// X019: a write-off states its date and its amount.
pub fn x019(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    if r.status? != AccountStatus::WrittenOff {
        return None;
    }
    let missing = match (r.write_off_date, r.write_off_amount) {
        (None, _) => Field::WriteOffDate,
        (_, None) => Field::WriteOffAmount,
        _ => return None,
    };
    Some(Finding::at(Code::X019, missing))
}

/// X020: a write-off earlier than 90 days past due is unusual.
pub fn x020(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    (r.status? == AccountStatus::WrittenOff && r.dpd? < EARLIEST_WRITE_OFF_DPD)
        .then(|| Finding::at(Code::X020, Field::Dpd))
}

/// X021: a sold account names its buyer and the day, and the seller is owed nothing any more.
pub fn x021(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    if r.status? != AccountStatus::Sold {
        return None;
    }
    let field = if r.sold_to.is_none() {
        Field::SoldTo
    } else if r.sold_date.is_none() {
        Field::SoldDate
    } else if owes(r.outstanding) {
        Field::Outstanding
    } else if owes(r.overdue) {
        Field::Overdue
    } else {
        return None;
    };
    Some(Finding::at(Code::X021, field))
}

/// X026: the contributor is licensed for the product.
pub fn x026(r: &AccountSnapshot<'_>, c: &RowContext<'_>) -> Option<Finding> {
    let product = r.product_type?;
    let licensed = c.terms.products.as_ref()?;
    (!licensed.contains(&product)).then(|| Finding::at(Code::X026, Field::ProductType))
}

/// X027: a buy-now-pay-later plan that runs for more than 36 months is unusual.
pub fn x027(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    if !r.product_type?.is_bnpl() {
        return None;
    }
    let (opened, maturity) = (r.opened_date?, r.maturity_date?);
    // Mostly the years tell enough.
    if maturity.year() - opened.year() < LONGEST_BNPL_YEARS {
        return None;
    }
    // Opened in the calendar's last three years: no later date can be written, so nothing can exceed it.
    let latest = opened.checked_add_months(Months::new(LONGEST_BNPL_YEARS as u32 * 12))?;
    (maturity > latest).then(|| Finding::at(Code::X027, Field::MaturityDate))
}

/// X029: a debt past its maturity with nothing past due is unusual.
pub fn x029(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    (r.maturity_date? < r.as_of_date? && r.outstanding?.is_positive() && r.dpd? == 0)
        .then(|| Finding::at(Code::X029, Field::MaturityDate))
}

/// X031: a status begins between the opening and the day that the row describes. A status date that we
/// filled in says nothing of its own: the dates it was taken from have their own rules.
pub fn x031(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    if r.status_date_defaulted {
        return None;
    }
    let began = r.status_date?;
    let after_as_of = r.as_of_date.is_some_and(|as_of| began > as_of);
    let before_opening = r.opened_date.is_some_and(|opened| began < opened);
    (after_as_of || before_opening).then(|| Finding::at(Code::X031, Field::StatusDate))
}

/// Whether an amount is stated and not zero; a negative balance is a balance too.
fn owes(amount: Option<Sen>) -> bool {
    amount.is_some_and(|amount| amount != Sen::ZERO)
}
