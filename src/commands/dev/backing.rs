//! The database and the object store behind `etrplus dev`, and the configuration that leads to them.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitStatus;

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpListener;

use super::directory::DataDirectory;
use super::manifest::Manifest;
use super::secrets::Secrets;
use crate::config::Config;
use crate::embedded::Error;
use crate::embedded::postgres::{Options, Postgres, Search};
use crate::embedded::s3::{self, S3Server};

const BUCKET: &str = "etrplus";
/// Where metrics are by default, when nobody else is there.
const METRICS_PORT: u16 = 9090;

/// The sockets that clients reach us by. They are opened first: a port in use is told before anything starts.
pub struct Sockets {
    pub api: TcpListener,
    pub metrics: TcpListener,
}

impl Sockets {
    pub async fn open(port: u16, metrics_port: Option<u16>) -> Result<Sockets> {
        let api = bind(port, "--port").await?;
        let metrics = match metrics_port {
            Some(port) => bind(port, "--metrics-port").await?,
            None => match bind(METRICS_PORT, "--metrics-port").await {
                Ok(listener) => listener,
                Err(_) => bind(0, "--metrics-port").await?,
            },
        };
        Ok(Sockets { api, metrics })
    }
}

async fn bind(port: u16, option: &str) -> Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("port {port} on 127.0.0.1 is in use: stop what uses it, or choose another with {option}")
        }
        Err(error) => {
            bail!("port {port} on 127.0.0.1 cannot be opened ({error}): choose another with {option}")
        }
    }
}

/// Our own server, or one that `DATABASE_URL` names.
pub enum Database {
    Private(Box<Postgres>),
    Named(String),
}

impl Database {
    pub async fn start(
        directory: &DataDirectory,
        variables: &BTreeMap<String, String>,
        out: &mut (impl Write + Send),
    ) -> Result<Database> {
        if let Some(url) = variables.get("DATABASE_URL").filter(|url| !url.is_empty()) {
            writeln!(out, "Using the database that DATABASE_URL names.")?;
            return Ok(Database::Named(url.clone()));
        }
        let home = directory.postgres_home()?;
        if !home.join("data").exists() {
            writeln!(out, "Preparing a private PostgreSQL in {} …", home.display())?;
            out.flush()?;
        }
        let search = Search::from_variables(variables);
        let options = Options { search, discard: false, may_create_databases: false };
        Ok(Database::Private(Box::new(Postgres::start(&home, options).await?)))
    }

    pub fn url(&self) -> String {
        match self {
            Database::Private(postgres) => postgres.database_url(),
            Database::Named(url) => url.clone(),
        }
    }

    /// How our own server ended, when it did so by itself.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        match self {
            Database::Private(postgres) => postgres.exited(),
            Database::Named(_) => None,
        }
    }
}

/// Starts the object store; at the port that it had before, when that is free.
pub async fn objects(
    directory: &DataDirectory,
    secrets: &Secrets,
    known: Option<&Manifest>,
) -> Result<S3Server> {
    let before = known.and_then(|manifest| manifest.s3.endpoint.rsplit(':').next()?.parse().ok());
    let options = |port| s3::Options {
        root: directory.file("s3"),
        bucket: BUCKET.to_owned(),
        port,
        access_key_id: secrets.s3_access_key_id.clone(),
        secret_access_key: secrets.s3_secret(),
    };
    match S3Server::start(options(before.unwrap_or(0))).await {
        Err(Error::PortInUse { .. }) if before.is_some() => Ok(S3Server::start(options(0)).await?),
        started => Ok(started?),
    }
}

/// What `serve` would read from its environment. Limits come from ours, addresses and keys from here.
pub fn config(
    mut variables: BTreeMap<String, String>,
    sockets: &Sockets,
    database_url: &str,
    objects: &S3Server,
    secrets: &Secrets,
) -> Result<Config> {
    let listen = sockets.api.local_addr().context("the API's port is not known")?;
    let metrics = sockets.metrics.local_addr().context("the metrics' port is not known")?;
    let ours = [
        ("DATABASE_URL", database_url.to_owned()),
        ("ETR_S3_ENDPOINT", objects.endpoint.clone()),
        ("ETR_S3_BUCKET", objects.bucket.clone()),
        ("ETR_S3_REGION", objects.region.to_owned()),
        ("ETR_S3_ACCESS_KEY_ID", secrets.s3_access_key_id.clone()),
        ("ETR_S3_SECRET_ACCESS_KEY", secrets.s3_secret_access_key.clone()),
        ("ETR_TOKEN_KEY", secrets.token_key.clone()),
        ("ETR_SEAL_KEYS", secrets.seal_keys.clone()),
        ("ETR_LISTEN", listen.to_string()),
        ("ETR_METRICS_LISTEN", metrics.to_string()),
        ("ETR_PUBLIC_URL", format!("http://{listen}")),
    ];
    variables.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    Ok(Config::from_variables(&variables)?)
}
