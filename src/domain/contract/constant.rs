//! Constants: values that stand in for required fields which a contributor's systems do not have (design section 6).
//!
//! A constant is filled in where a row has nothing, before the V rules look. Such a value is *imputed*: it lets a
//! book in, is marked on the record and scored, and is never taken for something that the contributor said.

use std::borrow::Cow;

use super::codes::Dataset;
use super::field::{Field, FieldSet};
use super::row::{Cell, Row};
use super::spec::{self, Class, Form, Kind, Need};
use crate::domain::dates;

/// One value that stands in for a field of a contributor's dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    pub dataset: Dataset,
    pub field: Field,
    cell: Cell<'static>,
}

/// The days that put a record in its place in time.
const TELLS_APART: [Field; 3] = [Field::AsOfDate, Field::ValueDate, Field::AppliedAt];

impl Constant {
    /// Reads a constant: amounts are sen, dates `YYYY-MM-DD`.
    ///
    /// # Errors
    /// Why the field takes no constant, or not this one.
    pub fn parse(dataset: Dataset, field: Field, value: &str) -> Result<Constant, &'static str> {
        let spec = spec::contract(dataset).line(field).ok_or("the dataset has no such field")?;
        if spec.need != Need::Required {
            return Err("only a required field takes a constant; leave the field out instead");
        }
        if spec.class == Class::Direct || spec.class == Class::Internal || TELLS_APART.contains(&field) {
            return Err("what tells one record from another cannot be the same in all of them");
        }
        let cell = match spec.kind {
            Kind::Word(words) if words.contains(&value) => Cell::Text(Cow::Owned(value.to_owned())),
            Kind::Word(_) => return Err("not a word of the field's list"),
            Kind::Date if dates::parse_iso(value).is_some() => Cell::Text(Cow::Owned(value.to_owned())),
            Kind::Date => return Err("expected a date YYYY-MM-DD"),
            Kind::Instant => return Err("an instant takes no constant"),
            Kind::Money => Cell::Integer(whole_number(value, spec::MAX_AMOUNT.0)?),
            Kind::Count(most) => Cell::Integer(whole_number(value, i64::from(most))?),
            Kind::Flag => match value {
                "true" => Cell::Bool(true),
                "false" => Cell::Bool(false),
                _ => return Err("expected true or false"),
            },
            Kind::Text(_, Form::Currency) if is_currency(value) => Cell::Text(Cow::Owned(value.to_owned())),
            Kind::Text(..) => return Err("expected an ISO 4217 code; other texts take no constant"),
        };
        Ok(Constant { dataset, field, cell })
    }
}

/// Digits alone: a constant is typed by a person, and `+5` or `5.0` may be a slip.
fn whole_number(value: &str, most: i64) -> Result<i64, &'static str> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && (0..=most).contains(number));
    number.ok_or("expected a whole number within the field's bounds (amounts in sen)")
}

fn is_currency(value: &str) -> bool {
    value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Fills in what a row lacks; the row knows what was.
pub fn impute<'a>(row: &mut Row<'a>, constants: &'a [Constant]) {
    for constant in constants {
        row.impute(constant.field, &constant.cell);
    }
}

/// The fields that need not be sent because a constant stands in for them.
pub fn supplied(constants: &[Constant]) -> FieldSet {
    constants.iter().fold(FieldSet::EMPTY, |set, constant| set.with(constant.field))
}

#[cfg(test)]
mod tests {
    use super::super::row::Notation;
    use super::*;

    const BOOK: &spec::Contract = &spec::ACCOUNT_SNAPSHOT;

    fn constant(field: Field, value: &str) -> Result<Constant, &'static str> {
        Constant::parse(Dataset::AccountSnapshot, field, value)
    }

    #[test]
    fn a_constant_is_read_as_its_field_would_be() {
        for (field, value) in [
            (Field::OpenedDate, "2005-04-01"),
            (Field::Overdue, "0"),
            (Field::Dpd, "0"),
            (Field::Currency, "TWD"),
            (Field::ProductType, "OTHER"),
        ] {
            assert!(constant(field, value).is_ok(), "{field}");
        }
        for (field, value) in [
            (Field::OpenedDate, "2005-02-30"),
            (Field::Overdue, "-1"),
            (Field::Overdue, "1.50"),
            (Field::Overdue, "+1"),
            (Field::Dpd, "10000"),
            (Field::Currency, "myr"),
            (Field::ProductType, "CARD"),
            (Field::FullName, "SUBJECT"),
            (Field::IdNumber, "900101145678"),
            (Field::AccountRef, "A-1"),
            (Field::AsOfDate, "2026-10-31"),
            (Field::SettledDate, "2026-10-31"),
        ] {
            assert!(constant(field, value).is_err(), "{field} {value}");
        }
    }

    #[test]
    fn only_what_is_absent_is_imputed() {
        let constants = [constant(Field::Overdue, "7").unwrap(), constant(Field::Dpd, "3").unwrap()];
        let mut row = Row::new(BOOK, Notation::Csv);
        row.put(Field::Dpd, Cell::text(" 5 "));
        row.put(Field::Overdue, Cell::text("  "));
        impute(&mut row, &constants);
        assert_eq!(row.imputed().iter().collect::<Vec<_>>(), [Field::Overdue]);
        assert_eq!(
            (row.get(Field::Overdue), row.get(Field::Dpd)),
            (&Cell::Integer(7), &Cell::Text("5".into()))
        );
        assert_eq!(supplied(&constants).iter().count(), 2);
    }
}
