//! Event rules E001 to E010 (`domain.md` 6.2): what an event says of itself, and against its account.
//!
//! One function per rule, named by its code. [`check_event`] asks what needs nothing but the event; a [`AccountLedger`] is an
//! account as its events find it, and asks the rest, event by event in the order of their value dates.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::Code;
use crate::domain::contract::{EventType, Field, RepaymentEvent};
use crate::domain::events::{DOUBTED_DAYS_LATE, Effect};
use crate::domain::finding::Finding;
use crate::domain::money::Sen;

/// From so many payments on, a cancellation is doubted (E010): one may be the deposit that is paid back.
const PAYMENTS_BEFORE_CANCELLATION: u32 = 1;

/// What an event breaks whatever its account is: E003 (the future), E004, E005 (nothing named), E008. `received_on` is
/// the business day of receipt, so that a replay gives the same verdict.
pub fn check_event(event: &RepaymentEvent<'_>, received_on: NaiveDate, findings: &mut Vec<Finding>) {
    findings.extend(e003_future(event, received_on));
    findings.extend(e004(event));
    findings.extend(e005_unnamed(event));
    findings.extend(e008(event));
}

/// E003: nothing has happened yet that counts for a day after its receipt.
pub fn e003_future(event: &RepaymentEvent<'_>, received_on: NaiveDate) -> Option<Finding> {
    (event.value_date? > received_on)
        .then(|| Finding::at(Code::E003, Field::ValueDate).with_detail("after the day of receipt"))
}

/// E004: what moves no money is no payment. Less than nothing is V005.
pub fn e004(event: &RepaymentEvent<'_>) -> Option<Finding> {
    let moves = event.event_type?.moves_money();
    (moves && event.amount? == Sen::ZERO).then(|| Finding::at(Code::E004, Field::Amount))
}

/// E005: a reversal says what it takes back.
pub fn e005_unnamed(event: &RepaymentEvent<'_>) -> Option<Finding> {
    let unnamed = event.reverses_event_id.is_none() && !event.unreadable.contains(Field::ReversesEventId);
    (event.event_type? == EventType::PaymentReversal && unnamed)
        .then(|| Finding::at(Code::E005, Field::ReversesEventId).with_detail("no event is named"))
}

/// E008: paid more than 90 days after it was due. Late means the distance of two days that the event states; when it
/// was sent has no part in it, and without a due date nothing is late.
pub fn e008(event: &RepaymentEvent<'_>) -> Option<Finding> {
    let days = event.days_late()?;
    (days > DOUBTED_DAYS_LATE)
        .then(|| Finding::at(Code::E008, Field::ValueDate).with_detail(format!("{days} days late")))
}

/// Whether an event_id was used before, in the file or in what was accepted or parked earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// The first of its name.
    New,
    /// The same event again: a duplicate, which changes nothing.
    Repeated,
    /// Another event under a name that is taken (E001).
    Taken,
}

/// E001, as far as contents are known by their digests.
pub fn reuse(known: Option<&[u8]>, arriving: &[u8]) -> Reuse {
    match known {
        None => Reuse::New,
        Some(known) if known == arriving => Reuse::Repeated,
        Some(_) => Reuse::Taken,
    }
}

/// An account as an event finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventAccount {
    pub opened_date: NaiveDate,
    /// The day of its newest snapshot, which has seen every event until then.
    pub as_of_date: NaiveDate,
    /// The day on which it ended: the closed_date of its snapshot, or that of an event that ended it.
    pub ended_on: Option<NaiveDate>,
    pub instalments_total: Option<u16>,
    /// What is owed after the snapshot and the events that count already.
    pub outstanding: Sen,
    /// Payments that count and were not taken back.
    pub payments: u32,
}

/// An event that a reversal may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub event_type: EventType,
    pub amount: Sen,
    /// Another reversal names it already.
    pub reversed: bool,
}

/// One account with the events that may still be taken back.
#[derive(Clone, Debug)]
pub struct AccountLedger {
    pub account: EventAccount,
    targets: HashMap<String, Target>,
}

impl AccountLedger {
    pub fn new(account: EventAccount) -> AccountLedger {
        AccountLedger { account, targets: HashMap::new() }
    }

    /// Makes an accepted event known that a reversal names. What is known of it already stays.
    pub fn know(&mut self, event_id: &str, target: Target) {
        self.targets.entry(event_id.to_owned()).or_insert(target);
    }

    /// What the event breaks against its account: E003, E005 to E007, E009, E010.
    pub fn check(&self, event: &RepaymentEvent<'_>, findings: &mut Vec<Finding>) {
        let account = &self.account;
        findings.extend(e003_opening(event, account));
        findings.extend(self.e005(event));
        findings.extend(e006(event, account));
        findings.extend(e007(event, account));
        findings.extend(e009(event, account));
        findings.extend(e010(event, account));
    }

    /// E005: what is taken back is a payment of this account, stands, and is not smaller than its reversal.
    fn e005(&self, event: &RepaymentEvent<'_>) -> Option<Finding> {
        if event.event_type? != EventType::PaymentReversal {
            return None;
        }
        let target = self.targets.get(event.reverses_event_id?);
        let detail = match target.filter(|target| target.event_type.is_payment()) {
            None => "no such payment of the account",
            Some(target) if target.reversed => "reversed already",
            Some(target) if event.amount? > target.amount => "smaller than its reversal",
            Some(_) => return None,
        };
        Some(Finding::at(Code::E005, Field::ReversesEventId).with_detail(detail))
    }

    /// Goes on as if the event had been accepted.
    pub fn post(&mut self, event: &RepaymentEvent<'_>) {
        let (Some(event_type), Some(value_date)) = (event.event_type, event.value_date) else { return };
        let amount = event.amount.unwrap_or(Sen::ZERO);
        if let Some(event_id) = event.event_id {
            self.know(event_id, Target { event_type, amount, reversed: false });
        }
        let named = event.reverses_event_id.filter(|_| event_type == EventType::PaymentReversal);
        if let Some(target) = named.and_then(|event_id| self.targets.get_mut(event_id)) {
            target.reversed = true;
            self.account.payments -=
                u32::from(target.event_type == EventType::Payment).min(self.account.payments);
        }
        let account = &mut self.account;
        account.payments += u32::from(event_type == EventType::Payment);
        if event_type.is_terminal() {
            account.ended_on = Some(account.ended_on.map_or(value_date, |earlier| earlier.min(value_date)));
        }
        if value_date > account.as_of_date {
            let owed = match event_type.effect_on_outstanding() {
                Effect::Lowers => account.outstanding.0.saturating_sub(amount.0).max(0),
                Effect::Raises => account.outstanding.0.saturating_add(amount.0),
                Effect::Nothing => account.outstanding.0,
            };
            account.outstanding = Sen(owed);
        }
    }
}

/// E003: nothing happens to an account before it is opened.
pub fn e003_opening(event: &RepaymentEvent<'_>, account: &EventAccount) -> Option<Finding> {
    (event.value_date? < account.opened_date)
        .then(|| Finding::at(Code::E003, Field::ValueDate).with_detail("before opened_date"))
}

/// E006: what is paid after the end of an account is a RECOVERY. The end is a day, not the order of arrival: a payment
/// of an earlier day may come after the snapshot that closes the account.
pub fn e006(event: &RepaymentEvent<'_>, account: &EventAccount) -> Option<Finding> {
    (event.event_type? == EventType::Payment && event.value_date? > account.ended_on?)
        .then(|| Finding::at(Code::E006, Field::EventType))
}

/// E007: more is paid than is owed. Asked only of what the newest snapshot has not seen, and not of what E006 refuses.
pub fn e007(event: &RepaymentEvent<'_>, account: &EventAccount) -> Option<Finding> {
    let unseen = event.value_date? > account.as_of_date && e006(event, account).is_none();
    (event.event_type?.is_payment() && unseen && event.amount? > account.outstanding)
        .then(|| Finding::at(Code::E007, Field::Amount))
}

/// E009: there are no more instalments than were agreed.
pub fn e009(event: &RepaymentEvent<'_>, account: &EventAccount) -> Option<Finding> {
    let (instalment, total) = (event.instalment_no?, account.instalments_total?);
    (instalment > total)
        .then(|| Finding::at(Code::E009, Field::InstalmentNo).with_detail(format!("{instalment} of {total}")))
}

/// E010: what was paid for several times was hardly cancelled.
pub fn e010(event: &RepaymentEvent<'_>, account: &EventAccount) -> Option<Finding> {
    let paid = account.payments > PAYMENTS_BEFORE_CANCELLATION;
    (event.event_type? == EventType::Cancellation && paid).then(|| {
        Finding::at(Code::E010, Field::EventType).with_detail(format!("{} payments", account.payments))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn event(event_type: EventType, value_date: &str, amount: i64) -> RepaymentEvent<'static> {
        RepaymentEvent {
            event_id: Some("E-1"),
            account_ref: Some("A-1"),
            event_type: Some(event_type),
            value_date: Some(day(value_date)),
            amount: Some(Sen(amount)),
            ..RepaymentEvent::default()
        }
    }

    fn account() -> EventAccount {
        EventAccount {
            opened_date: day("2026-01-01"),
            as_of_date: day("2026-01-31"),
            ended_on: None,
            instalments_total: Some(3),
            outstanding: Sen(30_000),
            payments: 0,
        }
    }

    fn shown(findings: &[Finding]) -> String {
        findings.iter().map(|f| format!("{} {}", f.code, f.severity.as_str())).collect::<Vec<_>>().join(", ")
    }

    fn alone(event: &RepaymentEvent<'_>) -> String {
        let mut findings = Vec::new();
        check_event(event, day("2026-02-10"), &mut findings);
        shown(&findings)
    }

    fn against(account: EventAccount, event: &RepaymentEvent<'_>) -> String {
        let mut findings = Vec::new();
        AccountLedger::new(account).check(event, &mut findings);
        shown(&findings)
    }

    #[test]
    fn an_event_has_happened_and_moves_something() {
        assert_eq!(alone(&event(EventType::Payment, "2026-02-10", 1)), "");
        assert_eq!(alone(&event(EventType::Payment, "2026-02-11", 1)), "E003 R");
        assert_eq!(alone(&event(EventType::Fee, "2026-02-10", 0)), "E004 R");
        assert_eq!(alone(&event(EventType::Cancellation, "2026-02-10", 0)), "");
        assert_eq!(alone(&event(EventType::PaymentReversal, "2026-02-10", 1)), "E005 R");
    }

    #[test]
    fn late_is_the_distance_to_the_due_date_and_nothing_else() {
        let paid = |due: &str| RepaymentEvent {
            instalment_due_date: Some(day(due)),
            ..event(EventType::Payment, "2026-02-10", 1)
        };
        assert_eq!(alone(&paid("2025-11-12")), "", "90 days");
        assert_eq!(alone(&paid("2025-11-11")), "E008 W");
        assert_eq!(alone(&event(EventType::Payment, "2020-01-01", 1)), "", "sent late is not paid late");
    }

    #[test]
    fn the_same_event_again_is_a_duplicate_and_another_one_is_not() {
        assert_eq!(reuse(None, b"a"), Reuse::New);
        assert_eq!(reuse(Some(b"a"), b"a"), Reuse::Repeated);
        assert_eq!(reuse(Some(b"a"), b"b"), Reuse::Taken);
    }

    #[test]
    fn an_event_lies_within_the_life_of_its_account() {
        assert_eq!(against(account(), &event(EventType::Payment, "2025-12-31", 1)), "E003 R");
        assert_eq!(against(account(), &event(EventType::Payment, "2026-01-01", 1)), "");
        let ended = EventAccount { ended_on: Some(day("2026-02-01")), ..account() };
        assert_eq!(against(ended, &event(EventType::Payment, "2026-02-01", 1)), "");
        assert_eq!(against(ended, &event(EventType::Payment, "2026-02-02", 1)), "E006 R");
        assert_eq!(against(ended, &event(EventType::Recovery, "2026-02-02", 1)), "");
    }

    #[test]
    fn what_is_paid_too_much_is_doubted_only_after_the_snapshot() {
        assert_eq!(against(account(), &event(EventType::Payment, "2026-02-01", 30_000)), "");
        assert_eq!(against(account(), &event(EventType::Payment, "2026-02-01", 30_001)), "E007 W");
        assert_eq!(against(account(), &event(EventType::Payment, "2026-01-31", 30_001)), "");
    }

    #[test]
    fn instalments_and_cancellations_fit_the_plan() {
        let numbered =
            |n| RepaymentEvent { instalment_no: Some(n), ..event(EventType::Payment, "2026-02-01", 1) };
        assert_eq!(against(account(), &numbered(3)), "");
        assert_eq!(against(account(), &numbered(4)), "E009 R");
        let cancelled = event(EventType::Cancellation, "2026-02-01", 0);
        assert_eq!(against(EventAccount { payments: 1, ..account() }, &cancelled), "");
        assert_eq!(against(EventAccount { payments: 2, ..account() }, &cancelled), "E010 W");
    }

    #[test]
    fn a_payment_is_taken_back_once_and_not_beyond_its_amount() {
        let mut ledger = AccountLedger::new(account());
        ledger.post(&RepaymentEvent {
            event_id: Some("PAY"),
            ..event(EventType::Payment, "2026-02-01", 10_000)
        });
        assert_eq!((ledger.account.outstanding, ledger.account.payments), (Sen(20_000), 1));
        let reversal = |target, amount| RepaymentEvent {
            event_id: Some("REV"),
            reverses_event_id: Some(target),
            ..event(EventType::PaymentReversal, "2026-02-03", amount)
        };
        let check = |ledger: &AccountLedger, event: &RepaymentEvent<'_>| {
            let mut findings = Vec::new();
            ledger.check(event, &mut findings);
            findings.first().and_then(|finding| finding.detail.as_deref().map(str::to_owned))
        };
        let missing = check(&ledger, &reversal("OTHER", 1));
        assert_eq!(missing.as_deref(), Some("no such payment of the account"));
        assert_eq!(check(&ledger, &reversal("PAY", 10_001)).as_deref(), Some("smaller than its reversal"));
        assert_eq!(check(&ledger, &reversal("PAY", 10_000)), None);
        ledger.post(&reversal("PAY", 10_000));
        assert_eq!((ledger.account.outstanding, ledger.account.payments), (Sen(30_000), 0));
        assert_eq!(check(&ledger, &reversal("PAY", 10_000)).as_deref(), Some("reversed already"));
    }

    #[test]
    fn an_event_that_ends_the_account_ends_its_payments() {
        let mut ledger = AccountLedger::new(account());
        ledger.post(&event(EventType::WriteOff, "2026-02-05", 30_000));
        let mut findings = Vec::new();
        ledger.check(&event(EventType::Payment, "2026-02-06", 100), &mut findings);
        assert_eq!(shown(&findings), "E006 R");
    }
}
