//! The rules: what is wrong with a row, with the rows of a batch together, or with a batch as a whole.
//!
//! Rules are pure functions, named by their permanent codes ([`Code`], `domain.md` 6.2), and speak only
//! through [`Finding`](super::finding::Finding)s. They run in stages, by what they may look at:
//!
//! | stage | families | looks at | here |
//! |---|---|---|---|
//! | envelope | F001, F002, F010, F011, F017, L003 | declaration, sender | [`envelope_findings`] |
//! | reception | F003, F012, F015, F027 | bytes, keys, earlier batches | where a submission is taken |
//! | decoding | F004 to F006, F016 | bytes and columns | where bytes become rows |
//! | field | V, I | one cell, one identity | `field`, `identity` |
//! | row | X, and L of rows | the cells of one row | [`check_row`], [`check_policy`] |
//! | row | E, A | an event, an application, alone and against its account or its past | `events`, `applications` |
//! | row set | S, I015, I016 | the rows of one batch | [`RowSet`] |
//! | file | the other F rules | counts and totals of one batch | [`check_file`] |
//! | history | P, X028, X030 | the account's accepted past | [`history::check_history`] |
//!
//! [`rule`] tells what a code means and what to do about it, in English and Malay.

pub mod applications;
mod catalogue;
mod code;
mod completeness;
mod cross_field;
mod cross_record;
pub mod events;
pub mod field;
mod file;
pub mod history;
pub mod identity;
mod policy;
mod policy_content;

pub use catalogue::{
    Example, ExampleStep, ExampleSubmission, ExampleTerms, Family, RULES, RULES_VERSION, Rule, RuleView,
    Text, base_record, example, rule,
};
pub use code::{Code, Level};
pub use completeness::{expected_and_missing, missing_conditional_fields};
pub use cross_field::{Check, ROW_RULES, RowContext, RowRule, check_row};
pub use cross_record::{RowSet, RowSetOutcome, Spill};
pub use file::{
    ARREARS_DPD, Absences, Admission, BookFacts, Concentration, Declared, FileFacts, Precedents,
    PublishedBook, check_file, check_precedents, envelope_findings, is_whole_book,
};
pub use policy::{
    Effect, LONGEST_OVERRIDE_DAYS, RuleOverride, RulePolicy, Softened, is_summable, may_soften,
};
pub use policy_content::{check_policy, l007};

#[cfg(test)]
mod real_book_tests;
