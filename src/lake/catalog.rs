//! Iceberg's catalog over our own Postgres.
//!
//! The pointer to a table's metadata is a row of `iceberg_tables`, so that an append and what must be true with it are one
//! transaction: [`SqlCatalog::update_with`].

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr as _;

use async_trait::async_trait;
use iceberg::io::FileIO;
use iceberg::spec::{TableMetadata, TableMetadataBuilder};
use iceberg::table::Table;
use iceberg::{
    Catalog, Error, ErrorKind, MetadataLocation, Namespace, NamespaceIdent, Result, Runtime, TableCommit,
    TableCreation, TableIdent,
};
use sqlx::{PgConnection, PgPool};

use crate::db::lake_catalog::{self, Place};
use crate::db::remake;

/// What is to happen in the transaction that swaps a table's pointer; gets the table as it will be.
pub type Alongside<'a> = Box<
    dyn for<'c> FnOnce(
            &'c mut PgConnection,
            &'c Table,
        ) -> Pin<Box<dyn Future<Output = crate::error::Result<()>> + Send + 'c>>
        + Send
        + 'a,
>;

/// The catalog by name, and where its tables live.
#[derive(Debug)]
pub struct SqlCatalog {
    name: String,
    warehouse: String,
    pool: PgPool,
    io: FileIO,
}

impl SqlCatalog {
    pub(super) fn new(name: &str, warehouse: &str, pool: PgPool, io: FileIO) -> SqlCatalog {
        let warehouse = warehouse.trim_end_matches('/').to_owned();
        SqlCatalog { name: name.to_owned(), warehouse, pool, io }
    }

    fn place<'a>(&'a self, ident: &'a TableIdent) -> Place<'a> {
        Place { catalog: &self.name, namespace: ident.namespace().join("."), table: ident.name() }
    }

    /// Where the metadata of a table is.
    pub(super) async fn pointer(&self, ident: &TableIdent) -> crate::error::Result<Option<String>> {
        lake_catalog::metadata_location(&self.pool, &self.place(ident)).await
    }

    /// Removes a table from the catalog. Its files stay.
    pub(super) async fn forget(&self, ident: &TableIdent) -> crate::error::Result<()> {
        lake_catalog::forget(&self.pool, &self.place(ident)).await
    }

    /// Puts another table in the place of one that still is where it was found, and notes that with it.
    pub(super) async fn exchange(
        &self,
        ident: &TableIdent,
        other: &TableIdent,
        found: &str,
    ) -> crate::error::Result<bool> {
        let place = self.place(ident);
        let mut tx = self.pool.begin().await?;
        let exchanged = lake_catalog::exchange_in_tx(&mut tx, &place, other.name(), found).await?;
        if exchanged {
            remake::set_done_in_tx(&mut tx, &format!("{}.{}", place.namespace, place.table)).await?;
        }
        tx.commit().await?;
        Ok(exchanged)
    }

    fn table(&self, ident: &TableIdent, location: &str, metadata: TableMetadata) -> Result<Table> {
        Table::builder()
            .file_io(self.io.clone())
            .metadata_location(location)
            .metadata(metadata)
            .identifier(ident.clone())
            .runtime(Runtime::try_current()?)
            .build()
    }

    /// Gives a table new metadata that was built from what was found. Fails with a conflict when the table has moved on since.
    pub(super) async fn replace_metadata(&self, found: &Table, metadata: TableMetadata) -> Result<()> {
        let from = found.metadata_location_result()?;
        let to = MetadataLocation::from_str(from)?.with_next_version().with_new_metadata(&metadata);
        metadata.write_to(&self.io, &to).await?;
        let mut connection = self.pool.acquire().await.map_err(|error| postgres(error.into()))?;
        self.swap(&mut connection, found.identifier(), (from, &to.to_string())).await
    }

    /// Points a table from one place of its metadata to another. Fails with a conflict when it is not at the first any more.
    async fn swap(
        &self,
        connection: &mut PgConnection,
        ident: &TableIdent,
        (from, to): (&str, &str),
    ) -> Result<()> {
        if lake_catalog::swap_in_tx(connection, &self.place(ident), from, to).await.map_err(postgres)? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::CatalogCommitConflicts, "the table has moved on"))
    }

    /// Applies a commit and swaps the pointer, together with what else must be true then: all of it or nothing. Fails with a
    /// conflict when the table has moved on since it was loaded.
    pub(super) async fn update_with(
        &self,
        commit: TableCommit,
        alongside: Option<Alongside<'_>>,
    ) -> Result<Table> {
        let ident = commit.identifier().clone();
        let found = self.load_table(&ident).await?;
        let from = found.metadata_location_result()?.to_owned();
        let table = commit.apply(found)?;
        let to = table.metadata_location_result()?.to_owned();
        table.metadata().write_to(table.file_io(), &MetadataLocation::from_str(&to)?).await?;
        let mut tx = self.pool.begin().await.map_err(|error| postgres(error.into()))?;
        self.swap(&mut tx, &ident, (&from, &to)).await?;
        if let Some(alongside) = alongside {
            alongside(&mut tx, &table).await.map_err(postgres)?;
        }
        tx.commit().await.map_err(|error| postgres(error.into()))?;
        Ok(table)
    }
}

fn postgres(error: crate::error::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the catalog's database").with_source(error)
}

/// What the server never does to a table.
pub(super) fn refused<T>(what: &str) -> Result<T> {
    Err(Error::new(ErrorKind::FeatureUnsupported, format!("tables of the lake are not {what}")))
}

#[async_trait]
impl Catalog for SqlCatalog {
    async fn list_namespaces(&self, parent: Option<&NamespaceIdent>) -> Result<Vec<NamespaceIdent>> {
        if parent.is_some() {
            return Ok(Vec::new());
        }
        let names = lake_catalog::namespaces(&self.pool, &self.name).await.map_err(postgres)?;
        Ok(names.into_iter().map(NamespaceIdent::new).collect())
    }

    async fn create_namespace(
        &self,
        namespace: &NamespaceIdent,
        properties: HashMap<String, String>,
    ) -> Result<Namespace> {
        lake_catalog::insert_namespace(&self.pool, &self.name, &namespace.join("."))
            .await
            .map_err(postgres)?;
        Ok(Namespace::with_properties(namespace.clone(), properties))
    }

    async fn get_namespace(&self, namespace: &NamespaceIdent) -> Result<Namespace> {
        if self.namespace_exists(namespace).await? {
            return Ok(Namespace::new(namespace.clone()));
        }
        Err(Error::new(ErrorKind::NamespaceNotFound, format!("no namespace {}", namespace.join("."))))
    }

    async fn namespace_exists(&self, namespace: &NamespaceIdent) -> Result<bool> {
        Ok(self.list_namespaces(None).await?.contains(namespace))
    }

    async fn update_namespace(&self, _: &NamespaceIdent, _: HashMap<String, String>) -> Result<()> {
        refused("given other namespaces")
    }

    async fn drop_namespace(&self, _: &NamespaceIdent) -> Result<()> {
        refused("dropped")
    }

    async fn list_tables(&self, namespace: &NamespaceIdent) -> Result<Vec<TableIdent>> {
        let names = lake_catalog::tables(&self.pool, &self.name, &namespace.join(".")).await;
        let names = names.map_err(postgres)?;
        Ok(names.into_iter().map(|name| TableIdent::new(namespace.clone(), name)).collect())
    }

    /// Creates a table; when somebody else just did, that one is it.
    async fn create_table(&self, namespace: &NamespaceIdent, creation: TableCreation) -> Result<Table> {
        let ident = TableIdent::new(namespace.clone(), creation.name.clone());
        let folder = namespace.join(".");
        let location = creation
            .location
            .clone()
            .unwrap_or_else(|| format!("{}/{folder}/{}", self.warehouse, creation.name));
        let creation = TableCreation { location: Some(location.clone()), ..creation };
        let metadata = TableMetadataBuilder::from_table_creation(creation)?.build()?.metadata;
        let file = MetadataLocation::new_with_metadata(location, &metadata);
        metadata.write_to(&self.io, &file).await?;
        let inserted = lake_catalog::insert_table(&self.pool, &self.place(&ident), &file.to_string()).await;
        if inserted.map_err(postgres)? {
            return self.table(&ident, &file.to_string(), metadata);
        }
        self.load_table(&ident).await
    }

    async fn load_table(&self, ident: &TableIdent) -> Result<Table> {
        let location = self.pointer(ident).await.map_err(postgres)?;
        let location =
            location.ok_or_else(|| Error::new(ErrorKind::TableNotFound, format!("no table {ident}")))?;
        let metadata = TableMetadata::read_from(&self.io, &location).await?;
        self.table(ident, &location, metadata)
    }

    async fn drop_table(&self, _: &TableIdent) -> Result<()> {
        refused("dropped")
    }

    async fn purge_table(&self, _: &TableIdent) -> Result<()> {
        refused("purged")
    }

    async fn table_exists(&self, ident: &TableIdent) -> Result<bool> {
        Ok(self.pointer(ident).await.map_err(postgres)?.is_some())
    }

    async fn rename_table(&self, _: &TableIdent, _: &TableIdent) -> Result<()> {
        refused("renamed")
    }

    async fn register_table(&self, ident: &TableIdent, metadata_location: String) -> Result<Table> {
        let inserted = lake_catalog::insert_table(&self.pool, &self.place(ident), &metadata_location).await;
        if !inserted.map_err(postgres)? {
            return Err(Error::new(ErrorKind::TableAlreadyExists, ident.to_string()));
        }
        self.load_table(ident).await
    }

    async fn update_table(&self, commit: TableCommit) -> Result<Table> {
        self.update_with(commit, None).await
    }
}
