//! History rules P001 to P019, with X028 and X030 (`domain.md` 6.2): what a row says against what was accepted of
//! its account before.
//!
//! One function per rule, named by its code. Each looks at the [`Past`] of the account and at the [`Arriving`] row,
//! and keeps quiet where the value that it would compare is not there. Three files, by what a rule is about:
//! `record` (who and what the account is, and whether the row may be told at all), `arrears` (days past due and
//! the dates behind them) and `balance` (amounts, payments, instalments, events).
//!
//! What a row is compared with:
//!
//! - *The state before it* ([`Past::before`]) is the newest accepted snapshot of an earlier day. It is the latest
//!   one for a row that moves the account forward. A row that comes late under a back-fill grant, or whose batch
//!   replaces another, is compared with the month before it.
//! - *The latest snapshot's own facts* (fees, instalments paid, dates, write-off) are kept for the latest day only, so
//!   they are compared with a newer row alone.
//! - Money that moved between the two is what the row states as paid, or what events tell, whichever is more: P014
//!   says where these two part.
//!
//! A value that the contributor never sends and that a constant fills in says nothing: no rule reads it.
//!
//! P009 (an active account that a FULL leaves out) is about rows that are not there: see the file rules.

use chrono::NaiveDate;

use crate::domain::contract::Terms;
use crate::domain::dates::month_number;
use crate::domain::finding::Finding;

use super::Code;

mod arrears;
mod balance;
mod past;
mod record;

pub use arrears::*;
pub use balance::*;
pub use past::{Arriving, Facts, Known, Movements, Past};
pub use record::*;

/// What the rows of a batch are compared under, the same for every row.
#[derive(Clone, Copy, Debug)]
pub struct HistoryContext<'a> {
    pub terms: &'a Terms,
    /// The end of the period whose earlier batch this one takes the place of. That batch's rows, which are of the same
    /// calendar month, are no past of its own.
    pub replaces: Option<NaiveDate>,
    /// The contributor tells repayments by events as well.
    pub sends_events: bool,
}

impl HistoryContext<'_> {
    /// Whether a row of the day belongs to the month that the batch states anew.
    fn restates(&self, as_of: NaiveDate) -> bool {
        self.replaces.is_some_and(|period_end| month_number(period_end) == month_number(as_of))
    }

    /// Whether rows of the day may come although newer ones were accepted: under a back-fill grant, or in a batch
    /// that takes the place of another one of the day's month.
    fn may_look_back(&self, as_of: NaiveDate) -> bool {
        self.restates(as_of) || self.terms.backfill_from.is_some_and(|from| from <= as_of)
    }
}

/// A rule's function: the one finding that it makes of a row, or nothing.
pub type HistoryCheck = fn(&Past, &Arriving, &HistoryContext<'_>) -> Option<Finding>;

/// Every rule that compares a row with its account's past, in the order of their codes.
pub const HISTORY_RULES: &[(Code, HistoryCheck)] = &[
    (Code::X028, x028),
    (Code::X030, x030),
    (Code::P001, p001),
    (Code::P003, p003),
    (Code::P004, p004),
    (Code::P005, p005),
    (Code::P006, p006),
    (Code::P007, p007),
    (Code::P008, p008),
    (Code::P010, p010),
    (Code::P011, p011),
    (Code::P012, p012),
    (Code::P013, p013),
    (Code::P014, p014),
    (Code::P015, p015),
    (Code::P016, p016),
    (Code::P017, p017),
    (Code::P018, p018),
    (Code::P019, p019),
];

/// Runs every history rule over one row and adds what they find to `findings`.
pub fn check_history(past: &Past, row: &Arriving, context: &HistoryContext<'_>, findings: &mut Vec<Finding>) {
    findings.extend(HISTORY_RULES.iter().filter_map(|(_, check)| check(past, row, context)));
}

#[cfg(test)]
mod real_book_tests;
#[cfg(test)]
mod tests;
