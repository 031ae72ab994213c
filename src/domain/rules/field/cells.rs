//! The cells of a row on their way to types: V001 to V006, V009 to V011, V013 to V017, and what belongs to one cell.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::shape::{self, Shape};
use super::{FieldContext, money};
use crate::domain::contract::row::{Cell, Notation, Row};
use crate::domain::contract::spec::{self, Form, Kind};
use crate::domain::contract::{Field, FieldSet};
use crate::domain::dates;
use crate::domain::finding::Finding;
use crate::domain::money::Sen;
use crate::domain::rules::Code;

/// Before this year, a date is doubted (V009).
const FIRST_PLAUSIBLE_YEAR: i32 = 1950;
/// People born before 1950 are among us; nobody born before this is.
const FIRST_PLAUSIBLE_BIRTH_YEAR: i32 = 1900;

/// The row's cells on their way to types.
pub(super) struct Cells<'a, 'row, 'c> {
    pub row: &'a Row<'row>,
    pub context: &'c FieldContext<'c>,
    pub findings: &'c mut Vec<Finding>,
    pub unreadable: FieldSet,
    /// What the characters of the last name are: V012 asks again.
    pub name: Shape,
    /// Of most fields a row has nothing: a bit tells, and their cells are not looked at.
    present: FieldSet,
    /// Required and not there (V001).
    missing: FieldSet,
}

impl<'a, 'row, 'c> Cells<'a, 'row, 'c> {
    pub fn new(
        row: &'a Row<'row>,
        context: &'c FieldContext<'c>,
        findings: &'c mut Vec<Finding>,
    ) -> Cells<'a, 'row, 'c> {
        let present = row.present();
        let missing = row.contract().required.without(present);
        Cells {
            row,
            context,
            findings,
            unreadable: FieldSet::EMPTY,
            name: Shape::default(),
            present,
            missing,
        }
    }

    /// Whether there is something to read; V001 where the contract requires the field.
    #[inline]
    fn has(&mut self, field: Field) -> bool {
        let present = self.present.contains(field);
        if !present && self.missing.contains(field) {
            self.doubt(Code::V001, field);
        }
        present
    }

    #[cold]
    fn unreadable<T>(&mut self, code: Code, field: Field, detail: &'static str) -> Option<T> {
        self.unreadable.insert(field);
        self.findings.push(Finding::at(code, field).with_detail(detail));
        None
    }

    /// V002, telling what the field takes and, for the kinds that no field takes, what was there.
    #[cold]
    fn wrong_type<T>(&mut self, field: Field, expected: &'static str) -> Option<T> {
        match self.row.get(field) {
            Cell::Unusable(found) => {
                self.unreadable.insert(field);
                let finding = Finding::at(Code::V002, field);
                self.findings.push(finding.with_detail(format!("{expected}, found {found}")));
                None
            }
            _ => self.unreadable(Code::V002, field, expected),
        }
    }

    #[cold]
    fn doubt(&mut self, code: Code, field: Field) {
        self.findings.push(Finding::at(code, field));
    }

    /// V004: a word outside the field's list. The word is not repeated: it may be anything.
    #[inline]
    pub fn word<T>(&mut self, field: Field, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        if !self.has(field) {
            return None;
        }
        match self.row.get(field) {
            Cell::Text(word) => match parse(word).filter(|_| self.row.contract().allows(field, word)) {
                None => self.unreadable(Code::V004, field, "not a word of the field's list"),
                found => found,
            },
            _ => self.wrong_type(field, "expected a word of the field's list"),
        }
    }

    /// V002 and, for a date that nobody remembers, V009.
    #[inline]
    pub fn date(&mut self, field: Field) -> Option<NaiveDate> {
        if self.has(field) { self.date_value(field) } else { None }
    }

    fn date_value(&mut self, field: Field) -> Option<NaiveDate> {
        let text = match self.row.get(field) {
            Cell::Text(text) => text,
            _ => return self.wrong_type(field, "expected a date YYYY-MM-DD"),
        };
        let Some(date) = dates::parse_iso(text) else {
            return self.wrong_type(field, "expected a date YYYY-MM-DD");
        };
        let first_plausible =
            if field == Field::DateOfBirth { FIRST_PLAUSIBLE_BIRTH_YEAR } else { FIRST_PLAUSIBLE_YEAR };
        if date.year() < first_plausible {
            self.doubt(Code::V009, field);
        }
        Some(date)
    }

    /// V002 and V009, as for a date. What is finer than a microsecond is dropped: it would not be kept.
    pub fn instant(&mut self, field: Field) -> Option<DateTime<Utc>> {
        const EXPECTED: &str = "expected an instant with its offset, such as 2026-01-31T09:30:00+08:00";
        if !self.has(field) {
            return None;
        }
        let text = match self.row.get(field) {
            Cell::Text(text) => text,
            _ => return self.wrong_type(field, EXPECTED),
        };
        let instant = DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.with_timezone(&Utc));
        let Some(instant) =
            instant.and_then(|instant| DateTime::from_timestamp_micros(instant.timestamp_micros()))
        else {
            return self.wrong_type(field, EXPECTED);
        };
        if instant.year() < FIRST_PLAUSIBLE_YEAR {
            self.doubt(Code::V009, field);
        }
        Some(instant)
    }

    /// V002; V005 and V006, where the amount stays.
    #[inline]
    pub fn money(&mut self, field: Field) -> Option<Sen> {
        if self.has(field) { self.money_value(field) } else { None }
    }

    fn money_value(&mut self, field: Field) -> Option<Sen> {
        let amount = match (self.row.get(field), self.row.notation()) {
            (Cell::Integer(sen), _) => Sen(*sen),
            (Cell::Text(text), Notation::Csv) => {
                match money::read(text, self.context.money, self.context.money_forms) {
                    Ok(amount) => amount,
                    Err(reason) => return self.wrong_type(field, reason),
                }
            }
            _ => return self.wrong_type(field, "expected a whole number of sen"),
        };
        if amount < Sen::ZERO {
            self.doubt(Code::V005, field);
        } else if amount > spec::MAX_AMOUNT {
            self.doubt(Code::V006, field);
        }
        Some(amount)
    }

    /// V002, V005; V015 for dpd.
    #[inline]
    pub fn count(&mut self, field: Field) -> Option<u16> {
        if self.has(field) { self.count_value(field) } else { None }
    }

    fn count_value(&mut self, field: Field) -> Option<u16> {
        let number = match (self.row.get(field), self.row.notation()) {
            (Cell::Integer(number), _) => *number,
            (Cell::Text(text), Notation::Csv) => match money::whole_number(text) {
                Some(number) => number,
                None => return self.wrong_type(field, "expected a whole number"),
            },
            _ => return self.wrong_type(field, "expected a whole number"),
        };
        let count = u16::try_from(number).ok();
        match (field, count) {
            _ if number < 0 => self.unreadable(Code::V005, field, "a count cannot be negative"),
            (Field::Dpd, Some(dpd)) if dpd > spec::MAX_DPD => {
                self.doubt(Code::V015, field);
                Some(dpd)
            }
            (Field::Dpd, None) => self.unreadable(Code::V015, field, "more than 65535 days"),
            (_, None) => self.unreadable(Code::V002, field, "expected a whole number up to 65535"),
            (_, Some(count)) => Some(count),
        }
    }

    #[inline]
    pub fn flag(&mut self, field: Field) -> Option<bool> {
        if self.has(field) { self.flag_value(field) } else { None }
    }

    fn flag_value(&mut self, field: Field) -> Option<bool> {
        match (self.row.get(field), self.row.notation()) {
            (Cell::Bool(truth), _) => Some(*truth),
            (Cell::Text(word), Notation::Csv) => match &**word {
                "true" | "TRUE" | "1" | "Y" => Some(true),
                "false" | "FALSE" | "0" | "N" => Some(false),
                _ => self.wrong_type(field, "expected true or false"),
            },
            _ => self.wrong_type(field, "expected true or false"),
        }
    }

    /// V003; V011 and V016; then what the field's own form asks for.
    #[inline]
    pub fn text(&mut self, field: Field) -> Option<&'a str> {
        if !self.has(field) {
            return None;
        }
        let row = self.row;
        match row.get(field) {
            Cell::Text(text) => self.text_value(field, text),
            _ => self.wrong_type(field, "expected text"),
        }
    }

    fn text_value(&mut self, field: Field, text: &'a str) -> Option<&'a str> {
        let Kind::Text(max_length, form) = self.row.contract().line(field)?.kind else { return Some(text) };
        let shape = Shape::of(text);
        if form == Form::Name {
            self.name = shape;
        }
        if shape.has_control_characters(text) {
            return self.unreadable(Code::V003, field, "control or invisible characters");
        }
        if shape::longer_than(text, max_length) {
            return self.unreadable(Code::V003, field, "too long");
        }
        if matches!(form, Form::Free | Form::Identifier | Form::Name | Form::AccountRef | Form::Reference) {
            if shape::is_placeholder(text) {
                self.doubt(Code::V011, field);
            }
            if shape::starts_a_formula(text, form) {
                self.doubt(Code::V016, field);
            }
        }
        if let Some(code) = self.breaks_form(form, shape, text) {
            self.doubt(code, field);
        }
        Some(text)
    }

    /// The rule that speaks for a text's form, when the text has it not.
    pub fn breaks_form(&self, form: Form, shape: Shape, text: &str) -> Option<Code> {
        let (fits, code) = match form {
            Form::Free | Form::Identifier => return None,
            Form::Name => (shape.is_name(text), Code::V003),
            Form::AccountRef => (shape.is_account_ref(), Code::V014),
            Form::Reference => (shape.is_account_ref(), Code::V003),
            Form::Phone => (shape::is_e164(text), Code::V013),
            Form::Postcode => (text.len() == 5 && shape.is_digits(), Code::V017),
            Form::Currency => (self.context.terms.currencies.iter().any(|code| code == text), Code::V010),
            Form::Country => (text.len() == 3 && shape.is_upper_case(), Code::V004),
            Form::MerchantCategory => (text.len() == 4 && shape.is_digits(), Code::V002),
        };
        (!fits).then_some(code)
    }
}
