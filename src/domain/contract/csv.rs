//! Reads CSV records into [`Row`]s: the header once, then every record by position.
//!
//! Splitting bytes into records is the `csv` crate's work; a byte order mark is the caller's to remove.

use ::csv::{ByteRecord, StringRecord};

use super::field::{Field, FieldSet};
use super::row::{Cell, Notation, Row, RowError, shown_name};
use super::spec::Contract;

/// Which field each column holds.
#[derive(Clone, Debug)]
pub struct CsvHeader {
    contract: &'static Contract,
    columns: Vec<Field>,
}

/// Everything that is wrong with a header line, so that one answer is enough to repair it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderError {
    /// Columns outside the contract (F005): position from 1, and the name as [`shown_name`] gives it.
    pub unknown: Vec<(usize, String)>,
    /// Columns that appear twice (F005).
    pub duplicate: Vec<Field>,
    /// Required columns that are not there (F006).
    pub missing: Vec<Field>,
}

impl CsvHeader {
    /// Reads the column names in their order; white space around a name is ignored. What is `supplied` by constants
    /// need not be there.
    pub fn read<'n>(
        contract: &'static Contract,
        supplied: FieldSet,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<CsvHeader, HeaderError> {
        let mut columns = Vec::with_capacity(contract.lines.len());
        let mut seen = FieldSet::EMPTY;
        let mut wrong = HeaderError::default();
        for (position, name) in names.into_iter().enumerate() {
            let name = name.trim_ascii();
            match Field::from_name(name).filter(|field| contract.fields.contains(*field)) {
                Some(field) if seen.insert(field) => columns.push(field),
                Some(field) => wrong.duplicate.push(field),
                None => wrong.unknown.push((position + 1, shown_name(name))),
            }
        }
        wrong.missing = contract.required.without(seen).without(supplied).iter().collect();
        if wrong == HeaderError::default() { Ok(CsvHeader { contract, columns }) } else { Err(wrong) }
    }

    /// The fields in the order of their columns.
    pub fn columns(&self) -> &[Field] {
        &self.columns
    }

    /// Puts a record's cells under the header's fields.
    pub fn fill<'a>(&self, record: &'a StringRecord) -> Result<Row<'a>, RowError> {
        self.fill_ranges(record.as_slice(), record.as_byte_record())
    }

    /// The same for a record that was not checked for UTF-8 yet; checked here in one pass.
    pub fn fill_bytes<'a>(&self, record: &'a ByteRecord) -> Result<Row<'a>, RowError> {
        let text = std::str::from_utf8(record.as_slice())
            .map_err(|_| RowError::Malformed("not UTF-8".to_owned()))?;
        self.fill_ranges(text, record)
    }

    fn fill_ranges<'a>(&self, text: &'a str, record: &ByteRecord) -> Result<Row<'a>, RowError> {
        if record.len() != self.columns.len() {
            let reason = format!("{} cells where the header has {}", record.len(), self.columns.len());
            return Err(RowError::Malformed(reason));
        }
        let mut row = Row::new(self.contract, Notation::Csv);
        for (position, field) in self.columns.iter().enumerate() {
            // A cell may end inside a character when only the whole record is UTF-8.
            let cell = record.range(position).and_then(|range| text.get(range));
            let cell = cell.ok_or_else(|| RowError::Malformed("not UTF-8".to_owned()))?;
            row.put(*field, Cell::text(cell));
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec;
    use super::*;

    fn required_names() -> Vec<&'static str> {
        spec::ACCOUNT_SNAPSHOT.required.iter().map(Field::name).collect()
    }

    #[test]
    fn cells_go_under_their_columns() {
        let mut names = required_names();
        names.insert(0, " evidence_ref ");
        let header = CsvHeader::read(&spec::ACCOUNT_SNAPSHOT, FieldSet::EMPTY, names).unwrap();
        let mut cells = vec![" DOC 1 "];
        cells.resize(header.columns().len(), "  ");
        let record = StringRecord::from(cells);
        let row = header.fill(&record).unwrap();
        assert_eq!(row.get(Field::EvidenceRef), &Cell::Text("DOC 1".into()));
        assert_eq!(row.get(Field::Dpd), &Cell::Absent);
        assert!(row.sent().contains(Field::Dpd) && !row.sent().contains(Field::Phone));
        let same = header.fill_bytes(record.as_byte_record()).unwrap();
        assert_eq!(same.get(Field::EvidenceRef), row.get(Field::EvidenceRef));
    }

    #[test]
    fn a_header_is_told_all_its_mistakes_at_once() {
        let names = required_names();
        let with_mistakes = names[2..].iter().copied().chain(["race", "900101145678", "dpd"]);
        assert_eq!(
            CsvHeader::read(&spec::ACCOUNT_SNAPSHOT, FieldSet::EMPTY, with_mistakes).unwrap_err(),
            HeaderError {
                unknown: vec![(13, "race".to_owned()), (14, "(not a column name)".to_owned())],
                duplicate: vec![Field::Dpd],
                missing: vec![Field::SubjectType, Field::IdType],
            }
        );
    }

    #[test]
    fn a_column_with_a_constant_is_not_missed() {
        let names = required_names();
        let without_first = || names[1..].iter().copied();
        let supplied = FieldSet::EMPTY.with(Field::from_name(names[0]).unwrap());
        assert!(CsvHeader::read(&spec::ACCOUNT_SNAPSHOT, FieldSet::EMPTY, without_first()).is_err());
        assert!(CsvHeader::read(&spec::ACCOUNT_SNAPSHOT, supplied, without_first()).is_ok());
    }

    #[test]
    fn a_record_has_the_headers_number_of_cells() {
        let header = CsvHeader::read(&spec::ACCOUNT_SNAPSHOT, FieldSet::EMPTY, required_names()).unwrap();
        for cells in [vec!["x"; 13], vec!["x"; 15], vec![]] {
            let record = StringRecord::from(cells);
            assert!(matches!(header.fill(&record), Err(RowError::Malformed(_))));
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_malformed() {
        let header = CsvHeader::read(&spec::ACCOUNT_SNAPSHOT, FieldSet::EMPTY, required_names()).unwrap();
        let mut cells: Vec<&[u8]> = vec![b"x"; 14];
        cells[4] = b"\xe9";
        assert!(matches!(header.fill_bytes(&ByteRecord::from(cells.clone())), Err(RowError::Malformed(_))));
        // One character cut in two by the cell's border: the record as a whole is UTF-8, its cells are not.
        (cells[4], cells[5]) = (b"\xc3", b"\xa9");
        assert!(matches!(header.fill_bytes(&ByteRecord::from(cells)), Err(RowError::Malformed(_))));
    }
}
