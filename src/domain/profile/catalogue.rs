//! The one list of attributes: name, unit, function, meaning. Names never change meaning; a new meaning is a
//! new name and a new `ATTRIBUTE_SET_VERSION`.
//!
//! Words used: *open* is ACTIVE, or WRITTEN_OFF with something outstanding. *BNPL* is BNPL_PLAN and BNPL_LINE.
//! A window of n months is the calendar month of as_of and the n-1 before it, by reporting month. A window of
//! n days is the n days that end with as_of. *Told by payments* are instalments whose payments were sent as events with
//! their due date; one that was due by as_of and paid later counts as late as it was at as_of. Ratios are rounded down, so that 10 000 bps means all.

use super::population::Population;
use super::{Attribute, NullReason, Unit, Value};
use super::{arrears, conduct, depth, exposure, instalments, outcome, velocity};

/// A value, or why there is none.
pub type Outcome = Result<Value, NullReason>;

/// One attribute: what it is called, what it is counted in, what it means and how it is computed.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    pub unit: Unit,
    compute: fn(&Population<'_>) -> Outcome,
    pub meaning: &'static str,
    /// Whether it speaks even when no account can be told.
    without_accounts: bool,
}

impl Definition {
    /// The attribute of a population. Without any account it is null, unless it speaks of just that.
    pub fn evaluate(&self, population: &Population<'_>) -> Attribute {
        let outcome = match population.absence() {
            Some(reason) if !self.without_accounts => Err(reason),
            _ => (self.compute)(population),
        };
        Attribute { name: self.name, value: outcome.ok(), unit: self.unit, null_reason: outcome.err() }
    }
}

type Compute = fn(&Population<'_>) -> Outcome;

const fn of(name: &'static str, unit: Unit, compute: Compute, meaning: &'static str) -> Definition {
    Definition { name, unit, compute, meaning, without_accounts: false }
}

const fn always(name: &'static str, unit: Unit, compute: Compute, meaning: &'static str) -> Definition {
    Definition { name, unit, compute, meaning, without_accounts: true }
}

use Unit::{Bool, Bps, Count, Days, Months, Sen};

#[rustfmt::skip]
pub const ATTRIBUTES: &[Definition] = &[
    // Exposure: what is owed and when.
    of("active_account_count", Count, exposure::active_accounts, "open accounts"),
    of("active_bnpl_plan_count", Count, exposure::active_bnpl, "open BNPL accounts"),
    of("active_contributor_count", Count, exposure::active_contributors, "distinct contributors of open accounts"),
    of("total_outstanding", Sen, exposure::total_outstanding, "sum of outstanding over open accounts"),
    of("bnpl_outstanding", Sen, exposure::bnpl_outstanding, "sum of outstanding over open BNPL accounts"),
    of("total_overdue", Sen, exposure::total_overdue, "sum of overdue over open accounts"),
    of("total_limit", Sen, exposure::total_limit, "sum of credit limits of open REVOLVING accounts"),
    of("utilisation_bps", Bps, exposure::utilisation, "outstanding of open REVOLVING accounts that have a limit, over the sum of those limits"),
    of("monthly_obligation", Sen, exposure::monthly_obligation, "sum over ACTIVE accounts that owe something of instalment_amount per month: WEEKLY 52/12, BIWEEKLY 26/12, SEMI_MONTHLY 2, MONTHLY 1 (also when no frequency is given), QUARTERLY 1/3, ONE_OFF 1; the sum is rounded half-even to sen; accounts without an instalment amount are left out"),
    of("due_next_14d", Sen, |p| exposure::due_within(p, 14), "instalments of ACTIVE accounts that fall due in the 14 days after as_of, from next_due_date and payment_frequency, per account at most what is outstanding; accounts not reported for 45 days are left out"),
    of("due_next_30d", Sen, |p| exposure::due_within(p, 30), "as due_next_14d, 30 days"),

    // Arrears: how late, how often, how recently.
    of("current_worst_dpd", Days, arrears::current_worst_dpd, "largest dpd over open accounts"),
    of("worst_dpd_3m", Days, |p| arrears::worst_dpd(p, 3), "largest dpd over account-months, and days late of instalments told by payments, in 3 months; an instalment counts in the month of its payment, one not yet paid at as_of in that month"),
    of("worst_dpd_6m", Days, |p| arrears::worst_dpd(p, 6), "as worst_dpd_3m, 6 months"),
    of("worst_dpd_12m", Days, |p| arrears::worst_dpd(p, 12), "as worst_dpd_3m, 12 months"),
    of("worst_dpd_24m", Days, |p| arrears::worst_dpd(p, 24), "as worst_dpd_3m, 24 months"),
    of("cnt_30p_12m", Count, |p| arrears::accounts_at_least(p, 30), "accounts with any month of dpd 30 or more in 12 months"),
    of("cnt_60p_12m", Count, |p| arrears::accounts_at_least(p, 60), "accounts with any month of dpd 60 or more in 12 months"),
    of("cnt_90p_12m", Count, |p| arrears::accounts_at_least(p, 90), "accounts with any month of dpd 90 or more in 12 months"),
    of("first_payment_default_12m", Count, instalments::first_payment_defaults, "INSTALMENT accounts opened in 12 months whose first instalment was 30 days or more late, by a report or by its payment: one due within a payment period of opened_date (7, 14, 16, 31 or 92 days by payment_frequency, 31 when none is given, any for ONE_OFF), or any while instalments_paid is 0"),
    of("months_since_last_dpd1", Months, |p| arrears::months_since(p, 1), "calendar months since the last month with dpd 1 or more, in 24 months; NO_RECORD when there is none"),
    of("months_since_last_dpd30", Months, |p| arrears::months_since(p, 30), "calendar months since the last month with dpd 30 or more, in 24 months; NO_RECORD when there is none"),
    of("overdue_trend_3m", Sen, arrears::overdue_trend, "total_overdue now less total_overdue at the end of the month three before"),
    of("dpd_trend_3m", Days, arrears::dpd_trend, "current_worst_dpd now less the same at the end of the month three before; nothing open counts 0"),

    // Conduct: paid as agreed. An account-month is observed while the account runs, up to the month it closes.
    of("on_time_ratio_12m", Bps, conduct::on_time_ratio, "what was due in 12 months and paid on time over what was due: of an account with instalments told by payments each of these, on time when paid by its due date, and one more, not on time, while the account is open and late; of any other account each account-month observed, on time with dpd 0 and not written off"),
    of("on_time_ratio_12m_num", Count, conduct::on_time_num, "numerator of on_time_ratio_12m"),
    of("on_time_ratio_12m_den", Count, conduct::on_time_den, "denominator of on_time_ratio_12m"),
    of("months_no_arrears_12m", Count, conduct::months_no_arrears, "calendar months of 12 in which every observed account was on time"),
    of("months_no_arrears_12m_den", Count, conduct::months_observed, "calendar months of 12 in which any account was observed"),
    of("telco_util_on_time_12m", Bps, conduct::telco_utility_on_time, "account-months on time (dpd 0, not written off) over account-months observed, in 12 months, of TELCO and UTILITY accounts"),
    of("rental_on_time_12m", Bps, conduct::rental_on_time, "as telco_util_on_time_12m, RENTAL accounts"),

    // Velocity: how fast new credit is asked for and taken.
    always("applications_7d", Count, |p| velocity::applications(p, 7), "applications in 7 days as PRIMARY or JOINT applicant, whatever was decided but for WITHDRAWN; several with one contributor on one day count once"),
    always("applications_30d", Count, |p| velocity::applications(p, 30), "as applications_7d, 30 days"),
    always("applications_90d", Count, |p| velocity::applications(p, velocity::APPLICATION_DAYS), "as applications_7d, 90 days"),
    always("applied_contributors_30d", Count, velocity::applied_contributors_30d, "distinct contributors of those in 30 days"),
    of("opened_30d", Count, |p| velocity::opened(p, 30), "accounts opened in 30 days"),
    of("opened_90d", Count, |p| velocity::opened(p, 90), "accounts opened in 90 days"),
    of("opened_180d", Count, |p| velocity::opened(p, 180), "accounts opened in 180 days"),
    of("originated_amount_30d", Sen, velocity::originated_30d, "sum of original_amount of accounts opened in 30 days"),
    of("max_concurrent_bnpl_90d", Count, velocity::max_concurrent_bnpl_90d, "most BNPL accounts open on any one of 90 days; an account runs from opened_date to the day before it closed"),
    of("stacking_contributors_now", Count, velocity::stacking_contributors, "distinct contributors of open BNPL accounts"),
    of("same_day_opens_30d", Count, velocity::same_day_opens_30d, "most accounts opened on any one of 30 days"),

    // Outcome: how accounts ended, and what stands in the way of the open ones.
    of("write_off_count_24m", Count, outcome::write_offs, "accounts written off in 24 months"),
    of("write_off_amount_24m", Sen, outcome::write_off_amount, "sum of write_off_amount of those accounts, or of what was outstanding when first reported WRITTEN_OFF"),
    of("settled_count_12m", Count, outcome::settled_12m, "accounts that are SETTLED and were settled in 12 months"),
    of("settled_short_24m", Count, outcome::settled_short_24m, "accounts that are SETTLED_SHORT and were settled in 24 months"),
    of("restructured_open", Count, outcome::restructured_open, "open accounts marked restructured"),
    of("hardship_open", Count, outcome::hardship_open, "open accounts marked hardship"),
    of("legal_action_open", Count, outcome::legal_action_open, "open accounts marked legal_action"),
    of("listing_count", Count, outcome::listing_count, "open accounts listed as adverse trade references: requested with evidence, RM150 or more overdue for more than 60 days, not taken back"),
    of("listing_amount", Sen, outcome::listing_amount, "sum of overdue over those accounts"),

    // Depth: how much is known at all.
    of("oldest_account_months", Months, depth::oldest_account_months, "whole months since the earliest opened_date, open or closed"),
    of("newest_account_days", Days, depth::newest_account_days, "days since the latest opened_date, open or closed"),
    always("history_months", Months, depth::history_months, "calendar months from the earliest to the latest reported month, both included"),
    always("contributors_seen", Count, depth::contributors_seen, "distinct contributors of accounts, open or closed"),
    always("thin_file", Bool, depth::thin_file, "history_months less than 3, or no account"),
    always("disputed_account_count", Count, depth::disputed_accounts, "accounts in dispute; hidden, and in no other attribute"),
    always("hidden_item_count", Count, depth::hidden_items, "items that are known and not told, whatever the reason"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_attribute_has_one_name_and_a_meaning() {
        let names: BTreeSet<_> = ATTRIBUTES.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), ATTRIBUTES.len());
        assert!(ATTRIBUTES.iter().all(|definition| !definition.meaning.is_empty()));
    }
}
