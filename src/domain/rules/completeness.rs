//! Completeness: which conditional fields a row should carry, and which it leaves out.
//!
//! Contract v1 takes real books with gaps and scores the gaps (`domain.md` 6.1 "C" fields, 6.4 scorecard).
//! Fields whose absence rejects the row (closed_date, write-off, sale, the amounts of X013, a passport's
//! country) are not here: a row that is counted has them.

use crate::domain::contract::{AccountSnapshot, AccountStatus, Field, IdType, PortfolioType, SubjectType};

/// A conditional field: when it is expected, and whether it is there.
struct Conditional {
    field: Field,
    expected: fn(&AccountSnapshot<'_>) -> bool,
    present: fn(&AccountSnapshot<'_>) -> bool,
}

/// Declares the table: `Field column when condition`.
macro_rules! conditional {
    ($($field:ident $column:ident when $expected:ident),+ $(,)?) => {
        &[$(Conditional { field: Field::$field, expected: $expected, present: |r| r.$column.is_some() }),+]
    };
}

const CONDITIONAL: &[Conditional] = conditional![
    DateOfBirth date_of_birth when individual_without_nric,
    InstalmentAmount instalment_amount when instalment,
    InstalmentsTotal instalments_total when instalment,
    InstalmentsPaid instalments_paid when instalment,
    InstalmentsOverdue instalments_overdue when instalment,
    PaymentFrequency payment_frequency when instalment,
    OldestUnpaidDueDate oldest_unpaid_due_date when past_due,
    FirstDelinquencyDate first_delinquency_date when delinquent,
    AgingCurrent aging_current when open,
    Aging130 aging_1_30 when open,
    Aging3160 aging_31_60 when open,
    Aging6190 aging_61_90 when open,
    Aging91120 aging_91_120 when open,
    Aging121150 aging_121_150 when open,
    Aging151180 aging_151_180 when open,
    Aging181Plus aging_181_plus when open,
    NextDueDate next_due_date when active_instalment,
    NextDueAmount next_due_amount when active_instalment,
    SettledDate settled_date when settled,
    SettlementType settlement_type when settled,
];

/// How many conditional fields a row should carry, given what it says of itself, and how many of these it does not. A
/// field that a constant fills in was not reported: it counts among both, whatever kind of field it is.
pub fn expected_and_missing(record: &AccountSnapshot<'_>) -> (u32, u32) {
    let (mut expected, mut missing) = (0, 0);
    for conditional in CONDITIONAL {
        if (conditional.expected)(record) {
            expected += 1;
            let imputed = record.imputed.contains(conditional.field);
            missing += u32::from(imputed || !(conditional.present)(record));
        }
    }
    if !record.imputed.is_empty() {
        let conditional =
            |field: Field| CONDITIONAL.iter().any(|other| other.field == field && (other.expected)(record));
        let others = record.imputed.iter().filter(|field| !conditional(*field)).count() as u32;
        (expected, missing) = (expected + others, missing + others);
    }
    (expected, missing)
}

/// The conditional fields that a row should carry and does not, in the order of the contract.
pub fn missing_conditional_fields(record: &AccountSnapshot<'_>) -> impl Iterator<Item = Field> {
    CONDITIONAL
        .iter()
        .filter(move |conditional| (conditional.expected)(record) && !(conditional.present)(record))
        .map(|conditional| conditional.field)
}

fn individual_without_nric(r: &AccountSnapshot<'_>) -> bool {
    r.subject_type == Some(SubjectType::Individual) && r.id_type.is_some_and(|id| id != IdType::Nric)
}

fn instalment(r: &AccountSnapshot<'_>) -> bool {
    r.portfolio_type == Some(PortfolioType::Instalment)
}

fn active_instalment(r: &AccountSnapshot<'_>) -> bool {
    instalment(r) && r.status == Some(AccountStatus::Active)
}

fn open(r: &AccountSnapshot<'_>) -> bool {
    r.portfolio_type == Some(PortfolioType::Open)
}

fn past_due(r: &AccountSnapshot<'_>) -> bool {
    r.dpd.is_some_and(|dpd| dpd > 0)
}

fn delinquent(r: &AccountSnapshot<'_>) -> bool {
    r.dpd.is_some_and(|dpd| dpd >= 30)
}

fn settled(r: &AccountSnapshot<'_>) -> bool {
    matches!(r.status, Some(AccountStatus::Settled | AccountStatus::SettledShort))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(record: &AccountSnapshot<'_>) -> Vec<Field> {
        missing_conditional_fields(record).collect()
    }

    #[test]
    fn an_active_instalment_account_should_tell_its_plan_and_its_next_due_date() {
        let bare = AccountSnapshot {
            portfolio_type: Some(PortfolioType::Instalment),
            status: Some(AccountStatus::Active),
            ..AccountSnapshot::default()
        };
        assert_eq!(expected_and_missing(&bare), (7, 7));
        assert_eq!(missing(&bare).len(), 7);

        let fuller = AccountSnapshot { instalments_total: Some(12), instalments_paid: Some(3), ..bare };
        assert_eq!(missing(&fuller).len(), 5);
        assert_eq!(expected_and_missing(&fuller), (7, 5));
        assert!(!missing(&fuller).contains(&Field::InstalmentsTotal));
    }

    #[test]
    fn what_a_constant_fills_in_was_not_reported() {
        let plan = AccountSnapshot {
            portfolio_type: Some(PortfolioType::Instalment),
            status: Some(AccountStatus::Active),
            instalments_total: Some(12),
            opened_date: chrono::NaiveDate::from_ymd_opt(2026, 1, 1),
            ..AccountSnapshot::default()
        };
        assert_eq!(expected_and_missing(&plan), (7, 6));
        let imputed = [Field::InstalmentsTotal, Field::OpenedDate].into_iter().collect();
        assert_eq!(expected_and_missing(&AccountSnapshot { imputed, ..plan }), (8, 8));
    }

    #[test]
    fn arrears_bring_their_dates_with_them() {
        let late = |dpd| AccountSnapshot { dpd: Some(dpd), ..AccountSnapshot::default() };
        assert!(missing(&late(0)).is_empty());
        assert_eq!(missing(&late(1)), [Field::OldestUnpaidDueDate]);
        assert_eq!(missing(&late(30)), [Field::OldestUnpaidDueDate, Field::FirstDelinquencyDate]);
    }

    #[test]
    fn a_row_that_says_nothing_of_its_kind_is_expected_to_carry_nothing() {
        assert_eq!(expected_and_missing(&AccountSnapshot::default()), (0, 0));
    }
}
