//! Amounts over time: balances, payments, instalments, and what events tell of them.

use crate::domain::contract::{AccountStatus, Field, PortfolioType};
use crate::domain::dates::month_number;
use crate::domain::finding::Finding;
use crate::domain::money::Sen;
use crate::domain::rules::Code;

use super::arrears::{debt_went_away, restructured_since, stated_payment};
use super::{Arriving, HistoryContext, Past};

/// Contributors round (P006, P007).
const ROUNDING: Sen = Sen::RINGGIT;
/// A balance so many times the usual one is worth a look (P008).
const UNUSUAL_MULTIPLE: i128 = 10;
/// The months that make a usual balance (P008).
const MONTHS_OF_A_MEDIAN: usize = 6;
/// Periods for which an account may stand at zero without a limit before somebody asks why it is open (X028).
const EMPTY_PERIODS: usize = 3;

/// X028: an account that is active, owes nothing and has no limit, this period and the three before, without a gap,
/// has probably ended.
pub fn x028(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let now = &row.facts;
    let empty = now.status == AccountStatus::Active && now.outstanding == Sen::ZERO;
    if !empty || row.credit_limit.is_some_and(Sen::is_positive) {
        return None;
    }
    let number = month_number(now.as_of_date);
    let periods = (1..)
        .zip(past.earlier_months(now.as_of_date))
        .take_while(|(back, month)| {
            month.number() == number - back
                && month.status == AccountStatus::Active
                && month.outstanding == Sen::ZERO
        })
        .take(EMPTY_PERIODS)
        .count();
    (periods == EMPTY_PERIODS).then(|| Finding::at(Code::X028, Field::Status))
}

/// X030: terms that were changed are told by a RESTRUCTURE event. Asked when the flag turns on, and at first sight of
/// an account whose contributor sends events; never again and again for an account that stays restructured.
pub fn x030(past: &Past, row: &Arriving, context: &HistoryContext<'_>) -> Option<Finding> {
    let told = past.events.iter().any(|(on, moved)| *on <= row.facts.as_of_date && moved.restructured);
    let asked = match &past.known {
        None => context.sends_events,
        Some(_) => past.outdated_by(row).is_some_and(|was| !was.restructured),
    };
    (row.facts.restructured && asked && !told).then(|| Finding::at(Code::X030, Field::Restructured))
}

/// P006: the balance of an instalment account rises by its fees at most, by payments taken back, or by changed terms.
pub fn p006(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let (was, now) = (past.outdated_by(row)?, &row.facts);
    let moved = past.movements_until(row);
    if now.portfolio_type != PortfolioType::Instalment || restructured_since(past, row, &moved) {
        return None;
    }
    let fees = fees(now.fees_outstanding).saturating_sub(fees(was.fees_outstanding)).max(0);
    let allowed = fees + wide(moved.reversed) + wide(ROUNDING);
    (wide(now.outstanding) - wide(was.outstanding) > allowed)
        .then(|| Finding::at(Code::P006, Field::Outstanding))
}

/// P007: a balance falls by what was paid, refunded or written off, give or take a ringgit. A row that does not say
/// what was paid is compared only where events tell it; a debt that was sold, cancelled or settled short fell for
/// another reason.
pub fn p007(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let before = past.before(row.facts.as_of_date)?;
    let moved = past.movements_until(row);
    let stated = stated_payment(row);
    let written_off_now = row.facts.status == AccountStatus::WrittenOff;
    let told = stated.is_some() || !past.events.is_empty();
    if !told || (debt_went_away(row) && !written_off_now) {
        return None;
    }
    let paid = wide(stated.unwrap_or_default()).max(wide(moved.paid) - wide(moved.reversed));
    let written_off = wide(newly_written_off(past, row)).max(wide(moved.written_off));
    let explained = paid + wide(moved.refunded) + written_off + wide(ROUNDING);
    (wide(before.outstanding) - wide(row.facts.outstanding) > explained)
        .then(|| Finding::at(Code::P007, Field::Outstanding))
}

/// P008: the balance of an OPEN or REVOLVING account is more than ten times the median of its last six months. Six
/// months have to be known, and a median of nothing is no measure: an account may wake up.
pub fn p008(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    if !matches!(row.facts.portfolio_type, PortfolioType::Open | PortfolioType::Revolving) {
        return None;
    }
    let months = past.earlier_months(row.facts.as_of_date).take(MONTHS_OF_A_MEDIAN);
    let mut balances: Vec<Sen> = months.map(|month| month.outstanding).collect();
    if balances.len() < MONTHS_OF_A_MEDIAN {
        return None;
    }
    balances.sort_unstable();
    // The mean of the middle two, kept twice as large so that nothing is rounded.
    let twice_median = wide(balances[2]) + wide(balances[3]);
    (twice_median > 0 && wide(row.facts.outstanding) * 2 > twice_median * UNUSUAL_MULTIPLE)
        .then(|| Finding::at(Code::P008, Field::Outstanding))
}

/// P013: instalments that were paid stay paid, unless a payment was taken back or the plan was made anew.
pub fn p013(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let fewer = row.facts.instalments_paid? < past.outdated_by(row)?.instalments_paid?;
    let moved = past.movements_until(row);
    (fewer && !moved.reversed.is_positive() && !restructured_since(past, row, &moved))
        .then(|| Finding::at(Code::P013, Field::InstalmentsPaid))
}

/// P014: what events say was paid since the snapshot before, less what was taken back, is what the row says. Asked of
/// accounts that have events and a snapshot before; to the sen, since both come from the same ledger.
pub fn p014(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    past.before(row.facts.as_of_date)?;
    let stated = stated_payment(row)?;
    let moved = past.movements_until(row);
    let has_events = past.events.iter().any(|(on, _)| *on <= row.facts.as_of_date);
    (has_events && wide(moved.paid) - wide(moved.reversed) != wide(stated))
        .then(|| Finding::at(Code::P014, Field::AmountPaidPeriod))
}

/// P016: an event settled the account, and the snapshot still calls it active.
pub fn p016(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let settled = past.events.iter().any(|(on, moved)| *on <= row.facts.as_of_date && moved.settled);
    (settled && row.facts.status == AccountStatus::Active).then(|| Finding::at(Code::P016, Field::Status))
}

/// P019: what was written off is written off once; another amount later needs a reason.
pub fn p019(past: &Past, row: &Arriving, _: &HistoryContext<'_>) -> Option<Finding> {
    let was = past.outdated_by(row)?.write_off_amount?;
    (row.facts.write_off_amount? != was).then(|| Finding::at(Code::P019, Field::WriteOffAmount))
}

/// The write-off that this row is the first to state.
fn newly_written_off(past: &Past, row: &Arriving) -> Sen {
    let before = past.outdated_by(row).and_then(|was| was.write_off_amount);
    match before {
        Some(_) => Sen::ZERO,
        None => row.facts.write_off_amount.unwrap_or_default(),
    }
}

fn fees(amount: Option<Sen>) -> i128 {
    wide(amount.unwrap_or_default())
}

/// Room to add and multiply amounts of any size.
fn wide(amount: Sen) -> i128 {
    i128::from(amount.0)
}
