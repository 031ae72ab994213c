//! Configuration: read once from the environment, checked as a whole, secrets never shown.
//!
//! Every variable is a line of [`VARIABLES`]; the table in README.md is the same list, which a test holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::filter::EnvFilter;
use zeroize::Zeroizing;

use crate::domain::contract::Environment;

/// All variables: name, default (empty: required), meaning.
pub const VARIABLES: &[(&str, &str, &str)] = &[
    (
        "DATABASE_URL",
        "",
        "Postgres, as postgres://user@host/database; a role that is neither superuser nor BYPASSRLS",
    ),
    ("ETR_S3_BUCKET", "", "bucket that holds bronze/ and refined/"),
    ("ETR_S3_ACCESS_KEY_ID", "", "S3 credentials (AWS_ACCESS_KEY_ID is read as well)"),
    ("ETR_S3_SECRET_ACCESS_KEY", "", "S3 credentials (AWS_SECRET_ACCESS_KEY is read as well)"),
    ("ETR_S3_REGION", "ap-southeast-5", "S3 region"),
    ("ETR_S3_ENDPOINT", "(AWS)", "S3 endpoint for stores other than AWS; path-style addressing is used"),
    (
        "ETR_TOKEN_KEY",
        "",
        "<version>:<base64 of 32 random bytes>: makes the keyed tokens of identifiers; losing it loses every person",
    ),
    (
        "ETR_SEAL_KEYS",
        "",
        "<version>:<base64 of 32 bytes>[,…]: encrypts identifiers and signing keys; the last one seals, all open",
    ),
    ("ETR_ENVIRONMENT", "PROD", "TEST or PROD: batches declared for the other one are refused (F017)"),
    ("ETR_LISTEN", "127.0.0.1:8080", "address of the API"),
    ("ETR_METRICS_LISTEN", "127.0.0.1:9090", "address of Prometheus metrics; keep it private"),
    ("ETR_PUBLIC_URL", "http://<ETR_LISTEN>", "how clients reach the API: issuer and audience of tokens"),
    ("ETR_DB_CONNECTIONS", "24", "Postgres connections of one process, over all its pools"),
    ("ETR_WORKERS", "2", "batches that one process refines at once"),
    (
        "ETR_LEASE_SECONDS",
        "30",
        "a worker that shows no sign of life for so long loses its batch to another worker",
    ),
    (
        "ETR_UPLOAD_LEASE_SECONDS",
        "15",
        "an upload whose server shows no sign of life for so long is given up, and its key is free again",
    ),
    ("ETR_MAX_BATCH_BYTES", "4294967296", "largest body of POST /v1/batches as received (F016)"),
    ("ETR_MAX_DECODED_BYTES", "34359738368", "largest body after decompression (F016)"),
    ("ETR_MAX_BATCH_RECORDS", "10000000", "most records in one batch (F016)"),
    ("ETR_MAX_RATIO", "100", "most decompressed bytes per received byte, after the first MiB (F004)"),
    ("ETR_REQUEST_SECONDS", "30", "time limit of a request other than an upload"),
    ("ETR_SHUTDOWN_SECONDS", "25", "how long a stopping process lets work finish"),
    (
        "ETR_TEMP_DIR",
        "(the system's)",
        "directory for unnamed temporary files of keyed hashes: 1.1 GB for a batch of 10 million records, less below; not a RAM disk",
    ),
    (
        "ETR_DRY_RUN_RETENTION_HOURS",
        "24",
        "how long the bytes and the reject file of a rehearsal (dry_run) are kept",
    ),
    (
        "ETR_LAKE_CATALOG",
        "sql",
        "which catalog knows the tables of the lake: sql (this Postgres), glue, rest, or off",
    ),
    ("ETR_LAKE_CATALOG_URI", "(none)", "address of the REST catalog, or of Glue where it is not AWS's own"),
    (
        "ETR_LAKE_CATALOG_CREDENTIAL",
        "(none)",
        "<client id>:<secret> by which a REST catalog gives tokens (OAuth2)",
    ),
    ("ETR_LAKE_NAME", "etrplus", "name of the catalog; engines must call it the same"),
    (
        "ETR_LAKE_WAREHOUSE",
        "s3://<ETR_S3_BUCKET>/lake",
        "where the tables of the lake are made; for a REST catalog its name of the warehouse",
    ),
    ("ETR_LAKE_KMS_KEY_ID", "(none)", "KMS key that encrypts the files of the lake (SSE-KMS)"),
    (
        "ETR_LAKE_BUCKETS",
        "4",
        "parts of a month in the tables of the lake, by hash; fixed when a table is made",
    ),
    (
        "ETR_LAKE_COMMIT_SECONDS",
        "3",
        "how long a published batch may wait for others to land in the lake together",
    ),
    (
        "ETR_OPENLINEAGE_URL",
        "(none)",
        "where OpenLineage events about runs are posted to, such as https://lineage.example/api/v1/lineage; none are made without it",
    ),
    ("ETR_OPENLINEAGE_TOKEN", "(none)", "bearer token for ETR_OPENLINEAGE_URL"),
    ("ETR_LOG_FORMAT", "json", "json or text"),
    ("ETR_LOG", "info", "log filter, as tracing-subscriber reads it"),
    ("ETR_PG_BIN", "(searched)", "`dev` and tests: folder with the PostgreSQL programs to run privately"),
];

/// A symmetric key with its version. Never printed.
#[derive(Clone)]
pub struct VersionedKey {
    pub version: u8,
    pub key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for VersionedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VersionedKey(v{}, redacted)", self.version)
    }
}

#[derive(Clone, Debug)]
pub struct S3Config {
    pub bucket: String,
    pub region: String,
    pub endpoint: Option<String>,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
}

/// Which catalog knows the tables of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LakeCatalog {
    /// Two tables of our own Postgres.
    Sql,
    /// AWS Glue.
    Glue,
    /// A service that speaks Iceberg's REST protocol.
    Rest,
    /// There is no lake: batches stay `published`.
    Off,
}

/// The lake: its catalog, and how its tables are made.
#[derive(Clone, Debug)]
pub struct LakeConfig {
    pub catalog: LakeCatalog,
    pub catalog_uri: Option<String>,
    /// Client id and secret of a REST catalog, with a colon between them.
    pub catalog_credential: Option<SecretString>,
    pub name: String,
    /// As `s3://bucket/prefix`, without a slash at its end; for a REST catalog the name that it has for a warehouse.
    pub warehouse: String,
    pub kms_key_id: Option<String>,
    pub buckets: u32,
    /// How long the first thing that waits for a table waits for company.
    pub commit_wait: Duration,
}

/// What the server enforces and tells at `GET /v1/limits`.
#[derive(Clone, Debug)]
pub struct Limits {
    pub max_batch_bytes: u64,
    pub max_decoded_bytes: u64,
    pub max_records: u64,
    pub max_ratio: u64,
    /// Longest line or record; a constant of the contract (F016).
    pub max_line_bytes: usize,
    pub request_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub database_url: SecretString,
    pub s3: S3Config,
    pub lake: LakeConfig,
    pub token_key: VersionedKey,
    pub seal_keys: Vec<VersionedKey>,
    pub environment: Environment,
    pub listen: SocketAddr,
    pub metrics_listen: SocketAddr,
    pub public_url: String,
    pub db_connections: u32,
    pub workers: usize,
    pub lease: Duration,
    pub upload_lease: Duration,
    pub limits: Limits,
    pub shutdown_grace: Duration,
    /// How long the files of a rehearsal are kept after its verdict.
    pub dry_run_retention: Duration,
    /// Where a batch that is too large for memory keeps keyed hashes while it is judged.
    pub temp_dir: PathBuf,
    /// Who is told about runs, if anybody.
    pub openlineage: Option<OpenLineage>,
    pub log_json: bool,
    pub log_filter: String,
}

/// A receiver of OpenLineage events.
#[derive(Clone, Debug)]
pub struct OpenLineage {
    pub url: String,
    pub token: Option<SecretString>,
}

/// Everything that is wrong with the environment, so that one start tells all of it.
#[derive(Debug, thiserror::Error)]
#[error("configuration is incomplete or wrong:\n  {}", .0.join("\n  "))]
pub struct ConfigError(pub Vec<String>);

/// Reads variables and gathers complaints.
struct Reader<'a> {
    variables: &'a BTreeMap<String, String>,
    errors: Vec<String>,
}

impl Reader<'_> {
    fn optional(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn required(&mut self, names: &[&str]) -> String {
        let found = names.iter().find_map(|name| self.optional(name));
        found.unwrap_or_else(|| {
            let meaning = VARIABLES.iter().find(|(name, _, _)| *name == names[0]).map_or("", |v| v.2);
            self.errors.push(format!("{} is not set: {meaning}", names[0]));
            String::new()
        })
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &str, default: T, what: &str) -> T {
        match self.optional(name) {
            None => default,
            Some(text) => text.parse().unwrap_or_else(|_| {
                self.errors.push(format!("{name} must be {what}"));
                default
            }),
        }
    }

    fn keys(&mut self, name: &str) -> Vec<VersionedKey> {
        let text = Zeroizing::new(self.required(&[name]));
        if text.is_empty() {
            return Vec::new();
        }
        let keys: Vec<_> = text.split(',').map(parse_key).collect();
        if keys.iter().any(Option::is_none) {
            // The value itself is a secret: say what is expected, never what was found.
            self.errors.push(format!("{name} must be <version 1-255>:<base64 of 32 bytes>"));
        }
        keys.into_iter().flatten().collect()
    }
}

fn parse_key(text: &str) -> Option<VersionedKey> {
    let (version, encoded) = text.trim().split_once(':')?;
    let bytes = Zeroizing::new(BASE64.decode(encoded).ok()?);
    let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    Some(VersionedKey { version, key: Zeroizing::new(key) })
}

impl Config {
    /// Reads the process environment.
    pub fn from_env() -> Result<Config, ConfigError> {
        Config::from_variables(&std::env::vars().collect())
    }

    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
        let mut read = Reader { variables, errors: Vec::new() };
        let listen = read.parsed(
            "ETR_LISTEN",
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            "an address like 127.0.0.1:8080",
        );
        let config = Config {
            database_url: read.required(&["DATABASE_URL"]).into(),
            s3: S3Config {
                bucket: read.required(&["ETR_S3_BUCKET"]),
                region: read.optional("ETR_S3_REGION").unwrap_or_else(|| "ap-southeast-5".into()),
                endpoint: read.optional("ETR_S3_ENDPOINT"),
                access_key_id: read.required(&["ETR_S3_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"]),
                secret_access_key: read
                    .required(&["ETR_S3_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"])
                    .into(),
            },
            lake: lake(&mut read),
            token_key: token_key(&mut read),
            seal_keys: read.keys("ETR_SEAL_KEYS"),
            environment: environment(&mut read),
            listen,
            metrics_listen: read.parsed(
                "ETR_METRICS_LISTEN",
                SocketAddr::from(([127, 0, 0, 1], 9090)),
                "an address like 127.0.0.1:9090",
            ),
            public_url: read
                .optional("ETR_PUBLIC_URL")
                .unwrap_or_else(|| format!("http://{listen}"))
                .trim_end_matches('/')
                .to_owned(),
            db_connections: read.parsed("ETR_DB_CONNECTIONS", 24, "a number from 4 to 500"),
            workers: read.parsed("ETR_WORKERS", 2, "a number from 1 to 64"),
            lease: Duration::from_secs(read.parsed("ETR_LEASE_SECONDS", 30, LEASE_RANGE)),
            upload_lease: Duration::from_secs(read.parsed("ETR_UPLOAD_LEASE_SECONDS", 15, LEASE_RANGE)),
            limits: read_limits(&mut read),
            shutdown_grace: Duration::from_secs(read.parsed(
                "ETR_SHUTDOWN_SECONDS",
                25,
                "a number of seconds",
            )),
            dry_run_retention: hours(&mut read, "ETR_DRY_RUN_RETENTION_HOURS", 24),
            temp_dir: read.optional("ETR_TEMP_DIR").map_or_else(std::env::temp_dir, PathBuf::from),
            openlineage: openlineage(&mut read),
            log_json: log_json(&mut read),
            log_filter: log_filter(&mut read),
        };
        check(&config, &mut read.errors);
        if read.errors.is_empty() { Ok(config) } else { Err(ConfigError(read.errors)) }
    }

    pub fn database_url(&self) -> &str {
        self.database_url.expose_secret()
    }
}

fn lake(read: &mut Reader<'_>) -> LakeConfig {
    let catalog = match read.optional("ETR_LAKE_CATALOG").as_deref() {
        None | Some("sql") => LakeCatalog::Sql,
        Some("glue") => LakeCatalog::Glue,
        Some("rest") => LakeCatalog::Rest,
        Some("off") => LakeCatalog::Off,
        Some(_) => {
            read.errors.push("ETR_LAKE_CATALOG must be sql, glue, rest or off".into());
            LakeCatalog::Off
        }
    };
    let catalog_uri = read.optional("ETR_LAKE_CATALOG_URI");
    if catalog == LakeCatalog::Rest && catalog_uri.is_none() {
        read.errors.push("ETR_LAKE_CATALOG_URI is not set: the REST catalog needs its address".into());
    }
    let catalog_credential = read.optional("ETR_LAKE_CATALOG_CREDENTIAL");
    if catalog_credential.as_ref().is_some_and(|credential| !credential.contains(':')) {
        read.errors.push("ETR_LAKE_CATALOG_CREDENTIAL must be <client id>:<secret>".into());
    }
    let bucket = read.optional("ETR_S3_BUCKET").unwrap_or_default();
    let warehouse = read.optional("ETR_LAKE_WAREHOUSE").unwrap_or_else(|| format!("s3://{bucket}/lake"));
    if catalog != LakeCatalog::Rest && !warehouse.starts_with("s3://") {
        read.errors.push("ETR_LAKE_WAREHOUSE must be s3://bucket/prefix".into());
    }
    let buckets = read.parsed("ETR_LAKE_BUCKETS", 4, "a number from 1 to 64");
    if !(1..=64).contains(&buckets) {
        read.errors.push("ETR_LAKE_BUCKETS must be a number from 1 to 64".into());
    }
    let wait = read.parsed("ETR_LAKE_COMMIT_SECONDS", 3, "a number of seconds from 0 to 600");
    if wait > 600 {
        read.errors.push("ETR_LAKE_COMMIT_SECONDS must be a number of seconds from 0 to 600".into());
    }
    LakeConfig {
        catalog,
        catalog_uri,
        catalog_credential: catalog_credential.map(Into::into),
        name: read.optional("ETR_LAKE_NAME").unwrap_or_else(|| "etrplus".into()),
        warehouse: warehouse.trim_end_matches('/').to_owned(),
        kms_key_id: read.optional("ETR_LAKE_KMS_KEY_ID"),
        buckets,
        commit_wait: Duration::from_secs(wait),
    }
}

/// Exactly one: with a second key the same person would get another token, and be unknown.
fn token_key(read: &mut Reader<'_>) -> VersionedKey {
    let mut keys = read.keys("ETR_TOKEN_KEY");
    if keys.len() > 1 {
        read.errors
            .push("ETR_TOKEN_KEY must be one key: changing it makes every known person unknown".into());
    }
    keys.pop().unwrap_or_else(placeholder_key)
}

/// A number of hours, up to a year.
fn hours(read: &mut Reader<'_>, name: &'static str, default: u64) -> Duration {
    let hours: u64 = read.parsed(name, default, "a number of hours");
    if !(1..=8784).contains(&hours) {
        read.errors.push(format!("{name} must be a number of hours from 1 to 8784"));
    }
    Duration::from_secs(hours.min(8784) * 3600)
}

fn openlineage(read: &mut Reader<'_>) -> Option<OpenLineage> {
    let token = read.optional("ETR_OPENLINEAGE_TOKEN").map(SecretString::from);
    let Some(url) = read.optional("ETR_OPENLINEAGE_URL") else {
        if token.is_some() {
            read.errors.push("ETR_OPENLINEAGE_TOKEN is set and ETR_OPENLINEAGE_URL is not".into());
        }
        return None;
    };
    let address = url.parse::<http::Uri>().ok();
    let fits = |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if !address.is_some_and(|uri| fits(&uri) && !uri.authority().is_some_and(|a| a.as_str().contains('@'))) {
        read.errors
            .push("ETR_OPENLINEAGE_URL must be an http:// or https:// address without credentials".into());
    }
    Some(OpenLineage { url, token })
}

fn log_json(read: &mut Reader<'_>) -> bool {
    match read.optional("ETR_LOG_FORMAT").as_deref() {
        None | Some("json") => true,
        Some("text") => false,
        Some(_) => {
            read.errors.push("ETR_LOG_FORMAT must be json or text".into());
            true
        }
    }
}

fn log_filter(read: &mut Reader<'_>) -> String {
    let filter = read.optional("ETR_LOG").unwrap_or_else(|| "info".into());
    if EnvFilter::try_new(&filter).is_err() {
        read.errors.push("ETR_LOG must be a filter such as info or info,etrplus=debug".into());
    }
    filter
}

fn environment(read: &mut Reader<'_>) -> Environment {
    match read.optional("ETR_ENVIRONMENT") {
        None => Environment::Prod,
        Some(word) => Environment::parse(&word).unwrap_or_else(|| {
            read.errors.push("ETR_ENVIRONMENT must be TEST or PROD".into());
            Environment::Prod
        }),
    }
}

fn read_limits(read: &mut Reader<'_>) -> Limits {
    Limits {
        max_batch_bytes: read.parsed("ETR_MAX_BATCH_BYTES", 4 << 30, "a number of bytes"),
        max_decoded_bytes: read.parsed("ETR_MAX_DECODED_BYTES", 32 << 30, "a number of bytes"),
        max_records: read.parsed("ETR_MAX_BATCH_RECORDS", 10_000_000, "a number of records"),
        max_ratio: read.parsed("ETR_MAX_RATIO", 100, "a ratio"),
        max_line_bytes: 1 << 20,
        request_timeout: Duration::from_secs(read.parsed("ETR_REQUEST_SECONDS", 30, "a number of seconds")),
    }
}

/// Stands in while complaints are gathered; a configuration with complaints is never returned.
fn placeholder_key() -> VersionedKey {
    VersionedKey { version: 1, key: Zeroizing::new([0; 32]) }
}

/// Less leaves no room for a late sign of life, more leaves a dead process's work undone.
const LEASE_RANGE: &str = "a number of seconds from 2 to 600";

/// How many of a process's connections are kept for refining batches, and for recalling one while all workers are busy.
pub fn refinery_connections(connections: u32) -> u32 {
    connections / 6 + 2
}

fn check(config: &Config, errors: &mut Vec<String>) {
    if !(4..=500).contains(&config.db_connections) {
        errors.push("ETR_DB_CONNECTIONS must be a number from 4 to 500".into());
    }
    if !(1..=64).contains(&config.workers) {
        errors.push("ETR_WORKERS must be a number from 1 to 64".into());
    }
    for (name, lease) in
        [("ETR_LEASE_SECONDS", config.lease), ("ETR_UPLOAD_LEASE_SECONDS", config.upload_lease)]
    {
        if !(2..=600).contains(&lease.as_secs()) {
            errors.push(format!("{name} must be {LEASE_RANGE}"));
        }
    }
    let most_workers = refinery_connections(config.db_connections).saturating_sub(1);
    if config.workers > most_workers as usize {
        errors.push(format!(
            "ETR_WORKERS may be at most {most_workers} with {} ETR_DB_CONNECTIONS: each running batch holds a connection \
             of its own, and one is left for a recall",
            config.db_connections
        ));
    }
    if config.limits.max_batch_bytes == 0 || config.limits.max_records == 0 || config.limits.max_ratio == 0 {
        errors.push("limits must be greater than zero".into());
    }
    if !config.temp_dir.is_dir() {
        errors.push("ETR_TEMP_DIR must be a directory".into());
    }
    if config.limits.request_timeout.is_zero() {
        errors.push("ETR_REQUEST_SECONDS must be at least 1: with 0 every request would time out".into());
    }
    if !config.public_url.starts_with("http://") && !config.public_url.starts_with("https://") {
        errors.push("ETR_PUBLIC_URL must start with https:// (or http:// on loopback)".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> BTreeMap<String, String> {
        let key = format!("1:{}", BASE64.encode([7u8; 32]));
        [
            ("DATABASE_URL", "postgres://etrplus:hunter2@localhost/etrplus"),
            ("ETR_S3_BUCKET", "etrplus"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "sesame"),
            ("ETR_TOKEN_KEY", key.as_str()),
            ("ETR_SEAL_KEYS", key.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn an_empty_environment_names_every_missing_variable_at_once() {
        let error = Config::from_variables(&BTreeMap::new()).unwrap_err().to_string();
        for (name, default, _) in VARIABLES {
            assert_eq!(error.contains(&format!("{name} is not set")), default.is_empty(), "{name}");
        }
    }

    #[test]
    fn the_readme_has_exactly_these_variables() {
        let row = |(name, default, meaning): &(&str, &str, &str)| {
            let default = if default.is_empty() { "required".to_owned() } else { format!("`{default}`") };
            format!("| `{name}` | {default} | {meaning} |\n")
        };
        let table: String = VARIABLES.iter().map(row).collect();
        let readme = include_str!("../README.md");
        let found: String =
            readme.lines().filter(|line| line.starts_with("| `")).map(|line| format!("{line}\n")).collect();
        assert_eq!(found, table, "the table in README.md and VARIABLES differ");
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let text = format!("{:?}", Config::from_variables(&complete()).unwrap());
        for secret in ["hunter2", "sesame", &BASE64.encode([7u8; 32]), "7, 7"] {
            assert!(!text.contains(secret), "{secret} is shown");
        }
    }

    #[test]
    fn more_workers_than_connections_for_them_are_refused() {
        let mut variables = complete();
        variables.insert("ETR_WORKERS".into(), "6".into());
        let error = Config::from_variables(&variables).unwrap_err().to_string();
        assert!(error.contains("ETR_WORKERS may be at most 5 with 24"), "{error}");
        assert_eq!(refinery_connections(24), 6, "one is left for a recall");
        variables.insert("ETR_DB_CONNECTIONS".into(), "30".into());
        assert!(Config::from_variables(&variables).is_ok());
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        let two_keys = format!("1:{0},2:{0}", BASE64.encode([7u8; 32]));
        for (name, value, complaint) in [
            ("ETR_TOKEN_KEY", two_keys.as_str(), "ETR_TOKEN_KEY must be one key"),
            ("ETR_LOG_FORMAT", "jsno", "ETR_LOG_FORMAT must be json or text"),
            ("ETR_LOG", "info,etrplus=loud", "ETR_LOG must be a filter"),
            ("ETR_LAKE_WAREHOUSE", "my-warehouse", "ETR_LAKE_WAREHOUSE must be s3://"),
            ("ETR_LAKE_CATALOG_CREDENTIAL", "just-a-name", "ETR_LAKE_CATALOG_CREDENTIAL must be"),
            ("ETR_REQUEST_SECONDS", "0", "ETR_REQUEST_SECONDS must be at least 1"),
        ] {
            let mut variables = complete();
            variables.insert(name.into(), value.into());
            let error = Config::from_variables(&variables).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
            assert!(!error.contains(&BASE64.encode([7u8; 32])), "a key is shown");
        }
    }

    #[test]
    fn a_wrong_key_is_described_and_not_repeated() {
        let mut variables = complete();
        variables.insert("ETR_SEAL_KEYS".into(), "1:dG9vIHNob3J0".into());
        let error = Config::from_variables(&variables).unwrap_err().to_string();
        assert!(error.contains("ETR_SEAL_KEYS must be"), "{error}");
        assert!(!error.contains("dG9vIHNob3J0"));
    }
}
