//! Every history rule: the past and the row that break it, and the neighbour that passes.

use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::*;
use crate::domain::contract::{AccountStatus, Field, FieldSet, PortfolioType, ProductType, SettlementType};
use crate::domain::finding::Severity;
use crate::domain::history::Month;
use crate::domain::money::Sen;

use Code::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn sen(amount: i64) -> Option<Sen> {
    Some(Sen(amount))
}

/// A sound instalment account in its second month: RM100 of RM1,000 paid since the month before.
fn row() -> Arriving {
    Arriving {
        facts: Facts {
            as_of_date: day("2026-10-31"),
            opened_date: day("2026-08-15"),
            product_type: ProductType::BnplPlan,
            portfolio_type: PortfolioType::Instalment,
            currency: *b"MYR",
            original_amount: sen(120_000),
            status: AccountStatus::Active,
            dpd: 0,
            outstanding: Sen(90_000),
            overdue: Sen(0),
            fees_outstanding: sen(500),
            instalments_paid: Some(3),
            first_delinquency_date: None,
            write_off_amount: None,
            restructured: false,
            imputed: FieldSet::EMPTY,
        },
        credit_limit: None,
        amount_paid_period: sen(10_000),
        settlement_type: None,
        contributor_dispute: false,
    }
}

fn with(change: impl FnOnce(&mut Arriving)) -> Arriving {
    let mut row = row();
    change(&mut row);
    row
}

/// The account as the month before left it, after a change.
fn past_with(change: impl FnOnce(&mut Arriving)) -> Past {
    let before = with(|row| {
        row.facts.as_of_date = day("2026-09-30");
        row.facts.outstanding = Sen(100_000);
        row.facts.instalments_paid = Some(2);
        change(row);
    });
    let mut past = Past::default();
    past.step(&before);
    past
}

fn past() -> Past {
    past_with(|_| {})
}

fn eventful(on: &str, moved: Movements) -> Past {
    Past { events: vec![(day(on), moved)], ..past() }
}

/// A revolving account that owed so much at the end of the six months before October, oldest first.
fn balances(amounts: [i64; 6]) -> Past {
    let mut past = Past::default();
    for (month, amount) in (4..).zip(amounts) {
        let first = NaiveDate::from_ymd_opt(2026, month + 1, 1).unwrap();
        past.step(&revolving(first - Days::new(1), amount));
    }
    past
}

fn revolving(as_of_date: NaiveDate, outstanding: i64) -> Arriving {
    with(|row| {
        row.facts.as_of_date = as_of_date;
        row.facts.portfolio_type = PortfolioType::Revolving;
        row.facts.outstanding = Sen(outstanding);
        row.amount_paid_period = None;
    })
}

fn judged_as(replaces: bool, terms: &Terms, past: &Past, row: &Arriving) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_history(past, row, &HistoryContext { terms, replaces, sends_events: false }, &mut findings);
    findings
}

fn judged(past: &Past, row: &Arriving) -> Vec<Finding> {
    judged_as(false, &Terms::default(), past, row)
}

fn breaks(code: Code, past: &Past, row: &Arriving) -> bool {
    judged(past, row).iter().any(|finding| finding.code == code)
}

/// The rule, a past, the row that breaks it and the row that passes.
type Case = (Code, Past, Arriving, Arriving);

fn cases() -> Vec<Case> {
    let late = |days| move |row: &mut Arriving| row.facts.dpd = days;
    let began = |on: &str| {
        let on = day(on);
        move |row: &mut Arriving| {
            row.facts.dpd = 60;
            row.facts.first_delinquency_date = Some(on);
        }
    };
    let written_off = |amount| {
        move |row: &mut Arriving| {
            row.facts.status = AccountStatus::WrittenOff;
            row.facts.write_off_amount = sen(amount);
        }
    };
    let october = day("2026-10-31");
    vec![
        (X028, balances([9, 9, 9, 0, 0, 0]), revolving(october, 0), revolving(october, 1)),
        (X030, past(), with(|row| row.facts.restructured = true), row()),
        (P001, past(), with(|row| row.facts.opened_date = day("2026-08-16")), row()),
        (
            P001,
            past(),
            with(|row| row.facts.original_amount = sen(1)),
            with(|row| row.facts.original_amount = None),
        ),
        (P001, past(), with(|row| row.facts.currency = *b"SGD"), row()),
        (P001, past(), with(|row| row.facts.portfolio_type = PortfolioType::Lease), row()),
        (P001, past(), with(|row| row.facts.product_type = ProductType::Rental), row()),
        (P003, past_with(|row| row.facts.status = AccountStatus::Settled), row(), with(written_off(1))),
        (P004, past(), with(late(34)), with(late(33))),
        (
            P005,
            past_with(late(30)),
            with(|row| (row.facts.dpd, row.amount_paid_period) = (29, sen(0))),
            with(|row| (row.facts.dpd, row.amount_paid_period) = (30, sen(0))),
        ),
        (
            P006,
            past(),
            with(|row| (row.facts.outstanding, row.facts.fees_outstanding) = (Sen(100_401), sen(800))),
            with(|row| (row.facts.outstanding, row.facts.fees_outstanding) = (Sen(100_400), sen(800))),
        ),
        (
            P007,
            past(),
            with(|row| row.facts.outstanding = Sen(89_899)),
            with(|row| row.facts.outstanding = Sen(89_900)),
        ),
        (P008, balances([10, 20, 30, 40, 50, 60]), revolving(october, 351), revolving(october, 350)),
        (
            P010,
            past_with(late(30)),
            with(|row| (row.facts.dpd, row.facts.outstanding) = (30, Sen(100_000))),
            with(|row| (row.facts.dpd, row.facts.outstanding) = (30, Sen(99_999))),
        ),
        (P011, past_with(began("2026-07-01")), with(began("2026-07-02")), with(began("2026-07-01"))),
        (
            P013,
            past(),
            with(|row| row.facts.instalments_paid = Some(1)),
            with(|row| row.facts.instalments_paid = Some(2)),
        ),
        (
            P014,
            eventful(
                "2026-10-15",
                Movements { paid: Sen(10_500), reversed: Sen(400), ..Movements::default() },
            ),
            row(),
            with(|row| row.amount_paid_period = sen(10_100)),
        ),
        (
            P015,
            Past::default(),
            with(|row| row.facts.opened_date = day("2026-07-31")),
            with(|row| row.facts.opened_date = day("2026-08-01")),
        ),
        (
            P016,
            eventful("2026-10-15", Movements { settled: true, ..Movements::default() }),
            row(),
            with(|row| row.facts.status = AccountStatus::Settled),
        ),
        (P017, past(), with(|row| row.facts.as_of_date = day("2026-09-29")), row()),
        (P018, past(), with(|row| row.contributor_dispute = true), row()),
        (P019, past_with(written_off(500)), with(written_off(501)), with(written_off(500))),
    ]
}

#[test]
fn every_rule_fires_on_the_row_that_breaks_it_and_not_on_its_neighbour() {
    for (code, past, breaking, passing) in cases() {
        let found = judged(&past, &breaking).into_iter().find(|finding| finding.code == code);
        let found = found.unwrap_or_else(|| panic!("{code} misses {breaking:?}"));
        assert_eq!(found.severity, code.severity(), "{code}");
        assert!(!breaks(code, &past, &passing), "{code} speaks wrongly of {passing:?}");
    }
    for (code, _) in HISTORY_RULES.iter().filter(|(code, _)| *code != P012) {
        assert!(cases().iter().any(|(tried, ..)| tried == code), "{code} is not tried");
    }
}

#[test]
fn a_month_that_follows_from_the_one_before_breaks_nothing() {
    assert_eq!(judged(&past(), &row()), []);
    assert_eq!(judged(&Past::default(), &row()), [], "nor does the first report of a new account");
}

#[test]
fn what_was_deleted_does_not_come_back_by_a_row() {
    let deleted = Past { deleted: true, ..Past::default() };
    assert!(breaks(P012, &deleted, &row()));
    let disputed = Past { disputed: true, ..past() };
    assert!(breaks(P018, &disputed, &row()));
}

#[test]
fn a_reference_used_again_is_told_from_a_subject_swapped() {
    let origin = |opened| AccountOrigin { opened_date: day(opened), product_type: ProductType::BnplPlan };
    let known = origin("2026-08-15");
    assert_eq!(bound_to_somebody_else(known, origin("2026-08-15")).code, P002);
    assert_eq!(bound_to_somebody_else(known, origin("2026-08-16")).code, I015);
    let other = AccountOrigin { product_type: ProductType::Rental, ..known };
    assert_eq!(bound_to_somebody_else(known, other).code, I015);
}

#[test]
fn an_older_row_needs_a_grant_or_a_period_to_replace() {
    let older = with(|row| row.facts.as_of_date = day("2026-08-31"));
    let codes = |replaces, terms: &Terms| -> Vec<Code> {
        judged_as(replaces, terms, &past(), &older).iter().map(|finding| finding.code).collect()
    };
    let granted = |from| Terms { backfill_from: Some(day(from)), ..Terms::default() };
    assert_eq!(codes(false, &Terms::default()), [P017]);
    assert_eq!(codes(false, &granted("2026-09-01")), [P017]);
    assert_eq!(codes(false, &granted("2026-08-31")), []);
    assert_eq!(codes(true, &Terms::default()), []);
}

#[test]
fn a_late_row_is_compared_with_the_month_before_it() {
    let mut known = past_with(|row| (row.facts.as_of_date, row.facts.dpd) = (day("2026-08-31"), 40));
    known.step(&with(|row| row.facts.dpd = 3));
    let september = |dpd| {
        with(|row| {
            row.facts.as_of_date = day("2026-09-30");
            row.facts.dpd = dpd;
            row.facts.outstanding = Sen(100_000);
            row.facts.instalments_paid = Some(0);
        })
    };
    let terms = Terms { backfill_from: Some(day("2020-01-01")), ..Terms::default() };
    let codes = |row| -> Vec<Code> {
        judged_as(false, &terms, &known, &row).iter().map(|finding| finding.code).collect()
    };
    assert_eq!(
        codes(september(72)),
        [],
        "August had 40 days, and only the latest month's instalments are known"
    );
    assert_eq!(codes(september(73)), [P004]);
}

#[test]
fn the_same_day_again_is_compared_with_the_day_before_it() {
    let mut known = past();
    known.step(&with(|row| row.facts.dpd = 5));
    assert_eq!(
        judged(&known, &with(|row| row.facts.dpd = 20)),
        [],
        "twenty days since September are possible"
    );
    known.step(&with(|row| row.facts.status = AccountStatus::Settled));
    assert!(breaks(P003, &known, &row()), "the same day does not undo an end");
    let replaced = judged_as(true, &Terms::default(), &known, &row());
    assert_eq!(replaced, [], "a batch in its place does");
}

#[test]
fn only_a_period_that_stands_alone_may_be_replaced_with_other_facts() {
    let other = with(|row| row.facts.opened_date = day("2026-08-01"));
    let replaced = |past: &Past| judged_as(true, &Terms::default(), past, &other);
    let mut october = Past::default();
    october.step(&row());
    assert_eq!(replaced(&october), []);
    let mut both = past();
    both.step(&row());
    assert_eq!(replaced(&both), [Finding::at(P001, Field::OpenedDate)]);
}

#[test]
fn arrears_fall_for_reasons_that_are_not_payments() {
    let known = past_with(|row| row.facts.dpd = 30);
    let unpaid = |change: fn(&mut Arriving)| {
        with(|row| {
            row.amount_paid_period = sen(0);
            row.facts.outstanding = Sen(100_000);
            change(row);
        })
    };
    assert!(breaks(P005, &known, &unpaid(|_| {})));
    let excused: [fn(&mut Arriving); 5] = [
        |row| row.facts.restructured = true,
        |row| row.facts.status = AccountStatus::Sold,
        |row| row.settlement_type = Some(SettlementType::Refund),
        |row| row.amount_paid_period = None,
        |row| row.facts.imputed = FieldSet::EMPTY.with(Field::AmountPaidPeriod),
    ];
    for change in excused {
        assert!(!breaks(P005, &known, &unpaid(change)));
    }
    let refunded = Movements { refunded: Sen(1), ..Movements::default() };
    let known = Past { events: vec![(day("2026-10-02"), refunded)], ..known };
    assert!(!breaks(P005, &known, &unpaid(|_| {})));
    let too_early = Past { events: vec![(day("2026-09-30"), refunded)], ..known };
    assert!(breaks(P005, &too_early, &unpaid(|_| {})), "the older snapshot knew that already");
}

#[test]
fn a_new_spell_of_delinquency_begins_later_and_is_no_re_aging() {
    let known = past_with(|row| {
        row.facts.dpd = 60;
        row.facts.first_delinquency_date = Some(day("2026-08-01"));
    });
    let began = |dpd, on: &str| {
        with(|row| {
            row.facts.dpd = dpd;
            row.facts.first_delinquency_date = Some(day(on));
        })
    };
    assert!(!breaks(P011, &known, &began(10, "2026-10-21")), "cured in between");
    assert!(breaks(P011, &known, &began(10, "2026-09-21")), "the old spell had not ended by then");
    assert!(breaks(P011, &known, &began(91, "2026-10-01")), "ninety days do not fit into October");
}

#[test]
fn a_balance_falls_by_what_was_written_off() {
    let written_off = |amount| {
        with(|row| {
            row.facts.status = AccountStatus::WrittenOff;
            row.facts.outstanding = Sen(0);
            row.facts.write_off_amount = sen(amount);
        })
    };
    assert!(!breaks(P007, &past(), &written_off(90_000)));
    assert!(breaks(P007, &past(), &written_off(80_000)));
}

#[test]
fn a_plan_made_anew_or_a_payment_taken_back_lowers_the_instalments_paid() {
    let fewer = with(|row| row.facts.instalments_paid = Some(0));
    for moved in [
        Movements { reversed: Sen(1), ..Movements::default() },
        Movements { restructured: true, ..Movements::default() },
    ] {
        assert!(!breaks(P013, &eventful("2026-10-10", moved), &fewer));
        assert!(breaks(P013, &eventful("2026-11-01", moved), &fewer), "not yet");
    }
}

#[test]
fn a_median_of_nothing_is_no_measure_and_five_months_are_too_few() {
    let october = day("2026-10-31");
    assert!(!breaks(P008, &balances([0, 0, 0, 0, 0, 9]), &revolving(october, 1_000_000)));
    let mut five = balances([1, 1, 1, 1, 1, 1]);
    five.known.as_mut().unwrap().months.pop();
    assert!(!breaks(P008, &five, &revolving(october, 1_000_000)));
}

#[test]
fn an_account_that_stays_restructured_is_asked_once() {
    let restructured = with(|row| row.facts.restructured = true);
    assert!(breaks(X030, &past(), &restructured));
    assert!(!breaks(X030, &past_with(|row| row.facts.restructured = true), &restructured));
    let told = eventful("2026-10-10", Movements { restructured: true, ..Movements::default() });
    assert!(!breaks(X030, &told, &restructured));
    let terms = Terms::default();
    let first_sight = |sends_events| {
        x030(
            &Past::default(),
            &restructured,
            &HistoryContext { terms: &terms, replaces: false, sends_events },
        )
    };
    assert!(first_sight(true).is_some() && first_sight(false).is_none());
}

#[test]
fn a_constant_that_was_filled_in_says_nothing() {
    let filled = |row: &mut Arriving| row.facts.imputed = FieldSet::EMPTY.with(Field::OpenedDate);
    let opened_elsewhere = with(|row| row.facts.opened_date = day("2020-01-01"));
    assert!(!breaks(P001, &past_with(filled), &opened_elsewhere), "the true date takes the constant's place");
    let first = with(|row| {
        row.facts.opened_date = day("2020-01-01");
        filled(row);
    });
    assert!(!breaks(P015, &Past::default(), &first));
}

prop_compose! {
    fn any_row()(
        as_of in 0_u64..900, opened in 0_u64..900, dpd in 0_u16..200, outstanding in any::<i64>(),
        paid in prop::option::of(any::<i64>()), fees in prop::option::of(any::<i64>()),
        instalments in prop::option::of(0_u16..5), flags in any::<[bool; 3]>(),
        status in prop::sample::select(AccountStatus::ALL),
        portfolio in prop::sample::select(PortfolioType::ALL),
    ) -> Arriving {
        let on = |days| day("2024-01-01") + Days::new(days);
        with(|row| {
            row.facts.as_of_date = on(as_of);
            row.facts.opened_date = on(opened);
            row.facts.dpd = dpd;
            row.facts.outstanding = Sen(outstanding);
            row.facts.fees_outstanding = fees.map(Sen);
            row.facts.write_off_amount = paid.map(Sen);
            row.facts.instalments_paid = instalments;
            row.facts.first_delinquency_date = flags[0].then(|| on(opened));
            row.facts.restructured = flags[1];
            row.facts.status = status;
            row.facts.portfolio_type = portfolio;
            row.amount_paid_period = paid.map(Sen);
            row.contributor_dispute = flags[2];
        })
    }
}

proptest! {
    /// Whatever came before: no panic, each rule at most once and in order, and the same answer twice.
    #[test]
    fn any_row_after_any_rows_is_judged_in_order(rows in prop::collection::vec(any_row(), 1..12)) {
        let mut past = Past::default();
        for row in &rows {
            let findings = judged(&past, row);
            prop_assert!(findings.windows(2).all(|pair| pair[0].code < pair[1].code), "{findings:?}");
            prop_assert!(findings.iter().all(|finding| finding.severity <= Severity::Reject));
            prop_assert_eq!(judged(&past, row), findings);
            past.step(row);
        }
        let newest = rows.iter().map(|row| row.facts.as_of_date).max();
        prop_assert_eq!(past.known.map(|known| known.latest.as_of_date), newest);
    }

    /// A month of a known account that moves by its calendar alone is never found fault with.
    #[test]
    fn an_account_that_pays_as_agreed_breaks_nothing(months in 2_u32..24, instalment in 1_i64..100_000) {
        let mut past = Past::default();
        for n in 0..months {
            let as_of = NaiveDate::from_ymd_opt(2024 + (n / 12) as i32, n % 12 + 1, 28).unwrap();
            let row = with(|row| {
                row.facts.as_of_date = as_of;
                row.facts.opened_date = day("2024-01-01");
                row.facts.outstanding = Sen(instalment * i64::from(months - n));
                row.facts.instalments_paid = Some(n as u16);
                row.amount_paid_period = sen(instalment);
            });
            prop_assert_eq!(judged(&past, &row), []);
            past.step(&row);
        }
    }
}

#[test]
fn months_are_seen_from_the_row() {
    let month = |past: &Past, on: &str| past.before(day(on)).map(|month: &Month| month.as_of_date);
    assert_eq!(month(&past(), "2026-09-30"), None);
    assert_eq!(month(&past(), "2026-10-01"), Some(day("2026-09-30")));
}
