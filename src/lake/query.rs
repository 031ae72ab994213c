//! Questions to Parquet files in SQL, with DataFusion.
//!
//! An [`Engine`] is one pool of memory and threads for all questions of a process, and lets a few of them run at once. A
//! [`Session`] is a question's own namespace: tables are registered in it, statements run in it, and its place in the
//! engine is free again when it is dropped. Statements are constants; what they depend on comes as a table.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session as Catalog, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Statistics};
use datafusion::datasource::MemTable;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext, col, lit};
use object_store::aws::AmazonS3Builder;
use secrecy::ExposeSecret as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::scan::SnapshotFile;
use crate::config::S3Config;
use crate::error::{Error, Result};

/// What the questions of a process may use together.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Memory of sorts, joins and groups; what they need beyond it goes to temporary files.
    pub memory_bytes: usize,
    /// Partitions that one question is worked on in, each a task.
    pub partitions: usize,
    /// Questions at once; others wait.
    pub questions: usize,
}

/// Runs questions within a budget.
#[derive(Clone)]
pub struct Engine {
    runtime: Arc<RuntimeEnv>,
    partitions: usize,
    places: Arc<Semaphore>,
}

impl Engine {
    /// # Errors
    /// When there is nowhere to put temporary files.
    pub fn new(budget: Budget) -> Result<Engine> {
        let pool = TrackConsumersPool::new(FairSpillPool::new(budget.memory_bytes), NonZeroUsize::MIN);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .build_arc()
            .map_err(|error| trouble("start", &error))?;
        let places = Arc::new(Semaphore::new(budget.questions));
        Ok(Engine { runtime, partitions: budget.partitions, places })
    }

    /// Lets questions read `s3://` files of a bucket.
    ///
    /// # Errors
    /// When the settings make no store.
    pub fn reach(&self, bucket: &str, s3: &S3Config) -> Result<()> {
        let mut store = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&s3.region)
            .with_access_key_id(&s3.access_key_id)
            .with_secret_access_key(s3.secret_access_key.expose_secret());
        if let Some(endpoint) = &s3.endpoint {
            // Stores other than AWS are addressed by path, and on a private network often without TLS.
            store = store.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let store = store.build().map_err(|error| Error::Store(error.to_string()))?;
        let url = store_url(&format!("s3://{bucket}/"))?;
        self.runtime.register_object_store(url.as_ref(), Arc::new(store));
        Ok(())
    }

    /// Waits for a place and begins a question.
    ///
    /// # Errors
    /// None while the engine exists: its places are never closed.
    pub async fn session(&self) -> Result<Session> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Error::Overloaded("the query engine is stopping"))?;
        let config = SessionConfig::new()
            .with_target_partitions(self.partitions)
            .with_parquet_bloom_filter_pruning(true)
            .with_create_default_catalog_and_schema(true);
        let context = SessionContext::new_with_config_rt(config, Arc::clone(&self.runtime));
        Ok(Session { context, _place: place })
    }
}

/// A question: its tables and statements.
pub struct Session {
    context: SessionContext,
    _place: OwnedSemaphorePermit,
}

impl Session {
    /// Gives a list of Parquet files a name, as one table. All of them lie in one store.
    ///
    /// # Errors
    /// When a path is none.
    pub fn register_files(&self, name: &str, schema: &Schema, files: &[SnapshotFile]) -> Result<()> {
        let table = ParquetTable::new(schema, files)?;
        self.register(name, Arc::new(table))
    }

    /// Gives rows a name.
    ///
    /// # Errors
    /// When the batches are not of one schema.
    pub fn register_rows(&self, name: &str, batches: Vec<RecordBatch>, schema: &Schema) -> Result<()> {
        // A column that one batch fills may be empty in another one: what counts is that it may be.
        let schema = nullable(schema);
        let batches = batches.into_iter().map(|batch| {
            RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())
                .map_err(|error| Error::Internal(format!("query: rows of {name}: {error}")))
        });
        let partitions = split(batches.collect::<Result<Vec<_>>>()?, self.partitions());
        let table = MemTable::try_new(schema, partitions).map_err(|error| trouble(name, &error))?;
        self.register(name, Arc::new(table))
    }

    /// Gives the rows of another table whose column lies in a range a name of their own.
    ///
    /// # Errors
    /// When there is no such table or column.
    pub async fn register_range(
        &self,
        name: &str,
        of: &str,
        column: &str,
        (from, before): (Option<&str>, Option<&str>),
    ) -> Result<()> {
        let mut rows = self.context.table(of).await.map_err(|error| trouble(of, &error))?;
        let bounds =
            [from.map(|from| col(column).gt_eq(lit(from))), before.map(|end| col(column).lt(lit(end)))];
        for bound in bounds.into_iter().flatten() {
            rows = rows.filter(bound).map_err(|error| trouble(of, &error))?;
        }
        self.register(name, rows.into_view())
    }

    /// Gives the rows of another table whose column is among the values of a column of a third one a name.
    ///
    /// # Errors
    /// When there is no such table or column.
    pub async fn register_members(&self, name: &str, of: &str, among: &str, column: &str) -> Result<()> {
        let table = |name: String| async move {
            self.context.table(&name).await.map_err(|error| trouble(&name, &error))
        };
        let (rows, members) = (table(of.to_owned()).await?, table(among.to_owned()).await?);
        let kind = datafusion::logical_expr::JoinType::RightSemi;
        let rows = members.join(rows, kind, &[column], &[column], None);
        self.register(name, rows.map_err(|error| trouble(of, &error))?.into_view())
    }

    /// Gives a table another name.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        let table = self.context.deregister_table(from).map_err(|error| trouble(from, &error))?;
        self.register(to, table.ok_or_else(|| Error::Internal(format!("query: no table {from}")))?)
    }

    /// Runs a statement and gives its rows a name, so that later statements read them without computing them again.
    ///
    /// # Errors
    /// When the statement is wrong, the store fails, or memory and room for temporary files are used up.
    pub async fn keep(&self, name: &str, statement: &'static str) -> Result<usize> {
        let rows = self.frame(name, statement).await?;
        let schema = rows.schema().as_arrow().clone();
        let batches = rows.collect().await.map_err(|error| trouble(name, &error))?;
        let count = batches.iter().map(RecordBatch::num_rows).sum();
        self.register_rows(name, batches, &schema)?;
        Ok(count)
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// As [`Session::keep`].
    pub async fn rows(&self, name: &str, statement: &'static str) -> Result<Vec<RecordBatch>> {
        self.frame(name, statement).await?.collect().await.map_err(|error| trouble(name, &error))
    }

    async fn frame(&self, name: &str, statement: &'static str) -> Result<DataFrame> {
        self.context.sql(statement).await.map_err(|error| trouble(name, &error))
    }

    /// Forgets a name.
    ///
    /// # Errors
    /// None that is known of.
    pub fn forget(&self, name: &str) -> Result<()> {
        self.context.deregister_table(name).map_err(|error| trouble(name, &error))?;
        Ok(())
    }

    fn register(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        self.forget(name)?;
        self.context.register_table(name, table).map_err(|error| trouble(name, &error))?;
        Ok(())
    }

    fn partitions(&self) -> usize {
        self.context.state_ref().read().config().target_partitions()
    }
}

/// Files of one table. Nothing is listed: which files there are, the caller knows.
#[derive(Debug)]
struct ParquetTable {
    schema: SchemaRef,
    store: ObjectStoreUrl,
    files: Vec<PartitionedFile>,
    rows: u64,
}

impl ParquetTable {
    fn new(schema: &Schema, files: &[SnapshotFile]) -> Result<ParquetTable> {
        let root = files.first().map_or("file:///", |file| root_of(&file.path));
        let mut found = Vec::with_capacity(files.len());
        for file in files {
            let place = file.path.strip_prefix(root);
            let place =
                place.ok_or_else(|| Error::Internal(format!("query: a file is outside of {root}")))?;
            found.push(PartitionedFile::new(place, file.bytes));
        }
        Ok(ParquetTable {
            schema: viewed(schema),
            store: store_url(root)?,
            files: found,
            rows: files.iter().map(|file| file.rows).sum(),
        })
    }
}

#[async_trait]
impl TableProvider for ParquetTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters are not looked at here: the optimizer hands them to the file source, which leaves out row groups and pages.
    async fn scan(
        &self,
        state: &dyn Catalog,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => Arc::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let options = state.config_options().execution.parquet.clone();
        let options =
            datafusion::common::config::TableParquetOptions { global: options, ..Default::default() };
        let source = ParquetSource::new(Arc::clone(&self.schema)).with_table_parquet_options(options);
        // How many rows there are decides which side of a join is kept in memory.
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Inexact(self.rows as usize);
        let groups = split(self.files.clone(), state.config().target_partitions());
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Scheme and authority of a path, with the slash after it.
fn root_of(path: &str) -> &str {
    let after_scheme = path.find("://").map_or(0, |at| at + 3);
    let end = path[after_scheme..].find('/').map_or(path.len(), |at| after_scheme + at + 1);
    &path[..end]
}

fn store_url(root: &str) -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse(root).map_err(|error| trouble("a path", &error))
}

/// Deals things out, in turn, to so many hands at most; there is always one.
fn split<T>(things: Vec<T>, hands: usize) -> Vec<Vec<T>> {
    let hands = hands.min(things.len()).max(1);
    let mut dealt: Vec<Vec<T>> = (0..hands).map(|_| Vec::new()).collect();
    for (n, thing) in things.into_iter().enumerate() {
        dealt[n % hands].push(thing);
    }
    dealt
}

fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The same schema with texts as views, which are compared and moved without being copied.
fn viewed(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        let kind = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            other => other.clone(),
        };
        Field::new(field.name(), kind, field.is_nullable())
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// An error of DataFusion in our words. Its text names tables and columns, never a value.
fn trouble(doing: &str, error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => {
            Error::Overloaded("the question needs more memory than there is")
        }
        DataFusionError::ObjectStore(error) => Error::Store(format!("query: {doing}: {error}")),
        DataFusionError::IoError(error) => Error::Disk(format!("query: {doing}: {error}")),
        error => Error::Internal(format!("query: {doing}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_path_is_its_store() {
        assert_eq!(root_of("s3://bucket/lake/a.parquet"), "s3://bucket/");
        assert_eq!(root_of("file:///tmp/a.parquet"), "file:///");
    }

    #[test]
    fn things_are_dealt_out_and_none_is_lost() {
        assert_eq!(split(vec![1, 2, 3, 4, 5], 2), [vec![1, 3, 5], vec![2, 4]]);
        assert_eq!(split(vec![1], 4), [vec![1]]);
        assert_eq!(split(Vec::<u8>::new(), 4).len(), 1);
    }
}
