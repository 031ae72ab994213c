//! Freshness: how old the reports are that a profile speaks from.

use chrono::NaiveDate;

use super::population::{Population, Seen};

/// Days without a report after which a monthly reported account is stale (`domain.md` 6.3).
pub const STALE_AFTER_DAYS: i64 = 45;

/// How recent the facts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The latest report among the accounts.
    pub newest_as_of: Option<NaiveDate>,
    /// The account reported longest ago among the open ones; a closed account needs no news.
    pub oldest_as_of: Option<NaiveDate>,
    /// Open accounts without a report for more than [`STALE_AFTER_DAYS`] days.
    pub stale_accounts: u32,
}

impl Freshness {
    pub fn of(population: &Population<'_>) -> Freshness {
        let reported = |seen: &Seen<'_>| seen.now.as_of_date;
        Freshness {
            newest_as_of: population.seen.iter().map(reported).max(),
            oldest_as_of: population.open().map(reported).min(),
            stale_accounts: population.open().filter(|seen| seen.is_stale(population.as_of)).count() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attributes;
    use super::super::fixtures::{account, day, with_dpds};
    use crate::domain::contract::AccountStatus;
    use crate::domain::history::Account;

    #[test]
    fn an_open_account_is_stale_after_forty_five_days() {
        let reported = |text: &str, status| -> Account {
            let mut account = with_dpds(account(text), "0");
            account.months[0].as_of_date = day(text);
            account.months[0].status = status;
            account
        };
        let accounts = [
            reported("2026-06-30", AccountStatus::Active),
            reported("2026-05-16", AccountStatus::Active), // 45 days
            reported("2026-05-15", AccountStatus::Active), // 46 days
            reported("2025-01-31", AccountStatus::Settled),
        ];
        let freshness = attributes(&accounts, &[], day("2026-06-30")).freshness;
        assert_eq!(freshness.newest_as_of, Some(day("2026-06-30")));
        assert_eq!(freshness.oldest_as_of, Some(day("2026-05-15")));
        assert_eq!(freshness.stale_accounts, 1);
    }
}
