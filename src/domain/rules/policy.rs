//! How strictly the rules speak for one contributor on one day.
//!
//! A rule that is not in force yet says nothing. A rule that two operators softened for the contributor is milder
//! for a while, so that a book with a known gap can be taken and the gap be scored, instead of no book at all.
//! Rules speak as ever; [`RulePolicy`] maps what they said before anything of it is counted.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Code, RULES, rule};
use crate::domain::contract::{AccountSnapshot, spec};
use crate::domain::finding::{Finding, Severity};
use crate::domain::money::Sen;
use crate::ids::OverrideId;

/// What an override does to the findings of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The rule only warns: nothing is rejected or held for it.
    Warn,
    /// The rule says nothing.
    Off,
}

impl Effect {
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Warn => "warn",
            Effect::Off => "off",
        }
    }

    pub fn parse(word: &str) -> Option<Effect> {
        [Effect::Warn, Effect::Off].into_iter().find(|effect| effect.as_str() == word)
    }
}

/// One rule that is milder for one contributor, as two operators agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOverride {
    pub override_id: OverrideId,
    pub code: Code,
    pub effect: Effect,
    pub starts_on: NaiveDate,
    /// The last day on which it holds.
    pub expires_on: NaiveDate,
}

/// The longest time that an override may hold, in days: a gap is to be closed, not to be lived with.
pub const LONGEST_OVERRIDE_DAYS: i64 = 366;

/// An override under which a batch was judged, as its report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Softened {
    /// The rule.
    pub code: String,
    pub effect: Effect,
    /// The last day on which it holds.
    pub until: NaiveDate,
    pub override_id: OverrideId,
}

/// What becomes of the findings of each rule on one day. The default changes nothing.
#[derive(Clone, Debug, Default)]
pub struct RulePolicy {
    /// By rule; empty where no rule is milder.
    effects: Vec<Option<Effect>>,
    softened: Vec<Softened>,
}

impl RulePolicy {
    /// The policy of a day. Where two overrides of a rule meet, the milder one holds.
    pub fn on(day: NaiveDate, overrides: &[RuleOverride]) -> RulePolicy {
        let mut policy = RulePolicy::default();
        for rule in RULES.iter().filter(|rule| day < rule.enabled_from) {
            policy.soften_rule(rule.code, Effect::Off);
        }
        let in_force = |o: &&RuleOverride| (o.starts_on..=o.expires_on).contains(&day);
        for agreed in overrides.iter().filter(in_force) {
            policy.soften_rule(agreed.code, agreed.effect);
            policy.softened.push(Softened {
                code: agreed.code.as_str().to_owned(),
                effect: agreed.effect,
                until: agreed.expires_on,
                override_id: agreed.override_id,
            });
        }
        policy
    }

    fn soften_rule(&mut self, code: Code, effect: Effect) {
        self.effects.resize(Code::COUNT, None);
        let slot = &mut self.effects[code as usize];
        *slot = (*slot).max(Some(effect));
    }

    /// Whether every rule speaks as it is written.
    pub fn is_plain(&self) -> bool {
        self.effects.is_empty()
    }

    /// The overrides that hold, whether or not any finding met them.
    pub fn softened(&self) -> &[Softened] {
        &self.softened
    }

    /// What remains of a finding.
    pub fn apply(&self, mut finding: Finding) -> Option<Finding> {
        self.speaks(&mut finding).then_some(finding)
    }

    /// Maps all findings of one place.
    pub fn apply_to(&self, findings: &mut Vec<Finding>) {
        if !self.is_plain() {
            findings.retain_mut(|finding| self.speaks(finding));
        }
    }

    /// Maps the findings of one record that the rules were asked about. An override makes a rule milder, not a
    /// record complete: one that could not be stored stays as its rules found it. `identified` says that the
    /// record leads to a subject.
    pub fn apply_to_record(
        &self,
        findings: &mut Vec<Finding>,
        record: &AccountSnapshot<'_>,
        identified: bool,
    ) {
        self.apply_where(findings, || identified && is_storable(record));
    }

    /// The same for a record of any dataset; `storable` says whether the tables can hold it.
    pub fn apply_where(&self, findings: &mut Vec<Finding>, storable: impl FnOnce() -> bool) {
        if self.is_plain() || findings.is_empty() {
            return;
        }
        let spoken = findings.clone();
        self.apply_to(findings);
        let freed = spoken.iter().any(Finding::rejects) && !findings.iter().any(Finding::rejects);
        if freed && !storable() {
            *findings = spoken;
        }
    }

    /// Makes the finding as mild as agreed; false when it is not to be made at all.
    fn speaks(&self, finding: &mut Finding) -> bool {
        match self.effects.get(finding.code as usize).copied().flatten() {
            None => true,
            Some(Effect::Off) => false,
            Some(Effect::Warn) => {
                finding.severity = finding.severity.min(Severity::Warning);
                true
            }
        }
    }
}

/// The largest amount that is stored whatever was agreed, RM10 trillion: sums over all accounts of a person still fit.
const LARGEST_STORED: Sen = Sen(1_000_000_000_000_000);

/// Whether an amount is within what is stored.
pub fn is_summable(sen: Sen) -> bool {
    (-LARGEST_STORED.0..=LARGEST_STORED.0).contains(&sen.0)
}

/// Whether an accepted record can say all that an account needs, within what the serving store holds.
fn is_storable(record: &AccountSnapshot<'_>) -> bool {
    record.outstanding.is_some()
        && record.overdue.is_some()
        && record.as_of_date.is_some()
        && record.opened_date.is_some()
        && record.status_date.is_some()
        && record.dpd.is_some_and(|days| days <= spec::MAX_DPD)
        && record.holder_role.is_some()
        && record.product_type.is_some()
        && record.portfolio_type.is_some()
        && record.status.is_some()
        && record.account_ref.is_some()
        && record.currency.is_some()
        && record.amounts().all(|(_, sen)| is_summable(sen))
}

/// Whether an override of a rule can be asked for at all.
///
/// # Errors
/// Why not, for the operator who asks.
pub fn may_soften(code: Code, effect: Effect) -> Result<(), &'static str> {
    if !rule(code).overridable {
        return Err("this rule protects integrity, identity, the law or the shape of the contract: \
            it is the same for everybody");
    }
    if effect == Effect::Warn && code.severity() == Severity::Warning {
        return Err("this rule only warns already; it can be turned off");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::{AccountStatus, HolderRole, PortfolioType, ProductType};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn agreed(code: Code, effect: Effect) -> RuleOverride {
        RuleOverride {
            override_id: OverrideId(uuid::Uuid::from_u128(code as u128)),
            code,
            effect,
            starts_on: day("2026-12-01"),
            expires_on: day("2026-12-31"),
        }
    }

    fn policy(overrides: &[RuleOverride]) -> RulePolicy {
        RulePolicy::on(day("2026-12-24"), overrides)
    }

    fn complete() -> AccountSnapshot<'static> {
        AccountSnapshot {
            outstanding: Some(Sen(100)),
            overdue: Some(Sen(0)),
            as_of_date: Some(day("2026-10-31")),
            opened_date: Some(day("2026-01-31")),
            status_date: Some(day("2026-10-31")),
            dpd: Some(0),
            holder_role: Some(HolderRole::Primary),
            product_type: Some(ProductType::Other),
            portfolio_type: Some(PortfolioType::Open),
            status: Some(AccountStatus::Active),
            account_ref: Some("ACC-1"),
            currency: Some("MYR"),
            ..AccountSnapshot::default()
        }
    }

    #[test]
    fn an_override_makes_its_rule_milder_and_no_other() {
        let policy = policy(&[
            agreed(Code::X007, Effect::Warn),
            agreed(Code::P004, Effect::Warn),
            agreed(Code::V007, Effect::Off),
        ]);
        let severity = |code| policy.apply(Finding::whole(code)).map(|finding| finding.severity);
        assert_eq!(severity(Code::X007), Some(Severity::Warning));
        assert_eq!(severity(Code::P004), Some(Severity::Warning));
        assert_eq!(severity(Code::V007), None);
        assert_eq!(severity(Code::X005), Some(Severity::Reject));
        assert!(RulePolicy::default().is_plain() && !policy.is_plain());
    }

    #[test]
    fn it_holds_from_its_first_day_to_its_last() {
        let overrides = [agreed(Code::X007, Effect::Off)];
        for (text, off) in
            [("2026-11-30", false), ("2026-12-01", true), ("2026-12-31", true), ("2027-01-01", false)]
        {
            let policy = RulePolicy::on(day(text), &overrides);
            assert_eq!(policy.apply(Finding::whole(Code::X007)).is_none(), off, "{text}");
            assert_eq!(policy.softened().len(), usize::from(off), "{text}");
        }
    }

    #[test]
    fn where_two_meet_the_milder_one_holds() {
        let both = [agreed(Code::X007, Effect::Off), agreed(Code::X007, Effect::Warn)];
        for overrides in [[both[0].clone(), both[1].clone()], [both[1].clone(), both[0].clone()]] {
            assert_eq!(policy(&overrides).apply(Finding::whole(Code::X007)), None);
        }
    }

    #[test]
    fn a_record_that_cannot_be_stored_stays_rejected() {
        let policy = policy(&[agreed(Code::V005, Effect::Warn)]);
        let rejected = |record: &AccountSnapshot<'_>, identified| {
            let mut findings = vec![Finding::whole(Code::V005)];
            policy.apply_to_record(&mut findings, record, identified);
            findings.iter().any(Finding::rejects)
        };
        let negative = AccountSnapshot { outstanding: Some(Sen(-5)), ..complete() };
        assert!(!rejected(&negative, true));
        assert!(rejected(&negative, false), "nobody to hold it against");
        assert!(rejected(&AccountSnapshot { dpd: None, ..complete() }, true), "a negative count is no count");
        assert!(rejected(&AccountSnapshot { outstanding: Some(Sen(i64::MIN)), ..complete() }, true));
    }

    #[test]
    fn what_protects_everybody_cannot_be_softened() {
        for code in
            [Code::F001, Code::F008, Code::V001, Code::V004, Code::V015, Code::I001, Code::I015, Code::P012]
        {
            assert!(may_soften(code, Effect::Warn).is_err(), "{code}");
        }
        assert_eq!(may_soften(Code::V005, Effect::Warn), Ok(()));
        assert_eq!(may_soften(Code::P004, Effect::Warn), Ok(()));
        assert_eq!(may_soften(Code::V007, Effect::Off), Ok(()));
        assert!(may_soften(Code::V007, Effect::Warn).is_err(), "it warns already");
    }
}
