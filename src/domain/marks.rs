//! A set of records of one batch.

use super::finding::Finding;

const BITS: u64 = u64::BITS as u64;

/// Which records are marked, a bit each: 10 million records take 1.2 MB however many are marked.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    words: Vec<u64>,
}

/// One finding and all the records that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    pub finding: Finding,
    pub records: Marks,
}

impl Marked {
    /// Adds a record to the set of its finding. A batch has as many different findings as there are rules and fields, so
    /// the search is short.
    pub fn add(all: &mut Vec<Marked>, finding: Finding, record_no: u64) {
        match all.iter_mut().find(|marked| marked.finding == finding) {
            Some(marked) => marked.records.set(record_no),
            None => all.push(Marked { finding, records: [record_no].into_iter().collect() }),
        }
    }
}

impl Marks {
    /// An empty set that need not grow up to this number.
    pub fn with_room_for(last: usize) -> Marks {
        Marks { words: vec![0; last / BITS as usize + 1] }
    }

    pub fn set(&mut self, record_no: u64) {
        let word = (record_no / BITS) as usize;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (record_no % BITS);
    }

    pub fn clear(&mut self, record_no: u64) {
        if let Some(word) = self.words.get_mut((record_no / BITS) as usize) {
            *word &= !(1 << (record_no % BITS));
        }
    }

    pub fn contains(&self, record_no: u64) -> bool {
        self.words.get((record_no / BITS) as usize).is_some_and(|word| word >> (record_no % BITS) & 1 == 1)
    }

    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Marks what the other set marks, too.
    pub fn add_all(&mut self, other: &Marks) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        self.words.iter_mut().zip(&other.words).for_each(|(word, more)| *word |= more);
    }

    /// Clears what the other set marks.
    pub fn remove_all(&mut self, other: &Marks) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, gone)| *word &= !gone);
    }

    /// The marked records, the lowest number first.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        (0..).zip(&self.words).flat_map(|(word_no, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| u64::from(left.trailing_zeros()))?;
                left &= left - 1;
                Some(word_no * BITS + bit)
            })
        })
    }

    /// The set as a bit string that has a bit for every record number up to `last`: bit n is bit n mod 8, counted
    /// from the lowest, of byte n / 8.
    pub fn to_bits(&self, last: u64) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize((last / 8 + 1) as usize, 0);
        bytes
    }
}

impl PartialEq for Marks {
    fn eq(&self, other: &Marks) -> bool {
        let (short, long) = if self.words.len() < other.words.len() { (self, other) } else { (other, self) };
        long.words.starts_with(&short.words) && long.words[short.words.len()..].iter().all(|word| *word == 0)
    }
}

impl Eq for Marks {}

impl FromIterator<u64> for Marks {
    fn from_iter<I: IntoIterator<Item = u64>>(records: I) -> Marks {
        let mut marks = Marks::default();
        records.into_iter().for_each(|record_no| marks.set(record_no));
        marks
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marks_are_a_set(
            one in prop::collection::btree_set(0_u64..400, 0..40),
            other in prop::collection::btree_set(0_u64..400, 0..40),
        ) {
            let all = |records: &BTreeSet<u64>| records.iter().copied().collect::<Marks>();
            let (mut both, mut rest) = (all(&one), all(&one));
            both.add_all(&all(&other));
            rest.remove_all(&all(&other));
            prop_assert_eq!(both.iter().collect::<BTreeSet<_>>(), &one | &other);
            prop_assert_eq!(rest.iter().collect::<Vec<_>>(), (&one - &other).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(both.count(), (&one | &other).len() as u64);
            prop_assert_eq!(rest.is_empty(), one.is_subset(&other));
            prop_assert_eq!(rest, all(&(&one - &other)));
            prop_assert!((0..400).all(|n| all(&one).contains(n) == one.contains(&n)));
            let bits = all(&one).to_bits(400);
            prop_assert!((0..=400).all(|n| (bits[n / 8] >> (n % 8) & 1 == 1) == one.contains(&(n as u64))));
        }
    }

    #[test]
    fn what_was_never_marked_can_be_cleared() {
        let mut marks: Marks = [1, 64, 65, 1000].into_iter().collect();
        marks.clear(65);
        marks.clear(5000);
        assert_eq!(marks.iter().collect::<Vec<_>>(), [1, 64, 1000]);
        assert!(!marks.contains(65) && !marks.contains(5000));
    }
}
