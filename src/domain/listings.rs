//! Listings: adverse trade references beside the history (`domain.md` section 1 and 6.5), and the days that a contributor
//! has to take one back.
//!
//! A listing is live while the account's latest snapshot asks for it with evidence, says that it is running or written
//! off, has at least [`LISTABLE_OVERDUE`] overdue for more than [`LISTABLE_AFTER_DPD`] days, and nobody took it back
//! since. It ends by itself as soon as a snapshot, or an event, shows that nothing is overdue; the history stays what it
//! was. So a settled debt never waits for its contributor: L005 only tells one that still asks.

use chrono::NaiveDate;

use super::calendar::WorkingDays;
use super::money::Sen;

/// A listing needs at least this much overdue (L002).
pub const LISTABLE_OVERDUE: Sen = Sen(15_000);
/// A listing needs more days past due than these (L002).
pub const LISTABLE_AFTER_DPD: u16 = 60;
/// Working days from the settlement to the last day on which taking the listing back is in time (L005).
pub const DELISTING_WORKING_DAYS: u32 = 3;

/// The last day on which a listing of a debt settled on a day is taken back in time.
pub fn delist_by(settled_on: NaiveDate, days: &WorkingDays) -> NaiveDate {
    days.calendar.add_working_days(settled_on, DELISTING_WORKING_DAYS, days.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn three_working_days_are_counted_over_weekend_and_holiday() {
        let days = WorkingDays::default();
        // 6 November 2026 is a Friday; Deepavali falls on the Sunday after, its day off on the Monday.
        let by = delist_by(day("2026-11-06"), &days);
        assert_eq!(by, day("2026-11-12"));
        assert_eq!(delist_by(day("2026-11-17"), &days), day("2026-11-20"));
    }
}
