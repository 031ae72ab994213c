//! NDJSON lines from a reader: LF or CRLF, UTF-8 without NUL, bounded length, empty lines skipped.

use std::io::Read;

use super::Fault;
use crate::domain::rules::Code;

const READ_BYTES: usize = 256 << 10;
const BOM: &[u8] = b"\xEF\xBB\xBF";

pub struct Lines {
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    /// What is read and not yet given out: `buffer[start..end]`.
    start: usize,
    end: usize,
    line_no: u64,
    /// Bytes of the content before `start`.
    offset: u64,
    max_line: usize,
    at_end: bool,
    /// Where the line that was given out last stands in the content.
    last: (u64, u64),
}

impl Lines {
    pub fn new(reader: Box<dyn Read>, max_line: usize) -> Lines {
        Lines {
            reader,
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            line_no: 0,
            offset: 0,
            max_line,
            at_end: false,
            last: (0, 0),
        }
    }

    /// The next line that is not empty, without its line end.
    pub fn next(&mut self) -> Result<Option<&[u8]>, Fault> {
        loop {
            let Some((from, to)) = self.next_span()? else { return Ok(None) };
            self.line_no += 1;
            let from = if self.line_no == 1 && self.buffer[from..to].starts_with(BOM) {
                from + BOM.len()
            } else {
                from
            };
            let to = if to > from && self.buffer[to - 1] == b'\r' { to - 1 } else { to };
            if self.buffer[from..to].iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            check_text(&self.buffer[from..to], self.line_no)?;
            // What is behind the line end begins at `offset`.
            let place = |at: usize| self.offset - (self.start - at) as u64;
            self.last = (place(from), place(to));
            return Ok(Some(&self.buffer[from..to]));
        }
    }

    /// From the first byte of the last line that was given out to before its line end.
    pub fn last_range(&self) -> (u64, u64) {
        self.last
    }

    /// Where the next line stands in the buffer, reading on as needed.
    fn next_span(&mut self) -> Result<Option<(usize, usize)>, Fault> {
        let mut searched = self.start;
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[searched..self.end]) {
                let (from, to) = (self.start, searched + found);
                self.take(to + 1);
                return self.bounded(from, to);
            }
            searched = self.end;
            if self.at_end {
                let (from, to) = (self.start, self.end);
                self.take(to);
                return if from == to { Ok(None) } else { self.bounded(from, to) };
            }
            if self.end - self.start > self.max_line {
                return Err(self.too_long());
            }
            searched -= self.make_room();
            let n = self.reader.read(&mut self.buffer[self.end..]).map_err(|error| Fault::from_io(&error))?;
            self.end += n;
            self.at_end = n == 0;
        }
    }

    fn take(&mut self, to: usize) {
        self.offset += (to - self.start) as u64;
        self.start = to;
    }

    fn bounded(&self, from: usize, to: usize) -> Result<Option<(usize, usize)>, Fault> {
        if to - from > self.max_line { Err(self.too_long()) } else { Ok(Some((from, to))) }
    }

    /// Moves the rest to the front, or grows; returns by how much positions moved.
    fn make_room(&mut self) -> usize {
        let moved = self.start;
        if moved > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= moved;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        moved
    }

    fn too_long(&self) -> Fault {
        Fault::file(Code::F016, format!("line {} is longer than {} bytes", self.line_no + 1, self.max_line))
    }
}

/// F004: text is UTF-8 without NUL; nothing is ever repaired silently.
pub(super) fn check_text(line: &[u8], line_no: u64) -> Result<(), Fault> {
    if let Err(error) = std::str::from_utf8(line) {
        let detail = format!("line {line_no} is not UTF-8 at its byte {}", error.valid_up_to() + 1);
        return Err(Fault::file(Code::F004, detail));
    }
    if let Some(at) = memchr::memchr(0, line) {
        return Err(Fault::file(Code::F004, format!("line {line_no} has a NUL at its byte {}", at + 1)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(text: &[u8], max_line: usize) -> Result<Vec<Vec<u8>>, Fault> {
        let mut lines = Lines::new(Box::new(std::io::Cursor::new(text.to_vec())), max_line);
        let mut all = Vec::new();
        while let Some(line) = lines.next()? {
            all.push(line.to_vec());
        }
        Ok(all)
    }

    #[test]
    fn line_ends_bom_and_blank_lines_are_not_content() {
        let lines = lines_of(b"\xEF\xBB\xBFa\r\n\n  \nb\nc", 10).unwrap();
        assert_eq!(lines, [b"a", b"b", b"c"]);
    }

    #[test]
    fn broken_text_is_named_by_line_and_byte() {
        let detail = |text: &[u8]| lines_of(text, 100).unwrap_err().to_string();
        assert_eq!(detail(b"ok\nab\xFFc\n"), "F004: line 2 is not UTF-8 at its byte 3");
        assert_eq!(detail(b"a\0b"), "F004: line 1 has a NUL at its byte 2");
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        for size in [9, 10, 300_000, 300_001] {
            let limit = if size > 100 { 300_000 } else { 10 };
            let text = [vec![b'x'; size], b"\nnext".to_vec()].concat();
            assert_eq!(lines_of(&text, limit).is_ok(), size <= limit, "{size}");
        }
    }

    proptest! {
        #[test]
        fn lines_are_what_splitting_gives(text in "[a-c\n]{0,2000}") {
            let expected: Vec<Vec<u8>> =
                text.split('\n').filter(|line| !line.is_empty()).map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(lines_of(text.as_bytes(), 5000).unwrap(), expected);
        }
    }
}
