//! Conduct: how regularly a subject paid as agreed, over what was observed in twelve months.

use std::collections::BTreeMap;

use super::NullReason;
use super::catalogue::Outcome;
use super::population::{Population, bps, number};
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

fn ratio(population: &Population<'_>, kind: fn(ProductType) -> bool) -> Outcome {
    population.require_window(WINDOW)?;
    let months = observed(population, kind);
    let on_time = months.iter().filter(|month| month.is_on_time()).count();
    number(bps(on_time as i128, months.len() as i128).ok_or(NullReason::InsufficientHistory)?)
}

pub fn on_time_ratio(population: &Population<'_>) -> Outcome {
    ratio(population, any)
}

pub fn on_time_months(population: &Population<'_>) -> Outcome {
    population.require_window(WINDOW)?;
    number(observed(population, any).into_iter().filter(|month| month.is_on_time()).count())
}

pub fn observed_months(population: &Population<'_>) -> Outcome {
    population.require_window(WINDOW)?;
    number(observed(population, any).len())
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
        true => ratio(population, kind),
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
    use super::super::fixtures::{account, day, value, with_dpds};
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
