//! A private Postgres: real server programs as a child process, reached over a Unix socket alone.
//!
//! ```text
//! find programs (binaries, wheel) ─▶ data directory (cluster) ─▶ child that cannot outlive us (supervisor)
//!    ─▶ role and database `etrplus` ─▶ a URL
//! ```
//!
//! Durability is as in production (`fsync` and `synchronous_commit` stay on), but for a server that is
//! discarded with its directory.

mod account;
mod binaries;
mod cluster;
mod supervisor;
mod wheel;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Error, Result};
use account::Account;
use supervisor::{Ending, Launch, Supervised};

pub use binaries::{Binaries, OLDEST_MAJOR, Search, find};

/// The role that the product uses: neither superuser nor exempt from row-level security.
pub const ROLE: &str = "etrplus";
/// The database that [`ROLE`] owns.
pub const DATABASE: &str = "etrplus";
/// Names the socket; no TCP port is opened.
const PORT: u16 = 5432;
/// A server whose starter was killed holds its directory until it has written its checkpoint.
const PREDECESSOR_LIMIT: Duration = Duration::from_secs(30);
const LOCK_LIMIT: Duration = Duration::from_millis(500);
const LOG_LIMIT: u64 = 16 << 20;

/// How to run the server.
#[derive(Clone, Debug)]
pub struct Options {
    pub search: Search,
    /// Keep nothing: no waiting for the disk, and the directory is removed when the server ends. For tests.
    pub discard: bool,
    /// Let [`ROLE`] create databases. For tests.
    pub may_create_databases: bool,
}

/// A running server; dropping it stops the server and waits for its end.
#[derive(Debug)]
pub struct Postgres {
    supervised: Supervised,
    socket: PathBuf,
    /// The programs that run it, `psql` among them where it was installed with them.
    pub binaries: Binaries,
    /// Let go when the server has stopped (fields are dropped in order).
    _lock: File,
}

impl Postgres {
    /// Starts the server whose files are in `home` (`data/`, `socket/`, `postgres.log`), creating what is missing,
    /// and waits until it takes connections and has role and database.
    ///
    /// # Errors
    /// One sentence for a person; see [`Error`]. Nothing keeps running.
    pub async fn start(home: &Path, options: Options) -> Result<Postgres> {
        let (home, may_create_databases) = (home.to_path_buf(), options.may_create_databases);
        let launched = tokio::task::spawn_blocking(move || launch(&home, &options)).await;
        let postgres = launched.map_err(|error| Error::PostgresFailed {
            cause: error.to_string(),
            log: PathBuf::from("standard error"),
        })??;
        postgres.bootstrap(may_create_databases).await.map_err(Error::Bootstrap)?;
        Ok(postgres)
    }

    /// Connects as [`ROLE`] to [`DATABASE`] and shows the rows of all contributors, so that a person's `psql` sees
    /// what there is. Understood by libpq and by sqlx.
    pub fn database_url(&self) -> String {
        self.url(DATABASE)
    }

    /// As [`Postgres::database_url`] for another database.
    pub fn url(&self, database: &str) -> String {
        let host = self.socket.display().to_string().replace('/', "%2F");
        format!("postgres://{ROLE}@{host}:{PORT}/{database}?options=-c%20etr.scope%3Dsystem")
    }

    /// The server's process.
    pub fn process_id(&self) -> u32 {
        self.supervised.server
    }

    /// How the server ended, when it did so without being asked.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.supervised.exited()
    }

    /// Stops the server and waits until it is gone, as dropping it does.
    pub fn stop(self) {
        drop(self);
    }

    /// Role and database, when they are missing.
    async fn bootstrap(&self, may_create_databases: bool) -> sqlx::Result<()> {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.socket).port(PORT);
        let mut connection = options.username("postgres").database("postgres").connect().await?;
        let (role, database): (bool, bool) = sqlx::query_as(MISSING).fetch_one(&mut connection).await?;
        if role {
            execute(&mut connection, CREATE_ROLE).await?;
        }
        if may_create_databases {
            execute(&mut connection, ALLOW_CREATION).await?;
        }
        if database {
            execute(&mut connection, CREATE_DATABASE).await?;
        }
        connection.close().await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.supervised.stop();
        // Empty by now; one outside of `home` would never be cleared away.
        let _ = fs::remove_dir(&self.socket);
    }
}

const MISSING: &str = "/* embedded.missing */ SELECT \
    NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'etrplus'), \
    NOT EXISTS (SELECT FROM pg_database WHERE datname = 'etrplus')";
const CREATE_ROLE: &str =
    "/* embedded.create_role */ CREATE ROLE etrplus LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB";
const ALLOW_CREATION: &str = "/* embedded.allow_creation */ ALTER ROLE etrplus CREATEDB";
const CREATE_DATABASE: &str = "/* embedded.create_database */ CREATE DATABASE etrplus OWNER etrplus";

async fn execute(connection: &mut PgConnection, statement: &'static str) -> sqlx::Result<()> {
    sqlx::query(statement).execute(connection).await.map(|_| ())
}

/// The blocking part of a start.
fn launch(home: &Path, options: &Options) -> Result<Postgres> {
    let account = Account::choose()?;
    let home = prepare_home(home, &account, options.discard)?;
    let lock = lock(&home, &account)?;
    let data = home.join("data");
    let made_by = cluster::made_by(&data)?;
    let binaries = find(&options.search, made_by, &data)?;
    let log = Log::at(home.join("postgres.log"));
    if made_by.is_none()
        && !cluster::create(&data, &binaries, &account, !options.discard, &log.open(&account)?)?
    {
        return Err(log.failed(log.complaint(None)));
    }
    let socket = cluster::socket_directory(&home, &account)?;
    let arguments = arguments(&data, &socket, options);
    let ending = if options.discard { Ending::Discard } else { Ending::Fast };
    let begun = Instant::now();
    loop {
        let log = Log::at(home.join("postgres.log"));
        let before = fs::read(data.join("postmaster.pid")).ok();
        let mut supervised = Supervised::launch(Launch {
            account: &account,
            program: &binaries.program("postgres"),
            arguments: &arguments,
            log: log.open(&account)?,
            ending,
            home: &home,
        })
        .map_err(|error| log.failed(error.to_string()))?;
        if supervised.wait_until_ready(&data, before.as_deref()) {
            return Ok(Postgres { supervised, socket, binaries, _lock: lock });
        }
        let said = log.complaint(Some(supervised.server));
        if !is_predecessor(&said) {
            return Err(log.failed(said));
        }
        if begun.elapsed() > PREDECESSOR_LIMIT {
            return Err(Error::InUse(home));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes `home` and sees that the server's user can get there; returns its absolute path.
fn prepare_home(home: &Path, account: &Account, discard: bool) -> Result<PathBuf> {
    let refused = |cause| cluster::refused(home, account, cause);
    if discard {
        // Its owner removes it.
        account.create_directory(home)?;
    }
    fs::create_dir_all(home).map_err(refused)?;
    let home = fs::canonicalize(home).map_err(refused)?;
    if account.barred_from(&home).as_deref() == Some(&home) {
        // It is ours to open: what is secret in it has modes of its own.
        fs::set_permissions(&home, fs::Permissions::from_mode(0o711)).map_err(refused)?;
    }
    match account.barred_from(&home) {
        Some(path) => Err(Error::Unreachable { path, user: account.name.clone() }),
        None => Ok(home),
    }
}

/// Tells a living starter, whose server stays, from a dead one, whose server is about to end.
fn lock(home: &Path, account: &Account) -> Result<File> {
    let path = home.join("lock");
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let file = file.map_err(|cause| cluster::refused(&path, account, cause))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that is ending, or one that another thread is just starting, may hold it a moment longer.
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_LIMIT => {
                std::thread::sleep(LOCK_LIMIT / 20);
            }
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(home.to_path_buf())),
            Err(TryLockError::Error(cause)) => return Err(cluster::refused(&path, account, cause)),
        }
    }
}

/// Whether the server's user can get to `home`, which need not exist yet.
pub fn is_reachable(home: &Path) -> bool {
    let (Ok(account), Ok(home)) = (Account::choose(), std::path::absolute(home)) else { return false };
    let existing = home.ancestors().find_map(|folder| fs::canonicalize(folder).ok());
    let Some(existing) = existing else { return false };
    match account.barred_from(&existing) {
        None => true,
        // `home` itself is opened when the server starts.
        Some(barred) => home.exists() && barred == existing,
    }
}

/// Set on the command line, so that they hold whatever the directory's own configuration says.
fn arguments(data: &Path, socket: &Path, options: &Options) -> Vec<String> {
    let socket = format!("unix_socket_directories={}", socket.display());
    let durable = if options.discard { "off" } else { "on" };
    let durability =
        ["fsync", "synchronous_commit", "full_page_writes"].map(|name| format!("{name}={durable}"));
    let settings = [
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "port=5432",
        "max_connections=200",
        "shared_buffers=256MB",
        "max_wal_size=2GB",
        "checkpoint_timeout=15min",
        "jit=off",
        "timezone=UTC",
        "log_timezone=UTC",
        // Row contents, which details of errors repeat, do not belong in a log.
        "log_error_verbosity=terse",
        "log_line_prefix=%m [%p] %q%a ",
    ];
    let settings = settings.map(str::to_owned).into_iter().chain(durability).chain([socket]);
    let flags = settings.flat_map(|setting| ["-c".to_owned(), setting]);
    ["-D".to_owned(), data.display().to_string()].into_iter().chain(flags).collect()
}

/// Where the server's programs write what they have to say.
struct Log {
    path: PathBuf,
    /// Its length when we came: what follows is about this start.
    begun_at: u64,
}

impl Log {
    /// Looks at the log as it is; a large one is put aside first.
    fn at(path: PathBuf) -> Log {
        let mut begun_at = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if begun_at > LOG_LIMIT && fs::rename(&path, path.with_extension("log.1")).is_ok() {
            begun_at = 0;
        }
        Log { path, begun_at }
    }

    fn open(&self, account: &Account) -> Result<File> {
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path);
        log.map_err(|cause| cluster::refused(&self.path, account, cause))
    }

    fn failed(&self, cause: String) -> Error {
        Error::PostgresFailed { cause, log: self.path.clone() }
    }

    /// The first grave line of this start, without its prefix; those of `process` come first, because a
    /// predecessor may still write to the log.
    fn complaint(&self, process: Option<u32>) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.begun_at))?;
            log.read_to_end(&mut bytes)
        });
        match read {
            Ok(_) => grave_line(&String::from_utf8_lossy(&bytes), process),
            Err(error) => error.to_string(),
        }
    }
}

fn grave_line(text: &str, process: Option<u32>) -> String {
    const GRAVE: [&str; 3] = ["FATAL: ", "PANIC: ", "error: "];
    let grave = |line: &str| GRAVE.iter().find_map(|mark| Some(line.split_once(mark)?.1.trim().to_owned()));
    let mark = process.map(|process| format!("[{process}]")).unwrap_or_default();
    let own = text.lines().filter(|line| line.contains(&mark)).find_map(grave);
    let last = || text.lines().last().unwrap_or("it ended without a word").trim().to_owned();
    own.or_else(|| text.lines().find_map(grave)).unwrap_or_else(last)
}

/// Whether the complaint is about a server that still runs on the directory.
fn is_predecessor(complaint: &str) -> bool {
    complaint.contains("lock file") || complaint.contains("still in use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complaint_is_that_of_our_own_server() {
        let log = "2026-01-01 [7] FATAL:  terminating connection due to administrator command\n\
                   2026-01-01 [9] FATAL:  lock file \"postmaster.pid\" already exists\n\
                   2026-01-01 [7] LOG:  database system is shut down\n";
        assert!(is_predecessor(&grave_line(log, Some(9))));
        assert_eq!(grave_line(log, Some(8)), "terminating connection due to administrator command");
        assert_eq!(grave_line("initdb: error: no space\n", None), "no space");
        assert_eq!(grave_line("sh: postgres: not found\n", Some(9)), "sh: postgres: not found");
        assert_eq!(grave_line("", None), "it ended without a word");
    }
}
