//! What holds for every history and every date.

use chrono::{NaiveDate, TimeDelta};
use proptest::prelude::*;

use super::fixtures::{account, contributor, day};
use super::{Applied, Attribute, NullReason, attributes, evidence};
use crate::domain::contract::*;
use crate::domain::events::Instalment;
use crate::domain::history::{Account, Month, merge};
use crate::domain::money::Sen;

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

fn sen() -> impl Strategy<Value = Sen> {
    prop_oneof![4 => 0i64..1_000_000, 1 => any::<i64>()].prop_map(Sen)
}

/// Any month at all, also one that no contributor should send.
fn month(days: std::ops::Range<i64>) -> impl Strategy<Value = Month> {
    let dpd = prop_oneof![2 => Just(0u16), 3 => 1u16..250, 1 => any::<u16>()];
    (days, one_of(AccountStatus::ALL), dpd, sen(), sen()).prop_map(
        |(days, status, dpd, outstanding, overdue)| Month {
            as_of_date: day("2024-01-01") + TimeDelta::days(days),
            status,
            dpd,
            outstanding,
            overdue,
        },
    )
}

fn any_day() -> impl Strategy<Value = NaiveDate> {
    prop_oneof![
        8 => (0i64..1000).prop_map(|days| day("2023-12-01") + TimeDelta::days(days)),
        1 => Just(NaiveDate::MIN),
        1 => Just(NaiveDate::MAX),
    ]
}

fn instalment(due: impl Strategy<Value = NaiveDate>) -> impl Strategy<Value = Instalment> {
    let days_late = prop_oneof![2 => Just(0u16), 2 => 1u16..120, 1 => any::<u16>()];
    (due, days_late).prop_map(|(due_date, days_late)| Instalment { due_date, days_late })
}

fn applications(on: impl Strategy<Value = NaiveDate>) -> impl Strategy<Value = Vec<Applied>> {
    let applied =
        (1u128..4, on).prop_map(|(n, applied_on)| Applied { contributor_id: contributor(n), applied_on });
    prop::collection::vec(applied, 0..6)
}

prop_compose! {
    /// Any account: fields that contradict each other included.
    fn any_account()(
        (n, product_type, portfolio_type, holder_role) in
            (1u128..4, one_of(ProductType::ALL), one_of(PortfolioType::ALL), one_of(HolderRole::ALL)),
        (opened_date, as_of_date) in (any_day(), any_day()),
        (closed_date, next_due_date, write_off_date, settled_date) in
            (prop::option::of(any_day()), prop::option::of(any_day()), prop::option::of(any_day()), prop::option::of(any_day())),
        (original_amount, credit_limit, instalment_amount, next_due_amount) in
            (prop::option::of(sen()), prop::option::of(sen()), prop::option::of(sen()), prop::option::of(sen())),
        payment_frequency in prop::option::of(one_of(PaymentFrequency::ALL)),
        (instalments_total, instalments_paid) in (prop::option::of(any::<u16>()), prop::option::of(any::<u16>())),
        (restructured, hardship, contributor_dispute) in (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1)),
        months in prop::collection::vec(month(0..900), 0..30),
        instalments in prop::collection::vec(instalment(any_day()), 0..6),
    ) -> Account {
        Account {
            contributor_id: contributor(n), product_type, portfolio_type, holder_role, opened_date, as_of_date,
            closed_date, next_due_date, write_off_date, settled_date, original_amount, credit_limit,
            instalment_amount, next_due_amount, payment_frequency, instalments_total, instalments_paid,
            restructured, hardship, contributor_dispute, instalments,
            months: months.into_iter().fold(Vec::new(), |history, month| merge(&history, month)),
            ..account("any")
        }
    }
}

fn accounts() -> impl Strategy<Value = Vec<Account>> {
    prop::collection::vec(any_account(), 0..8).prop_map(|mut accounts| {
        for (n, account) in accounts.iter_mut().enumerate() {
            account.account_ref = format!("account-{n}");
        }
        accounts
    })
}

/// A fact stays the fact; at most it is no longer known.
fn still_holds(before: &Attribute, after: &Attribute) -> bool {
    before == after || after.null_reason == Some(NullReason::InsufficientHistory)
}

proptest! {
    /// What is said to be behind an attribute is enough to compute it.
    #[test]
    fn what_is_behind_an_attribute_gives_its_value(
        accounts in prop::collection::vec(any_account(), 0..6), applied in applications(any_day()), as_of in any_day(),
    ) {
        let whole = attributes(&accounts, &applied, as_of);
        let behind = evidence(&accounts, &applied, as_of);
        let told = super::Population::at(&accounts, &applied, as_of);
        for (attribute, behind) in whole.attributes.iter().zip(&behind.attributes) {
            // Of what is hidden nothing is told.
            let hidden = ["disputed_account_count", "hidden_item_count"].contains(&attribute.name);
            if attribute.value.is_none() || hidden {
                continue;
            }
            let mut kept: Vec<Account> = Vec::new();
            for looked in &behind.accounts {
                let mut account = told.seen[looked.account].account.clone();
                account.months.retain(|month| looked.months.contains(&month.as_of_date));
                if !looked.payments {
                    account.instalments.clear();
                }
                kept.push(account);
            }
            // An account that the attribute does not look at, so that there is one.
            let other = told.seen.iter().enumerate().find(|(n, _)| !behind.accounts.iter().any(|one| one.account == *n));
            kept.extend(other.map(|(_, seen)| seen.account.clone()));
            let recent: Vec<Applied> =
                applied.iter().filter(|one| behind.applied_from.is_some_and(|from| one.applied_on >= from)).copied().collect();
            let again = attributes(&kept, &recent, as_of);
            let value = again.attributes.iter().find(|one| one.name == attribute.name).and_then(|one| one.value);
            prop_assert_eq!(value, attribute.value, "{}", attribute.name);
        }
    }

    #[test]
    fn every_attribute_is_a_value_or_a_reason(
        accounts in accounts(),
        applications in applications(any_day()),
        as_of in any_day(),
    ) {
        let profile = attributes(&accounts, &applications, as_of);
        for attribute in &profile.attributes {
            prop_assert!(attribute.value.is_some() != attribute.null_reason.is_some(), "{attribute:?}");
        }
        for account in &profile.accounts {
            prop_assert_eq!(account.grid.len(), 24);
            prop_assert!(account.as_of_date <= as_of);
        }
    }

    #[test]
    fn histories_that_nobody_put_in_order_do_no_harm(
        mut account in any_account(),
        months in prop::collection::vec(month(0..900), 0..40),
        as_of in any_day(),
    ) {
        account.months = months;
        attributes(&[account], &[], as_of);
    }

    #[test]
    fn the_order_of_accounts_does_not_matter(
        (accounts, shuffled) in accounts().prop_flat_map(|accounts| (Just(accounts.clone()), Just(accounts).prop_shuffle())),
        (applications, shuffled_applications) in applications(any_day())
            .prop_flat_map(|applications| (Just(applications.clone()), Just(applications).prop_shuffle())),
        as_of in any_day(),
    ) {
        let profile = attributes(&accounts, &applications, as_of);
        prop_assert_eq!(profile, attributes(&shuffled, &shuffled_applications, as_of));
    }

    /// What is reported of later months, due later or applied for later does not change what is told of an earlier date.
    #[test]
    fn the_past_does_not_change(
        mut accounts in accounts(),
        later in prop::collection::vec((any::<prop::sample::Index>(), month(400..700)), 1..10),
        mut applications in applications(any_day()),
        applied_later in applications((400i64..700).prop_map(|days| day("2024-01-01") + TimeDelta::days(days))),
        due_later in instalment((400i64..700).prop_map(|days| day("2024-01-01") + TimeDelta::days(days))),
        as_of in (380i64..400).prop_map(|days| day("2024-01-01") + TimeDelta::days(days)),
    ) {
        for account in &mut accounts {
            // Nothing older than 24 months before the last later month, so that nothing is forgotten.
            account.months.retain(|month| month.as_of_date < day("2025-02-01") && month.as_of_date <= as_of);
            account.as_of_date = account.months.first().map_or(as_of, |month| month.as_of_date);
            account.opened_date = account.months.last().map_or(as_of, |month| month.as_of_date);
        }
        let before = attributes(&accounts, &applications, as_of);
        if !accounts.is_empty() {
            for (index, month) in later {
                let account = index.get(&accounts).account_ref.clone();
                let account = accounts.iter_mut().find(|known| known.account_ref == account).unwrap();
                account.months = merge(&account.months, month);
                account.as_of_date = account.months[0].as_of_date;
                account.instalments.insert(0, due_later);
            }
        }
        applications.extend(applied_later);
        let after = attributes(&accounts, &applications, as_of);
        for (before, after) in before.attributes.iter().zip(&after.attributes) {
            prop_assert!(still_holds(before, after), "{before:?} became {after:?}");
        }
        prop_assert_eq!(before.accounts, after.accounts);
        prop_assert_eq!(before.freshness, after.freshness);
    }
}
