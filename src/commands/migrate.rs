//! `etrplus migrate`: brings the database's schema up to this binary.

use std::io::Write;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use sqlx::Connection;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::Instant;

use crate::db::MIGRATOR;
use crate::db::schema::{self, Schema};

/// Waits for a lock are short, so that a migration queues behind a long query instead of blocking everyone
/// behind itself; its own statements may take as long as they need.
const SETTINGS: [(&str, &str); 3] =
    [("etr.scope", "system"), ("lock_timeout", "10s"), ("statement_timeout", "0")];

/// Applies what is missing, one migration at a time, each with a line to `out`. Processes that migrate together
/// take turns (sqlx holds an advisory lock). Returns how many were applied.
pub async fn run(database_url: &str, out: &mut (impl Write + Send)) -> Result<usize> {
    let mut connection = connect(database_url).await?;
    let missing = match schema::compare(&mut connection).await.context("cannot read the schema's version")? {
        Schema::Current => 0,
        Schema::Behind { missing } => missing,
        Schema::Ahead { newest } => {
            bail!("the database is at migration {newest}, which this binary does not know")
        }
        Schema::Different { version } => {
            bail!("migration {version} was applied with another text than this binary has")
        }
        Schema::Unfinished { version } => {
            bail!("migration {version} broke off in the middle: finish or undo it by hand first")
        }
    };
    let known = MIGRATOR.iter().count();
    for migration in MIGRATOR.iter().skip(known - missing) {
        let started = Instant::now();
        write!(out, "{} {} … ", migration.version, migration.description)?;
        out.flush()?;
        MIGRATOR.run_to(migration.version, &mut connection).await.map_err(explain)?;
        writeln!(out, "{} ms", started.elapsed().as_millis())?;
    }
    writeln!(out, "The schema is current ({known} migrations, {missing} applied now).")?;
    connection.close().await.context("the connection did not close")?;
    Ok(missing)
}

async fn connect(database_url: &str) -> Result<PgConnection> {
    // The address may hold a password: say what is wrong without repeating it.
    let options = PgConnectOptions::from_str(database_url)
        .map_err(|_| anyhow::anyhow!("DATABASE_URL is not a postgres:// address"))?
        .application_name("etrplus migrate")
        .options(SETTINGS);
    PgConnection::connect_with(&options).await.context("cannot connect to Postgres")
}

fn explain(error: MigrateError) -> anyhow::Error {
    anyhow::Error::new(error)
        .context("the migration failed and was rolled back; nothing after it was applied")
}
