//! The envelope: what a contributor says about a batch as a whole (`domain.md` 6.1). Stored with the batch.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::contract::{AccountStatus, Dataset, Environment, Mode, MoneyUnit};
use super::money::Sen;
use crate::ids::{BatchId, CaseId};

/// The version of the contracts that we publish now.
pub const CURRENT_SCHEMA_VERSION: &str = "1";

/// How the rows are written. Compression is a matter of transport and is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    Ndjson,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        }
    }

    /// What an amount counts when the contributor does not say: NDJSON is always sen, CSV goes by the decimal point.
    pub fn default_money_unit(self) -> MoneyUnit {
        match self {
            Format::Csv => MoneyUnit::ByDecimalPoint,
            Format::Ndjson => MoneyUnit::Sen,
        }
    }
}

/// What the contributor declares. Control totals are checked exactly against the rows (F008, F009).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub dataset: Dataset,
    pub mode: Mode,
    /// The last day of the period that the batch describes.
    pub period_end: NaiveDate,
    pub schema_version: String,
    pub format: Format,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_outstanding: Option<Sen>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_overdue: Option<Sen>,
    /// For datasets of events and applications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_amount: Option<Sen>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_by_status: Option<BTreeMap<AccountStatus, u64>>,
    /// Counts a contributor's DELTAs of a dataset without gaps (F013).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_no: Option<u64>,
    /// The period has no rows, and that is the message (F007).
    #[serde(default)]
    pub nil_return: bool,
    /// The batch that this one takes the place of (F027).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<BatchId>,
    /// The batch whose rejected records this one brings again, mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixes: Option<BatchId>,
    /// The deletion whose records may come again, because their contributor and an operator agreed (P012).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
    /// The same bytes were sent before, and that is meant.
    #[serde(default)]
    pub allow_duplicate: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money_unit: Option<MoneyUnit>,
    /// A rehearsal: judged like any other, changes nothing, counts nowhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl Envelope {
    /// An envelope that declares nothing beyond what it must.
    pub fn new(dataset: Dataset, mode: Mode, period_end: NaiveDate, format: Format) -> Envelope {
        Envelope {
            dataset,
            mode,
            period_end,
            schema_version: CURRENT_SCHEMA_VERSION.to_owned(),
            format,
            environment: None,
            record_count: None,
            sum_outstanding: None,
            sum_overdue: None,
            sum_amount: None,
            count_by_status: None,
            sequence_no: None,
            nil_return: false,
            replaces: None,
            fixes: None,
            case_id: None,
            allow_duplicate: false,
            money_unit: None,
            dry_run: false,
        }
    }

    /// Whether the rows keep to a contract that we know (else F002).
    pub fn schema_version_is_known(&self) -> bool {
        matches!(self.schema_version.as_str(), CURRENT_SCHEMA_VERSION | "1.0")
    }

    /// What amounts in the file count.
    pub fn money_unit(&self) -> MoneyUnit {
        match self.format {
            Format::Ndjson => MoneyUnit::Sen,
            Format::Csv => self.money_unit.unwrap_or(self.format.default_money_unit()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dates::parse_iso;

    #[test]
    fn what_was_declared_comes_back_from_json() {
        let january = parse_iso("2026-01-31").unwrap();
        let envelope = Envelope {
            record_count: Some(3),
            sum_outstanding: Some(Sen(-5)),
            count_by_status: Some(BTreeMap::from([(AccountStatus::Active, 2), (AccountStatus::Sold, 1)])),
            money_unit: Some(MoneyUnit::Ringgit),
            ..Envelope::new(Dataset::AccountSnapshot, Mode::Full, january, Format::Csv)
        };
        let json = serde_json::to_value(&envelope).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "dataset": "account_snapshot", "mode": "FULL", "period_end": "2026-01-31", "schema_version": "1",
                "format": "csv", "record_count": 3, "sum_outstanding": -5,
                "count_by_status": {"ACTIVE": 2, "SOLD": 1},
                "nil_return": false, "allow_duplicate": false, "money_unit": "RINGGIT",
            })
        );
        assert_eq!(serde_json::from_value::<Envelope>(json).unwrap(), envelope);
    }

    #[test]
    fn ndjson_counts_sen_whatever_is_said() {
        let day = parse_iso("2026-01-31").unwrap();
        let mut envelope = Envelope::new(Dataset::AccountSnapshot, Mode::Delta, day, Format::Ndjson);
        envelope.money_unit = Some(MoneyUnit::Ringgit);
        assert_eq!(envelope.money_unit(), MoneyUnit::Sen);
        envelope.format = Format::Csv;
        assert_eq!(envelope.money_unit(), MoneyUnit::Ringgit);
        envelope.money_unit = None;
        assert_eq!(envelope.money_unit(), MoneyUnit::ByDecimalPoint);
    }

    #[test]
    fn one_contract_version_is_known_by_two_names() {
        let day = parse_iso("2026-01-31").unwrap();
        let mut envelope = Envelope::new(Dataset::AccountSnapshot, Mode::Delta, day, Format::Ndjson);
        for (version, known) in [("1", true), ("1.0", true), ("2", false), ("", false), ("1.1", false)] {
            envelope.schema_version = version.to_owned();
            assert_eq!(envelope.schema_version_is_known(), known, "{version}");
        }
    }
}
