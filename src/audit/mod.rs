//! The record of who did what: append-only, written in the transaction of what it tells about.
//!
//! There is no function that changes or removes an entry, and the table refuses it as well. Entries name
//! things, tokens and counts; an identifier, a name or a secret never stands in one.

use sqlx::PgExecutor;

use crate::db;
pub use crate::db::audit_entries::Entry;
use crate::error::Result;

/// Appends an entry. Pass the transaction of the deed itself: either both are committed or neither is.
pub async fn record(executor: impl PgExecutor<'_>, entry: &Entry<'_>) -> Result<()> {
    Ok(db::audit_entries::insert(executor, entry).await?)
}
