//! Which accounts count at a date, and what of them was known then.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::catalogue::Outcome;
use super::freshness::STALE_AFTER_DAYS;
use super::velocity::Applied;
use super::{NullReason, Value};
use crate::domain::contract::{AccountStatus, HolderRole};
use crate::domain::dates::month_number;
use crate::domain::history::{Account, MONTHS_KEPT, Month};
use crate::domain::money::Sen;

/// The accounts that a profile at a date is computed from.
#[derive(Debug)]
pub struct Population<'a> {
    pub as_of: NaiveDate,
    /// Visible accounts, most recently opened first.
    pub seen: Vec<Seen<'a>>,
    /// Accounts that would be visible but are in dispute.
    pub disputed: usize,
    /// What the person applied for, of whatever day.
    pub applications: &'a [Applied],
}

/// An account as it was known at the date.
#[derive(Debug)]
pub struct Seen<'a> {
    pub account: &'a Account,
    /// Months up to the date, newest first; never empty.
    pub months: &'a [Month],
    /// The newest of them: the state at the date.
    pub now: &'a Month,
}

impl<'a> Population<'a> {
    /// Guarantors do not owe and CANCELLED accounts never were; both are left out (`domain.md` 6.3). Disputed
    /// accounts are hidden and counted (`domain.md` 6.5).
    pub fn at(accounts: &'a [Account], applications: &'a [Applied], as_of: NaiveDate) -> Population<'a> {
        let seen = Vec::with_capacity(accounts.len());
        let mut population = Population { as_of, seen, disputed: 0, applications };
        for account in accounts {
            let Some(seen) = Seen::at(account, as_of) else { continue };
            if account.holder_role == HolderRole::Guarantor || seen.now.status == AccountStatus::Cancelled {
                continue;
            }
            match account.contributor_dispute {
                true => population.disputed += 1,
                false => population.seen.push(seen),
            }
        }
        // One order, whatever the order of the rows.
        population.seen.sort_by(|a, b| {
            let key = |seen: &Seen<'a>| (seen.account.contributor_id, seen.account.account_ref.as_str());
            b.account.opened_date.cmp(&a.account.opened_date).then_with(|| key(a).cmp(&key(b)))
        });
        population
    }

    /// Why there is nothing to tell, if so.
    pub fn absence(&self) -> Option<NullReason> {
        match (self.seen.is_empty(), self.disputed) {
            (false, _) => None,
            (true, 0) => Some(NullReason::NoRecord),
            (true, _) => Some(NullReason::AllDisputed),
        }
    }

    pub fn open(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.seen.iter().filter(|seen| seen.now.is_open())
    }

    pub fn open_bnpl(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.open().filter(|seen| seen.account.product_type.is_bnpl())
    }

    pub fn contributors(&self) -> usize {
        distinct_contributors(self.seen.iter())
    }

    /// The calendar month of the date.
    pub fn month(&self) -> i32 {
        month_number(self.as_of)
    }

    /// Calendar months between a month and the month of the date.
    pub fn months_ago(&self, month: i32) -> i32 {
        self.month() - month
    }

    /// Fails when a window of so many months reaches further back than what is kept of some account. That
    /// can only be so for a date before the account's newest month.
    pub fn require_window(&self, months: i32) -> Result<(), NullReason> {
        let first = self.month() - months + 1;
        let reaches = |seen: &Seen<'_>| seen.forgotten_before().is_none_or(|kept_from| first >= kept_from);
        if self.seen.iter().all(reaches) { Ok(()) } else { Err(NullReason::InsufficientHistory) }
    }

    /// Days before the date; negative for a later day.
    pub fn days_ago(&self, day: NaiveDate) -> i64 {
        self.as_of.signed_duration_since(day).num_days()
    }

    /// Whether a day is among the given number of days that end with the date.
    pub fn within_days(&self, day: NaiveDate, days: i64) -> bool {
        (0..days).contains(&self.days_ago(day))
    }

    /// Whether a day lies in the window of calendar months that ends with the date.
    pub fn within_months(&self, day: NaiveDate, months: i32) -> bool {
        day <= self.as_of && self.months_ago(month_number(day)) < months
    }
}

impl<'a> Seen<'a> {
    /// `None` when nothing was reported of the account up to the date.
    fn at(account: &'a Account, as_of: NaiveDate) -> Option<Seen<'a>> {
        let first = account.months.iter().position(|month| month.as_of_date <= as_of)?;
        let months = &account.months[first..];
        Some(Seen { account, months, now: &months[0] })
    }

    /// Months of the window of `months` calendar months that ends with the date, newest first.
    pub fn window(&self, population: &Population<'_>, months: i32) -> impl Iterator<Item = &'a Month> {
        let current = population.month();
        self.months.iter().filter(move |month| current - month.number() < months)
    }

    /// The state at the end of an earlier calendar month, if known.
    pub fn at_end_of(&self, month: i32) -> Option<&'a Month> {
        self.months.iter().find(|known| known.number() <= month)
    }

    /// The first calendar month of which the store still knows everything, when older ones may have existed:
    /// history is kept for a fixed time before the newest month.
    fn forgotten_before(&self) -> Option<i32> {
        let newest = self.account.months.first()?.number();
        let kept_from = newest - MONTHS_KEPT as i32 + 1;
        (month_number(self.account.opened_date) < kept_from).then_some(kept_from)
    }

    /// The day on which the account closed, as far as it had by the date.
    pub fn closed_by(&self, as_of: NaiveDate) -> Option<NaiveDate> {
        self.account.closed_date.filter(|closed| *closed <= as_of)
    }

    /// Whether a month says something about conduct: the account still ran, or closed in that month. Reports
    /// of an account that closed earlier repeat its end and would dilute every ratio.
    pub fn is_observed(&self, month: &Month) -> bool {
        match month.status {
            AccountStatus::Active | AccountStatus::WrittenOff => true,
            _ => self.account.closed_date.is_none_or(|closed| month.number() <= month_number(closed)),
        }
    }

    pub fn is_stale(&self, as_of: NaiveDate) -> bool {
        as_of.signed_duration_since(self.now.as_of_date).num_days() > STALE_AFTER_DAYS
    }
}

pub fn distinct_contributors<'s, 'a: 's>(accounts: impl Iterator<Item = &'s Seen<'a>>) -> usize {
    accounts.map(|seen| seen.account.contributor_id).collect::<BTreeSet<_>>().len()
}

pub fn number(value: impl TryInto<i64>) -> Outcome {
    Ok(Value::Number(value.try_into().unwrap_or(i64::MAX)))
}

/// An exact sum, clamped to what an answer can hold.
pub fn sum(amounts: impl Iterator<Item = Sen>) -> i64 {
    clamp(amounts.map(|amount| i128::from(amount.0)).sum())
}

pub fn clamp(exact: i128) -> i64 {
    exact.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// A share in basis points, rounded down; `None` of nothing.
pub fn bps(part: i128, whole: i128) -> Option<i64> {
    (whole > 0).then(|| clamp(part.saturating_mul(10_000).div_euclid(whole)))
}
