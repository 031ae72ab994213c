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

pub(crate) use {journal_columns, prefixed, snapshot_columns};
