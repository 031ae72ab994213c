//! Cross-record rules S001 to S005, with I016 and the in-file half of I015 (`domain.md` 6.2): what the rows
//! of one batch say about each other.
//!
//! Rows are added one by one and judged at the end, because the last row may contradict the first. What is kept of
//! a row is compact: keyed hashes and a few facts, no text and no identifier. The key keeps anybody who does not know
//! it from building rows whose hashes collide.
//!
//! Memory is bounded whatever the file: rows wait in memory while they are few and go to a [`Spill`] when they are
//! many, in partitions by the hash of their account and by their subject; one partition after the other is judged, and
//! the outcome is a bit per record.
//!
//! The answer is a function of the set of rows, never of their order or of the partitions. The stages are:
//!
//! 1. S001 one holder's account twice for one day: equal rows collapse to the first, contradicting rows all go;
//! 2. S003 and S004 the holders of one account on one day: exactly one PRIMARY, and all tell the same facts;
//! 3. I015 one account, one primary holder, whatever the day;
//! 4. warnings over what is left: S002, S005, I016.
//!
//! A row that one stage rejects is not looked at by the next, so that one mistake does not reject good rows.

use chrono::{Datelike, NaiveDate};

use crate::domain::contract::{AccountSnapshot, HolderRole};
use crate::domain::marks::{Marked, Marks};

use super::Code;

mod fingerprint;
mod partitions;
mod stages;

pub use partitions::Spill;

use fingerprint::Fingerprinter;
use partitions::{Capacity, Kept, OnDisk, Partitions};
use stages::{Verdicts, judge_accounts, judge_loaded_accounts, judge_loaded_subjects, judge_subjects};

/// What the rows of a batch say about each other; see the module for the stages.
///
/// Findings are sorted by code, and each is about at least one record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSetOutcome {
    /// Findings that reject their records.
    pub rejected: Vec<Marked>,
    /// Rows that repeat an earlier row word for word; neither accepted nor rejected.
    pub duplicates: Marks,
    /// Findings about rows that stay: warnings, and I016, which holds the batch.
    pub warnings: Vec<Marked>,
    /// The most days for which the batch has one holder's account; 0 for a batch without rows.
    pub most_snapshots: u32,
}

/// Collects the rows of one batch that passed the rules about single rows.
#[derive(Debug)]
pub struct RowSet<S> {
    fingerprinter: Fingerprinter,
    capacity: Capacity,
    waiting: Vec<Entry>,
    by_account: Partitions,
    by_subject: Partitions,
    spill: S,
    spilled_bytes: u64,
}

/// What is remembered of one row while it waits.
#[derive(Debug)]
struct Entry {
    account: AccountRow,
    /// See [`SubjectRow`].
    origin: u64,
}

const _: () = assert!(size_of::<Entry>() <= 72, "memory per waiting row is a promise");

/// What the stages about accounts need of a row.
#[derive(Clone, Debug)]
struct AccountRow {
    record_no: u64,
    /// Keyed 128-bit hash of account_ref.
    account: [u64; 2],
    /// The first 16 bytes of the keyed token of the primary identifier.
    subject: [u64; 2],
    /// Hash of all fields but the primary identifier: equal for rows of one subject that say the same.
    content: u64,
    /// Hash of all fields but the subject block: equal for holders who tell the same of the account.
    facts: u64,
    /// as_of_date as days of the common era.
    as_of: i32,
    /// One more than the product's position in its list; zero when it is not stated.
    product: u8,
    primary: bool,
}

/// What the stages about subjects need of a row.
#[derive(Clone, Debug)]
struct SubjectRow {
    record_no: u64,
    subject: [u64; 2],
    /// Half of the account's hash: enough to tell a subject's accounts apart.
    account: u64,
    /// Hash of product, opening day and original amount; zero when one of them is not stated.
    origin: u64,
}

impl From<&Entry> for SubjectRow {
    fn from(Entry { account: row, origin }: &Entry) -> SubjectRow {
        SubjectRow {
            record_no: row.record_no,
            subject: row.subject,
            account: row.account[0],
            origin: *origin,
        }
    }
}

impl Kept for AccountRow {
    const BYTES: usize = 62;

    fn spread(&self) -> u64 {
        self.account[0]
    }

    fn record_no(&self) -> u64 {
        self.record_no
    }

    fn write(&self, out: &mut Vec<u8>) {
        let [account, rest_of_account] = self.account;
        let [subject, rest_of_subject] = self.subject;
        let words =
            [self.record_no, account, rest_of_account, subject, rest_of_subject, self.content, self.facts];
        words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        out.extend_from_slice(&self.as_of.to_le_bytes());
        out.extend_from_slice(&[self.product, u8::from(self.primary)]);
    }

    fn read(bytes: &[u8]) -> Option<AccountRow> {
        let (words, rest) = words_of::<7>(bytes)?;
        let [record_no, account, rest_of_account, subject, rest_of_subject, content, facts] = words;
        let (as_of, rest) = rest.split_first_chunk()?;
        let [product, primary] = rest.try_into().ok()?;
        Some(AccountRow {
            record_no,
            account: [account, rest_of_account],
            subject: [subject, rest_of_subject],
            content,
            facts,
            as_of: i32::from_le_bytes(*as_of),
            product,
            primary: primary != 0,
        })
    }
}

impl Kept for SubjectRow {
    const BYTES: usize = 40;

    fn spread(&self) -> u64 {
        self.subject[0]
    }

    fn record_no(&self) -> u64 {
        self.record_no
    }

    fn write(&self, out: &mut Vec<u8>) {
        let [subject, rest_of_subject] = self.subject;
        let words = [self.record_no, subject, rest_of_subject, self.account, self.origin];
        words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }

    fn read(bytes: &[u8]) -> Option<SubjectRow> {
        let ([record_no, subject, rest_of_subject, account, origin], _) = words_of(bytes)?;
        Some(SubjectRow { record_no, subject: [subject, rest_of_subject], account, origin })
    }
}

/// The first words of some bytes, and the bytes after them.
fn words_of<const N: usize>(mut bytes: &[u8]) -> Option<([u64; N], &[u8])> {
    let mut words = [0; N];
    for word in &mut words {
        let (first, rest) = bytes.split_first_chunk()?;
        (*word, bytes) = (u64::from_le_bytes(*first), rest);
    }
    Some((words, bytes))
}

impl<S: Spill> RowSet<S> {
    /// An empty set. `seed` is a secret of the run, fresh or derived; the outcome does not depend on it.
    pub fn new(seed: [u8; 16], spill: S) -> RowSet<S> {
        RowSet::with_capacity(seed, spill, Capacity::USUAL)
    }

    fn with_capacity(seed: [u8; 16], spill: S, capacity: Capacity) -> RowSet<S> {
        RowSet {
            fingerprinter: Fingerprinter::new(&seed),
            capacity,
            waiting: Vec::new(),
            by_account: Partitions::new(capacity.partitions),
            by_subject: Partitions::new(capacity.partitions),
            spill,
            spilled_bytes: 0,
        }
    }

    /// Adds a row that passed the rules about single rows; `subject` is the first 16 bytes of the keyed
    /// token of its primary identifier. Such a row has an account_ref and an as_of_date (V001); one that
    /// lacks them has nothing to be compared by and is left out.
    ///
    /// # Errors
    /// Only those of the spill; the set is of no use afterwards.
    pub fn add(
        &mut self,
        record_no: u64,
        record: &AccountSnapshot<'_>,
        subject: [u8; 16],
    ) -> Result<(), S::Error> {
        let (Some(account_ref), Some(as_of)) = (record.account_ref, record.as_of_date) else { return Ok(()) };
        if self.waiting.capacity() == 0 {
            // Once for all: to grow step by step would copy every row and touch twice the memory. What is not used
            // is not touched.
            self.waiting.reserve_exact(self.capacity.waiting_rows);
        }
        let prints = self.fingerprinter.of(record);
        let subject = u128::from_le_bytes(subject);
        let account = AccountRow {
            record_no,
            account: self.fingerprinter.of_account(account_ref),
            subject: [subject as u64, (subject >> 64) as u64],
            content: prints.content,
            facts: prints.facts,
            as_of: NaiveDate::num_days_from_ce(&as_of),
            product: record.product_type.map_or(0, |product| product as u8 + 1),
            // Contract v1: a row that names no role is the primary holder's.
            primary: record.holder_role.is_none_or(|role| role == HolderRole::Primary),
        };
        self.waiting.push(Entry { account, origin: prints.origin });
        if self.waiting.len() < self.capacity.waiting_rows {
            return Ok(());
        }
        self.divide();
        self.by_account.spill(&mut self.spill, &mut self.spilled_bytes)?;
        self.by_subject.spill(&mut self.spill, &mut self.spilled_bytes)
    }

    /// Moves the waiting rows to their partitions.
    fn divide(&mut self) {
        for entry in self.waiting.drain(..) {
            self.by_account.add(&entry.account);
            self.by_subject.add(&SubjectRow::from(&entry));
        }
    }

    /// Judges the whole set.
    ///
    /// # Errors
    /// Only those of the spill.
    pub fn finish(mut self) -> Result<RowSetOutcome, S::Error> {
        let mut verdicts = Verdicts::default();
        if self.spilled_bytes == 0 {
            let subjects: Vec<SubjectRow> = self.waiting.iter().map(SubjectRow::from).collect();
            let accounts = self.waiting.into_iter().map(|entry| entry.account).collect();
            judge_loaded_accounts(accounts, self.capacity, &mut verdicts)?;
            judge_loaded_subjects(subjects, self.capacity, &mut verdicts)?;
            return Ok(verdicts.into_outcome());
        }
        self.divide();
        // Both sets of partitions are read from the spill, and nothing waits any more.
        self.waiting = Vec::new();
        for part in self.by_account.into_parts() {
            if part.count() <= self.capacity.loaded_rows {
                judge_loaded_accounts(part.load(&self.spill)?, self.capacity, &mut verdicts)?;
            } else {
                judge_accounts(&OnDisk { part, spill: &self.spill }, self.capacity, &mut verdicts)?;
            }
        }
        for part in self.by_subject.into_parts() {
            if part.count() <= self.capacity.loaded_rows {
                judge_loaded_subjects(part.load(&self.spill)?, self.capacity, &mut verdicts)?;
            } else {
                judge_subjects(&OnDisk { part, spill: &self.spill }, self.capacity, &mut verdicts)?;
            }
        }
        Ok(verdicts.into_outcome())
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
