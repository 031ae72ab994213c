//! `repayment_event`: what happened to an account between snapshots (`domain.md` 6.1 B).

use super::super::codes::*;
use super::super::field::Field;
use super::Class::{Financial, Internal, Quasi};
use super::Kind::{Count, Date, Instant, Money, Text, Word};
use super::Need::{Optional, Required, Wanted, When};
use super::{FieldSpec, Form, line};

#[rustfmt::skip]
pub(super) const LINES: &[FieldSpec] = &[
    line(Field::EventId, Text(64, Form::Reference), Required, Internal, "The contributor's reference of the event: never used again for another one."),
    line(Field::AccountRef, Text(64, Form::AccountRef), Required, Internal, "The account it happened to, as its snapshots name it."),
    line(Field::EventType, Word(EventType::WORDS), Required, Financial, "What happened."),
    line(Field::EventAt, Instant, Optional, Financial, "The instant it happened. Days late are never counted from it."),
    line(Field::ValueDate, Date, Required, Financial, "The calendar day it counts for, in Asia/Kuala_Lumpur."),
    line(Field::Amount, Money, When("event_type moves money: all but RESCHEDULE, RESTRUCTURE and CANCELLATION"), Financial, "How much, above 0; what it does to the balance follows from event_type."),
    line(Field::InstalmentNo, Count(u16::MAX), Optional, Financial, "The instalment it belongs to, counted from 1."),
    line(Field::InstalmentDueDate, Date, Wanted("event_type is PAYMENT of an instalment"), Financial, "The day that instalment was due: value_date after it is days late."),
    line(Field::NewDueDate, Date, Wanted("event_type is RESCHEDULE"), Financial, "The day that the next amount falls due now."),
    line(Field::ReversesEventId, Text(64, Form::Reference), When("event_type is PAYMENT_REVERSAL"), Internal, "event_id of the payment that is taken back."),
    line(Field::Channel, Word(PaymentChannel::WORDS), Optional, Quasi, "How it was paid."),
];
