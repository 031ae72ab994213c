//! How many records of a batch have a constant where the contributor sent nothing, by field: what the scorecard calls
//! incomplete although it was taken.

use std::collections::BTreeMap;

use crate::domain::contract::{Field, FieldSet};

#[derive(Clone, Debug)]
pub struct Imputed([u64; Field::COUNT]);

impl Default for Imputed {
    fn default() -> Imputed {
        Imputed([0; Field::COUNT])
    }
}

impl Imputed {
    /// Counts one record's imputed fields.
    pub fn add(&mut self, fields: FieldSet) {
        if fields != FieldSet::EMPTY {
            fields.iter().for_each(|field| self.0[field as usize] += 1);
        }
    }

    /// Records by field name; `None` where nothing was imputed.
    pub fn to_json(&self) -> Option<serde_json::Value> {
        let counts: BTreeMap<&str, u64> = Field::ALL
            .iter()
            .map(|field| (field.name(), self.0[*field as usize]))
            .filter(|(_, records)| *records > 0)
            .collect();
        (!counts.is_empty()).then(|| serde_json::json!(counts))
    }
}
