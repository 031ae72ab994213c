//! The catalogue: what each of the 141 rules means and what to do about it, in English and in Malay, with an
//! example that breaks it and one that passes.
//!
//! Written for the engineer at the contributor's who has to mend an export. The texts say nothing of the
//! record at hand; what was seen there is in the finding.

use chrono::NaiveDate;

use crate::domain::contract::{Dataset, Field};

use super::Code;

mod application;
mod cross_field;
mod cross_record;
mod event;
mod example;
mod field;
mod file;
mod history;
mod identity;
mod policy;
mod view;

pub use example::{Example, ExampleStep, ExampleSubmission, ExampleTerms, base_record, example};
pub use view::{RuleView, Text};

/// The version of the rules as a whole. Every verdict names it; it changes with any rule that could change
/// a verdict.
pub const RULES_VERSION: &str = "2026.11.3";

/// The day from which the rules of the first rule set speak.
const LAUNCH: NaiveDate = match NaiveDate::from_ymd_opt(2026, 11, 24) {
    Some(day) => day,
    None => panic!("a day of the calendar"),
};

/// What a rule looks at, by the letter of its code: file (F), value (V), identity (I), cross-field (X), row set (S),
/// past (P), event (E), application (A), law (L).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
pub enum Family {
    F,
    V,
    I,
    X,
    S,
    P,
    E,
    A,
    L,
}

/// A rule's entry in the catalogue. Severity and level belong to the code itself.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub code: Code,
    pub title_en: &'static str,
    pub title_ms: &'static str,
    pub message_en: &'static str,
    pub message_ms: &'static str,
    pub remedy_en: &'static str,
    pub remedy_ms: &'static str,
    /// The fields that the rule reads, the one to mend first. Empty where it may be any field, or none.
    pub fields: &'static [Field],
    /// Batches received before this day are not judged by the rule.
    pub enabled_from: NaiveDate,
    /// An operator may make the rule milder for one contributor, or take it off. Not so where the rule guards whose
    /// data it is, the shape of the contract, what the store could not hold otherwise, a person, or the law:
    ///
    /// - F: only the doubts about a plausible change (F020 to F026). The rest is about bytes, sender and period, or
    ///   has a term of its own (F011, F018, F019).
    /// - V: not what leaves a field unread or a key unusable (V001 to V004, V010, V014, V015).
    /// - I: only doubts that honest books raise (I004, I009, I016). A wrong identifier is another person.
    /// - X: all but the shape of a snapshot (X001, X002), the licence (X026) and the status' own day (X031).
    /// - S: only the warnings. Two versions of one record cannot both be served.
    /// - P: not what would rewrite the past: keys, holders, re-aging, reinsertion, order (P001 to P003, P011, P012,
    ///   P017), nor a person's dispute (P018).
    /// - E, A: not what makes an event or application another one, or moves money that is not there.
    /// - L: nothing.
    pub overridable: bool,
}

/// The families, in the order of their codes.
const FAMILIES: [&[Rule]; 9] = [
    file::RULES,
    field::RULES,
    identity::RULES,
    cross_field::RULES,
    cross_record::RULES,
    history::RULES,
    event::RULES,
    application::RULES,
    policy::RULES,
];

/// Every entry, each at the place of its code: a missing or misplaced one does not compile.
static ALL: [Rule; Code::COUNT] = {
    let mut all = [FAMILIES[0][0]; Code::COUNT];
    let (mut next, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut i = 0;
        while i < FAMILIES[family].len() {
            all[next] = FAMILIES[family][i];
            assert!(all[next].code as usize == next);
            next += 1;
            i += 1;
        }
        family += 1;
    }
    assert!(next == Code::COUNT);
    all
};

/// Every entry, in the order of the codes.
pub static RULES: &[Rule] = &ALL;

/// The entry of a code.
#[inline]
pub fn rule(code: Code) -> &'static Rule {
    &ALL[code as usize]
}

impl Rule {
    /// The family that the code's letter names.
    pub fn family(&self) -> Family {
        match self.code.as_str().as_bytes()[0] {
            b'F' => Family::F,
            b'V' => Family::V,
            b'I' => Family::I,
            b'X' => Family::X,
            b'S' => Family::S,
            b'P' => Family::P,
            b'E' => Family::E,
            b'A' => Family::A,
            _ => Family::L,
        }
    }

    /// The datasets whose batches the rule looks at.
    pub fn datasets(&self) -> &'static [Dataset] {
        use Dataset::{AccountSnapshot, Application, RepaymentEvent};
        const SNAPSHOTS: &[Dataset] = &[AccountSnapshot];
        const ABOUT_PERSONS: &[Dataset] = &[AccountSnapshot, Application];
        match (self.family(), self.code) {
            // What a book as a whole shows from period to period.
            (_, Code::F014 | Code::F020 | Code::F021 | Code::F022 | Code::F023 | Code::F024 | Code::F026) => {
                SNAPSHOTS
            }
            (_, Code::V007 | Code::V008 | Code::V010 | Code::V015 | Code::I013 | Code::I015) => SNAPSHOTS,
            (_, Code::F019 | Code::V012 | Code::V013 | Code::V017 | Code::L009) => ABOUT_PERSONS,
            (Family::F | Family::V, _) | (_, Code::L003) => Dataset::ALL,
            (Family::I, _) => ABOUT_PERSONS,
            (Family::E, _) => &[RepaymentEvent],
            (Family::A, _) => &[Application],
            _ => SNAPSHOTS,
        }
    }
}

#[cfg(test)]
mod tests;
