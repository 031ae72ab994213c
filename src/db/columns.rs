//! Lists of columns that several tables share under the same names: a statement that copies them from one to the
//! other names each list once.

/// Names with a prefix before each, as one literal.
macro_rules! prefixed {
    ($prefix:literal, $first:literal $(, $name:literal)* $(,)?) => {
        concat!($prefix, $first $(, ", ", $prefix, $name)*)
    };
}

/// What a snapshot says of an account, without the keys: the same in `staged_accounts`, `account_snapshots` and
/// `accounts`.
macro_rules! snapshot_columns {
    ($prefix:literal) => {
        $crate::db::columns::prefixed!(
            $prefix,
            "record_no",
            "outstanding_sen",
            "overdue_sen",
            "original_amount_sen",
            "credit_limit_sen",
            "instalment_amount_sen",
            "next_due_amount_sen",
            "write_off_amount_sen",
            "fees_outstanding_sen",
            "as_of_date",
            "opened_date",
            "status_date",
            "maturity_date",
            "closed_date",
            "first_delinquency_date",
            "next_due_date",
            "write_off_date",
            "settled_date",
            "instalments_total",
            "instalments_paid",
            "instalments_overdue",
            "dpd",
            "holder_role",
            "product_type",
            "portfolio_type",
            "status",
            "payment_frequency",
            "settlement_type",
            "restructured",
            "hardship",
            "legal_action",
            "contributor_dispute",
            "listing_requested",
            "currency",
            "evidence_ref",
        )
    };
}

/// What of a snapshot only the journal keeps: the same in `staged_accounts` and `account_snapshots`.
macro_rules! journal_columns {
    ($prefix:literal) => {
        $crate::db::columns::prefixed!(
            $prefix,
            "amount_paid_period_sen",
            "last_payment_amount_sen",
            "last_payment_date",
            "oldest_unpaid_due_date",
            "imputed",
        )
    };
}

/// What an event says, without the keys: the same in `staged_events`, `parked_events` and `repayment_events`.
macro_rules! event_columns {
    ($prefix:literal) => {
        $crate::db::columns::prefixed!(
            $prefix,
            "record_no",
            "event_at",
            "amount_sen",
            "value_date",
            "instalment_due_date",
            "new_due_date",
            "instalment_no",
            "event_type",
            "channel",
            "event_id",
            "account_ref",
            "reverses_event_id",
            "content",
        )
    };
}

/// What an application says, with the person that it is of: the same in `staged_applications` and `applications`.
macro_rules! application_columns {
    ($prefix:literal) => {
        $crate::db::columns::prefixed!(
            $prefix,
            "subject_id",
            "record_no",
            "applied_at",
            "decision_at",
            "amount_requested_sen",
            "amount_approved_sen",
            "tenor_days",
            "holder_role",
            "product_type",
            "decision",
            "channel",
            "application_ref",
            "account_ref",
        )
    };
}

pub(crate) use {application_columns, event_columns, journal_columns, prefixed, snapshot_columns};
