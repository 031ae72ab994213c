//! NRIC (MyKad): 12 digits `YYMMDD-PB-###G`. There is no check digit, so the date and the place code are all that
//! can be verified (`domain.md` section 3).

use chrono::{Datelike, NaiveDate};

use super::{Compact, IdentityFault, NormalisedId};
use crate::domain::contract::IdType;
use crate::domain::rules::Code;

/// The table of place codes below, as of. A code that is assigned later gets a new version and a new bit.
pub const PLACE_CODES_VERSION: &str = "2026-11";

/// The assigned place codes, one bit each: states, foreign regions, unknown state (82), stateless (98), no
/// information (99).
const ASSIGNED_PLACE_CODES: u128 = range(1, 16)
    | range(21, 59)
    | range(60, 68)
    | range(71, 72)
    | range(74, 79)
    | range(82, 93)
    | range(98, 99);

const fn range(first: u32, last: u32) -> u128 {
    let mut bits = 0;
    let mut code = first;
    while code <= last {
        bits |= 1 << code;
        code += 1;
    }
    bits
}

/// Above this age, the earlier of two possible centuries is not believed: the oldest people alive are older, but
/// so few that for nearly everyone the later century is right.
const OLDEST_PLAUSIBLE_AGE: i32 = 110;

const NOT_TWELVE_DIGITS: IdentityFault = IdentityFault::new(Code::I001, "an NRIC has 12 digits");
const IMPOSSIBLE_DATE: IdentityFault =
    IdentityFault::new(Code::I002, "the first six digits are no date in any century");
const UNASSIGNED_PLACE: IdentityFault = IdentityFault::new(Code::I003, "the place code is not assigned");
const DUMMY: IdentityFault = IdentityFault::new(Code::I005, "a number made up to fill the field");

/// Spaces, hyphens and asterisks do not count.
pub(super) fn normalise(raw: &str) -> Result<Compact, IdentityFault> {
    // Nearly always they are written plainly.
    let text = match Compact::of_digits(raw.as_bytes()) {
        Some(plain) => plain,
        None => Compact::strip(raw, b" -*").ok_or(NOT_TWELVE_DIGITS)?,
    };
    let digits: &[u8; 12] = text.as_bytes().try_into().map_err(|_| NOT_TWELVE_DIGITS)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(NOT_TWELVE_DIGITS);
    }
    if is_dummy(digits) {
        return Err(DUMMY);
    }
    if !is_date_in_some_century(digits) {
        return Err(IMPOSSIBLE_DATE);
    }
    if ASSIGNED_PLACE_CODES >> number(&digits[6..8]) & 1 == 0 {
        return Err(UNASSIGNED_PLACE);
    }
    Ok(text)
}

/// A serial number 0000 is never issued; one digit repeated, and a run through all twelve digits or through place
/// code and serial, are what people type into a field that must not be empty. A serial of 1234 or 1111 alone is
/// somebody's.
fn is_dummy(digits: &[u8; 12]) -> bool {
    let steps =
        |part: &[u8], step: u8| part.windows(2).all(|pair| (pair[1] - b'0') == (pair[0] - b'0' + step) % 10);
    digits[8..] == *b"0000" || steps(digits, 0) || steps(&digits[6..], 1) || steps(&digits[6..], 9)
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}

/// Leap years fall alike in all centuries but for the years 00, of which 2000 is leap: whatever is a date in some
/// century is one in ours.
fn is_date_in_some_century(digits: &[u8; 12]) -> bool {
    let days = match number(&digits[2..4]) {
        2 if number(&digits[..2]).is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&number(&digits[4..6]))
}

fn date_in(century: i32, digits: &[u8]) -> Option<NaiveDate> {
    let year = century + number(&digits[..2]) as i32;
    NaiveDate::from_ymd_opt(year, number(&digits[2..4]), number(&digits[4..6]))
}

/// The date in an NRIC, and whether its century is in doubt.
///
/// The year is 20YY unless that is after `reference`, the day that the record describes; else 19YY. It is in doubt
/// when 19YY would be an age that people reach as well. The date may be that of registration where the birth was
/// not recorded, so nothing but a warning may rest on a difference. `None` for other kinds of identifier.
pub fn birth_date(id: &NormalisedId, reference: NaiveDate) -> Option<(NaiveDate, bool)> {
    if id.id_type() != IdType::Nric {
        return None;
    }
    let digits = id.text.as_bytes();
    let Some(earlier) = date_in(1900, digits) else {
        return date_in(2000, digits).map(|later| (later, false));
    };
    // Mostly the year tells.
    if 2000 + number(&digits[..2]) as i32 > reference.year() {
        return Some((earlier, false));
    }
    let later = date_in(2000, digits)?;
    if later > reference {
        return Some((earlier, false));
    }
    let age_if_earlier = reference.year() - earlier.year();
    Some((later, age_if_earlier <= OLDEST_PLAUSIBLE_AGE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dates::parse_iso;
    use crate::domain::identity;

    /// The codes as `domain.md` lists them, written out apart from the table above.
    const UNASSIGNED: [u32; 16] = [0, 17, 18, 19, 20, 69, 70, 73, 80, 81, 94, 95, 96, 97, 100, 101];

    fn code(raw: &str) -> Option<&'static str> {
        identity::normalise(IdType::Nric, raw).err().map(|fault| fault.code.as_str())
    }

    #[test]
    fn every_place_code_is_known_or_refused() {
        for place in 0..100 {
            let expected = UNASSIGNED.contains(&place).then_some("I003");
            assert_eq!(code(&format!("900101{place:02}5679")), expected, "{place:02}");
        }
    }

    #[test]
    fn a_date_of_some_century_is_one_of_the_calendar() {
        // Every year, with months and days to beyond their ends.
        for n in 0..100 * 15 * 34 {
            let text = format!("{:02}{:02}{:02}145678", n / (15 * 34), n / 34 % 15, n % 34);
            let digits: &[u8; 12] = text.as_bytes().try_into().unwrap();
            assert_eq!(is_date_in_some_century(digits), date_in(2000, digits).is_some(), "{text}");
        }
    }

    #[test]
    fn each_fault_has_its_code() {
        for (raw, expected) in [
            ("900101145678", None),
            ("900101-14-5678", None),
            ("* 900101 14 5678", None),
            ("90010114567", Some("I001")),
            ("9001011456789", Some("I001")),
            ("90010114567A", Some("I001")),
            ("900101/14/5678", Some("I001")),
            ("９００１０１145678", Some("I001")),
            ("", Some("I001")),
            ("901301145678", Some("I002")),
            ("900001145678", Some("I002")),
            ("900132145678", Some("I002")),
            ("900230145678", Some("I002")),
            ("050229145678", Some("I002")),
            ("000229145678", None),
            ("960229145678", None),
            ("900101175678", Some("I003")),
            ("900101140000", Some("I005")),
            ("111111111111", Some("I005")),
            ("000000000000", Some("I005")),
            ("123456789012", Some("I005")),
            ("900101123456", Some("I005")),
            ("900101876543", Some("I005")),
            ("900101141234", None),
            ("900101141111", None),
        ] {
            assert_eq!(code(raw), expected, "{raw}");
        }
    }

    #[test]
    fn the_century_follows_the_day_that_the_record_describes() {
        for (raw, reference, birth, ambiguous) in [
            ("820511145678", "2018-05-31", "1982-05-11", false),
            ("250101145678", "2018-05-31", "1925-01-01", false),
            ("180531145678", "2018-05-31", "2018-05-31", true),
            ("180601145678", "2018-05-31", "1918-06-01", false),
            ("080101145678", "2018-05-31", "2008-01-01", true),
            ("070101145678", "2018-05-31", "2007-01-01", false),
            ("000229145678", "2018-05-31", "2000-02-29", false),
            ("000229145678", "1999-12-31", "2000-02-29", false),
        ] {
            let id = identity::normalise(IdType::Nric, raw).unwrap();
            let expected = Some((parse_iso(birth).unwrap(), ambiguous));
            assert_eq!(birth_date(&id, parse_iso(reference).unwrap()), expected, "{raw} at {reference}");
        }
        let passport = identity::normalise(IdType::Passport, "820511145678").unwrap();
        assert_eq!(birth_date(&passport, parse_iso("2018-05-31").unwrap()), None);
    }
}
