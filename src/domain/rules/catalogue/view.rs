//! A rule as contributors see it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::Value;

use super::{Example, Rule, base_record, example};
use crate::domain::contract::Dataset;
use crate::domain::finding::Severity;
use crate::domain::rules::Level;

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
    pub title: Text,
    /// The datasets whose batches the rule looks at.
    pub datasets: Vec<Dataset>,
    /// The fields that the rule reads, the one to mend first. Empty where it may be any field, or none.
    pub fields: Vec<&'static str>,
    /// What is wrong.
    pub message: Text,
    /// What to do about it.
    pub remedy: Text,
    /// Batches received before this day are not judged by the rule.
    pub enabled_from: NaiveDate,
    /// The bureau may make the rule milder for one contributor, for a time.
    pub overridable: bool,
    /// Asked for by itself, a rule comes with an example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
    /// The records that the rows of the example differ from, by dataset.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub base_records: BTreeMap<Dataset, Value>,
}

impl RuleView {
    /// The rule with its example.
    pub fn with_example(rule: &Rule) -> RuleView {
        let example = example(rule.code).cloned();
        let datasets = example.iter().flat_map(Example::datasets);
        let base_records = datasets.map(|dataset| (dataset, base_record(dataset))).collect();
        RuleView { example, base_records, ..RuleView::from(rule) }
    }
}

impl From<&Rule> for RuleView {
    fn from(rule: &Rule) -> RuleView {
        RuleView {
            code: rule.code.as_str(),
            severity: rule.code.severity(),
            level: rule.code.level(),
            title: Text { en: rule.title_en, ms: rule.title_ms },
            datasets: rule.datasets().to_vec(),
            fields: rule.fields.iter().map(|field| field.name()).collect(),
            message: Text { en: rule.message_en, ms: rule.message_ms },
            remedy: Text { en: rule.remedy_en, ms: rule.remedy_ms },
            enabled_from: rule.enabled_from,
            overridable: rule.overridable,
            example: None,
            base_records: BTreeMap::new(),
        }
    }
}
