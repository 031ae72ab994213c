//! The stages: what the rows of one group say about each other.
//!
//! A row that has no other to be grouped with is judged at once. A stage looks at the others twice: once to learn of every group what matters, once to judge each row by its group.
//! What it keeps of a group has a fixed size, however many rows the group has, and rows that an earlier stage took out
//! are skipped. Groups that are too many for the memory are looked at in several turns.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::domain::contract::Field;
use crate::domain::finding::Finding;
use crate::domain::marks::{Marked, Marks};

use super::partitions::{Capacity, InMemory, Kept, Rows};
use super::{AccountRow, Code, RowSetOutcome, SubjectRow};

/// More rows than this of one subject in one batch look like a dummy identifier (I016).
const MOST_ROWS_OF_A_SUBJECT: u64 = 50;

/// What the stages found so far, a set of records each.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    /// Everything that is rejected or repeats another row.
    gone: Marks,
    duplicates: Marks,
    i015: Marks,
    i016: Marks,
    s001: Marks,
    s001_kept: Marks,
    s002: Marks,
    s003: Marks,
    s004: Marks,
    s005: Marks,
    most_snapshots: u32,
}

impl Verdicts {
    pub fn into_outcome(mut self) -> RowSetOutcome {
        let rejecting = [
            (Finding::at(Code::I015, Field::AccountRef), self.i015),
            (Finding::at(Code::S001, Field::AccountRef), self.s001),
            (Finding::at(Code::S003, Field::HolderRole), self.s003),
            (Finding::at(Code::S004, Field::AccountRef), self.s004),
        ];
        // The first of equal rows may have been rejected by a later stage.
        self.s001_kept.remove_all(&self.gone);
        let staying = [
            (Finding::at(Code::I016, Field::IdNumber), self.i016),
            // Equal rows collapse: nothing is lost, so the rule only warns.
            (Finding::at(Code::S001, Field::AccountRef).as_warning(), self.s001_kept),
            (Finding::at(Code::S002, Field::AccountRef), self.s002),
            (Finding::at(Code::S005, Field::ProductType), self.s005),
        ];
        let marked = |findings: [(Finding, Marks); 4]| {
            findings
                .into_iter()
                .filter(|(_, records)| !records.is_empty())
                .map(|(finding, records)| Marked { finding, records })
                .collect()
        };
        RowSetOutcome {
            rejected: marked(rejecting),
            duplicates: self.duplicates,
            warnings: marked(staying),
            most_snapshots: self.most_snapshots,
        }
    }
}

/// What a stage keeps of a group of rows. It must not depend on the order in which the rows are added.
trait Group {
    type Row: Kept;
    type Key: Hash + Eq;

    /// The group of a row; `None` for a row that is of no concern.
    fn key(row: &Self::Row) -> Option<Self::Key>;

    /// The group of one row.
    fn of(row: &Self::Row) -> Self;

    fn add(&mut self, row: &Self::Row);

    /// Judges one row of the group, when the group is complete.
    fn judge(&self, row: &Self::Row, verdicts: &mut Verdicts);
}

/// The stages about accounts, over all rows of some accounts.
pub(super) fn judge_accounts<R: Rows<AccountRow>>(
    rows: &R,
    capacity: Capacity,
    verdicts: &mut Verdicts,
) -> Result<(), R::Error> {
    stage::<HolderDay, R>(rows, capacity, verdicts)?;
    stage::<AccountDay, R>(rows, capacity, verdicts)?;
    stage::<Account, R>(rows, capacity, verdicts)
}

/// The stages about subjects, over all rows of some subjects.
pub(super) fn judge_subjects<R: Rows<SubjectRow>>(
    rows: &R,
    capacity: Capacity,
    verdicts: &mut Verdicts,
) -> Result<(), R::Error> {
    stage::<Origin, R>(rows, capacity, verdicts)?;
    stage::<Subject, R>(rows, capacity, verdicts)
}

/// The same over rows in memory, where those that have no other of their account, most of a usual file, are judged by
/// themselves.
pub(super) fn judge_loaded_accounts<E>(
    mut rows: Vec<AccountRow>,
    capacity: Capacity,
    verdicts: &mut Verdicts,
) -> Result<(), E> {
    take_lone(&mut rows, |row| {
        lone::<HolderDay>(row, verdicts);
        lone::<AccountDay>(row, verdicts);
        lone::<Account>(row, verdicts);
    });
    judge_accounts(&InMemory::new(rows), capacity, verdicts)
}

/// The same for subjects.
pub(super) fn judge_loaded_subjects<E>(
    mut rows: Vec<SubjectRow>,
    capacity: Capacity,
    verdicts: &mut Verdicts,
) -> Result<(), E> {
    take_lone(&mut rows, |row| {
        lone::<Origin>(row, verdicts);
        lone::<Subject>(row, verdicts);
    });
    judge_subjects(&InMemory::new(rows), capacity, verdicts)
}

fn lone<G: Group>(row: &G::Row, verdicts: &mut Verdicts) {
    if !verdicts.gone.contains(row.record_no()) && G::key(row).is_some() {
        G::of(row).judge(row, verdicts);
    }
}

/// Shows the rows whose hash no other row has a hash like, and takes them out. Hashes are alike when they share one of
/// eight places per row, so some rows remain that have no other.
fn take_lone<R: Kept>(rows: &mut Vec<R>, mut visit: impl FnMut(&R)) {
    const PLACES_PER_ROW: usize = 8;
    let places = (rows.len() * PLACES_PER_ROW).next_power_of_two();
    // The low bits: a partition has been chosen by the high ones.
    let place = |row: &R| row.spread() & (places as u64 - 1);
    let (mut taken, mut shared) = (Marks::with_room_for(places), Marks::with_room_for(places));
    for row in rows.iter() {
        let place = place(row);
        if taken.contains(place) {
            shared.set(place);
        } else {
            taken.set(place);
        }
    }
    rows.retain(|row| {
        let remains = shared.contains(place(row));
        if !remains {
            visit(row);
        }
        remains
    });
}

fn stage<G: Group, R: Rows<G::Row>>(
    rows: &R,
    capacity: Capacity,
    verdicts: &mut Verdicts,
) -> Result<(), R::Error> {
    let turns = rows.count().div_ceil(capacity.groups) as u64;
    for turn in 0..turns {
        let key_in_turn =
            |row: &G::Row| G::key(row).filter(|key| turns == 1 || (hash_of(key) >> 32) % turns == turn);
        let expected = rows.count().min(capacity.groups);
        let mut groups: Groups<G> =
            HashMap::with_capacity_and_hasher(expected, BuildHasherDefault::default());
        rows.each(|row| {
            if !verdicts.gone.contains(row.record_no())
                && let Some(key) = key_in_turn(row)
            {
                groups.entry(key).and_modify(|group| group.add(row)).or_insert_with(|| G::of(row));
            }
        })?;
        rows.each(|row| {
            if !verdicts.gone.contains(row.record_no())
                && let Some(group) = key_in_turn(row).and_then(|key| groups.get(&key))
            {
                group.judge(row, verdicts);
            }
        })?;
    }
    Ok(())
}

type Groups<G> = HashMap<<G as Group>::Key, G, BuildHasherDefault<Spread>>;

fn hash_of(key: &impl Hash) -> u64 {
    let mut hasher = Spread::default();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Hashes keys whose parts are keyed hashes already: they only have to be brought together.
#[derive(Default)]
struct Spread(u64);

/// An odd number without a pattern, so that a multiplication moves every bit upwards: the golden ratio in 64 bits.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        // Arrays of words arrive as their bytes.
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.write_u64(u64::from_ne_bytes(*word)));
        rest.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(29) ^ word).wrapping_mul(GOLDEN);
    }

    fn write_i32(&mut self, word: i32) {
        self.write_u64(u64::from(word as u32));
    }

    fn finish(&self) -> u64 {
        // The upper half is the better mixed one, and a table looks at both ends.
        self.0 ^ self.0 >> 32
    }
}

/// S001: one holder's account on one day.
struct HolderDay {
    first: u64,
    content: u64,
    several: bool,
    differ: bool,
}

impl Group for HolderDay {
    type Row = AccountRow;
    type Key = ([u64; 2], [u64; 2], i32);

    fn key(row: &AccountRow) -> Option<Self::Key> {
        Some((row.account, row.subject, row.as_of))
    }

    fn of(row: &AccountRow) -> HolderDay {
        HolderDay { first: row.record_no, content: row.content, several: false, differ: false }
    }

    fn add(&mut self, row: &AccountRow) {
        self.first = self.first.min(row.record_no);
        self.several = true;
        self.differ |= row.content != self.content;
    }

    fn judge(&self, row: &AccountRow, verdicts: &mut Verdicts) {
        if self.differ {
            verdicts.s001.set(row.record_no);
            verdicts.gone.set(row.record_no);
        } else if self.several && row.record_no == self.first {
            verdicts.s001_kept.set(row.record_no);
        } else if self.several {
            verdicts.duplicates.set(row.record_no);
            verdicts.gone.set(row.record_no);
        }
    }
}

/// S003 and S004: one account on one day, one row per holder.
struct AccountDay {
    primaries: u64,
    facts: u64,
    differ: bool,
}

impl Group for AccountDay {
    type Row = AccountRow;
    type Key = ([u64; 2], i32);

    fn key(row: &AccountRow) -> Option<Self::Key> {
        Some((row.account, row.as_of))
    }

    fn of(row: &AccountRow) -> AccountDay {
        AccountDay { primaries: u64::from(row.primary), facts: row.facts, differ: false }
    }

    fn add(&mut self, row: &AccountRow) {
        self.primaries += u64::from(row.primary);
        self.differ |= row.facts != self.facts;
    }

    fn judge(&self, row: &AccountRow, verdicts: &mut Verdicts) {
        if self.primaries != 1 {
            verdicts.s003.set(row.record_no);
            verdicts.gone.set(row.record_no);
        }
        if self.differ {
            verdicts.s004.set(row.record_no);
            verdicts.gone.set(row.record_no);
        }
    }
}

/// I015 within the batch, and S005: one account over all its days, each of which has one primary holder.
struct Account {
    primary: Option<[u64; 2]>,
    primaries_differ: bool,
    days: u32,
    product: u8,
    products_differ: bool,
}

impl Group for Account {
    type Row = AccountRow;
    type Key = [u64; 2];

    fn key(row: &AccountRow) -> Option<Self::Key> {
        Some(row.account)
    }

    fn of(row: &AccountRow) -> Account {
        Account {
            primary: row.primary.then_some(row.subject),
            primaries_differ: false,
            days: u32::from(row.primary),
            product: row.product,
            products_differ: false,
        }
    }

    fn add(&mut self, row: &AccountRow) {
        self.products_differ |= row.product != self.product;
        if row.primary {
            self.days += 1;
            self.primaries_differ |= *self.primary.get_or_insert(row.subject) != row.subject;
        }
    }

    fn judge(&self, row: &AccountRow, verdicts: &mut Verdicts) {
        if self.primaries_differ {
            verdicts.i015.set(row.record_no);
            verdicts.gone.set(row.record_no);
            return;
        }
        // The primary holder has a row for every day; nobody has more.
        verdicts.most_snapshots = verdicts.most_snapshots.max(self.days);
        if self.products_differ {
            verdicts.s005.set(row.record_no);
        }
    }
}

/// S002: one subject's rows of one product, opening day and original amount.
struct Origin {
    account: u64,
    differ: bool,
}

impl Group for Origin {
    type Row = SubjectRow;
    type Key = ([u64; 2], u64);

    fn key(row: &SubjectRow) -> Option<Self::Key> {
        (row.origin != 0).then_some((row.subject, row.origin))
    }

    fn of(row: &SubjectRow) -> Origin {
        Origin { account: row.account, differ: false }
    }

    fn add(&mut self, row: &SubjectRow) {
        self.differ |= row.account != self.account;
    }

    fn judge(&self, row: &SubjectRow, verdicts: &mut Verdicts) {
        if self.differ {
            verdicts.s002.set(row.record_no);
        }
    }
}

/// I016: one subject's rows; the first of them stands for all.
struct Subject {
    rows: u64,
    first: u64,
}

impl Group for Subject {
    type Row = SubjectRow;
    type Key = [u64; 2];

    fn key(row: &SubjectRow) -> Option<Self::Key> {
        Some(row.subject)
    }

    fn of(row: &SubjectRow) -> Subject {
        Subject { rows: 1, first: row.record_no }
    }

    fn add(&mut self, row: &SubjectRow) {
        self.rows += 1;
        self.first = self.first.min(row.record_no);
    }

    fn judge(&self, row: &SubjectRow, verdicts: &mut Verdicts) {
        if self.rows > MOST_ROWS_OF_A_SUBJECT && row.record_no == self.first {
            verdicts.i016.set(row.record_no);
        }
    }
}
