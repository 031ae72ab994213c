//! Conduct: how regularly a subject paid as agreed, over what was observed in twelve months.

use std::collections::BTreeMap;

use super::NullReason;
use super::catalogue::Outcome;
use super::population::{Population, Seen, bps, number};
use crate::domain::contract::ProductType;
use crate::domain::history::Month;

const WINDOW: i32 = 12;

/// The observed account-months of accounts of some kind.
fn observed<'a>(population: &Population<'a>, kind: fn(ProductType) -> bool) -> Vec<&'a Month> {
    population
        .seen
        .iter()
        .filter(|seen| kind(seen.account.product_type))
        .flat_map(|seen| seen.window(population, WINDOW).filter(|month| seen.is_observed(month)))
        .collect()
}

fn any(_: ProductType) -> bool {
    true
}

/// What was due in the window, and how much of it was paid on time.
#[derive(Clone, Copy, Debug, Default)]
struct Conduct {
    due: usize,
    on_time: usize,
}

impl Conduct {
    fn add(&mut self, on_time: bool) {
        self.due += 1;
        self.on_time += usize::from(on_time);
    }

    fn ratio(self) -> Outcome {
        number(bps(self.on_time as i128, self.due as i128).ok_or(NullReason::InsufficientHistory)?)
    }
}

/// By account-months alone.
fn by_months(population: &Population<'_>, kind: fn(ProductType) -> bool) -> Result<Conduct, NullReason> {
    population.require_window(WINDOW)?;
    let mut conduct = Conduct::default();
    observed(population, kind).into_iter().for_each(|month| conduct.add(month.is_on_time()));
    Ok(conduct)
}

/// By the instalments of an account, where payments tell of any in the window. What is late now was due as well, and no
/// payment tells of it.
fn by_instalments(seen: &Seen<'_>, population: &Population<'_>) -> Result<Option<Conduct>, NullReason> {
    seen.require_instalments(population, WINDOW)?;
    let mut conduct = Conduct::default();
    for due in seen.due_by(population.as_of).filter(|due| population.within_months(due.on, WINDOW)) {
        conduct.add(due.days_late == 0);
    }
    if conduct.due == 0 {
        return Ok(None);
    }
    let is_late = seen.now.is_open() && !seen.now.is_on_time();
    if is_late && population.within_months(seen.now.as_of_date, WINDOW) {
        conduct.add(false);
    }
    Ok(Some(conduct))
}

/// Instalments where payments tell of them, account-months where not.
fn on_time(population: &Population<'_>) -> Result<Conduct, NullReason> {
    population.require_window(WINDOW)?;
    let mut all = Conduct::default();
    for seen in &population.seen {
        match by_instalments(seen, population)? {
            Some(conduct) => {
                all.due += conduct.due;
                all.on_time += conduct.on_time;
            }
            None => seen
                .window(population, WINDOW)
                .filter(|month| seen.is_observed(month))
                .for_each(|month| all.add(month.is_on_time())),
        }
    }
    Ok(all)
}

pub fn on_time_ratio(population: &Population<'_>) -> Outcome {
    on_time(population)?.ratio()
}

pub fn on_time_num(population: &Population<'_>) -> Outcome {
    number(on_time(population)?.on_time)
}

pub fn on_time_den(population: &Population<'_>) -> Outcome {
    number(on_time(population)?.due)
}

/// Calendar months, each with whether all that was observed in it was on time.
fn calendar(population: &Population<'_>) -> Result<BTreeMap<i32, bool>, NullReason> {
    population.require_window(WINDOW)?;
    let mut clean = BTreeMap::new();
    for month in observed(population, any) {
        *clean.entry(month.number()).or_insert(true) &= month.is_on_time();
    }
    Ok(clean)
}

pub fn months_no_arrears(population: &Population<'_>) -> Outcome {
    number(calendar(population)?.values().filter(|clean| **clean).count())
}

pub fn months_observed(population: &Population<'_>) -> Outcome {
    number(calendar(population)?.len())
}

/// Of a product family: without any such account there is no record to speak of.
fn family_ratio(population: &Population<'_>, kind: fn(ProductType) -> bool) -> Outcome {
    match population.seen.iter().any(|seen| kind(seen.account.product_type)) {
        true => by_months(population, kind)?.ratio(),
        false => Err(NullReason::NoRecord),
    }
}

pub fn telco_utility_on_time(population: &Population<'_>) -> Outcome {
    family_ratio(population, |product| {
        use ProductType::*;
        matches!(product, TelcoPostpaid | TelcoDevice | UtilityPower | UtilityWater | UtilityOther)
    })
}

pub fn rental_on_time(population: &Population<'_>) -> Outcome {
    family_ratio(population, |product| product == ProductType::Rental)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{account, day, paying, value, value_at, with_dpds};
    use super::*;
    use crate::domain::contract::AccountStatus;
    use crate::domain::history::Account;

    #[test]
    fn account_months_and_calendar_months_are_different_counts() {
        //                                              June May April March
        let accounts = [with_dpds(account("a"), "0    0   12    0"), with_dpds(account("b"), "0    7")];
        assert_eq!(value(&accounts, "on_time_ratio_12m_num"), Ok(4));
        assert_eq!(value(&accounts, "on_time_ratio_12m_den"), Ok(6));
        assert_eq!(value(&accounts, "on_time_ratio_12m"), Ok(6_666), "two thirds, rounded down");
        assert_eq!(value(&accounts, "months_no_arrears_12m"), Ok(2), "June and March");
        assert_eq!(value(&accounts, "months_no_arrears_12m_den"), Ok(4));
    }

    #[test]
    fn instalments_are_counted_where_payments_tell_of_them() {
        let told =
            paying(with_dpds(account("a"), "0 0 0"), "2026-06-05:0 2026-05-05:3 2026-04-05:0 2025-06-30:9");
        let untold = with_dpds(account("b"), "0 0 5 0");
        let accounts = [told, untold];
        assert_eq!(value(&accounts, "on_time_ratio_12m_num"), Ok(2 + 3));
        assert_eq!(value(&accounts, "on_time_ratio_12m_den"), Ok(3 + 4));
        assert_eq!(value(&accounts, "months_no_arrears_12m_den"), Ok(4), "months are months");
        // On 6 May the instalment of the day before was not paid, and that of June is not due.
        let early = value_at(&accounts[..1], "2026-05-06", "on_time_ratio_12m");
        assert_eq!(early, Ok(3_333), "April was on time; May and June 2025 were not");
    }

    #[test]
    fn what_nobody_paid_was_due_as_well() {
        let late = paying(with_dpds(account("a"), "25 0 0"), "2026-05-05:0 2026-04-05:0");
        assert_eq!(value(std::slice::from_ref(&late), "on_time_ratio_12m_den"), Ok(3));
        assert_eq!(value(std::slice::from_ref(&late), "on_time_ratio_12m"), Ok(6_666));
        // Events that are told no more are not counted for ever.
        let silent = paying(late, "2025-01-05:0");
        assert_eq!(value(&[silent], "on_time_ratio_12m_den"), Ok(3), "three months");
    }

    #[test]
    fn instalments_that_are_no_longer_kept_are_not_called_on_time() {
        let daily: Vec<String> =
            (0..106).map(|back| format!("{}:0", day("2026-06-30") - chrono::TimeDelta::days(back))).collect();
        let many = paying(with_dpds(account("a"), "0 0"), &daily.join(" "));
        assert_eq!(value(&[many], "on_time_ratio_12m"), Err(NullReason::InsufficientHistory));
    }

    #[test]
    fn only_twelve_months_are_looked_at() {
        let accounts = [with_dpds(account("a"), "0 0 0 0 0 0 0 0 0 0 0 0 50")];
        assert_eq!(value(&accounts, "on_time_ratio_12m"), Ok(10_000));
        assert_eq!(value(&accounts, "on_time_ratio_12m_den"), Ok(12));
    }

    #[test]
    fn an_account_that_ended_is_not_on_time_for_ever_after() {
        let mut settled = with_dpds(account("a"), "0 0 0 0 20");
        settled.closed_date = Some(day("2026-03-20"));
        settled.months[..4].iter_mut().for_each(|month| month.status = AccountStatus::Settled);
        assert_eq!(
            value(&[settled.clone()], "on_time_ratio_12m_den"),
            Ok(2),
            "February, and March as it ended"
        );
        assert_eq!(value(&[settled], "on_time_ratio_12m"), Ok(5_000));
    }

    #[test]
    fn a_written_off_month_is_never_on_time() {
        let mut written_off = with_dpds(account("a"), "0 0");
        written_off.months[0].status = AccountStatus::WrittenOff;
        assert_eq!(value(&[written_off], "on_time_ratio_12m"), Ok(5_000));
    }

    #[test]
    fn telco_utilities_and_rent_are_told_apart() {
        let of = |product_type, dpds| with_dpds(Account { product_type, ..account("x") }, dpds);
        let accounts = [
            of(ProductType::TelcoPostpaid, "0 5"),
            of(ProductType::UtilityWater, "0 0"),
            of(ProductType::BnplPlan, "90 60"),
        ];
        assert_eq!(value(&accounts, "telco_util_on_time_12m"), Ok(7_500));
        assert_eq!(value(&accounts, "rental_on_time_12m"), Err(NullReason::NoRecord));
        assert_eq!(value(&[of(ProductType::Rental, "0")], "rental_on_time_12m"), Ok(10_000));
    }

    #[test]
    fn an_account_last_reported_long_ago_says_nothing_about_the_window() {
        let mut silent = with_dpds(account("a"), "0");
        silent.months[0].as_of_date = day("2025-06-30");
        assert_eq!(value(&[silent.clone()], "on_time_ratio_12m"), Err(NullReason::InsufficientHistory));
        assert_eq!(value(&[silent], "on_time_ratio_12m_den"), Ok(0));
    }
}
