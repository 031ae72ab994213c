//! `lineage_edges`: what came from what, written in the transaction of the effect.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::{BatchId, ContributorId};

/// Kind and name of the source, kind and name of what was made of it.
pub type Edge<'a> = (&'a str, &'a str, &'a str, &'a str);

pub async fn insert_edges(
    connection: &mut PgConnection,
    contributor: ContributorId,
    batch: BatchId,
    edges: &[Edge<'_>],
    at: DateTime<Utc>,
) -> Result<()> {
    let column = |pick: fn(&Edge<'_>) -> String| edges.iter().map(pick).collect::<Vec<String>>();
    sqlx::query(
        "/* lineage.insert_edges */
        INSERT INTO lineage_edges (contributor_id, batch_id, from_kind, from_ref, to_kind, to_ref, at)
        SELECT $1, $2, e.from_kind, e.from_ref, e.to_kind, e.to_ref, $7
        FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) AS e (from_kind, from_ref, to_kind, to_ref)",
    )
    .bind(contributor)
    .bind(batch)
    .bind(column(|edge| edge.0.to_owned()))
    .bind(column(|edge| edge.1.to_owned()))
    .bind(column(|edge| edge.2.to_owned()))
    .bind(column(|edge| edge.3.to_owned()))
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}
