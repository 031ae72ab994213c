//! The floor of a publication: somebody who knows the tables copies the same rows into a temporary table and upserts
//! them by hand, in one transaction, into tables of the same shape.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use etrplus::db::copy::{HEADER, TRAILER, TupleWriter};
use etrplus::db::staging;
use etrplus::domain::contract::ndjson::NdjsonReader;
use etrplus::domain::contract::{IdType, MoneyUnit, SubjectType, Terms, spec};
use etrplus::domain::rules::field::{FieldContext, MoneyForms, read_snapshot};
use etrplus::privacy::random;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::rows::Rows;
use crate::world::Database;

const ROWS_PER_MESSAGE: u64 = 8192;
/// Version, nonce and tag around a sealed value.
const SEALED: usize = 29;
const TOKEN: usize = 17;

/// Rows ready to be copied: what encoding costs is not the floor's.
pub struct Encoded {
    messages: Vec<Vec<u8>>,
    rows: u64,
}

/// The rows as tuples of the staging table, with random tokens and sealed values of the right size.
pub fn encode(rows: &Rows, count: u64) -> Result<Encoded> {
    let terms = Terms::default();
    let money_forms = MoneyForms::default();
    let context = FieldContext { terms: &terms, money: MoneyUnit::Sen, money_forms: &money_forms };
    let mut reader = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT);
    let (mut line, mut findings) = (Vec::new(), Vec::new());
    let (mut tuple, mut messages) = (TupleWriter::default(), Vec::new());
    for n in 0..count {
        line.clear();
        rows.write_ndjson(n, &mut line);
        let row = reader.read(&line)?;
        let record = read_snapshot(&row, &context, &mut findings);
        tuple.tuple(staging::FIELDS);
        tuple.uuid(random::uuid_v4());
        staging::write_account(&mut tuple, n + 1, &record).context("a row without a required value")?;
        tuple.bytea(Some(&random::bytes::<TOKEN>()));
        tuple.boolean(true);
        tuple.smallint(Some(IdType::Nric as i16));
        tuple.smallint(Some(SubjectType::Individual as i16));
        tuple.bytea(Some(&random::bytes::<{ 12 + SEALED }>()));
        tuple.bytea(Some(&random::bytes::<{ 24 + SEALED }>()));
        (0..3).for_each(|_| tuple.null());
        if (n + 1).is_multiple_of(ROWS_PER_MESSAGE) || n + 1 == count {
            messages.push(std::mem::take(&mut tuple.bytes));
        }
    }
    Ok(Encoded { messages, rows: count })
}

/// Makes tables of the same shape, indexes and constraints, and loads them; returns how long the load took.
pub async fn load(database: &Database, encoded: &Encoded) -> Result<Duration> {
    let mut connection = database.connect().await?;
    for statement in CLONES.into_iter().chain(SETTINGS) {
        connection.execute(statement).await?;
    }
    let begun = Instant::now();
    staging::prepare(&mut connection).await?;
    let mut copy = connection.copy_in_raw(staging::COPY).await?;
    copy.send(HEADER).await?;
    for message in &encoded.messages {
        copy.send(message.as_slice()).await?;
    }
    copy.send(TRAILER).await?;
    copy.finish().await?;
    let mut transaction = connection.begin().await?;
    upsert(&mut transaction, database, encoded.rows).await?;
    transaction.commit().await?;
    let taken = begun.elapsed();
    connection.execute("DROP SCHEMA hand CASCADE").await?;
    connection.close().await?;
    Ok(taken)
}

async fn upsert(connection: &mut PgConnection, database: &Database, rows: u64) -> Result<()> {
    for statement in [SUBJECTS, IDENTIFIERS] {
        let done = connection.execute(statement).await?;
        ensure!(done.rows_affected() == rows, "{} rows of {rows}", done.rows_affected());
    }
    let done = sqlx::query(ACCOUNTS)
        .bind(database.contributor_id)
        .bind(random::uuid_v4())
        .bind("by hand")
        .execute(connection)
        .await?;
    ensure!(done.rows_affected() == rows, "{} accounts of {rows}", done.rows_affected());
    Ok(())
}

const CLONES: [&str; 4] = [
    "CREATE SCHEMA hand",
    "CREATE TABLE hand.subjects (LIKE subjects INCLUDING ALL)",
    "CREATE TABLE hand.subject_identifiers (LIKE subject_identifiers INCLUDING ALL)",
    "CREATE TABLE hand.accounts (LIKE accounts INCLUDING ALL)",
];
/// As a worker has them.
const SETTINGS: [&str; 2] = ["SET temp_buffers = '128MB'", "SET work_mem = '64MB'"];

const SUBJECTS: &str = "INSERT INTO hand.subjects (subject_id, subject_type, primary_token, sealed_name)
    SELECT subject_id, subject_type, token, sealed_name FROM staged_accounts ON CONFLICT DO NOTHING";

const IDENTIFIERS: &str = "INSERT INTO hand.subject_identifiers (subject_id, id_type, token, sealed_number)
    SELECT subject_id, id_type, token, sealed_number FROM staged_accounts ON CONFLICT DO NOTHING";

const ACCOUNTS: &str = "INSERT INTO hand.accounts (subject_id, contributor_id, batch_id, record_no, known_from,
        outstanding_sen, overdue_sen, original_amount_sen, credit_limit_sen, instalment_amount_sen,
        next_due_amount_sen, write_off_amount_sen, as_of_date, opened_date, status_date, maturity_date, closed_date,
        first_delinquency_date, next_due_date, write_off_date, settled_date, instalments_total, instalments_paid,
        instalments_overdue, dpd, holder_role, product_type, portfolio_type, status, payment_frequency,
        settlement_type, restructured, hardship, legal_action, contributor_dispute, account_ref, currency,
        rules_version, month_as_of, month_status, month_dpd, month_outstanding_sen, month_overdue_sen)
    SELECT subject_id, $1, $2, record_no, now(), outstanding_sen, overdue_sen, original_amount_sen,
        credit_limit_sen, instalment_amount_sen, next_due_amount_sen, write_off_amount_sen, as_of_date, opened_date,
        status_date, maturity_date, closed_date, first_delinquency_date, next_due_date, write_off_date, settled_date,
        instalments_total, instalments_paid, instalments_overdue, dpd, holder_role, product_type, portfolio_type,
        status, payment_frequency, settlement_type, restructured, hardship, legal_action, contributor_dispute,
        account_ref, currency, $3, ARRAY[as_of_date], ARRAY[status], ARRAY[dpd], ARRAY[outstanding_sen],
        ARRAY[overdue_sen]
    FROM staged_accounts
    ON CONFLICT (subject_id, contributor_id, account_ref) DO UPDATE
    SET outstanding_sen = excluded.outstanding_sen, overdue_sen = excluded.overdue_sen, dpd = excluded.dpd,
        status = excluded.status, as_of_date = excluded.as_of_date, batch_id = excluded.batch_id";
