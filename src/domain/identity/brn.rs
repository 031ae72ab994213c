//! Business registration numbers of SSM, the companies' registrar: the 12 digits of since 11 October 2019, and the
//! older forms (`domain.md` section 3).

use super::{Compact, IdentityFault, NormalisedId, letters_digits_letters};
use crate::domain::contract::IdType;
use crate::domain::rules::Code;

const FIRST_YEAR: i32 = 1900;

/// I010: year (4), type (2), sequence (6). Whether the year is in the future is for those who know the day.
pub(super) fn normalise(raw: &str) -> Result<Compact, IdentityFault> {
    let fault = |reason| IdentityFault::new(Code::I010, reason);
    let length_fault = fault("a business registration number has 12 digits");
    let text = Compact::strip(raw, b" -").ok_or(length_fault)?;
    let digits: &[u8; 12] = text.as_bytes().try_into().map_err(|_| length_fault)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(length_fault);
    }
    if year(digits) < FIRST_YEAR {
        return Err(fault("the first four digits are the year of registration, 1900 or later"));
    }
    // 01 local company, 02 foreign company, 03 business, 04 local LLP, 05 foreign LLP, 06 professional LLP.
    if digits[4] != b'0' || !(b'1'..=b'6').contains(&digits[5]) {
        return Err(fault("digits five and six are the type, 01 to 06"));
    }
    Ok(text)
}

/// I011: the older forms differ by registry and state, so any letters around a run of digits will do:
/// `1312525-A`, `LLP0012345-LGN`, `JM0123456-X`.
pub(super) fn normalise_old(raw: &str) -> Result<Compact, IdentityFault> {
    let fault = IdentityFault::new(Code::I011, "an old business number is digits with letters around them");
    let text = Compact::strip(raw, b" -()/.").ok_or(fault)?;
    match letters_digits_letters(text.as_bytes()) {
        Some((0..=4, 3..=10, 0..=3)) => Ok(text),
        _ => Err(fault),
    }
}

fn year(digits: &[u8]) -> i32 {
    digits[..4].iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'))
}

/// The year in which a business was registered, of a BRN; `None` for other kinds of identifier.
pub fn registration_year(id: &NormalisedId) -> Option<i32> {
    (id.id_type() == IdType::Brn).then(|| year(id.text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::normalise;

    #[test]
    fn a_number_has_year_type_and_sequence() {
        for (raw, expected) in [
            ("201901000005", Ok("201901000005")),
            ("2019-01-000005", Ok("201901000005")),
            ("190006999999", Ok("190006999999")),
            ("189901000005", Err("I010")),
            ("201900000005", Err("I010")),
            ("201907000005", Err("I010")),
            ("201911000005", Err("I010")),
            ("20190100000", Err("I010")),
            ("20190100000A", Err("I010")),
        ] {
            let outcome = normalise(IdType::Brn, raw);
            let seen = outcome.as_ref().map(NormalisedId::as_str).map_err(|fault| fault.code.as_str());
            assert_eq!(seen, expected, "{raw}");
        }
        let company = normalise(IdType::Brn, "201901000005").unwrap();
        assert_eq!(registration_year(&company), Some(2019));
        assert_eq!(registration_year(&normalise(IdType::BrnOld, "1312525-A").unwrap()), None);
    }

    #[test]
    fn old_numbers_are_taken_in_their_many_forms() {
        for (raw, expected) in [
            ("1312525-A", Ok("1312525A")),
            ("(1312525-A)", Ok("1312525A")),
            ("1312525", Ok("1312525")),
            ("LLP0012345-LGN", Ok("LLP0012345LGN")),
            ("jm0123456-x", Ok("JM0123456X")),
            ("A", Err("I011")),
            ("12", Err("I011")),
            ("12A34", Err("I011")),
            ("123-ABCD", Err("I011")),
            ("", Err("I011")),
        ] {
            let outcome = normalise(IdType::BrnOld, raw);
            let seen = outcome.as_ref().map(NormalisedId::as_str).map_err(|fault| fault.code.as_str());
            assert_eq!(seen, expected, "{raw}");
        }
    }
}
