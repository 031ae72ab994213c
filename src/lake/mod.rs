//! The lake: Iceberg tables over Parquet files in the object store. Arrow, Parquet and Iceberg types stay in here.
//!
//! ```text
//!  journal rows ─▶ columns ─▶ write (Parquet, one file per partition) ─▶ commit (append, ledger) ─▶ table
//!                                                                        scan (one snapshot) ◀─────┘
//! ```
//!
//! Everything is appended, nothing is changed. Which catalog knows the tables is a setting ([`Lake::open`]); with the SQL
//! catalog an append and its entry in the ledger are one Postgres transaction.

pub mod archive;
mod catalog;
mod columns;
mod columns_of_rows;
mod commit;
mod fingerprint;
mod glue;
pub mod gold;
pub mod gold_refresh;
pub mod gold_tables;
mod maintain;
pub mod portfolios;
pub mod query;
mod read;
mod remake;
mod rest;
mod restore;
mod scan;
pub mod silver;
pub mod tables;
pub mod withheld;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::io::{FileIO, FileIOBuilder};
use iceberg::{Catalog, ErrorKind};
use iceberg_storage_opendal::OpenDalStorageFactory;
use secrecy::ExposeSecret as _;
use sqlx::PgPool;

use crate::clock::Clock;
use crate::config::{LakeCatalog, LakeConfig, S3Config};
use crate::error::{Error, Result};

use glue::GlueCatalog;

pub use catalog::SqlCatalog;
pub use columns_of_rows::{SnapshotRows, SnapshotWriter};
pub use commit::Landing;
pub use fingerprint::{BatchState, Contents, Group, Keys, contents_of};
use query::{Budget, Engine};
pub use remake::remade;
pub use restore::Tuples;
pub use scan::{Snapshot, SnapshotFile};
pub use tables::TableSpec;
pub use write::Files;

/// The tables and how to reach them. Cheap to clone.
#[derive(Clone)]
pub struct Lake {
    pub(super) catalog: Arc<dyn Catalog>,
    /// The same catalog when it is ours, and can take the ledger into its transaction.
    pub(super) sql: Option<Arc<SqlCatalog>>,
    pub(super) pool: PgPool,
    pub(super) clock: Clock,
    pub(super) config: LakeConfig,
    /// Answers questions to what the tables have.
    pub(super) engine: Engine,
}

/// Memory of all questions of a process.
const QUERY_MEMORY_BYTES: usize = 512 << 20;
/// Questions at once: one of the schedule, one of somebody who waits for it.
const QUESTIONS: usize = 2;

impl Lake {
    /// The lake as it is set up; `None` when it is switched off. Nothing is asked of anybody before the first use.
    ///
    /// # Errors
    /// When the settings of a REST catalog are not usable.
    pub async fn open(
        config: &LakeConfig,
        s3: &S3Config,
        pool: &PgPool,
        clock: &Clock,
    ) -> Result<Option<Lake>> {
        let (catalog, sql): (Arc<dyn Catalog>, _) = match config.catalog {
            LakeCatalog::Off => return Ok(None),
            LakeCatalog::Sql => {
                let io = file_io(config, s3);
                let sql = Arc::new(SqlCatalog::new(&config.name, &config.warehouse, pool.clone(), io));
                (Arc::<SqlCatalog>::clone(&sql) as Arc<dyn Catalog>, Some(sql))
            }
            LakeCatalog::Glue => {
                let io = file_io(config, s3);
                (Arc::new(GlueCatalog::new(config.catalog_uri.as_deref(), &config.warehouse, s3, io)), None)
            }
            LakeCatalog::Rest => (rest::open(config, storage_properties(config, s3)).await?, None),
        };
        let partitions = std::thread::available_parallelism().map_or(1, usize::from);
        let budget = Budget { memory_bytes: QUERY_MEMORY_BYTES, partitions, questions: QUESTIONS };
        let engine = engine(config, s3, budget)?;
        Ok(Some(Lake {
            catalog,
            sql,
            pool: pool.clone(),
            clock: clock.clone(),
            config: config.clone(),
            engine,
        }))
    }
}

/// An engine that reaches the tables, wherever they are.
fn engine(config: &LakeConfig, s3: &S3Config, budget: Budget) -> Result<Engine> {
    let engine = Engine::new(budget)?;
    let bucket = config.warehouse.strip_prefix("s3://").and_then(|rest| rest.split('/').next());
    engine.reach(bucket.unwrap_or(&s3.bucket), s3)?;
    Ok(engine)
}

/// How files are read and written.
fn file_io(config: &LakeConfig, s3: &S3Config) -> FileIO {
    let factory = OpenDalStorageFactory::S3 { customized_credential_load: None };
    FileIOBuilder::new(Arc::new(factory)).with_props(storage_properties(config, s3)).build()
}

/// The settings of the store by the names that Iceberg has for them.
pub(super) fn storage_properties(config: &LakeConfig, s3: &S3Config) -> HashMap<String, String> {
    let mut properties = HashMap::from([
        ("s3.region".to_owned(), s3.region.clone()),
        ("s3.access-key-id".to_owned(), s3.access_key_id.clone()),
        ("s3.secret-access-key".to_owned(), s3.secret_access_key.expose_secret().to_owned()),
        // What is configured here is all there is: nothing is looked up on the machine.
        ("s3.disable-ec2-metadata".to_owned(), "true".to_owned()),
        ("s3.disable-config-load".to_owned(), "true".to_owned()),
    ]);
    if let Some(endpoint) = &s3.endpoint {
        properties.insert("s3.endpoint".to_owned(), endpoint.clone());
        properties.insert("s3.path-style-access".to_owned(), "true".to_owned());
    }
    if let Some(key) = &config.kms_key_id {
        properties.insert("s3.sse.type".to_owned(), "kms".to_owned());
        properties.insert("s3.sse.key".to_owned(), key.clone());
    }
    properties
}

/// An error of Iceberg in our words. Its text names files and fields, never a value.
pub(super) fn trouble(doing: &str, error: &iceberg::Error) -> Error {
    match error.kind() {
        ErrorKind::TableNotFound | ErrorKind::NamespaceNotFound => Error::NotFound,
        ErrorKind::DataInvalid | ErrorKind::FeatureUnsupported | ErrorKind::PreconditionFailed => {
            Error::Internal(format!("lake: {doing}: {error}"))
        }
        // The store, a catalog service, or a commit that came second: all pass.
        _ => Error::Store(format!("lake: {doing}: {error}")),
    }
}
