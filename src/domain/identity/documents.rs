//! Identity documents other than the NRIC: old identity card, passport, army and police number (`domain.md`
//! section 3). Their forms are weakly sourced, so the checks are lenient.

use super::{Compact, IdentityFault, letters_digits_letters};
use crate::domain::rules::Code;

const SEPARATORS: &[u8] = b" -/";

/// I006: at most two letters, then 6 to 8 digits.
pub(super) fn old_ic(raw: &str) -> Result<Compact, IdentityFault> {
    let fault = IdentityFault::new(Code::I006, "an old identity card has up to 2 letters and 6 to 8 digits");
    let text = Compact::strip(raw, SEPARATORS).ok_or(fault)?;
    match letters_digits_letters(text.as_bytes()) {
        Some((0..=2, 6..=8, 0)) => Ok(text),
        _ => Err(fault),
    }
}

/// I007: 5 to 20 letters and digits. The country is another field.
pub(super) fn passport(raw: &str) -> Result<Compact, IdentityFault> {
    let fault = IdentityFault::new(Code::I007, "a passport has 5 to 20 letters and digits");
    alphanumeric(raw, 5).ok_or(fault)
}

/// I008: 4 to 20 letters and digits.
pub(super) fn service_number(raw: &str) -> Result<Compact, IdentityFault> {
    let fault = IdentityFault::new(Code::I008, "an army or police number has 4 to 20 letters and digits");
    alphanumeric(raw, 4).ok_or(fault)
}

fn alphanumeric(raw: &str, at_least: usize) -> Option<Compact> {
    Compact::strip(raw, SEPARATORS).filter(|text| text.as_bytes().len() >= at_least)
}

#[cfg(test)]
mod tests {
    use crate::domain::contract::IdType;
    use crate::domain::identity::{NormalisedId, normalise};

    #[test]
    fn each_document_has_its_form() {
        let long = "A".repeat(20);
        let too_long = "A".repeat(21);
        for (id_type, raw, expected) in [
            (IdType::OldIc, "1234567", Ok("1234567")),
            (IdType::OldIc, "a1234567", Ok("A1234567")),
            (IdType::OldIc, "AB123456", Ok("AB123456")),
            (IdType::OldIc, "ABC123456", Err("I006")),
            (IdType::OldIc, "12345", Err("I006")),
            (IdType::OldIc, "123456789", Err("I006")),
            (IdType::OldIc, "1234567A", Err("I006")),
            (IdType::Passport, "a 1234567", Ok("A1234567")),
            (IdType::Passport, &long, Ok(long.as_str())),
            (IdType::Passport, &too_long, Err("I007")),
            (IdType::Passport, "A123", Err("I007")),
            (IdType::Passport, "A12345#", Err("I007")),
            (IdType::Army, "T1234", Ok("T1234")),
            (IdType::Army, "123", Err("I008")),
            (IdType::Police, "rf/123456", Ok("RF123456")),
            (IdType::Police, "é1234", Err("I008")),
        ] {
            let outcome = normalise(id_type, raw);
            let seen = outcome.as_ref().map(NormalisedId::as_str).map_err(|fault| fault.code.as_str());
            assert_eq!(seen, expected, "{id_type} {raw}");
        }
    }
}
