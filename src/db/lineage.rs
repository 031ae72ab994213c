//! `lineage_edges`: what came from what, written in the transaction of the effect.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::columns::{application_columns, event_columns, journal_columns, snapshot_columns};
use crate::domain::contract::Dataset;
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

/// Writes an edge of what concerns no batch and no contributor.
pub async fn insert_unowned_edge(
    connection: &mut PgConnection,
    edge: Edge<'_>,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "/* lineage.insert_unowned_edge */
        INSERT INTO lineage_edges (from_kind, from_ref, to_kind, to_ref, at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(edge.0)
    .bind(edge.1)
    .bind(edge.2)
    .bind(edge.3)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// One edge as it was written.
#[derive(Clone, Debug, FromRow)]
pub struct EdgeRow {
    pub batch_id: Option<BatchId>,
    pub from_kind: String,
    pub from_ref: String,
    pub to_kind: String,
    pub to_ref: String,
    pub at: DateTime<Utc>,
}

/// Most edges of one batch that are told. A batch has a dozen; each correction of its records adds one.
const MAX_EDGES: i64 = 5000;

/// The edges around a batch, oldest first: those written under it, and those of other batches that were made of it.
pub async fn around(ex: impl PgExecutor<'_>, batch: BatchId) -> Result<Vec<EdgeRow>> {
    let rows = sqlx::query_as(
        "/* lineage.around */ SELECT batch_id, from_kind, from_ref, to_kind, to_ref, at FROM (
            SELECT * FROM lineage_edges WHERE batch_id = $1
            UNION
            SELECT * FROM lineage_edges WHERE from_ref = $1::text AND from_kind IN ('batch', 'rejected_records')) e
        ORDER BY edge_no LIMIT $2",
    )
    .bind(batch)
    .bind(MAX_EDGES)
    .fetch_all(ex)
    .await?;
    Ok(rows)
}

/// What is told of a batch beside the one that was asked about.
#[derive(Clone, Debug, FromRow)]
pub struct Neighbour {
    pub batch_id: BatchId,
    pub dataset: String,
    pub mode: String,
    pub period_end: NaiveDate,
    pub state: String,
}

/// Batches by their ids, as far as the connection may see them.
pub async fn neighbours(ex: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<Neighbour>> {
    let rows = sqlx::query_as(
        "/* lineage.neighbours */ SELECT batch_id, dataset, mode, period_end, state FROM batches
        WHERE batch_id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(ex)
    .await?;
    Ok(rows)
}

/// A case that changed records: a correction, a recall or a shadow.
#[derive(Clone, Debug, FromRow)]
pub struct CaseFact {
    pub kind: String,
    pub id: Uuid,
    pub state: String,
    /// What was wished for, or why.
    pub what: Option<String>,
    pub at: Option<DateTime<Utc>>,
    /// The publication of the versions that it entered.
    pub publication_no: Option<i64>,
}

/// Cases about a batch, as far as the connection may see them: recalls and shadows are the operators'.
pub async fn cases(ex: impl PgExecutor<'_>, batch: BatchId, corrections: &[Uuid]) -> Result<Vec<CaseFact>> {
    let rows = sqlx::query_as(
        "/* lineage.cases */
        SELECT 'correction' AS kind, correction_id AS id, state, kind || ': ' || reason AS what, applied_at AS at, publication_no
        FROM corrections WHERE correction_id = ANY($2)
        UNION ALL
        SELECT 'recall', recall_id, state, reason, decided_at, NULL FROM recalls WHERE batch_id = $1
        UNION ALL
        SELECT 'shadow', shadow_id, state, verdict, coalesce(promoted_at, judged_at), publication_no
        FROM shadows WHERE batch_id = $1",
    )
    .bind(batch)
    .bind(corrections)
    .fetch_all(ex)
    .await?;
    Ok(rows)
}

/// The place of a batch among publications, and what it counts.
#[derive(Clone, Debug, Default, FromRow)]
pub struct Placed {
    pub publication_no: Option<i64>,
    /// How the bytes are kept, and how many these are.
    pub stored_bytes: Option<i64>,
}

pub async fn placed(ex: impl PgExecutor<'_>, batch: BatchId) -> Result<Placed> {
    let placed = sqlx::query_as(
        "/* lineage.placed */ SELECT publication_no, stored_bytes FROM batches WHERE batch_id = $1",
    )
    .bind(batch)
    .fetch_optional(ex)
    .await?;
    Ok(placed.unwrap_or_default())
}

/// The columns of a dataset's journal that come from its records.
pub fn columns_of_journal(dataset: Dataset) -> Vec<&'static str> {
    let names = match dataset {
        Dataset::AccountSnapshot => {
            concat!("subject_id, account_ref, ", snapshot_columns!(""), ", ", journal_columns!(""))
        }
        Dataset::RepaymentEvent => event_columns!(""),
        Dataset::Application => application_columns!(""),
    };
    names.split(", ").collect()
}
