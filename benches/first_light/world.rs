//! What all measurements stand on: a private Postgres with a fresh database each, an object store, a `serve` and
//! a `work` process of the release binary, clients with tokens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use etrplus::access::Scope;
use etrplus::access::registry::{NewClient, NewContributor, NewCredential, Registry};
use etrplus::commands::{migrate, serve};
use etrplus::config::Config;
use etrplus::domain::contract::Terms;
use etrplus::embedded::postgres::{Options, Postgres, Search};
use etrplus::ids::ContributorId;
use http::{Request, StatusCode};
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use crate::load::{Connection, Pieces};
use crate::objects::{Objects, weed_on_path};
use crate::process::{Process, free_port};

/// Servers are started when a measurement first needs them and end in the order of the fields.
pub struct World {
    objects: Option<Objects>,
    postgres: Option<Postgres>,
    /// The program that is measured.
    pub binary: PathBuf,
    weed: Option<PathBuf>,
    databases: u32,
    directory: TempDir,
}

/// A migrated database of one measurement, with its clients.
pub struct Database {
    /// Connects as the product's role and sees the rows of all contributors.
    pub url: String,
    pub contributor_id: ContributorId,
    contributor: Credentials,
    risk_engine: Credentials,
    variables: BTreeMap<String, String>,
}

struct Credentials {
    client_id: String,
    secret: String,
}

/// A serving process.
pub struct Server {
    pub process: Process,
    pub address: SocketAddr,
}

impl World {
    pub fn new(
        parent: Option<&Path>,
        binary: PathBuf,
        weed: Option<PathBuf>,
        embedded_s3: bool,
    ) -> Result<World> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("etrplus-bench-");
        let directory = match parent {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        }
        .context("no directory to work in")?;
        // Postgres may run as another user, who must get to its own directory.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711))?;
        let weed = weed.or_else(weed_on_path).filter(|_| !embedded_s3);
        Ok(World { objects: None, postgres: None, binary, weed, databases: 0, directory })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub async fn postgres(&mut self) -> Result<&Postgres> {
        if self.postgres.is_none() {
            let search = Search::from_variables(&std::env::vars().collect());
            let options = Options { search, discard: false, may_create_databases: true };
            self.postgres = Some(Postgres::start(&self.path("postgres"), options).await?);
        }
        self.postgres.as_ref().context("Postgres was just started")
    }

    pub async fn postgres_version(&mut self) -> Result<String> {
        Ok(self.postgres().await?.binaries.version.clone())
    }

    pub async fn objects(&mut self) -> Result<&Objects> {
        if self.objects.is_none() {
            let objects = Objects::start(self.directory.path(), self.weed.as_deref()).await?;
            self.objects = Some(objects);
        }
        self.objects.as_ref().context("the object store was just started")
    }

    /// Makes a fresh database with a contributor, who may send anything at any time, and a risk engine.
    pub async fn database(&mut self) -> Result<Database> {
        self.databases += 1;
        let name = format!("bench_{}", self.databases);
        let postgres = self.postgres().await?;
        let mut admin = PgConnection::connect(&postgres.database_url()).await?;
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        admin.close().await?;
        let url = postgres.url(&name);
        migrate::run(&url, &mut std::io::sink()).await?;
        let variables = self.variables(&url).await?;
        let config = Config::from_variables(&variables)?;
        let app = serve::wire(config).await?;
        let registry =
            Registry { pool: &app.db.system, keys: &app.keys, clock: &app.clock, actor: "benchmark" };
        let new = NewContributor { slug: "bench".into(), name: "Benchmark".into(), terms: Terms::default() };
        let contributor_id = registry.ensure_contributor(&new).await?;
        let sender = [Scope::BatchesWrite, Scope::BatchesRead];
        let contributor = client(&registry, "bench", Some(contributor_id), &sender, &[]).await?;
        let risk_engine =
            client(&registry, "bench-risk", None, &[Scope::ProfilesQuery], &["CREDIT_APPLICATION"]).await?;
        app.db.system.close().await;
        Ok(Database { url, contributor_id, contributor, risk_engine, variables })
    }

    /// What the binary reads from its environment.
    async fn variables(&mut self, url: &str) -> Result<BTreeMap<String, String>> {
        let s3 = self.objects().await?.config.clone();
        let key = format!("1:{}", BASE64_STANDARD.encode([42_u8; 32]));
        let variables = [
            ("DATABASE_URL", url.to_owned()),
            // What is measured ends with publication.
            ("ETR_LAKE_CATALOG", "off".to_owned()),
            ("ETR_S3_BUCKET", s3.bucket),
            ("ETR_S3_REGION", s3.region),
            ("ETR_S3_ENDPOINT", s3.endpoint.unwrap_or_default()),
            ("ETR_S3_ACCESS_KEY_ID", s3.access_key_id),
            ("ETR_S3_SECRET_ACCESS_KEY", s3.secret_access_key.expose_secret().to_owned()),
            // Keys of the benchmark alone; they protect synthetic rows.
            ("ETR_TOKEN_KEY", key.clone()),
            ("ETR_SEAL_KEYS", key),
            ("ETR_LOG", "warn".to_owned()),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// Starts `serve`, without waiting for it.
    pub fn spawn_server(&self, database: &Database) -> Result<Server> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut variables = database.variables.clone();
        variables.insert("ETR_LISTEN".into(), address.to_string());
        variables.insert("ETR_METRICS_LISTEN".into(), format!("127.0.0.1:{}", free_port()?));
        let log = self.path(&format!("serve-{}.log", address.port()));
        Ok(Server { process: Process::spawn(&self.binary, &["serve"], &variables, log)?, address })
    }

    pub async fn serve(&self, database: &Database) -> Result<Server> {
        let mut server = self.spawn_server(database)?;
        server.process.until_ready(server.address).await?;
        Ok(server)
    }

    pub fn work(&self, database: &Database) -> Result<Process> {
        let mut variables = database.variables.clone();
        variables.insert("ETR_METRICS_LISTEN".into(), format!("127.0.0.1:{}", free_port()?));
        Process::spawn(&self.binary, &["work"], &variables, self.path("work.log"))
    }
}

async fn client(
    registry: &Registry<'_>,
    name: &str,
    contributor_id: Option<ContributorId>,
    scopes: &[Scope],
    purposes: &[&str],
) -> Result<Credentials> {
    let new = NewClient {
        name: name.into(),
        contributor_id,
        scopes: scopes.iter().copied().collect(),
        purposes: purposes.iter().map(|purpose| (*purpose).to_owned()).collect(),
        credential: NewCredential::Secret,
    };
    let issued = registry.create_client(&new).await?;
    let secret = issued.secret.context("a client without a secret")?;
    Ok(Credentials { client_id: issued.client_id.to_string(), secret: secret.expose_secret().to_owned() })
}

impl Database {
    /// An access token of the contributor; good for five minutes.
    pub async fn contributor_token(&self, server: &Server) -> Result<String> {
        token(server, &self.contributor).await
    }

    pub async fn risk_token(&self, server: &Server) -> Result<String> {
        token(server, &self.risk_engine).await
    }

    /// Batches land in the lake, and do not wait for company longer than usual.
    pub fn switch_lake_on(&mut self) {
        self.variables.insert("ETR_LAKE_CATALOG".into(), "sql".into());
        let bucket = self.variables.get("ETR_S3_BUCKET").cloned().unwrap_or_default();
        let database = self.url.rsplit('/').next().unwrap_or_default().to_owned();
        let database = database.split('?').next().unwrap_or_default();
        self.variables.insert("ETR_LAKE_WAREHOUSE".into(), format!("s3://{bucket}/lake/{database}"));
    }

    /// What the binary would read.
    pub fn config(&self) -> Result<Config> {
        let mut variables = self.variables.clone();
        variables.insert("ETR_LAKE_COMMIT_SECONDS".into(), "0".into());
        Ok(Config::from_variables(&variables)?)
    }

    /// More contributors, each with a system that sends: their access tokens.
    pub async fn more_contributors(&self, server: &Server, count: usize) -> Result<Vec<String>> {
        let app = serve::wire(Config::from_variables(&self.variables)?).await?;
        let registry =
            Registry { pool: &app.db.system, keys: &app.keys, clock: &app.clock, actor: "benchmark" };
        let mut tokens = Vec::with_capacity(count);
        for n in 0..count {
            let slug = format!("bench-{n}");
            let new = NewContributor { slug: slug.clone(), name: slug.clone(), terms: Terms::default() };
            let contributor = registry.ensure_contributor(&new).await?;
            let scopes = [Scope::BatchesWrite, Scope::BatchesRead];
            tokens.push(client(&registry, &slug, Some(contributor), &scopes, &[]).await?);
        }
        app.db.close().await;
        let mut issued = Vec::with_capacity(count);
        for credentials in &tokens {
            issued.push(token(server, credentials).await?);
        }
        Ok(issued)
    }

    pub async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.url).await?)
    }
}

async fn token(server: &Server, credentials: &Credentials) -> Result<String> {
    let basic = BASE64_STANDARD.encode(format!("{}:{}", credentials.client_id, credentials.secret));
    let request = Request::post("/oauth/token")
        .header("authorization", format!("Basic {basic}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Pieces::new([bytes::Bytes::from_static(b"grant_type=client_credentials")]))?;
    let answer = Connection::open(server.address).await?.expect(StatusCode::OK, request).await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    Ok(answer["access_token"].as_str().context("no access_token")?.to_owned())
}
