//! Arrears: how late, how often, how recently, and whether it gets better.

use super::NullReason;
use super::catalogue::Outcome;
use super::population::{Population, number, sum};
use crate::domain::history::Month;

pub fn current_worst_dpd(population: &Population<'_>) -> Outcome {
    number(population.open().map(|seen| seen.now.dpd).max().ok_or(NullReason::NoOpenAccount)?)
}

/// The worst over all account-months of the window, of open and closed accounts, and over the instalments that were paid
/// in it: what was paid before the end of the month no report shows.
pub fn worst_dpd(population: &Population<'_>, months: i32) -> Outcome {
    population.require_window(months)?;
    let mut worst = None;
    for seen in &population.seen {
        seen.require_instalments(population, months)?;
        let reported = seen.window(population, months).map(|month| month.dpd).max();
        let paid = seen
            .due_by(population.as_of)
            .filter(|due| population.within_months(due.reached, months))
            .map(|due| due.days_late)
            .max();
        worst = worst.max(reported).max(paid);
    }
    number(worst.ok_or(NullReason::InsufficientHistory)?)
}

/// Distinct accounts that were at least so late in any month of twelve.
pub fn accounts_at_least(population: &Population<'_>, dpd: u16) -> Outcome {
    population.require_window(12)?;
    let late = population.seen.iter().filter(|seen| seen.window(population, 12).any(|m| m.dpd >= dpd));
    number(late.count())
}

pub fn months_since(population: &Population<'_>, dpd: u16) -> Outcome {
    let months = population.seen.iter().flat_map(|seen| seen.window(population, 24));
    match months.filter(|month| month.dpd >= dpd).map(Month::number).max() {
        Some(latest) => number(population.months_ago(latest)),
        None => {
            // Not found where everything is known is one answer; not found in a part is another.
            population.require_window(24)?;
            Err(NullReason::NoRecord)
        }
    }
}

/// Open accounts as they stood three reporting periods ago; fails when nothing was known then.
fn open_three_months_ago<'a>(population: &Population<'a>) -> Result<Vec<&'a Month>, NullReason> {
    population.require_window(4)?;
    let then = population.month() - 3;
    let known: Vec<_> = population.seen.iter().filter_map(|seen| seen.at_end_of(then)).collect();
    if known.is_empty() {
        return Err(NullReason::InsufficientHistory);
    }
    Ok(known.into_iter().filter(|month| month.is_open()).collect())
}

pub fn overdue_trend(population: &Population<'_>) -> Outcome {
    let then = sum(open_three_months_ago(population)?.into_iter().map(|month| month.overdue));
    let now = sum(population.open().map(|seen| seen.now.overdue));
    number(now.saturating_sub(then))
}

pub fn dpd_trend(population: &Population<'_>) -> Outcome {
    let worst = |dpds: &mut dyn Iterator<Item = u16>| i64::from(dpds.max().unwrap_or(0));
    let then = worst(&mut open_three_months_ago(population)?.into_iter().map(|month| month.dpd));
    let now = worst(&mut population.open().map(|seen| seen.now.dpd));
    number(now - then)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{account, day, paying, value, value_at, with_dpds};
    use super::*;
    use crate::domain::contract::AccountStatus;

    #[test]
    fn the_worst_of_a_window_is_found_and_older_months_are_not_looked_at() {
        // June, May, April, … of 2026.
        let accounts = [with_dpds(account("a"), "0 0 0 10 0 0 35"), with_dpds(account("b"), "5 0 0 0")];
        assert_eq!(value(&accounts, "current_worst_dpd"), Ok(5));
        assert_eq!(value(&accounts, "worst_dpd_3m"), Ok(5));
        assert_eq!(value(&accounts, "worst_dpd_6m"), Ok(10));
        assert_eq!(value(&accounts, "worst_dpd_12m"), Ok(35));
        assert_eq!(value(&accounts, "worst_dpd_24m"), Ok(35));
    }

    #[test]
    fn what_was_late_between_two_reports_is_not_lost() {
        let account =
            paying(with_dpds(account("a"), "0 0 0 0 0 0"), "2026-05-05:12 2026-02-20:19 2026-06-28:9");
        let worst = |as_of, name| value_at(std::slice::from_ref(&account), as_of, name);
        assert_eq!(worst("2026-06-30", "worst_dpd_3m"), Ok(12));
        assert_eq!(worst("2026-06-30", "worst_dpd_6m"), Ok(19));
        assert_eq!(worst("2026-05-09", "worst_dpd_3m"), Ok(19), "paid on 11 March, within three months");
        assert_eq!(worst("2026-07-07", "worst_dpd_3m"), Ok(12));
        assert_eq!(value(&[account], "current_worst_dpd"), Ok(0), "what is paid is not late any more");
    }

    #[test]
    fn accounts_are_counted_once_by_how_late_they_ever_were() {
        let accounts = [
            with_dpds(account("a"), "0 30 45 0"),
            with_dpds(account("b"), "0 60 30 0"),
            with_dpds(account("c"), "0 0 0 0 0 0 0 0 0 0 0 0 95"), // thirteen months ago
            with_dpds(account("d"), "29"),
        ];
        assert_eq!(value(&accounts, "cnt_30p_12m"), Ok(2));
        assert_eq!(value(&accounts, "cnt_60p_12m"), Ok(1));
        assert_eq!(value(&accounts, "cnt_90p_12m"), Ok(0));
    }

    #[test]
    fn recency_counts_calendar_months() {
        let accounts = [with_dpds(account("a"), "0 0 3 0 31")];
        assert_eq!(value(&accounts, "months_since_last_dpd1"), Ok(2));
        assert_eq!(value(&accounts, "months_since_last_dpd30"), Ok(4));
        assert_eq!(value(&accounts[..], "worst_dpd_3m"), Ok(3));
        let clean = [with_dpds(account("a"), "0 0 0")];
        assert_eq!(value(&clean, "months_since_last_dpd1"), Err(NullReason::NoRecord));
    }

    #[test]
    fn trends_compare_with_three_periods_ago() {
        // Overdue is RM1 per day late in these fixtures.
        let accounts = [with_dpds(account("a"), "40 30 20 10"), with_dpds(account("b"), "0 0 0 15")];
        assert_eq!(value(&accounts, "overdue_trend_3m"), Ok(40_00 - 25_00));
        assert_eq!(value(&accounts, "dpd_trend_3m"), Ok(40 - 15));
        let young = [with_dpds(account("a"), "40 30 20")];
        assert_eq!(value(&young, "overdue_trend_3m"), Err(NullReason::InsufficientHistory));
        // A gap in reporting: the state at the end of March is what February said.
        let mut gap = with_dpds(account("a"), "40 30 20 99 10");
        gap.months.remove(3);
        assert_eq!(value(&[gap], "dpd_trend_3m"), Ok(30));
    }

    #[test]
    fn nothing_open_has_no_current_dpd() {
        let mut settled = with_dpds(account("a"), "0 0 0 8");
        settled.months[0].status = AccountStatus::Settled;
        assert_eq!(value(&[settled.clone()], "current_worst_dpd"), Err(NullReason::NoOpenAccount));
        assert_eq!(value(&[settled], "dpd_trend_3m"), Ok(-8));
    }

    #[test]
    fn months_that_are_no_longer_kept_are_not_called_clean() {
        // Opened in 2020 and reported every month: in June 2026 the store knows July 2024 and later.
        let mut old = with_dpds(account("a"), &["0"; 24].join(" "));
        old.opened_date = day("2020-01-15");
        let old = [old];
        assert_eq!(value_at(&old, "2026-06-30", "worst_dpd_24m"), Ok(0));
        assert_eq!(value_at(&old, "2026-05-31", "worst_dpd_24m"), Err(NullReason::InsufficientHistory));
        assert_eq!(value_at(&old, "2026-05-31", "worst_dpd_12m"), Ok(0));
        assert_eq!(
            value_at(&old, "2026-05-31", "months_since_last_dpd1"),
            Err(NullReason::InsufficientHistory)
        );
    }
}
