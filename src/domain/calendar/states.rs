//! States and federal territories of Malaysia, and the days of the week on which each of them rests.

use chrono::{Datelike, NaiveDate, Weekday};

/// A state or federal territory, by the three letters that are usual in Malaysian forms.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub enum CalendarState {
    /// Johor.
    Jhr,
    /// Kedah.
    Kdh,
    /// Kelantan.
    Ktn,
    /// Kuala Lumpur.
    Kul,
    /// Labuan.
    Lbn,
    /// Melaka.
    Mlk,
    /// Negeri Sembilan.
    Nsn,
    /// Pahang.
    Phg,
    /// Putrajaya.
    Pjy,
    /// Perlis.
    Pls,
    /// Pulau Pinang.
    Png,
    /// Perak.
    Prk,
    /// Sabah.
    Sbh,
    /// Selangor.
    Sgr,
    /// Sarawak.
    Swk,
    /// Terengganu.
    Trg,
}

use CalendarState::{Jhr, Kdh, Ktn, Kul, Lbn, Mlk, Nsn, Phg, Pjy, Pls, Png, Prk, Sbh, Sgr, Swk, Trg};

impl CalendarState {
    pub const ALL: [CalendarState; 16] =
        [Jhr, Kdh, Ktn, Kul, Lbn, Mlk, Nsn, Phg, Pjy, Pls, Png, Prk, Sbh, Sgr, Swk, Trg];

    pub fn as_str(self) -> &'static str {
        match self {
            Jhr => "JHR",
            Kdh => "KDH",
            Ktn => "KTN",
            Kul => "KUL",
            Lbn => "LBN",
            Mlk => "MLK",
            Nsn => "NSN",
            Phg => "PHG",
            Pjy => "PJY",
            Pls => "PLS",
            Png => "PNG",
            Prk => "PRK",
            Sbh => "SBH",
            Sgr => "SGR",
            Swk => "SWK",
            Trg => "TRG",
        }
    }

    pub fn parse(text: &str) -> Option<CalendarState> {
        CalendarState::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The two days of the weekend that a day's week has. Johor rested on Fridays and Saturdays until the end of 2024.
    pub fn weekend(self, day: NaiveDate) -> [Weekday; 2] {
        match self {
            Kdh | Ktn | Trg => [Weekday::Fri, Weekday::Sat],
            Jhr if day.year() < 2025 => [Weekday::Fri, Weekday::Sat],
            _ => [Weekday::Sat, Weekday::Sun],
        }
    }

    /// The weekly rest day of the Holidays Acts: a holiday on it moves the day off to the next working day.
    pub fn rest_day(self, day: NaiveDate) -> Weekday {
        match self.weekend(day) {
            [Weekday::Fri, _] => Weekday::Fri,
            [_, second] => second,
        }
    }
}

/// Some of the states, for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct States(u16);

impl States {
    pub const ALL: States = States(u16::MAX);

    pub const fn of(states: &[CalendarState]) -> States {
        let (mut bits, mut at) = (0, 0);
        while at < states.len() {
            bits |= 1 << states[at] as u16;
            at += 1;
        }
        States(bits)
    }

    pub const fn all_but(states: &[CalendarState]) -> States {
        States(!States::of(states).0)
    }

    pub fn contains(self, state: CalendarState) -> bool {
        self.0 & (1 << state as u16) != 0
    }
}
