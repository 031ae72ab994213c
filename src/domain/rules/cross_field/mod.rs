//! Cross-field rules X001 to X031 (`domain.md` 6.2): what the fields of one row say about each other.
//!
//! One function per rule, named by its code. A rule looks only at values that are there: a missing or
//! unreadable value has its own finding (V001, V002), and a rule that guessed would only repeat it. Where a
//! rule is about absence itself (X013: the amount is missing), it keeps quiet about a cell that was sent but
//! could not be read.
//!
//! Three files, by what a rule is about: [`life`] (dates, status, product), [`arrears`] (overdue, days past
//! due, aging) and [`plan`] (amounts, instalments, payments).
//!
//! Two rules of this family cannot be answered from one row and are therefore not in [`ROW_RULES`]: X028
//! (nothing owed for more than three periods) needs the account's history, X030 (restructured without an
//! event) its events. They stand with the history rules ([`super::history`]).

use chrono::NaiveDate;

use crate::domain::calendar::WorkingDays;
use crate::domain::contract::{AccountSnapshot, Mode, Terms};
use crate::domain::finding::Finding;

use super::Code;

mod arrears;
mod life;
mod plan;

pub use arrears::*;
pub use life::*;
pub use plan::*;

/// What a row is judged against, the same for every row of a batch.
#[derive(Clone, Copy, Debug)]
pub struct RowContext<'a> {
    pub terms: &'a Terms,
    pub mode: Mode,
    /// The last day of the reporting period, as the envelope declares it.
    pub period_end: NaiveDate,
    /// The business day on which the batch was received, so that a replay gives the same verdict.
    pub today: NaiveDate,
    /// By which the contributor's deeds are in time (L005).
    pub working_days: &'a WorkingDays,
}

/// A rule's function: the one finding that it makes of a row, or nothing.
pub type Check = fn(&AccountSnapshot<'_>, &RowContext<'_>) -> Option<Finding>;

/// A row of the table of rules.
#[derive(Clone, Copy, Debug)]
pub struct RowRule {
    pub code: Code,
    pub check: Check,
    /// The rule may speak because a value is absent, so an unreadable cell must not set it off.
    pub about_absence: bool,
}

const OF_VALUES: bool = false;
const OF_ABSENCE: bool = true;

/// Makes the table of the rules, and of the same lines the function that asks them one after the other: called by name
/// they become one piece of code, several times faster than calls through the table.
macro_rules! row_rules {
    ($($code:ident $check:ident $about_absence:ident,)+) => {
        /// Every cross-field rule that one row can answer, in the order of their codes.
        pub const ROW_RULES: &[RowRule] =
            &[$(RowRule { code: Code::$code, check: $check, about_absence: $about_absence }),+];

        /// Runs every cross-field rule over one row and adds what they find to `findings`.
        pub fn check_row(record: &AccountSnapshot<'_>, context: &RowContext<'_>, findings: &mut Vec<Finding>) {
            $(if let Some(finding) = $check(record, context) {
                keep(finding, $about_absence, record, findings);
            })+
        }
    };
}

row_rules! {
    X001 x001 OF_VALUES,
    X002 x002 OF_VALUES,
    X003 x003 OF_VALUES,
    X004 x004 OF_ABSENCE,
    X005 x005 OF_VALUES,
    X006 x006 OF_VALUES,
    X007 x007 OF_VALUES,
    X008 x008 OF_VALUES,
    X009 x009 OF_ABSENCE,
    X010 x010 OF_ABSENCE,
    X011 x011 OF_ABSENCE,
    X012 x012 OF_VALUES,
    X013 x013 OF_ABSENCE,
    X014 x014 OF_ABSENCE,
    X015 x015 OF_VALUES,
    X016 x016 OF_ABSENCE,
    X017 x017 OF_VALUES,
    X018 x018 OF_VALUES,
    X019 x019 OF_ABSENCE,
    X020 x020 OF_VALUES,
    X021 x021 OF_ABSENCE,
    X022 x022 OF_VALUES,
    X023 x023 OF_ABSENCE,
    X024 x024 OF_VALUES,
    X025 x025 OF_VALUES,
    X026 x026 OF_VALUES,
    X027 x027 OF_VALUES,
    X029 x029 OF_VALUES,
    X031 x031 OF_VALUES,
}

#[cold]
fn keep(finding: Finding, about_absence: bool, record: &AccountSnapshot<'_>, findings: &mut Vec<Finding>) {
    if !(about_absence && reads_an_unreadable_cell(finding.code, record)) {
        findings.push(finding);
    }
}

/// Whether a field that the rule reads was sent but not understood. Then its absence from the record is our
/// reading, not the contributor's omission, and the field rule's finding says what to mend.
fn reads_an_unreadable_cell(code: Code, record: &AccountSnapshot<'_>) -> bool {
    super::rule(code).fields.iter().any(|field| record.was_unreadable(*field))
}

#[cfg(test)]
mod tests;
