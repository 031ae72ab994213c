//! `lake_remake`: what has been made anew of the lake's tables, and the rows on their way into them.
//!
//! Rows come from the bytes of their batches, staged on a connection; what no file says, versions that corrections, rekeys and
//! withdrawals made, and months from before there was a journal, comes from the journal.

use futures::stream::BoxStream;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::columns::{application_columns, event_columns, journal_columns, snapshot_columns};
use super::reconcile::connect;
use super::{Db, lake_rows, rebuild_serving};
use crate::domain::contract::Dataset;
use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// One rebuild at a time: two would forget each other's notes.
const LOCK: i64 = 0x6574_722b_6c61_6b65;
/// A table that an interrupted run put in its place is left alone for so long.
const MOST_HOURS: i32 = 12;

/// A publication that has landed.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Group {
    pub contributor_id: ContributorId,
    pub batch_id: BatchId,
    pub publication_no: i64,
    pub rows: i64,
}

/// A publication that has landed, and whether it is made anew already.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Landed {
    #[sqlx(flatten)]
    pub group: Group,
    pub noted: bool,
}

/// Opens the schema, what an earlier run left in it included, on a connection of its own. `None` when another rebuild has it in
/// hand.
pub async fn open(db: &Db) -> Result<Option<PgConnection>> {
    let mut connection = connect(db).await?;
    if !rebuild_serving::lock(&mut connection, LOCK).await? {
        return Ok(None);
    }
    prepare(&mut connection).await?;
    Ok(Some(connection))
}

async fn prepare(connection: &mut PgConnection) -> Result<()> {
    for statement in [
        "/* lake_remake.schema */ CREATE SCHEMA IF NOT EXISTS lake_remake",
        "/* lake_remake.groups */ CREATE TABLE IF NOT EXISTS lake_remake.groups (
            table_name text, contributor_id uuid, batch_id uuid, publication_no bigint, commit_id uuid NOT NULL,
            PRIMARY KEY (table_name, contributor_id, batch_id, publication_no))",
        "/* lake_remake.done */ CREATE TABLE IF NOT EXISTS lake_remake.done (
            table_name text PRIMARY KEY, at timestamptz NOT NULL)",
        "/* lake_remake.snapshots */ CREATE TEMPORARY TABLE remade_snapshots (
            LIKE account_snapshots INCLUDING DEFAULTS, PRIMARY KEY (batch_id, record_no, publication_no))",
        "/* lake_remake.events */ CREATE TEMPORARY TABLE remade_events (
            LIKE repayment_events INCLUDING DEFAULTS, PRIMARY KEY (batch_id, record_no, publication_no))",
        "/* lake_remake.applications */ CREATE TEMPORARY TABLE remade_applications (
            LIKE applications INCLUDING DEFAULTS, PRIMARY KEY (batch_id, record_no, publication_no))",
        "/* lake_remake.warned */ ALTER TABLE remade_applications ALTER COLUMN warned SET DEFAULT false",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes what was noted.
pub async fn discard(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("/* lake_remake.discard */ DROP SCHEMA IF EXISTS lake_remake CASCADE")
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets the publications of commits that the remade table does not have.
pub async fn keep_only(connection: &mut PgConnection, table: &str, commits: &[Uuid]) -> Result<()> {
    sqlx::query(
        "/* lake_remake.keep_only */ DELETE FROM lake_remake.groups WHERE table_name = $1 AND commit_id <> ALL($2)",
    )
    .bind(table)
    .bind(commits)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a table made anew is in its place; in the transaction that puts it there.
pub async fn set_done_in_tx(connection: &mut PgConnection, table: &str) -> Result<()> {
    sqlx::query(
        "/* lake_remake.set_done */ INSERT INTO lake_remake.done VALUES ($1, now())
        ON CONFLICT (table_name) DO UPDATE SET at = excluded.at",
    )
    .bind(table)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a run that was interrupted has put a table in its place, not long ago.
pub async fn is_done(connection: &mut PgConnection, table: &str) -> Result<bool> {
    let done = sqlx::query_scalar(
        "/* lake_remake.is_done */ SELECT EXISTS (
            SELECT FROM lake_remake.done WHERE table_name = $1 AND at >= now() - make_interval(hours => $2))",
    )
    .bind(table)
    .bind(MOST_HOURS)
    .fetch_one(connection)
    .await?;
    Ok(done)
}

/// What has landed in a table, batch by batch, at one moment.
pub async fn landed(connection: &mut PgConnection, table: &str) -> Result<Vec<Landed>> {
    let groups = sqlx::query_as(
        "/* lake_remake.landed */ SELECT l.*, EXISTS (
            SELECT FROM lake_remake.groups g WHERE g.table_name = $1 AND g.contributor_id = l.contributor_id
              AND g.batch_id = l.batch_id AND g.publication_no = l.publication_no) AS noted
        FROM (
            SELECT e.contributor_id, e.batch_id, e.publication_no, sum(e.rows)::bigint AS rows
            FROM lake_entries e JOIN lake_commits c ON c.commit_id = e.commit_id AND c.state = 'landed'
            WHERE e.table_name = $1 GROUP BY 1, 2, 3 HAVING sum(e.rows) > 0) l
        ORDER BY 2, 3, 1",
    )
    .bind(table)
    .fetch_all(connection)
    .await?;
    Ok(groups)
}

/// Notes under which commit publications go; before they go, so that none goes twice.
pub async fn note(connection: &mut PgConnection, table: &str, commit: Uuid, groups: &[Group]) -> Result<()> {
    let contributors: Vec<ContributorId> = groups.iter().map(|group| group.contributor_id).collect();
    let batches: Vec<BatchId> = groups.iter().map(|group| group.batch_id).collect();
    let publications: Vec<i64> = groups.iter().map(|group| group.publication_no).collect();
    sqlx::query(
        "/* lake_remake.note */ INSERT INTO lake_remake.groups
        SELECT $1, g.contributor_id, g.batch_id, g.publication_no, $2
        FROM unnest($3::uuid[], $4::uuid[], $5::bigint[]) AS g (contributor_id, batch_id, publication_no)",
    )
    .bind(table)
    .bind(commit)
    .bind(contributors)
    .bind(batches)
    .bind(publications)
    .execute(connection)
    .await?;
    Ok(())
}

/// Empties the connection's own tables.
pub async fn clear(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("/* lake_remake.clear */ TRUNCATE remade_snapshots, remade_events, remade_applications")
        .execute(connection)
        .await?;
    Ok(())
}

/// Staged rows with what the journal knows of their publication: since when, by which rules and contract.
macro_rules! take_staged {
    ($name:literal, $to:literal, $columns:expr, $staged_columns:expr, $staged:literal, $journal:literal) => {
        concat!(
            "/* ",
            $name,
            " */ INSERT INTO ",
            $to,
            " (contributor_id, batch_id, publication_no, known_from, rules_version, contract, ",
            $columns,
            ") SELECT $1, $2, $3, j.known_from, j.rules_version, j.contract, ",
            $staged_columns,
            " FROM ",
            $staged,
            " s JOIN ",
            $journal,
            " j ON j.batch_id = $2 AND j.record_no = s.record_no AND j.publication_no = $3 AND j.contributor_id = $1"
        )
    };
}

const TAKE_SNAPSHOTS: &str = take_staged!(
    "lake_remake.take_snapshots",
    "remade_snapshots",
    concat!("subject_id, account_ref, ", snapshot_columns!(""), ", ", journal_columns!("")),
    concat!("s.subject_id, s.account_ref, ", snapshot_columns!("s."), ", ", journal_columns!("s.")),
    "staged_accounts",
    "account_snapshots"
);
const TAKE_EVENTS: &str = take_staged!(
    "lake_remake.take_events",
    "remade_events",
    event_columns!(""),
    event_columns!("s."),
    "staged_events",
    "repayment_events"
);
const TAKE_APPLICATIONS: &str = take_staged!(
    "lake_remake.take_applications",
    "remade_applications",
    application_columns!(""),
    application_columns!("s."),
    "staged_applications",
    "applications"
);

/// Takes the staged records of a publication over.
pub async fn take_staged(connection: &mut PgConnection, dataset: Dataset, group: Group) -> Result<()> {
    let statement = match dataset {
        Dataset::AccountSnapshot => TAKE_SNAPSHOTS,
        Dataset::RepaymentEvent => TAKE_EVENTS,
        Dataset::Application => TAKE_APPLICATIONS,
    };
    sqlx::query(statement)
        .bind(group.contributor_id)
        .bind(group.batch_id)
        .bind(group.publication_no)
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes over from the journal what of a publication did not come from bytes; says how many rows.
pub async fn take_from_journal(connection: &mut PgConnection, dataset: Dataset, group: Group) -> Result<u64> {
    let statement = match dataset {
        Dataset::AccountSnapshot => {
            "/* lake_remake.snapshots_from_journal */ INSERT INTO remade_snapshots SELECT * FROM account_snapshots
            WHERE contributor_id = $1 AND batch_id = $2 AND publication_no = $3 ON CONFLICT DO NOTHING"
        }
        Dataset::RepaymentEvent => {
            "/* lake_remake.events_from_journal */ INSERT INTO remade_events SELECT * FROM repayment_events
            WHERE contributor_id = $1 AND batch_id = $2 AND publication_no = $3 ON CONFLICT DO NOTHING"
        }
        Dataset::Application => {
            "/* lake_remake.applications_from_journal */ INSERT INTO remade_applications SELECT * FROM applications
            WHERE contributor_id = $1 AND batch_id = $2 AND publication_no = $3 ON CONFLICT DO NOTHING"
        }
    };
    let taken = sqlx::query(statement)
        .bind(group.contributor_id)
        .bind(group.batch_id)
        .bind(group.publication_no)
        .execute(connection)
        .await?;
    Ok(taken.rows_affected())
}

/// The rows that were taken over, as the lake holds them.
pub fn rows(connection: &mut PgConnection, dataset: Dataset) -> BoxStream<'_, sqlx::Result<PgRow>> {
    let statement = match dataset {
        Dataset::AccountSnapshot => lake_rows::REMADE_SNAPSHOTS,
        Dataset::RepaymentEvent => lake_rows::REMADE_EVENTS,
        Dataset::Application => lake_rows::REMADE_APPLICATIONS,
    };
    sqlx::query(statement).fetch(connection)
}

/// Ends the connection; the next rebuild may begin at once.
pub async fn close(connection: PgConnection) -> Result<()> {
    rebuild_serving::release(connection, LOCK).await
}
