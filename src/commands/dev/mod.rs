//! `etrplus dev`: everything on one machine, for trying out.
//!
//! A private Postgres, an in-process S3, the API, a worker and the docs on loopback, with demo clients and a
//! small sample. The production code path is the same: what differs is where the configuration comes from.

mod backing;
mod directory;
mod guide;
mod manifest;
mod samples;
mod secrets;
mod seed;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio_util::sync::CancellationToken;

use super::{migrate, serve, stop_signal, work};
use crate::app::{App, AppState};
use crate::embedded::s3::S3Server;
use crate::http::{self, Listeners};
use crate::telemetry;
use backing::{Database, Sockets};
use directory::DataDirectory;
use guide::SampleFiles;
use manifest::{Manifest, ObjectStore};
use secrets::Secrets;

/// Set once the first sample was taken.
const SAMPLE_SENT: &str = "first-sample-sent";
/// How often the private Postgres is looked at.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// What still holds a connection after so long is cut off by the server's end.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Start everything on this machine, with demo clients and data, and say what to do next.
#[derive(Debug, clap::Args)]
pub struct DevArgs {
    /// Directory that keeps everything.
    #[arg(long, value_name = "DIR", default_value = ".etrplus")]
    data: PathBuf,
    /// Port of the API on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 8080)]
    port: u16,
    /// Port of the metrics on 127.0.0.1. [default: 9090, or a free one]
    #[arg(long, value_name = "N")]
    metrics_port: Option<u16>,
    /// Delete what the directory keeps and start over.
    #[arg(long)]
    reset: bool,
}

/// Everything that runs behind the API.
struct Running {
    app: Arc<App>,
    sockets: Sockets,
    database: Database,
    objects: S3Server,
    manifest: Manifest,
}

/// Runs until told to stop; what a person should read goes to `out`.
///
/// # Errors
/// One sentence each, with what to do about it.
pub async fn run(
    args: DevArgs,
    variables: BTreeMap<String, String>,
    out: &mut (impl Write + Send),
) -> Result<()> {
    telemetry::init_logs(
        variables.get("ETR_LOG_FORMAT").is_some_and(|format| format == "json"),
        variables.get("ETR_LOG").map_or("warn", String::as_str),
    );
    let stop = stop_signal().context("cannot listen for signals")?;
    let directory = DataDirectory::open(&args.data, args.reset)?;
    let running = tokio::select! {
        started = start(&args, variables, &directory, out) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    serve_until(running, &directory, stop, out).await
}

async fn start(
    args: &DevArgs,
    variables: BTreeMap<String, String>,
    directory: &DataDirectory,
    out: &mut (impl Write + Send),
) -> Result<Running> {
    let sockets = Sockets::open(args.port, args.metrics_port).await?;
    let secrets = Secrets::load_or_create(directory)?;
    let known: Option<Manifest> = directory.read(manifest::FILE)?;
    let (database, objects) = tokio::try_join!(
        Database::start(directory, &variables, out),
        backing::objects(directory, &secrets, known.as_ref()),
    )?;
    let config = backing::config(variables, &sockets, &database.url(), &objects, &secrets)?;
    migrate::run(config.database_url(), &mut std::io::sink()).await?;
    let metrics = config.metrics_listen;
    let app = serve::wire(config).await?;
    let clients = seed::clients(&app, known.as_ref()).await?;
    let manifest = Manifest {
        base_url: app.config.public_url.clone(),
        metrics_url: format!("http://{metrics}/metrics"),
        database_url: database.url(),
        s3: ObjectStore {
            endpoint: objects.endpoint.clone(),
            bucket: objects.bucket.clone(),
            region: objects.region.to_owned(),
            access_key_id: secrets.s3_access_key_id,
            secret_access_key: secrets.s3_secret_access_key,
        },
        clients,
    };
    directory.write(manifest::FILE, &manifest)?;
    Ok(Running { app, sockets, database, objects, manifest })
}

/// Serves and works; stops in the order in which one needs the other.
async fn serve_until(
    running: Running,
    directory: &DataDirectory,
    stop: CancellationToken,
    out: &mut (impl Write + Send),
) -> Result<()> {
    let Running { app, sockets, mut database, objects, manifest } = running;
    let listeners = Listeners { api: sockets.api, metrics: Some(sockets.metrics) };
    let server = tokio::spawn(http::run_server(Arc::clone(&app), listeners, stop.clone()));
    let worker = tokio::spawn(work::work_until(Arc::clone(&app), stop.clone()));
    serve::spawn_upkeep(&app, &stop);
    greet(&app, &manifest, directory, out).await?;
    let ended = tokio::select! {
        () = stop.cancelled() => None,
        ended = end_of(&mut database) => Some(ended),
    };
    stop.cancel();
    // Each keeps to the grace by itself; a panic has been logged where it happened.
    let _ = tokio::join!(server, worker);
    let _ = tokio::time::timeout(CLOSE_LIMIT, app.db.close()).await;
    objects.stop().await;
    tokio::task::spawn_blocking(move || drop(database)).await.context("PostgreSQL did not stop")?;
    match ended {
        None => Ok(()),
        Some(status) => {
            bail!("the private PostgreSQL ended by itself ({status}): its log in the data directory says why")
        }
    }
}

/// Sends the first sample, writes the others to files, and prints what to do with them.
async fn greet(
    app: &Arc<App>,
    manifest: &Manifest,
    directory: &DataDirectory,
    out: &mut (impl Write + Send),
) -> Result<()> {
    let period_end = samples::period_end(app.clock.today());
    let (accepted, with_bad_rows) = ("accepted.ndjson", "with_bad_rows.ndjson");
    directory.write_bytes(accepted, samples::render(samples::ACCEPTED, period_end).as_bytes())?;
    directory.write_bytes(with_bad_rows, samples::render(samples::WITH_BAD_ROWS, period_end).as_bytes())?;
    if !directory.file(SAMPLE_SENT).exists()
        && let Some(client) = manifest.client("demo-bnpl")
    {
        let api = http::router(AppState(Arc::clone(app)));
        match seed::first_batch(api, client, period_end).await {
            Ok(()) => directory.write_bytes(SAMPLE_SENT, b"")?,
            // All else works without it; the next start tries again.
            Err(error) => writeln!(out, "The first sample was not taken: {error:#}")?,
        }
    }
    let files = SampleFiles {
        accepted: &directory.file(accepted),
        with_bad_rows: &directory.file(with_bad_rows),
        period_end,
    };
    let text = guide::text(manifest, &files, &directory.file(manifest::FILE), app.clock.now());
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Waits for the private Postgres to end by itself.
async fn end_of(database: &mut Database) -> std::process::ExitStatus {
    loop {
        if let Some(status) = database.exited() {
            return status;
        }
        tokio::time::sleep(LOOK_AFTER).await;
    }
}
