//! Appends that land once.
//!
//! | Step | What is left when the process dies after it | Who goes on |
//! |---|---|---|
//! | the commit is begun, entries are its | a commit `writing` | the next committer gives it up: the entries wait again, a sweep removes the files |
//! | files are in the store, commit `written` | files that the table does not know | the next committer lands them |
//! | the table has them | SQL catalog: nothing, the ledger is in the same transaction. Others: a commit `written` | the next committer finds its id in a snapshot and settles |
//!
//! The id is looked for in every table that an append is based on, at the moment when it is: a commit whose answer was lost
//! is found there, and one that lands in between makes the base stale, which the catalog refuses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iceberg::table::Table;
use iceberg::transaction::{ApplyTransactionAction as _, Transaction};
use iceberg::{Catalog, ErrorKind, Namespace, NamespaceIdent, TableCommit, TableCreation, TableIdent};
use uuid::Uuid;

use super::tables::TableSpec;
use super::write::{self, Files};
use super::{Lake, SqlCatalog, trouble};
use crate::config::LakeCatalog;
use crate::db::lake_commits::{self, Open, Written};
use crate::db::lake_rows;
use crate::error::{Error, Result};

/// The key of our commit's id in the summary of the snapshot that it became.
pub const COMMIT_ID: &str = "etr.commit-id";
/// Tries of one append against a table that moves on; the files stay for the next run.
const TRIES: u32 = 8;

/// An append that has landed.
#[derive(Clone, Copy, Debug)]
pub struct Landing {
    pub rows: i64,
    /// None when there was nothing to append.
    pub snapshot_id: Option<i64>,
    /// How many snapshots the table has had, when this append made one.
    pub sequence_no: Option<i64>,
}

impl Lake {
    /// The table, made when it is not there.
    pub(super) async fn table(&self, spec: &TableSpec) -> Result<Table> {
        match self.catalog.load_table(&spec.ident()).await {
            Err(error) if matches!(error.kind(), ErrorKind::TableNotFound | ErrorKind::NamespaceNotFound) => {
                self.create(spec).await
            }
            found => found.map_err(|error| trouble("load a table", &error)),
        }
    }

    async fn create(&self, spec: &TableSpec) -> Result<Table> {
        let ident = spec.ident();
        let namespace = ident.namespace();
        let exists = self.catalog.namespace_exists(namespace).await;
        if !exists.map_err(|error| trouble("look for a namespace", &error))? {
            // Somebody else may just have made it: the table tells.
            let _ = self.catalog.create_namespace(namespace, HashMap::new()).await;
        }
        let creation = TableCreation::builder()
            .name(spec.name.to_owned())
            .location_opt(self.location(spec))
            .schema(spec.schema()?)
            .partition_spec(spec.partition_spec(self.config.buckets)?)
            .sort_order(spec.sort_order()?)
            .properties([
                ("comment".to_owned(), spec.meaning.to_owned()),
                // One try at a time: between two of them we look whether the first one has landed.
                ("commit.retry.num-retries".to_owned(), "0".to_owned()),
                ("write.parquet.compression-codec".to_owned(), "zstd".to_owned()),
            ])
            .build();
        match self.catalog.create_table(namespace, creation).await {
            Ok(table) => Ok(table),
            Err(_) => {
                self.catalog.load_table(&ident).await.map_err(|error| trouble("create a table", &error))
            }
        }
    }

    /// Where a new table lies; a REST catalog decides that by itself.
    fn location(&self, spec: &TableSpec) -> Option<String> {
        let here = || format!("{}/{}/{}", self.config.warehouse, spec.namespace, spec.name);
        (self.config.catalog != LakeCatalog::Rest).then(here)
    }

    /// Makes the files of a commit from the rows that its entries stand for, and notes them as written. `false` when
    /// somebody gave the commit up meanwhile.
    ///
    /// # Errors
    /// When the store or Postgres fails; when there are other rows than announced (`exact`): a journal never changes.
    pub async fn write(
        &self,
        spec: &'static TableSpec,
        statement: &'static str,
        commit: Uuid,
        exact: bool,
    ) -> Result<bool> {
        let table = self.table(spec).await?;
        let mut tx = self.pool.begin().await?;
        let announced = lake_rows::announced(&mut tx, commit).await?;
        let rows = lake_rows::read_in_tx(&mut tx, statement, commit).await?;
        let files = write::rows(&table, spec, commit, announced as u64, rows).await?;
        drop(tx);
        if exact && files.rows != announced {
            return Err(Error::Internal(format!(
                "commit {commit} of {}: {announced} rows were entered, {} found",
                spec.full_name(),
                files.rows
            )));
        }
        let written = Written {
            rows: files.rows,
            bytes: files.bytes,
            paths: files.paths(),
            files: files.to_json(&table)?,
        };
        lake_commits::set_written(&self.pool, commit, &written, self.clock.now()).await
    }

    /// Appends the files of a written commit to the table, once.
    ///
    /// # Errors
    /// When the catalog cannot be reached or the table moved on at every try: the commit stays written.
    pub async fn land(&self, spec: &TableSpec, open: &Open) -> Result<Landing> {
        let mut last = None;
        for attempt in 0..TRIES {
            tokio::time::sleep(Duration::from_millis(20) * attempt.pow(2)).await;
            match self.try_to_land(spec, open).await {
                Ok(landing) => return Ok(landing),
                Err(error) if error.is_transient() => {
                    tracing::warn!(table = spec.name, commit = %open.commit_id, attempt, %error, "an append did not land");
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or(Error::Overloaded("the table moved on at every try")))
    }

    async fn try_to_land(&self, spec: &TableSpec, open: &Open) -> Result<Landing> {
        let table = self.table(spec).await?;
        let files = Files::from_json(open.files.as_ref().unwrap_or(&serde_json::Value::Null), &table)?;
        let rows = files.rows;
        if let Some(snapshot) = snapshot_of(&table, open.commit_id) {
            return self.settle(open.commit_id, Some(snapshot), rows).await;
        }
        if files.files.is_empty() {
            return self.settle(open.commit_id, None, 0).await;
        }
        let append = Transaction::new(&table)
            .fast_append()
            // Our file names are new by their commit's id; looking would read every manifest.
            .with_check_duplicate(false)
            .set_snapshot_properties(HashMap::from([(COMMIT_ID.to_owned(), open.commit_id.to_string())]))
            .add_data_files(files.files);
        let transaction =
            append.apply(Transaction::new(&table)).map_err(|error| trouble("append", &error))?;
        let once = Once::new(self, open.commit_id);
        match transaction.commit(&once).await {
            Ok(table) => {
                let snapshot = snapshot_of(&table, open.commit_id);
                if self.sql.is_none() {
                    self.settle(open.commit_id, snapshot, rows).await?;
                }
                Ok(Landing {
                    rows,
                    snapshot_id: snapshot,
                    sequence_no: Some(table.metadata().last_sequence_number()),
                })
            }
            Err(error) => match once.found() {
                Some(snapshot) => self.settle(open.commit_id, Some(snapshot), rows).await,
                None => Err(trouble("append", &error)),
            },
        }
    }

    /// Notes a commit as landed that the table has already.
    async fn settle(&self, commit: Uuid, snapshot_id: Option<i64>, rows: i64) -> Result<Landing> {
        let mut tx = self.pool.begin().await?;
        lake_commits::set_landed_in_tx(&mut tx, commit, snapshot_id, self.clock.now()).await?;
        tx.commit().await?;
        Ok(Landing { rows, snapshot_id, sequence_no: None })
    }

    /// Removes what a given-up commit left in the store.
    pub async fn sweep(&self, spec: &TableSpec, commit: Uuid) -> Result<()> {
        let table = self.table(spec).await?;
        let folder = format!("{}/", write::folder(&table, commit));
        table.file_io().delete_prefix(&folder).await.map_err(|error| trouble("sweep", &error))
    }
}

/// The snapshot that a commit became.
fn snapshot_of(table: &Table, commit: Uuid) -> Option<i64> {
    let id = commit.to_string();
    let mut snapshots = table.metadata().snapshots();
    snapshots
        .find(|snapshot| snapshot.summary().additional_properties.get(COMMIT_ID) == Some(&id))
        .map(|snapshot| snapshot.snapshot_id())
}

/// The catalog as one append sees it: a table that has the append already is not to be appended to, and a swap of the
/// pointer takes the ledger with it where that is possible.
#[derive(Debug)]
struct Once {
    catalog: Arc<dyn Catalog>,
    sql: Option<Arc<SqlCatalog>>,
    commit: Uuid,
    at: DateTime<Utc>,
    found: Mutex<Option<i64>>,
}

impl Once {
    fn new(lake: &Lake, commit: Uuid) -> Once {
        Once {
            catalog: Arc::clone(&lake.catalog),
            sql: lake.sql.clone(),
            commit,
            at: lake.clock.now(),
            found: Mutex::new(None),
        }
    }

    fn found(&self) -> Option<i64> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_asked<T>() -> iceberg::Result<T> {
    Err(iceberg::Error::new(
        ErrorKind::FeatureUnsupported,
        "an append loads and updates its table, and no more",
    ))
}

#[async_trait]
impl Catalog for Once {
    async fn load_table(&self, ident: &TableIdent) -> iceberg::Result<Table> {
        let table = self.catalog.load_table(ident).await?;
        if let Some(snapshot) = snapshot_of(&table, self.commit) {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
            return Err(iceberg::Error::new(ErrorKind::PreconditionFailed, "the append has landed already"));
        }
        Ok(table)
    }

    async fn update_table(&self, commit: TableCommit) -> iceberg::Result<Table> {
        let Some(sql) = &self.sql else { return self.catalog.update_table(commit).await };
        let (id, at) = (self.commit, self.at);
        sql.update_with(
            commit,
            Some(Box::new(move |connection, table| {
                Box::pin(async move {
                    let snapshot = snapshot_of(table, id);
                    if lake_commits::set_landed_in_tx(connection, id, snapshot, at).await? {
                        return Ok(());
                    }
                    Err(Error::Overloaded("the append was landed or given up by somebody else"))
                })
            })),
        )
        .await
    }

    async fn list_namespaces(&self, _: Option<&NamespaceIdent>) -> iceberg::Result<Vec<NamespaceIdent>> {
        not_asked()
    }

    async fn create_namespace(
        &self,
        _: &NamespaceIdent,
        _: HashMap<String, String>,
    ) -> iceberg::Result<Namespace> {
        not_asked()
    }

    async fn get_namespace(&self, _: &NamespaceIdent) -> iceberg::Result<Namespace> {
        not_asked()
    }

    async fn namespace_exists(&self, _: &NamespaceIdent) -> iceberg::Result<bool> {
        not_asked()
    }

    async fn update_namespace(&self, _: &NamespaceIdent, _: HashMap<String, String>) -> iceberg::Result<()> {
        not_asked()
    }

    async fn drop_namespace(&self, _: &NamespaceIdent) -> iceberg::Result<()> {
        not_asked()
    }

    async fn list_tables(&self, _: &NamespaceIdent) -> iceberg::Result<Vec<TableIdent>> {
        not_asked()
    }

    async fn create_table(&self, _: &NamespaceIdent, _: TableCreation) -> iceberg::Result<Table> {
        not_asked()
    }

    async fn drop_table(&self, _: &TableIdent) -> iceberg::Result<()> {
        not_asked()
    }

    async fn purge_table(&self, _: &TableIdent) -> iceberg::Result<()> {
        not_asked()
    }

    async fn table_exists(&self, _: &TableIdent) -> iceberg::Result<bool> {
        not_asked()
    }

    async fn rename_table(&self, _: &TableIdent, _: &TableIdent) -> iceberg::Result<()> {
        not_asked()
    }

    async fn register_table(&self, _: &TableIdent, _: String) -> iceberg::Result<Table> {
        not_asked()
    }
}
