//! Cross-record rules S001 to S005, with I016 and the in-file half of I015 (`domain.md` 6.2): what the rows
//! of one batch say about each other.
//!
//! Rows are added one by one and judged at the end, because the last row may contradict the first. Only a
//! compact [`Entry`] per row stays in memory: keyed hashes and a few facts, no text and no identifier. The
//! key keeps anybody who does not know it from building rows whose hashes collide.
//!
//! The answer is a function of the set of rows, never of their order. The stages are:
//!
//! 1. S001 one holder's account twice for one day: equal rows collapse to the first, contradicting rows all go;
//! 2. S003 and S004 the holders of one account on one day: exactly one PRIMARY, and all tell the same facts;
//! 3. I015 one account, one primary holder, whatever the day;
//! 4. warnings over what is left: S002, S005, I016.
//!
//! A row that one stage rejects is not looked at by the next, so that one mistake does not reject good rows.

use chrono::{Datelike, NaiveDate};

use crate::domain::contract::{AccountSnapshot, Field, HolderRole};
use crate::domain::finding::Finding;

use super::Code;

mod fingerprint;

use fingerprint::Fingerprinter;

/// More rows than this of one subject in one batch look like a dummy identifier (I016).
const MOST_ROWS_OF_A_SUBJECT: usize = 50;

/// What the rows of a batch say about each other; see the module for the stages.
///
/// Every list is sorted by record number, and every list of findings by code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSetOutcome {
    /// Rows that are rejected, with the findings that reject them.
    pub rejected: Vec<(u64, Vec<Finding>)>,
    /// Rows that repeat an earlier row word for word; neither accepted nor rejected.
    pub duplicates: Vec<u64>,
    /// Findings about rows that stay: warnings, and I016, which holds the batch.
    pub warnings: Vec<(u64, Finding)>,
    /// The most days for which the batch has one holder's account; 0 for a batch without rows.
    pub most_snapshots: u32,
}

/// Collects the rows of one batch that passed the rules about single rows. Takes less than 100 bytes a row.
#[derive(Debug)]
pub struct RowSet {
    fingerprinter: Fingerprinter,
    entries: Vec<Entry>,
}

/// What is remembered of one row.
#[derive(Clone, Debug)]
struct Entry {
    /// Keyed 128-bit hash of account_ref.
    account: [u64; 2],
    /// The first 16 bytes of the keyed token of the primary identifier.
    subject: [u8; 16],
    record_no: u64,
    /// Hash of all fields but the primary identifier: equal for rows of one subject that say the same.
    content: u64,
    /// Hash of all fields but the subject block: equal for holders who tell the same of the account.
    facts: u64,
    /// Hash of product, opening day and original amount; zero when one of them is not stated.
    origin: u64,
    /// as_of_date as days of the common era.
    as_of: i32,
    /// One more than the product's position in its list; zero when it is not stated.
    product: u8,
    primary: bool,
    marks: u16,
}

const _: () = assert!(size_of::<Entry>() <= 80, "memory per row is a promise");

/// What the stages found, one bit each; a mark of [`REJECTING`] takes the row out.
mod mark {
    pub const DUPLICATE: u16 = 1;
    pub const I015: u16 = 1 << 1;
    pub const S001: u16 = 1 << 2;
    pub const S003: u16 = 1 << 3;
    pub const S004: u16 = 1 << 4;
    pub const I016: u16 = 1 << 5;
    pub const S001_KEPT: u16 = 1 << 6;
    pub const S002: u16 = 1 << 7;
    pub const S005: u16 = 1 << 8;
}

/// Marks that reject, with their findings, in the order of the codes.
const REJECTING: [(u16, Code, Field); 4] = [
    (mark::I015, Code::I015, Field::AccountRef),
    (mark::S001, Code::S001, Field::AccountRef),
    (mark::S003, Code::S003, Field::HolderRole),
    (mark::S004, Code::S004, Field::AccountRef),
];

/// Marks on rows that stay, with their findings, in the order of the codes.
const STAYING: [(u16, Code, Field); 4] = [
    (mark::I016, Code::I016, Field::IdNumber),
    (mark::S001_KEPT, Code::S001, Field::AccountRef),
    (mark::S002, Code::S002, Field::AccountRef),
    (mark::S005, Code::S005, Field::ProductType),
];

impl RowSet {
    /// An empty set. `seed` is a secret of the run, fresh or derived; the outcome does not depend on it.
    pub fn new(seed: [u8; 16]) -> RowSet {
        RowSet { fingerprinter: Fingerprinter::new(&seed), entries: Vec::new() }
    }

    /// Adds a row that passed the rules about single rows; `subject` is the first 16 bytes of the keyed
    /// token of its primary identifier. Such a row has an account_ref and an as_of_date (V001); one that
    /// lacks them has nothing to be compared by and is left out.
    pub fn add(&mut self, record_no: u64, record: &AccountSnapshot<'_>, subject: [u8; 16]) {
        let (Some(account_ref), Some(as_of)) = (record.account_ref, record.as_of_date) else { return };
        let prints = self.fingerprinter.of(record);
        self.entries.push(Entry {
            account: self.fingerprinter.of_text(account_ref),
            subject,
            record_no,
            content: prints.content,
            facts: prints.facts,
            origin: prints.origin,
            as_of: NaiveDate::num_days_from_ce(&as_of),
            product: record.product_type.map_or(0, |product| product as u8 + 1),
            // Contract v1: a row that names no role is the primary holder's.
            primary: record.holder_role.is_none_or(|role| role == HolderRole::Primary),
            marks: 0,
        });
    }

    /// The number of rows added so far.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Judges the whole set.
    pub fn finish(mut self) -> RowSetOutcome {
        let entries = &mut self.entries[..];

        entries.sort_unstable_by_key(|e| (e.account, e.as_of, e.subject, e.record_no));
        each_group(entries, |e| (e.account, e.as_of, e.subject), collapse_duplicates);
        let kept = keep(entries);
        kept.sort_unstable_by_key(|e| (e.account, e.as_of));
        each_group(kept, |e| (e.account, e.as_of), agree_on_the_account);
        let kept = keep(kept);
        kept.sort_unstable_by_key(|e| e.account);
        each_group(kept, |e| e.account, keep_one_primary_subject);

        let kept = keep(kept);
        kept.sort_unstable_by_key(|e| e.account);
        each_group(kept, |e| e.account, warn_of_several_products);
        kept.sort_unstable_by_key(|e| (e.subject, e.origin));
        each_group(kept, |e| (e.subject, e.origin), warn_of_twin_accounts);
        each_group(kept, |e| e.subject, hold_a_crowded_subject);

        kept.sort_unstable_by_key(|e| (e.account, e.subject));
        let most =
            kept.chunk_by(|a, b| (a.account, a.subject) == (b.account, b.subject)).map(<[Entry]>::len).max();
        let most_snapshots = most.unwrap_or(0) as u32;
        RowSetOutcome { most_snapshots, ..outcome(self.entries) }
    }
}

/// S001. The group is one holder's account on one day, in the order of record numbers.
fn collapse_duplicates(group: &mut [Entry]) {
    let Some((first, others)) = group.split_first_mut() else { return };
    if others.is_empty() {
        return;
    }
    if others.iter().all(|e| e.content == first.content) {
        first.marks |= mark::S001_KEPT;
        others.iter_mut().for_each(|e| e.marks |= mark::DUPLICATE);
    } else {
        group.iter_mut().for_each(|e| e.marks |= mark::S001);
    }
}

/// S003 and S004. The group is one account on one day, one row per holder.
fn agree_on_the_account(group: &mut [Entry]) {
    let primaries = group.iter().filter(|e| e.primary).count();
    let facts_differ = group.iter().any(|e| e.facts != group[0].facts);
    let mut marks = 0;
    if primaries != 1 {
        marks |= mark::S003;
    }
    if facts_differ {
        marks |= mark::S004;
    }
    group.iter_mut().for_each(|e| e.marks |= marks);
}

/// I015 within the batch. The group is one account over all its days.
fn keep_one_primary_subject(group: &mut [Entry]) {
    let mut subjects = group.iter().filter(|e| e.primary).map(|e| e.subject);
    let first = subjects.next();
    if subjects.any(|subject| Some(subject) != first) {
        group.iter_mut().for_each(|e| e.marks |= mark::I015);
    }
}

/// S005. The group is one account over all its days.
fn warn_of_several_products(group: &mut [Entry]) {
    if group.iter().any(|e| e.product != group[0].product) {
        group.iter_mut().for_each(|e| e.marks |= mark::S005);
    }
}

/// S002. The group is one subject's rows of one product, opening day and original amount.
fn warn_of_twin_accounts(group: &mut [Entry]) {
    let stated = group[0].origin != 0;
    if stated && group.iter().any(|e| e.account != group[0].account) {
        group.iter_mut().for_each(|e| e.marks |= mark::S002);
    }
}

/// I016. The group is one subject's rows; the first of them stands for all.
fn hold_a_crowded_subject(group: &mut [Entry]) {
    if group.len() > MOST_ROWS_OF_A_SUBJECT
        && let Some(first) = group.iter_mut().min_by_key(|e| e.record_no)
    {
        first.marks |= mark::I016;
    }
}

/// Calls `judge` for every run of neighbours with the same key; `entries` are sorted by it.
fn each_group<K: PartialEq>(entries: &mut [Entry], key: impl Fn(&Entry) -> K, judge: impl Fn(&mut [Entry])) {
    entries.chunk_by_mut(|a, b| key(a) == key(b)).for_each(judge);
}

/// Moves the rows that are still in to the front and returns them.
fn keep(entries: &mut [Entry]) -> &mut [Entry] {
    let out = REJECTING.iter().fold(mark::DUPLICATE, |marks, (mark, ..)| marks | mark);
    entries.sort_unstable_by_key(|e| e.marks & out != 0);
    let count = entries.partition_point(|e| e.marks & out == 0);
    &mut entries[..count]
}

/// Turns marks into findings, in the order of the record numbers.
fn outcome(mut entries: Vec<Entry>) -> RowSetOutcome {
    let mut outcome = RowSetOutcome::default();
    entries.retain(|e| e.marks != 0);
    entries.sort_unstable_by_key(|e| e.record_no);
    for entry in entries {
        let marked = |(mark, code, field): &(u16, Code, Field)| {
            (entry.marks & mark != 0).then(|| Finding::at(*code, *field))
        };
        let rejecting: Vec<Finding> = REJECTING.iter().filter_map(marked).collect();
        if !rejecting.is_empty() {
            outcome.rejected.push((entry.record_no, rejecting));
        } else if entry.marks & mark::DUPLICATE != 0 {
            outcome.duplicates.push(entry.record_no);
        } else {
            let staying = STAYING.iter().filter_map(marked).map(|finding| match finding.code {
                // Equal rows collapse: nothing is lost, so the rule only warns.
                Code::S001 => finding.as_warning(),
                _ => finding,
            });
            outcome.warnings.extend(staying.map(|finding| (entry.record_no, finding)));
        }
    }
    outcome
}

#[cfg(test)]
mod tests;
