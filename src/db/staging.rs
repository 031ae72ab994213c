//! `staged_accounts`: one batch's accepted rows on their way into the serving store.
//!
//! A temporary table of the worker's own connection: written without WAL, gone with the connection, invisible
//! to everybody else. A batch that dies leaves nothing to clean.

use futures::stream::BoxStream;
use sqlx::{FromRow, PgConnection};

use super::copy::TupleWriter;
use crate::domain::contract::{AccountSnapshot, Field};
use crate::domain::money::Sen;
use crate::error::Result;
use crate::ids::SubjectId;

/// Fields of a staged tuple, in the order of the table.
pub const FIELDS: i16 = 51;

/// Makes the table at first use of a connection and empties it afterwards.
pub async fn prepare(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "/* staging.create */ CREATE TEMPORARY TABLE IF NOT EXISTS staged_accounts (
            subject_id uuid NOT NULL,
            record_no bigint NOT NULL,
            outstanding_sen bigint NOT NULL,
            overdue_sen bigint NOT NULL,
            original_amount_sen bigint,
            credit_limit_sen bigint,
            instalment_amount_sen bigint,
            next_due_amount_sen bigint,
            write_off_amount_sen bigint,
            fees_outstanding_sen bigint,
            amount_paid_period_sen bigint,
            last_payment_amount_sen bigint,
            as_of_date date NOT NULL,
            opened_date date NOT NULL,
            status_date date NOT NULL,
            maturity_date date,
            closed_date date,
            first_delinquency_date date,
            next_due_date date,
            write_off_date date,
            settled_date date,
            last_payment_date date,
            oldest_unpaid_due_date date,
            instalments_total integer,
            instalments_paid integer,
            instalments_overdue integer,
            dpd smallint NOT NULL,
            holder_role smallint NOT NULL,
            product_type smallint NOT NULL,
            portfolio_type smallint NOT NULL,
            status smallint NOT NULL,
            payment_frequency smallint,
            settlement_type smallint,
            restructured boolean NOT NULL,
            hardship boolean NOT NULL,
            legal_action boolean NOT NULL,
            contributor_dispute boolean NOT NULL,
            listing_requested boolean NOT NULL,
            account_ref text NOT NULL,
            currency text NOT NULL,
            evidence_ref text,
            imputed text[],
            -- The person, as far as this batch is the first to name them: null when the subject is known.
            token bytea NOT NULL,
            new_subject boolean NOT NULL,
            id_type smallint NOT NULL,
            subject_type smallint NOT NULL,
            sealed_number bytea,
            sealed_name bytea,
            secondary_token bytea,
            secondary_id_type smallint,
            secondary_sealed bytea
        ) ON COMMIT PRESERVE ROWS",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query("/* staging.clear */ TRUNCATE staged_accounts").execute(connection).await?;
    Ok(())
}

pub const COPY: &str = "COPY staged_accounts FROM STDIN (FORMAT binary)";

/// Writes the account's own columns (all between `subject_id` and `token`) of a record that passed its rules.
/// `None` when a required value is missing, which the rules exclude.
pub fn write_account(tuple: &mut TupleWriter, record_no: u64, record: &AccountSnapshot<'_>) -> Option<()> {
    let sen = |amount: Option<Sen>| amount.map(|amount| amount.0);
    let count = |count: Option<u16>| count.map(i32::from);
    tuple.bigint(Some(record_no as i64));
    tuple.bigint(Some(record.outstanding?.0));
    tuple.bigint(Some(record.overdue?.0));
    tuple.bigint(sen(record.original_amount));
    tuple.bigint(sen(record.credit_limit));
    tuple.bigint(sen(record.instalment_amount));
    tuple.bigint(sen(record.next_due_amount));
    tuple.bigint(sen(record.write_off_amount));
    tuple.bigint(sen(record.fees_outstanding));
    tuple.bigint(sen(record.amount_paid_period));
    tuple.bigint(sen(record.last_payment_amount));
    tuple.date(Some(record.as_of_date?));
    tuple.date(Some(record.opened_date?));
    tuple.date(Some(record.status_date?));
    tuple.date(record.maturity_date);
    tuple.date(record.closed_date);
    tuple.date(record.first_delinquency_date);
    tuple.date(record.next_due_date);
    tuple.date(record.write_off_date);
    tuple.date(record.settled_date);
    tuple.date(record.last_payment_date);
    tuple.date(record.oldest_unpaid_due_date);
    tuple.integer(count(record.instalments_total));
    tuple.integer(count(record.instalments_paid));
    tuple.integer(count(record.instalments_overdue));
    tuple.smallint(Some(record.dpd? as i16));
    tuple.smallint(Some(record.holder_role? as i16));
    tuple.smallint(Some(record.product_type? as i16));
    tuple.smallint(Some(record.portfolio_type? as i16));
    tuple.smallint(Some(record.status? as i16));
    tuple.smallint(record.payment_frequency.map(|word| word as i16));
    tuple.smallint(record.settlement_type.map(|word| word as i16));
    tuple.boolean(record.restructured.unwrap_or(false));
    tuple.boolean(record.hardship.unwrap_or(false));
    tuple.boolean(record.legal_action.unwrap_or(false));
    tuple.boolean(record.contributor_dispute.unwrap_or(false));
    tuple.boolean(record.listing_requested.unwrap_or(false));
    tuple.text(record.account_ref?);
    tuple.text(record.currency?);
    tuple.optional_text(record.evidence_ref);
    tuple.texts(&record.imputed.iter().map(Field::name).collect::<Vec<_>>());
    Some(())
}

/// Which account a staged row is about.
#[derive(Clone, Debug, FromRow)]
pub struct StagedRef {
    pub record_no: i64,
    pub account_ref: String,
}

/// Takes the rows out whose bits are set (see `Marks::to_bits`), and gives them back in the order of their numbers, as
/// they come: there may be millions.
pub fn remove(connection: &mut PgConnection, bits: Vec<u8>) -> BoxStream<'_, sqlx::Result<StagedRef>> {
    sqlx::query_as(
        "/* staging.remove */ WITH removed AS (
            DELETE FROM staged_accounts WHERE get_bit($1, record_no) = 1 RETURNING record_no, account_ref)
        SELECT record_no, account_ref FROM removed ORDER BY record_no",
    )
    .bind(bits)
    .fetch(connection)
}

/// The staged rows of the same accounts as the rows whose bits are set, these included: what is wrong with an
/// account's primary holder concerns all its holders.
pub fn rows_of_same_accounts(
    connection: &mut PgConnection,
    bits: Vec<u8>,
) -> BoxStream<'_, sqlx::Result<i64>> {
    sqlx::query_scalar(
        "/* staging.rows_of_same_accounts */ SELECT record_no FROM staged_accounts
        WHERE account_ref IN (SELECT account_ref FROM staged_accounts WHERE get_bit($1, record_no) = 1)",
    )
    .bind(bits)
    .fetch(connection)
}

/// Account references of staged rows, for the samples of a report.
pub async fn account_refs(connection: &mut PgConnection, record_nos: &[i64]) -> Result<Vec<StagedRef>> {
    let rows = sqlx::query_as(
        "/* staging.account_refs */ SELECT record_no, account_ref FROM staged_accounts WHERE record_no = ANY($1)",
    )
    .bind(record_nos)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// What a subject known by an identifier is called inside.
#[derive(Clone, Debug, FromRow)]
pub struct KnownSubject {
    pub token: Vec<u8>,
    pub subject_id: SubjectId,
    /// The name as first reported.
    pub sealed_name: Option<Vec<u8>>,
}
