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

const fn of_values(code: Code, check: Check) -> RowRule {
    RowRule { code, check, about_absence: false }
}

const fn of_absence(code: Code, check: Check) -> RowRule {
    RowRule { code, check, about_absence: true }
}

/// Every cross-field rule that one row can answer, in the order of their codes.
pub const ROW_RULES: &[RowRule] = &[
    of_values(Code::X001, x001),
    of_values(Code::X002, x002),
    of_values(Code::X003, x003),
    of_absence(Code::X004, x004),
    of_values(Code::X005, x005),
    of_values(Code::X006, x006),
    of_values(Code::X007, x007),
    of_values(Code::X008, x008),
    of_absence(Code::X009, x009),
    of_absence(Code::X010, x010),
    of_absence(Code::X011, x011),
    of_values(Code::X012, x012),
    of_absence(Code::X013, x013),
    of_absence(Code::X014, x014),
    of_values(Code::X015, x015),
    of_absence(Code::X016, x016),
    of_values(Code::X017, x017),
    of_values(Code::X018, x018),
    of_absence(Code::X019, x019),
    of_values(Code::X020, x020),
    of_absence(Code::X021, x021),
    of_values(Code::X022, x022),
    of_absence(Code::X023, x023),
    of_values(Code::X024, x024),
    of_values(Code::X025, x025),
    of_values(Code::X026, x026),
    of_values(Code::X027, x027),
    of_values(Code::X029, x029),
    of_values(Code::X031, x031),
];

/// Runs every cross-field rule over one row and adds what they find to `findings`.
pub fn check_row(record: &AccountSnapshot<'_>, context: &RowContext<'_>, findings: &mut Vec<Finding>) {
    for rule in ROW_RULES {
        if let Some(finding) = (rule.check)(record, context)
            && !(rule.about_absence && reads_an_unreadable_cell(rule.code, record))
        {
            findings.push(finding);
        }
    }
}

/// Whether a field that the rule reads was sent but not understood. Then its absence from the record is our
/// reading, not the contributor's omission, and the field rule's finding says what to mend.
fn reads_an_unreadable_cell(code: Code, record: &AccountSnapshot<'_>) -> bool {
    super::rule(code).fields.iter().any(|field| record.was_unreadable(*field))
}

#[cfg(test)]
mod tests;
