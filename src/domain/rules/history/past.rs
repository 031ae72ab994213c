//! What is known of an account before a row arrives, what the rules read of the row, and the step from one to the
//! next when a row is accepted.

use chrono::NaiveDate;

use crate::domain::contract::{AccountStatus, FieldSet, PortfolioType, ProductType, SettlementType};
use crate::domain::dates::month_number;
use crate::domain::history::{self, Month};
use crate::domain::money::Sen;

/// What one snapshot says of the account itself. Kept of the latest accepted snapshot, read from the arriving one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub as_of_date: NaiveDate,
    pub opened_date: NaiveDate,
    pub product_type: ProductType,
    pub portfolio_type: PortfolioType,
    /// ISO 4217.
    pub currency: [u8; 3],
    pub original_amount: Option<Sen>,
    pub status: AccountStatus,
    pub dpd: u16,
    pub outstanding: Sen,
    pub overdue: Sen,
    pub fees_outstanding: Option<Sen>,
    pub instalments_paid: Option<u16>,
    pub first_delinquency_date: Option<NaiveDate>,
    pub write_off_amount: Option<Sen>,
    pub restructured: bool,
    /// Fields that the contributor did not send and a constant of its terms filled in.
    pub imputed: FieldSet,
}

impl Facts {
    fn month(&self) -> Month {
        Month {
            as_of_date: self.as_of_date,
            status: self.status,
            dpd: self.dpd,
            outstanding: self.outstanding,
            overdue: self.overdue,
        }
    }
}

/// A row that passed its own rules and is now compared with its account's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arriving {
    pub facts: Facts,
    pub credit_limit: Option<Sen>,
    /// What was paid since the previous snapshot, as the row states it.
    pub amount_paid_period: Option<Sen>,
    pub settlement_type: Option<SettlementType>,
    /// The contributor says that the account is in dispute.
    pub contributor_dispute: bool,
}

/// An account that was accepted before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The latest snapshot.
    pub latest: Facts,
    /// Newest first, one per calendar month, the latest snapshot among them.
    pub months: Vec<Month>,
}

/// What repayment events moved on one day, or between two. Amounts are sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Movements {
    /// Payments, settlements and recoveries.
    pub paid: Sen,
    /// Payments that were taken back.
    pub reversed: Sen,
    pub refunded: Sen,
    pub written_off: Sen,
    pub restructured: bool,
    pub settled: bool,
}

impl Movements {
    fn add(self, other: &Movements) -> Movements {
        let sum = |a: Sen, b: Sen| Sen(a.0.saturating_add(b.0));
        Movements {
            paid: sum(self.paid, other.paid),
            reversed: sum(self.reversed, other.reversed),
            refunded: sum(self.refunded, other.refunded),
            written_off: sum(self.written_off, other.written_off),
            restructured: self.restructured || other.restructured,
            settled: self.settled || other.settled,
        }
    }
}

/// Everything that is known of an account before a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// `None`: no snapshot of the account was accepted yet.
    pub known: Option<Known>,
    /// The account's events, summed by value date, in any order.
    pub events: Vec<(NaiveDate, Movements)>,
    /// What the account was on the row's day was deleted, and its tombstone stands.
    pub deleted: bool,
    /// A dispute about the account is open.
    pub disputed: bool,
}

impl Past {
    /// The newest accepted state of a day before the given one.
    pub fn before(&self, day: NaiveDate) -> Option<&Month> {
        self.known.as_ref()?.months.iter().find(|month| month.as_of_date < day)
    }

    /// The months of earlier calendar months than the given day's, newest first.
    pub fn earlier_months(&self, day: NaiveDate) -> impl Iterator<Item = &Month> {
        let number = month_number(day);
        let months = self.known.as_ref().map_or(&[][..], |known| &known.months);
        months.iter().filter(move |month| month.number() < number)
    }

    /// The latest snapshot, if the row is of a later day.
    pub fn outdated_by(&self, row: &Arriving) -> Option<&Facts> {
        let latest = &self.known.as_ref()?.latest;
        (latest.as_of_date < row.facts.as_of_date).then_some(latest)
    }

    /// What events moved between the state before the row and the row's own day; for the first row of an account
    /// everything up to that day.
    pub fn movements_until(&self, row: &Arriving) -> Movements {
        let day = row.facts.as_of_date;
        let after = self.before(day).map(|month| month.as_of_date);
        self.events
            .iter()
            .filter(|(on, _)| *on <= day && after.is_none_or(|after| *on > after))
            .fold(Movements::default(), |sum, (_, movements)| sum.add(movements))
    }

    /// Goes on as if the row had been accepted.
    pub fn step(&mut self, row: &Arriving) {
        let facts = row.facts;
        match &mut self.known {
            None => self.known = Some(Known { latest: facts, months: vec![facts.month()] }),
            Some(known) => {
                if history::becomes_current(known.latest.as_of_date, facts.as_of_date) {
                    known.latest = facts;
                }
                known.months = history::merge(&known.months, facts.month());
            }
        }
    }
}
