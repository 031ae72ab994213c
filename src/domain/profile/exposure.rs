//! Exposure: what a subject owes, and what falls due.

use chrono::{Days, Months, NaiveDate};

use super::NullReason;
use super::catalogue::Outcome;
use super::population::{Population, Seen, bps, clamp, distinct_contributors, number, sum};
use crate::domain::contract::{AccountStatus, PaymentFrequency, PortfolioType};
use crate::domain::money::Sen;

pub fn active_accounts(population: &Population<'_>) -> Outcome {
    number(population.open().count())
}

pub fn active_bnpl(population: &Population<'_>) -> Outcome {
    number(population.open_bnpl().count())
}

pub fn active_contributors(population: &Population<'_>) -> Outcome {
    number(distinct_contributors(population.open()))
}

pub fn total_outstanding(population: &Population<'_>) -> Outcome {
    number(sum(population.open().map(|seen| seen.now.outstanding)))
}

pub fn bnpl_outstanding(population: &Population<'_>) -> Outcome {
    number(sum(population.open_bnpl().map(|seen| seen.now.outstanding)))
}

pub fn total_overdue(population: &Population<'_>) -> Outcome {
    number(sum(population.open().map(|seen| seen.now.overdue)))
}

pub fn total_limit(population: &Population<'_>) -> Outcome {
    number(sum(limits(population).map(|(_, limit)| limit)))
}

pub fn utilisation(population: &Population<'_>) -> Outcome {
    let used = sum(limits(population).map(|(seen, _)| seen.now.outstanding));
    let limit = sum(limits(population).map(|(_, limit)| limit));
    number(bps(used.into(), limit.into()).ok_or(NullReason::NoOpenAccount)?)
}

fn limits<'s, 'a>(population: &'s Population<'a>) -> impl Iterator<Item = (&'s Seen<'a>, Sen)> {
    let revolving = |seen: &&Seen<'_>| seen.account.portfolio_type == PortfolioType::Revolving;
    population.open().filter(revolving).filter_map(|seen| Some((seen, seen.account.credit_limit?)))
}

/// ACTIVE accounts that owe something: a written-off account has no schedule left.
fn paying<'s, 'a>(population: &'s Population<'a>) -> impl Iterator<Item = &'s Seen<'a>> {
    population
        .seen
        .iter()
        .filter(|seen| seen.now.status == AccountStatus::Active && seen.now.outstanding.is_positive())
}

pub fn monthly_obligation(population: &Population<'_>) -> Outcome {
    let twelfths: i128 = paying(population)
        .filter_map(|seen| {
            let amount = seen.account.instalment_amount?;
            Some(i128::from(amount.0) * payments_per_year(seen.account.payment_frequency))
        })
        .sum();
    number(clamp(div_half_even(twelfths, 12)))
}

/// Payments in a year; twelve times what one month carries. ONE_OFF counts as due this month.
fn payments_per_year(frequency: Option<PaymentFrequency>) -> i128 {
    match frequency {
        Some(PaymentFrequency::Weekly) => 52,
        Some(PaymentFrequency::Biweekly) => 26,
        Some(PaymentFrequency::SemiMonthly) => 24,
        Some(PaymentFrequency::Quarterly) => 4,
        Some(PaymentFrequency::Monthly | PaymentFrequency::OneOff) | None => 12,
    }
}

/// Divides by a positive number and rounds to the nearest; a half goes to the even neighbour.
fn div_half_even(value: i128, divisor: i128) -> i128 {
    let (floor, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

/// What falls due in the days after the date. A schedule is part of the current snapshot only: for a date
/// before it the answer is not known, and from an account that is no longer reported it is not to be trusted.
pub fn due_within(population: &Population<'_>, days: u64) -> Outcome {
    let scheduled: Vec<_> = paying(population).filter(|seen| seen.account.next_due_date.is_some()).collect();
    if scheduled.iter().any(|seen| seen.account.as_of_date > population.as_of) {
        return Err(NullReason::InsufficientHistory);
    }
    let fresh: Vec<_> = scheduled.iter().filter(|seen| !seen.is_stale(population.as_of)).collect();
    if fresh.is_empty() && !scheduled.is_empty() {
        return Err(NullReason::Stale);
    }
    number(sum(fresh.into_iter().map(|seen| due_of(seen, population.as_of, days))))
}

/// Periods of a schedule that are followed: over a year of weekly payments past a due date that was not moved.
const MAX_PERIODS: u32 = 64;

fn due_of(seen: &Seen<'_>, as_of: NaiveDate, days: u64) -> Sen {
    let account = seen.account;
    let (Some(first), Some(last)) = (account.next_due_date, as_of.checked_add_days(Days::new(days))) else {
        return Sen::ZERO;
    };
    let amount_of = |period: u32| match period {
        0 => account.next_due_amount.or(account.instalment_amount),
        _ => account.instalment_amount.or(account.next_due_amount),
    };
    let left = match (account.instalments_total, account.instalments_paid) {
        (Some(total), Some(paid)) => u32::from(total.saturating_sub(paid)),
        _ => MAX_PERIODS,
    };
    let due: i128 = (0..left.min(MAX_PERIODS))
        .map_while(|period| Some((period, due_date(first, account.payment_frequency, period)?)))
        .take_while(|(_, due)| *due <= last)
        .filter(|(_, due)| *due > as_of)
        .filter_map(|(period, _)| amount_of(period))
        .map(|amount| i128::from(amount.0))
        .sum();
    Sen(clamp(due).min(seen.now.outstanding.0))
}

/// The due date so many periods after the first; `None` when there is no such period.
fn due_date(first: NaiveDate, frequency: Option<PaymentFrequency>, period: u32) -> Option<NaiveDate> {
    let days = |step: u32| first.checked_add_days(Days::new(u64::from(step * period)));
    let months = |step: u32| first.checked_add_months(Months::new(step * period));
    match frequency {
        _ if period == 0 => Some(first),
        Some(PaymentFrequency::Weekly) => days(7),
        Some(PaymentFrequency::Biweekly) => days(14),
        // Twice a month: the same day of each month, and fifteen days after it.
        Some(PaymentFrequency::SemiMonthly) => first
            .checked_add_months(Months::new(period / 2))?
            .checked_add_days(Days::new(u64::from(period % 2) * 15)),
        Some(PaymentFrequency::Monthly) => months(1),
        Some(PaymentFrequency::Quarterly) => months(3),
        Some(PaymentFrequency::OneOff) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{AS_OF, account, day, owes, value};
    use super::*;
    use crate::domain::contract::ProductType;
    use crate::domain::history::Account;

    #[test]
    fn what_is_open_is_added_up() {
        let accounts = [
            owes(account("plan-1"), 300_00, 0),
            owes(account("plan-2"), 150_00, 50_00),
            owes(Account { product_type: ProductType::PersonalLoan, ..account("loan") }, 2_000_00, 0),
        ];
        assert_eq!(value(&accounts, "active_account_count"), Ok(3));
        assert_eq!(value(&accounts, "active_bnpl_plan_count"), Ok(2));
        assert_eq!(value(&accounts, "active_contributor_count"), Ok(1));
        assert_eq!(value(&accounts, "total_outstanding"), Ok(2_450_00));
        assert_eq!(value(&accounts, "bnpl_outstanding"), Ok(450_00));
        assert_eq!(value(&accounts, "total_overdue"), Ok(50_00));
    }

    #[test]
    fn a_written_off_balance_is_open_until_it_is_paid_and_a_sold_one_is_the_buyers() {
        let ended = |status, outstanding| {
            let mut account = owes(account("ended"), outstanding, 0);
            account.months[0].status = status;
            value(&[account], "active_account_count")
        };
        assert_eq!(ended(AccountStatus::WrittenOff, 80_00), Ok(1));
        assert_eq!(ended(AccountStatus::WrittenOff, 0), Ok(0));
        assert_eq!(ended(AccountStatus::Sold, 80_00), Ok(0));
        assert_eq!(ended(AccountStatus::Active, 0), Ok(1));
    }

    #[test]
    fn utilisation_is_over_revolving_accounts_with_a_limit() {
        let line = |limit| Account {
            portfolio_type: PortfolioType::Revolving,
            credit_limit: limit,
            ..owes(account("line"), 100_00, 0)
        };
        let accounts = [line(Some(Sen(300_00))), owes(account("plan"), 900_00, 0)];
        assert_eq!(value(&accounts, "total_limit"), Ok(300_00));
        assert_eq!(value(&accounts, "utilisation_bps"), Ok(3_333), "a third, rounded down");
        assert_eq!(value(&[line(None)], "utilisation_bps"), Err(NullReason::NoOpenAccount));
        assert_eq!(value(&[line(None)], "total_limit"), Ok(0));
    }

    #[test]
    fn a_month_carries_its_share_of_every_schedule() {
        use PaymentFrequency::*;
        let pays = |sen, frequency| Account {
            instalment_amount: Some(Sen(sen)),
            payment_frequency: Some(frequency),
            ..owes(account("plan"), 1_000_00, 0)
        };
        for (sen, frequency, expected) in [
            (12_00, Weekly, 52_00),
            (12_00, Biweekly, 26_00),
            (12_00, SemiMonthly, 24_00),
            (12_00, Monthly, 12_00),
            (12_00, Quarterly, 4_00),
            (12_00, OneOff, 12_00),
            (3, Biweekly, 6),  // 6.5 to the even 6
            (9, Biweekly, 20), // 19.5 to the even 20
            (1, Quarterly, 0), // 0.33
            (5, Quarterly, 2), // 1.67
        ] {
            let got = value(&[pays(sen, frequency)], "monthly_obligation");
            assert_eq!(got, Ok(expected), "{sen} sen {frequency}");
        }
        // Rounded once: two halves make a whole.
        let two = [pays(3, Biweekly), pays(3, Biweekly)];
        assert_eq!(value(&two, "monthly_obligation"), Ok(13));
        // Nothing owed, nothing to pay.
        assert_eq!(value(&[owes(pays(12_00, Weekly), 0, 0)], "monthly_obligation"), Ok(0));
    }

    /// A pay-in-four plan: RM25 every two weeks, the next on 5 July; as of 30 June.
    fn pay_in_four() -> Account {
        Account {
            next_due_date: Some(day("2026-07-05")),
            next_due_amount: Some(Sen(25_00)),
            instalment_amount: Some(Sen(25_00)),
            payment_frequency: Some(PaymentFrequency::Biweekly),
            instalments_total: Some(4),
            instalments_paid: Some(2),
            ..owes(account("plan"), 50_00, 0)
        }
    }

    #[test]
    fn instalments_due_soon_follow_the_schedule() {
        let due = |account: Account| {
            let accounts = [account];
            (value(&accounts, "due_next_14d").unwrap(), value(&accounts, "due_next_30d").unwrap())
        };
        assert_eq!(due(pay_in_four()), (25_00, 50_00), "5 July; 5 and 19 July");
        assert_eq!(
            due(Account { instalments_paid: Some(3), ..pay_in_four() }),
            (25_00, 25_00),
            "one is left"
        );
        assert_eq!(due(owes(pay_in_four(), 40_00, 0)), (25_00, 40_00), "never more than is owed");
        assert_eq!(
            due(Account { next_due_date: Some(day(AS_OF)), ..pay_in_four() }),
            (25_00, 25_00),
            "14 July"
        );
        assert_eq!(due(Account { next_due_date: Some(day("2026-07-31")), ..pay_in_four() }), (0, 0));
        assert_eq!(
            due(Account { payment_frequency: None, ..pay_in_four() }),
            (25_00, 25_00),
            "the next alone"
        );
    }

    #[test]
    fn a_schedule_is_not_told_for_a_day_before_it_or_long_after() {
        let later = Account { as_of_date: day("2026-07-31"), ..pay_in_four() };
        assert_eq!(value(&[later], "due_next_30d"), Err(NullReason::InsufficientHistory));
        let mut silent = pay_in_four();
        silent.months[0].as_of_date = day("2026-05-15");
        assert_eq!(value(&[silent.clone()], "due_next_30d"), Err(NullReason::Stale));
        assert_eq!(value(&[silent, pay_in_four()], "due_next_30d"), Ok(50_00), "the fresh one is told");
    }

    #[test]
    fn month_ends_stay_month_ends() {
        let monthly = |period| due_date(day("2026-01-31"), Some(PaymentFrequency::Monthly), period);
        assert_eq!([monthly(1), monthly(2)], [Some(day("2026-02-28")), Some(day("2026-03-31"))]);
        let twice = |period| due_date(day("2026-01-01"), Some(PaymentFrequency::SemiMonthly), period);
        let days = [twice(0), twice(1), twice(2)].map(|day| day.unwrap().to_string());
        assert_eq!(days, ["2026-01-01", "2026-01-16", "2026-02-01"]);
    }
}
