//! Keyed hashes of a row: is it the same row, and does it tell the same of the account?
//!
//! The fields become words, each at its own place, and the hash is the sum of every word times the secret number of its
//! place, in 128 bits (a multilinear hash): different words of two rows give one sum by chance once in 2^64. Nobody sees a
//! hash or learns more of two than whether they are equal, so without the key there is nothing to build a collision from;
//! two of ten million rows collide in 64 bits once in some 300,000 files. Texts are made words by folding products (the
//! construction of wyhash). Both are several times faster than a cryptographic hash.

use chrono::{Datelike, NaiveDate};

use crate::domain::contract::AccountSnapshot;
use crate::domain::money::Sen;

/// The hashes of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub content: u64,
    pub facts: u64,
    pub origin: u64,
}

/// The most words that are summed: the facts of an account.
const PLACES: usize = 34;

/// Hashes under one key.
#[derive(Debug)]
pub(super) struct Fingerprinter {
    /// For texts, and for the end of every hash.
    key: [u64; 4],
    /// The secret number of each place.
    places: [u64; PLACES],
}

impl Fingerprinter {
    pub fn new(seed: &[u8; 16]) -> Fingerprinter {
        let seed = u128::from_le_bytes(*seed);
        let (low, high) = (seed as u64, (seed >> 64) as u64);
        // None of them is small: a word that equals a key would make a product zero.
        let word = |step: usize| {
            fold(low ^ GOLDEN.wrapping_mul(step as u64), high ^ GOLDEN.rotate_left(32)) ^ GOLDEN
        };
        Fingerprinter {
            key: std::array::from_fn(|at| word(at + 1)),
            places: std::array::from_fn(|at| word(at + 5)),
        }
    }

    /// 128 bits: accounts must not be taken for each other.
    pub fn of_account(&self, account_ref: &str) -> [u64; 2] {
        [self.text(0, account_ref), self.text(2, account_ref)]
    }

    pub fn of(&self, record: &AccountSnapshot<'_>) -> Fingerprint {
        let facts = self.facts(record);
        // All fields are the facts and then the holder.
        let content = self.holder(facts, record);
        Fingerprint { content, facts, origin: self.origin(record) }
    }

    /// Never zero when product, opening day and original amount are all stated, zero otherwise.
    fn origin(&self, record: &AccountSnapshot<'_>) -> u64 {
        let (Some(product), Some(opened), Some(original)) =
            (record.product_type, record.opened_date, record.original_amount)
        else {
            return 0;
        };
        let mut sum = Sum::of(self);
        sum.add(product as u64);
        sum.add(u64::from(opened.half()));
        sum.add(original.0.cast_unsigned());
        sum.finish().max(1)
    }

    /// With keys from `at` on, so that two of them make two hashes that have nothing to do with each other.
    fn text(&self, at: usize, text: &str) -> u64 {
        let [first, second] = [self.key[at], self.key[at + 1]];
        let bytes = text.as_bytes();
        let mut state = bytes.len() as u64 ^ first;
        for pair in bytes.chunks_exact(16) {
            if let (Some(one), Some(other)) = (pair.first_chunk(), pair.last_chunk()) {
                state = fold(state ^ u64::from_le_bytes(*one), u64::from_le_bytes(*other) ^ second);
            }
        }
        let [one, other] = ends(bytes);
        fold(fold(state ^ one, other ^ second) ^ second, first)
    }
}

/// Words at their places, one after the other.
struct Sum<'a> {
    prints: &'a Fingerprinter,
    sum: u128,
    place: usize,
    /// A bit for each amount and text that is there: blank is not zero.
    present: u64,
}

impl Sum<'_> {
    fn of(prints: &Fingerprinter) -> Sum<'_> {
        Sum { prints, sum: 0, place: 0, present: 0 }
    }

    #[inline]
    fn add(&mut self, word: u64) {
        let secret = u128::from(self.prints.places[self.place]);
        self.sum = self.sum.wrapping_add(u128::from(word) * secret);
        self.place += 1;
    }

    #[inline]
    fn amount(&mut self, amount: Option<Sen>) {
        self.present |= u64::from(amount.is_some()) << self.place;
        self.add(amount.unwrap_or_default().0.cast_unsigned());
    }

    #[inline]
    fn text(&mut self, text: Option<&str>) {
        self.present |= u64::from(text.is_some()) << self.place;
        self.add(text.map_or(0, |text| self.prints.text(0, text)));
    }

    /// 64 bits of the sum, each of which depends on all of its bits.
    #[inline]
    fn finish(mut self) -> u64 {
        self.add(self.present);
        let [first, second, ..] = self.prints.key;
        fold(self.sum as u64 ^ first, (self.sum >> 64) as u64 ^ second)
    }
}

/// Words that hold all of a text of up to 16 bytes, and of a longer one at least what is left after whole pairs of words.
/// They overlap where there is less: the length tells the rest.
fn ends(bytes: &[u8]) -> [u64; 2] {
    if bytes.len() > 16
        && let Some(pair) = bytes.last_chunk::<16>()
    {
        let pair = u128::from_le_bytes(*pair);
        return [pair as u64, (pair >> 64) as u64];
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return [u64::from_le_bytes(*first), u64::from_le_bytes(*last)];
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return [u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last))];
    }
    let at = |place: usize| bytes.get(place).map_or(0, |byte| u64::from(*byte));
    [at(0) << 8 | at(1), at(2)]
}

/// The golden ratio in 64 bits: a number without a pattern.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Both halves of a product, one laid over the other: every bit of it depends on every bit of both factors.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

/// A value in half a word such that different values of a field are different, and none is zero.
trait Half: Copy {
    fn half(self) -> u32;
}

impl Half for u16 {
    fn half(self) -> u32 {
        u32::from(self) + 1
    }
}

impl Half for NaiveDate {
    fn half(self) -> u32 {
        self.year().cast_unsigned() << 9 | self.ordinal()
    }
}

/// Two values in a word; zero where there is none: blank is not zero.
fn pair(one: Option<impl Half>, other: Option<impl Half>) -> u64 {
    let half = |value: Option<u32>| u64::from(value.unwrap_or_default());
    half(one.map(Half::half)) << 32 | half(other.map(Half::half))
}

/// Flags and code words, a byte each: their position in their list, from one; zero where there is none.
macro_rules! bytes_of {
    ($($value:expr),+ $(,)?) => {{
        let mut word = 0_u64;
        $(word = word << 8 | $value.map_or(0, |value| value as u64 + 1);)+
        word
    }};
}

impl Fingerprinter {
    /// The account's facts: all fields but the subject block. The record is taken apart without `..`, so that
    /// a field added to the contract cannot be forgotten here.
    fn facts(&self, record: &AccountSnapshot<'_>) -> u64 {
        let AccountSnapshot {
            // The subject block, see `holder`.
            subject_type: _,
            id_type: _,
            id_number: _,
            id_country: _,
            secondary_id_type: _,
            secondary_id_number: _,
            full_name: _,
            date_of_birth: _,
            phone: _,
            postcode: _,
            holder_role: _,
            // How we came by the status date is not what the row says.
            status_date_defaulted: _,
            // A row with an unreadable cell was rejected before it could come here.
            unreadable: _,
            // Rows are compared within one account and one day.
            account_ref: _,
            product_type,
            portfolio_type,
            islamic,
            merchant_category,
            as_of_date: _,
            opened_date,
            maturity_date,
            closed_date,
            status,
            status_date,
            currency,
            original_amount,
            credit_limit,
            instalment_amount,
            instalments_total,
            instalments_paid,
            instalments_overdue,
            payment_frequency,
            outstanding,
            overdue,
            fees_outstanding,
            dpd,
            oldest_unpaid_due_date,
            first_delinquency_date,
            aging_current,
            aging_1_30,
            aging_31_60,
            aging_61_90,
            aging_91_120,
            aging_121_150,
            aging_151_180,
            aging_181_plus,
            amount_paid_period,
            scheduled_amount_period,
            last_payment_date,
            last_payment_amount,
            next_due_date,
            next_due_amount,
            write_off_date,
            write_off_amount,
            sold_to,
            sold_date,
            settled_date,
            settlement_type,
            restructured,
            hardship,
            legal_action,
            contributor_dispute,
            listing_requested,
            evidence_ref,
            // A constant is the same in every row that has it.
            imputed: _,
        } = record;
        let mut sum = Sum::of(self);
        sum.amount(*original_amount);
        sum.amount(*credit_limit);
        sum.amount(*instalment_amount);
        sum.amount(*outstanding);
        sum.amount(*overdue);
        sum.amount(*fees_outstanding);
        sum.amount(*aging_current);
        sum.amount(*aging_1_30);
        sum.amount(*aging_31_60);
        sum.amount(*aging_61_90);
        sum.amount(*aging_91_120);
        sum.amount(*aging_121_150);
        sum.amount(*aging_151_180);
        sum.amount(*aging_181_plus);
        sum.amount(*amount_paid_period);
        sum.amount(*scheduled_amount_period);
        sum.amount(*last_payment_amount);
        sum.amount(*next_due_amount);
        sum.amount(*write_off_amount);
        sum.text(*merchant_category);
        sum.text(*currency);
        sum.text(*sold_to);
        sum.text(*evidence_ref);
        sum.add(pair(*opened_date, *maturity_date));
        sum.add(pair(*closed_date, *status_date));
        sum.add(pair(*oldest_unpaid_due_date, *first_delinquency_date));
        sum.add(pair(*last_payment_date, *next_due_date));
        sum.add(pair(*write_off_date, *sold_date));
        sum.add(pair(*settled_date, *dpd));
        sum.add(pair(*instalments_total, *instalments_paid));
        sum.add(pair(*instalments_overdue, None::<u16>));
        sum.add(bytes_of!(*product_type, *portfolio_type, *status, *payment_frequency, *settlement_type));
        sum.add(bytes_of!(
            *islamic,
            *restructured,
            *hardship,
            *legal_action,
            *contributor_dispute,
            *listing_requested
        ));
        sum.finish()
    }

    /// Who holds the account, and as what. The primary identifier is left out: rows are compared within one
    /// subject, and two spellings of one number are one number.
    fn holder(&self, facts: u64, record: &AccountSnapshot<'_>) -> u64 {
        let mut sum = Sum::of(self);
        sum.text(record.id_country);
        sum.text(record.secondary_id_number);
        sum.text(record.full_name);
        sum.text(record.phone);
        sum.text(record.postcode);
        sum.add(facts);
        sum.add(bytes_of!(record.subject_type, record.secondary_id_type, record.holder_role));
        sum.add(pair(record.date_of_birth, None::<u16>));
        sum.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::contract::{HolderRole, ProductType, SubjectType};

    /// One change each, among them zero and the first word of a list instead of nothing, and a value in its neighbour's
    /// place.
    #[test]
    fn whatever_a_row_says_otherwise_shows() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 31);
        let blank = AccountSnapshot::default();
        let facts = [
            AccountSnapshot { original_amount: Some(Sen(0)), ..blank.clone() },
            AccountSnapshot { credit_limit: Some(Sen(0)), ..blank.clone() },
            AccountSnapshot { original_amount: Some(Sen(7)), ..blank.clone() },
            AccountSnapshot { credit_limit: Some(Sen(7)), ..blank.clone() },
            AccountSnapshot { write_off_amount: Some(Sen(i64::MIN)), ..blank.clone() },
            AccountSnapshot { currency: Some(""), ..blank.clone() },
            AccountSnapshot { sold_to: Some("MYR"), ..blank.clone() },
            AccountSnapshot { evidence_ref: Some("MYR"), ..blank.clone() },
            AccountSnapshot { opened_date: day, ..blank.clone() },
            AccountSnapshot { maturity_date: day, ..blank.clone() },
            AccountSnapshot { settled_date: day, ..blank.clone() },
            AccountSnapshot { dpd: Some(0), ..blank.clone() },
            AccountSnapshot { instalments_overdue: Some(u16::MAX), ..blank.clone() },
            AccountSnapshot { product_type: Some(ProductType::BnplPlan), ..blank.clone() },
            AccountSnapshot { islamic: Some(false), ..blank.clone() },
            AccountSnapshot { listing_requested: Some(false), ..blank.clone() },
            AccountSnapshot { listing_requested: Some(true), ..blank.clone() },
        ];
        let holders = [
            AccountSnapshot { id_country: Some("MYS"), ..blank.clone() },
            AccountSnapshot { postcode: Some("MYS"), ..blank.clone() },
            AccountSnapshot { full_name: Some("SUBJECT ONE"), ..blank.clone() },
            AccountSnapshot { subject_type: Some(SubjectType::Individual), ..blank.clone() },
            AccountSnapshot { holder_role: Some(HolderRole::Primary), ..blank.clone() },
            AccountSnapshot { date_of_birth: day, ..blank.clone() },
        ];
        let prints = Fingerprinter::new(&[3; 16]);
        let distinct = |hashes: &mut Vec<u64>| {
            let count = hashes.len();
            hashes.sort_unstable();
            hashes.dedup();
            hashes.len() == count
        };
        let of = |record: &AccountSnapshot<'_>| prints.of(record);
        let mut of_facts: Vec<u64> = facts.iter().chain([&blank]).map(|record| of(record).facts).collect();
        assert!(distinct(&mut of_facts));
        let all = facts.iter().chain(&holders).chain([&blank]);
        assert!(distinct(&mut all.map(|record| of(record).content).collect()));
        assert!(holders.iter().all(|record| of(record).facts == of(&blank).facts));
    }

    proptest! {
        #[test]
        fn texts_that_differ_anywhere_have_other_hashes(
            text in "[a-c]{1,70}", place in any::<prop::sample::Index>(), seed in any::<[u8; 16]>(),
        ) {
            let prints = Fingerprinter::new(&seed);
            let mut other = text.clone().into_bytes();
            let place = place.index(other.len());
            other[place] = b'd';
            let other = String::from_utf8(other).unwrap();
            for key in [0, 2] {
                prop_assert_eq!(prints.text(key, &text), prints.text(key, &text.clone()));
                prop_assert_ne!(prints.text(key, &text), prints.text(key, &other));
                prop_assert_ne!(prints.text(key, &text), prints.text(key, &format!("{text}a")));
                prop_assert_ne!(prints.text(key, &text), prints.text(key, &text[1..]));
            }
        }
    }
}
