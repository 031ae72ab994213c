//! The working days of Malaysia, by state: what due dates are counted in.
//!
//! A day is worked unless it is of the state's weekend, a public holiday, or the day off that a holiday on the weekly
//! rest day brings. Holidays are facts in `table`; what operators know better comes in as [`Change`]s.

mod states;
mod table;

use std::borrow::Cow;

use chrono::{Datelike, Days, NaiveDate, Weekday};

pub use states::CalendarState;
pub use table::{FIRST_YEAR, LAST_YEAR};

/// How we know that a day is a holiday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The same day every year, by law.
    Fixed,
    /// Follows from a rule: a weekday of a month, Easter, the Chinese calendar, a day off in place of a rest day.
    Computed,
    /// Announced for the year.
    Announced,
    /// Follows the moon and is not announced yet: may be a day off.
    Estimated,
    /// Added by an operator.
    Added,
}

/// One public holiday in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holiday {
    pub day: NaiveDate,
    pub name: Cow<'static, str>,
    pub basis: Basis,
}

/// What an operator may say of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChangeKind {
    /// Nobody works, though the table does not say so.
    Holiday,
    /// It is worked, though the table says otherwise: an estimated day that turned out to be another one.
    WorkingDay,
}

impl ChangeKind {
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Holiday => "HOLIDAY",
            ChangeKind::WorkingDay => "WORKING_DAY",
        }
    }

    pub fn parse(text: &str) -> Option<ChangeKind> {
        [ChangeKind::Holiday, ChangeKind::WorkingDay].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A day about which an operator knows better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub day: NaiveDate,
    pub state: CalendarState,
    pub kind: ChangeKind,
    pub name: String,
}

/// The table with what operators changed.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    changes: Vec<Change>,
}

impl Calendar {
    pub fn new(changes: Vec<Change>) -> Calendar {
        Calendar { changes }
    }

    /// The holidays of a state in a year, by day. Days off in place of a rest day are among them.
    pub fn holidays(&self, state: CalendarState, year: i32) -> Vec<Holiday> {
        let changes =
            || self.changes.iter().filter(|change| change.state == state && change.day.year() == year);
        let worked = |day| changes().any(|change| change.kind == ChangeKind::WorkingDay && change.day == day);
        let mut holidays: Vec<Holiday> =
            told_by_table(state, year).filter(|holiday| !worked(holiday.day)).collect();
        let added = changes().filter(|change| change.kind == ChangeKind::Holiday);
        holidays.extend(added.map(|change| Holiday {
            day: change.day,
            name: change.name.clone().into(),
            basis: Basis::Added,
        }));
        holidays.sort_by_key(|holiday| holiday.day);
        let substitutes = substitutes(state, &holidays);
        holidays.extend(substitutes.into_iter().filter(|holiday| !worked(holiday.day)));
        holidays.sort_by_key(|holiday| holiday.day);
        holidays
    }

    pub fn is_working_day(&self, day: NaiveDate, state: CalendarState) -> bool {
        !state.weekend(day).contains(&day.weekday())
            && !self.holidays(state, day.year()).iter().any(|holiday| holiday.day == day)
    }

    /// The nth working day after a day; the day itself for none.
    pub fn add_working_days(&self, day: NaiveDate, n: u32, state: CalendarState) -> NaiveDate {
        let mut year = day.year();
        let mut holidays = self.holidays(state, year);
        let (mut at, mut left) = (day, n);
        while left > 0 {
            let Some(next) = at.checked_add_days(Days::new(1)) else { return at };
            at = next;
            if at.year() != year {
                year = at.year();
                holidays = self.holidays(state, year);
            }
            let free = state.weekend(at).contains(&at.weekday())
                || holidays.binary_search_by_key(&at, |holiday| holiday.day).is_ok();
            left -= u32::from(!free);
        }
        at
    }
}

/// The working days of one contributor's state.
#[derive(Clone, Debug)]
pub struct WorkingDays {
    pub calendar: Calendar,
    pub state: CalendarState,
}

impl Default for WorkingDays {
    /// Those of Kuala Lumpur, as published.
    fn default() -> Self {
        WorkingDays { calendar: Calendar::default(), state: CalendarState::Kul }
    }
}

fn told_by_table(state: CalendarState, year: i32) -> impl Iterator<Item = Holiday> {
    let fixed = table::FIXED.iter().filter(move |holiday| holiday.states.contains(state)).filter_map(
        move |holiday| {
            let day = NaiveDate::from_ymd_opt(year, holiday.month, holiday.day)?;
            Some(Holiday { day, name: holiday.name.into(), basis: Basis::Fixed })
        },
    );
    let weekdays = table::NTH_WEEKDAYS
        .iter()
        .filter(move |holiday| holiday.states.contains(state))
        .filter_map(move |holiday| {
            let day =
                NaiveDate::from_weekday_of_month_opt(year, holiday.month, holiday.weekday, holiday.nth)?;
            Some(Holiday { day, name: holiday.name.into(), basis: Basis::Computed })
        });
    let moving =
        table::MOVING.iter().filter(move |holiday| holiday.states.contains(state)).flat_map(move |holiday| {
            let days = holiday.days.iter().filter(move |(of, ..)| *of == year);
            days.filter_map(move |&(year, month, day, basis)| {
                let day = NaiveDate::from_ymd_opt(year, month, day)?;
                Some(Holiday { day, name: holiday.name.into(), basis })
            })
        });
    let good_friday = good_friday(year).filter(|_| table::GOOD_FRIDAY.contains(state));
    let good_friday =
        good_friday.map(|day| Holiday { day, name: "Good Friday".into(), basis: Basis::Computed });
    fixed.chain(weekdays).chain(moving).chain(good_friday)
}

/// The days off for holidays on the weekly rest day: for each, the next day that is neither free nor given away.
fn substitutes(state: CalendarState, holidays: &[Holiday]) -> Vec<Holiday> {
    let mut substitutes: Vec<Holiday> = Vec::new();
    let mut last: Option<NaiveDate> = None;
    for holiday in holidays.iter().filter(|holiday| holiday.day.weekday() == state.rest_day(holiday.day)) {
        // Two holidays on one day bring one day off.
        if last.replace(holiday.day) == Some(holiday.day) {
            continue;
        }
        let free = |day: NaiveDate| {
            state.weekend(day).contains(&day.weekday())
                || holidays.iter().chain(&substitutes).any(|other| other.day == day)
        };
        if let Some(day) = holiday.day.iter_days().skip(1).find(|day| !free(*day)) {
            let name = format!("{}, day off in its place", holiday.name).into();
            substitutes.push(Holiday { day, name, basis: Basis::Computed });
        }
    }
    substitutes
}

/// Two days before Easter of the Gregorian calendar, by the lunar and solar cycles of its reform.
fn good_friday(year: i32) -> Option<NaiveDate> {
    let golden = year % 19;
    let century = year / 100;
    // The age of the moon at the start of the year, with the corrections of the centuries.
    let epact = (century - century / 4 - (8 * century + 13) / 25 + 19 * golden + 15) % 30;
    let full_moon = epact - (epact / 28) * (1 - (29 / (epact + 1)) * ((21 - golden) / 11));
    let weekday = (year + year / 4 + full_moon + 2 - century + century / 4) % 7;
    let march = 28 + full_moon - weekday;
    NaiveDate::from_ymd_opt(year, 3, 1)?.checked_add_signed(chrono::TimeDelta::days(i64::from(march - 1 - 2)))
}

/// Days until the table no longer knows the moving holidays; below 0 when that is past.
pub fn days_left(today: NaiveDate) -> i64 {
    NaiveDate::from_ymd_opt(LAST_YEAR, 12, 31).map_or(0, |end| (end - today).num_days())
}

/// Words for the two days of a weekend.
pub fn weekday_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "MONDAY",
        Weekday::Tue => "TUESDAY",
        Weekday::Wed => "WEDNESDAY",
        Weekday::Thu => "THURSDAY",
        Weekday::Fri => "FRIDAY",
        Weekday::Sat => "SATURDAY",
        Weekday::Sun => "SUNDAY",
    }
}

#[cfg(test)]
mod tests;
