//! The grid: 24 months of one account at a glance.

use chrono::NaiveDate;

use super::population::Seen;
use crate::domain::contract::AccountStatus;
use crate::domain::dates::month_number;
use crate::domain::history::Month;

/// Months in a grid, the month of the date included.
pub const GRID_MONTHS: i32 = 24;

impl Seen<'_> {
    /// One character per month, newest first; position 0 is the month of the date (`domain.md` 6.3).
    ///
    /// `0` dpd 0 · `1` 1-29 · `2` 30-59 · `3` 60-89 · `4` 90-119 · `5` 120-149 · `6` 150-179 · `7` 180 or more ·
    /// `W` written off · `C` closed · `-` not reported · `B` before opening · `D` disputed. A month without a report
    /// after the account closed is `C`; after a write-off, which ends nothing for the debtor, it is `-`.
    pub fn grid(&self, as_of: NaiveDate) -> String {
        let current = month_number(as_of);
        (current - GRID_MONTHS + 1..=current).rev().map(|month| self.cell(month, as_of)).collect()
    }

    fn cell(&self, month: i32, as_of: NaiveDate) -> char {
        let opened = month_number(self.account.opened_date);
        if self.account.contributor_dispute && month >= opened {
            return 'D';
        }
        if let Some(reported) = self.months.iter().find(|known| known.number() == month) {
            return of_report(reported);
        }
        let closed = self.closed_by(as_of).is_some_and(|closed| month >= month_number(closed));
        match closed && self.now.status != AccountStatus::WrittenOff {
            true => 'C',
            false if month < opened => 'B',
            false => '-',
        }
    }
}

fn of_report(month: &Month) -> char {
    match (month.status, month.dpd) {
        (AccountStatus::WrittenOff, _) => 'W',
        (AccountStatus::Active, 0) => '0',
        (AccountStatus::Active, 1..=29) => '1',
        (AccountStatus::Active, 30..=59) => '2',
        (AccountStatus::Active, 60..=89) => '3',
        (AccountStatus::Active, 90..=119) => '4',
        (AccountStatus::Active, 120..=149) => '5',
        (AccountStatus::Active, 150..=179) => '6',
        (AccountStatus::Active, 180..) => '7',
        _ => 'C',
    }
}

#[cfg(test)]
mod tests {
    use super::super::Population;
    use super::super::fixtures::{account, day, with_dpds};
    use super::*;
    use crate::domain::history::Account;

    fn grid(account: &Account, as_of: &str) -> String {
        let accounts = [account.clone()];
        Population::at(&accounts, &[], day(as_of)).seen[0].grid(day(as_of))
    }

    /// Ten months of every bucket, opened in September 2025, then nothing before.
    fn every_bucket() -> Account {
        let dpds = "0 1 29 30 60 90 120 150 179 180";
        Account { opened_date: day("2025-09-20"), ..with_dpds(account("a"), dpds) }
    }

    #[test]
    fn each_bucket_has_its_character_and_before_opening_is_b() {
        assert_eq!(grid(&every_bucket(), "2026-06-30"), "0112345667BBBBBBBBBBBBBB");
    }

    #[test]
    fn position_zero_is_the_month_of_the_date() {
        assert_eq!(grid(&every_bucket(), "2026-07-01"), "-0112345667BBBBBBBBBBBBB");
        assert_eq!(grid(&every_bucket(), "2026-05-31"), "112345667BBBBBBBBBBBBBBB");
        // In the middle of May, the report as of 31 May is not known.
        assert_eq!(grid(&every_bucket(), "2026-05-15"), "-12345667BBBBBBBBBBBBBBB");
    }

    #[test]
    fn gaps_write_offs_and_closures_are_told() {
        let mut closed =
            with_dpds(Account { opened_date: day("2025-12-01"), ..account("a") }, "0 0 0 5 0 0 0");
        closed.closed_date = Some(day("2026-04-10"));
        closed.months[2].status = AccountStatus::Settled;
        closed.months.drain(..2); // reported until April
        closed.months.remove(2); // February was not reported
        assert_eq!(grid(&closed, "2026-06-30"), format!("CCC1-00{}", "B".repeat(17)));

        let mut written_off =
            with_dpds(Account { opened_date: day("2026-03-01"), ..account("a") }, "0 200 170 140");
        written_off.closed_date = Some(day("2026-05-20"));
        written_off.months[1].status = AccountStatus::WrittenOff;
        written_off.months.remove(0);
        assert_eq!(grid(&written_off, "2026-06-30"), format!("-W65{}", "B".repeat(20)));
    }

    #[test]
    fn a_disputed_account_shows_d_since_it_opened() {
        let disputed = Account { contributor_dispute: true, ..every_bucket() };
        let seen = Seen { account: &disputed, months: &disputed.months, now: &disputed.months[0] };
        assert_eq!(seen.grid(day("2026-06-30")), format!("{}{}", "D".repeat(10), "B".repeat(14)));
    }
}
