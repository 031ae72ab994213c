//! Rows kept by a hash of what they are grouped by: in memory as long as they are few, then in a [`Spill`].

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
    /// Rows that wait in memory, over all partitions.
    pub waiting_rows: usize,
    /// Rows of one partition that are judged from memory; more are read again and again.
    pub loaded_rows: usize,
    /// Groups that are looked at together.
    pub groups: usize,
}

impl Capacity {
    /// For 10 million rows: 256 partitions of 40,000 rows. About 13 MB wait, and to judge a partition takes some 20 MB.
    pub const USUAL: Capacity =
        Capacity { partitions: 256, waiting_rows: 128 << 10, loaded_rows: 128 << 10, groups: 128 << 10 };
}

/// Rows of one kind in their partitions.
#[derive(Debug)]
pub(super) struct Partitions {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Default)]
struct Part {
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

    /// The partitions, one after the other, each ready to be read as often as it takes.
    pub fn into_readers<S: Spill>(
        self,
        spill: &S,
        capacity: Capacity,
    ) -> impl Iterator<Item = Result<Partition<'_, S>, S::Error>> {
        self.parts.into_iter().map(move |part| Partition::open(part, spill, capacity))
    }
}

/// One partition; loaded into memory unless it is too large.
pub(super) struct Partition<'a, S> {
    part: Part,
    spill: &'a S,
}

/// Rows read at a time of a partition that is too large to be loaded.
const BLOCK_ROWS: usize = 1024;

impl<'a, S: Spill> Partition<'a, S> {
    fn open(mut part: Part, spill: &'a S, capacity: Capacity) -> Result<Partition<'a, S>, S::Error> {
        if part.rows <= capacity.loaded_rows {
            for (offset, length) in std::mem::take(&mut part.spilled) {
                let start = part.waiting.len();
                part.waiting.resize(start + length, 0);
                spill.read(offset, &mut part.waiting[start..])?;
            }
        }
        Ok(Partition { part, spill })
    }

    pub fn rows(&self) -> usize {
        self.part.rows
    }

    /// Shows every row, in no order.
    pub fn each<R: Kept>(&self, mut visit: impl FnMut(&R)) -> Result<(), S::Error> {
        let mut show = |bytes: &[u8]| {
            bytes.chunks_exact(R::BYTES).filter_map(R::read).for_each(|row| visit(&row));
        };
        show(&self.part.waiting);
        let mut buffer = Vec::new();
        for (offset, length) in &self.part.spilled {
            for start in (0..*length).step_by(BLOCK_ROWS * R::BYTES) {
                buffer.resize((BLOCK_ROWS * R::BYTES).min(length - start), 0);
                self.spill.read(offset + start as u64, &mut buffer)?;
                show(&buffer);
            }
        }
        Ok(())
    }
}
