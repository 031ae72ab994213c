//! File rules that compare a batch with what the contributor published before: the last whole book (F014, F020 to F023,
//! F026, P009) and the last DELTA (F013).
//!
//! A whole book is a FULL or REPLACE batch of the dataset. It is compared with the newest published one of an earlier
//! period, so that a book which comes late, or takes the place of another, is seen beside its own neighbour. Shares
//! are compared exactly, as products of integers; the threshold itself is still allowed.

use chrono::NaiveDate;

use crate::domain::contract::Mode;
use crate::domain::dates::month_number;
use crate::domain::finding::Finding;
use crate::domain::rules::Code;

use super::Declared;

/// F020: the number of records moves by more than so many per cent.
const COUNT_MOVE_PERCENT: u64 = 20;
/// F021: the sum of outstanding moves by more than so many per cent.
const OUTSTANDING_MOVE_PERCENT: u128 = 30;
/// F022: more than so many per cent of the active accounts are missing.
const MISSING_PERCENT: u64 = 1;
/// F023: the share of accounts past due by a month moves by more than so many percentage points.
const ARREARS_MOVE_POINTS: i128 = 10;

/// Days past due from which a record counts as in arrears for F023.
pub const ARREARS_DPD: u16 = 30;

/// What a whole book adds up to, over its accepted records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BookFacts {
    pub records: u64,
    /// In sen. Negative balances that were let in count as they are.
    pub sum_outstanding: i128,
    /// Records of [`ARREARS_DPD`] days past due or more.
    pub in_arrears: u64,
    /// Records whose status is ACTIVE.
    pub active: u64,
}

/// A whole book that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedBook {
    pub period_end: NaiveDate,
    /// `None` for a book that was published before its facts were kept.
    pub facts: Option<BookFacts>,
}

/// What the contributor published before, as the batch's rules need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Precedents {
    /// The newest whole book of an earlier period.
    pub last_book: Option<PublishedBook>,
    /// There is a published whole book of the batch's own period, which the batch does not say it replaces.
    pub period_is_committed: bool,
    /// The highest sequence_no of an accepted DELTA of the dataset.
    pub last_sequence_no: Option<u64>,
}

/// Accounts that stand in the serving store as active and are not in a whole book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absences {
    /// Active accounts before the batch.
    pub active: u64,
    /// Those of them that the batch does not name.
    pub missing: u64,
}

/// The rules that look back at earlier batches, in the order of their codes. `book` and `absences` are looked at
/// for whole books only.
pub fn check_precedents(
    declared: &Declared,
    precedents: &Precedents,
    book: &BookFacts,
    absences: &Absences,
) -> Vec<Finding> {
    let before = precedents.last_book.filter(|_| is_whole_book(declared.mode));
    let facts = before.and_then(|before| before.facts);
    [
        f013(declared, precedents.last_sequence_no),
        f014(declared, precedents),
        facts.and_then(|before| f020(&before, book)),
        facts.and_then(|before| f021(&before, book)),
        f022(declared.mode, absences),
        facts.and_then(|before| f023(&before, book)),
        before.and_then(|before| f026(declared, &before)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether a batch states the whole book, so that what it leaves out means something.
pub fn is_whole_book(mode: Mode) -> bool {
    matches!(mode, Mode::Full | Mode::Replace)
}

/// F013: DELTAs that count themselves follow one another without a gap. The first one may begin anywhere; a number that
/// was accepted before is no gap (the bytes, or the key, tell a repetition), and a DELTA without a number is not counted.
pub fn f013(declared: &Declared, last: Option<u64>) -> Option<Finding> {
    let (number, last) = (declared.sequence_no?, last?);
    (declared.mode == Mode::Delta && number > last.saturating_add(1)).then(|| {
        let expected = last.saturating_add(1);
        Finding::whole(Code::F013).with_detail(format!("expected {expected}, found {number}"))
    })
}

/// F014: a period that has a published whole book takes another one only as a REPLACE.
pub fn f014(declared: &Declared, precedents: &Precedents) -> Option<Finding> {
    (declared.mode == Mode::Full && precedents.period_is_committed).then(|| Finding::whole(Code::F014))
}

/// F020: as many records as in the last whole book, within 20 %. Nothing is no measure: a book after a nil return may
/// have any size.
pub fn f020(before: &BookFacts, now: &BookFacts) -> Option<Finding> {
    let moved = u128::from(before.records.abs_diff(now.records)) * 100;
    (before.records > 0 && moved > u128::from(before.records) * u128::from(COUNT_MOVE_PERCENT)).then(|| {
        let detail = format!("{} records, {} before", now.records, before.records);
        Finding::whole(Code::F020).with_detail(detail)
    })
}

/// F021: as much outstanding as in the last whole book, within 30 %.
pub fn f021(before: &BookFacts, now: &BookFacts) -> Option<Finding> {
    let base = before.sum_outstanding.unsigned_abs();
    let moved = before.sum_outstanding.abs_diff(now.sum_outstanding);
    (base > 0 && moved * 100 > base * OUTSTANDING_MOVE_PERCENT).then(|| {
        let detail = format!("{} sen, {} before", now.sum_outstanding, before.sum_outstanding);
        Finding::whole(Code::F021).with_detail(detail)
    })
}

/// F022: a whole book names every active account but one per cent.
pub fn f022(mode: Mode, absences: &Absences) -> Option<Finding> {
    let missing = u128::from(absences.missing) * 100;
    (is_whole_book(mode) && missing > u128::from(absences.active) * u128::from(MISSING_PERCENT)).then(|| {
        let detail = format!("{} of {} active accounts", absences.missing, absences.active);
        Finding::whole(Code::F022).with_detail(detail)
    })
}

/// F023: the share of records 30 or more days past due stays within ten percentage points of the last whole book's.
pub fn f023(before: &BookFacts, now: &BookFacts) -> Option<Finding> {
    if before.records == 0 || now.records == 0 {
        return None;
    }
    let wide = |count: u64| i128::from(count);
    let (base, size) = (wide(before.records), wide(now.records));
    // The difference of the shares, in hundredths, times both sizes.
    let moved = (wide(now.in_arrears) * base - wide(before.in_arrears) * size).abs() * 100;
    (moved > ARREARS_MOVE_POINTS * base * size).then(|| {
        let detail = format!(
            "{} of {} records, {} of {} before",
            now.in_arrears, now.records, before.in_arrears, before.records
        );
        Finding::whole(Code::F023).with_detail(detail)
    })
}

/// F026: whole books follow one another month by month.
pub fn f026(declared: &Declared, before: &PublishedBook) -> Option<Finding> {
    let periods = month_number(declared.period_end?) - month_number(before.period_end);
    (periods > 1).then(|| {
        Finding::whole(Code::F026).with_detail(format!("the last one ended on {}", before.period_end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::Dataset;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn declared(mode: Mode) -> Declared {
        Declared::new(Dataset::AccountSnapshot, mode, Some(day("2026-10-31")))
    }

    /// A thousand records, RM10,000 outstanding, one in ten in arrears.
    fn book() -> BookFacts {
        BookFacts { records: 1_000, sum_outstanding: 1_000_000, in_arrears: 100, active: 900 }
    }

    fn precedents() -> Precedents {
        let last_book = PublishedBook { period_end: day("2026-09-30"), facts: Some(book()) };
        Precedents { last_book: Some(last_book), ..Precedents::default() }
    }

    fn codes(mode: Mode, precedents: &Precedents, book: &BookFacts, absences: &Absences) -> Vec<Code> {
        let findings = check_precedents(&declared(mode), precedents, book, absences);
        findings.iter().map(|finding| finding.code).collect()
    }

    fn after(book: BookFacts) -> Vec<Code> {
        codes(Mode::Full, &precedents(), &book, &Absences::default())
    }

    #[test]
    fn a_book_like_the_last_one_breaks_nothing() {
        assert_eq!(after(book()), []);
        let none = Precedents::default();
        let small = BookFacts { records: 1, ..BookFacts::default() };
        assert_eq!(codes(Mode::Full, &none, &small, &Absences::default()), [], "a first book has no measure");
    }

    #[test]
    fn each_measure_moves_as_far_as_its_threshold_and_no_further() {
        let resized = |records| BookFacts { records, in_arrears: records / 10, ..book() };
        assert_eq!((after(resized(1_200)), after(resized(800))), (vec![], vec![]));
        assert_eq!((after(resized(1_210)), after(resized(790))), (vec![Code::F020], vec![Code::F020]));
        let owing = |sum_outstanding| BookFacts { sum_outstanding, ..book() };
        assert_eq!((after(owing(1_300_000)), after(owing(700_000))), (vec![], vec![]));
        assert_eq!((after(owing(1_300_001)), after(owing(699_999))), (vec![Code::F021], vec![Code::F021]));
        let late = |in_arrears| BookFacts { in_arrears, ..book() };
        assert_eq!((after(late(200)), after(late(0))), (vec![], vec![]));
        assert_eq!(after(late(201)), [Code::F023]);
    }

    #[test]
    fn a_nil_return_is_far_from_a_full_book_and_the_next_book_is_measured_by_nothing() {
        assert_eq!(after(BookFacts::default()), [Code::F020, Code::F021]);
        let nil = PublishedBook { facts: Some(BookFacts::default()), ..precedents().last_book.unwrap() };
        let precedents = Precedents { last_book: Some(nil), ..Precedents::default() };
        assert_eq!(codes(Mode::Full, &precedents, &book(), &Absences::default()), []);
    }

    #[test]
    fn one_active_account_in_a_hundred_may_be_missing() {
        let absences = |missing| Absences { active: 100, missing };
        assert_eq!(codes(Mode::Full, &precedents(), &book(), &absences(1)), []);
        assert_eq!(codes(Mode::Full, &precedents(), &book(), &absences(2)), [Code::F022]);
        assert_eq!(
            codes(Mode::Delta, &precedents(), &book(), &absences(2)),
            [],
            "a DELTA leaves out what it likes"
        );
    }

    #[test]
    fn a_delta_is_not_measured_as_a_book() {
        let tiny = BookFacts { records: 1, ..BookFacts::default() };
        assert_eq!(codes(Mode::Delta, &precedents(), &tiny, &Absences::default()), []);
    }

    #[test]
    fn a_whole_book_follows_the_month_before_and_comes_once() {
        let after_gap = PublishedBook { period_end: day("2026-08-31"), facts: None };
        let gap = Precedents { last_book: Some(after_gap), ..Precedents::default() };
        assert_eq!(codes(Mode::Full, &gap, &book(), &Absences::default()), [Code::F026]);
        let twice = Precedents { period_is_committed: true, ..precedents() };
        assert_eq!(codes(Mode::Full, &twice, &book(), &Absences::default()), [Code::F014]);
        assert_eq!(codes(Mode::Replace, &twice, &book(), &Absences::default()), []);
        assert_eq!(codes(Mode::Delta, &twice, &book(), &Absences::default()), []);
    }

    #[test]
    fn numbered_deltas_leave_no_gap() {
        let numbered = |number| Declared { sequence_no: Some(number), ..declared(Mode::Delta) };
        assert_eq!(f013(&numbered(7), None), None, "the first may begin anywhere");
        assert_eq!((f013(&numbered(8), Some(7)), f013(&numbered(7), Some(7))), (None, None));
        let gap = f013(&numbered(9), Some(7)).unwrap();
        assert_eq!(gap.detail.as_deref(), Some("expected 8, found 9"));
        assert_eq!(f013(&declared(Mode::Delta), Some(7)), None);
        assert_eq!(f013(&Declared { sequence_no: Some(9), ..declared(Mode::Full) }, Some(7)), None);
    }
}
