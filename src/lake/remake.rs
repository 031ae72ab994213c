//! Tables of the lake that are made anew beside those in use, and take their place.

use std::collections::{HashMap, HashSet};

use futures::stream::BoxStream;
use iceberg::transaction::{ApplyTransactionAction as _, Transaction};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::commit::COMMIT_ID;
use super::silver::{ACCOUNT_SNAPSHOTS, APPLICATIONS, REPAYMENT_EVENTS};
use super::tables::TableSpec;
use super::{Lake, SqlCatalog, trouble, write};
use crate::error::{Error, Result};

/// The journals' tables while they are made anew.
static REMADE: [TableSpec; 3] = [
    TableSpec { name: "account_snapshots_remade", ..ACCOUNT_SNAPSHOTS },
    TableSpec { name: "repayment_events_remade", ..REPAYMENT_EVENTS },
    TableSpec { name: "applications_remade", ..APPLICATIONS },
];

/// The table that is to take another one's place.
pub fn remade(spec: &TableSpec) -> Option<&'static TableSpec> {
    REMADE.iter().find(|remade| remade.name.strip_suffix("_remade") == Some(spec.name))
}

impl Lake {
    /// Where the metadata of a table is now; `None` when there is no such table.
    ///
    /// # Errors
    /// `conflict` with a catalog that is not in our Postgres: it lets no table take another one's place.
    pub async fn pointer(&self, spec: &TableSpec) -> Result<Option<String>> {
        self.own_catalog()?.pointer(&spec.ident()).await
    }

    fn own_catalog(&self) -> Result<&SqlCatalog> {
        self.sql.as_deref().ok_or_else(|| {
            Error::conflict("conflict", "tables take each other's place in the sql catalog alone")
        })
    }

    /// Appends rows under a commit's id: as many as were announced, or none. The table is made when it is not there.
    ///
    /// # Errors
    /// When there are more rows or fewer; when Postgres, the store or the catalog fails. Whether it was appended is told by [`Lake::commits`].
    pub async fn append(
        &self,
        spec: &'static TableSpec,
        commit: Uuid,
        announced: u64,
        rows: BoxStream<'_, sqlx::Result<PgRow>>,
    ) -> Result<()> {
        let table = self.table(spec).await?;
        let files = write::rows(&table, spec, commit, announced, rows).await?;
        if files.rows != announced as i64 {
            let (name, rows) = (spec.full_name(), files.rows);
            let text = format!(
                "{name}: {announced} rows have landed, {rows} were made; `etrplus reconcile` tells which"
            );
            return Err(Error::Internal(text));
        }
        let append = Transaction::new(&table)
            .fast_append()
            .with_check_duplicate(false)
            .set_snapshot_properties(HashMap::from([(COMMIT_ID.to_owned(), commit.to_string())]))
            .add_data_files(files.files);
        let transaction =
            append.apply(Transaction::new(&table)).map_err(|error| trouble("append", &error))?;
        transaction.commit(&*self.catalog).await.map_err(|error| trouble("append", &error))?;
        Ok(())
    }

    /// The commits that a table has.
    ///
    /// # Errors
    /// When the catalog or the store fails.
    pub async fn commits(&self, spec: &TableSpec) -> Result<HashSet<Uuid>> {
        let table = self.table(spec).await?;
        let ids = table.metadata().snapshots().filter_map(|snapshot| {
            snapshot.summary().additional_properties.get(COMMIT_ID).and_then(|id| Uuid::try_parse(id).ok())
        });
        Ok(ids.collect())
    }

    /// Gives up a table that was to take another one's place. Its files stay.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn forget(&self, remade: &TableSpec) -> Result<()> {
        self.own_catalog()?.forget(&remade.ident()).await
    }

    /// Puts the remade table in the place of the one in use, if that still is where it was found. The files of the old one
    /// stay where they are.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn exchange(&self, spec: &TableSpec, remade: &TableSpec, found: &str) -> Result<bool> {
        self.own_catalog()?.exchange(&spec.ident(), &remade.ident(), found).await
    }
}
