//! Measures of portfolios, and what of them may be told to anybody.
//!
//! A cell is told when it speaks of at least ten people whoever takes its own part away: a contributor knows what it sent. Cells
//! do not overlap and no totals are told, so that no cell is what others leave of a sum. Where shares add up to one, as in
//! the rows of roll rates, so much is withheld together that it could be told as one cell.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Months, NaiveDate};

/// Fewer people than this are told of nowhere.
pub const MIN_PEOPLE: i64 = 10;
/// Months of one answer.
pub const MAX_MONTHS: u32 = 24;
/// Months of an answer when the caller names none.
const USUAL_MONTHS: u32 = 12;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The share of open accounts that are late, by month and product.
    DelinquencyRate,
    /// What open accounts owe, by month and product.
    Exposure,
    /// Where accounts went from one month to the next, by month, product and bucket.
    RollRates,
    /// The share of accounts ever late, by month of opening, months on book and product.
    VintageCurves,
}

impl Measure {
    pub const ALL: [Measure; 4] =
        [Measure::DelinquencyRate, Measure::Exposure, Measure::RollRates, Measure::VintageCurves];

    pub fn as_str(self) -> &'static str {
        match self {
            Measure::DelinquencyRate => "delinquency_rate",
            Measure::Exposure => "exposure",
            Measure::RollRates => "roll_rates",
            Measure::VintageCurves => "vintage_curves",
        }
    }

    pub fn parse(word: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.as_str() == word)
    }

    /// The columns of gold that are added up for it.
    pub fn summed(self) -> &'static [&'static str] {
        match self {
            Measure::DelinquencyRate => &[
                "accounts",
                "dpd_30_59_accounts",
                "dpd_60_89_accounts",
                "dpd_90_plus_accounts",
                "written_off_accounts",
            ],
            Measure::Exposure => &["accounts", "outstanding_sen", "overdue_sen"],
            Measure::RollRates => &["accounts", "outstanding_sen"],
            Measure::VintageCurves => &["accounts", "ever_30_plus_accounts", "ever_90_plus_accounts"],
        }
    }

    /// What is told of a cell. `of` are the accounts that its share is taken of. Shares are basis points, rounded down.
    fn values(self, sums: &[i64], of: i64) -> Values {
        let sum = |names: &[&str]| -> i64 {
            let named = self.summed().iter().zip(sums).filter(|(name, _)| names.contains(name));
            named.map(|(_, sum)| sum).sum()
        };
        let accounts = sum(&["accounts"]);
        let bps = |part: i64, whole: i64| (i128::from(part) * 10_000 / i128::from(whole.max(1))) as i64;
        let late_90 = ["dpd_90_plus_accounts", "written_off_accounts"];
        let late_30 = [&["dpd_30_59_accounts", "dpd_60_89_accounts"][..], &late_90].concat();
        let values = match self {
            Measure::DelinquencyRate => vec![
                ("rate_30_plus_bps", bps(sum(&late_30), accounts)),
                ("rate_90_plus_bps", bps(sum(&late_90), accounts)),
            ],
            Measure::Exposure => {
                vec![("outstanding_sen", sum(&["outstanding_sen"])), ("overdue_sen", sum(&["overdue_sen"]))]
            }
            Measure::RollRates => {
                vec![("outstanding_sen", sum(&["outstanding_sen"])), ("rate_bps", bps(accounts, of))]
            }
            Measure::VintageCurves => vec![
                ("ever_30_plus_bps", bps(sum(&["ever_30_plus_accounts"]), accounts)),
                ("ever_90_plus_bps", bps(sum(&["ever_90_plus_accounts"]), accounts)),
            ],
        };
        values.into_iter().chain([("accounts", accounts)]).collect()
    }
}

/// What a cell is about. Months go by their first day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The month; of vintages the one in which accounts were opened, of roll rates the one that they went to.
    pub month: NaiveDate,
    pub product_type: String,
    /// Of vintages.
    pub months_on_book: Option<i64>,
    /// Of roll rates: the bucket the month before.
    pub from_bucket: Option<String>,
    /// Of roll rates: the bucket in the month.
    pub to_bucket: Option<String>,
}

/// What one contributor has of a cell.
#[derive(Clone, Debug)]
pub struct Part {
    pub key: Key,
    pub contributor_id: String,
    /// Distinct people behind it.
    pub people: i64,
    /// In the order of [`Measure::summed`].
    pub sums: Vec<i64>,
}

/// Whole numbers by name: `*_sen` are sen, `*_bps` basis points, the rest counts.
pub type Values = BTreeMap<&'static str, i64>;

/// A cell as it is told; without values where it is withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub key: Key,
    pub values: Option<Values>,
}

/// People by contributor. One person may be with several of them: whoever adds them up counts too many.
type People<'a> = BTreeMap<&'a str, i64>;

/// The parts of a cell together.
#[derive(Default)]
struct Gathered<'a> {
    people: People<'a>,
    sums: Vec<i64>,
}

/// The cells of a measure, in the order of their keys.
pub fn cells(measure: Measure, parts: &[Part]) -> Vec<Cell> {
    // What adds up to one: the cells that differ in the bucket that accounts went to.
    let mut groups: BTreeMap<Key, BTreeMap<&Key, Gathered<'_>>> = BTreeMap::new();
    for part in parts {
        let group = groups.entry(Key { to_bucket: None, ..part.key.clone() }).or_default();
        let cell = group.entry(&part.key).or_default();
        *cell.people.entry(&part.contributor_id).or_default() += part.people;
        cell.sums.resize(part.sums.len(), 0);
        for (sum, more) in cell.sums.iter_mut().zip(&part.sums) {
            *sum += more;
        }
    }
    let mut cells = Vec::new();
    for group in groups.into_values() {
        let (keys, gathered): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let accounts = gathered.iter().filter_map(|cell| cell.sums.first()).sum();
        for ((key, cell), is_withheld) in keys.into_iter().zip(&gathered).zip(withheld(&gathered)) {
            let values = (!is_withheld).then(|| measure.values(&cell.sums, accounts));
            cells.push(Cell { key: key.clone(), values });
        }
    }
    cells
}

/// Whether a cell may be told: if any one contributor takes its part away, nobody is left or ten people certainly are.
fn may_be_told(people: &People<'_>) -> bool {
    let mut parts: Vec<i64> = people.values().copied().filter(|people| *people > 0).collect();
    parts.sort_unstable_by(|one, other| other.cmp(one));
    match parts.as_slice() {
        [] => false,
        [only] => *only >= MIN_PEOPLE,
        // Whoever leaves, one of the two largest parts stays.
        [_, second, ..] => *second >= MIN_PEOPLE,
    }
}

/// Which cells of a group are withheld: those that may not be told, and then the smallest ones, until what is withheld could
/// be told as one cell, since that is what the others leave of the sum; or all of them.
fn withheld(group: &[Gathered<'_>]) -> Vec<bool> {
    let mut withheld: Vec<bool> = group.iter().map(|cell| !may_be_told(&cell.people)).collect();
    let mut told: Vec<usize> = (0..group.len()).filter(|n| !withheld[*n]).collect();
    told.sort_by_key(|n| group[*n].people.values().sum::<i64>());
    let mut next = told.into_iter();
    while withheld.contains(&true) && !may_be_told(&together(group, &withheld)) {
        match next.next() {
            Some(n) => withheld[n] = true,
            None => break,
        }
    }
    withheld
}

/// The people that are certainly in cells together: one with two accounts may be in two cells.
fn together<'a>(group: &[Gathered<'a>], chosen: &[bool]) -> People<'a> {
    let mut people = People::new();
    for (cell, _) in group.iter().zip(chosen).filter(|(_, chosen)| **chosen) {
        for (contributor, count) in &cell.people {
            let most: &mut i64 = people.entry(contributor).or_default();
            *most = (*most).max(*count);
        }
    }
    people
}

/// The months of an answer, by their first days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl Span {
    /// From any days of the first and the last month. Without a last one, the month of `as_of`; without a first one, a year.
    /// `None` when the first is after the last, or they are more than [`MAX_MONTHS`].
    pub fn new(from: Option<NaiveDate>, to: Option<NaiveDate>, as_of: NaiveDate) -> Option<Span> {
        let first = |day: NaiveDate| day.with_day(1);
        let to = first(to.unwrap_or(as_of))?;
        let from = match from {
            Some(from) => first(from)?,
            None => to.checked_sub_months(Months::new(USUAL_MONTHS - 1))?,
        };
        let longest = from.checked_add_months(Months::new(MAX_MONTHS - 1))?;
        (from <= to && to <= longest).then_some(Span { from, to })
    }

    pub fn contains(self, month: NaiveDate) -> bool {
        (self.from..=self.to).contains(&month)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn part(contributor: &str, to_bucket: Option<&str>, people: i64, sums: &[i64]) -> Part {
        let key = Key {
            month: day("2026-10-01"),
            product_type: "RENTAL".into(),
            months_on_book: None,
            from_bucket: to_bucket.map(|_| "CURRENT".into()),
            to_bucket: to_bucket.map(str::to_owned),
        };
        Part { key, contributor_id: contributor.into(), people, sums: sums.to_vec() }
    }

    fn is_told(parts: &[(&str, i64)]) -> bool {
        let parts: Vec<Part> =
            parts.iter().map(|(who, people)| part(who, None, *people, &[*people, 0, 0])).collect();
        cells(Measure::Exposure, &parts)[0].values.is_some()
    }

    #[test]
    fn nine_people_are_withheld_and_ten_are_told() {
        assert!(!is_told(&[("a", 9)]));
        assert!(is_told(&[("a", 10)]));
        assert!(is_told(&[("a", 10), ("b", 10), ("c", 1)]));
        assert!(!is_told(&[("a", 9), ("b", 9)]), "they may be the same nine");
        assert!(!is_told(&[("a", 5000), ("b", 3)]), "the first one would see the three");
    }

    #[test]
    fn shares_are_basis_points_rounded_down_and_money_stays_sen() {
        let rate = cells(Measure::DelinquencyRate, &[part("a", None, 30, &[30, 1, 2, 3, 4])]);
        assert_eq!(
            rate[0].values,
            Some(Values::from([("accounts", 30), ("rate_30_plus_bps", 3333), ("rate_90_plus_bps", 2333)]))
        );
        let parts = [part("a", None, 10, &[12, 700, 30]), part("b", None, 11, &[11, 300, 0])];
        let exposure = cells(Measure::Exposure, &parts);
        assert_eq!(
            exposure[0].values,
            Some(Values::from([("accounts", 23), ("outstanding_sen", 1000), ("overdue_sen", 30)]))
        );
    }

    #[test]
    fn a_small_cell_of_a_row_takes_the_smallest_of_the_others_along() {
        let parts = [
            part("a", Some("CURRENT"), 60, &[60, 600]),
            part("a", Some("DPD_1_29"), 30, &[30, 300]),
            part("a", Some("DPD_30_59"), 10, &[10, 100]),
        ];
        let rates = |parts: &[Part]| -> Vec<Option<i64>> {
            let told = cells(Measure::RollRates, parts);
            told.iter().map(|cell| cell.values.as_ref().map(|values| values["rate_bps"])).collect()
        };
        assert_eq!(rates(&parts), [Some(6000), Some(3000), Some(1000)]);
        let small = [&parts[..2], &[part("a", Some("DPD_30_59"), 9, &[10, 100])]].concat();
        assert_eq!(
            rates(&small),
            [Some(6000), None, None],
            "else it were a hundred per cent less the others"
        );
    }

    proptest! {
        /// What a group leaves to be computed is told or is a cell that might be, for every contributor.
        #[test]
        fn what_is_withheld_could_be_told_as_one(counts in prop::collection::vec((0usize..3, 0usize..5, 0i64..25), 1..15)) {
            let (who, buckets) = (["a", "b", "c"], ["CURRENT", "DPD_1_29", "DPD_30_59", "DPD_60_89", "ENDED"]);
            let mut parts: BTreeMap<(usize, usize), Part> = BTreeMap::new();
            for (c, b, people) in counts {
                parts.insert((c, b), part(who[c], Some(buckets[b]), people, &[people, 0]));
            }
            let parts: Vec<Part> = parts.into_values().collect();
            let told = cells(Measure::RollRates, &parts);
            let hidden: Vec<&Key> = told.iter().filter(|cell| cell.values.is_none()).map(|cell| &cell.key).collect();
            prop_assert!(hidden.len() != 1 || told.len() == 1);
            if !hidden.is_empty() && hidden.len() < told.len() {
                for away in [None, Some("a"), Some("b"), Some("c")] {
                    let left = parts.iter().filter(|part| hidden.contains(&&part.key) && Some(part.contributor_id.as_str()) != away);
                    // One contributor's people in one cell are distinct; more than that is not certain.
                    let certain = left.map(|part| part.people).max().unwrap_or(0);
                    prop_assert!(certain == 0 || certain >= MIN_PEOPLE, "without {away:?}: {certain}");
                }
            }
        }
    }

    #[test]
    fn a_span_is_whole_months_and_two_years_at_most() {
        let as_of = day("2026-10-31");
        let year = Span { from: day("2025-11-01"), to: day("2026-10-01") };
        assert_eq!(Span::new(None, None, as_of), Some(year));
        let two_years = Span::new(Some(day("2024-11-15")), None, as_of).unwrap();
        assert!(two_years.contains(day("2024-11-01")) && !two_years.contains(day("2024-10-01")));
        for (from, to) in [("2024-10-31", "2026-10-31"), ("2026-10-01", "2026-09-30")] {
            assert_eq!(Span::new(Some(day(from)), Some(day(to)), as_of), None);
        }
    }

    #[test]
    fn every_measure_reads_back_its_word() {
        for measure in Measure::ALL {
            assert_eq!(Measure::parse(measure.as_str()), Some(measure));
            assert_eq!(serde_json::to_value(measure).unwrap(), measure.as_str());
        }
    }
}
