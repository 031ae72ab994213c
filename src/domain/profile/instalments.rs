//! Instalments: how late each one was paid, as payments tell. Only accounts whose contributor sends payments with the due
//! date of the instalment have any; a report at the end of the month cannot tell them.

use chrono::{Days, NaiveDate};

use super::NullReason;
use super::catalogue::Outcome;
use super::population::{Population, Seen, number};
use crate::domain::contract::{PaymentFrequency, PortfolioType};
use crate::domain::dates::month_number;
use crate::domain::events::INSTALMENTS_KEPT;
use crate::domain::history::Account;

/// A first instalment so many days late is a default (`domain.md` 6.3).
const DEFAULT_DPD: u16 = 30;

/// An instalment that was due by the date, as it stood then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub on: NaiveDate,
    /// Until it was paid, or until the date where it was paid later.
    pub days_late: u16,
    /// The day on which it was as late as that: its payment, or the date.
    pub reached: NaiveDate,
}

impl Seen<'_> {
    /// The instalments that payments tell of and that were due by the date.
    pub fn due_by(&self, as_of: NaiveDate) -> impl Iterator<Item = Due> {
        self.account.instalments.iter().filter(move |told| told.due_date <= as_of).map(move |told| {
            let known = as_of.signed_duration_since(told.due_date).num_days();
            let days_late = told.days_late.min(u16::try_from(known).unwrap_or(u16::MAX));
            let reached = told.due_date.checked_add_days(Days::new(days_late.into())).unwrap_or(as_of);
            Due { on: told.due_date, days_late, reached }
        })
    }

    /// Fails when instalments of the window may have been forgotten: only the last ones are kept.
    pub fn require_instalments(&self, population: &Population<'_>, months: i32) -> Result<(), NullReason> {
        let told = &self.account.instalments;
        let first = population.month() - months + 1;
        match told.last() {
            Some(oldest) if told.len() >= INSTALMENTS_KEPT && month_number(oldest.due_date) >= first => {
                Err(NullReason::InsufficientHistory)
            }
            _ => Ok(()),
        }
    }
}

/// Accounts opened in the window whose first instalment was 30 days or more late.
pub fn first_payment_defaults(population: &Population<'_>) -> Outcome {
    const WINDOW: i32 = 12;
    population.require_window(WINDOW)?;
    let young = population.seen.iter().filter(|seen| {
        seen.account.portfolio_type == PortfolioType::Instalment
            && population.within_months(seen.account.opened_date, WINDOW)
    });
    number(young.filter(|seen| defaulted_at_once(seen, population.as_of)).count())
}

/// A report names no instalment, but the day on which the oldest unpaid one was due is so many days back, and while
/// none was paid the first one is among the unpaid.
fn defaulted_at_once(seen: &Seen<'_>, as_of: NaiveDate) -> bool {
    let first_by = first_due_by(seen.account);
    let is_first = |due: NaiveDate| first_by.is_none_or(|by| due <= by);
    let none_paid = seen.account.instalments_paid == Some(0);
    let reported = seen.months.iter().filter(|month| month.dpd >= DEFAULT_DPD).any(|month| {
        let oldest_unpaid = month.as_of_date.checked_sub_days(Days::new(month.dpd.into()));
        none_paid || oldest_unpaid.is_some_and(is_first)
    });
    reported || seen.due_by(as_of).any(|due| due.days_late >= DEFAULT_DPD && is_first(due.on))
}

/// The last day on which a first instalment falls due: one payment period after the opening. `None` where there is no
/// other instalment that it could be mistaken for.
fn first_due_by(account: &Account) -> Option<NaiveDate> {
    let period = match account.payment_frequency {
        Some(PaymentFrequency::OneOff) => return None,
        Some(PaymentFrequency::Weekly) => 7,
        Some(PaymentFrequency::Biweekly) => 14,
        Some(PaymentFrequency::SemiMonthly) => 16,
        Some(PaymentFrequency::Monthly) | None => 31,
        Some(PaymentFrequency::Quarterly) => 92,
    };
    account.opened_date.checked_add_days(Days::new(period))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{account, day, paying, value, value_at, with_dpds};
    use super::*;

    /// Opened in March, paid monthly from April on.
    fn plan() -> Account {
        Account {
            opened_date: day("2026-03-10"),
            payment_frequency: Some(PaymentFrequency::Monthly),
            ..account("plan")
        }
    }

    #[test]
    fn an_instalment_is_as_late_as_was_known_at_the_date() {
        let account = paying(with_dpds(plan(), "0"), "2026-04-10:40 2026-05-10:0");
        let seen_at = |as_of: &str| {
            let (accounts, as_of) = ([account.clone()], day(as_of));
            let population = Population::at(&accounts, &[], as_of);
            let told = population.seen[0].due_by(as_of).map(|due| format!("{}:{}", due.on, due.days_late));
            told.collect::<Vec<_>>()
        };
        assert_eq!(seen_at("2026-06-30"), ["2026-05-10:0", "2026-04-10:40"]);
        let june = Account { months: with_dpds(plan(), "0 0 0").months, ..account.clone() };
        let (accounts, as_of) = ([june], day("2026-04-30"));
        let population = Population::at(&accounts, &[], as_of);
        let due: Vec<_> = population.seen[0].due_by(as_of).collect();
        assert_eq!(due, [Due { on: day("2026-04-10"), days_late: 20, reached: as_of }]);
    }

    #[test]
    fn a_first_instalment_that_was_paid_a_month_late_is_a_default() {
        let defaults = |plan: Account| value(&[with_dpds(plan, "0 0 0")], "first_payment_default_12m");
        assert_eq!(defaults(paying(plan(), "2026-04-10:30")), Ok(1));
        assert_eq!(defaults(paying(plan(), "2026-04-10:29")), Ok(0));
        assert_eq!(defaults(paying(plan(), "2026-04-10:0 2026-05-10:45")), Ok(0), "the second one");
        assert_eq!(
            defaults(Account { portfolio_type: PortfolioType::Open, ..paying(plan(), "2026-04-10:99") }),
            Ok(0)
        );
        let old = Account { opened_date: day("2025-06-30"), ..plan() };
        assert_eq!(defaults(paying(old, "2025-07-30:99")), Ok(0), "opened thirteen months ago");
    }

    #[test]
    fn reports_tell_of_a_first_instalment_that_nobody_paid() {
        let defaults =
            |plan: Account, dpds: &str| value(&[with_dpds(plan, dpds)], "first_payment_default_12m");
        // Due on 10 April: 51 days before the end of May.
        assert_eq!(defaults(plan(), "0 51 20"), Ok(1), "paid in June, and late");
        assert_eq!(defaults(plan(), "30 0 0"), Ok(0), "due on 31 May: a later one");
        let unpaid = Account { instalments_paid: Some(0), ..plan() };
        assert_eq!(defaults(unpaid, "30 0 0"), Ok(1), "it began late, and none was paid");
        let once = Account { payment_frequency: Some(PaymentFrequency::OneOff), ..plan() };
        assert_eq!(defaults(once, "30 0 0"), Ok(1), "there is no other");
    }

    #[test]
    fn a_default_of_later_is_not_told_of_an_earlier_date() {
        let plan = paying(with_dpds(plan(), "0 0 0"), "2026-04-10:35");
        let told = |as_of| value_at(std::slice::from_ref(&plan), as_of, "first_payment_default_12m");
        assert_eq!((told("2026-05-09"), told("2026-05-10")), (Ok(0), Ok(1)));
    }
}
