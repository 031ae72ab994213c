//! Some records of a batch, as they were sent: what is judged again must be what was judged before.

use super::{Fault, Source, csv_rows, lines};
use crate::config::Limits;
use crate::domain::envelope::Format;

/// Hands on the records with these numbers (ascending, counted as [`super::for_each_row`] counts them), each with its
/// line end, and for CSV the header before them. Cells of CSV keep their text; quotes are set where they are needed.
///
/// # Errors
/// A [`Fault`] of the file or of ours, from decoding or from `take`.
pub fn pick_records(
    source: &Source,
    format: Format,
    limits: &Limits,
    numbers: &[i64],
    mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut wanted = Wanted { numbers, next: 0, read: 0 };
    match format {
        Format::Ndjson => {
            let mut lines = lines::Lines::new(source.decoded(limits)?, limits.max_line_bytes);
            while let Some(line) = lines.next()? {
                if wanted.is_next() {
                    take(line)?;
                    take(b"\n")?;
                }
            }
            Ok(())
        }
        Format::Csv => {
            let mut header_read = false;
            csv_rows::for_each_record(source, limits, |record| {
                let is_header = !std::mem::replace(&mut header_read, true);
                if is_header || wanted.is_next() { take(&csv_line(record)?) } else { Ok(()) }
            })
        }
    }
}

/// Walks ascending numbers beside the records.
struct Wanted<'a> {
    numbers: &'a [i64],
    next: usize,
    read: i64,
}

impl Wanted<'_> {
    /// Counts a record and says whether it is wanted.
    fn is_next(&mut self) -> bool {
        self.read += 1;
        let found = self.numbers.get(self.next) == Some(&self.read);
        self.next += usize::from(found);
        found
    }
}

fn csv_line(record: &csv::StringRecord) -> Result<Vec<u8>, Fault> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let written = writer.write_record(record).map_err(|error| Fault::Ours(error.to_string()));
    written.and_then(|()| writer.into_inner().map_err(|error| Fault::Ours(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::{limits, source};
    use super::*;

    fn picked(text: &str, format: Format, numbers: &[i64]) -> String {
        let packed = zstd::bulk::compress(text.as_bytes(), 1).unwrap();
        let source = source(&packed, "zstd", "identity");
        let mut all = Vec::new();
        let take = |record: &[u8]| {
            all.extend_from_slice(record);
            Ok(())
        };
        pick_records(&source, format, &limits(), numbers, take).unwrap();
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn lines_are_picked_by_number_and_blank_ones_do_not_count() {
        let text = "\u{FEFF}one\r\n\n  two \nthree\n\nfour";
        assert_eq!(picked(text, Format::Ndjson, &[1, 2, 4]), "one\n  two \nfour\n");
        assert_eq!(picked(text, Format::Ndjson, &[]), "");
        assert_eq!(picked(text, Format::Ndjson, &[5]), "");
    }

    #[test]
    fn records_of_a_table_come_with_its_header_and_keep_their_cells() {
        let text = "\u{FEFF}a,b\n1,\"x\ny\"\n\n2,\"say \"\"hi\"\"\"\n3,too,many\n4\n";
        assert_eq!(picked(text, Format::Csv, &[1, 3]), "a,b\n1,\"x\ny\"\n3,too,many\n");
        assert_eq!(picked(text, Format::Csv, &[2, 4]), "a,b\n2,\"say \"\"hi\"\"\"\n4\n");
    }
}
