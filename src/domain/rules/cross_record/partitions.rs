//! Rows kept in a [`Spill`] by a hash of what they are grouped by, and read from there a partition at a time.

use std::marker::PhantomData;

/// A place for bytes that do not fit in memory, filled from its start to its end. What it fails by is its
/// owner's trouble, never the file's.
pub trait Spill {
    type Error;

    fn append(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Fills `into` with the bytes that begin at `offset`.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Self::Error>;
}

/// What is kept of a row, in a fixed number of bytes.
pub(super) trait Kept: Sized {
    const BYTES: usize;

    /// Evenly spread over all numbers, and equal for rows that have to be looked at together.
    fn spread(&self) -> u64;

    fn record_no(&self) -> u64;

    fn write(&self, out: &mut Vec<u8>);

    /// The row of exactly [`Kept::BYTES`] bytes; `None` for any other number.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// How much may be in memory; a matter of cost alone, the outcome is the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    pub partitions: usize,
    /// Rows that wait in memory. A batch that has no more is never spilled.
    pub waiting_rows: usize,
    /// Rows of one partition that are judged from memory; more are read again and again.
    pub loaded_rows: usize,
    /// Groups that are looked at together.
    pub groups: usize,
}

impl Capacity {
    /// For 10 million rows: 256 partitions of 40,000 rows. About 25 MB wait, and to judge a partition takes some 20 MB.
    pub const USUAL: Capacity =
        Capacity { partitions: 256, waiting_rows: 128 << 10, loaded_rows: 128 << 10, groups: 128 << 10 };
}

/// Rows that can be looked at as often as it takes.
pub(super) trait Rows<R> {
    type Error;

    fn count(&self) -> usize;

    /// Shows every row, in no order.
    fn each(&self, visit: impl FnMut(&R)) -> Result<(), Self::Error>;
}

/// Rows in memory; `E` is what other rows may fail by.
pub(super) struct InMemory<R, E> {
    pub rows: Vec<R>,
    fails_by: PhantomData<E>,
}

impl<R, E> InMemory<R, E> {
    pub fn new(rows: Vec<R>) -> InMemory<R, E> {
        InMemory { rows, fails_by: PhantomData }
    }
}

impl<R, E> Rows<R> for InMemory<R, E> {
    type Error = E;

    fn count(&self) -> usize {
        self.rows.len()
    }

    fn each(&self, visit: impl FnMut(&R)) -> Result<(), E> {
        self.rows.iter().for_each(visit);
        Ok(())
    }
}

/// Rows of one kind in their partitions.
#[derive(Debug)]
pub(super) struct Partitions {
    parts: Vec<Part>,
}

/// One partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    waiting: Vec<u8>,
    /// Where earlier rows are in the spill: offset and length.
    spilled: Vec<(u64, usize)>,
    rows: usize,
}

impl Partitions {
    pub fn new(count: usize) -> Partitions {
        Partitions { parts: vec![Part::default(); count] }
    }

    pub fn add<R: Kept>(&mut self, row: &R) {
        // The high bits: the low ones are left to whoever divides a partition further.
        let place = (u128::from(row.spread()) * self.parts.len() as u128) >> 64;
        let part = &mut self.parts[place as usize];
        row.write(&mut part.waiting);
        part.rows += 1;
    }

    /// Moves all rows that wait in memory to the spill, of which `end` bytes are filled.
    pub fn spill<S: Spill>(&mut self, spill: &mut S, end: &mut u64) -> Result<(), S::Error> {
        for part in self.parts.iter_mut().filter(|part| !part.waiting.is_empty()) {
            spill.append(&part.waiting)?;
            part.spilled.push((*end, part.waiting.len()));
            *end += part.waiting.len() as u64;
            part.waiting.clear();
        }
        Ok(())
    }

    /// The partitions, one after the other.
    pub fn into_parts(self) -> impl Iterator<Item = Part> {
        self.parts.into_iter()
    }
}

/// Rows read at a time of a partition that is too large to be loaded.
const BLOCK_ROWS: usize = 1024;

impl Part {
    pub fn count(&self) -> usize {
        self.rows
    }

    /// Shows every row, in no order.
    pub fn each<R: Kept, S: Spill>(&self, spill: &S, mut visit: impl FnMut(R)) -> Result<(), S::Error> {
        let mut show = |bytes: &[u8]| bytes.chunks_exact(R::BYTES).filter_map(R::read).for_each(&mut visit);
        show(&self.waiting);
        let mut buffer = Vec::new();
        for (offset, length) in &self.spilled {
            for start in (0..*length).step_by(BLOCK_ROWS * R::BYTES) {
                buffer.resize((BLOCK_ROWS * R::BYTES).min(length - start), 0);
                spill.read(offset + start as u64, &mut buffer)?;
                show(&buffer);
            }
        }
        Ok(())
    }

    pub fn load<R: Kept, S: Spill>(&self, spill: &S) -> Result<Vec<R>, S::Error> {
        let mut rows = Vec::with_capacity(self.rows);
        self.each(spill, |row| rows.push(row))?;
        Ok(rows)
    }
}

/// The rows of a partition that is too large to be loaded.
pub(super) struct OnDisk<'a, S> {
    pub part: Part,
    pub spill: &'a S,
}

impl<R: Kept, S: Spill> Rows<R> for OnDisk<'_, S> {
    type Error = S::Error;

    fn count(&self) -> usize {
        self.part.rows
    }

    fn each(&self, mut visit: impl FnMut(&R)) -> Result<(), S::Error> {
        self.part.each(self.spill, |row: R| visit(&row))
    }
}
