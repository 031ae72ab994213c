//! Identifiers of people and businesses (`domain.md` section 3): text in, one normal form or a reason out.
//!
//! Normalising needs no secret: what becomes of the normal form (a keyed token) is `privacy`'s matter. Nothing
//! here infers gender, ethnicity or origin from a number, and nothing here should.

mod brn;
mod documents;
pub mod names;
pub mod nric;

use std::fmt;

use super::contract::IdType;
use super::rules::Code;

pub use brn::registration_year;
pub use nric::birth_date;

/// The longest normal form of any kind: that of a passport, army or police number.
const MAX_LENGTH: usize = 20;

/// An identifier in the one form that matching uses: upper-case letters and digits.
///
/// `Debug` shows the kind alone, so that a normal form cannot slip into a log.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NormalisedId {
    id_type: IdType,
    text: Compact,
}

impl NormalisedId {
    pub fn id_type(&self) -> IdType {
        self.id_type
    }

    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }
}

impl fmt::Debug for NormalisedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NormalisedId({})", self.id_type)
    }
}

/// Why a text is no identifier of its kind: the rule's code, and a reason free of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct IdentityFault {
    pub code: Code,
    pub reason: &'static str,
}

impl IdentityFault {
    const fn new(code: Code, reason: &'static str) -> IdentityFault {
        IdentityFault { code, reason }
    }
}

/// Brings an identifier to its normal form: I001 to I003 and I005 (NRIC), I006 (OLD_IC), I007 (PASSPORT), I008
/// (ARMY, POLICE), I010 (BRN), I011 (BRN_OLD). What needs more than the text itself (a date, a country, another
/// field) is in `rules::identity`.
pub fn normalise(id_type: IdType, raw: &str) -> Result<NormalisedId, IdentityFault> {
    let text = match id_type {
        IdType::Nric => nric::normalise(raw)?,
        IdType::OldIc => documents::old_ic(raw)?,
        IdType::Passport => documents::passport(raw)?,
        IdType::Army | IdType::Police => documents::service_number(raw)?,
        IdType::Brn => brn::normalise(raw)?,
        IdType::BrnOld => brn::normalise_old(raw)?,
    };
    Ok(NormalisedId { id_type, text })
}

/// Upper-case letters and digits, held in place: one is made for every row.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Compact {
    bytes: [u8; MAX_LENGTH],
    length: u8,
}

impl Compact {
    /// Takes letters (as upper case) and digits and leaves out the separators. `None` when anything else is
    /// there or too much is left.
    #[inline]
    fn strip(raw: &str, separators: &[u8]) -> Option<Compact> {
        let mut compact = Compact { bytes: [0; MAX_LENGTH], length: 0 };
        for byte in raw.bytes() {
            if byte.is_ascii_alphanumeric() {
                *compact.bytes.get_mut(usize::from(compact.length))? = byte.to_ascii_uppercase();
                compact.length += 1;
            } else if !separators.contains(&byte) {
                return None;
            }
        }
        Some(compact)
    }

    /// Twelve digits and nothing else.
    #[inline]
    fn of_digits(raw: &[u8]) -> Option<Compact> {
        let digits: &[u8; 12] = raw.try_into().ok()?;
        // Without a branch for each of them.
        let plain = digits.iter().fold(true, |plain, byte| plain & byte.is_ascii_digit());
        let mut bytes = [0; MAX_LENGTH];
        bytes[..12].copy_from_slice(digits);
        plain.then_some(Compact { bytes, length: 12 })
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    fn as_str(&self) -> &str {
        // Unwrap safety: `strip` lets nothing but ASCII in.
        std::str::from_utf8(self.as_bytes()).expect("ASCII is UTF-8")
    }
}

/// Splits `letters digits letters` and gives the three lengths; `None` for any other shape.
fn letters_digits_letters(text: &[u8]) -> Option<(usize, usize, usize)> {
    let head = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let digits = text[head..].iter().take_while(|b| b.is_ascii_digit()).count();
    let tail = &text[head + digits..];
    tail.iter().all(u8::is_ascii_uppercase).then_some((head, digits, tail.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_identifier_never_shows_itself() {
        let id = normalise(IdType::Passport, "A12345678").unwrap();
        assert_eq!(format!("{id:?}"), "NormalisedId(PASSPORT)");
        assert_eq!((id.id_type(), id.as_str()), (IdType::Passport, "A12345678"));
    }

    #[test]
    fn one_identifier_written_two_ways_is_one() {
        for (id_type, left, right) in [
            (IdType::Nric, "900101-14-5678", "900101145678"),
            (IdType::Nric, "900101 14 5678", "*900101145678*"),
            (IdType::OldIc, "a 1234567", "A1234567"),
            (IdType::Passport, "a-12345678", "A12345678"),
            (IdType::Army, "t 1234567", "T1234567"),
            (IdType::Brn, "2019 01000005", "201901000005"),
            (IdType::BrnOld, "(1312525-a)", "1312525A"),
        ] {
            assert_eq!(normalise(id_type, left), normalise(id_type, right), "{left}");
            assert!(normalise(id_type, left).is_ok(), "{left}");
        }
        assert_ne!(normalise(IdType::Army, "T1234567"), normalise(IdType::Police, "T1234567"));
    }

    proptest! {
        #[test]
        fn any_text_has_a_normal_form_or_a_reason(raw in ".{0,40}") {
            for id_type in IdType::ALL {
                if let Ok(id) = normalise(*id_type, &raw) {
                    prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
                    prop_assert_eq!(normalise(*id_type, id.as_str()), Ok(id), "normalising twice");
                }
            }
        }
    }
}
