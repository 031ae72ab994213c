//! Iceberg's catalog over AWS Glue.
//!
//! A table is an entry in the layout that Athena, Spark, Trino and PyIceberg share: its parameters say that it is an
//! Iceberg table and where its metadata is. The entry's version guards the swap: who names an old one comes second.
//! Ours, because the crate `iceberg-catalog-glue` 0.10 has no word for an instant with a time zone, and every table here
//! has one.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_glue::Client;
use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::config::timeout::TimeoutConfig;
use aws_sdk_glue::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_glue::error::{BoxError, BuildError, DisplayErrorContext};
use aws_sdk_glue::operation::create_database::CreateDatabaseError;
use aws_sdk_glue::operation::create_table::CreateTableError;
use aws_sdk_glue::operation::get_database::GetDatabaseError;
use aws_sdk_glue::operation::get_table::GetTableError;
use aws_sdk_glue::operation::update_table::UpdateTableError;
use aws_sdk_glue::types::{Column, DatabaseInput, StorageDescriptor, TableInput};
use iceberg::io::FileIO;
use iceberg::spec::{NestedField, PrimitiveType, TableMetadata, TableMetadataBuilder, Type};
use iceberg::table::Table;
use iceberg::{
    Catalog, Error, ErrorKind, MetadataLocation, Namespace, NamespaceIdent, Result, Runtime, TableCommit,
    TableCreation, TableIdent,
};
use secrecy::ExposeSecret as _;

use super::catalog::refused;
use crate::config::S3Config;

/// Parameters of an entry, as all engines call them.
const TABLE_TYPE: &str = "table_type";
const METADATA_LOCATION: &str = "metadata_location";
const PREVIOUS_METADATA_LOCATION: &str = "previous_metadata_location";
/// The longest that one request may take in all its tries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The catalog of an account's region.
#[derive(Debug)]
pub struct GlueCatalog {
    client: Client,
    warehouse: String,
    io: FileIO,
}

/// Where an entry stands.
struct Pointer {
    metadata_location: String,
    /// What guards a swap.
    version: String,
}

impl GlueCatalog {
    /// The catalog that the store's credentials open, at `uri` where it is not AWS's own. Asks nobody yet.
    pub(super) fn new(uri: Option<&str>, warehouse: &str, s3: &S3Config, io: FileIO) -> GlueCatalog {
        let secret = s3.secret_access_key.expose_secret().to_owned();
        let credentials = Credentials::new(s3.access_key_id.clone(), secret, None, None, "configuration");
        let mut sdk = aws_sdk_glue::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(s3.region.clone()))
            .credentials_provider(credentials)
            // A swap that the SDK repeats after a lost answer names an old version, and is looked up like any conflict.
            .retry_config(RetryConfig::standard())
            .timeout_config(TimeoutConfig::builder().operation_timeout(OPERATION_TIMEOUT).build());
        if let Some(uri) = uri {
            sdk = sdk.endpoint_url(uri);
        }
        GlueCatalog { client: Client::from_conf(sdk.build()), warehouse: warehouse.to_owned(), io }
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

    async fn find(&self, ident: &TableIdent) -> Result<Option<Pointer>> {
        let asked = self.client.get_table().database_name(database(ident.namespace())?).name(ident.name());
        let entry = match asked.send().await {
            Ok(found) => found.table,
            Err(error)
                if error.as_service_error().is_some_and(GetTableError::is_entity_not_found_exception) =>
            {
                None
            }
            Err(error) => return Err(trouble("look for a table", error)),
        };
        let Some(entry) = entry else { return Ok(None) };
        let location = entry.parameters().and_then(|parameters| parameters.get(METADATA_LOCATION));
        let location = location.cloned().ok_or_else(|| {
            Error::new(ErrorKind::DataInvalid, format!("the entry of {ident} in Glue is no Iceberg table"))
        })?;
        let version = entry.version_id.ok_or_else(|| {
            Error::new(ErrorKind::DataInvalid, format!("the entry of {ident} in Glue has no version"))
        })?;
        Ok(Some(Pointer { metadata_location: location, version }))
    }

    async fn found(&self, ident: &TableIdent) -> Result<Pointer> {
        let missing = || Error::new(ErrorKind::TableNotFound, format!("no table {ident} in Glue"));
        self.find(ident).await?.ok_or_else(missing)
    }

    async fn at(&self, ident: &TableIdent, pointer: &Pointer) -> Result<Table> {
        let metadata = TableMetadata::read_from(&self.io, &pointer.metadata_location).await?;
        self.table(ident, &pointer.metadata_location, metadata)
    }

    async fn insert(&self, ident: &TableIdent, location: &str, metadata: &TableMetadata) -> Result<()> {
        let entry = entry(ident.name(), location, None, metadata)?;
        let created = self
            .client
            .create_table()
            .database_name(database(ident.namespace())?)
            .table_input(entry)
            .send()
            .await;
        created.map(drop).map_err(|error| {
            let service = error.as_service_error();
            let kind = if service.is_some_and(CreateTableError::is_already_exists_exception) {
                ErrorKind::TableAlreadyExists
            } else if service.is_some_and(CreateTableError::is_entity_not_found_exception) {
                ErrorKind::NamespaceNotFound
            } else {
                ErrorKind::Unexpected
            };
            of_kind(kind, "create a table", error)
        })
    }
}

/// Glue has databases, and no namespaces within them.
fn database(namespace: &NamespaceIdent) -> Result<&str> {
    match namespace.as_ref().as_slice() {
        [name] => Ok(name),
        _ => Err(Error::new(ErrorKind::DataInvalid, "a namespace of Glue is one name")),
    }
}

fn trouble(doing: &str, error: impl Into<BoxError>) -> Error {
    of_kind(ErrorKind::Unexpected, doing, error)
}

/// With the causes in words: what the SDK prints for programmers holds the whole answer.
fn of_kind(kind: ErrorKind, doing: &str, error: impl Into<BoxError>) -> Error {
    let error: BoxError = error.into();
    Error::new(kind, format!("Glue: {doing}: {}", DisplayErrorContext(&*error)))
}

/// What Glue is told of a table.
fn entry(name: &str, location: &str, previous: Option<&str>, metadata: &TableMetadata) -> Result<TableInput> {
    let built = |error: BuildError| Error::new(ErrorKind::DataInvalid, format!("an entry of Glue: {error}"));
    let fields = metadata.current_schema().as_struct().fields();
    let columns: Vec<Column> =
        fields.iter().map(|field| column(field)?.build().map_err(built)).collect::<Result<_>>()?;
    let storage =
        StorageDescriptor::builder().location(metadata.location()).set_columns(Some(columns)).build();
    let mut entry = TableInput::builder()
        .name(name)
        .table_type("EXTERNAL_TABLE")
        .storage_descriptor(storage)
        .set_parameters(Some(metadata.properties().clone()))
        .parameters(TABLE_TYPE, "ICEBERG")
        .parameters(METADATA_LOCATION, location);
    if let Some(comment) = metadata.properties().get("comment") {
        entry = entry.description(comment);
    }
    if let Some(previous) = previous {
        entry = entry.parameters(PREVIOUS_METADATA_LOCATION, previous);
    }
    entry.build().map_err(built)
}

fn column(field: &NestedField) -> Result<aws_sdk_glue::types::builders::ColumnBuilder> {
    Ok(Column::builder()
        .name(&field.name)
        .r#type(glue_type(&field.field_type)?)
        .set_comment(field.doc.clone())
        .parameters("iceberg.field.id", field.id.to_string())
        .parameters("iceberg.field.optional", (!field.required).to_string())
        .parameters("iceberg.field.current", "true"))
}

/// A column's type in the words of Glue. Engines read the metadata; this is for people who look at the catalog.
fn glue_type(kind: &Type) -> Result<String> {
    let word = match kind {
        Type::Primitive(PrimitiveType::Boolean) => "boolean",
        Type::Primitive(PrimitiveType::Int) => "int",
        Type::Primitive(PrimitiveType::Long) => "bigint",
        Type::Primitive(PrimitiveType::Double) => "double",
        Type::Primitive(PrimitiveType::Date) => "date",
        // Glue knows one kind of instant.
        Type::Primitive(PrimitiveType::Timestamp | PrimitiveType::Timestamptz) => "timestamp",
        Type::Primitive(PrimitiveType::String) => "string",
        Type::Primitive(PrimitiveType::Decimal { precision, scale }) => {
            return Ok(format!("decimal({precision},{scale})"));
        }
        other => {
            return Err(Error::new(ErrorKind::FeatureUnsupported, format!("columns of {other} in Glue")));
        }
    };
    Ok(word.to_owned())
}

#[async_trait]
impl Catalog for GlueCatalog {
    async fn list_namespaces(&self, _: Option<&NamespaceIdent>) -> Result<Vec<NamespaceIdent>> {
        refused("listed in Glue")
    }

    /// Creates a namespace; when somebody else just did, that one is it.
    async fn create_namespace(
        &self,
        namespace: &NamespaceIdent,
        properties: HashMap<String, String>,
    ) -> Result<Namespace> {
        let input = DatabaseInput::builder().name(database(namespace)?).build();
        let input = input.map_err(|error| trouble("describe a database", error))?;
        match self.client.create_database().database_input(input).send().await {
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(CreateDatabaseError::is_already_exists_exception) =>
            {
                Err(trouble("create a database", error))
            }
            _ => Ok(Namespace::with_properties(namespace.clone(), properties)),
        }
    }

    async fn get_namespace(&self, namespace: &NamespaceIdent) -> Result<Namespace> {
        if self.namespace_exists(namespace).await? {
            return Ok(Namespace::new(namespace.clone()));
        }
        Err(Error::new(ErrorKind::NamespaceNotFound, format!("no namespace {namespace} in Glue")))
    }

    async fn namespace_exists(&self, namespace: &NamespaceIdent) -> Result<bool> {
        match self.client.get_database().name(database(namespace)?).send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(GetDatabaseError::is_entity_not_found_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(trouble("look for a database", error)),
        }
    }

    async fn update_namespace(&self, _: &NamespaceIdent, _: HashMap<String, String>) -> Result<()> {
        refused("given other namespaces")
    }

    async fn drop_namespace(&self, _: &NamespaceIdent) -> Result<()> {
        refused("dropped")
    }

    async fn list_tables(&self, _: &NamespaceIdent) -> Result<Vec<TableIdent>> {
        refused("listed in Glue")
    }

    async fn create_table(&self, namespace: &NamespaceIdent, creation: TableCreation) -> Result<Table> {
        let ident = TableIdent::new(namespace.clone(), creation.name.clone());
        let location = creation
            .location
            .clone()
            .unwrap_or_else(|| format!("{}/{}/{}", self.warehouse, namespace.join("."), creation.name));
        let creation = TableCreation { location: Some(location.clone()), ..creation };
        let metadata = TableMetadataBuilder::from_table_creation(creation)?.build()?.metadata;
        let file = MetadataLocation::new_with_metadata(location, &metadata);
        metadata.write_to(&self.io, &file).await?;
        self.insert(&ident, &file.to_string(), &metadata).await?;
        self.table(&ident, &file.to_string(), metadata)
    }

    async fn load_table(&self, ident: &TableIdent) -> Result<Table> {
        let pointer = self.found(ident).await?;
        self.at(ident, &pointer).await
    }

    async fn drop_table(&self, _: &TableIdent) -> Result<()> {
        refused("dropped")
    }

    async fn purge_table(&self, _: &TableIdent) -> Result<()> {
        refused("purged")
    }

    async fn table_exists(&self, ident: &TableIdent) -> Result<bool> {
        Ok(self.find(ident).await?.is_some())
    }

    async fn rename_table(&self, _: &TableIdent, _: &TableIdent) -> Result<()> {
        refused("renamed")
    }

    async fn register_table(&self, ident: &TableIdent, metadata_location: String) -> Result<Table> {
        let metadata = TableMetadata::read_from(&self.io, &metadata_location).await?;
        self.insert(ident, &metadata_location, &metadata).await?;
        self.table(ident, &metadata_location, metadata)
    }

    /// Applies a commit and swaps the pointer. Fails with a conflict when the table has moved on since it was loaded.
    async fn update_table(&self, commit: TableCommit) -> Result<Table> {
        let ident = commit.identifier().clone();
        let pointer = self.found(&ident).await?;
        let table = commit.apply(self.at(&ident, &pointer).await?)?;
        let to = table.metadata_location_result()?;
        table.metadata().write_to(table.file_io(), &MetadataLocation::from_str(to)?).await?;
        let entry = entry(ident.name(), to, Some(&pointer.metadata_location), table.metadata())?;
        let swapped = self
            .client
            .update_table()
            .database_name(database(ident.namespace())?)
            .table_input(entry)
            // Glue keeps a limited number of versions; the table has its own history.
            .skip_archive(true)
            .version_id(pointer.version)
            .send()
            .await;
        match swapped {
            Ok(_) => Ok(table),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateTableError::is_concurrent_modification_exception) =>
            {
                Err(of_kind(ErrorKind::CatalogCommitConflicts, "swap the pointer", error))
            }
            Err(error) => Err(trouble("swap the pointer", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::silver::TABLES;

    /// The metadata of a new table.
    fn metadata(spec: &crate::lake::TableSpec) -> TableMetadata {
        let creation = TableCreation::builder()
            .name(spec.name.to_owned())
            .location(format!("s3://bucket/lake/{}", spec.name))
            .schema(spec.schema().unwrap())
            .properties([("comment".to_owned(), spec.meaning.to_owned())])
            .build();
        TableMetadataBuilder::from_table_creation(creation).unwrap().build().unwrap().metadata
    }

    #[test]
    fn an_entry_says_what_every_engine_looks_for() {
        for spec in TABLES {
            let entry = entry(spec.name, "s3://new", Some("s3://old"), &metadata(spec)).unwrap();
            let parameters = entry.parameters().unwrap();
            assert_eq!(parameters[TABLE_TYPE], "ICEBERG");
            assert_eq!(parameters[METADATA_LOCATION], "s3://new");
            assert_eq!(parameters[PREVIOUS_METADATA_LOCATION], "s3://old");
            assert_eq!(
                (entry.table_type(), entry.description()),
                (Some("EXTERNAL_TABLE"), Some(spec.meaning))
            );
            let columns = entry.storage_descriptor().unwrap().columns();
            assert_eq!(columns.len(), spec.columns.len());
            for (column, expected) in columns.iter().zip(spec.columns) {
                assert_eq!(column.name(), expected.name);
                assert_eq!(
                    column.parameters().unwrap()["iceberg.field.optional"],
                    (!expected.required).to_string()
                );
            }
            assert!(columns.iter().any(|column| column.r#type() == Some("timestamp")), "known_from");
        }
    }

    #[test]
    fn a_namespace_within_a_namespace_is_refused() {
        let nested = NamespaceIdent::from_strs(["silver", "old"]).unwrap();
        assert_eq!(database(&nested).unwrap_err().kind(), ErrorKind::DataInvalid);
        assert_eq!(database(&NamespaceIdent::new("silver".into())).unwrap(), "silver");
    }
}
