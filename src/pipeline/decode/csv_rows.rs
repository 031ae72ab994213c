//! CSV records (RFC 4180) with a header line, bounded: an unbalanced quote cannot swallow the file.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use csv::StringRecord;

use super::{Fault, Source};
use crate::config::Limits;
use crate::domain::contract::FieldSet;
use crate::domain::contract::csv::{CsvHeader, HeaderError};
use crate::domain::contract::row::{Row, RowError};
use crate::domain::contract::spec::Contract;
use crate::domain::rules::Code;

const BUFFER_BYTES: usize = 256 << 10;

/// Fails once more bytes were read since the last complete record than a record may have.
struct Bounded {
    inner: Box<dyn Read>,
    read: u64,
    record_end: Rc<Cell<u64>>,
    max_record: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // The csv reader asks for more only when its buffer holds no complete record.
        if self.read > self.record_end.get() + self.max_record + BUFFER_BYTES as u64 {
            let detail =
                format!("a record is longer than {} bytes, or a quote is not closed", self.max_record);
            return Err(Fault::file(Code::F016, detail).into_io());
        }
        let n = self.inner.read(buffer)?;
        self.read += n as u64;
        Ok(n)
    }
}

pub fn for_each(
    source: &Source,
    contract: &'static Contract,
    supplied: FieldSet,
    limits: &Limits,
    visit: &mut impl FnMut(Result<Row<'_>, RowError>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut header = None;
    for_each_record(source, limits, |record| {
        let Some(header) = &header else {
            header = Some(read_header(contract, supplied, record)?);
            return Ok(());
        };
        if record.as_slice().contains('\0') {
            let detail = format!("line {} has a NUL", line_of(record));
            return Err(Fault::file(Code::F004, detail));
        }
        visit(header.fill(record))
    })
}

/// Reads all records, the header first.
pub(super) fn for_each_record(
    source: &Source,
    limits: &Limits,
    mut visit: impl FnMut(&StringRecord) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let record_end = Rc::new(Cell::new(0));
    let bounded = Bounded {
        inner: source.decoded(limits)?,
        read: 0,
        record_end: Rc::clone(&record_end),
        max_record: limits.max_line_bytes as u64,
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(bounded);
    let mut record = StringRecord::new();
    while next(&mut reader, &mut record)? {
        visit(&record)?;
        record_end.set(reader.position().byte());
    }
    Ok(())
}

fn next<R: Read>(reader: &mut csv::Reader<R>, record: &mut StringRecord) -> Result<bool, Fault> {
    reader.read_record(record).map_err(|error| {
        let line = error.position().map_or(0, csv::Position::line);
        match error.kind() {
            csv::ErrorKind::Io(io) => Fault::from_io(io),
            csv::ErrorKind::Utf8 { err, .. } => {
                let detail = format!("line {line} is not UTF-8 in its cell {}", err.field() + 1);
                Fault::file(Code::F004, detail)
            }
            _ => Fault::file(Code::F004, format!("line {line} cannot be read as CSV")),
        }
    })
}

fn line_of(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn read_header(
    contract: &'static Contract,
    supplied: FieldSet,
    record: &StringRecord,
) -> Result<CsvHeader, Fault> {
    let names = record
        .iter()
        .enumerate()
        .map(|(i, name)| if i == 0 { name.trim_start_matches('\u{FEFF}') } else { name });
    CsvHeader::read(contract, supplied, names).map_err(|error| header_fault(&error))
}

fn header_fault(error: &HeaderError) -> Fault {
    let code = if error.unknown.is_empty() && error.duplicate.is_empty() { Code::F006 } else { Code::F005 };
    Fault::file(code, described(error))
}

/// Every fault of the header in one sentence, names only where they look like names.
fn described(error: &HeaderError) -> String {
    let unknown = error.unknown.iter().map(|(position, name)| format!("column {position} {name} is unknown"));
    let duplicate = error.duplicate.iter().map(|field| format!("column {field} is there twice"));
    let missing = error.missing.iter().map(|field| format!("column {field} is missing"));
    unknown.chain(duplicate).chain(missing).collect::<Vec<_>>().join("; ")
}
