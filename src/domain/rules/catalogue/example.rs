//! Examples: for each rule a small story with one submission that breaks it and one that passes. The rule's page
//! shows them, and a test sends them.
//!
//! A row is the base record of its dataset with a few fields changed, so that an example is two or three lines. The
//! people are made up: their numbers are well-formed and nobody's, their names say SYNTHETIC. It is sent on 24 November
//! 2026 unless it says otherwise.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::contract::{Dataset, ProductType};
use crate::domain::rules::Code;

/// What breaks a rule, what passes, and what both need to be understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What happened before, in this order; held batches among them are confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<ExampleStep>,
    pub breaks: ExampleSubmission,
    pub passes: ExampleSubmission,
}

impl Example {
    /// The datasets that its submissions are of, one or more times.
    pub fn datasets(&self) -> impl Iterator<Item = Dataset> {
        let before = self.before.iter().filter_map(|step| match step {
            ExampleStep::Sent(submission) | ExampleStep::InFlight(submission) => Some(submission),
            ExampleStep::Deleted(_) | ExampleStep::Erased(_) => None,
        });
        before.chain([&self.breaks, &self.passes]).map(|submission| submission.dataset)
    }
}

/// Terms of the contributor that matter. The others are the bureau's defaults, with thresholds that let a single
/// record be rejected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExampleTerms {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datasets: Option<Vec<Dataset>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub products: Option<Vec<ProductType>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_threshold_bps: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_threshold_bps: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_attested_until: Option<NaiveDate>,
}

impl ExampleTerms {
    fn is_default(&self) -> bool {
        *self == ExampleTerms::default()
    }
}

/// Something that happened before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExampleStep {
    /// The contributor sent this, and it was judged.
    Sent(ExampleSubmission),
    /// The contributor sent this, and it is not judged yet.
    InFlight(ExampleSubmission),
    /// The account with this reference was deleted as wrong.
    Deleted(String),
    /// The person with this NRIC was erased by a legal order.
    Erased(String),
}

/// One submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExampleSubmission {
    pub dataset: Dataset,
    /// The day on which it is sent, where it is not 24 November 2026.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_on: Option<NaiveDate>,
    #[serde(skip_serializing_if = "ExampleTerms::is_default")]
    pub terms: ExampleTerms,
    /// Query parameters beside the dataset; `mode` is DELTA and `period_end` is 2026-10-31 unless they are here.
    /// `{sha256}` stands for the digest of the body, `{batch}` for the id of the batch sent before.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// The Idempotency-Key, where it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Fields that differ from the base record in every row.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub each: Map<String, Value>,
    /// For each row the fields that differ from the base record; null leaves a field out.
    #[schema(value_type = Vec<Object>)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Map<String, Value>>,
    /// The rows come so many times: every record has a reference of its own, and a person unless they name one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
    /// The rows are sent as a CSV table instead of NDJSON.
    #[serde(skip_serializing_if = "is_false")]
    pub csv: bool,
    /// The bytes of the body, where they are no rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Each line is filled up with spaces to so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_bytes: Option<usize>,
}

impl Default for ExampleSubmission {
    fn default() -> Self {
        ExampleSubmission {
            dataset: Dataset::AccountSnapshot,
            sent_on: None,
            terms: ExampleTerms::default(),
            query: BTreeMap::new(),
            key: None,
            each: Map::new(),
            rows: Vec::new(),
            copies: None,
            csv: false,
            body: None,
            line_bytes: None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The record that an example's rows differ from.
pub fn base_record(dataset: Dataset) -> Value {
    match dataset {
        Dataset::AccountSnapshot => base_snapshot(),
        Dataset::RepaymentEvent => json!({
            "event_id": "EVENT-1",
            "account_ref": "PLAN-1",
            "event_type": "PAYMENT",
            "value_date": "2026-10-20",
            "amount": 10_000,
        }),
        Dataset::Application => json!({
            "subject_type": "INDIVIDUAL",
            "id_type": "NRIC",
            "id_number": PERSON,
            "full_name": "SYNTHETIC PERSON",
            "application_ref": "APPLICATION-1",
            "applied_at": "2026-10-20T09:30:00+08:00",
            "product_type": "BNPL_PLAN",
            "amount_requested": 30_000,
            "decision": "PENDING",
        }),
    }
}

/// A made-up person: a well-formed number that the examples share.
pub const PERSON: &str = "900101145671";

/// A plan of three instalments, the first of them paid.
fn base_snapshot() -> Value {
    json!({
        "subject_type": "INDIVIDUAL",
        "id_type": "NRIC",
        "id_number": PERSON,
        "full_name": "SYNTHETIC PERSON",
        "account_ref": "PLAN-1",
        "product_type": "BNPL_PLAN",
        "portfolio_type": "INSTALMENT",
        "as_of_date": "2026-10-31",
        "opened_date": "2026-09-15",
        "status": "ACTIVE",
        "currency": "MYR",
        "original_amount": 30_000,
        "instalment_amount": 10_000,
        "instalments_total": 3,
        "instalments_paid": 1,
        "outstanding": 20_000,
        "overdue": 0,
        "dpd": 0,
    })
}

const TEXTS: [&str; 9] = [
    include_str!("examples/file.json"),
    include_str!("examples/field.json"),
    include_str!("examples/identity.json"),
    include_str!("examples/cross_field.json"),
    include_str!("examples/cross_record.json"),
    include_str!("examples/history.json"),
    include_str!("examples/event.json"),
    include_str!("examples/application.json"),
    include_str!("examples/policy.json"),
];

/// Read once; that every text is well-formed is a test's business.
static EXAMPLES: LazyLock<BTreeMap<String, Example>> = LazyLock::new(|| {
    let read = |text| serde_json::from_str::<BTreeMap<String, Example>>(text).unwrap_or_default();
    TEXTS.into_iter().flat_map(read).collect()
});

/// The example of a rule.
pub fn example(code: Code) -> Option<&'static Example> {
    EXAMPLES.get(code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::Field;

    #[test]
    fn every_text_can_be_read_and_speaks_of_rules() {
        for text in TEXTS {
            let read = serde_json::from_str::<BTreeMap<String, Example>>(text);
            let read = read.unwrap_or_else(|error| panic!("{error} in {}", &text[..60]));
            for code in read.keys() {
                assert!(Code::parse(code).is_some(), "{code} is no code");
            }
        }
        let without: Vec<_> = Code::ALL.iter().filter(|code| example(**code).is_none()).collect();
        assert!(without.is_empty(), "no example: {without:?}");
    }

    #[test]
    fn a_change_is_to_a_field_of_the_contract_unless_that_is_the_point() {
        for (code, story) in EXAMPLES.iter().filter(|(code, _)| *code != "F005") {
            for submission in [&story.breaks, &story.passes] {
                for name in submission.rows.iter().chain([&submission.each]).flat_map(Map::keys) {
                    assert!(Field::from_name(name).is_some(), "{code}: {name}");
                }
            }
            assert_ne!(story.breaks, story.passes, "{code}");
        }
    }
}
