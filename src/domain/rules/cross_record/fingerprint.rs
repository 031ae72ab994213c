//! Keyed hashes of a row: is it the same row, and does it tell the same of the account?
//!
//! A value becomes a word, and words are folded in pairs by multiplication with secret numbers (the construction of
//! wyhash), several times faster than a cryptographic hash. Nobody sees a hash or learns more of two than whether they
//! are equal, so without the key there is nothing to build a collision from; by chance two of ten million rows
//! collide in 64 bits once in some 300,000 files.

use chrono::{Datelike, NaiveDate};

use crate::domain::contract::{
    AccountSnapshot, AccountStatus, HolderRole, IdType, PaymentFrequency, PortfolioType, ProductType,
    SettlementType, SubjectType,
};
use crate::domain::money::Sen;

/// The hashes of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub content: u64,
    pub facts: u64,
    pub origin: u64,
}

/// Hashes under one key.
#[derive(Debug)]
pub(super) struct Fingerprinter {
    key: [u64; 4],
}

impl Fingerprinter {
    pub fn new(seed: &[u8; 16]) -> Fingerprinter {
        let seed = u128::from_le_bytes(*seed);
        let (low, high) = (seed as u64, (seed >> 64) as u64);
        // Spread over four words, none of which is small: a word that equals a key would make a product zero.
        let word = |step: u64| fold(low ^ GOLDEN.wrapping_mul(step), high ^ GOLDEN.rotate_left(32)) ^ GOLDEN;
        Fingerprinter { key: [word(1), word(2), word(3), word(4)] }
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
        self.words(self.key[0], &[product.word(), opened.word(), original.word(), 0]).max(1)
    }

    /// `state` is what was hashed before.
    fn words(&self, state: u64, words: &[u64]) -> u64 {
        let [_, first, second, third] = self.key;
        // Two chains that do not wait for each other.
        let (mut one, mut two) = (state, state ^ third);
        for four in words.chunks(4) {
            let [a, b, c, d] = std::array::from_fn(|i| four.get(i).copied().unwrap_or_default());
            one = fold(one ^ a, b ^ first);
            two = fold(two ^ c, d ^ second);
        }
        fold(one ^ third, two ^ first)
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

/// A value in a word such that different values of a field give different words.
trait Word {
    fn word(self) -> u64;
}

impl Word for u64 {
    fn word(self) -> u64 {
        self
    }
}

impl Word for u16 {
    fn word(self) -> u64 {
        u64::from(self)
    }
}

impl Word for NaiveDate {
    fn word(self) -> u64 {
        u64::from(self.year().cast_unsigned()) << 9 | u64::from(self.ordinal())
    }
}

impl Word for Sen {
    fn word(self) -> u64 {
        self.0.cast_unsigned()
    }
}

/// Flags, and code words by their position.
macro_rules! word_of_position {
    ($($kind:ty),+) => { $(
        impl Word for $kind {
            fn word(self) -> u64 {
                self as u64
            }
        }
    )+ };
}

word_of_position!(
    bool,
    AccountStatus,
    HolderRole,
    IdType,
    PaymentFrequency,
    PortfolioType,
    ProductType,
    SettlementType,
    SubjectType
);

/// One word per optional value, and before them one that says which are present: blank is not zero.
macro_rules! present_words {
    ($($value:expr),+ $(,)?) => {{
        let (mut present, mut bit) = (0_u64, 0_u32);
        let values = [$({
            let value = $value;
            present |= u64::from(value.is_some()) << bit;
            bit += 1;
            value.map_or(0, Word::word)
        }),+];
        let _ = bit;
        (present, values)
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
        let text = |text: &Option<&str>| text.map(|text| self.text(0, text));
        let (present, values) = present_words!(
            *product_type,
            *portfolio_type,
            *islamic,
            text(merchant_category),
            *opened_date,
            *maturity_date,
            *closed_date,
            *status,
            *status_date,
            text(currency),
            *original_amount,
            *credit_limit,
            *instalment_amount,
            *instalments_total,
            *instalments_paid,
            *instalments_overdue,
            *payment_frequency,
            *outstanding,
            *overdue,
            *fees_outstanding,
            *dpd,
            *oldest_unpaid_due_date,
            *first_delinquency_date,
            *aging_current,
            *aging_1_30,
            *aging_31_60,
            *aging_61_90,
            *aging_91_120,
            *aging_121_150,
            *aging_151_180,
            *aging_181_plus,
            *amount_paid_period,
            *scheduled_amount_period,
            *last_payment_date,
            *last_payment_amount,
            *next_due_date,
            *next_due_amount,
            *write_off_date,
            *write_off_amount,
            text(sold_to),
            *sold_date,
            *settled_date,
            *settlement_type,
            *restructured,
            *hardship,
            *legal_action,
            *contributor_dispute,
            *listing_requested,
            text(evidence_ref),
        );
        self.words(fold(self.key[0] ^ present, self.key[2]), &values)
    }

    /// Who holds the account, and as what. The primary identifier is left out: rows are compared within one
    /// subject, and two spellings of one number are one number.
    fn holder(&self, facts: u64, record: &AccountSnapshot<'_>) -> u64 {
        let text = |text: Option<&str>| text.map(|text| self.text(0, text));
        let (present, values) = present_words!(
            record.subject_type,
            text(record.id_country),
            record.secondary_id_type,
            text(record.secondary_id_number),
            text(record.full_name),
            record.date_of_birth,
            text(record.phone),
            text(record.postcode),
            record.holder_role,
        );
        self.words(fold(facts ^ present, self.key[2]), &values)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
