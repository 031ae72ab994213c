//! How complete the records of a batch are: what the scorecard is made of, kept with the batch.

use crate::domain::contract::AccountSnapshot;
use crate::domain::rules::expected_and_missing;

/// Over the records that the rules about single records let through.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Quality {
    /// Conditional fields that the records should carry, and fields that constants filled in.
    expected_fields: u64,
    /// Of these, the ones that were not sent.
    missing_fields: u64,
}

impl Quality {
    pub fn add(&mut self, record: &AccountSnapshot<'_>) {
        let (expected, missing) = expected_and_missing(record);
        self.expected_fields += u64::from(expected);
        self.missing_fields += u64::from(missing);
    }
}
