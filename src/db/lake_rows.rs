//! The rows of a commit, read from where they are kept, in the order and under the names of the lake's columns.
//!
//! Codes are read as the numbers that they are stored as; `lake::columns` makes words of them.

use futures::stream::BoxStream;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::domain::contract::Dataset;
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// What every row of a journal has first.
macro_rules! provenance {
    () => {
        "r.batch_id, r.record_no, r.publication_no, r.known_from, r.contract, r.rules_version, r.contributor_id"
    };
}

/// The rows that the entries of a commit ($1) stand for in a journal.
macro_rules! of_commit {
    ($journal:literal) => {
        concat!(
            " FROM lake_entries e JOIN ",
            $journal,
            " r ON r.batch_id = e.batch_id AND r.publication_no = e.publication_no AND r.contributor_id = e.contributor_id
            WHERE e.commit_id = $1 "
        )
    };
}

/// What a snapshot says.
macro_rules! snapshot {
    () => {
        ", r.subject_id, r.account_ref, r.holder_role, r.as_of_date, r.withdrawn, r.product_type, r.portfolio_type, r.status,
    r.currency, r.opened_date, r.status_date, r.dpd, r.outstanding_sen, r.overdue_sen, r.original_amount_sen,
    r.credit_limit_sen, r.instalment_amount_sen, r.next_due_amount_sen, r.write_off_amount_sen, r.fees_outstanding_sen,
    r.amount_paid_period_sen, r.last_payment_amount_sen, r.maturity_date, r.closed_date, r.first_delinquency_date,
    r.next_due_date, r.write_off_date, r.settled_date, r.last_payment_date, r.oldest_unpaid_due_date,
    r.instalments_total, r.instalments_paid, r.instalments_overdue, r.payment_frequency, r.settlement_type,
    r.restructured, r.hardship, r.legal_action, r.contributor_dispute, r.listing_requested, r.evidence_ref, r.imputed"
    };
}

pub const ACCOUNT_SNAPSHOTS: &str = concat!(
    "/* lake_rows.account_snapshots */ SELECT ",
    provenance!(),
    snapshot!(),
    of_commit!("account_snapshots"),
    "ORDER BY r.subject_id, r.as_of_date, r.account_ref"
);

/// What an event says.
macro_rules! event {
    () => {
        ", r.account_ref, r.event_id, r.event_type, r.event_at, r.value_date, r.amount_sen, r.channel, r.instalment_no,
    r.instalment_due_date, r.new_due_date, r.reverses_event_id"
    };
}

pub const REPAYMENT_EVENTS: &str = concat!(
    "/* lake_rows.repayment_events */ SELECT ",
    provenance!(),
    event!(),
    of_commit!("repayment_events"),
    "ORDER BY r.account_ref, r.value_date, r.record_no"
);

/// What an application says.
macro_rules! application {
    () => {
        ", r.subject_id, r.application_ref, r.account_ref, r.holder_role, r.product_type, r.decision, r.channel, r.applied_at,
    r.decision_at, r.amount_requested_sen, r.amount_approved_sen, r.tenor_days"
    };
}

pub const APPLICATIONS: &str = concat!(
    "/* lake_rows.applications */ SELECT ",
    provenance!(),
    application!(),
    of_commit!("applications"),
    "ORDER BY r.subject_id, r.applied_at"
);

/// The rows of a journal that came with some batches ($1) of a contributor ($2).
macro_rules! of_batches {
    ($name:literal, $columns:expr, $journal:literal) => {
        concat!(
            "/* ",
            $name,
            " */ SELECT ",
            provenance!(),
            $columns,
            " FROM ",
            $journal,
            " r WHERE r.batch_id = ANY($1) AND r.contributor_id = $2"
        )
    };
}

const SNAPSHOTS_OF_BATCHES: &str =
    of_batches!("lake_rows.snapshots_of_batches", snapshot!(), "account_snapshots");
const EVENTS_OF_BATCHES: &str = of_batches!("lake_rows.events_of_batches", event!(), "repayment_events");
const APPLICATIONS_OF_BATCHES: &str =
    of_batches!("lake_rows.applications_of_batches", application!(), "applications");

/// The rows of a table of the connection's own, ordered as a file is.
macro_rules! remade {
    ($name:literal, $columns:expr, $rows:literal, $order:literal) => {
        concat!("/* ", $name, " */ SELECT ", provenance!(), $columns, " FROM ", $rows, " r ORDER BY ", $order)
    };
}

pub const REMADE_SNAPSHOTS: &str = remade!(
    "lake_rows.remade_snapshots",
    snapshot!(),
    "remade_snapshots",
    "r.subject_id, r.as_of_date, r.account_ref"
);
pub const REMADE_EVENTS: &str =
    remade!("lake_rows.remade_events", event!(), "remade_events", "r.account_ref, r.value_date, r.record_no");
pub const REMADE_APPLICATIONS: &str = remade!(
    "lake_rows.remade_applications",
    application!(),
    "remade_applications",
    "r.subject_id, r.applied_at"
);

/// The journal rows of some batches of a contributor, under the names of the lake's columns.
pub fn of_batches<'c>(
    connection: &'c mut PgConnection,
    dataset: Dataset,
    batches: &'c [BatchId],
    contributor: ContributorId,
) -> BoxStream<'c, sqlx::Result<PgRow>> {
    let statement = match dataset {
        Dataset::AccountSnapshot => SNAPSHOTS_OF_BATCHES,
        Dataset::RepaymentEvent => EVENTS_OF_BATCHES,
        Dataset::Application => APPLICATIONS_OF_BATCHES,
    };
    sqlx::query(statement).bind(batches).bind(contributor).fetch(connection)
}

pub const BATCHES: &str = "/* lake_rows.batches */ SELECT e.batch_id, e.entry_no AS transition_no, e.known_from,
    e.contributor_id, b.dataset, b.mode, b.period_end, e.state, e.publication_no, e.superseded_by, b.received_at,
    b.sha256 AS content_sha256, b.dataset || '/' || coalesce(b.envelope ->> 'schema_version', '1') AS contract, b.rules_version
    FROM lake_entries e JOIN batches b ON b.batch_id = e.batch_id WHERE e.commit_id = $1 ORDER BY e.entry_no";

pub const REJECTED_RECORDS: &str = "/* lake_rows.rejected_records */ SELECT r.batch_id, r.record_no, e.known_from,
    b.dataset || '/' || coalesce(b.envelope ->> 'schema_version', '1') AS contract, b.rules_version, r.contributor_id, r.dataset,
    r.period_end, r.account_ref, r.codes, r.fields, r.findings
    FROM lake_entries e
    JOIN rejected_records r ON r.batch_id = e.batch_id AND r.rejected_at = e.known_from
    JOIN batches b ON b.batch_id = e.batch_id
    WHERE e.commit_id = $1 ORDER BY r.batch_id, r.record_no";

/// Reads a statement of this file for a commit. A large one takes longer than a request may: the limit is lifted for the
/// transaction that the rows are read in, which ends with its connection's next use.
pub async fn read_in_tx<'c>(
    connection: &'c mut PgConnection,
    statement: &'static str,
    commit: Uuid,
) -> Result<BoxStream<'c, sqlx::Result<PgRow>>> {
    sqlx::query("/* lake_rows.take_time */ SELECT set_config('statement_timeout', '30min', true), set_config('work_mem', '64MB', true)")
        .execute(&mut *connection)
        .await?;
    Ok(sqlx::query(statement).bind(commit).fetch(connection))
}

/// How many rows the entries of a commit announce.
pub async fn announced(connection: &mut PgConnection, commit: Uuid) -> Result<i64> {
    let rows = sqlx::query_scalar(
        "/* lake_rows.announced */ SELECT coalesce(sum(rows), 0)::bigint FROM lake_entries WHERE commit_id = $1",
    )
    .bind(commit)
    .fetch_one(connection)
    .await?;
    Ok(rows)
}
