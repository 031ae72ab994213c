//! What the characters of a text are, gathered in one pass over its bytes.

use crate::domain::contract::spec::Form;

const CONTROL: u8 = 1;
pub(super) const DIGIT: u8 = 1 << 1;
const NOT_DIGIT: u8 = 1 << 2;
const NOT_UPPER_CASE: u8 = 1 << 3;
/// Outside `[A-Za-z0-9._:-]`.
const NOT_ACCOUNT_REF: u8 = 1 << 4;
/// ASCII that no name has; digits pass, V012 speaks of them.
const NOT_NAME: u8 = 1 << 5;
const NOT_ASCII: u8 = 1 << 6;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = class(byte as u8);
        byte += 1;
    }
    classes
};

const fn class(byte: u8) -> u8 {
    let mut class = 0;
    if byte.is_ascii_control() {
        class |= CONTROL;
    }
    class |= if byte.is_ascii_digit() { DIGIT } else { NOT_DIGIT };
    if !byte.is_ascii_uppercase() {
        class |= NOT_UPPER_CASE;
    }
    if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')) {
        class |= NOT_ACCOUNT_REF;
    }
    let name_sign = matches!(byte, b' ' | b'\'' | b'-' | b'.' | b'/' | b'@' | b',' | b'(' | b')' | b'&');
    if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !name_sign {
        class |= NOT_NAME;
    }
    if !byte.is_ascii() {
        class |= NOT_ASCII;
    }
    class
}

/// Which classes of bytes occur in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape(u8);

impl Shape {
    #[inline]
    pub(super) fn of(text: &str) -> Shape {
        Shape(text.bytes().fold(0, |seen, byte| seen | CLASSES[usize::from(byte)]))
    }

    pub(super) fn has(self, class: u8) -> bool {
        self.0 & class != 0
    }

    pub(super) fn is_digits(self) -> bool {
        !self.has(NOT_DIGIT)
    }

    pub(super) fn is_upper_case(self) -> bool {
        !self.has(NOT_UPPER_CASE)
    }

    pub(super) fn is_account_ref(self) -> bool {
        !self.has(NOT_ACCOUNT_REF)
    }

    /// Control characters, and those that are not seen but turn or hide what is next to them.
    pub(super) fn has_control_characters(self, text: &str) -> bool {
        self.has(CONTROL) || (self.has(NOT_ASCII) && text.chars().any(|c| c.is_control() || is_invisible(c)))
    }

    /// Letters of any script with their marks, digits, space and `'-./@,()&`.
    pub(super) fn is_name(self, text: &str) -> bool {
        !self.has(NOT_NAME) && (!self.has(NOT_ASCII) || text.chars().all(is_name_character))
    }
}

/// Zero-width and direction characters, line and paragraph separators, the byte order mark. The zero-width
/// joiners U+200C and U+200D are left alone: Indic scripts spell with them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

fn is_name_character(c: char) -> bool {
    c.is_ascii() || c.is_alphabetic() || c == '’' || is_mark(c)
}

/// Marks that belong to letters and are not alphabetic themselves: combining accents, and in the scripts of
/// Malaysia's people the vowel-killing signs, the nukta and the joiners.
fn is_mark(c: char) -> bool {
    matches!(
        c,
        '\u{0300}'..='\u{036F}' | '\u{064B}'..='\u{065F}'
            | '\u{093C}' | '\u{094D}' | '\u{0A3C}' | '\u{0A4D}' | '\u{0BCD}' | '\u{0C4D}' | '\u{0CCD}' | '\u{0D4D}'
            | '\u{0E47}'..='\u{0E4E}' | '\u{200C}' | '\u{200D}' | '·'
    )
}

/// Characters are counted only when there are more bytes than characters allowed.
#[inline]
pub(super) fn longer_than(text: &str, max_characters: usize) -> bool {
    text.len() > max_characters && text.chars().count() > max_characters
}

/// V011: a word that says that there is no value.
#[inline]
pub(super) fn is_placeholder(text: &str) -> bool {
    const WORDS: [&str; 7] = ["TEST", "N/A", "NA", "NULL", "NIL", "UNKNOWN", "-"];
    let first_letter = text.as_bytes().first().map(u8::to_ascii_uppercase);
    match first_letter {
        Some(b'T' | b'N' | b'U' | b'-') => WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)),
        Some(b'X') => text.len() >= 3 && text.bytes().all(|b| b.eq_ignore_ascii_case(&b'X')),
        _ => false,
    }
}

/// V016: a spreadsheet would take the text for a formula. In an account_ref the other signs are V014's.
pub(super) fn starts_a_formula(text: &str, form: Form) -> bool {
    match text.as_bytes().first() {
        Some(b'-') => true,
        Some(b'=' | b'+' | b'@') => form != Form::AccountRef,
        _ => false,
    }
}

/// E.164: a plus sign, a country code that does not begin with 0, 7 to 15 digits in all.
pub(super) fn is_e164(text: &str) -> bool {
    match text.as_bytes() {
        [b'+', b'1'..=b'9', rest @ ..] => {
            (6..=14).contains(&rest.len()) && rest.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// One character over and over, spaces aside: nobody's name.
pub(super) fn repeats_one_character(text: &str) -> bool {
    let mut characters = text.chars().filter(|c| *c != ' ');
    let Some(first) = characters.next() else { return false };
    let mut others = 0;
    for c in characters {
        if !c.eq_ignore_ascii_case(&first) {
            return false;
        }
        others += 1;
    }
    others > 0
}
