//! Keyed hashes of a row: is it the same row, and does it tell the same of the account?

use std::hash::Hasher;

use chrono::{Datelike, NaiveDate};
use siphasher::sip128::{Hasher128, SipHasher13};

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

/// Writes a row's values one after the other into a reused buffer and hashes them in one go, which is
/// several times faster than feeding a hasher value by value.
#[derive(Debug)]
pub(super) struct Fingerprinter {
    keyed: SipHasher13,
    buffer: Vec<u8>,
}

impl Fingerprinter {
    pub fn new(seed: &[u8; 16]) -> Fingerprinter {
        Fingerprinter { keyed: SipHasher13::new_with_key(seed), buffer: Vec::with_capacity(512) }
    }

    pub fn of_text(&self, text: &str) -> [u64; 2] {
        let (high, low) = self.keyed.hash(text.as_bytes()).as_u64();
        [high, low]
    }

    pub fn of(&mut self, record: &AccountSnapshot<'_>) -> Fingerprint {
        let mut hasher = self.keyed;
        self.buffer.clear();
        write_facts(record, &mut self.buffer);
        hasher.write(&self.buffer);
        let facts = hasher.finish128().as_u64().0;
        // The same hasher goes on: all fields are the facts and then the holder.
        self.buffer.clear();
        write_subject(record, &mut self.buffer);
        hasher.write(&self.buffer);
        let content = hasher.finish128().as_u64().0;
        Fingerprint { content, facts, origin: self.origin(record) }
    }

    /// Never zero when product, opening day and original amount are all stated, zero otherwise.
    fn origin(&mut self, record: &AccountSnapshot<'_>) -> u64 {
        let (Some(product), Some(opened), Some(original)) =
            (record.product_type, record.opened_date, record.original_amount)
        else {
            return 0;
        };
        self.buffer.clear();
        product.write_to(&mut self.buffer);
        opened.write_to(&mut self.buffer);
        original.write_to(&mut self.buffer);
        self.keyed.hash(&self.buffer).as_u64().0.max(1)
    }
}

/// A value in bytes such that different values, in the same place, give different bytes.
trait WriteTo {
    fn write_to(&self, buffer: &mut Vec<u8>);
}

impl WriteTo for &str {
    fn write_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&(self.len() as u64).to_le_bytes());
        buffer.extend_from_slice(self.as_bytes());
    }
}

impl WriteTo for NaiveDate {
    fn write_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.num_days_from_ce().to_le_bytes());
    }
}

impl WriteTo for Sen {
    fn write_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.0.to_le_bytes());
    }
}

impl WriteTo for u16 {
    fn write_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.to_le_bytes());
    }
}

/// Values that fit a byte: flags, and code words by their position.
macro_rules! write_as_byte {
    ($($kind:ty),+) => { $(
        impl WriteTo for $kind {
            fn write_to(&self, buffer: &mut Vec<u8>) {
                buffer.push(*self as u8);
            }
        }
    )+ };
}

write_as_byte!(
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

/// Writes which of the values are present, a bit each, and then the present ones.
macro_rules! write_present {
    ($buffer:ident, $($value:expr),+ $(,)?) => {{
        let presence_at = $buffer.len();
        $buffer.extend_from_slice(&[0; 8]);
        let (mut presence, mut bit) = (0_u64, 1_u64);
        $(
            if let Some(value) = &$value {
                presence |= bit;
                value.write_to($buffer);
            }
            bit <<= 1;
        )+
        let _ = bit;
        $buffer[presence_at..presence_at + 8].copy_from_slice(&presence.to_le_bytes());
    }};
}

/// The account's facts: all fields but the subject block. The record is taken apart without `..`, so that
/// a field added to the contract cannot be forgotten here.
fn write_facts(record: &AccountSnapshot<'_>, buffer: &mut Vec<u8>) {
    let AccountSnapshot {
        // The subject block, see `write_subject`.
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
        account_ref,
        product_type,
        portfolio_type,
        islamic,
        merchant_category,
        as_of_date,
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
    write_present!(
        buffer,
        *account_ref,
        *product_type,
        *portfolio_type,
        *islamic,
        *merchant_category,
        *as_of_date,
        *opened_date,
        *maturity_date,
        *closed_date,
        *status,
        *status_date,
        *currency,
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
    );
    write_present!(
        buffer,
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
        *sold_to,
        *sold_date,
        *settled_date,
        *settlement_type,
        *restructured,
        *hardship,
        *legal_action,
        *contributor_dispute,
        *listing_requested,
        *evidence_ref,
    );
}

/// Who holds the account, and as what. The primary identifier is left out: rows are compared within one
/// subject, and two spellings of one number are one number.
fn write_subject(record: &AccountSnapshot<'_>, buffer: &mut Vec<u8>) {
    write_present!(
        buffer,
        record.subject_type,
        record.id_country,
        record.secondary_id_type,
        record.secondary_id_number,
        record.full_name,
        record.date_of_birth,
        record.phone,
        record.postcode,
        record.holder_role,
    );
}
