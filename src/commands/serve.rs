//! `etrplus serve`: the API. Refuses to start where it could not keep its promises, in one sentence each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::stop_signal;
use crate::access::TokenIssuer;
use crate::access::contracts::ContractDirectory;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::db::schema::{self, Schema};
use crate::error::Error;
use crate::http::{self, Listeners};
use crate::jobs::{Wake, gauges};
use crate::lake::Lake;
use crate::pipeline::footprints::Lookups;
use crate::privacy::Keyring;
use crate::store::Store;

/// Pause between attempts to reach a database that is down.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Waiting does not help; the text tells what does.
    #[error("{0}")]
    Refused(String),
    /// What is needed does not answer yet.
    #[error("what the server needs cannot be reached: {}", told(.0))]
    Unreachable(Error),
}

impl From<Error> for StartError {
    fn from(error: Error) -> StartError {
        if error.is_transient() { StartError::Unreachable(error) } else { StartError::Refused(told(&error)) }
    }
}

/// The error with its causes. Shown to the operator who starts the process; holds no secret.
fn told(error: &Error) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

/// Serves until told to stop.
pub async fn run(config: Config) -> Result<()> {
    let listeners = Listeners {
        api: bind(config.listen, "ETR_LISTEN").await?,
        metrics: Some(bind(config.metrics_listen, "ETR_METRICS_LISTEN").await?),
    };
    let stop = stop_signal().context("cannot listen for signals")?;
    tracing::info!(listen = %config.listen, metrics = %config.metrics_listen, public_url = config.public_url, "listening");
    let wired = async {
        let app = wire_when_reachable(&config, &stop).await?;
        tracing::info!("ready");
        spawn_upkeep(&app, &stop);
        Ok::<_, StartError>(app)
    };
    match Box::pin(http::run_server_when(&config, listeners, stop.clone(), wired)).await {
        // Told to stop while it was still waiting: an end like any other.
        Ok(()) | Err(StartError::Unreachable(_)) => {}
        Err(refused) => return Err(refused.into()),
    }
    tracing::info!("stopped");
    Ok(())
}

/// What a serving process does beside answering: follow revocations and new keys, call workers elsewhere.
pub fn spawn_upkeep(app: &Arc<App>, stop: &CancellationToken) {
    let (issuer, observed) = (Arc::clone(app), Arc::clone(app));
    let (wake, pool) = (app.wake.clone(), app.db.system.clone());
    let (until, stopped) = (stop.clone(), stop.clone());
    tokio::spawn(async move { issuer.issuer.keep_fresh(until).await });
    tokio::spawn(async move {
        tokio::select! {
            () = wake.announce_to_others(pool) => {}
            () = gauges::keep(&observed) => {}
            () = stopped.cancelled() => {}
        }
    });
}

pub async fn bind(address: SocketAddr, variable: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}: is another process there? Choose another address with {variable}"
        )
    })
}

/// Wires the app; waits for a database that is down, and gives up only where waiting does not help.
pub async fn wire_when_reachable(config: &Config, stop: &CancellationToken) -> Result<Arc<App>, StartError> {
    loop {
        let error = match wire(config.clone()).await {
            Err(StartError::Unreachable(error)) => error,
            done => return done,
        };
        tracing::warn!(cause = told(&error), "waiting for what the server needs");
        tokio::select! {
            () = stop.cancelled() => return Err(StartError::Unreachable(error)),
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
    }
}

/// Everything a process needs, on a database that was checked.
pub async fn wire(config: Config) -> Result<Arc<App>, StartError> {
    let db = Db::connect(config.database_url(), config.db_connections)?;
    preflight(&db).await?;
    assemble(config, db).await
}

/// Everything a process needs, on a database that is taken as it is.
pub async fn assemble(config: Config, db: Db) -> Result<Arc<App>, StartError> {
    let clock = Clock::System;
    let keys = Keyring::from_config(&config)?;
    let issuer = TokenIssuer::load_or_create(&db.system, &keys, &clock, &config.public_url).await?;
    let store = Store::connect(&config.s3);
    let lake = Lake::open(&config.lake, &config.s3, &db.system, &clock).await?;
    let lookups = Lookups::start(db.system.clone(), clock.clone());
    let contracts = ContractDirectory::new(db.clone());
    let wake = Wake::default();
    Ok(Arc::new(App { config, clock, db, contracts, lake, store, keys, issuer, lookups, wake }))
}

/// Refuses a database on which our promises would not hold.
pub async fn preflight(db: &Db) -> Result<(), StartError> {
    check_schema(db).await?;
    check_durability(db).await?;
    if schema::role_escapes_row_security(&db.system).await? {
        tracing::warn!(
            "the Postgres role is a superuser or has BYPASSRLS: row-level security does not hold; use a plain role"
        );
    }
    Ok(())
}

/// Refuses a schema other than the one that this binary was built for.
pub async fn check_schema(db: &Db) -> Result<(), StartError> {
    refusal(schema::compare(&db.system).await?).map_or(Ok(()), |text| Err(StartError::Refused(text)))
}

/// Refuses settings under which a crash undoes a commit, and names the remedy for each.
pub async fn check_durability(db: &Db) -> Result<(), StartError> {
    let gaps = schema::durability_gaps(&db.system).await?;
    if gaps.is_empty() {
        return Ok(());
    }
    let found: Vec<String> = gaps.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let remedies: Vec<String> =
        gaps.iter().map(|(name, _)| format!("ALTER SYSTEM SET {name} = on")).collect();
    Err(StartError::Refused(format!(
        "Postgres runs with {}, so a receipt would promise what a crash can undo: run {}, then SELECT \
         pg_reload_conf(), and start again (a setting of the role or the database wins over the system's).",
        found.join(", "),
        remedies.join("; ")
    )))
}

/// Why a schema cannot be served, and what to do.
fn refusal(schema: Schema) -> Option<String> {
    match schema {
        Schema::Current => None,
        Schema::Behind { missing } => Some(format!(
            "The database schema is older than this server ({missing} migrations are missing): run `etrplus migrate`."
        )),
        Schema::Ahead { newest } => Some(format!(
            "The database schema (migration {newest}) is newer than this server: start the release that migrated it, or a later one."
        )),
        Schema::Different { version } => Some(format!(
            "Migration {version} in the database is not the one in this server: this database belongs to another build."
        )),
        Schema::Unfinished { version } => Some(format!(
            "Migration {version} broke off in the middle: finish or undo it by hand, correct its row in _sqlx_migrations, then run `etrplus migrate`."
        )),
    }
}
