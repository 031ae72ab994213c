//! Postgres: one file per table or read model, free functions, SQL nowhere else.
//!
//! Statements are `&'static str` constants bound by position; the tests run each of them against a real
//! server. Functions take the caller's executor, so that the caller decides the transaction.
//!
//! Two pools keep two promises. [`Db::system`] sees every contributor (workers, operators, lookups).
//! [`Db::as_contributor`] opens a transaction in which row-level security shows one contributor's rows only;
//! everything that a contributor's request reads or writes goes through it, so that a forgotten `WHERE`
//! finds nothing instead of somebody else's batch.

pub mod accounts;
pub mod applications;
pub mod approvals;
pub mod archive_queries;
pub mod audit_entries;
pub mod batch_findings;
pub mod batches;
pub mod client_assertions;
pub mod clients;
mod columns;
pub mod constants;
pub mod contracts;
pub mod contributors;
pub mod copy;
pub mod corrections;
pub mod dead_letters;
pub mod delistings;
pub mod erasure_tombstones;
pub mod events;
pub mod footprints;
pub mod gold_versions;
pub mod history;
pub mod holidays;
pub mod identity_reviews;
pub mod jobs;
pub mod journal;
pub mod lake_catalog;
pub mod lake_commits;
pub mod lake_entries;
pub mod lake_rows;
pub mod lineage;
pub mod lineage_lake;
pub mod lineage_outbox;
pub mod obligations;
pub mod overlay;
pub mod overrides;
pub mod parked_events;
pub mod precedents;
pub mod provenance;
pub mod rebuild_serving;
pub mod recalls;
pub mod reconcile;
pub mod reconcile_accounts;
pub mod reconcile_lake;
pub mod reconcile_records;
pub mod reconciliations;
pub mod record_ranges;
pub mod redisclosures;
pub mod rehearsals;
pub mod rejected_records;
pub mod rekeys;
pub mod remake;
pub mod replacements;
pub mod reporting;
pub mod schedules;
pub mod schema;
pub mod scorecard;
pub mod serving;
pub mod serving_restrictions;
pub mod shadows;
pub mod signing_keys;
pub mod staged_applications;
pub mod staged_events;
pub mod staging;
pub mod subjects;
pub mod transitions;
pub mod withheld;
pub mod working_days;

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{PgConnection, Postgres, Transaction};

use crate::config::refinery_connections;
use crate::error::{Error, Result};
use crate::ids::ContributorId;

/// One connection, or the transaction on it, for modules that pass it on and write no SQL.
pub type Connection = PgConnection;

/// The one list of migrations, embedded in the binary.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// How long a request waits for a connection before it is shed with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Db {
    /// Sees all contributors.
    pub system: PgPool,
    /// Sees nothing until a contributor is named; see [`Db::as_contributor`].
    tenant: PgPool,
    /// For refining batches: sees all contributors, may take minutes, keeps a temporary table per connection.
    pub refinery: PgPool,
}

impl Db {
    /// Opens both pools lazily: a process starts while Postgres is down and becomes ready when it is up.
    pub fn connect(database_url: &str, connections: u32) -> Result<Db> {
        let options = PgConnectOptions::from_str(database_url)
            .map_err(|_| Error::Internal("DATABASE_URL is not a postgres:// address".into()))?
            .application_name("etrplus");
        let pool = |settings: &[(&'static str, &'static str)], size: u32| {
            PgPoolOptions::new()
                .max_connections(size)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .connect_lazy_with(options.clone().options(settings.iter().copied()))
        };
        let tenant_share = connections / 3;
        let refinery_share = refinery_connections(connections);
        Ok(Db {
            system: pool(&session_settings("system"), connections - tenant_share - refinery_share),
            tenant: pool(&session_settings("none"), tenant_share),
            refinery: pool(&REFINERY_SETTINGS, refinery_share),
        })
    }

    /// Closes every connection, once its work is done; whoever asks for one from now on gets none.
    pub async fn close(&self) {
        tokio::join!(self.system.close(), self.tenant.close(), self.refinery.close());
    }

    /// A transaction that sees and writes the rows of one contributor alone.
    pub async fn as_contributor(&self, contributor: ContributorId) -> Result<Transaction<'static, Postgres>> {
        let mut tx = self.tenant.begin().await?;
        sqlx::query("/* db.as_contributor */ SELECT set_config('etr.contributor_id', $1, true)")
            .bind(contributor.to_string())
            .execute(&mut *tx)
            .await?;
        Ok(tx)
    }
}

/// What every connection of a scope is set to. Waiting for ever is never right: a statement that runs into
/// one of these ends as a 503 that is safe to retry.
fn session_settings(scope: &'static str) -> [(&'static str, &'static str); 6] {
    [
        ("etr.scope", scope),
        ("statement_timeout", "60s"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "60s"),
        // Statements are few, prepared once per connection, and go by keys: planning each call anew would cost more
        // than running it.
        ("plan_cache_mode", "force_generic_plan"),
        // A plan made while a table was empty is kept until statistics change: it must be one for a full table.
        ("enable_seqscan", "off"),
    ]
}

/// Merging a large batch takes minutes and sorts a lot; the lease bounds it from outside.
const REFINERY_SETTINGS: [(&str, &str); 6] = [
    ("etr.scope", "system"),
    ("statement_timeout", "30min"),
    ("lock_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "5min"),
    ("temp_buffers", "128MB"),
    ("work_mem", "64MB"),
];

/// The longest wait for what one request asks of Postgres. Longer than any lock is waited for; a network that has
/// fallen silent would otherwise be waited for as long as TCP does.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// Waits for the database, but not for ever. Dropping the work drops its connection; whether a commit on it came
/// through is for the caller to look up.
pub async fn answered<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let answer = tokio::time::timeout(ANSWER_DEADLINE, work).await;
    answer.unwrap_or(Err(Error::Overloaded("the database did not answer in time")))
}

/// Fails when a statement that must touch exactly one row did not.
pub fn ensure_one_row(table: &'static str, result: &sqlx::postgres::PgQueryResult) -> Result<()> {
    match result.rows_affected() {
        1 => Ok(()),
        n => {
            Err(Error::Inconsistent { table, column: "(row count)", row: format!("{n} rows instead of one") })
        }
    }
}

/// Holds a lock until the transaction ends; two transactions with the same number take turns.
pub async fn advisory_lock_in_tx(connection: &mut PgConnection, key: i64) -> Result<()> {
    sqlx::query("/* db.advisory_lock */ SELECT pg_advisory_xact_lock($1)")
        .bind(key)
        .execute(connection)
        .await?;
    Ok(())
}
