//! Synthetic accounts for the examples of this folder; everything is as of 30 June 2026 unless it says so.

use chrono::{Months, NaiveDate};
use uuid::Uuid;

use super::{NullReason, Profile, Value, attributes};
use crate::domain::contract::{AccountStatus, HolderRole, PortfolioType, ProductType};
use crate::domain::events::Instalment;
use crate::domain::history::{Account, Month};
use crate::domain::money::Sen;
use crate::ids::{ContributorId, SubjectId};

pub const AS_OF: &str = "2026-06-30";

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn contributor(n: u128) -> ContributorId {
    ContributorId(Uuid::from_u128(n))
}

/// An ACTIVE pay-in-instalments plan, opened in July 2024, so that 24 months say all there is.
pub fn account(account_ref: &str) -> Account {
    Account {
        contributor_id: contributor(1),
        account_ref: account_ref.into(),
        subject_id: SubjectId(Uuid::from_u128(7)),
        holder_role: HolderRole::Primary,
        product_type: ProductType::BnplPlan,
        portfolio_type: PortfolioType::Instalment,
        status: AccountStatus::Active,
        status_date: day("2024-07-01"),
        as_of_date: day(AS_OF),
        opened_date: day("2024-07-01"),
        maturity_date: None,
        closed_date: None,
        currency: "MYR".into(),
        original_amount: None,
        credit_limit: None,
        instalment_amount: None,
        payment_frequency: None,
        instalments_total: None,
        instalments_paid: None,
        instalments_overdue: None,
        outstanding: Sen::ZERO,
        overdue: Sen::ZERO,
        dpd: 0,
        first_delinquency_date: None,
        next_due_date: None,
        next_due_amount: None,
        write_off_date: None,
        write_off_amount: None,
        settled_date: None,
        settlement_type: None,
        restructured: false,
        hardship: false,
        legal_action: false,
        contributor_dispute: false,
        listed: None,
        months: Vec::new(),
        instalments: Vec::new(),
    }
}

/// Reported once, for June, with these amounts in sen.
pub fn owes(account: Account, outstanding: i64, overdue: i64) -> Account {
    let june = Month {
        as_of_date: day(AS_OF),
        status: AccountStatus::Active,
        dpd: if overdue > 0 { 10 } else { 0 },
        outstanding: Sen(outstanding),
        overdue: Sen(overdue),
    };
    Account { outstanding: Sen(outstanding), overdue: Sen(overdue), months: vec![june], ..account }
}

/// Reported for June, May, April … with these days past due, newest first; RM1 overdue per day late.
pub fn with_dpds(account: Account, dpds: &str) -> Account {
    let months = dpds.split_whitespace().enumerate().map(|(back, dpd)| {
        let dpd: u16 = dpd.parse().unwrap();
        Month {
            as_of_date: month_end(back as u32),
            status: AccountStatus::Active,
            dpd,
            outstanding: Sen(500_00),
            overdue: Sen(i64::from(dpd) * 100),
        }
    });
    Account { months: months.collect(), ..account }
}

/// Instalments as payments tell of them: the day each was due and how late it was paid, in any order.
pub fn paying(account: Account, told: &str) -> Account {
    let mut instalments: Vec<Instalment> = told
        .split_whitespace()
        .map(|word| {
            let (due, late) = word.split_once(':').unwrap();
            Instalment { due_date: day(due), days_late: late.parse().unwrap() }
        })
        .collect();
    instalments.sort_by_key(|instalment| std::cmp::Reverse(instalment.due_date));
    Account { instalments, ..account }
}

/// The last day of the month so many months before June 2026.
pub fn month_end(back: u32) -> NaiveDate {
    day("2026-07-01").checked_sub_months(Months::new(back)).unwrap().pred_opt().unwrap()
}

pub fn value(accounts: &[Account], name: &str) -> Result<i64, NullReason> {
    value_at(accounts, AS_OF, name)
}

/// The number that a profile tells under a name.
pub fn value_at(accounts: &[Account], as_of: &str, name: &str) -> Result<i64, NullReason> {
    number_of(&attributes(accounts, &[], day(as_of)), name)
}

pub fn number_of(profile: &Profile, name: &str) -> Result<i64, NullReason> {
    let attribute = profile.attributes.iter().find(|attribute| attribute.name == name).unwrap();
    match (attribute.value, attribute.null_reason) {
        (Some(Value::Number(number)), None) => Ok(number),
        (None, Some(reason)) => Err(reason),
        other => panic!("{name} is {other:?}"),
    }
}
