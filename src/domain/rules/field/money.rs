//! Amounts and counts written in CSV cells, read exactly: whole numbers all the way, no float.

use std::cell::Cell;

use crate::domain::contract::MoneyUnit;
use crate::domain::money::Sen;

/// How the amounts of a CSV file are written. A file read `BY_DECIMAL_POINT` that has both kinds would be wrong by
/// a factor of 100 in one of them: see [`MoneyForms::is_mixed`].
#[derive(Debug, Default)]
pub struct MoneyForms {
    whole: Cell<u64>,
    decimal: Cell<u64>,
}

impl MoneyForms {
    /// Amounts other than zero without a decimal point: zero is the same in sen and in ringgit.
    pub fn whole(&self) -> u64 {
        self.whole.get()
    }

    /// Amounts with a decimal point.
    pub fn decimal(&self) -> u64 {
        self.decimal.get()
    }

    /// Both kinds occur, so the decimal point does not tell the unit.
    pub fn is_mixed(&self) -> bool {
        self.whole() > 0 && self.decimal() > 0
    }

    /// Adds what another part of the same file counted.
    pub fn add(&self, other: &MoneyForms) {
        self.whole.set(self.whole() + other.whole());
        self.decimal.set(self.decimal() + other.decimal());
    }

    #[inline]
    fn count(&self, number: &Decimal) {
        if number.places > 0 {
            self.decimal.set(self.decimal() + 1);
        } else if number.unscaled != 0 {
            self.whole.set(self.whole() + 1);
        }
    }
}

const EXPECTED_AMOUNT: &str = "expected an amount of digits with at most two decimals";

/// Reads an amount; the error says what is expected instead (V002).
pub(super) fn read(text: &str, unit: MoneyUnit, forms: &MoneyForms) -> Result<Sen, &'static str> {
    let number = Decimal::parse(text).ok_or(EXPECTED_AMOUNT)?;
    if unit == MoneyUnit::Sen && number.places > 0 {
        return Err("expected a whole number of sen");
    }
    forms.count(&number);
    let sen_per_unit = match (number.places, unit) {
        (0, MoneyUnit::Ringgit) => 100,
        (1, _) => 10,
        _ => 1,
    };
    number.unscaled.checked_mul(sen_per_unit).map(Sen).ok_or(EXPECTED_AMOUNT)
}

/// Digits with an optional minus sign, within 64 bits.
pub(super) fn whole_number(text: &str) -> Option<i64> {
    Decimal::parse(text).filter(|number| number.places == 0).map(|number| number.unscaled)
}

/// So many digits make a number of 64 bits whatever they are.
const DIGITS_THAT_FIT: usize = 19;

/// A number of at most two decimal places: 12.5 is 125 with one place.
struct Decimal {
    unscaled: i64,
    places: u8,
}

impl Decimal {
    /// `-?[0-9]+(\.[0-9]{1,2})?`, nothing else: no plus sign, no grouping, no exponent.
    #[inline]
    fn parse(text: &str) -> Option<Decimal> {
        let (negative, magnitude) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            all => (false, all),
        };
        let fits = magnitude.len() <= DIGITS_THAT_FIT;
        let (mut unscaled, mut point) = (0_u64, None);
        for (at, byte) in magnitude.iter().enumerate() {
            let digit = u64::from(byte.wrapping_sub(b'0'));
            unscaled = match digit {
                0..=9 if fits => unscaled.wrapping_mul(10).wrapping_add(digit),
                0..=9 => unscaled.checked_mul(10)?.checked_add(digit)?,
                _ if *byte == b'.' && point.is_none() => {
                    point = Some(at);
                    continue;
                }
                _ => return None,
            };
        }
        let whole = point.unwrap_or(magnitude.len());
        let places = point.map_or(0, |at| magnitude.len() - at - 1);
        if whole == 0 || places > 2 || (point.is_some() && places == 0) {
            return None;
        }
        let unscaled = i64::try_from(unscaled).ok()?;
        Some(Decimal { unscaled: if negative { -unscaled } else { unscaled }, places: places as u8 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sen(text: &str, unit: MoneyUnit) -> Option<i64> {
        read(text, unit, &MoneyForms::default()).ok().map(|sen| sen.0)
    }

    #[test]
    fn the_unit_decides_what_a_number_counts() {
        use MoneyUnit::{ByDecimalPoint, Ringgit, Sen};
        for (text, in_sen, in_ringgit, by_point) in [
            ("0", Some(0), Some(0), Some(0)),
            ("1250", Some(1_250), Some(125_000), Some(1_250)),
            ("-5", Some(-5), Some(-500), Some(-5)),
            ("12.50", None, Some(1_250), Some(1_250)),
            ("12.5", None, Some(1_250), Some(1_250)),
            ("-0.05", None, Some(-5), Some(-5)),
            ("0.00", None, Some(0), Some(0)),
            ("9223372036854775807", Some(i64::MAX), None, Some(i64::MAX)),
            ("9223372036854775808", None, None, None),
        ] {
            assert_eq!(sen(text, Sen), in_sen, "{text}");
            assert_eq!(sen(text, Ringgit), in_ringgit, "{text}");
            assert_eq!(sen(text, ByDecimalPoint), by_point, "{text}");
        }
    }

    #[test]
    fn nothing_else_is_an_amount() {
        for text in [
            "", "-", ".", "5.", ".5", "1.234", "1.2.3", "+5", "1,000", "1 000", "1e3", "RM5", "--5", "5-",
            "NaN", "Infinity", "0x10", "٣",
        ] {
            for unit in MoneyUnit::ALL {
                assert_eq!(sen(text, *unit), None, "{text} in {unit}");
            }
        }
    }

    #[test]
    fn a_file_that_mixes_both_kinds_is_noticed() {
        let forms = MoneyForms::default();
        for text in ["12.50", "0", "0.00"] {
            read(text, MoneyUnit::ByDecimalPoint, &forms).unwrap();
        }
        assert_eq!((forms.whole(), forms.decimal(), forms.is_mixed()), (0, 2, false));
        let other_part = MoneyForms::default();
        read("1250", MoneyUnit::ByDecimalPoint, &other_part).unwrap();
        forms.add(&other_part);
        assert_eq!((forms.whole(), forms.decimal(), forms.is_mixed()), (1, 2, true));
    }

    proptest! {
        #[test]
        fn ringgit_written_with_two_decimals_come_back_exactly(amount in -1_000_000_000_000_i64..1_000_000_000_000) {
            let sign = if amount < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:02}", amount.abs() / 100, amount.abs() % 100);
            prop_assert_eq!(sen(&text, MoneyUnit::Ringgit), Some(amount));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            for unit in MoneyUnit::ALL {
                sen(&text, *unit);
            }
        }
    }
}
