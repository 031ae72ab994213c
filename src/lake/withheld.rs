//! What Postgres withholds of accounts, as the two tables that the statements of `gold/` name.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use uuid::Uuid;

use super::gold::{dates, instants, table};
use super::query::Session;
use crate::db::withheld::{Delisting, Restriction};
use crate::error::Result;

/// What Postgres knows of accounts that must not be told, or not as they were sent.
#[derive(Clone, Debug, Default)]
pub struct Withheld {
    pub restrictions: Vec<Restriction>,
    pub delistings: Vec<Delisting>,
}

impl Withheld {
    /// Brings both tables in.
    pub(super) fn register(&self, session: &Session) -> Result<()> {
        let rows = &self.restrictions;
        let (schema, rows) = table(vec![
            ("contributor_id", ids(rows.iter().map(|row| row.contributor_id))),
            ("account_ref", texts(rows.iter().map(|row| row.account_ref.as_str()))),
            ("kind", texts(rows.iter().map(|row| row.kind.as_str()))),
            ("opened_at", instants(rows.iter().map(|row| Some(row.opened_at)))),
            ("lifted_at", instants(rows.iter().map(|row| row.lifted_at))),
        ])?;
        session.register_rows("serving_restrictions", vec![rows], &schema)?;
        let rows = &self.delistings;
        let (schema, rows) = table(vec![
            ("contributor_id", ids(rows.iter().map(|row| row.contributor_id))),
            ("account_ref", texts(rows.iter().map(|row| row.account_ref.as_str()))),
            ("delisted_on", dates(rows.iter().map(|row| row.delisted_on))),
            ("delisted_at", instants(rows.iter().map(|row| Some(row.delisted_at)))),
        ])?;
        session.register_rows("delistings", vec![rows], &schema)
    }
}

fn texts<'a>(of: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(of))
}

fn ids(of: impl Iterator<Item = Uuid>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(of.map(|id| id.to_string())))
}
