//! The catalogue: what each implemented rule means and what to do about it, in English and in Malay.
//!
//! Written for the engineer at the contributor's who has to mend an export. The texts say nothing of the
//! record at hand; what was seen there is in the finding.

use crate::domain::contract::Field;
use crate::domain::finding::Severity;

use super::{Code, Level};

mod cross_field;
mod cross_record;
mod field;
mod file;
mod identity;

/// The version of the rules as a whole. Every verdict names it; it changes with any rule that could change
/// a verdict.
pub const RULES_VERSION: &str = "2026.11.1";

/// A rule's entry in the catalogue. Severity and level belong to the code itself.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub code: Code,
    pub title_en: &'static str,
    pub message_en: &'static str,
    pub message_ms: &'static str,
    pub remedy_en: &'static str,
    pub remedy_ms: &'static str,
    /// The fields that the rule reads, the one to mend first. Empty where it may be any field, or none.
    pub fields: &'static [Field],
    /// The rule is in the contract but not evaluated yet: it has to look at more than its own level can
    /// see. No finding carries its code.
    pub waits_for: Option<Level>,
}

/// The families, in the order of their codes.
const FAMILIES: [&[Rule]; 5] =
    [file::RULES, field::RULES, identity::RULES, cross_field::RULES, cross_record::RULES];

const COUNT: usize = {
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

static ALL: [Rule; COUNT] = {
    let mut all = [FAMILIES[0][0]; COUNT];
    let (mut next, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut i = 0;
        while i < FAMILIES[family].len() {
            all[next] = FAMILIES[family][i];
            next += 1;
            i += 1;
        }
        family += 1;
    }
    all
};

/// Every entry, in the order of the codes.
pub static RULES: &[Rule] = &ALL;

/// The entry of a code; `None` for a rule that is not implemented.
pub fn rule(code: Code) -> Option<&'static Rule> {
    RULES.binary_search_by_key(&code, |rule| rule.code).ok().map(|position| &RULES[position])
}

/// One text in the bureau's two languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Text {
    pub en: &'static str,
    pub ms: &'static str,
}

/// A rule as it is shown to contributors.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct RuleView {
    /// The permanent code, such as X007.
    pub code: &'static str,
    /// R rejects, W warns, W* holds the batch until it is confirmed. A named case may be milder.
    pub severity: Severity,
    /// What the rule looks at.
    pub level: Level,
    pub title: &'static str,
    /// The fields that the rule reads, the one to mend first. Empty where it may be any field, or none.
    pub fields: Vec<&'static str>,
    /// What is wrong.
    pub message: Text,
    /// What to do about it.
    pub remedy: Text,
    /// Set for a rule that is not evaluated yet, to what it has to wait for.
    pub waits_for: Option<Level>,
}

impl From<&Rule> for RuleView {
    fn from(rule: &Rule) -> RuleView {
        RuleView {
            code: rule.code.as_str(),
            severity: rule.code.severity(),
            level: rule.code.level(),
            title: rule.title_en,
            fields: rule.fields.iter().map(|field| field.name()).collect(),
            message: Text { en: rule.message_en, ms: rule.message_ms },
            remedy: Text { en: rule.remedy_en, ms: rule.remedy_ms },
            waits_for: rule.waits_for,
        }
    }
}

#[cfg(test)]
mod tests;
