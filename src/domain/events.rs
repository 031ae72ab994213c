//! What repayment events do to an account between two snapshots.
//!
//! A snapshot is the contributor's own statement and is never changed by an event. [`standing_after`] says how an
//! account stands when the events after its snapshot are added to it; the database does the same set-wise
//! (`db::overlay`), and a test holds the two together on generated histories.

use chrono::NaiveDate;

use super::contract::spec::MAX_DPD;
use super::contract::{AccountStatus, EventType, RepaymentEvent};
use super::money::Sen;

/// From so many days late on, a payment is doubted (E008).
pub const DOUBTED_DAYS_LATE: i64 = 90;

/// Instalments of which an account remembers how late they were paid, newest first: weekly ones of 24 calendar months.
pub const INSTALMENTS_KEPT: usize = 106;

/// What an amount of a kind of event does to a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Lowers,
    Raises,
    Nothing,
}

impl EventType {
    /// Money that comes in on the debt: only this can be late, too much, or taken back.
    pub fn is_payment(self) -> bool {
        matches!(self, EventType::Payment | EventType::Settlement | EventType::Recovery)
    }

    /// What it does to what is owed.
    pub fn effect_on_outstanding(self) -> Effect {
        match self {
            EventType::Payment
            | EventType::Settlement
            | EventType::Recovery
            | EventType::Refund
            | EventType::FeeWaiver => Effect::Lowers,
            EventType::Fee | EventType::PaymentReversal | EventType::Originated => Effect::Raises,
            EventType::WriteOff
            | EventType::Reschedule
            | EventType::Restructure
            | EventType::Cancellation => Effect::Nothing,
        }
    }

    /// What it does to what is overdue. A fee or a new advance is owed, and not yet late.
    pub fn effect_on_overdue(self) -> Effect {
        match self {
            EventType::Fee | EventType::Originated => Effect::Nothing,
            other => other.effect_on_outstanding(),
        }
    }

    /// Ends the account.
    pub fn is_terminal(self) -> bool {
        matches!(self, EventType::Settlement | EventType::WriteOff | EventType::Cancellation)
    }
}

impl RepaymentEvent<'_> {
    /// Days between the day an instalment was due and the day its payment counts for; negative when it was early.
    /// Both are calendar days in Malaysia: the instant of the event has no part in it, nor has the day it was sent.
    pub fn days_late(&self) -> Option<i64> {
        let due = self.instalment_due_date.filter(|_| self.event_type.is_some_and(EventType::is_payment))?;
        Some(self.value_date?.signed_duration_since(due).num_days())
    }

    /// The event as one text, the same for the same content whatever file it came in (E001).
    pub fn content(&self) -> String {
        let sen = |amount: Option<Sen>| amount.map(|amount| amount.0);
        let micros = self.event_at.map(|at| at.timestamp_micros());
        let (event_type, channel) = (self.event_type.map(|t| t as u8), self.channel.map(|c| c as u8));
        format!(
            "{:?}",
            (
                (self.event_id, self.account_ref, event_type, micros, self.value_date, sen(self.amount)),
                (self.instalment_no, self.instalment_due_date, self.new_due_date),
                (self.reverses_event_id, channel),
            )
        )
    }
}

/// An accepted event, as far as the state of its account depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    pub event_type: EventType,
    pub value_date: NaiveDate,
    /// Zero where the kind moves no money.
    pub amount: Sen,
    pub instalment_due_date: Option<NaiveDate>,
    pub new_due_date: Option<NaiveDate>,
    /// A reversal names it.
    pub reversed: bool,
}

/// How an account stands at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub as_of_date: NaiveDate,
    pub status: AccountStatus,
    pub outstanding: Sen,
    pub overdue: Sen,
    pub dpd: u16,
    pub next_due_date: Option<NaiveDate>,
    pub restructured: bool,
}

/// The account after the events whose value date is later than its snapshot, in the order in which they count (value
/// date, then publication, then place in the file). `None` when there is no such event: then the snapshot stands.
///
/// Amounts are added up and bounded at the end, so that what is paid too much pays for what comes after it, and a
/// payment that bounces leaves no trace. What is overdue is never more than what is owed; nothing overdue is no day
/// late. How many days late a rest is, only the next snapshot tells: until then it is as many as in the last one.
pub fn standing_after(snapshot: &Standing, events: &[Posted]) -> Option<Standing> {
    let later: Vec<&Posted> = events.iter().filter(|e| e.value_date > snapshot.as_of_date).collect();
    let as_of_date = later.iter().map(|event| event.value_date).max()?;
    let outstanding = moved(snapshot.outstanding, i64::MAX, &later, EventType::effect_on_outstanding);
    let overdue = moved(snapshot.overdue, outstanding.0, &later, EventType::effect_on_overdue);
    let ending = later.iter().rev().find(|event| event.event_type.is_terminal() && !event.reversed);
    let new_due = later.iter().rev().filter(|event| event.event_type == EventType::Reschedule);
    Some(Standing {
        as_of_date,
        status: ending.map_or(snapshot.status, |event| ended_as(event.event_type, outstanding)),
        outstanding,
        overdue,
        dpd: if overdue.is_positive() { snapshot.dpd } else { 0 },
        next_due_date: new_due.filter_map(|event| event.new_due_date).next().or(snapshot.next_due_date),
        restructured: snapshot.restructured
            || later.iter().any(|event| event.event_type == EventType::Restructure),
    })
}

fn moved(start: Sen, most: i64, events: &[&Posted], effect: fn(EventType) -> Effect) -> Sen {
    let sum: i128 = events
        .iter()
        .map(|event| match effect(event.event_type) {
            Effect::Lowers => -i128::from(event.amount.0),
            Effect::Raises => i128::from(event.amount.0),
            Effect::Nothing => 0,
        })
        .sum();
    let bounded = (i128::from(start.0) + sum).clamp(0, i128::from(most));
    Sen(i64::try_from(bounded).unwrap_or(i64::MAX))
}

/// A settlement that leaves something owed was for less than the debt.
fn ended_as(event_type: EventType, outstanding: Sen) -> AccountStatus {
    match event_type {
        EventType::WriteOff => AccountStatus::WrittenOff,
        EventType::Cancellation => AccountStatus::Cancelled,
        _ if outstanding.is_positive() => AccountStatus::SettledShort,
        _ => AccountStatus::Settled,
    }
}

/// How an instalment was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instalment {
    pub due_date: NaiveDate,
    /// 0 when it was paid in time or before.
    pub days_late: u16,
}

/// The instalments that payments tell of, newest due date first: each as late as its last payment that was not
/// taken back.
pub fn instalments(events: &[Posted]) -> Vec<Instalment> {
    let mut told: Vec<Instalment> = Vec::new();
    for event in events.iter().filter(|event| event.event_type == EventType::Payment && !event.reversed) {
        let Some(due_date) = event.instalment_due_date else { continue };
        let days = event.value_date.signed_duration_since(due_date).num_days();
        let days_late = u16::try_from(days.max(0)).unwrap_or(MAX_DPD).min(MAX_DPD);
        match told.iter_mut().find(|instalment| instalment.due_date == due_date) {
            Some(instalment) => instalment.days_late = instalment.days_late.max(days_late),
            None => told.push(Instalment { due_date, days_late }),
        }
    }
    told.sort_by_key(|instalment| std::cmp::Reverse(instalment.due_date));
    told.truncate(INSTALMENTS_KEPT);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn posted(event_type: EventType, value_date: &str, amount: i64) -> Posted {
        let amount = Sen(amount);
        Posted {
            event_type,
            value_date: day(value_date),
            amount,
            instalment_due_date: None,
            new_due_date: None,
            reversed: false,
        }
    }

    /// RM1,000 owed, RM300 of it twelve days late.
    fn snapshot() -> Standing {
        Standing {
            as_of_date: day("2026-01-31"),
            status: AccountStatus::Active,
            outstanding: Sen(100_000),
            overdue: Sen(30_000),
            dpd: 12,
            next_due_date: Some(day("2026-02-15")),
            restructured: false,
        }
    }

    fn after(events: &[Posted]) -> Standing {
        standing_after(&snapshot(), events).unwrap()
    }

    #[test]
    fn what_the_snapshot_saw_changes_nothing() {
        assert_eq!(standing_after(&snapshot(), &[]), None);
        assert_eq!(standing_after(&snapshot(), &[posted(EventType::Payment, "2026-01-31", 100)]), None);
    }

    #[test]
    fn a_payment_lowers_what_is_owed_and_what_is_overdue() {
        let some = after(&[posted(EventType::Payment, "2026-02-03", 10_000)]);
        assert_eq!((some.outstanding, some.overdue, some.dpd), (Sen(90_000), Sen(20_000), 12));
        let enough = after(&[posted(EventType::Payment, "2026-02-03", 30_000)]);
        assert_eq!((enough.outstanding, enough.overdue, enough.dpd), (Sen(70_000), Sen(0), 0));
        assert_eq!((enough.as_of_date, enough.status), (day("2026-02-03"), AccountStatus::Active));
    }

    #[test]
    fn a_payment_that_bounces_leaves_no_trace() {
        let bounced = [
            Posted { reversed: true, ..posted(EventType::Payment, "2026-02-03", 50_000) },
            posted(EventType::PaymentReversal, "2026-02-05", 50_000),
        ];
        let standing = after(&bounced);
        assert_eq!((standing.outstanding, standing.overdue, standing.dpd), (Sen(100_000), Sen(30_000), 12));
    }

    #[test]
    fn fees_and_advances_are_owed_and_not_late() {
        let more = [
            posted(EventType::Fee, "2026-02-03", 1_000),
            posted(EventType::Originated, "2026-02-04", 20_000),
        ];
        assert_eq!((after(&more).outstanding, after(&more).overdue), (Sen(121_000), Sen(30_000)));
    }

    #[test]
    fn a_settlement_ends_the_account_in_full_or_short() {
        let full = after(&[posted(EventType::Settlement, "2026-02-10", 100_000)]);
        assert_eq!((full.status, full.outstanding), (AccountStatus::Settled, Sen(0)));
        let short = after(&[posted(EventType::Settlement, "2026-02-10", 60_000)]);
        assert_eq!((short.status, short.outstanding), (AccountStatus::SettledShort, Sen(40_000)));
        let taken_back = [
            Posted { reversed: true, ..posted(EventType::Settlement, "2026-02-10", 100_000) },
            posted(EventType::PaymentReversal, "2026-02-12", 100_000),
        ];
        assert_eq!(after(&taken_back).status, AccountStatus::Active);
    }

    #[test]
    fn the_last_ending_counts_and_flags_stay() {
        let events = [
            posted(EventType::Restructure, "2026-02-01", 0),
            Posted {
                new_due_date: Some(day("2026-03-20")),
                ..posted(EventType::Reschedule, "2026-02-02", 0)
            },
            posted(EventType::WriteOff, "2026-02-10", 100_000),
            posted(EventType::Recovery, "2026-02-20", 40_000),
        ];
        let standing = after(&events);
        assert_eq!(standing.status, AccountStatus::WrittenOff);
        assert_eq!((standing.outstanding, standing.restructured), (Sen(60_000), true));
        assert_eq!(standing.next_due_date, Some(day("2026-03-20")));
    }

    #[test]
    fn an_instalment_is_as_late_as_its_last_payment_that_stayed() {
        let paying = |due: &str, on: &str, reversed| Posted {
            instalment_due_date: Some(day(due)),
            reversed,
            ..posted(EventType::Payment, on, 100)
        };
        let told = instalments(&[
            paying("2026-01-15", "2026-01-10", false),
            paying("2026-02-15", "2026-02-14", false),
            paying("2026-02-15", "2026-02-20", false),
            paying("2026-03-15", "2026-03-15", true),
            paying("2026-03-15", "2026-04-14", false),
        ]);
        let told: Vec<_> = told.iter().map(|i| (i.due_date.to_string(), i.days_late)).collect();
        let expected = [("2026-03-15", 30), ("2026-02-15", 5), ("2026-01-15", 0)];
        assert_eq!(told, expected.map(|(due, late)| (due.to_owned(), late)));
    }

    #[test]
    fn days_late_are_calendar_days_of_payments() {
        let payment = RepaymentEvent {
            event_type: Some(EventType::Payment),
            // Half past midnight in Malaysia, still the day before in UTC.
            event_at: Some("2026-01-31T16:30:00Z".parse().unwrap()),
            value_date: Some(day("2026-02-01")),
            instalment_due_date: Some(day("2026-02-01")),
            ..RepaymentEvent::default()
        };
        assert_eq!(payment.days_late(), Some(0));
        let early = RepaymentEvent { instalment_due_date: Some(day("2026-02-20")), ..payment.clone() };
        assert_eq!(early.days_late(), Some(-19));
        let fee = RepaymentEvent { event_type: Some(EventType::Fee), ..early };
        assert_eq!(fee.days_late(), None);
    }

    #[test]
    fn content_differs_with_any_field() {
        let event =
            RepaymentEvent { event_id: Some("E-1"), amount: Some(Sen(1)), ..RepaymentEvent::default() };
        assert_eq!(event.content(), event.clone().content());
        for other in [
            RepaymentEvent { amount: Some(Sen(2)), ..event.clone() },
            RepaymentEvent { amount: None, ..event.clone() },
            RepaymentEvent { instalment_no: Some(1), ..event.clone() },
            RepaymentEvent { reverses_event_id: Some("E-0"), ..event.clone() },
        ] {
            assert_ne!(event.content(), other.content());
        }
    }
}
