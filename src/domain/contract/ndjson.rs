//! Reads one line of NDJSON straight into a [`Row`], without a JSON value in between.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::field::Field;
use super::row::{Cell, Notation, Row, RowError, shown_name};
use super::spec::Contract;

/// Reads the lines of one file. It remembers which field followed which, because the lines of a file name
/// their fields in the same order: a right guess costs one comparison.
#[derive(Clone, Debug)]
pub struct NdjsonReader {
    contract: &'static Contract,
    /// The field that last came after each field; the extra place is for the start of the line.
    after: [Field; Field::COUNT + 1],
}

const LINE_START: usize = Field::COUNT;

impl NdjsonReader {
    pub fn new(contract: &'static Contract) -> NdjsonReader {
        // The first guess must be a field of the contract: a right guess is not looked up any more.
        NdjsonReader { contract, after: [contract.lines[0].field; Field::COUNT + 1] }
    }

    /// Reads a line: one JSON object, nothing after it. Strings borrow from the line.
    pub fn read<'a>(&mut self, line: &'a [u8]) -> Result<Row<'a>, RowError> {
        // Checked once for the line, which is cheaper than once for each string.
        let text =
            std::str::from_utf8(line).map_err(|error| malformed("not UTF-8", error.valid_up_to() + 1))?;
        let mut row = Row::new(self.contract, Notation::Json);
        let mut refusal = None;
        let mut json = serde_json::Deserializer::from_str(text);
        let object = ObjectVisitor {
            contract: self.contract,
            row: &mut row,
            after: &mut self.after,
            refusal: &mut refusal,
        };
        let outcome = json.deserialize_map(object).and_then(|()| json.end());
        match (outcome, refusal) {
            (Ok(()), _) => Ok(row),
            (Err(_), Some(refusal)) => Err(refusal),
            (Err(error), None) => Err(explain(&error)),
        }
    }
}

/// The parser's own message may quote the line, so only its kind and place are kept.
fn explain(error: &serde_json::Error) -> RowError {
    let reason = match error.classify() {
        Category::Eof => "the JSON object does not end",
        Category::Data => "not a JSON object",
        Category::Syntax | Category::Io => "not valid JSON",
    };
    malformed(reason, error.column())
}

fn malformed(reason: &str, column: usize) -> RowError {
    RowError::Malformed(format!("{reason} (byte {column})"))
}

struct ObjectVisitor<'r, 'a> {
    contract: &'static Contract,
    row: &'r mut Row<'a>,
    after: &'r mut [Field; Field::COUNT + 1],
    refusal: &'r mut Option<RowError>,
}

impl<'a> Visitor<'a> for ObjectVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut previous = LINE_START;
        while let Some(key) =
            map.next_key_seed(KeySeed { contract: self.contract, likely: self.after[previous] })?
        {
            let field = match key {
                Key::Known(field) => field,
                Key::Unknown(name) => {
                    *self.refusal = Some(RowError::UnknownField(name));
                    return Err(A::Error::custom("unknown field"));
                }
            };
            self.after[previous] = field;
            previous = field as usize;
            let cell = map.next_value_seed(CellSeed)?;
            if !self.row.put(field, cell) {
                *self.refusal = Some(RowError::DuplicateField(field));
                return Err(A::Error::custom("duplicate field"));
            }
        }
        Ok(())
    }
}

enum Key {
    Known(Field),
    Unknown(String),
}

struct KeySeed {
    contract: &'static Contract,
    likely: Field,
}

impl<'a> DeserializeSeed<'a> for KeySeed {
    type Value = Key;

    #[inline]
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    #[inline]
    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        if name == self.likely.name() {
            return Ok(Key::Known(self.likely));
        }
        let known = Field::from_name(name).filter(|field| self.contract.fields.contains(*field));
        Ok(known.map_or_else(|| Key::Unknown(shown_name(name)), Key::Known))
    }
}

struct CellSeed;

impl<'a> DeserializeSeed<'a> for CellSeed {
    type Value = Cell<'a>;

    #[inline]
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Cell<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for CellSeed {
    type Value = Cell<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Cell<'a>, E> {
        Ok(Cell::text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell<'a>, E> {
        Ok(Cell::owned_text(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Cell<'a>, E> {
        Ok(Cell::Text(Cow::Owned(text)))
    }

    #[inline]
    fn visit_u64<E>(self, number: u64) -> Result<Cell<'a>, E> {
        Ok(i64::try_from(number).map_or(Cell::Unusable("a number too large"), Cell::Integer))
    }

    #[inline]
    fn visit_i64<E>(self, number: i64) -> Result<Cell<'a>, E> {
        Ok(Cell::Integer(number))
    }

    /// Decimals, exponents and integers beyond 64 bits arrive here. The float itself is never looked at.
    fn visit_f64<E>(self, _: f64) -> Result<Cell<'a>, E> {
        Ok(Cell::Unusable("a number that is not a 64-bit integer"))
    }

    #[inline]
    fn visit_bool<E>(self, truth: bool) -> Result<Cell<'a>, E> {
        Ok(Cell::Bool(truth))
    }

    #[inline]
    fn visit_unit<E>(self) -> Result<Cell<'a>, E> {
        Ok(Cell::Absent)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<Cell<'a>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Unusable("an array"))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut entries: A) -> Result<Cell<'a>, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Unusable("an object"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::spec;
    use super::*;

    fn read(line: &str) -> Result<Row<'_>, RowError> {
        NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT).read(line.as_bytes())
    }

    #[test]
    fn each_kind_of_value_finds_its_cell() {
        let text = |text: &'static str| Cell::Text(text.into());
        for (value, expected) in [
            (r#""  HCB-1 ""#, text("HCB-1")),
            (r#""caf\u00e9\n""#, text("café")),
            (r#""   ""#, Cell::Absent),
            ("null", Cell::Absent),
            ("-12", Cell::Integer(-12)),
            ("9223372036854775807", Cell::Integer(i64::MAX)),
            ("9223372036854775808", Cell::Unusable("a number too large")),
            ("99999999999999999999", Cell::Unusable("a number that is not a 64-bit integer")),
            ("12.50", Cell::Unusable("a number that is not a 64-bit integer")),
            ("1e3", Cell::Unusable("a number that is not a 64-bit integer")),
            ("true", Cell::Bool(true)),
            (r#"[1,[2,{"a":3}]]"#, Cell::Unusable("an array")),
            (r#"{"race":{"x":[]}}"#, Cell::Unusable("an object")),
        ] {
            let line = format!(r#"{{"account_ref":{value}}}"#);
            assert_eq!(read(&line).unwrap().get(Field::AccountRef), &expected, "{value}");
        }
    }

    #[test]
    fn plain_strings_are_borrowed() {
        let row = read(r#"{"account_ref":"HCB-1"}"#).unwrap();
        assert!(matches!(row.get(Field::AccountRef), Cell::Text(Cow::Borrowed("HCB-1"))));
    }

    #[test]
    fn what_is_not_one_object_is_malformed_and_not_quoted() {
        for line in [
            "",
            "not json",
            r#""900101145678""#,
            r#"["900101145678"]"#,
            r#"{"id_number":"900101145678""#,
            r#"{"id_number":"900101145678"} {"id_number":"900101145678"}"#,
            r#"{"id_number":"900101145678"},"#,
            r#"{"id_number":"900101145678",}"#,
            r#"{id_number:"900101145678"}"#,
            r#"{"id_number":"\ud800900101145678"}"#,
            "{\"id_number\":\"9001\n01145678\"}",
        ] {
            match read(line) {
                Err(RowError::Malformed(reason)) => assert!(!reason.contains("9001"), "{reason}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        let deep = format!(r#"{{"dpd":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(read(&deep), Ok(_) | Err(RowError::Malformed(_))));
        let not_utf8 =
            NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT).read(b"{\"account_ref\":\"\xff\"}").unwrap_err();
        assert_eq!(not_utf8, RowError::Malformed("not UTF-8 (byte 17)".to_owned()));
    }

    #[test]
    fn unknown_and_repeated_fields_are_named() {
        assert_eq!(read(r#"{"dpd":0,"race":"x"}"#).unwrap_err(), RowError::UnknownField("race".to_owned()));
        assert_eq!(read(r#"{"dpd":0,"dpd":0}"#).unwrap_err(), RowError::DuplicateField(Field::Dpd));
        assert_eq!(read(r#"{"dpd":null,"d\u0070d":0}"#).unwrap_err(), RowError::DuplicateField(Field::Dpd));
    }

    #[test]
    fn a_field_of_another_dataset_is_unknown_here() {
        let read = |line: &str| NdjsonReader::new(&spec::REPAYMENT_EVENT).read(line.as_bytes()).map(|_| ());
        assert_eq!(read(r#"{"event_id":"E-1","value_date":"2026-01-31"}"#), Ok(()));
        assert_eq!(
            read(r#"{"subject_type":"BUSINESS"}"#),
            Err(RowError::UnknownField("subject_type".into()))
        );
        assert_eq!(read(r#"{"event_id":"E-1","dpd":0}"#), Err(RowError::UnknownField("dpd".into())));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT).read(&line);
        }

        /// A guess learnt from other lines never changes what is read.
        #[test]
        fn the_order_of_keys_does_not_matter(
            shuffles in prop::collection::vec(Just(spec::ACCOUNT_SNAPSHOT.fields.iter().collect::<Vec<_>>()).prop_shuffle(), 1..5),
            length in 0..spec::ACCOUNT_SNAPSHOT.lines.len(),
        ) {
            let mut reader = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT);
            for order in shuffles {
                let pairs: Vec<String> =
                    order[..length].iter().map(|f| format!(r#""{}":{}"#, f.name(), *f as u8)).collect();
                let line = format!("{{{}}}", pairs.join(","));
                let row = reader.read(line.as_bytes()).unwrap();
                for field in Field::ALL {
                    let expected = if order[..length].contains(field) {
                        Cell::Integer(*field as i64)
                    } else {
                        Cell::Absent
                    };
                    prop_assert_eq!(row.get(*field), &expected);
                }
            }
        }
    }
}
