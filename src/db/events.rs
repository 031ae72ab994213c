//! `repayment_events`: the journal of accepted events, and what rules ask of it.
//!
//! An event counts unless it is withdrawn. It is withdrawn with its batch and in no other way; a mistake in an event
//! is taken back by another event.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::columns::event_columns;
use super::lake_entries;
use super::serving::Origin;
use super::staged_events::word;
use crate::domain::contract::{AccountStatus, EventType};
use crate::domain::money::Sen;
use crate::domain::rules::events::{EventAccount, Target};
use crate::domain::rules::history::Movements;
use crate::error::{Error, Result};
use crate::ids::{BatchId, ContributorId};

/// Whether the contributor tells repayments by events: any counts or is parked.
pub async fn sends_events(ex: impl PgExecutor<'_>, contributor: ContributorId) -> Result<bool> {
    let any = sqlx::query_scalar(
        "/* events.sends_events */ SELECT
            EXISTS (SELECT FROM repayment_events WHERE contributor_id = $1 AND withdrawn_at IS NULL)
            OR EXISTS (SELECT FROM parked_events WHERE contributor_id = $1 AND withdrawn_at IS NULL)",
    )
    .bind(contributor)
    .fetch_one(ex)
    .await?;
    Ok(any)
}

// The statements below ask about many at once, and in one pass: a look into an index for each goes wrong where the tables
// are new and nobody has counted their rows. A reversal is of an event of its own account (E005).

/// The contents behind event ids that are taken, by accepted events or by parked ones. Those of batches that are
/// replaced are free.
pub async fn known_contents(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    event_ids: &[&str],
    replaced: &[BatchId],
) -> Result<Vec<(String, Vec<u8>)>> {
    let known = sqlx::query_as(
        "/* events.known_contents */ SELECT event_id, content FROM repayment_events
        WHERE contributor_id = $1 AND event_id = ANY($2) AND withdrawn_at IS NULL AND batch_id <> ALL($3)
        UNION ALL
        SELECT event_id, content FROM parked_events
        WHERE contributor_id = $1 AND event_id = ANY($2) AND withdrawn_at IS NULL AND batch_id <> ALL($3)",
    )
    .bind(contributor)
    .bind(event_ids)
    .bind(replaced)
    .fetch_all(ex)
    .await?;
    Ok(known)
}

#[derive(FromRow)]
struct AccountRow {
    account_ref: String,
    opened_date: NaiveDate,
    as_of_date: NaiveDate,
    status: i16,
    closed_date: Option<NaiveDate>,
    instalments_total: Option<i32>,
    outstanding_sen: i64,
    payments: i64,
    ended_by_event: Option<NaiveDate>,
}

/// The accounts behind references, as an arriving event finds them.
pub async fn accounts(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    account_refs: &[&str],
    replaced: &[BatchId],
) -> Result<Vec<(String, EventAccount)>> {
    let rows: Vec<AccountRow> = sqlx::query_as(
        "/* events.accounts */ SELECT a.account_ref, a.opened_date, a.as_of_date, a.status, a.closed_date,
            a.instalments_total, coalesce(a.event_outstanding_sen, a.outstanding_sen) AS outstanding_sen,
            coalesce(e.payments, 0) AS payments, e.ended_by_event
        FROM (
            SELECT DISTINCT ON (account_ref) * FROM accounts
            WHERE contributor_id = $1 AND account_ref = ANY($2) ORDER BY account_ref, holder_role) a
        LEFT JOIN (
            SELECT account_ref, count(*) FILTER (WHERE event_type = 1) AS payments,
                   min(value_date) FILTER (WHERE event_type IN (8, 9, 11)) AS ended_by_event
            FROM repayment_events
            WHERE contributor_id = $1 AND account_ref = ANY($2) AND withdrawn_at IS NULL
              AND batch_id <> ALL($3) AND event_type IN (1, 8, 9, 11)
              AND event_id NOT IN (SELECT t.reverses_event_id FROM repayment_events t
                  WHERE t.contributor_id = $1 AND t.account_ref = ANY($2) AND t.reverses_event_id IS NOT NULL
                    AND t.withdrawn_at IS NULL AND t.batch_id <> ALL($3))
            GROUP BY account_ref) e ON e.account_ref = a.account_ref",
    )
    .bind(contributor)
    .bind(account_refs)
    .bind(replaced)
    .fetch_all(ex)
    .await?;
    rows.into_iter().map(typed).collect()
}

fn typed(row: AccountRow) -> Result<(String, EventAccount)> {
    let wrong = |column| Error::Inconsistent { table: "accounts", column, row: row.account_ref.clone() };
    let status = word(AccountStatus::ALL, row.status).ok_or_else(|| wrong("status"))?;
    let instalments_total = row.instalments_total.map(u16::try_from).transpose();
    let closed = status.is_terminal().then_some(row.closed_date.unwrap_or(row.as_of_date));
    let account = EventAccount {
        opened_date: row.opened_date,
        as_of_date: row.as_of_date,
        ended_on: closed.into_iter().chain(row.ended_by_event).min(),
        instalments_total: instalments_total.map_err(|_| wrong("instalments_total"))?,
        outstanding: Sen(row.outstanding_sen),
        payments: u32::try_from(row.payments).unwrap_or(u32::MAX),
    };
    Ok((row.account_ref, account))
}

#[derive(FromRow)]
struct TargetRow {
    event_id: String,
    account_ref: String,
    event_type: i16,
    amount_sen: Option<i64>,
    reversed: bool,
}

/// The accepted events that reversals name: their id, their account, and what may still be taken back.
pub async fn targets(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    event_ids: &[&str],
    replaced: &[BatchId],
) -> Result<Vec<(String, String, Target)>> {
    let rows: Vec<TargetRow> = sqlx::query_as(
        "/* events.targets */ SELECT e.event_id, e.account_ref, e.event_type, e.amount_sen,
            EXISTS (SELECT FROM repayment_events t WHERE t.contributor_id = $1 AND t.reverses_event_id = e.event_id
                AND t.withdrawn_at IS NULL AND t.batch_id <> ALL($3)) AS reversed
        FROM repayment_events e
        WHERE e.contributor_id = $1 AND e.event_id = ANY($2) AND e.withdrawn_at IS NULL
          AND e.batch_id <> ALL($3)",
    )
    .bind(contributor)
    .bind(event_ids)
    .bind(replaced)
    .fetch_all(ex)
    .await?;
    let target = |row: TargetRow| {
        let wrong = || Error::Inconsistent {
            table: "repayment_events",
            column: "event_type",
            row: row.event_id.clone(),
        };
        let event_type = word(EventType::ALL, row.event_type).ok_or_else(wrong)?;
        let amount = Sen(row.amount_sen.unwrap_or(0));
        Ok((row.event_id, row.account_ref, Target { event_type, amount, reversed: row.reversed }))
    };
    rows.into_iter().map(target).collect()
}

#[derive(FromRow)]
struct DayRow {
    account_ref: String,
    value_date: NaiveDate,
    paid: i64,
    reversed: i64,
    refunded: i64,
    written_off: i64,
    restructured: bool,
    settled: bool,
}

/// What events moved on the accounts behind references, by account and value date: what the history rules (P005, P007,
/// P013, P014, P016, X030) compare a snapshot with. A settlement that was taken back settled nothing.
pub async fn movements(
    ex: impl PgExecutor<'_>,
    contributor: ContributorId,
    account_refs: &[&str],
) -> Result<Vec<(String, NaiveDate, Movements)>> {
    let rows: Vec<DayRow> = sqlx::query_as(
        "/* events.movements */ SELECT r.account_ref, e.* FROM unnest($2::text[]) AS r (account_ref)
        CROSS JOIN LATERAL (
            SELECT value_date,
                coalesce(sum(amount_sen) FILTER (WHERE event_type IN (1, 8, 10)), 0)::bigint AS paid,
                coalesce(sum(amount_sen) FILTER (WHERE event_type = 2), 0)::bigint AS reversed,
                coalesce(sum(amount_sen) FILTER (WHERE event_type = 3), 0)::bigint AS refunded,
                coalesce(sum(amount_sen) FILTER (WHERE event_type = 9), 0)::bigint AS written_off,
                bool_or(event_type = 7) AS restructured,
                bool_or(event_type = 8 AND NOT EXISTS (
                    SELECT FROM repayment_events t WHERE t.contributor_id = $1
                      AND t.reverses_event_id = m.event_id AND t.withdrawn_at IS NULL)) AS settled
            FROM repayment_events m
            WHERE contributor_id = $1 AND account_ref = r.account_ref AND withdrawn_at IS NULL
            GROUP BY value_date) e",
    )
    .bind(contributor)
    .bind(account_refs)
    .fetch_all(ex)
    .await?;
    let day = |row: DayRow| {
        let movements = Movements {
            paid: Sen(row.paid),
            reversed: Sen(row.reversed),
            refunded: Sen(row.refunded),
            written_off: Sen(row.written_off),
            restructured: row.restructured,
            settled: row.settled,
        };
        (row.account_ref, row.value_date, movements)
    };
    Ok(rows.into_iter().map(day).collect())
}

/// Enters the staged events that are not parked.
pub async fn record_staged_in_tx(connection: &mut PgConnection, origin: &Origin<'_>) -> Result<()> {
    let recorded = sqlx::query(concat!(
        "/* events.record_staged */ INSERT INTO repayment_events (contributor_id, batch_id, publication_no, known_from,
            rules_version, contract, ",
        event_columns!(""),
        ") SELECT $1, $2, $3, $4, $5, $6, ",
        event_columns!("s."),
        " FROM staged_events s WHERE NOT s.parked"
    ))
    .bind(origin.contributor_id)
    .bind(origin.batch_id)
    .bind(origin.publication_no)
    .bind(origin.known_from)
    .bind(origin.rules_version)
    .bind(origin.contract)
    .execute(&mut *connection)
    .await?;
    let rows = recorded.rows_affected();
    lake_entries::enter_publication_in_tx(connection, "silver.repayment_events", origin, rows).await
}

/// Takes the events of a batch out of what counts, parked ones with them, and gives back the accounts whose state they
/// touched. Doing it again finds nothing.
pub async fn withdraw_in_tx(
    connection: &mut PgConnection,
    batch: BatchId,
    at: DateTime<Utc>,
) -> Result<Vec<String>> {
    sqlx::query(
        "/* events.withdraw_parked */ UPDATE parked_events SET withdrawn_at = $2
        WHERE batch_id = $1 AND withdrawn_at IS NULL",
    )
    .bind(batch)
    .bind(at)
    .execute(&mut *connection)
    .await?;
    let refs = sqlx::query_scalar(
        "/* events.withdraw */ WITH withdrawn AS (
            UPDATE repayment_events SET withdrawn_at = $2 WHERE batch_id = $1 AND withdrawn_at IS NULL
            RETURNING account_ref)
        SELECT DISTINCT account_ref FROM withdrawn",
    )
    .bind(batch)
    .bind(at)
    .fetch_all(connection)
    .await?;
    Ok(refs)
}

/// Lets the events of a batch count, or wait, again; gives back the accounts that they touch. An event whose name
/// another one bears by now stays out.
pub async fn restore_in_tx(connection: &mut PgConnection, batch: BatchId) -> Result<Vec<String>> {
    sqlx::query(
        "/* events.restore_parked */ UPDATE parked_events p SET withdrawn_at = NULL
        WHERE p.batch_id = $1 AND p.withdrawn_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM parked_events o WHERE o.contributor_id = p.contributor_id
              AND o.event_id = p.event_id AND o.withdrawn_at IS NULL)
          AND NOT EXISTS (SELECT FROM repayment_events o WHERE o.contributor_id = p.contributor_id
              AND o.event_id = p.event_id AND o.withdrawn_at IS NULL)",
    )
    .bind(batch)
    .execute(&mut *connection)
    .await?;
    let refs = sqlx::query_scalar(
        "/* events.restore */ WITH restored AS (
            UPDATE repayment_events e SET withdrawn_at = NULL
            WHERE e.batch_id = $1 AND e.withdrawn_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM repayment_events o WHERE o.contributor_id = e.contributor_id
                  AND o.event_id = e.event_id AND o.withdrawn_at IS NULL)
              AND NOT EXISTS (SELECT FROM parked_events o WHERE o.contributor_id = e.contributor_id
                  AND o.event_id = e.event_id AND o.withdrawn_at IS NULL)
            RETURNING account_ref)
        SELECT DISTINCT account_ref FROM restored",
    )
    .bind(batch)
    .fetch_all(connection)
    .await?;
    Ok(refs)
}
