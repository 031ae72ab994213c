//! What is behind an attribute: the accounts that it looks at, which of their months, and whether payments are part of it.
//!
//! [`READS`] says it per attribute; one that is not listed is taken to look at everything. A property holds that what is
//! named here is enough to compute the same value.

use chrono::NaiveDate;

use super::catalogue::ATTRIBUTES;
use super::population::{Population, Seen};
use super::velocity::Applied;
use crate::domain::contract::{AccountStatus, PortfolioType, ProductType};
use crate::domain::history::Account;
use crate::ids::ContributorId;

/// Which of the accounts that are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    All,
    Open,
    OpenBnpl,
    /// Open, REVOLVING and with a limit.
    OpenLimited,
    /// ACTIVE with something owed.
    Paying,
    Bnpl,
    TelcoAndUtility,
    Rental,
    /// Opened in so many days that end with the date.
    Opened(i64),
    /// Once in this status.
    Ever(AccountStatus),
    In(AccountStatus),
    Listed,
    None,
}

/// Which of their months, beside what the account says without a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The newest by the date.
    Now,
    /// A window of calendar months.
    Months(i32),
    All,
}

struct Reads {
    which: Which,
    reach: Reach,
    /// Payments that tell of instalments are read as well.
    payments: bool,
    /// Applications of so many days are read; zero for none.
    application_days: i64,
}

const fn of(which: Which, reach: Reach) -> Reads {
    Reads { which, reach, payments: false, application_days: 0 }
}

const fn paid(which: Which, reach: Reach) -> Reads {
    Reads { payments: true, ..of(which, reach) }
}

const fn applied(days: i64) -> Reads {
    Reads { application_days: days, ..of(Which::None, Reach::Now) }
}

const EVERYTHING: Reads = Reads { application_days: super::APPLICATION_DAYS, ..paid(Which::All, Reach::All) };

#[rustfmt::skip]
const READS: &[(&str, Reads)] = &[
    ("active_account_count", of(Which::Open, Reach::Now)),
    ("active_bnpl_plan_count", of(Which::OpenBnpl, Reach::Now)),
    ("active_contributor_count", of(Which::Open, Reach::Now)),
    ("total_outstanding", of(Which::Open, Reach::Now)),
    ("bnpl_outstanding", of(Which::OpenBnpl, Reach::Now)),
    ("total_overdue", of(Which::Open, Reach::Now)),
    ("total_limit", of(Which::OpenLimited, Reach::Now)),
    ("utilisation_bps", of(Which::OpenLimited, Reach::Now)),
    ("monthly_obligation", of(Which::Paying, Reach::Now)),
    ("due_next_14d", of(Which::Paying, Reach::Now)),
    ("due_next_30d", of(Which::Paying, Reach::Now)),
    ("current_worst_dpd", of(Which::Open, Reach::Now)),
    ("worst_dpd_3m", paid(Which::All, Reach::Months(3))),
    ("worst_dpd_6m", paid(Which::All, Reach::Months(6))),
    ("worst_dpd_12m", paid(Which::All, Reach::Months(12))),
    ("worst_dpd_24m", paid(Which::All, Reach::Months(24))),
    ("cnt_30p_12m", of(Which::All, Reach::Months(12))),
    ("cnt_60p_12m", of(Which::All, Reach::Months(12))),
    ("cnt_90p_12m", of(Which::All, Reach::Months(12))),
    ("months_since_last_dpd1", of(Which::All, Reach::Months(24))),
    ("months_since_last_dpd30", of(Which::All, Reach::Months(24))),
    ("overdue_trend_3m", of(Which::All, Reach::All)),
    ("dpd_trend_3m", of(Which::All, Reach::All)),
    ("on_time_ratio_12m", paid(Which::All, Reach::Months(12))),
    ("on_time_ratio_12m_num", paid(Which::All, Reach::Months(12))),
    ("on_time_ratio_12m_den", paid(Which::All, Reach::Months(12))),
    ("months_no_arrears_12m", of(Which::All, Reach::Months(12))),
    ("months_no_arrears_12m_den", of(Which::All, Reach::Months(12))),
    ("telco_util_on_time_12m", of(Which::TelcoAndUtility, Reach::Months(12))),
    ("rental_on_time_12m", of(Which::Rental, Reach::Months(12))),
    ("applications_7d", applied(7)),
    ("applications_30d", applied(30)),
    ("applications_90d", applied(90)),
    ("applied_contributors_30d", applied(30)),
    ("opened_30d", of(Which::Opened(30), Reach::Now)),
    ("opened_90d", of(Which::Opened(90), Reach::Now)),
    ("opened_180d", of(Which::Opened(180), Reach::Now)),
    ("originated_amount_30d", of(Which::Opened(30), Reach::Now)),
    ("same_day_opens_30d", of(Which::Opened(30), Reach::Now)),
    ("max_concurrent_bnpl_90d", of(Which::Bnpl, Reach::All)),
    ("stacking_contributors_now", of(Which::OpenBnpl, Reach::Now)),
    ("settled_count_12m", of(Which::In(AccountStatus::Settled), Reach::All)),
    ("settled_short_24m", of(Which::In(AccountStatus::SettledShort), Reach::All)),
    ("write_off_count_24m", of(Which::Ever(AccountStatus::WrittenOff), Reach::All)),
    ("write_off_amount_24m", of(Which::Ever(AccountStatus::WrittenOff), Reach::All)),
    ("restructured_open", of(Which::Open, Reach::Now)),
    ("hardship_open", of(Which::Open, Reach::Now)),
    ("legal_action_open", of(Which::Open, Reach::Now)),
    ("listing_count", of(Which::Listed, Reach::Now)),
    ("listing_amount", of(Which::Listed, Reach::Now)),
    ("oldest_account_months", of(Which::All, Reach::Now)),
    ("newest_account_days", of(Which::All, Reach::Now)),
    ("contributors_seen", of(Which::All, Reach::Now)),
    ("disputed_account_count", of(Which::None, Reach::Now)),
    ("hidden_item_count", of(Which::None, Reach::Now)),
];

/// What is behind a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub as_of: NaiveDate,
    /// The accounts that are told, in the order of the profile.
    pub accounts: Vec<(ContributorId, String)>,
    /// One entry for each attribute, in the order of the catalogue.
    pub attributes: Vec<Behind>,
}

/// What is behind one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub name: &'static str,
    pub accounts: Vec<Looked>,
    /// Days of application that were looked at, this one and later, up to the date; `None` for none.
    pub applied_from: Option<NaiveDate>,
}

/// What was looked at of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Its place among the accounts of the profile.
    pub account: usize,
    /// The days that the months describe, newest first. What has no date comes from the current snapshot.
    pub months: Vec<NaiveDate>,
    pub payments: bool,
}

/// Says what the attributes of a profile look at. Accounts that are not told are in none.
pub fn evidence(accounts: &[Account], applications: &[Applied], as_of: NaiveDate) -> Evidence {
    let population = Population::at(accounts, applications, as_of);
    let told =
        population.seen.iter().map(|seen| (seen.account.contributor_id, seen.account.account_ref.clone()));
    Evidence {
        as_of,
        accounts: told.collect(),
        attributes: ATTRIBUTES.iter().map(|definition| behind(definition.name, &population)).collect(),
    }
}

fn behind(name: &'static str, population: &Population<'_>) -> Behind {
    let reads = READS.iter().find(|(known, _)| *known == name).map_or(&EVERYTHING, |(_, reads)| reads);
    let looked =
        population.seen.iter().enumerate().filter(|(_, seen)| is_meant(seen, reads.which, population));
    let accounts = looked.map(|(account, seen)| Looked {
        account,
        months: months(seen, reads.reach, population),
        payments: reads.payments,
    });
    let back = u64::try_from(reads.application_days - 1).ok().map(chrono::Days::new);
    Behind {
        name,
        accounts: accounts.collect(),
        applied_from: back.map(|back| population.as_of.checked_sub_days(back).unwrap_or(NaiveDate::MIN)),
    }
}

fn is_meant(seen: &Seen<'_>, which: Which, population: &Population<'_>) -> bool {
    use ProductType::{Rental, TelcoDevice, TelcoPostpaid, UtilityOther, UtilityPower, UtilityWater};
    let account = seen.account;
    let (open, product) = (seen.now.is_open(), account.product_type);
    match which {
        Which::All => true,
        Which::None => false,
        Which::Open => open,
        Which::OpenBnpl => open && product.is_bnpl(),
        Which::OpenLimited => {
            open && account.portfolio_type == PortfolioType::Revolving && account.credit_limit.is_some()
        }
        Which::Paying => seen.now.status == AccountStatus::Active && seen.now.outstanding.is_positive(),
        Which::Bnpl => product.is_bnpl(),
        Which::TelcoAndUtility => {
            matches!(product, TelcoPostpaid | TelcoDevice | UtilityPower | UtilityWater | UtilityOther)
        }
        Which::Rental => product == Rental,
        Which::Opened(days) => population.within_days(account.opened_date, days),
        Which::Ever(status) => {
            account.write_off_date.is_some() || seen.months.iter().any(|month| month.status == status)
        }
        Which::In(status) => seen.now.status == status,
        Which::Listed => open && account.listed.is_some(),
    }
}

fn months(seen: &Seen<'_>, reach: Reach, population: &Population<'_>) -> Vec<NaiveDate> {
    let reached = |month: &&crate::domain::history::Month| match reach {
        Reach::Now => false,
        Reach::Months(months) => population.months_ago(month.number()) < months,
        Reach::All => true,
    };
    // The newest says how the account stands, whatever else is looked at.
    let older = seen.months.iter().skip(1).filter(reached);
    std::iter::once(seen.now).chain(older).map(|month| month.as_of_date).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_attribute_is_one_of_the_catalogue() {
        for (name, _) in READS {
            assert!(ATTRIBUTES.iter().any(|definition| definition.name == *name), "{name}");
        }
    }
}
