//! `application`: who asked for credit and what became of it (`domain.md` 6.1 C), after the subject block.

use super::super::codes::*;
use super::super::field::Field;
use super::Class::{Financial, Internal, Quasi};
use super::Kind::{Count, Instant, Money, Text, Word};
use super::Need::{Optional, Required, When};
use super::{FieldSpec, Form, line};

#[rustfmt::skip]
pub(super) const LINES: &[FieldSpec] = &[
    line(Field::ApplicationRef, Text(64, Form::Reference), Required, Internal, "The contributor's reference of the application: stable, without personal data."),
    line(Field::AppliedAt, Instant, Required, Financial, "The instant of the application."),
    line(Field::ProductType, Word(ProductType::WORDS), Required, Financial, "What was asked for."),
    line(Field::AmountRequested, Money, Required, Financial, "How much was asked for."),
    line(Field::TenorDays, Count(u16::MAX), Optional, Financial, "For how many days."),
    line(Field::Decision, Word(Decision::WORDS), Required, Financial, "Where the decision stands. Declines are never shown to anybody else."),
    line(Field::DecisionAt, Instant, Optional, Financial, "The instant of the decision."),
    line(Field::AmountApproved, Money, When("decision is APPROVED or COUNTER_OFFERED"), Financial, "How much was approved or offered."),
    line(Field::AccountRef, Text(64, Form::AccountRef), Optional, Internal, "The account that came of it, as its snapshots name it."),
    line(Field::Channel, Word(ApplicationChannel::WORDS), Optional, Quasi, "How the application was made."),
];
