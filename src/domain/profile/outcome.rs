//! Outcome: how accounts ended, and flags on those that have not.

use chrono::NaiveDate;

use super::catalogue::Outcome;
use super::population::{Population, Seen, number, sum};
use crate::domain::contract::AccountStatus;
use crate::domain::history::{Account, Month};
use crate::domain::money::Sen;

/// The oldest month known in which the account had a status.
fn first_reported<'a>(seen: &Seen<'a>, status: AccountStatus) -> Option<&'a Month> {
    seen.months.iter().rev().find(|month| month.status == status)
}

/// Written off on which day and for how much, as known by the date; `None` when it was not. The amount of an
/// account that named none is what it owed when the write-off was first reported.
fn write_off(seen: &Seen<'_>, as_of: NaiveDate) -> Option<(NaiveDate, Sen)> {
    let reported = first_reported(seen, AccountStatus::WrittenOff);
    let named = seen.account.write_off_date.filter(|day| *day <= as_of);
    let day = named.or(reported.map(|month| month.as_of_date))?;
    let amount = seen.account.write_off_amount.or(reported.map(|month| month.outstanding));
    Some((day, amount.unwrap_or(Sen::ZERO)))
}

fn write_offs_24m(population: &Population<'_>) -> impl Iterator<Item = Sen> {
    population
        .seen
        .iter()
        .filter_map(|seen| write_off(seen, population.as_of))
        .filter(|(day, _)| population.within_months(*day, 24))
        .map(|(_, amount)| amount)
}

pub fn write_offs(population: &Population<'_>) -> Outcome {
    population.require_window(24)?;
    number(write_offs_24m(population).count())
}

pub fn write_off_amount(population: &Population<'_>) -> Outcome {
    population.require_window(24)?;
    number(sum(write_offs_24m(population)))
}

/// Accounts that stand in a settled status at the date and came to it within the window.
fn settled(population: &Population<'_>, status: AccountStatus, months: i32) -> Outcome {
    let came_to_it = |seen: &&Seen<'_>| {
        let named = seen.account.settled_date.or(seen.account.closed_date);
        let day = named.filter(|day| *day <= population.as_of);
        let reported = || first_reported(seen, status).map(|month| month.as_of_date);
        day.or_else(reported).is_some_and(|day| population.within_months(day, months))
    };
    let standing = population.seen.iter().filter(|seen| seen.now.status == status);
    number(standing.filter(came_to_it).count())
}

pub fn settled_12m(population: &Population<'_>) -> Outcome {
    settled(population, AccountStatus::Settled, 12)
}

pub fn settled_short_24m(population: &Population<'_>) -> Outcome {
    settled(population, AccountStatus::SettledShort, 24)
}

fn flagged(population: &Population<'_>, flag: fn(&Account) -> bool) -> Outcome {
    number(population.open().filter(|seen| flag(seen.account)).count())
}

pub fn restructured_open(population: &Population<'_>) -> Outcome {
    flagged(population, |account| account.restructured)
}

pub fn hardship_open(population: &Population<'_>) -> Outcome {
    flagged(population, |account| account.hardship)
}

pub fn legal_action_open(population: &Population<'_>) -> Outcome {
    flagged(population, |account| account.legal_action)
}

/// What is overdue of the accounts that are listed. A listing is live or gone, nothing is kept of the days on which one
/// stood: it is told while the date is not before the snapshot that it stands in.
fn listings(population: &Population<'_>) -> impl Iterator<Item = Sen> {
    let told = population.open().filter(|seen| seen.account.as_of_date <= population.as_of);
    told.filter_map(|seen| seen.account.listed)
}

pub fn listing_count(population: &Population<'_>) -> Outcome {
    number(listings(population).count())
}

pub fn listing_amount(population: &Population<'_>) -> Outcome {
    number(sum(listings(population)))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{account, day, owes, value, value_at, with_dpds};
    use super::*;

    fn ended(status: AccountStatus, outstanding: i64) -> Account {
        let mut account = owes(account("ended"), outstanding, 0);
        account.months[0].status = status;
        account
    }

    #[test]
    fn write_offs_are_counted_by_their_day() {
        let written_off = |day_text: &str, amount| Account {
            write_off_date: Some(day(day_text)),
            write_off_amount: amount,
            ..ended(AccountStatus::WrittenOff, 300_00)
        };
        let accounts = [
            written_off("2026-01-10", Some(Sen(500_00))),
            written_off("2024-07-01", None), // first day of the window; owed RM300 when reported
            written_off("2024-06-30", Some(Sen(900_00))),
        ];
        assert_eq!(value(&accounts, "write_off_count_24m"), Ok(2));
        assert_eq!(value(&accounts, "write_off_amount_24m"), Ok(800_00));
    }

    #[test]
    fn a_write_off_that_was_paid_later_stays_a_fact() {
        let paid = Account { write_off_date: Some(day("2026-01-10")), ..ended(AccountStatus::Settled, 0) };
        assert_eq!(value(&[paid], "write_off_count_24m"), Ok(1));
    }

    #[test]
    fn settlements_count_by_kind_and_window() {
        let settled =
            |status, day_text: &str| Account { closed_date: Some(day(day_text)), ..ended(status, 0) };
        let accounts = [
            settled(AccountStatus::Settled, "2026-06-01"),
            settled(AccountStatus::Settled, "2025-07-01"),
            settled(AccountStatus::Settled, "2025-06-30"),
            settled(AccountStatus::SettledShort, "2024-07-01"),
            settled(AccountStatus::SettledShort, "2024-06-30"),
            settled(AccountStatus::Closed, "2026-06-01"),
        ];
        assert_eq!(value(&accounts, "settled_count_12m"), Ok(2));
        assert_eq!(value(&accounts, "settled_short_24m"), Ok(1));
    }

    #[test]
    fn a_settlement_is_not_known_before_its_day() {
        let mut account = with_dpds(account("a"), "0 0");
        account.months[0].status = AccountStatus::Settled;
        account.closed_date = Some(day("2026-06-20"));
        let accounts = [account];
        assert_eq!(value_at(&accounts, "2026-06-30", "settled_count_12m"), Ok(1));
        assert_eq!(value_at(&accounts, "2026-06-10", "settled_count_12m"), Ok(0));
        assert_eq!(value_at(&accounts, "2026-06-10", "active_account_count"), Ok(1));
    }

    #[test]
    fn flags_count_on_open_accounts_only() {
        let flags = Account { restructured: true, hardship: true, legal_action: true, ..account("a") };
        let open = owes(flags.clone(), 10_00, 0);
        let mut closed = owes(flags, 0, 0);
        closed.months[0].status = AccountStatus::Closed;
        for name in ["restructured_open", "hardship_open", "legal_action_open"] {
            assert_eq!(value(&[open.clone(), closed.clone()], name), Ok(1), "{name}");
        }
    }

    #[test]
    fn listings_count_with_what_is_overdue_until_the_date_is_before_their_snapshot() {
        let listed = |n: &str, sen| Account { listed: Some(Sen(sen)), ..owes(account(n), sen + 500, sen) };
        let accounts = [listed("a", 200_00), listed("b", 150_00), owes(account("c"), 900_00, 300_00)];
        assert_eq!(value(&accounts, "listing_count"), Ok(2));
        assert_eq!(value(&accounts, "listing_amount"), Ok(350_00));
        assert_ne!(value_at(&accounts, "2026-06-15", "listing_count"), Ok(2));
    }
}
