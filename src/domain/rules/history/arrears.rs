//! Days past due over time, and the dates behind them.

use crate::domain::contract::{AccountStatus, Field, SettlementType};
use crate::domain::finding::Finding;
use crate::domain::money::Sen;
use crate::domain::rules::Code;

use super::{Arriving, HistoryContext, Movements, Past};

/// Contributors close their books a day or two around the month's end (P004).
const DPD_TOLERANCE_DAYS: i64 = 2;

/// P004: days past due grow by no more than the days that passed, give or take two.
pub fn p004(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let before = past.before(row.facts.as_of_date)?;
    let elapsed = row.facts.as_of_date.signed_duration_since(before.as_of_date).num_days();
    (i64::from(row.facts.dpd) > i64::from(before.dpd) + elapsed + DPD_TOLERANCE_DAYS)
        .then(|| Finding::at(Code::P004, Field::Dpd))
}

/// P005: days past due fall because something was paid, refunded or restructured, or because the debt itself went:
/// written off, sold, cancelled or settled short. It takes a row that says that nothing was paid, or an account whose
/// payments are told by events; a row that does not say what was paid is not called a lie.
pub fn p005(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let before = past.before(row.facts.as_of_date)?;
    let moved = past.movements_until(row);
    let stated = stated_payment(row);
    let nothing_paid = match stated {
        Some(paid) => paid.0 <= 0 && moved.paid.0 <= 0,
        None => !past.events.is_empty() && moved.paid.0 <= 0,
    };
    (row.facts.dpd < before.dpd
        && nothing_paid
        && !moved.refunded.is_positive()
        && !restructured_since(past, row, &moved)
        && !debt_went_away(row))
    .then(|| Finding::at(Code::P005, Field::Dpd))
}

/// P010: an account in arrears moves: days past due grow or something is paid. The same days and the same balance as
/// the month before look like a row that was copied. Only a running account is meant: what was written off stands still.
pub fn p010(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let now = &row.facts;
    let before = past.earlier_months(now.as_of_date).next()?;
    let running = now.status == AccountStatus::Active && before.status == AccountStatus::Active;
    (running && now.dpd > 0 && now.dpd == before.dpd && now.outstanding == before.outstanding)
        .then(|| Finding::at(Code::P010, Field::Dpd))
}

/// P011: within one spell of delinquency its first day does not move later (re-aging). A spell goes on while the
/// account is past due in both snapshots; it is a new one when it began after the older snapshot and the days past due
/// reach back no further than that.
pub fn p011(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let (was, now) = (past.outdated_by(row)?, &row.facts);
    let (first_was, first_is) = (was.first_delinquency_date?, now.first_delinquency_date?);
    let elapsed = now.as_of_date.signed_duration_since(was.as_of_date).num_days();
    let new_spell = first_is > was.as_of_date && i64::from(now.dpd) < elapsed;
    (was.dpd > 0 && now.dpd > 0 && first_is > first_was && !new_spell)
        .then(|| Finding::at(Code::P011, Field::FirstDelinquencyDate))
}

/// What the row says was paid since the snapshot before it, if it says so itself.
pub(super) fn stated_payment(row: &Arriving) -> Option<Sen> {
    row.amount_paid_period.filter(|_| !row.facts.imputed.contains(Field::AmountPaidPeriod))
}

/// The terms were changed since the snapshot before: by an event, or as the flag turned on shows.
pub(super) fn restructured_since(past: &Past, row: &Arriving, moved: &Movements) -> bool {
    let flag_turned_on = row.facts.restructured && past.outdated_by(row).is_some_and(|was| !was.restructured);
    moved.restructured || flag_turned_on
}

/// The balance, or the arrears, ended otherwise than by payment.
pub(super) fn debt_went_away(row: &Arriving) -> bool {
    let ended = matches!(
        row.facts.status,
        AccountStatus::WrittenOff
            | AccountStatus::Sold
            | AccountStatus::Cancelled
            | AccountStatus::SettledShort
    );
    ended || matches!(row.settlement_type, Some(SettlementType::Refund | SettlementType::Short))
}
