//! The public holidays of Malaysia as data, 2024 to 2028: federal ones under the Holidays Act 1951 and those of the
//! states under their own Acts.
//!
//! Up to 2026 moving days are as announced for the year. After that the Chinese ones are computed from the lunisolar
//! calendar and the Islamic, Hindu and Buddhist ones estimated from the moon (for the Islamic months, by the
//! criterion of a visible crescent that is used in Malaysia): they may be a day off until they are announced. Days
//! that are declared at short notice are for operators to add.

use chrono::Weekday;

use super::Basis::{self, Announced, Computed, Estimated};
use super::states::CalendarState::{
    Jhr, Kdh, Ktn, Kul, Lbn, Mlk, Nsn, Phg, Pjy, Pls, Png, Prk, Sbh, Sgr, Swk, Trg,
};
use super::states::States;

/// Years for which the moving days below are known.
pub const FIRST_YEAR: i32 = 2024;
pub const LAST_YEAR: i32 = 2028;

/// The same day every year.
pub struct Fixed {
    pub name: &'static str,
    pub states: States,
    pub month: u32,
    pub day: u32,
}

/// The nth such weekday of a month.
pub struct NthWeekday {
    pub name: &'static str,
    pub states: States,
    pub month: u32,
    pub weekday: Weekday,
    pub nth: u8,
}

/// A day that moves: year, month, day and how it is known.
pub struct Moving {
    pub name: &'static str,
    pub states: States,
    pub days: &'static [(i32, u32, u32, Basis)],
}

const fn fixed(name: &'static str, states: States, month: u32, day: u32) -> Fixed {
    Fixed { name, states, month, day }
}

const fn nth(name: &'static str, state: States, month: u32, weekday: Weekday, nth: u8) -> NthWeekday {
    NthWeekday { name, states: state, month, weekday, nth }
}

pub const FIXED: &[Fixed] = &[
    fixed("New Year's Day", States::all_but(&[Jhr, Kdh, Ktn, Pls, Trg]), 1, 1),
    fixed("Birthday of the Yang di-Pertuan Besar of Negeri Sembilan", States::of(&[Nsn]), 1, 14),
    fixed("Federal Territory Day", States::of(&[Kul, Lbn, Pjy]), 2, 1),
    fixed("Declaration of Independence Day", States::of(&[Mlk]), 2, 20),
    fixed("Installation of the Sultan of Terengganu", States::of(&[Trg]), 3, 4),
    fixed("Birthday of the Sultan of Johor", States::of(&[Jhr]), 3, 23),
    fixed("Birthday of the Sultan of Terengganu", States::of(&[Trg]), 4, 26),
    fixed("Labour Day", States::ALL, 5, 1),
    fixed("Hari Hol of Pahang", States::of(&[Phg]), 5, 22),
    fixed("Harvest Festival", States::of(&[Lbn, Sbh]), 5, 30),
    fixed("Harvest Festival, second day", States::of(&[Lbn, Sbh]), 5, 31),
    fixed("Gawai Dayak", States::of(&[Swk]), 6, 1),
    fixed("Gawai Dayak, second day", States::of(&[Swk]), 6, 2),
    fixed("George Town World Heritage Day", States::of(&[Png]), 7, 7),
    fixed("Birthday of the Raja of Perlis", States::of(&[Pls]), 7, 17),
    fixed("Sarawak Day", States::of(&[Swk]), 7, 22),
    fixed("Birthday of the Sultan of Pahang", States::of(&[Phg]), 7, 30),
    fixed("Birthday of the Governor of Melaka", States::of(&[Mlk]), 8, 24),
    fixed("National Day", States::ALL, 8, 31),
    fixed("Malaysia Day", States::ALL, 9, 16),
    fixed("Birthday of the Sultan of Kelantan", States::of(&[Ktn]), 9, 29),
    fixed("Birthday of the Sultan of Kelantan, second day", States::of(&[Ktn]), 9, 30),
    fixed("Birthday of the Sultan of Selangor", States::of(&[Sgr]), 12, 11),
    fixed("Christmas Eve", States::of(&[Sbh]), 12, 24),
    fixed("Christmas Day", States::ALL, 12, 25),
];

pub const NTH_WEEKDAYS: &[NthWeekday] = &[
    nth("Birthday of the Yang di-Pertuan Agong", States::ALL, 6, Weekday::Mon, 1),
    nth("Birthday of the Sultan of Kedah", States::of(&[Kdh]), 6, Weekday::Sun, 3),
    nth("Birthday of the Governor of Penang", States::of(&[Png]), 7, Weekday::Sat, 2),
    nth("Birthday of the Governor of Sabah", States::of(&[Sbh]), 10, Weekday::Sat, 1),
    nth("Birthday of the Governor of Sarawak", States::of(&[Swk]), 10, Weekday::Sat, 2),
    nth("Birthday of the Sultan of Perak", States::of(&[Prk]), 11, Weekday::Fri, 1),
];

/// Where Good Friday, which follows from Easter, is kept.
pub const GOOD_FRIDAY: States = States::of(&[Sbh, Swk]);

pub const MOVING: &[Moving] = &[
    Moving {
        name: "Isra and Mi'raj",
        states: States::of(&[Kdh, Nsn, Pls, Trg]),
        days: &[
            (2024, 2, 8, Announced),
            (2025, 1, 27, Announced),
            (2026, 1, 17, Announced),
            (2027, 1, 6, Estimated),
            (2027, 12, 26, Estimated),
            (2028, 12, 14, Estimated),
        ],
    },
    Moving {
        name: "Thaipusam",
        states: States::of(&[Jhr, Kul, Nsn, Pjy, Png, Prk, Sgr]),
        days: &[
            (2024, 1, 25, Announced),
            (2025, 2, 11, Announced),
            (2026, 2, 1, Announced),
            (2027, 1, 22, Estimated),
            (2028, 2, 9, Estimated),
        ],
    },
    Moving {
        name: "Chinese New Year",
        states: States::ALL,
        days: &[
            (2024, 2, 10, Announced),
            (2025, 1, 29, Announced),
            (2026, 2, 17, Announced),
            (2027, 2, 6, Computed),
            (2028, 1, 26, Computed),
        ],
    },
    Moving {
        name: "Chinese New Year, second day",
        states: States::all_but(&[Ktn, Trg]),
        days: &[
            (2024, 2, 11, Announced),
            (2025, 1, 30, Announced),
            (2026, 2, 18, Announced),
            (2027, 2, 7, Computed),
            (2028, 1, 27, Computed),
        ],
    },
    Moving {
        name: "Beginning of Ramadan",
        states: States::of(&[Jhr, Kdh]),
        days: &[
            (2024, 3, 12, Announced),
            (2025, 3, 2, Announced),
            (2026, 2, 19, Announced),
            (2027, 2, 8, Estimated),
            (2028, 1, 28, Estimated),
        ],
    },
    Moving {
        name: "Nuzul al-Quran",
        states: States::of(&[Ktn, Kul, Lbn, Phg, Pjy, Pls, Png, Prk, Sgr, Trg]),
        days: &[
            (2024, 3, 28, Announced),
            (2025, 3, 18, Announced),
            (2026, 3, 7, Announced),
            (2027, 2, 24, Estimated),
            (2028, 2, 13, Estimated),
        ],
    },
    Moving {
        name: "Hari Raya Aidilfitri",
        states: States::ALL,
        days: &[
            (2024, 4, 10, Announced),
            (2025, 3, 31, Announced),
            (2026, 3, 21, Announced),
            (2027, 3, 10, Estimated),
            (2028, 2, 27, Estimated),
        ],
    },
    Moving {
        name: "Hari Raya Aidilfitri, second day",
        states: States::ALL,
        days: &[
            (2024, 4, 11, Announced),
            (2025, 4, 1, Announced),
            (2026, 3, 22, Announced),
            (2027, 3, 11, Estimated),
            (2028, 2, 28, Estimated),
        ],
    },
    Moving {
        name: "Arafat Day",
        states: States::of(&[Ktn, Trg]),
        days: &[
            (2024, 6, 16, Announced),
            (2025, 6, 6, Announced),
            (2026, 5, 26, Announced),
            (2027, 5, 16, Estimated),
            (2028, 5, 4, Estimated),
        ],
    },
    Moving {
        name: "Hari Raya Haji",
        states: States::ALL,
        days: &[
            (2024, 6, 17, Announced),
            (2025, 6, 7, Announced),
            (2026, 5, 27, Announced),
            (2027, 5, 17, Estimated),
            (2028, 5, 5, Estimated),
        ],
    },
    Moving {
        name: "Hari Raya Haji, second day",
        states: States::of(&[Kdh, Ktn, Pls, Trg]),
        days: &[
            (2024, 6, 18, Announced),
            (2025, 6, 8, Announced),
            (2026, 5, 28, Announced),
            (2027, 5, 18, Estimated),
            (2028, 5, 6, Estimated),
        ],
    },
    Moving {
        name: "Wesak Day",
        states: States::ALL,
        days: &[
            (2024, 5, 22, Announced),
            (2025, 5, 12, Announced),
            (2026, 5, 31, Announced),
            (2027, 5, 20, Estimated),
            (2028, 5, 9, Estimated),
        ],
    },
    Moving {
        name: "Awal Muharram",
        states: States::ALL,
        days: &[
            (2024, 7, 7, Announced),
            (2025, 6, 27, Announced),
            (2026, 6, 17, Announced),
            (2027, 6, 6, Estimated),
            (2028, 5, 26, Estimated),
        ],
    },
    Moving {
        name: "Hari Hol of Johor",
        states: States::of(&[Jhr]),
        days: &[
            (2024, 8, 11, Announced),
            (2025, 7, 31, Announced),
            (2026, 7, 21, Announced),
            (2027, 7, 11, Estimated),
            (2028, 6, 29, Estimated),
        ],
    },
    Moving {
        name: "Maulidur Rasul",
        states: States::ALL,
        days: &[
            (2024, 9, 16, Announced),
            (2025, 9, 5, Announced),
            (2026, 8, 25, Announced),
            (2027, 8, 15, Estimated),
            (2028, 8, 4, Estimated),
        ],
    },
    Moving { name: "Malaysia Day, additional day", states: States::ALL, days: &[(2025, 9, 15, Announced)] },
    Moving {
        name: "Deepavali",
        states: States::all_but(&[Swk]),
        days: &[
            (2024, 10, 31, Announced),
            (2025, 10, 20, Announced),
            (2026, 11, 8, Announced),
            (2027, 10, 28, Estimated),
            (2028, 10, 17, Estimated),
        ],
    },
];
