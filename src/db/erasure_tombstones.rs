//! `erasure_tombstones`: persons whose data were erased by a legal order, by the token of their identifier (L009).

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::domain::contract::Dataset;
use crate::error::Result;
use crate::privacy::Token;

/// A person who was erased. The identifier is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Tombstone {
    /// The number of the legal case.
    pub case_id: String,
    pub erased_at: DateTime<Utc>,
}

/// Puts a tombstone; `false` when there is one already, which stays as it is.
pub async fn insert(ex: impl PgExecutor<'_>, token: &Token, tombstone: &Tombstone) -> Result<bool> {
    let result = sqlx::query(
        "/* erasure_tombstones.insert */ INSERT INTO erasure_tombstones (token, case_id, erased_at)
         VALUES ($1, $2, $3) ON CONFLICT (token) DO NOTHING",
    )
    .bind(token.as_slice())
    .bind(&tombstone.case_id)
    .bind(tombstone.erased_at)
    .execute(ex)
    .await?;
    Ok(result.rows_affected() == 1)
}

pub async fn find(ex: impl PgExecutor<'_>, token: &Token) -> Result<Option<Tombstone>> {
    let found = sqlx::query_as(
        "/* erasure_tombstones.find */ SELECT case_id, erased_at FROM erasure_tombstones WHERE token = $1",
    )
    .bind(token.as_slice())
    .fetch_optional(ex)
    .await?;
    Ok(found)
}

/// Which of the tokens are of erased persons.
pub async fn among(ex: impl PgExecutor<'_>, tokens: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
    let erased = sqlx::query_scalar(
        "/* erasure_tombstones.among */ SELECT token FROM erasure_tombstones WHERE token = ANY($1)",
    )
    .bind(tokens)
    .fetch_all(ex)
    .await?;
    Ok(erased)
}

/// Whether any of the tokens is of an erased person. No tombstone is put from here to the end of the transaction, as for
/// [`among_staged_in_tx`].
pub async fn any_in_tx(connection: &mut PgConnection, tokens: &[&[u8]]) -> Result<bool> {
    keep_in_tx(connection).await?;
    Ok(!among(connection, tokens).await?.is_empty())
}

/// No tombstone is put from here to the end of the transaction. Held against whoever inserts, not against another batch.
pub async fn keep_in_tx(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("/* erasure_tombstones.keep */ LOCK TABLE erasure_tombstones IN SHARE MODE")
        .execute(connection)
        .await?;
    Ok(())
}

/// The statement over a table of staged records.
macro_rules! names_erased {
    ($name:literal, $staged:literal) => {
        concat!(
            "/* ",
            $name,
            " */ SELECT EXISTS (SELECT FROM ",
            $staged,
            " s JOIN erasure_tombstones t ON t.token = s.token) OR EXISTS (SELECT FROM ",
            $staged,
            " s JOIN erasure_tombstones t ON t.token = s.secondary_token)"
        )
    };
}

/// Whether a staged record names an erased person, by either identifier. No tombstone is put from here to the end of the
/// transaction, which otherwise could enter a person whose eraser has looked already.
pub async fn among_staged_in_tx(connection: &mut PgConnection, dataset: Dataset) -> Result<bool> {
    let names_erased = match dataset {
        Dataset::AccountSnapshot => names_erased!("erasure_tombstones.among_accounts", "staged_accounts"),
        Dataset::Application => names_erased!("erasure_tombstones.among_applications", "staged_applications"),
        // Events name accounts, never persons.
        Dataset::RepaymentEvent => return Ok(false),
    };
    keep_in_tx(connection).await?;
    Ok(sqlx::query_scalar(names_erased).fetch_one(connection).await?)
}
