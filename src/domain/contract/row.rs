//! One row as it came, before anything is known about its types: a cell for each field of the contract.

use std::borrow::Cow;

use super::field::{Field, FieldSet};
use super::spec::Contract;

/// A value as the file carries it. Text borrows from the line unless it had escapes to resolve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cell<'a> {
    /// No column, no key, JSON null, or nothing but white space. Blank is not zero.
    #[default]
    Absent,
    /// Text without outer ASCII white space, otherwise untouched.
    Text(Cow<'a, str>),
    Integer(i64),
    Bool(bool),
    /// A JSON value of a kind that no field takes; the text names the kind.
    Unusable(&'static str),
}

impl<'a> Cell<'a> {
    /// A cell of borrowed text.
    #[inline]
    pub fn text(text: &'a str) -> Cell<'a> {
        match text.trim_ascii() {
            "" => Cell::Absent,
            trimmed => Cell::Text(Cow::Borrowed(trimmed)),
        }
    }

    /// A cell of text that does not outlive its reader.
    pub fn owned_text(text: &str) -> Cell<'a> {
        match text.trim_ascii() {
            "" => Cell::Absent,
            trimmed => Cell::Text(Cow::Owned(trimmed.to_owned())),
        }
    }

    /// The same cell without a copy of its text.
    fn borrowed(&'a self) -> Cell<'a> {
        match self {
            Cell::Text(text) => Cell::Text(Cow::Borrowed(text)),
            other => other.clone(),
        }
    }
}

/// One cell per field. Made anew for each line: it borrows from the line.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    cells: [Cell<'a>; Field::COUNT],
    sent: FieldSet,
    /// Fields with something in their cell.
    present: FieldSet,
    imputed: FieldSet,
    notation: Notation,
    contract: &'static Contract,
}

/// Whether values carry a type of their own. JSON numbers and truth values do, CSV cells are all text; a text
/// `"5"` is a number in CSV and a mistake in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    Json,
    Csv,
}

impl<'a> Row<'a> {
    #[inline]
    pub fn new(contract: &'static Contract, notation: Notation) -> Row<'a> {
        Row {
            cells: [const { Cell::Absent }; Field::COUNT],
            sent: FieldSet::EMPTY,
            present: FieldSet::EMPTY,
            imputed: FieldSet::EMPTY,
            notation,
            contract,
        }
    }

    /// Puts a cell in its place; false, and nothing changes, when the field was sent before.
    #[inline]
    pub fn put(&mut self, field: Field, cell: Cell<'a>) -> bool {
        let first = self.sent.insert(field);
        if first && !matches!(cell, Cell::Absent) {
            self.present.insert(field);
            self.cells[field as usize] = cell;
        }
        first
    }

    /// Puts a constant where there is no value. The field does not count as sent.
    pub fn impute(&mut self, field: Field, constant: &'a Cell<'_>) {
        let place = &mut self.cells[field as usize];
        if *place == Cell::Absent {
            *place = constant.borrowed();
            self.present.insert(field);
            self.imputed.insert(field);
        }
    }

    /// The fields whose value is a constant and not the sender's.
    #[inline]
    pub fn imputed(&self) -> FieldSet {
        self.imputed
    }

    #[inline]
    pub fn get(&self, field: Field) -> &Cell<'a> {
        &self.cells[field as usize]
    }

    /// The fields that the line names, blank ones included.
    pub fn sent(&self) -> FieldSet {
        self.sent
    }

    /// The fields that have a value, sent or imputed.
    #[inline]
    pub fn present(&self) -> FieldSet {
        self.present
    }

    /// The contract that the row is written to.
    #[inline]
    pub fn contract(&self) -> &'static Contract {
        self.contract
    }

    #[inline]
    pub fn notation(&self) -> Notation {
        self.notation
    }
}

/// Why a line is no row. The texts carry nothing of the line's values: they may be shown and logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The line is not one JSON object, or has not the header's number of cells (V002 of the record).
    #[error("malformed row: {0}")]
    Malformed(String),
    /// A name outside the contract (F005 of the file), as [`shown_name`] gives it.
    #[error("unknown field {0}")]
    UnknownField(String),
    /// A field twice in one line (F005 of the file).
    #[error("field {0} appears twice")]
    DuplicateField(Field),
}

/// A stranger's column name, safe to show: a file without a header line has values where names should be, so
/// only what looks like a column name is repeated.
pub fn shown_name(name: &str) -> String {
    let tame = |b: u8| b.is_ascii_lowercase() || b.is_ascii_uppercase() || b == b'_';
    let plain = name.bytes().all(|b| tame(b) || b.is_ascii_digit());
    let begins = name.bytes().next().is_some_and(tame);
    let mostly_letters = name.bytes().filter(u8::is_ascii_digit).count() < 4;
    if plain && begins && mostly_letters && name.len() <= 64 {
        name.to_owned()
    } else {
        "(not a column name)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec;
    use super::*;

    /// A row holds one for each field and is made for every line, so a fourth word would be felt.
    #[test]
    fn a_cell_is_no_larger_than_its_text() {
        assert_eq!(size_of::<Cell<'_>>(), size_of::<Cow<'_, str>>());
    }

    #[test]
    fn blank_is_absent_and_inner_space_stays() {
        assert_eq!(Cell::text(" \t\r\n"), Cell::Absent);
        assert_eq!(Cell::text(" SUBJECT  ONE "), Cell::Text("SUBJECT  ONE".into()));
        assert_eq!(Cell::owned_text("  "), Cell::Absent);
    }

    #[test]
    fn the_first_value_of_a_field_stays() {
        let mut row = Row::new(&spec::ACCOUNT_SNAPSHOT, Notation::Json);
        assert!(row.put(Field::Dpd, Cell::Absent));
        assert!(!row.put(Field::Dpd, Cell::Integer(3)));
        assert_eq!(row.get(Field::Dpd), &Cell::Absent);
        assert_eq!(row.sent().iter().collect::<Vec<_>>(), [Field::Dpd]);
    }

    #[test]
    fn a_value_in_the_place_of_a_name_is_not_repeated() {
        assert_eq!(shown_name("race"), "race");
        for value in ["900101145678", "SUBJECT ONE", "A12345678", "+60123456789", "", "a@b.example"] {
            assert_eq!(shown_name(value), "(not a column name)", "{value}");
        }
    }
}
