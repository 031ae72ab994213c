//! F024: one value fills a field that should tell records apart, as a default of an export does (01-01-1900, a phone
//! number of the head office, 100.00).
//!
//! No value is kept: each is hashed under a key into one of [`BUCKETS`] buckets, in two independent ways, and the buckets
//! are counted exactly. The counts are sums, so the order of the records does not matter.
//!
//! The error has one direction. A bucket holds at least what its fullest value has, so a value above the threshold is
//! always found. A false alarm needs a bucket above it in both ways, filled by several values: other values add to a
//! bucket 1/4096 of the records on average, so they add one percentage point or more with a probability below 2.5 % in
//! one way (Markov) and below 0.06 % in both; a field whose fullest value has less than 19 % is warned of more rarely
//! than that.

use chrono::Datelike as _;

use crate::domain::contract::{AccountSnapshot, Field};
use crate::domain::finding::Finding;

use super::{Code, FileFacts};

/// Buckets of one way of hashing.
const BUCKETS: usize = 4096;
/// Fewer values than this say nothing about what is usual.
const FEWEST_VALUES: u64 = 100;
/// A value may fill this share of a field.
const MOST_PER_CENT: u64 = 20;

/// The fields that are looked at.
const FIELDS: [Field; 4] = [Field::DateOfBirth, Field::Phone, Field::OriginalAmount, Field::Outstanding];

/// Counts how evenly the values of some fields are spread, in 128 KiB whatever the file.
#[derive(Debug)]
pub struct Concentration {
    key: [u64; 2],
    stated: [u64; FIELDS.len()],
    /// Of each field both ways of hashing, one after the other.
    counts: Vec<u32>,
}

/// How often the fullest value of a field was seen, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fullest {
    pub field: Field,
    pub records: u64,
    /// Records that state the field.
    pub stated: u64,
}

impl Concentration {
    /// `key` is a secret; the same key gives the same answer about the same file.
    pub fn new(key: [u8; 16]) -> Concentration {
        let key = u128::from_le_bytes(key);
        Concentration {
            // An even factor would lose bits.
            key: [key as u64, (key >> 64) as u64 | 1],
            stated: [0; FIELDS.len()],
            counts: vec![0; FIELDS.len() * 2 * BUCKETS],
        }
    }

    /// Adds a readable record, whatever its verdict.
    pub fn add(&mut self, record: &AccountSnapshot<'_>) {
        let born = record.date_of_birth.map(|day| u64::from(day.num_days_from_ce().unsigned_abs()));
        let amount = record.original_amount.map(|sen| sen.0.cast_unsigned());
        // Nothing owed is no default: it is what settled accounts owe.
        let owed = record.outstanding.filter(|sen| sen.0 > 0).map(|sen| sen.0.cast_unsigned());
        let phone = record.phone.map(|phone| self.text(phone));
        for (field, value) in [born, phone, amount, owed].into_iter().enumerate() {
            if let Some(value) = value {
                self.count(field, value);
            }
        }
    }

    fn count(&mut self, field: usize, value: u64) {
        let hash = self.hash(value);
        self.stated[field] += 1;
        for way in 0..2 {
            let bucket = (hash >> (32 * way)) as usize % BUCKETS;
            self.counts[(field * 2 + way) * BUCKETS + bucket] += 1;
        }
    }

    fn hash(&self, value: u64) -> u64 {
        let [add, multiply] = self.key;
        let wide = u128::from(value ^ add) * u128::from(multiply);
        wide as u64 ^ (wide >> 64) as u64
    }

    fn text(&self, text: &str) -> u64 {
        text.as_bytes().chunks(8).fold(text.len() as u64, |hash, chunk| {
            let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.hash(hash ^ word)
        })
    }

    /// The fullest value of each field that enough records state.
    pub fn fullest(&self) -> Vec<Fullest> {
        let fields = FIELDS.iter().zip(self.stated).zip(self.counts.chunks(2 * BUCKETS));
        let enough = fields.filter(|((_, stated), _)| *stated >= FEWEST_VALUES);
        enough
            .map(|((field, stated), counts)| {
                let most = counts.chunks(BUCKETS).filter_map(|way| way.iter().max()).min();
                Fullest { field: *field, records: u64::from(most.copied().unwrap_or(0)), stated }
            })
            .collect()
    }
}

/// F024: no value fills more than a fifth of a field that should tell records apart.
pub fn f024(facts: &FileFacts) -> Vec<Finding> {
    let filled = facts.fullest.iter().filter(|most| most.records * 100 > most.stated * MOST_PER_CENT);
    filled
        .map(|Fullest { field, records, stated }| {
            let detail = format!("one value in {records} of {stated} records that state the field");
            Finding::at(Code::F024, *field).with_detail(detail)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::money::Sen;

    fn owing(sen: i64) -> AccountSnapshot<'static> {
        AccountSnapshot { outstanding: Some(Sen(sen)), ..AccountSnapshot::default() }
    }

    fn fields(concentration: &Concentration) -> Vec<Field> {
        let facts = FileFacts { fullest: concentration.fullest(), ..FileFacts::default() };
        f024(&facts).into_iter().filter_map(|finding| finding.field).collect()
    }

    /// A file in which `same` records of a thousand owe the same.
    fn with_equal(same: i64, key: [u8; 16]) -> Concentration {
        let mut concentration = Concentration::new(key);
        (0..1000).for_each(|n| concentration.add(&owing(if n < same { 50_000 } else { 100_000 + n * 37 })));
        concentration
    }

    #[test]
    fn a_value_may_fill_a_fifth_of_a_field_and_no_more() {
        // What others put into the bucket of the value is part of what is told: some per mille of a thousand.
        assert_eq!(fields(&with_equal(195, [7; 16])), []);
        assert_eq!(fields(&with_equal(201, [7; 16])), [Field::Outstanding]);
    }

    #[test]
    fn each_field_is_judged_by_the_records_that_state_it_and_shown_without_its_value() {
        let mut concentration = Concentration::new([1; 16]);
        let names: Vec<String> = (0..1000).map(|n| format!("+6012{n:07}")).collect();
        for (n, phone) in (0..).zip(&names) {
            concentration.add(&AccountSnapshot {
                phone: Some(if n % 4 == 0 { "+60388881234" } else { phone }),
                date_of_birth: chrono::NaiveDate::from_ymd_opt(1970, 1, 1).filter(|_| n < 99),
                original_amount: Some(Sen(n * 100)),
                ..owing(0)
            });
        }
        let facts = FileFacts { fullest: concentration.fullest(), ..FileFacts::default() };
        let findings = f024(&facts);
        assert_eq!(findings.len(), 1, "99 birthdays are too few, and owing nothing is usual: {findings:?}");
        assert_eq!(findings[0].field, Some(Field::Phone));
        let detail = findings[0].detail.as_deref().unwrap();
        assert!(detail.starts_with("one value in 25"), "{detail}");
        assert!(!detail.contains("8888"));
    }

    #[test]
    fn a_file_of_fewer_than_a_hundred_records_is_not_judged() {
        let mut concentration = Concentration::new([1; 16]);
        (0..99).for_each(|_| concentration.add(&owing(5)));
        assert_eq!(fields(&concentration), []);
        concentration.add(&owing(5));
        assert_eq!(fields(&concentration), [Field::Outstanding]);
    }

    proptest! {
        #[test]
        fn what_fills_a_field_is_found_under_every_key_and_in_every_order(
            key in any::<[u8; 16]>(),
            (amounts, shuffled) in prop::collection::vec(1_i64..40, 100..300)
                .prop_flat_map(|amounts| (Just(amounts.clone()), Just(amounts).prop_shuffle())),
        ) {
            let count = |amounts: &[i64]| {
                let mut concentration = Concentration::new(key);
                amounts.iter().for_each(|sen| concentration.add(&owing(*sen)));
                concentration.fullest()
            };
            let found = count(&amounts);
            prop_assert_eq!(&found, &count(&shuffled));
            let most = (1..40).map(|sen| amounts.iter().filter(|amount| **amount == sen).count()).max();
            prop_assert!(found[0].records >= most.unwrap() as u64);
        }
    }
}
