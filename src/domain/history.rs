//! One account over time: its current snapshot and up to 24 reported months.
//!
//! This is all that the serving store knows of an account, and all that a profile is computed from. The
//! database merges months set-wise, or folds the journal of accepted snapshots; [`merge`] is the same rule in its plainest
//! form, and the tests hold the two together.

use chrono::NaiveDate;

use super::contract::{
    AccountStatus, HolderRole, PaymentFrequency, PortfolioType, ProductType, SettlementType,
};
use super::dates::month_number;
use super::events::{Instalment, Standing};
use super::money::Sen;
use crate::ids::{ContributorId, SubjectId};

/// Calendar months of history that are kept, the newest included.
pub const MONTHS_KEPT: usize = 24;

/// What a contributor reported of an account for one calendar month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// The day that the report describes; its calendar month is the reporting month.
    pub as_of_date: NaiveDate,
    pub status: AccountStatus,
    /// Days past due on that day, from the oldest unpaid due date.
    pub dpd: u16,
    pub outstanding: Sen,
    pub overdue: Sen,
}

impl Month {
    pub fn number(&self) -> i32 {
        month_number(self.as_of_date)
    }

    /// Open: running, or written off with something still owed (`domain.md` 6.3). A running account with a
    /// zero balance is open; what a SOLD account owes is counted at the buyer.
    pub fn is_open(&self) -> bool {
        match self.status {
            AccountStatus::Active => true,
            AccountStatus::WrittenOff => self.outstanding.is_positive(),
            _ => false,
        }
    }

    /// Paid as agreed at the reporting date. A written-off month never is, whatever its dpd says.
    pub fn is_on_time(&self) -> bool {
        self.dpd == 0 && self.status != AccountStatus::WrittenOff
    }
}

/// An account as one holder has it: the newest accepted snapshot and the months behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub contributor_id: ContributorId,
    pub account_ref: String,
    pub subject_id: SubjectId,
    pub holder_role: HolderRole,
    pub product_type: ProductType,
    pub portfolio_type: PortfolioType,
    pub status: AccountStatus,
    /// The day on which this status began.
    pub status_date: NaiveDate,
    /// The day that the current snapshot describes.
    pub as_of_date: NaiveDate,
    pub opened_date: NaiveDate,
    pub maturity_date: Option<NaiveDate>,
    pub closed_date: Option<NaiveDate>,
    /// ISO 4217.
    pub currency: String,
    pub original_amount: Option<Sen>,
    pub credit_limit: Option<Sen>,
    pub instalment_amount: Option<Sen>,
    pub payment_frequency: Option<PaymentFrequency>,
    pub instalments_total: Option<u16>,
    pub instalments_paid: Option<u16>,
    pub instalments_overdue: Option<u16>,
    pub outstanding: Sen,
    pub overdue: Sen,
    pub dpd: u16,
    pub first_delinquency_date: Option<NaiveDate>,
    pub next_due_date: Option<NaiveDate>,
    pub next_due_amount: Option<Sen>,
    pub write_off_date: Option<NaiveDate>,
    pub write_off_amount: Option<Sen>,
    pub settled_date: Option<NaiveDate>,
    pub settlement_type: Option<SettlementType>,
    pub restructured: bool,
    pub hardship: bool,
    pub legal_action: bool,
    /// The contributor says that the account is in dispute: it is stored and not served (`domain.md` 6.5).
    pub contributor_dispute: bool,
    /// What is overdue of an account that is listed as an adverse trade reference; `None` when it is not listed
    /// (`domain.md` 6.5).
    pub listed: Option<Sen>,
    /// Newest first, one per calendar month, at most [`MONTHS_KEPT`], all within that many calendar months
    /// of the newest.
    pub months: Vec<Month>,
    /// How late instalments were paid, as payments tell; newest due date first, the last
    /// [`INSTALMENTS_KEPT`](super::events::INSTALMENTS_KEPT) of them.
    pub instalments: Vec<Instalment>,
}

impl Account {
    /// The account after the events that came since its snapshot: the snapshot stays what was reported, and the day of
    /// the last event joins the months as if it had been reported.
    pub fn as_it_stands(self, after: &Standing) -> Account {
        let month = Month {
            as_of_date: after.as_of_date,
            status: after.status,
            dpd: after.dpd,
            outstanding: after.outstanding,
            overdue: after.overdue,
        };
        Account {
            months: merge(&self.months, month),
            status_date: if after.status == self.status { self.status_date } else { after.as_of_date },
            status: after.status,
            as_of_date: after.as_of_date,
            outstanding: after.outstanding,
            overdue: after.overdue,
            dpd: after.dpd,
            next_due_date: after.next_due_date,
            restructured: after.restructured,
            // Nothing overdue, nothing listed; never more than what is still overdue.
            listed: self
                .listed
                .filter(|_| after.overdue.is_positive())
                .map(|listed| listed.min(after.overdue)),
            ..self
        }
    }
}

/// Whether an arriving snapshot becomes the current one: the later day wins, and on the same day the later
/// arrival. An older one only takes its place in the history.
pub fn becomes_current(current_as_of: NaiveDate, arriving_as_of: NaiveDate) -> bool {
    arriving_as_of >= current_as_of
}

/// Puts a month into a history. One entry stays per calendar month: the one of the later day, on the same
/// day the later arrival. What is [`MONTHS_KEPT`] or more calendar months older than the newest falls off,
/// the arriving month included.
pub fn merge(history: &[Month], arriving: Month) -> Vec<Month> {
    let mut months: Vec<Month> = history.to_vec();
    match months.iter_mut().find(|month| month.number() == arriving.number()) {
        Some(known) if arriving.as_of_date >= known.as_of_date => *known = arriving,
        Some(_) => {}
        None => months.push(arriving),
    }
    months.sort_by_key(|month| std::cmp::Reverse(month.as_of_date));
    let newest = months[0].number();
    months.retain(|month| newest - month.number() < MONTHS_KEPT as i32);
    months
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn month(as_of: &str, dpd: u16) -> Month {
        Month {
            as_of_date: as_of.parse().unwrap(),
            status: AccountStatus::Active,
            dpd,
            outstanding: Sen(10_000),
            overdue: Sen(if dpd > 0 { 1_000 } else { 0 }),
        }
    }

    /// The history after the given arrivals, as `date:dpd` words, newest first.
    fn after(arrivals: &[(&str, u16)]) -> String {
        let months =
            arrivals.iter().fold(Vec::new(), |history, (as_of, dpd)| merge(&history, month(as_of, *dpd)));
        let words: Vec<_> = months.iter().map(|m| format!("{}:{}", m.as_of_date, m.dpd)).collect();
        words.join(" ")
    }

    #[test]
    fn months_stand_newest_first_whatever_the_order_of_arrival() {
        let expected = "2026-03-31:3 2026-02-28:2 2026-01-31:1";
        assert_eq!(after(&[("2026-01-31", 1), ("2026-02-28", 2), ("2026-03-31", 3)]), expected);
        assert_eq!(after(&[("2026-03-31", 3), ("2026-01-31", 1), ("2026-02-28", 2)]), expected);
    }

    #[test]
    fn a_month_is_what_its_latest_day_said() {
        assert_eq!(after(&[("2026-01-15", 4), ("2026-01-31", 0)]), "2026-01-31:0");
        assert_eq!(after(&[("2026-01-31", 0), ("2026-01-15", 4)]), "2026-01-31:0");
    }

    #[test]
    fn on_the_same_day_the_later_arrival_wins() {
        assert_eq!(after(&[("2026-01-31", 4), ("2026-01-31", 0)]), "2026-01-31:0");
    }

    #[test]
    fn two_years_are_kept_and_older_months_fall_off() {
        let expected = "2026-01-31:2 2024-02-29:1";
        assert_eq!(after(&[("2024-01-31", 9), ("2024-02-29", 1), ("2026-01-31", 2)]), expected);
        // A month that arrives when it is already too old leaves no trace.
        assert_eq!(after(&[("2024-02-29", 1), ("2026-01-31", 2), ("2024-01-31", 9)]), expected);
    }

    #[test]
    fn a_late_arrival_of_an_older_day_is_not_the_current_snapshot() {
        let day = |text: &str| text.parse().unwrap();
        assert!(becomes_current(day("2026-01-31"), day("2026-02-28")));
        assert!(becomes_current(day("2026-01-31"), day("2026-01-31")));
        assert!(!becomes_current(day("2026-01-31"), day("2026-01-30")));
    }

    proptest! {
        /// Whatever arrives: newest first, one per calendar month, within two years, the newest day present.
        #[test]
        fn a_history_keeps_its_shape(days in prop::collection::vec(0i64..1500, 1..60)) {
            let epoch: NaiveDate = "2022-01-01".parse().unwrap();
            let mut history = Vec::new();
            for (dpd, day) in days.iter().enumerate() {
                let as_of_date = epoch + chrono::TimeDelta::days(*day);
                history = merge(&history, Month { as_of_date, ..month("2022-01-01", dpd as u16) });
            }
            prop_assert!(history.len() <= MONTHS_KEPT);
            prop_assert!(history.windows(2).all(|pair| pair[0].number() > pair[1].number()));
            let newest = epoch + chrono::TimeDelta::days(*days.iter().max().unwrap());
            prop_assert_eq!(history[0].as_of_date, newest);
            prop_assert!(history.iter().all(|m| history[0].number() - m.number() < MONTHS_KEPT as i32));
        }
    }
}
