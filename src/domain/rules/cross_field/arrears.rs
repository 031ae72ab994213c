//! Arrears: the overdue amount, days past due, the aging buckets and the dates behind them.

use crate::domain::contract::{AccountSnapshot, Field, PortfolioType};
use crate::domain::finding::Finding;
use crate::domain::money::Sen;
use crate::domain::rules::Code;

use super::RowContext;

/// Contributors round; a day either way between the due date and days past due is not a contradiction (X008).
const DPD_TOLERANCE_DAYS: i64 = 1;
/// From here on a delinquency must have a beginning (X023).
const DELINQUENT_DPD: u16 = 30;

/// X006: no more is overdue than is owed.
pub fn x006(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    (r.overdue? > r.outstanding?).then(|| Finding::at(Code::X006, Field::Overdue))
}

/// X007: days past due and the overdue amount tell the same story. Less than one ringgit overdue with no
/// day counted only warns: rounding leaves such crumbs.
pub fn x007(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let overdue = r.overdue?;
    if (r.dpd? > 0) == overdue.is_positive() {
        return None;
    }
    let finding = Finding::at(Code::X007, Field::Overdue);
    let crumb = overdue.is_positive() && overdue < Sen::RINGGIT;
    Some(if crumb { finding.as_warning() } else { finding })
}

/// X008: days past due are counted from the oldest unpaid due date, give or take a day.
pub fn x008(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let elapsed = r.as_of_date?.signed_duration_since(r.oldest_unpaid_due_date?).num_days();
    let distance = (elapsed - i64::from(r.dpd?)).abs();
    (distance > DPD_TOLERANCE_DAYS).then(|| Finding::at(Code::X008, Field::OldestUnpaidDueDate))
}

/// X009: the aging buckets of an OPEN account add up to what is outstanding. A blank bucket adds nothing:
/// if there was an amount in it, it was not stated, and the sum shows that.
pub fn x009(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let outstanding = r.outstanding?;
    let buckets = aging(r)?;
    (total(&buckets) != i128::from(outstanding.0)).then(|| Finding::at(Code::X009, Field::Outstanding))
}

/// X010: the oldest bucket with an amount in it is the bucket of the days past due.
pub fn x010(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let expected = aging_bucket(r.dpd?);
    let buckets = aging(r)?;
    // Nothing owed in any bucket is as good as everything current.
    let oldest = buckets.iter().rposition(|bucket| owes_something(*bucket)).unwrap_or(0);
    (oldest != expected).then(|| Finding::at(Code::X010, Field::Dpd))
}

/// X011: the buckets that are past due add up to the overdue amount.
pub fn x011(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let overdue = r.overdue?;
    let buckets = aging(r)?;
    (total(&buckets[1..]) != i128::from(overdue.0)).then(|| Finding::at(Code::X011, Field::Overdue))
}

/// X022: a delinquency began no later than its oldest unpaid due date, and not after the row's own day.
pub fn x022(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    let began = r.first_delinquency_date?;
    let after_due = r.oldest_unpaid_due_date.is_some_and(|due| began > due);
    let after_as_of = r.as_of_date.is_some_and(|as_of| began > as_of);
    (after_due || after_as_of).then(|| Finding::at(Code::X022, Field::FirstDelinquencyDate))
}

/// X023: thirty days past due or more says when it began. A warning under contract v1, which scores gaps
/// in conditional fields instead of refusing them.
pub fn x023(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    (r.dpd? >= DELINQUENT_DPD && r.first_delinquency_date.is_none())
        .then(|| Finding::at(Code::X023, Field::FirstDelinquencyDate).as_warning())
}

/// X024: the next due date lies ahead, unless something is past due.
pub fn x024(r: &AccountSnapshot<'_>, _: &RowContext<'_>) -> Option<Finding> {
    (r.next_due_date? <= r.as_of_date? && r.dpd? == 0).then(|| Finding::at(Code::X024, Field::NextDueDate))
}

/// The aging buckets of an OPEN account from current to oldest; nothing when it states none of them.
fn aging(r: &AccountSnapshot<'_>) -> Option<[Option<Sen>; 8]> {
    if r.portfolio_type? != PortfolioType::Open {
        return None;
    }
    let buckets = [
        r.aging_current,
        r.aging_1_30,
        r.aging_31_60,
        r.aging_61_90,
        r.aging_91_120,
        r.aging_121_150,
        r.aging_151_180,
        r.aging_181_plus,
    ];
    buckets.iter().any(Option::is_some).then_some(buckets)
}

/// Which of the eight buckets holds a debt of so many days: 0 current, 1 for 1-30, up to 7 for 181 and more.
fn aging_bucket(dpd: u16) -> usize {
    usize::from(dpd.div_ceil(30)).min(7)
}

/// The sum in sen; wide enough for any eight amounts.
fn total(buckets: &[Option<Sen>]) -> i128 {
    buckets.iter().flatten().map(|amount| i128::from(amount.0)).sum()
}

fn owes_something(bucket: Option<Sen>) -> bool {
    bucket.is_some_and(|amount| amount != Sen::ZERO)
}
