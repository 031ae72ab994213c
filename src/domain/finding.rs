//! A finding: one rule that a record, a set of records or a file broke.

use std::borrow::Cow;

use super::contract::Field;
use super::rules::Code;

/// What a broken rule does (`domain.md` 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, utoipa::ToSchema)]
pub enum Severity {
    /// Recorded and scored; the record is accepted.
    #[serde(rename = "W")]
    Warning,
    /// Holds the batch until the contributor confirms or explains.
    #[serde(rename = "W*")]
    Hold,
    /// The record, or at file level the whole batch, is rejected.
    #[serde(rename = "R")]
    Reject,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "W",
            Severity::Hold => "W*",
            Severity::Reject => "R",
        }
    }
}

/// One broken rule, with the place that shows it. The text lives in the catalogue ([`super::rules`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    /// The severity of this case; a few rules are milder in a named case (`domain.md` 6.2).
    pub severity: Severity,
    pub field: Option<Field>,
    /// What was seen where that helps, already free of personal data (a count, a date, a code word).
    pub detail: Option<Cow<'static, str>>,
}

impl Finding {
    /// A finding of the rule's own severity at one field.
    pub fn at(code: Code, field: Field) -> Finding {
        Finding { code, severity: code.severity(), field: Some(field), detail: None }
    }

    /// A finding about the whole record or file.
    pub fn whole(code: Code) -> Finding {
        Finding { code, severity: code.severity(), field: None, detail: None }
    }

    /// The same finding, milder: a named case of the rule only warns.
    pub fn as_warning(mut self) -> Finding {
        self.severity = Severity::Warning;
        self
    }

    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Finding {
        self.detail = Some(detail.into());
        self
    }

    pub fn rejects(&self) -> bool {
        self.severity == Severity::Reject
    }

    /// Whether it rejects a record for its identifiers (F019): the family I.
    pub fn rejects_identity(&self) -> bool {
        self.rejects() && self.code.as_str().starts_with('I')
    }
}
