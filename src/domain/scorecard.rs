//! The scorecard (`domain.md` 6.4): how well a contributor reports a period, in five dimensions of counted facts.
//!
//! Every share is in basis points, rounded down: part × 10,000 ÷ whole. A dimension about which nothing can be said is
//! null with a reason, and its weight is shared out over the others: the score is Σ weight × dimension ÷ Σ weight of
//! those that have one. Whoever has the counts comes to the same numbers.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::calendar::WorkingDays;

/// The whole in basis points.
pub const WHOLE: u64 = 10_000;
/// Fewer would let a contributor guess whose score it is compared with.
pub const MIN_PEERS: usize = 5;
/// Periods of the trend, the asked one included.
pub const TREND_PERIODS: u32 = 6;

/// Working days from the day on which a record was found to be about somebody else to the last day on which the
/// contributor's answer is in time (`domain.md` 6.5).
pub const ANSWER_WORKING_DAYS: u32 = 5;

/// Whether what was asked of a contributor on a day was answered in time; `None` while there is still time.
pub fn answered_in_time(
    asked_on: NaiveDate,
    answered_on: Option<NaiveDate>,
    days: &WorkingDays,
    today: NaiveDate,
) -> Option<bool> {
    let last_day = days.calendar.add_working_days(asked_on, ANSWER_WORKING_DAYS, days.state);
    match answered_on {
        Some(day) => Some(day <= last_day),
        None => (today > last_day).then_some(false),
    }
}

/// What was counted about a contributor and a period (a calendar month).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeriodFacts {
    /// Obligations that are met or late; neither waived nor undecided ones.
    pub obligations_due: u64,
    pub obligations_on_time: u64,
    /// Accepted records of published whole books.
    pub accounts_reported: u64,
    /// Active accounts that were absent from them (P009).
    pub accounts_missing: u64,
    /// Conditional fields that the records of published batches should carry, and fields that constants filled in.
    pub fields_expected: u64,
    /// Of these, the ones that were not sent.
    pub fields_missing: u64,
    /// Records of judged batches, whatever their verdict.
    pub records_received: u64,
    pub records_rejected: u64,
    /// Accepted records of published batches.
    pub records_accepted: u64,
    /// Warnings of cross-period rules (P, but for P009) in published batches.
    pub history_warnings: u64,
    /// Listings of settled debts that had to be taken back, and records about somebody else that had to be corrected,
    /// replaced or recalled.
    pub corrections_due: u64,
    pub corrections_in_time: u64,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Dimension {
    /// Obligations that were met in time.
    Timeliness,
    /// Expected accounts that were reported, and expected fields that were sent: the mean of the two.
    Completeness,
    /// Records that were not rejected.
    Validity,
    /// Accepted records without a cross-period warning.
    Consistency,
    /// Listings of settled debts that were taken back in time, and records about somebody else that were corrected in time.
    CorrectionResponsiveness,
}

/// Why a dimension, or the comparison with peers, has no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ScoreNullReason {
    /// No obligation of the period has come to its due date.
    NoObligationDue,
    /// No batch of the period was judged.
    NoBatchJudged,
    /// No record of the period was published.
    NothingPublished,
    /// Nothing had to be taken back or corrected.
    NoCorrectionDue,
    /// No dimension has a number.
    NoDimension,
    /// Fewer than five other contributors have a score for the period.
    FewerThanFivePeers,
}

impl Dimension {
    pub const ALL: [Dimension; 5] = [
        Dimension::Timeliness,
        Dimension::Completeness,
        Dimension::Validity,
        Dimension::Consistency,
        Dimension::CorrectionResponsiveness,
    ];

    /// Its part of the score, in per cent.
    pub fn weight(self) -> u32 {
        match self {
            Dimension::Completeness => 25,
            Dimension::CorrectionResponsiveness => 15,
            Dimension::Timeliness | Dimension::Validity | Dimension::Consistency => 20,
        }
    }

    /// The dimension's share in basis points, from the facts alone.
    ///
    /// # Errors
    /// Why nothing can be said.
    pub fn score(self, facts: &PeriodFacts) -> Result<u32, ScoreNullReason> {
        match self {
            Dimension::Timeliness => share(facts.obligations_on_time, facts.obligations_due)
                .ok_or(ScoreNullReason::NoObligationDue),
            Dimension::Completeness => completeness(facts).ok_or(ScoreNullReason::NothingPublished),
            Dimension::Validity => {
                left(facts.records_rejected, facts.records_received).ok_or(ScoreNullReason::NoBatchJudged)
            }
            Dimension::Consistency => {
                left(facts.history_warnings, facts.records_accepted).ok_or(ScoreNullReason::NothingPublished)
            }
            Dimension::CorrectionResponsiveness => share(facts.corrections_in_time, facts.corrections_due)
                .ok_or(ScoreNullReason::NoCorrectionDue),
        }
    }

    /// The counts that the score is made of, by name.
    pub fn counts(self, facts: &PeriodFacts) -> BTreeMap<&'static str, u64> {
        let counts: &[(&'static str, u64)] = match self {
            Dimension::Timeliness => &[
                ("obligations_due", facts.obligations_due),
                ("obligations_on_time", facts.obligations_on_time),
            ],
            Dimension::Completeness => &[
                ("accounts_reported", facts.accounts_reported),
                ("accounts_missing", facts.accounts_missing),
                ("fields_expected", facts.fields_expected),
                ("fields_missing", facts.fields_missing),
            ],
            Dimension::Validity => {
                &[("records_received", facts.records_received), ("records_rejected", facts.records_rejected)]
            }
            Dimension::Consistency => {
                &[("records_accepted", facts.records_accepted), ("history_warnings", facts.history_warnings)]
            }
            Dimension::CorrectionResponsiveness => &[
                ("corrections_due", facts.corrections_due),
                ("corrections_in_time", facts.corrections_in_time),
            ],
        };
        counts.iter().copied().collect()
    }
}

/// The mean of two shares where both can be told, else the one that can.
fn completeness(facts: &PeriodFacts) -> Option<u32> {
    let accounts = share(facts.accounts_reported, facts.accounts_reported + facts.accounts_missing);
    let fields = left(facts.fields_missing, facts.fields_expected);
    match (accounts, fields) {
        (Some(accounts), Some(fields)) => Some(accounts.midpoint(fields)),
        (one, other) => one.or(other),
    }
}

/// A part of a whole in basis points, rounded down; `None` of nothing, the whole of it at most.
fn share(part: u64, whole: u64) -> Option<u32> {
    let bps = (u128::from(part) * u128::from(WHOLE)).checked_div(u128::from(whole))?;
    u32::try_from(bps.min(u128::from(WHOLE))).ok()
}

/// What a part leaves of the whole.
fn left(part: u64, whole: u64) -> Option<u32> {
    share(whole.saturating_sub(part), whole)
}

/// The score over all dimensions in basis points, and the weights that it rests on, in per cent.
pub fn total(facts: &PeriodFacts) -> Option<(u32, u32)> {
    let known: Vec<(u32, u32)> = Dimension::ALL
        .iter()
        .filter_map(|dimension| Some((dimension.weight(), dimension.score(facts).ok()?)))
        .collect();
    let weights: u32 = known.iter().map(|(weight, _)| weight).sum();
    let points: u32 = known.iter().map(|(weight, score)| weight * score).sum();
    Some((points.checked_div(weights)?, weights))
}

/// The share of peers whose score is lower, equal ones counted half, in basis points.
///
/// # Errors
/// When there are too few of them to stay anonymous.
pub fn percentile(own: u32, peers: &[u32]) -> Result<u32, ScoreNullReason> {
    if peers.len() < MIN_PEERS {
        return Err(ScoreNullReason::FewerThanFivePeers);
    }
    let below = peers.iter().filter(|peer| **peer < own).count() as u64;
    let equal = peers.iter().filter(|peer| **peer == own).count() as u64;
    share(2 * below + equal, 2 * peers.len() as u64).ok_or(ScoreNullReason::FewerThanFivePeers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A good month: everything in time, one account of two hundred missing, some gaps, some rejects.
    fn facts() -> PeriodFacts {
        PeriodFacts {
            obligations_due: 1,
            obligations_on_time: 1,
            accounts_reported: 199,
            accounts_missing: 1,
            fields_expected: 1000,
            fields_missing: 100,
            records_received: 210,
            records_rejected: 11,
            records_accepted: 199,
            history_warnings: 3,
            ..PeriodFacts::default()
        }
    }

    #[test]
    fn a_score_can_be_worked_out_by_hand() {
        let score = |dimension: Dimension| dimension.score(&facts());
        assert_eq!(score(Dimension::Timeliness), Ok(10_000));
        // 199 of 200 accounts, 900 of 1,000 fields.
        assert_eq!(score(Dimension::Completeness), Ok((9950 + 9000) / 2));
        // 199 of 210 records.
        assert_eq!(score(Dimension::Validity), Ok(9476));
        // 196 of 199 records.
        assert_eq!(score(Dimension::Consistency), Ok(9849));
        assert_eq!(score(Dimension::CorrectionResponsiveness), Err(ScoreNullReason::NoCorrectionDue));
        // 15 of the 100 weights are shared out over the other 85.
        assert_eq!(total(&facts()), Some(((20 * 10_000 + 25 * 9475 + 20 * 9476 + 20 * 9849) / 85, 85)));
    }

    #[test]
    fn where_nothing_happened_nothing_is_said() {
        let nothing = PeriodFacts::default();
        assert_eq!(total(&nothing), None);
        assert_eq!(Dimension::Completeness.score(&nothing), Err(ScoreNullReason::NothingPublished));
        // A missed month is a zero, and all that is known.
        let missed = PeriodFacts { obligations_due: 1, ..nothing };
        assert_eq!(total(&missed), Some((0, 20)));
        // Part of a book has fields and no accounts that would be expected.
        let part = PeriodFacts { fields_expected: 4, fields_missing: 1, ..nothing };
        assert_eq!(Dimension::Completeness.score(&part), Ok(7500));
    }

    #[test]
    fn more_warnings_than_records_are_no_less_than_nothing() {
        let facts = PeriodFacts { records_accepted: 2, history_warnings: 5, ..PeriodFacts::default() };
        assert_eq!(Dimension::Consistency.score(&facts), Ok(0));
    }

    #[test]
    fn an_answer_has_five_working_days() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        // Asked on a Thursday: Deepavali is on the Sunday after, its day off on the Monday.
        let in_time = |answered: Option<&str>, today| {
            answered_in_time(day("2026-11-05"), answered.map(day), &WorkingDays::default(), day(today))
        };
        assert_eq!(in_time(Some("2026-11-13"), "2026-12-01"), Some(true));
        assert_eq!(in_time(Some("2026-11-14"), "2026-12-01"), Some(false));
        assert_eq!((in_time(None, "2026-11-13"), in_time(None, "2026-11-14")), (None, Some(false)));
    }

    #[test]
    fn peers_are_never_few() {
        assert_eq!(percentile(9000, &[1, 2, 3, 4]), Err(ScoreNullReason::FewerThanFivePeers));
        assert_eq!(percentile(9000, &[8000, 8500, 9000, 9500, 9900]), Ok(5000));
        assert_eq!(percentile(9000, &[9001; 7]), Ok(0));
        assert_eq!(percentile(9000, &[1; 7]), Ok(10_000));
    }

    #[test]
    fn the_weights_are_a_hundred_per_cent() {
        assert_eq!(Dimension::ALL.iter().map(|dimension| dimension.weight()).sum::<u32>(), 100);
    }

    proptest! {
        #[test]
        fn a_score_is_a_share_of_the_whole(counts in prop::array::uniform12(0_u64..u64::from(u32::MAX))) {
            let facts = PeriodFacts {
                obligations_due: counts[0], obligations_on_time: counts[1],
                accounts_reported: counts[2], accounts_missing: counts[3],
                fields_expected: counts[4], fields_missing: counts[5],
                records_received: counts[6], records_rejected: counts[7],
                records_accepted: counts[8], history_warnings: counts[9],
                corrections_due: counts[10], corrections_in_time: counts[11],
            };
            for dimension in Dimension::ALL {
                prop_assert!(dimension.score(&facts).unwrap_or(0) <= 10_000);
            }
            let (score, weights) = total(&facts).unwrap_or((0, 0));
            prop_assert!(score <= 10_000 && weights <= 100);
        }
    }
}
