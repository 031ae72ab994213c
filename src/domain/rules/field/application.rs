//! V rules of `application`.

use super::FieldContext;
use super::cells::Cells;
use super::snapshot::{check_name, check_secondary_pair};
use crate::domain::contract::row::Row;
use crate::domain::contract::{
    Application, ApplicationChannel, Decision, Field, HolderRole, IdType, ProductType, SubjectBlock,
    SubjectType,
};
use crate::domain::finding::Finding;

/// Reads a row by type and puts down what is wrong with each field: V001 to V017. `holder_role` is PRIMARY when absent.
pub fn read_application<'a>(
    row: &'a Row<'_>,
    context: &FieldContext<'_>,
    findings: &mut Vec<Finding>,
) -> Application<'a> {
    let mut cells = Cells::new(row, context, findings);
    let application = read_fields(&mut cells, row);
    let name = cells.name;
    check_secondary_pair(row, findings);
    let subject = &application.subject;
    check_name(subject.full_name.map(|text| (text, name)), subject.subject_type, findings);
    application
}

fn read_fields<'a>(cells: &mut Cells<'a, '_, '_>, row: &Row<'_>) -> Application<'a> {
    let mut application = Application {
        subject: SubjectBlock {
            subject_type: cells.word(Field::SubjectType, SubjectType::parse),
            id_type: cells.word(Field::IdType, IdType::parse),
            id_number: cells.text(Field::IdNumber),
            id_country: cells.text(Field::IdCountry),
            secondary_id_type: cells.word(Field::SecondaryIdType, IdType::parse),
            secondary_id_number: cells.text(Field::SecondaryIdNumber),
            full_name: cells.text(Field::FullName),
            date_of_birth: cells.date(Field::DateOfBirth),
            ..SubjectBlock::default()
        },
        phone: cells.text(Field::Phone),
        postcode: cells.text(Field::Postcode),
        holder_role: cells.word(Field::HolderRole, HolderRole::parse),
        application_ref: cells.text(Field::ApplicationRef),
        applied_at: cells.instant(Field::AppliedAt),
        product_type: cells.word(Field::ProductType, ProductType::parse),
        amount_requested: cells.money(Field::AmountRequested),
        tenor_days: cells.count(Field::TenorDays),
        decision: cells.word(Field::Decision, Decision::parse),
        decision_at: cells.instant(Field::DecisionAt),
        amount_approved: cells.money(Field::AmountApproved),
        account_ref: cells.text(Field::AccountRef),
        channel: cells.word(Field::Channel, ApplicationChannel::parse),
        unreadable: cells.unreadable,
    };
    application.unreadable = cells.unreadable;
    application.subject.unreadable = cells.unreadable;
    if !row.present().contains(Field::HolderRole) {
        application.holder_role = Some(HolderRole::Primary);
    }
    application
}
