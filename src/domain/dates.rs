//! Business dates: ISO 8601 calendar dates in Asia/Kuala_Lumpur (UTC+8, no daylight saving).

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, TimeDelta, Utc};

/// Reads `YYYY-MM-DD`, exactly ten ASCII bytes; anything else, or an impossible day, is `None`.
pub fn parse_iso(text: &str) -> Option<NaiveDate> {
    let b: &[u8; 10] = text.as_bytes().try_into().ok()?;
    if b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let digit = |i: usize| -> Option<u32> {
        let d = b[i].wrapping_sub(b'0');
        (d < 10).then_some(u32::from(d))
    };
    let year = digit(0)? * 1000 + digit(1)? * 100 + digit(2)? * 10 + digit(3)?;
    let month = digit(5)? * 10 + digit(6)?;
    let day = digit(8)? * 10 + digit(9)?;
    NaiveDate::from_ymd_opt(year as i32, month, day)
}

/// The business day on which an instant falls in Malaysia.
pub fn business_date(instant: DateTime<Utc>) -> NaiveDate {
    // Unwrap safety: eight hours is a valid offset.
    let malaysia = FixedOffset::east_opt(8 * 3600).expect("UTC+8 is a valid offset");
    instant.with_timezone(&malaysia).date_naive()
}

/// The instant at which a business day begins in Malaysia.
pub fn start_of(day: NaiveDate) -> DateTime<Utc> {
    (day.and_time(NaiveTime::MIN) - TimeDelta::hours(8)).and_utc()
}

/// Months since year 0; two dates of one calendar month share the number.
pub fn month_number(date: NaiveDate) -> i32 {
    date.year() * 12 + date.month0() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_real_days_only() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d);
        assert_eq!(parse_iso("2018-05-31"), day(2018, 5, 31));
        assert_eq!(parse_iso("2000-02-29"), day(2000, 2, 29));
        for wrong in ["2018-02-30", "2018-5-31", "31-05-2018", "2018/05/31", "2018-05-31 ", "２018-05-3", ""]
        {
            assert_eq!(parse_iso(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_business_day_starts_at_sixteen_utc() {
        let instant = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(business_date(instant("2026-01-31T15:59:59Z")).to_string(), "2026-01-31");
        assert_eq!(business_date(instant("2026-01-31T16:00:00Z")).to_string(), "2026-02-01");
        assert_eq!(start_of(parse_iso("2026-02-01").unwrap()), instant("2026-01-31T16:00:00Z"));
    }
}
