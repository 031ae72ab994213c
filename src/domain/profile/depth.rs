//! Depth: how much is known about a subject at all, and what is held back.

use chrono::{Datelike, NaiveDate};

use super::catalogue::Outcome;
use super::population::{Population, number};
use super::{NullReason, Value};
use crate::domain::dates::month_number;
use crate::domain::history::Month;

/// Months of history below which a file is thin (`domain.md` 6.3).
const THIN_BELOW_MONTHS: i32 = 3;

pub fn oldest_account_months(population: &Population<'_>) -> Outcome {
    let opened = population.seen.iter().map(|seen| seen.account.opened_date);
    let oldest = opened.min().ok_or(NullReason::NoRecord)?;
    number(whole_months(oldest, population.as_of))
}

/// Months that have passed in full; an unfinished one does not count, and a later day counts none.
fn whole_months(from: NaiveDate, to: NaiveDate) -> i32 {
    let unfinished = i32::from(to.day() < from.day());
    (month_number(to) - month_number(from) - unfinished).max(0)
}

pub fn newest_account_days(population: &Population<'_>) -> Outcome {
    let opened = population.seen.iter().map(|seen| seen.account.opened_date);
    number(population.days_ago(opened.max().ok_or(NullReason::NoRecord)?).max(0))
}

fn span(population: &Population<'_>) -> i32 {
    let months = || population.seen.iter().flat_map(|seen| seen.months.iter().map(Month::number));
    match (months().min(), months().max()) {
        (Some(oldest), Some(newest)) => newest - oldest + 1,
        _ => 0,
    }
}

pub fn is_thin(population: &Population<'_>) -> bool {
    span(population) < THIN_BELOW_MONTHS
}

pub fn history_months(population: &Population<'_>) -> Outcome {
    number(span(population))
}

pub fn thin_file(population: &Population<'_>) -> Outcome {
    Ok(Value::Flag(is_thin(population)))
}

pub fn contributors_seen(population: &Population<'_>) -> Outcome {
    number(population.contributors())
}

pub fn disputed_accounts(population: &Population<'_>) -> Outcome {
    number(population.disputed)
}

/// Disputes are the only reason to hide an item so far.
pub fn hidden_items(population: &Population<'_>) -> Outcome {
    number(population.disputed)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{AS_OF, account, contributor, day, owes, value, with_dpds};
    use super::super::{HitStatus, attributes};
    use super::*;
    use crate::domain::contract::{AccountStatus, HolderRole};
    use crate::domain::history::Account;

    fn hit(accounts: &[Account]) -> HitStatus {
        attributes(accounts, &[], day(AS_OF)).hit_status
    }

    fn is_thin_file(accounts: &[Account]) -> bool {
        let profile = attributes(accounts, &[], day(AS_OF));
        let thin = profile.attributes.iter().find(|attribute| attribute.name == "thin_file").unwrap();
        thin.value == Some(Value::Flag(true))
    }

    #[test]
    fn age_counts_whole_months_and_days() {
        let opened = |text: &str| Account { opened_date: day(text), ..with_dpds(account("a"), "0") };
        let accounts = [opened("2025-06-30"), opened("2026-06-28")];
        assert_eq!(value(&accounts, "oldest_account_months"), Ok(12));
        assert_eq!(value(&accounts, "newest_account_days"), Ok(2));
        assert_eq!(whole_months(day("2026-01-31"), day("2026-03-30")), 1);
        assert_eq!(whole_months(day("2026-07-01"), day("2026-06-30")), 0);
    }

    #[test]
    fn a_file_is_thin_below_three_months() {
        let two = [with_dpds(account("a"), "0 0")];
        assert_eq!((hit(&two), is_thin_file(&two)), (HitStatus::Thin, true));
        let three = [with_dpds(account("a"), "0 0 0")];
        assert_eq!((hit(&three), is_thin_file(&three)), (HitStatus::Hit, false));
        assert_eq!(value(&three, "history_months"), Ok(3));
    }

    #[test]
    fn nobody_known_is_no_hit_and_says_so_everywhere() {
        let profile = attributes(&[], &[], day(AS_OF));
        assert_eq!(profile.hit_status, HitStatus::NoHit);
        for attribute in &profile.attributes {
            match attribute.name {
                "thin_file" => assert_eq!(attribute.value, Some(Value::Flag(true))),
                "history_months"
                | "contributors_seen"
                | "disputed_account_count"
                | "hidden_item_count"
                | "applications_7d"
                | "applications_30d"
                | "applications_90d"
                | "applied_contributors_30d" => {
                    assert_eq!(attribute.value, Some(Value::Number(0)), "{}", attribute.name);
                }
                name => assert_eq!(attribute.null_reason, Some(NullReason::NoRecord), "{name}"),
            }
        }
    }

    #[test]
    fn guarantees_and_cancelled_orders_are_nobodys_debt() {
        let guaranteed = Account { holder_role: HolderRole::Guarantor, ..owes(account("g"), 500_00, 0) };
        let mut cancelled = owes(account("c"), 0, 0);
        cancelled.months[0].status = AccountStatus::Cancelled;
        assert_eq!(hit(&[guaranteed, cancelled]), HitStatus::NoHit);
        let joint = Account { holder_role: HolderRole::Joint, ..owes(account("j"), 500_00, 0) };
        assert_eq!(value(&[joint], "total_outstanding"), Ok(500_00));
    }

    #[test]
    fn a_disputed_account_is_hidden_and_its_existence_disclosed() {
        let disputed = Account { contributor_dispute: true, ..with_dpds(account("d"), "95 60 30 0") };
        let clean = with_dpds(account("c"), "0 0 0 0");
        let both = [disputed.clone(), clean];
        assert_eq!(hit(&both), HitStatus::Partial);
        assert_eq!(value(&both, "worst_dpd_24m"), Ok(0));
        assert_eq!(value(&both, "disputed_account_count"), Ok(1));
        assert_eq!(value(&both, "hidden_item_count"), Ok(1));
        assert_eq!(attributes(&both, &[], day(AS_OF)).accounts.len(), 1);

        let alone = [disputed];
        assert_eq!(hit(&alone), HitStatus::Partial);
        assert_eq!(value(&alone, "worst_dpd_24m"), Err(NullReason::AllDisputed));
    }

    #[test]
    fn an_account_first_reported_later_is_not_seen() {
        let accounts = [with_dpds(account("a"), "0 0")]; // May and June
        assert_eq!(attributes(&accounts, &[], day("2026-04-30")).hit_status, HitStatus::NoHit);
        assert_eq!(attributes(&accounts, &[], day("2026-05-31")).hit_status, HitStatus::Thin);
    }

    #[test]
    fn contributors_are_counted_open_or_closed() {
        let at = |n, account| Account { contributor_id: contributor(n), ..account };
        let accounts = [at(1, with_dpds(account("a"), "0")), at(2, with_dpds(account("b"), "0"))];
        assert_eq!(value(&accounts, "contributors_seen"), Ok(2));
        assert_eq!(attributes(&accounts, &[], day(AS_OF)).contributors_reporting, 2);
    }
}
