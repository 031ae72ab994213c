//! A database per test, cloned from one that is migrated once.
//!
//! The server is a private one, found or fetched as `etrplus dev` does, shared by the tests of this process
//! and gone with it, however it ends. `ETR_TEST_DATABASE_URL` or `DATABASE_URL` names another server instead; its
//! role must be allowed to create databases.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use etrplus::db::{Db, MIGRATOR};
use etrplus::embedded::postgres::{Options, Postgres, Search};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

/// Two runs on one server build the template in turns.
const TEMPLATE_LOCK: i64 = 0x0065_7472_2b74_6d70;

/// A migrated, empty database of one test. Dropped with it where the server stays.
pub struct TestDatabase {
    /// Connects as the product's role and sees the rows of all contributors.
    pub url: String,
    /// A few connections in system scope.
    pub pool: PgPool,
    name: String,
}

impl TestDatabase {
    /// Both pools as a server process has them.
    pub fn db(&self) -> Db {
        Db::connect(&self.url, 12).unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let server = server();
        if server.private.is_none() {
            let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            // Left behind when it fails, under a name that says what it is.
            let _ = outside(move || async move {
                server.admin().await?.execute(AssertSqlSafe(statement)).await?;
                Ok(())
            });
        }
    }
}

/// Makes a database for one test.
pub async fn fresh_database() -> TestDatabase {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = tokio::task::spawn_blocking(server).await.unwrap();
    let name = format!("etr_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = server.admin().await.unwrap();
    let statement = format!("CREATE DATABASE {name} TEMPLATE {}", server.template);
    admin.execute(AssertSqlSafe(statement)).await.unwrap();
    admin.close().await.unwrap();
    let url = server.url(&name);
    let pool = PgPoolOptions::new().max_connections(5).connect(&url).await.unwrap();
    TestDatabase { url, pool, name }
}

/// The server of this process.
struct Server {
    /// Held for as long as the process lives; its end is the server's.
    private: Option<Postgres>,
    /// Connects to a database that is not a test's.
    admin_url: String,
    template: String,
}

impl Server {
    async fn admin(&self) -> sqlx::Result<PgConnection> {
        PgConnection::connect(&self.admin_url).await
    }

    fn url(&self, database: &str) -> String {
        with_database(&self.admin_url, database)
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| outside(start).unwrap_or_else(|error| panic!("no database for the tests: {error}")))
}

async fn start() -> anyhow::Result<Server> {
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    let named = ["ETR_TEST_DATABASE_URL", "DATABASE_URL"].iter().find_map(|name| variables.get(*name));
    let (private, admin_url) = match named {
        Some(url) => (None, url.clone()),
        None => {
            let home = std::env::temp_dir().join(format!("etrplus-tests-{}", std::process::id()));
            let search = Search::from_variables(&variables);
            let options = Options { search, discard: true, may_create_databases: true };
            let postgres = Postgres::start(&home, options).await?;
            let url = postgres.database_url();
            (Some(postgres), url)
        }
    };
    let template = build_template(&admin_url).await?;
    Ok(Server { private, admin_url, template })
}

/// Migrates a database under another name and renames it, so that one that exists is whole. Its name tells the
/// migrations in it, so that a later run on the same server need not repeat them.
async fn build_template(admin_url: &str) -> anyhow::Result<String> {
    let template = format!("etr_template_{}", fingerprint());
    let building = format!("{template}_building");
    let mut admin = PgConnection::connect(admin_url).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut admin).await?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&template)
        .fetch_one(&mut admin)
        .await?;
    if !exists {
        admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {building} WITH (FORCE)"))).await?;
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {building}"))).await?;
        let options: PgConnectOptions = with_database(admin_url, &building).parse()?;
        let mut connection = options.connect().await?;
        MIGRATOR.run(&mut connection).await?;
        connection.close().await?;
        rename(&mut admin, &building, &template).await?;
    }
    admin.close().await?;
    Ok(template)
}

/// A connection that was just closed may count for a moment longer.
async fn rename(admin: &mut PgConnection, from: &str, to: &str) -> sqlx::Result<()> {
    let statement = format!("ALTER DATABASE {from} RENAME TO {to}");
    for _ in 0..100 {
        match admin.execute(AssertSqlSafe(statement.clone())).await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55006") => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => return other.map(|_| ()),
        }
    }
    admin.execute(AssertSqlSafe(statement)).await.map(|_| ())
}

/// Sixteen digits that change with the text of any migration.
fn fingerprint() -> String {
    use std::hash::{Hash as _, Hasher as _};
    let mut hasher = std::hash::DefaultHasher::new();
    for migration in MIGRATOR.iter() {
        (migration.version, &migration.checksum).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// Exchanges the database in a `postgres://…/name?options` address.
fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let authority_at = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority_at..].find('/').map_or(address.len(), |at| authority_at + at);
    let scope = "options=-c%20etr.scope%3Dsystem";
    let query =
        if query.contains(scope) || query.is_empty() { scope.to_owned() } else { format!("{query}&{scope}") };
    format!("{}/{database}?{query}", &address[..end])
}

/// Runs to the end on a thread and a runtime of its own: a test's runtime ends with the test, and what is
/// shared must not.
fn outside<T, F>(work: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
{
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work())
    })
    .join()
    .map_err(|_| anyhow::anyhow!("panicked"))?
}
