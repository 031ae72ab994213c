//! What a contributor owes: a dataset for a period, by a day. Where an obligation stands follows from its due date,
//! from what was received and published for it, and from today; it is never kept.

use chrono::{Datelike, Months, NaiveDate};

use super::calendar::{Calendar, CalendarState};

/// Working days that a contributor has after the end of a period (`domain.md` 6.4).
pub const WORKING_DAYS: u32 = 5;

/// Declares the states once: variant, word, meaning.
macro_rules! states {
    ($($(#[$meta:meta])* $state:ident $word:tt),+ $(,)?) => {
        /// Where an obligation stands.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        pub enum ObligationState { $($(#[$meta])* #[serde(rename = $word)] $state),+ }

        impl ObligationState {
            pub const ALL: &'static [ObligationState] = &[$(ObligationState::$state),+];

            pub fn as_str(self) -> &'static str {
                match self { $(ObligationState::$state => $word),+ }
            }
        }
    };
}

states! {
    /// The period has not ended.
    NotDue "NOT_DUE",
    /// The period has ended, and nothing that counts has been received.
    Due "DUE",
    /// Received in time; not decided yet.
    Submitted "SUBMITTED",
    /// Received in time and published.
    Met "MET",
    /// The due date has passed without a batch in time. It stays so when one comes later.
    Late "LATE",
    /// An operator let the contributor off.
    Waived "WAIVED",
}

/// What an obligation's state is made of. Days are business days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub period_end: NaiveDate,
    pub due_on: NaiveDate,
    pub waived: bool,
    /// The first day of receipt among its batches that were published, replaced ones included.
    pub published: Option<NaiveDate>,
    /// The first day of receipt among its batches that wait for a decision, whoever's it is.
    pub pending: Option<NaiveDate>,
}

impl Facts {
    /// Where it stands on a day. What counts is the day of receipt: a verdict of ours that comes late, or a hold that
    /// is confirmed after the due date, makes nobody late.
    pub fn state(&self, today: NaiveDate) -> ObligationState {
        let in_time = |received: Option<NaiveDate>| received.is_some_and(|day| day <= self.due_on);
        if self.waived {
            ObligationState::Waived
        } else if in_time(self.published) {
            ObligationState::Met
        } else if in_time(self.pending) {
            ObligationState::Submitted
        } else if today > self.due_on {
            ObligationState::Late
        } else if today > self.period_end {
            ObligationState::Due
        } else {
            ObligationState::NotDue
        }
    }

    /// The due date that a batch is held against: none where the obligation is waived or was met without it.
    pub fn due_for_another(&self) -> Option<NaiveDate> {
        let met = self.published.is_some_and(|day| day <= self.due_on);
        (!self.waived && !met).then_some(self.due_on)
    }

    /// Calendar days between the due date and the receipt of what was published in the end, or today while nothing
    /// is; `None` unless it is late.
    pub fn days_late(&self, today: NaiveDate) -> Option<i64> {
        let until = self.published.unwrap_or(today);
        (self.state(today) == ObligationState::Late).then(|| (until - self.due_on).num_days())
    }
}

/// The last day on which a period's data is in time.
pub fn due_on(period_end: NaiveDate, calendar: &Calendar, state: CalendarState) -> NaiveDate {
    calendar.add_working_days(period_end, WORKING_DAYS, state)
}

/// How often a dataset is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Cadence {
    /// Nothing is owed; what comes is taken.
    None,
    /// Once for every calendar month.
    Monthly,
}

impl Cadence {
    pub fn as_str(self) -> &'static str {
        match self {
            Cadence::None => "NONE",
            Cadence::Monthly => "MONTHLY",
        }
    }

    pub fn parse(word: &str) -> Option<Cadence> {
        [Cadence::None, Cadence::Monthly].into_iter().find(|cadence| cadence.as_str() == word)
    }
}

/// The last day of a day's calendar month.
pub fn month_end(day: NaiveDate) -> NaiveDate {
    // Every month has a first day and a last one, within a calendar that reaches far beyond ours.
    let first = day.with_day(1).unwrap_or(day);
    first.checked_add_months(Months::new(1)).and_then(|next| next.pred_opt()).unwrap_or(day)
}

/// The ends of the months from that of the start to that of today, the running one included.
pub fn monthly_periods(starts_on: NaiveDate, today: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let last = month_end(today);
    let next = |end: &NaiveDate| end.succ_opt().map(month_end);
    std::iter::successors(Some(month_end(starts_on)), next).take_while(move |end| *end <= last)
}

#[cfg(test)]
mod tests {
    use super::ObligationState::{Due, Late, Met, NotDue, Submitted, Waived};
    use super::*;
    use crate::domain::dates::parse_iso;

    fn day(text: &str) -> NaiveDate {
        parse_iso(text).unwrap()
    }

    /// October 2026, due on the 6th of November.
    fn october(published: Option<&str>, pending: Option<&str>) -> Facts {
        Facts {
            period_end: day("2026-10-31"),
            due_on: day("2026-11-06"),
            waived: false,
            published: published.map(day),
            pending: pending.map(day),
        }
    }

    #[test]
    fn where_an_obligation_stands() {
        let table = [
            // published, pending, today, expected, days late
            (None, None, "2026-10-30", NotDue, None),
            (None, None, "2026-10-31", NotDue, None),
            (None, None, "2026-11-01", Due, None),
            (None, None, "2026-11-06", Due, None),
            (None, None, "2026-11-07", Late, Some(1)),
            (Some("2026-11-06"), None, "2026-11-06", Met, None),
            (Some("2026-11-06"), None, "2027-11-06", Met, None),
            // Received on the last day, decided whenever.
            (None, Some("2026-11-06"), "2026-11-06", Submitted, None),
            (None, Some("2026-11-06"), "2026-12-06", Submitted, None),
            (Some("2026-11-09"), None, "2026-12-06", Late, Some(3)),
            (None, Some("2026-11-09"), "2026-11-10", Late, Some(4)),
            // A correction that waits does not undo what was met.
            (Some("2026-11-02"), Some("2026-11-20"), "2026-11-20", Met, None),
            // Both late: the first publication tells by how much.
            (Some("2026-11-10"), Some("2026-11-08"), "2026-11-20", Late, Some(4)),
        ];
        for (published, pending, today, expected, days) in table {
            let facts = october(published, pending);
            assert_eq!(facts.state(day(today)), expected, "{facts:?} on {today}");
            assert_eq!(facts.days_late(day(today)), days, "{facts:?} on {today}");
        }
        let waived = Facts { waived: true, ..october(None, None) };
        assert_eq!((waived.state(day("2026-12-01")), waived.days_late(day("2026-12-01"))), (Waived, None));
    }

    #[test]
    fn months_follow_each_other_to_the_running_one() {
        let ends = |start, today| -> Vec<String> {
            monthly_periods(day(start), day(today)).map(|end| end.to_string()).collect()
        };
        assert_eq!(ends("2027-12-15", "2028-02-01"), ["2027-12-31", "2028-01-31", "2028-02-29"]);
        assert_eq!(ends("2026-11-30", "2026-11-30"), ["2026-11-30"]);
        assert!(ends("2026-12-01", "2026-11-30").is_empty());
    }

    #[test]
    fn every_state_has_its_word() {
        for state in ObligationState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
