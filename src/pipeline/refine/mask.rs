//! What a report may show of a value. The contributor must find the place; nobody else may learn the person.

use crate::domain::contract::Field;
use crate::domain::contract::row::{Cell, Row};
use crate::domain::contract::spec::{Class, Kind};
use crate::domain::dates;

/// Longest value that a report shows.
const MAX_CHARS: usize = 40;
/// A number of this many digits may be an identifier in the wrong column.
const TELLING_DIGITS: u32 = 10;

/// The value of a field as a report may show it; `None` when there is none.
///
/// A value that is what its field should hold, and cannot identify anybody (an amount, a date, a code word),
/// is shown. Everything else is shown by its shape: letters as `A` or `a`, digits as `9`.
pub fn masked(row: &Row<'_>, field: Field) -> Option<String> {
    match row.get(field) {
        Cell::Absent => None,
        Cell::Bool(value) => Some(value.to_string()),
        Cell::Unusable(kind) => Some(format!("({kind})")),
        Cell::Integer(value) if value.unsigned_abs() < 10_u64.pow(TELLING_DIGITS) => Some(value.to_string()),
        Cell::Integer(value) => Some(shape(&value.to_string())),
        Cell::Text(text) => Some(if is_harmless(row, field, text) { text.to_string() } else { shape(text) }),
    }
}

fn is_harmless(row: &Row<'_>, field: Field, text: &str) -> bool {
    let Some(spec) = row.contract().line(field) else { return false };
    if matches!(spec.class, Class::Direct | Class::Quasi) {
        return matches!(spec.kind, Kind::Word(words) if words.contains(&text));
    }
    match spec.kind {
        Kind::Word(words) => words.contains(&text),
        Kind::Date => dates::parse_iso(text).is_some(),
        Kind::Instant => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        Kind::Money | Kind::Count(_) => {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            digits < TELLING_DIGITS as usize
                && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.' | b','))
        }
        Kind::Flag => text.len() <= 5 && text.bytes().all(|b| b.is_ascii_alphabetic()),
        Kind::Text(..) => false,
    }
}

/// The shape of a text, cut to a length that fits a report.
fn shape(text: &str) -> String {
    let mut shape: String = text
        .chars()
        .take(MAX_CHARS)
        .map(|c| match c {
            c if c.is_numeric() => '9',
            c if c.is_uppercase() => 'A',
            c if c.is_alphabetic() => 'a',
            c if c.is_control() => '?',
            c if c.is_ascii() => c,
            _ => '?',
        })
        .collect();
    if text.chars().count() > MAX_CHARS {
        shape.push('…');
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::row::Notation;
    use crate::domain::contract::spec;

    fn shown(field: Field, cell: Cell<'_>) -> Option<String> {
        let mut row = Row::new(&spec::ACCOUNT_SNAPSHOT, Notation::Csv);
        row.put(field, cell);
        masked(&row, field)
    }

    #[test]
    fn amounts_dates_and_words_are_shown_and_persons_are_not() {
        let text = |t: &'static str| Cell::Text(t.into());
        assert_eq!(shown(Field::Outstanding, text("-12.50")).as_deref(), Some("-12.50"));
        assert_eq!(shown(Field::Outstanding, Cell::Integer(-1250)).as_deref(), Some("-1250"));
        assert_eq!(shown(Field::ClosedDate, text("2026-01-31")).as_deref(), Some("2026-01-31"));
        assert_eq!(shown(Field::Status, text("SOLD")).as_deref(), Some("SOLD"));
        assert_eq!(shown(Field::IdNumber, text("000229-14-1232")).as_deref(), Some("999999-99-9999"));
        assert_eq!(shown(Field::FullName, text("Ahmad bin Ali")).as_deref(), Some("Aaaaa aaa Aaa"));
        assert_eq!(shown(Field::Overdue, Cell::Absent), None);
    }

    #[test]
    fn a_person_in_the_wrong_column_is_not_shown_either() {
        assert_eq!(
            shown(Field::Outstanding, Cell::Integer(820_511_094_475)).as_deref(),
            Some("999999999999")
        );
        assert_eq!(shown(Field::Status, Cell::Text("AHMAD".into())).as_deref(), Some("AAAAA"));
        assert_eq!(
            shown(Field::ClosedDate, Cell::Text("820511-09-4475".into())).as_deref(),
            Some("999999-99-9999")
        );
    }
}
