//! Real processes: the binary as `serve` and `work`, on a Postgres that keeps its promises and an object store in
//! this process; clients that speak HTTP over the wire. For stories about processes that die.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{Datelike as _, NaiveDate, TimeDelta};
use etrplus::access::Scope;
use etrplus::access::registry::{NewClient, NewContributor, NewCredential, Registry};
use etrplus::app::App;
use etrplus::clock::Clock;
use etrplus::config::Config;
use etrplus::db::MIGRATOR;
use etrplus::domain::contract::Terms;
use etrplus::embedded::postgres::{Options, Postgres, Search};
use etrplus::privacy::random;
use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tempfile::TempDir;

use super::app::{configuration, wire};
use super::objects;
use super::wire::WireClient;

/// What all processes of a story share.
pub struct Fleet {
    /// The same wiring in this process, for looking and for making clients.
    pub app: Arc<App>,
    pub pool: PgPool,
    variables: BTreeMap<String, String>,
    // Dropped in this order: the server before its directory.
    pub postgres: Option<Postgres>,
    folder: TempDir,
}

impl Fleet {
    /// An empty, migrated Postgres with durability on. `more` are variables beside the usual ones.
    pub async fn start(more: &[(&str, &str)]) -> Fleet {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let postgres = durable_postgres(&home_in(folder.path())).await;
        let url = postgres.database_url();
        let pool = PgPoolOptions::new().max_connections(4).connect(&url).await.unwrap();
        MIGRATOR.run(&pool).await.unwrap();
        let mut variables = configuration(&url);
        variables.insert("ETR_DB_CONNECTIONS".into(), "12".into());
        // Stories that end with publication need no lake; others switch it on.
        variables.insert("ETR_LAKE_CATALOG".into(), "off".into());
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let store = objects::s3().await;
        for (name, value) in [
            ("ETR_S3_BUCKET", store.bucket.as_str()),
            ("ETR_S3_REGION", store.region.as_str()),
            ("ETR_S3_ENDPOINT", store.endpoint.as_deref().unwrap()),
            ("ETR_S3_ACCESS_KEY_ID", store.access_key_id.as_str()),
            ("ETR_S3_SECRET_ACCESS_KEY", store.secret_access_key.expose_secret()),
        ] {
            variables.insert(name.into(), value.into());
        }
        let warehouse = format!("s3://{}/lake/{:x}", store.bucket, random::uuid_v4().as_fields().0);
        variables.insert("ETR_LAKE_WAREHOUSE".into(), warehouse);
        let app = wire(Config::from_variables(&variables).unwrap(), Clock::System).await;
        Fleet { app, pool, variables, postgres: Some(postgres), folder }
    }

    /// Where Postgres lives.
    pub fn home(&self) -> PathBuf {
        home_in(self.folder.path())
    }

    /// A contributor's system with the right to send batches, or, without terms, a risk engine.
    pub async fn client(&self, name: &str, terms: Option<Terms>, servers: &[SocketAddr]) -> WireClient {
        let registry = Registry {
            pool: &self.app.db.system,
            keys: &self.app.keys,
            clock: &self.app.clock,
            actor: "test",
        };
        let contributor_id = match terms {
            Some(terms) => {
                let new = NewContributor { slug: name.into(), name: name.into(), terms };
                Some(registry.ensure_contributor(&new).await.unwrap())
            }
            None => None,
        };
        let (scopes, purposes) = match contributor_id {
            Some(_) => (vec![Scope::BatchesWrite, Scope::BatchesRead], Vec::new()),
            None => (vec![Scope::ProfilesQuery], vec!["CREDIT_APPLICATION".to_owned()]),
        };
        let new = NewClient {
            name: name.into(),
            contributor_id,
            scopes: scopes.into_iter().collect(),
            purposes: purposes.into_iter().collect(),
            credential: NewCredential::Secret,
        };
        let issued = registry.create_client(&new).await.unwrap();
        WireClient::new(servers, &issued.client_id.to_string(), issued.secret.unwrap().expose_secret())
    }

    /// A server on a port of its own.
    pub fn serve(&self) -> Process {
        let listen = free_address();
        self.process("serve", vec![("ETR_LISTEN", listen.to_string())], Some(listen))
    }

    pub fn work(&self) -> Process {
        self.process("work", Vec::new(), None)
    }

    fn process(
        &self,
        command: &'static str,
        own: Vec<(&str, String)>,
        listen: Option<SocketAddr>,
    ) -> Process {
        let mut variables = self.variables.clone();
        variables.insert("ETR_METRICS_LISTEN".into(), "127.0.0.1:0".into());
        variables.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let log =
            tempfile::Builder::new().prefix(command).suffix(".log").tempfile_in(self.folder.path()).unwrap();
        let (_, log) = log.keep().unwrap();
        let mut process = Process { command, variables, listen, log, running: None };
        process.start();
        process
    }
}

fn home_in(folder: &Path) -> PathBuf {
    folder.join("postgres")
}

/// As `etrplus dev` runs it, with every commit waiting for the disk.
pub async fn durable_postgres(home: &Path) -> Postgres {
    let search = Search::from_variables(&std::env::vars().collect());
    Postgres::start(home, Options { search, discard: false, may_create_databases: false }).await.unwrap()
}

/// A port that was free a moment ago: servers that are killed and started again must come back to theirs.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// One process of the product, which may be killed and started again.
pub struct Process {
    pub command: &'static str,
    pub listen: Option<SocketAddr>,
    variables: BTreeMap<String, String>,
    log: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    /// Open for as long as this process lives; see [`Process::start`].
    lifeline: Option<ChildStdin>,
}

/// Becomes the binary, after leaving a shell behind that kills it when nobody holds the other end of standard
/// input any more: a test that is killed itself leaves no server running.
const TIED: &str =
    r#"exec 3<&0; (read -r nothing <&3; kill -9 $$ 2>/dev/null) & exec "$0" "$1" 3<&- </dev/null"#;

impl Process {
    /// Starts it, as before if it ran before.
    pub fn start(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        let log = std::fs::OpenOptions::new().append(true).open(&self.log).unwrap();
        let mut child = Command::new("/bin/sh")
            .args(["-c", TIED, env!("CARGO_BIN_EXE_etrplus"), self.command])
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let lifeline = child.stdin.take();
        self.running = Some(Running { child, lifeline });
    }

    pub fn signal(&self, signal: Signal) {
        let child = &self.running.as_ref().unwrap().child;
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Waits for its end, however it comes.
    pub fn wait(&mut self) -> ExitStatus {
        let mut running = self.running.take().unwrap();
        let status = running.child.wait().unwrap();
        drop(running.lifeline.take());
        status
    }

    /// SIGKILL: no handler, no destructor, no last word.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// SIGTERM, and the status that it ends with.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        tokio::task::spawn_blocking(move || self.wait()).await.unwrap()
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until its log has the words.
    pub async fn until_said(&self, words: &str) {
        until(&format!("{} says {words:?}", self.command), async || self.said().contains(words)).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.kill();
        }
    }
}

/// The end of last month: processes have the clock of the machine, and this is open for reports at any time.
pub fn period_end() -> NaiveDate {
    Clock::System.now().date_naive().with_day(1).unwrap() - TimeDelta::days(1)
}

/// Looks again until something is so. Half a minute is more than anything here takes.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
