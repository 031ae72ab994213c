//! Velocity: how fast a subject asks for and takes on new credit, and how much of it at once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::catalogue::Outcome;
use super::population::{Population, Seen, distinct_contributors, number, sum};
use crate::ids::ContributorId;

/// Days, the date included, that the longest window of applications spans.
pub const APPLICATION_DAYS: i64 = 90;

/// That a person applied for credit: with whom and on which day in Malaysia. What was decided is nobody else's business;
/// an application that was withdrawn is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applied {
    pub contributor_id: ContributorId,
    pub applied_on: NaiveDate,
}

/// Each contributor and day once: who is asked three times by one checkout applied once.
fn applied_within(population: &Population<'_>, days: i64) -> BTreeSet<Applied> {
    let applications = population.applications.iter();
    applications.filter(|applied| population.within_days(applied.applied_on, days)).copied().collect()
}

pub fn applications(population: &Population<'_>, days: i64) -> Outcome {
    number(applied_within(population, days).len())
}

pub fn applied_contributors_30d(population: &Population<'_>) -> Outcome {
    let contributors = applied_within(population, 30).into_iter().map(|applied| applied.contributor_id);
    number(contributors.collect::<BTreeSet<_>>().len())
}

/// Whether anything is known of applications.
pub fn has_applied(population: &Population<'_>) -> bool {
    !applied_within(population, APPLICATION_DAYS).is_empty()
}

fn opened_within<'s, 'a>(population: &'s Population<'a>, days: i64) -> impl Iterator<Item = &'s Seen<'a>> {
    population.seen.iter().filter(move |seen| population.within_days(seen.account.opened_date, days))
}

pub fn opened(population: &Population<'_>, days: i64) -> Outcome {
    number(opened_within(population, days).count())
}

pub fn originated_30d(population: &Population<'_>) -> Outcome {
    number(sum(opened_within(population, 30).filter_map(|seen| seen.account.original_amount)))
}

pub fn same_day_opens_30d(population: &Population<'_>) -> Outcome {
    let mut by_day: BTreeMap<NaiveDate, usize> = BTreeMap::new();
    for seen in opened_within(population, 30) {
        *by_day.entry(seen.account.opened_date).or_default() += 1;
    }
    number(by_day.into_values().max().unwrap_or(0))
}

pub fn stacking_contributors(population: &Population<'_>) -> Outcome {
    number(distinct_contributors(population.open_bnpl()))
}

/// Counts on the days on which the number can rise: the first day of the window and every opening in it.
pub fn max_concurrent_bnpl_90d(population: &Population<'_>) -> Outcome {
    const WINDOW: i64 = 90;
    // Each as days before the date: from the opening down to the day before the end, which is exclusive.
    let spans: Vec<(i64, i64)> = population
        .seen
        .iter()
        .filter(|seen| seen.account.product_type.is_bnpl())
        .map(|seen| {
            let ended = ended(seen, population.as_of).map_or(-1, |day| population.days_ago(day));
            (population.days_ago(seen.account.opened_date), ended)
        })
        .collect();
    let rises = spans.iter().map(|(opened, _)| (*opened).min(WINDOW - 1)).filter(|day| *day >= 0);
    let open_on = |day: i64| spans.iter().filter(|(opened, ended)| *opened >= day && *ended < day).count();
    number(rises.map(open_on).max().unwrap_or(0))
}

/// The day from which an account no longer counts; `None` while it is open. An account that ended without
/// telling when is taken to have ended on the day of that report.
fn ended(seen: &Seen<'_>, as_of: NaiveDate) -> Option<NaiveDate> {
    if seen.now.is_open() {
        return None;
    }
    let reported = seen.months.iter().take_while(|month| !month.is_open()).last();
    seen.closed_by(as_of).or(reported.map(|month| month.as_of_date))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{AS_OF, account, contributor, day, number_of, value, with_dpds};
    use super::super::{Applied, HitStatus, attributes};
    use crate::domain::contract::{AccountStatus, ProductType};
    use crate::domain::history::Account;
    use crate::domain::money::Sen;

    fn opened_on(opened: &str) -> Account {
        Account {
            opened_date: day(opened),
            original_amount: Some(Sen(200_00)),
            ..with_dpds(account(opened), "0")
        }
    }

    fn closed(account: Account, closed: &str) -> Account {
        let mut account = Account { closed_date: Some(day(closed)), ..account };
        account.months[0].status = AccountStatus::Settled;
        account
    }

    #[test]
    fn the_thirty_days_end_with_the_date_and_begin_on_the_first_of_june() {
        let accounts = ["2026-06-30", "2026-06-01", "2026-05-31", "2026-04-02", "2026-04-01", "2026-01-02"];
        let accounts = accounts.map(opened_on);
        assert_eq!(value(&accounts, "opened_30d"), Ok(2));
        assert_eq!(value(&accounts, "opened_90d"), Ok(4), "from 2 April on");
        assert_eq!(value(&accounts, "opened_180d"), Ok(6));
        assert_eq!(value(&accounts, "originated_amount_30d"), Ok(400_00));
    }

    #[test]
    fn several_openings_on_one_day_stand_out() {
        let accounts = ["2026-06-10", "2026-06-10", "2026-06-10", "2026-06-11", "2026-04-01"].map(opened_on);
        assert_eq!(value(&accounts, "same_day_opens_30d"), Ok(3));
        assert_eq!(value(&[opened_on("2026-04-01")], "same_day_opens_30d"), Ok(0));
    }

    #[test]
    fn the_peak_of_concurrent_plans_is_found() {
        // Two plans in April that never met a third in June; one closed on the day another opened.
        let accounts = [
            closed(opened_on("2026-04-05"), "2026-04-20"),
            closed(opened_on("2026-04-10"), "2026-05-01"),
            closed(opened_on("2026-04-20"), "2026-04-25"),
            opened_on("2026-06-15"),
        ];
        assert_eq!(value(&accounts, "max_concurrent_bnpl_90d"), Ok(2));
        let more = [
            accounts,
            [
                opened_on("2026-04-12"),
                opened_on("2026-04-13"),
                opened_on("2025-01-01"),
                closed(opened_on("2025-01-01"), "2026-04-01"),
            ],
        ]
        .concat();
        assert_eq!(value(&more, "max_concurrent_bnpl_90d"), Ok(5), "on 13 April");
    }

    #[test]
    fn plans_that_began_before_the_window_count_in_it() {
        let accounts = [opened_on("2025-01-01"), opened_on("2025-02-01")];
        assert_eq!(value(&accounts, "max_concurrent_bnpl_90d"), Ok(2));
        let loans = accounts.map(|plan| Account { product_type: ProductType::PersonalLoan, ..plan });
        assert_eq!(value(&loans, "max_concurrent_bnpl_90d"), Ok(0));
    }

    #[test]
    fn applications_count_once_a_day_with_each_contributor() {
        let applied = |n, on: &str| Applied { contributor_id: contributor(n), applied_on: day(on) };
        let applications = [
            applied(1, "2026-06-30"),
            applied(1, "2026-06-30"),
            applied(2, "2026-06-30"),
            applied(1, "2026-06-24"),
            applied(1, "2026-06-23"),
            applied(3, "2026-06-01"),
            applied(4, "2026-05-31"),
            applied(4, "2026-04-02"),
            applied(5, "2026-04-01"),
            applied(1, "2026-07-01"),
        ];
        let told = |as_of: &str| {
            let profile = attributes(&[], &applications, day(as_of));
            let names =
                ["applications_7d", "applications_30d", "applications_90d", "applied_contributors_30d"];
            (names.map(|name| number_of(&profile, name).unwrap()), profile.hit_status)
        };
        assert_eq!(told(AS_OF), ([3, 5, 7, 3], HitStatus::Thin));
        assert_eq!(told("2026-04-01"), ([1, 1, 1, 1], HitStatus::Thin));
        assert_eq!(told("2026-03-31"), ([0, 0, 0, 0], HitStatus::NoHit));
    }

    #[test]
    fn stacking_is_counted_over_contributors() {
        let at = |n, account| Account { contributor_id: contributor(n), ..account };
        let accounts = [
            at(1, opened_on("2026-06-01")),
            at(1, opened_on("2026-06-02")),
            at(2, opened_on("2026-06-03")),
            at(3, closed(opened_on("2026-05-01"), "2026-06-01")),
            at(4, Account { product_type: ProductType::Rental, ..opened_on("2026-06-01") }),
        ];
        assert_eq!(value(&accounts, "stacking_contributors_now"), Ok(2));
    }
}
