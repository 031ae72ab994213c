//! Working days against calendars that were printed.

use chrono::NaiveDate;

use super::CalendarState::{Jhr, Kdh, Ktn, Kul, Sbh, Swk, Trg};
use super::*;
use crate::domain::dates::parse_iso;

fn day(text: &str) -> NaiveDate {
    parse_iso(text).unwrap()
}

fn plain() -> Calendar {
    Calendar::default()
}

#[test]
fn five_working_days_after_a_period() {
    let due = |end: &str, state| plain().add_working_days(day(end), 5, state).to_string();
    // October 2026 ends on a Saturday.
    assert_eq!(due("2026-10-31", Kul), "2026-11-06");
    // In Kedah the week begins on Sunday the 1st.
    assert_eq!(due("2026-10-31", Kdh), "2026-11-05");
    // Chinese New Year 2025 on the 29th and 30th of January, then FT Day on Saturday.
    assert_eq!(due("2025-01-31", Kul), "2025-02-07");
    // Hari Raya Aidilfitri 2025 on the 31st of March and the 1st of April.
    assert_eq!(due("2025-03-31", Kul), "2025-04-08");
    // New Year's Day is worked in Kelantan, whose weekend are the 2nd and 3rd.
    assert_eq!(due("2025-12-31", Ktn), "2026-01-07");
    assert_eq!(due("2025-12-31", Kul), "2026-01-08");
    // Wesak Day on Sunday the 31st of May 2026, the Agong's birthday on the Monday, so the day off is the Tuesday.
    assert_eq!(due("2026-05-31", Kul), "2026-06-09");
    assert_eq!(plain().add_working_days(day("2026-10-31"), 0, Kul), day("2026-10-31"));
}

#[test]
fn johor_changed_its_weekend_with_the_year_2025() {
    let works = |text: &str, state| plain().is_working_day(day(text), state);
    // A Friday and a Sunday before, a Friday and a Sunday after.
    assert!(!works("2024-12-27", Jhr) && works("2024-12-29", Jhr));
    assert!(works("2025-01-03", Jhr) && !works("2025-01-05", Jhr));
    assert!(!works("2026-01-02", Trg) && works("2026-01-04", Trg));
}

#[test]
fn a_holiday_on_the_rest_day_brings_the_next_working_day_off() {
    let off = |state, year| -> Vec<String> {
        let holidays = plain().holidays(state, year);
        let substitutes = holidays.iter().filter(|holiday| holiday.name.ends_with("in its place"));
        substitutes.map(|holiday| holiday.day.to_string()).collect()
    };
    // Federal Territory Day with Thaipusam, Aidilfitri's second day, Wesak Day, Deepavali.
    assert_eq!(off(Kul, 2026), ["2026-02-02", "2026-03-23", "2026-06-02", "2026-11-09"]);
    // Arafat Day 2025 fell on a Friday; the weekend and two more days of the feast follow.
    assert!(off(Ktn, 2025).contains(&"2025-06-09".to_owned()));
}

#[test]
fn easter_moves_good_friday() {
    for (year, expected) in [
        (2024, "2024-03-29"),
        (2025, "2025-04-18"),
        (2026, "2026-04-03"),
        (2027, "2027-03-26"),
        (2028, "2028-04-14"),
    ] {
        assert_eq!(good_friday(year), Some(day(expected)));
        assert!(!plain().is_working_day(day(expected), Sbh) && !plain().is_working_day(day(expected), Swk));
        assert!(plain().is_working_day(day(expected), Kul));
    }
    for (year, easter) in
        [(1961, "1961-04-02"), (2000, "2000-04-23"), (2019, "2019-04-21"), (2038, "2038-04-25")]
    {
        assert_eq!(good_friday(year), day(easter).checked_sub_days(Days::new(2)));
    }
}

#[test]
fn operators_know_better() {
    let change =
        |text: &str, kind, name: &str| Change { day: day(text), state: Kul, kind, name: name.into() };
    // The feast of 2027 was estimated for the 10th and 11th of March and turned out to be a day later.
    let calendar = Calendar::new(vec![
        change("2027-03-10", ChangeKind::WorkingDay, "Hari Raya Aidilfitri is tomorrow"),
        change("2027-03-12", ChangeKind::Holiday, "Hari Raya Aidilfitri, second day"),
    ]);
    let works = |text: &str, state| calendar.is_working_day(day(text), state);
    assert!(works("2027-03-10", Kul) && !works("2027-03-11", Kul) && !works("2027-03-12", Kul));
    assert!(!works("2027-03-10", Kdh) && works("2027-03-14", Kdh), "another state is not concerned");
    // A day off in place of a rest day follows the change, and can be taken back as well.
    let moved = Calendar::new(vec![change("2026-11-08", ChangeKind::WorkingDay, "Deepavali was moved")]);
    assert!(moved.is_working_day(day("2026-11-09"), Kul));
    let declared = Calendar::new(vec![change("2026-11-22", ChangeKind::Holiday, "Declared")]);
    assert!(!declared.is_working_day(day("2026-11-23"), Kul), "declared for a Sunday");
    let kept = Calendar::new(vec![change("2026-11-09", ChangeKind::WorkingDay, "No day off")]);
    assert!(kept.is_working_day(day("2026-11-09"), Kul));
}

#[test]
fn every_year_of_the_table_has_its_moving_days() {
    for year in FIRST_YEAR..=LAST_YEAR {
        for state in CalendarState::ALL {
            let holidays = plain().holidays(state, year);
            for feast in
                ["Hari Raya Aidilfitri", "Hari Raya Haji", "Chinese New Year", "Wesak Day", "Awal Muharram"]
            {
                assert_eq!(
                    holidays.iter().filter(|h| h.name == feast).count(),
                    1,
                    "{feast} {year} {state:?}"
                );
            }
            assert!((13..=30).contains(&holidays.len()), "{} in {year} {state:?}", holidays.len());
            assert!(holidays.is_sorted_by_key(|holiday| holiday.day));
            let late = holidays.iter().filter(|h| h.basis == Basis::Estimated).count();
            assert_eq!(late == 0, year <= 2026, "{year} {state:?}: {late} estimated");
        }
    }
}

#[test]
fn working_days_add_up() {
    for state in CalendarState::ALL {
        let start = day("2025-12-15");
        for n in 0..30 {
            let at = plain().add_working_days(start, n, state);
            assert_eq!(plain().add_working_days(at, 3, state), plain().add_working_days(start, n + 3, state));
            assert!(n == 0 || plain().is_working_day(at, state));
        }
    }
}
