//! Dates and instants as requests spell them: RFC 3339, whose years have four digits.
//!
//! chrono reads years far outside of what Postgres can hold; such a day must be the caller's mistake and not ours.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::domain::dates::parse_iso;

const NO_DATE: &str = "not a day of the calendar, expected a date YYYY-MM-DD";
const NO_INSTANT: &str = "outside of the calendar, expected an instant of the years 0000 to 9999";

pub fn optional_date<'de, D: Deserializer<'de>>(value: D) -> Result<Option<NaiveDate>, D::Error> {
    let text = Option::<String>::deserialize(value)?;
    text.map(|text| parse_iso(&text).ok_or_else(|| D::Error::custom(NO_DATE))).transpose()
}

pub fn date<'de, D: Deserializer<'de>>(value: D) -> Result<NaiveDate, D::Error> {
    parse_iso(&String::deserialize(value)?).ok_or_else(|| D::Error::custom(NO_DATE))
}

pub fn instant<'de, D: Deserializer<'de>>(value: D) -> Result<DateTime<Utc>, D::Error> {
    let instant = DateTime::<Utc>::deserialize(value)?;
    if (0..=9999).contains(&instant.year()) { Ok(instant) } else { Err(D::Error::custom(NO_INSTANT)) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_day_has_a_year_of_four_digits() {
        let read = |value: Value| optional_date(value).map_err(|error| error.to_string());
        assert_eq!(read(json!("2026-10-31")), Ok(NaiveDate::from_ymd_opt(2026, 10, 31)));
        assert_eq!(read(Value::Null), Ok(None));
        for refused in ["-262143-01-01", "+10000-01-01", "2026-02-29", "2026-1-1", ""] {
            assert_eq!(read(json!(refused)), Err(NO_DATE.to_owned()), "{refused}");
        }
    }

    #[test]
    fn an_instant_has_a_year_of_four_digits() {
        let read = |value: Value| instant(value).map_err(|error| error.to_string());
        assert!(read(json!("2026-10-31T08:00:00+08:00")).is_ok());
        for refused in ["-4714-01-01T00:00:00Z", "+10000-01-01T00:00:00Z", "9999-12-31T23:59:59-08:00"] {
            assert_eq!(read(json!(refused)), Err(NO_INSTANT.to_owned()), "{refused}");
        }
    }
}
