//! `iceberg_tables`, `iceberg_namespace_properties`: where the metadata of each table of the lake is. The layout is that
//! of Iceberg's JDBC catalog, so that other engines find the tables by the same rows.

use sqlx::{PgConnection, PgExecutor};

use crate::error::Result;

/// A table by its three names.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    pub catalog: &'a str,
    pub namespace: String,
    pub table: &'a str,
}

/// Where the metadata of a table is; `None` when there is no such table.
pub async fn metadata_location(ex: impl PgExecutor<'_>, place: &Place<'_>) -> Result<Option<String>> {
    let location = sqlx::query_scalar(
        "/* lake_catalog.metadata_location */ SELECT metadata_location FROM iceberg_tables
        WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3",
    )
    .bind(place.catalog)
    .bind(&place.namespace)
    .bind(place.table)
    .fetch_optional(ex)
    .await?;
    Ok(location)
}

/// Enters a new table; `false` when there is one of that name.
pub async fn insert_table(ex: impl PgExecutor<'_>, place: &Place<'_>, location: &str) -> Result<bool> {
    let inserted = sqlx::query(
        "/* lake_catalog.insert_table */
        INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, iceberg_type)
        VALUES ($1, $2, $3, $4, 'TABLE') ON CONFLICT DO NOTHING",
    )
    .bind(place.catalog)
    .bind(&place.namespace)
    .bind(place.table)
    .bind(location)
    .execute(ex)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Points a table at new metadata; `false` when it no longer is where the caller found it.
pub async fn swap_in_tx(
    connection: &mut PgConnection,
    place: &Place<'_>,
    from: &str,
    to: &str,
) -> Result<bool> {
    let swapped = sqlx::query(
        "/* lake_catalog.swap */
        UPDATE iceberg_tables SET metadata_location = $5, previous_metadata_location = $4
        WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3 AND metadata_location = $4",
    )
    .bind(place.catalog)
    .bind(&place.namespace)
    .bind(place.table)
    .bind(from)
    .bind(to)
    .execute(connection)
    .await?;
    Ok(swapped.rows_affected() == 1)
}

/// Gives a table the metadata of another one, which is no table of its own any more; `false`, and nothing is changed, when the
/// first no longer is where the caller found it.
pub async fn exchange_in_tx(
    connection: &mut PgConnection,
    place: &Place<'_>,
    other: &str,
    found: &str,
) -> Result<bool> {
    let exchanged = sqlx::query(
        "/* lake_catalog.exchange */
        UPDATE iceberg_tables t SET metadata_location = o.metadata_location, previous_metadata_location = t.metadata_location
        FROM iceberg_tables o
        WHERE t.catalog_name = $1 AND t.table_namespace = $2 AND t.table_name = $3 AND t.metadata_location = $5
          AND o.catalog_name = $1 AND o.table_namespace = $2 AND o.table_name = $4",
    )
    .bind(place.catalog)
    .bind(&place.namespace)
    .bind(place.table)
    .bind(other)
    .bind(found)
    .execute(&mut *connection)
    .await?;
    if exchanged.rows_affected() == 0 {
        return Ok(false);
    }
    forget(connection, &Place { table: other, ..place.clone() }).await?;
    Ok(true)
}

/// Removes a table from the catalog. Its files stay.
pub async fn forget(ex: impl PgExecutor<'_>, place: &Place<'_>) -> Result<()> {
    sqlx::query(
        "/* lake_catalog.forget */ DELETE FROM iceberg_tables
        WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3",
    )
    .bind(place.catalog)
    .bind(&place.namespace)
    .bind(place.table)
    .execute(ex)
    .await?;
    Ok(())
}

/// The tables of a namespace, by name.
pub async fn tables(ex: impl PgExecutor<'_>, catalog: &str, namespace: &str) -> Result<Vec<String>> {
    let names = sqlx::query_scalar(
        "/* lake_catalog.tables */ SELECT table_name FROM iceberg_tables
        WHERE catalog_name = $1 AND table_namespace = $2 ORDER BY table_name",
    )
    .bind(catalog)
    .bind(namespace)
    .fetch_all(ex)
    .await?;
    Ok(names)
}

/// The namespaces of a catalog, by name.
pub async fn namespaces(ex: impl PgExecutor<'_>, catalog: &str) -> Result<Vec<String>> {
    let names = sqlx::query_scalar(
        "/* lake_catalog.namespaces */ SELECT DISTINCT namespace FROM iceberg_namespace_properties
        WHERE catalog_name = $1 ORDER BY namespace",
    )
    .bind(catalog)
    .fetch_all(ex)
    .await?;
    Ok(names)
}

/// Enters a namespace; doing it again changes nothing.
pub async fn insert_namespace(ex: impl PgExecutor<'_>, catalog: &str, namespace: &str) -> Result<()> {
    sqlx::query(
        "/* lake_catalog.insert_namespace */
        INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
        VALUES ($1, $2, 'exists', 'true') ON CONFLICT DO NOTHING",
    )
    .bind(catalog)
    .bind(namespace)
    .execute(ex)
    .await?;
    Ok(())
}
