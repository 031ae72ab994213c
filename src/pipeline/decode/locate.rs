//! Where records stand in the content of their batch: byte ranges, found by reading it again.

use std::cell::RefCell;
use std::io::Read;
use std::rc::Rc;
use std::time::Instant;

use super::{Fault, Source, lines};
use crate::config::Limits;
use crate::domain::envelope::Format;

/// A record and where its bytes are: from the first one to before the first one behind it, without its line end. Counted
/// in the content, which is what was received after `Content-Encoding` is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    pub record_no: i64,
    pub from: u64,
    pub to: u64,
}

/// The records between which the time is looked at.
const LOOK: i64 = 256;

/// Finds records by their numbers (ascending, counted as [`super::for_each_row`] counts them), up to a moment: what was
/// found by then, in order. The content is read no further than to the last of them.
///
/// # Errors
/// A [`Fault`] of the file or of ours.
pub fn locate_records(
    source: &Source,
    format: Format,
    limits: &Limits,
    numbers: &[i64],
    until: Instant,
) -> Result<Vec<Located>, Fault> {
    let mut search = Search { numbers, found: Vec::with_capacity(numbers.len()), read: 0, until };
    match format {
        Format::Ndjson => in_lines(source, limits, &mut search)?,
        Format::Csv => in_table(source, limits, &mut search)?,
    }
    Ok(search.found)
}

/// Walks ascending numbers beside the records.
struct Search<'a> {
    numbers: &'a [i64],
    found: Vec<Located>,
    read: i64,
    until: Instant,
}

impl Search<'_> {
    /// Whether there is something left to find, and time.
    fn goes_on(&self) -> bool {
        self.found.len() < self.numbers.len() && (self.read % LOOK != 0 || Instant::now() < self.until)
    }

    /// Counts a record and says whether it is wanted.
    fn is_next(&mut self) -> bool {
        self.read += 1;
        self.numbers.get(self.found.len()) == Some(&self.read)
    }

    fn keep(&mut self, (from, to): (u64, u64)) {
        self.found.push(Located { record_no: self.read, from, to });
    }
}

fn in_lines(source: &Source, limits: &Limits, search: &mut Search<'_>) -> Result<(), Fault> {
    let mut lines = lines::Lines::new(source.decoded(limits)?, limits.max_line_bytes);
    while search.goes_on() && lines.next()?.is_some() {
        if search.is_next() {
            search.keep(lines.last_range());
        }
    }
    Ok(())
}

/// The bytes that a reader has given out and that may still be asked for.
#[derive(Default)]
struct Seen {
    /// Where `bytes` begins in the content.
    base: u64,
    bytes: Vec<u8>,
}

/// Bytes that are kept before they are let go together.
const KEPT_BYTES: usize = 1 << 20;

impl Seen {
    /// The range without line ends and a byte order mark around it.
    fn trimmed(&self, from: u64, to: u64) -> (u64, u64) {
        let (start, end) = ((from - self.base) as usize, (to - self.base) as usize);
        let record = &self.bytes[start..end.min(self.bytes.len())];
        let is_line_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let leading = record.iter().take_while(is_line_end).count();
        let trailing = record[leading..].iter().rev().take_while(is_line_end).count();
        (from + leading as u64, from + (record.len() - trailing) as u64)
    }

    fn forget_before(&mut self, to: u64) {
        let done = (to - self.base) as usize;
        if done > KEPT_BYTES {
            self.bytes.drain(..done);
            self.base = to;
        }
    }
}

struct Kept {
    inner: Box<dyn Read>,
    seen: Rc<RefCell<Seen>>,
}

impl Read for Kept {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.seen.borrow_mut().bytes.extend_from_slice(&buffer[..n]);
        Ok(n)
    }
}

/// The reader of the table says where a record begins only up to the line ends before it, so that the bytes themselves
/// are looked at.
fn in_table(source: &Source, limits: &Limits, search: &mut Search<'_>) -> Result<(), Fault> {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let kept = Kept { inner: source.decoded(limits)?, seen: Rc::clone(&seen) };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(kept);
    let mut record = csv::ByteRecord::new();
    let mut is_header = true;
    while search.goes_on() {
        let from = reader.position().byte();
        let there = reader.read_byte_record(&mut record).map_err(|error| match error.kind() {
            csv::ErrorKind::Io(io) => Fault::from_io(io),
            _ => Fault::Ours("a batch that was read as a table is none".into()),
        })?;
        if !there {
            break;
        }
        let to = reader.position().byte();
        if !std::mem::replace(&mut is_header, false) && search.is_next() {
            search.keep(seen.borrow().trimmed(from, to));
        }
        seen.borrow_mut().forget_before(to);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::source::tests::{limits, source};
    use super::*;

    fn located(text: &str, format: Format, numbers: &[i64]) -> Vec<String> {
        let packed = zstd::bulk::compress(text.as_bytes(), 1).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let found = locate_records(&source(&packed, "zstd", "identity"), format, &limits(), numbers, until);
        found.unwrap().iter().map(|at| text[at.from as usize..at.to as usize].to_owned()).collect()
    }

    #[test]
    fn lines_are_found_without_their_ends() {
        let text = "\u{FEFF}one\r\n\n  two \nthree\n\nfour";
        assert_eq!(located(text, Format::Ndjson, &[1, 2, 4]), ["one", "  two ", "four"]);
        assert_eq!(located(text, Format::Ndjson, &[5]), [""; 0]);
    }

    #[test]
    fn records_of_a_table_are_found_with_their_quotes() {
        let text = "\u{FEFF}a,b\r\n1,\"x\ny\"\r\n\r\n2,\"say \"\"hi\"\"\"\r\n\n3,too,many\n4";
        let all = ["1,\"x\ny\"", "2,\"say \"\"hi\"\"\"", "3,too,many", "4"];
        assert_eq!(located(text, Format::Csv, &[1, 2, 3, 4]), all);
        assert_eq!(located(text, Format::Csv, &[2, 4]), [all[1], all[3]]);
    }

    #[test]
    fn a_search_ends_when_its_time_is_over() {
        let packed = zstd::bulk::compress(b"a\nb\n", 1).unwrap();
        let found = locate_records(
            &source(&packed, "zstd", "identity"),
            Format::Ndjson,
            &limits(),
            &[2],
            Instant::now() - Duration::from_secs(1),
        );
        assert_eq!(found.unwrap(), []);
    }

    proptest! {
        /// Through every buffer boundary: large records, whatever line ends.
        #[test]
        fn what_is_at_the_range_is_the_record(
            cells in prop::collection::vec(("[a-z\"\n,]{0,30}", 0usize..3), 1..40), wide in 0usize..300_000,
        ) {
            let mut text = b"a,b\n".to_vec();
            let mut rows = Vec::new();
            for (n, (cell, end)) in cells.iter().enumerate() {
                let quoted = format!("{n},\"{}{}\"", cell.replace('"', "\"\""), "w".repeat(if n == 1 { wide } else { 0 }));
                text.extend(quoted.as_bytes());
                text.extend([&b"\n"[..], b"\r\n", b"\n\n"][*end]);
                rows.push(quoted);
            }
            let numbers: Vec<i64> = (1..=rows.len() as i64).collect();
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(located(&text, Format::Csv, &numbers), rows);
        }
    }
}
