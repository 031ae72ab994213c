//! Small books to try things out with.
//!
//! **Synthetic**: the people are made up. Their numbers bear the place code 82 (state unknown), their names begin with
//! SYNTHETIC. Dates in the files are written relative to the end of the period (`@-40`: forty days before), so that
//! the samples stay within the window that is open for submission.

use std::fmt::Write as _;

use chrono::{Datelike as _, Days, NaiveDate};

/// The sample that `dev` sends by itself at its first start, for `demo-bnpl`.
pub const FIRST: &str = include_str!("first.ndjson");
/// Every row is right; for `demo-bureau`.
pub const ACCEPTED: &str = include_str!("accepted.ndjson");
/// Two of twelve rows contradict themselves (X004, X006); for `demo-bureau`, which may err in 20 %.
pub const WITH_BAD_ROWS: &str = include_str!("with_bad_rows.ndjson");
/// The person whose profile the printed commands ask for: has accounts in [`FIRST`] and [`ACCEPTED`].
pub const PERSON: &str = "900214827351";

/// The last month that is over.
pub fn period_end(today: NaiveDate) -> NaiveDate {
    today.with_day(1).and_then(|first| first.pred_opt()).unwrap_or(today)
}

/// Writes the dates of a period into a sample.
pub fn render(sample: &str, period_end: NaiveDate) -> String {
    let mut text = String::with_capacity(sample.len() + sample.len() / 8);
    let mut rest = sample;
    while let Some((before, after)) = rest.split_once("\"@") {
        let (offset, after) = after.split_once('"').unwrap_or((after, ""));
        let date = shifted(period_end, offset.parse().unwrap_or(0));
        text.push_str(before);
        // Writing to a String does not fail.
        let _ = write!(text, "\"{date}\"");
        rest = after;
    }
    text.push_str(rest);
    text
}

fn shifted(date: NaiveDate, days: i64) -> NaiveDate {
    let distance = Days::new(days.unsigned_abs());
    let moved = if days < 0 { date.checked_sub_days(distance) } else { date.checked_add_days(distance) };
    moved.unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: NaiveDate = NaiveDate::from_ymd_opt(2026, 2, 28).unwrap();

    #[test]
    fn the_period_is_the_month_before() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        assert_eq!(period_end(day(2026, 3, 31)), END);
        assert_eq!(period_end(day(2026, 1, 1)), day(2025, 12, 31));
    }

    #[test]
    fn dates_are_counted_from_the_end_of_the_period() {
        let text = render("{\"a\":\"@0\",\"b\":\"@-28\",\"c\":\"@+1\",\"d\":\"x@y\"}\n", END);
        assert_eq!(text, "{\"a\":\"2026-02-28\",\"b\":\"2026-01-31\",\"c\":\"2026-03-01\",\"d\":\"x@y\"}\n");
    }

    #[test]
    fn samples_are_synthetic_json_without_a_date_left_open() {
        for sample in [FIRST, ACCEPTED, WITH_BAD_ROWS] {
            let text = render(sample, END);
            assert!(!text.contains('@'));
            for line in text.lines() {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(row["full_name"].as_str().unwrap().starts_with("SYNTHETIC "), "{line}");
                assert_eq!(&row["id_number"].as_str().unwrap()[6..8], "82", "{line}");
            }
        }
        assert!(FIRST.contains(PERSON) && ACCEPTED.contains(PERSON));
    }
}
