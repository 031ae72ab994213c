//! The object store, in a process of its own, so that its CPU time is not ours: SeaweedFS where there is one,
//! else the embedded S3.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use etrplus::config::S3Config;
use etrplus::embedded::s3::{Options, REGION, S3Server};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::process::{Process, free_port};

const BUCKET: &str = "etrplus-bench";
const ACCESS_KEY_ID: &str = "bench";
/// Guards nothing: the store lives on loopback for as long as the benchmark.
const SECRET: &str = "a-secret-of-the-benchmark";
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running object store.
pub struct Objects {
    pub config: S3Config,
    pub name: &'static str,
    process: Process,
}

impl Objects {
    /// Starts SeaweedFS where `weed` names it, else the embedded S3.
    pub async fn start(directory: &Path, weed: Option<&Path>) -> Result<Objects> {
        let root = directory.join("objects");
        std::fs::create_dir_all(&root)?;
        let log = directory.join("objects.log");
        let (process, port, name) = match weed {
            Some(weed) => {
                let (process, port) = seaweed(weed, directory, &root, log)?;
                (process, port, "SeaweedFS")
            }
            None => {
                let process = embedded(&root, log)?;
                let port = told_port(&process).await?;
                (process, port, "embedded S3 (s3s), does not wait for the disk")
            }
        };
        let config = S3Config {
            bucket: BUCKET.to_owned(),
            region: REGION.to_owned(),
            endpoint: Some(format!("http://127.0.0.1:{port}")),
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: SECRET.to_owned().into(),
        };
        let objects = Objects { config, name, process };
        objects.create_bucket().await?;
        Ok(objects)
    }

    pub fn cpu_seconds(&self) -> Result<f64> {
        self.process.cpu_seconds()
    }

    /// Creates the bucket as soon as the store answers.
    async fn create_bucket(&self) -> Result<()> {
        let config = &self.config;
        let secret = config.secret_access_key.expose_secret();
        let credentials = Credentials::new(&config.access_key_id, secret, None, None, "benchmark");
        let sdk = aws_sdk_s3::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(credentials)
            .endpoint_url(config.endpoint.clone().unwrap_or_default())
            .force_path_style(true)
            .build();
        let client = aws_sdk_s3::Client::from_conf(sdk);
        let begun = Instant::now();
        loop {
            let ready = match client.head_bucket().bucket(BUCKET).send().await {
                Ok(_) => true,
                Err(_) => client.create_bucket().bucket(BUCKET).send().await.is_ok(),
            };
            // A store may list the bucket before it can write: only an object shows that it can.
            if ready && client.put_object().bucket(BUCKET).key("ready").send().await.is_ok() {
                return Ok(());
            }
            if begun.elapsed() > START_LIMIT {
                bail!("the object store does not get ready and said: {}", self.process.said());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A `weed` on PATH.
pub fn weed_on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("weed")).find(|file| file.is_file())
}

/// All of SeaweedFS in one process. Each of its ports has a second one, counted from it.
fn seaweed(weed: &Path, directory: &Path, root: &Path, log: PathBuf) -> Result<(Process, u16)> {
    let identities = json!({"identities": [{
        "name": "bench",
        "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }]});
    let identities_file = directory.join("objects.json");
    std::fs::write(&identities_file, identities.to_string())?;
    let port = free_port()?;
    let arguments = [
        "server".to_owned(),
        "-ip=127.0.0.1".to_owned(),
        "-ip.bind=127.0.0.1".to_owned(),
        format!("-dir={}", root.display()),
        format!("-master.port={}", free_port()?),
        format!("-volume.port={}", free_port()?),
        "-volume.max=50".to_owned(),
        "-filer=true".to_owned(),
        format!("-filer.port={}", free_port()?),
        "-s3=true".to_owned(),
        format!("-s3.port={port}"),
        format!("-s3.config={}", identities_file.display()),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let home = directory.to_str().context("the directory's name is not UTF-8")?.to_owned();
    let variables = BTreeMap::from([("HOME".to_owned(), home)]);
    Ok((Process::spawn(weed, &arguments, &variables, log)?, port))
}

fn embedded(root: &Path, log: PathBuf) -> Result<Process> {
    let program = std::env::current_exe()?;
    let root = root.to_str().context("the directory's name is not UTF-8")?;
    Process::spawn(&program, &["--serve-objects", root], &BTreeMap::new(), log)
}

async fn told_port(process: &Process) -> Result<u16> {
    let begun = Instant::now();
    loop {
        if let Some(line) = process.said().lines().next() {
            return line.trim().parse().context("the object store did not tell its port");
        }
        if begun.elapsed() > START_LIMIT {
            bail!("the object store does not start");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The child's side: serves until standard input ends, which it does with its parent.
pub async fn serve_embedded(root: &Path) -> Result<()> {
    let server = S3Server::start(Options {
        root: root.to_path_buf(),
        bucket: BUCKET.to_owned(),
        port: 0,
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET.to_owned().into(),
    })
    .await?;
    let port = server.endpoint.rsplit(':').next().unwrap_or_default();
    let mut out = std::io::stdout();
    writeln!(out, "{port}")?;
    out.flush()?;
    let parent_gone =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    parent_gone.await??;
    Ok(())
}
