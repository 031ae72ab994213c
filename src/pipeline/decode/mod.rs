//! From stored bytes to rows, in constant memory: packed as we keep it ─▶ as received (digest) ─▶ decompressed
//! (capped) ─▶ lines or CSV records ─▶ [`Row`]s. Blocking code: it runs on its own thread, fed by a channel.

mod csv_rows;
mod lines;
mod locate;
mod pick;
mod source;

pub use locate::{Located, locate_records};
pub use pick::pick_records;
pub use source::{Feed, Source};

use crate::config::Limits;
use crate::domain::contract::FieldSet;
use crate::domain::contract::ndjson::NdjsonReader;
use crate::domain::contract::row::{Row, RowError};
use crate::domain::contract::spec::Contract;
use crate::domain::envelope::Format;
use crate::domain::rules::Code;

/// Why decoding stopped early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The contributor's file is at fault: a file finding. The detail holds no data of the file.
    #[error("{code}: {detail}")]
    File { code: Code, detail: String },
    /// Ours, and it stays: the store gives other bytes than it was given, or we contradict ourselves.
    #[error("{0}")]
    Ours(String),
    /// Ours, and it passes: the store broke off.
    #[error("{0}")]
    BrokenOff(String),
    /// Ours, and it passes: there is no room for temporary files, or no directory.
    #[error("{0}")]
    Disk(String),
}

impl Fault {
    pub fn file(code: Code, detail: impl Into<String>) -> Fault {
        Fault::File { code, detail: detail.into() }
    }

    /// Faults travel through `io::Error` where a library reads from us.
    fn into_io(self) -> std::io::Error {
        std::io::Error::other(self)
    }

    /// What an `io::Error` of the decoding chain means: our own fault inside it, or broken compression.
    fn from_io(error: &std::io::Error) -> Fault {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()) {
            Some(fault) => fault.clone(),
            None => Fault::file(Code::F004, "the compressed data is damaged or ends early"),
        }
    }
}

/// Reads all records and hands each to `visit` with its number, counted from 1: the row, or why it is none. Columns
/// that are `supplied` by constants need not be there.
/// Returns how many records there were.
///
/// # Errors
/// A [`Fault`] of the file or of ours, from decoding or from `visit`; records before it were visited.
pub fn for_each_row(
    source: &Source,
    contract: &'static Contract,
    supplied: FieldSet,
    format: Format,
    limits: &Limits,
    mut visit: impl FnMut(u64, Result<Row<'_>, RowError>) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    let mut count = 0;
    let mut counted = |row: Result<Row<'_>, RowError>| {
        count += 1;
        if count > limits.max_records {
            return Err(Fault::file(Code::F016, format!("more than {} records", limits.max_records)));
        }
        visit(count, file_level(row, count)?)
    };
    let done = match format {
        Format::Ndjson => ndjson_rows(source, contract, limits, &mut counted),
        Format::Csv => csv_rows::for_each(source, contract, supplied, limits, &mut counted),
    };
    done.map(|()| count)
}

fn ndjson_rows(
    source: &Source,
    contract: &'static Contract,
    limits: &Limits,
    visit: &mut impl FnMut(Result<Row<'_>, RowError>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut lines = lines::Lines::new(source.decoded(limits)?, limits.max_line_bytes);
    let mut reader = NdjsonReader::new(contract);
    while let Some(line) = lines.next()? {
        visit(reader.read(line))?;
    }
    Ok(())
}

/// An unknown or repeated field concerns the file (F005): whoever sends it does not follow the contract.
fn file_level<'a>(
    row: Result<Row<'a>, RowError>,
    record_no: u64,
) -> Result<Result<Row<'a>, RowError>, Fault> {
    match row {
        Err(RowError::UnknownField(name)) => {
            Err(Fault::file(Code::F005, format!("record {record_no} has the unknown field {name}")))
        }
        Err(RowError::DuplicateField(field)) => {
            Err(Fault::file(Code::F005, format!("record {record_no} has the field {field} twice")))
        }
        other => Ok(other),
    }
}
