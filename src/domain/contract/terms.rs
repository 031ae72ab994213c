//! What one contributor may send: the part of its agreement that rules look at.

use chrono::{Months, NaiveDate};

use super::codes::{Dataset, ProductType};
use super::constant::Constant;
use crate::domain::rules::{RuleOverride, RulePolicy};

/// Per-contributor limits, thresholds and permissions, with the bureau's defaults (`domain.md` 6.2, F011, F018, F019).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Datasets that the contributor may send (F001).
    pub datasets: Vec<Dataset>,
    /// ISO 4217 codes that are accepted (V010).
    pub currencies: Vec<String>,
    /// Products that the contributor is licensed for; `None` means all (X026).
    pub products: Option<Vec<ProductType>>,
    /// How many months back a period may end (F011).
    pub open_window_months: u32,
    /// With a back-fill grant, periods that end on or after this date are open as well.
    pub backfill_from: Option<NaiveDate>,
    /// Share of rejected records, in basis points, above which the file is rejected (F018).
    pub reject_threshold_bps: u32,
    /// Share of records rejected by an identity rule, in basis points, above which the file is rejected (F019).
    pub identity_threshold_bps: u32,
    /// The last day for which the contributor has attested that its customers get the notice of processing (L003);
    /// `None` only before a contributor is registered: who says no day has a year from then.
    pub notice_attested_until: Option<NaiveDate>,
    /// For how many months after its closed_date an account that has ended is kept (L006).
    pub retention_months: u32,
    /// Rules that are milder for this contributor, each for its own while.
    pub overrides: Vec<RuleOverride>,
    /// Values that stand in for required fields that its systems do not have.
    pub constants: Vec<Constant>,
    /// The contract versions that the contributor means when it does not say.
    pub pins: Vec<(Dataset, u32)>,
}

impl Default for Terms {
    fn default() -> Self {
        Terms {
            datasets: vec![Dataset::AccountSnapshot, Dataset::RepaymentEvent, Dataset::Application],
            currencies: vec!["MYR".to_owned()],
            products: None,
            open_window_months: 24,
            backfill_from: None,
            reject_threshold_bps: 500,
            identity_threshold_bps: 200,
            notice_attested_until: None,
            retention_months: 84,
            overrides: Vec::new(),
            constants: Vec::new(),
            pins: Vec::new(),
        }
    }
}

impl Terms {
    /// How strictly the rules speak on a day of receipt.
    pub fn policy(&self, day: NaiveDate) -> RulePolicy {
        RulePolicy::on(day, &self.overrides)
    }

    /// The contract version that the contributor is pinned to.
    pub fn pinned_version(&self, dataset: Dataset) -> Option<u32> {
        self.pins.iter().find(|(pinned, _)| *pinned == dataset).map(|(_, version)| *version)
    }

    /// The constants of one dataset.
    pub fn constants_of(&self, dataset: Dataset) -> Vec<Constant> {
        self.constants.iter().filter(|constant| constant.dataset == dataset).cloned().collect()
    }

    /// The earliest period end that is open on the given day.
    pub fn open_from(&self, today: NaiveDate) -> NaiveDate {
        let window = today.checked_sub_months(Months::new(self.open_window_months)).unwrap_or(NaiveDate::MIN);
        self.backfill_from.map_or(window, |from| from.min(window))
    }
}
