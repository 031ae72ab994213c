//! SHIM
use crate::domain::contract::Terms;
use crate::domain::finding::Finding;
use chrono::NaiveDate;
#[derive(Clone, Debug, Default)]
pub struct RulePolicy;
impl RulePolicy {
    pub fn apply(&self, finding: Finding) -> Option<Finding> {
        Some(finding)
    }
    pub fn apply_to(&self, _: &mut Vec<Finding>) {}
    pub fn apply_where(&self, _: &mut Vec<Finding>, _storable: bool) {}
}
impl Terms {
    pub fn policy(&self, _: NaiveDate) -> RulePolicy {
        RulePolicy
    }
}
