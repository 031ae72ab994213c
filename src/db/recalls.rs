//! `recalls`: requests to take a published batch back, and what another operator decided.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::error::Result;
use crate::ids::{BatchId, ClientId, ContributorId, RecallId};

/// A request and its decision.
#[derive(Clone, Debug, FromRow)]
pub struct Recall {
    pub recall_id: RecallId,
    pub contributor_id: ContributorId,
    pub batch_id: BatchId,
    /// `requested`, `approved` or `refused`.
    pub state: String,
    pub reason: String,
    pub requested_by: ClientId,
    pub requested_at: DateTime<Utc>,
    pub decided_by: Option<ClientId>,
    pub decided_at: Option<DateTime<Utc>>,
}

macro_rules! recall_columns {
    () => {
        "recall_id, contributor_id, batch_id, state, reason, requested_by, requested_at, decided_by, decided_at"
    };
}

/// Enters a request. `false` when the batch has an open one already.
pub async fn insert(ex: impl PgExecutor<'_>, recall: &Recall) -> Result<bool> {
    let inserted = sqlx::query(
        "/* recalls.insert */
        INSERT INTO recalls (recall_id, contributor_id, batch_id, state, reason, requested_by, requested_at)
        VALUES ($1, $2, $3, 'requested', $4, $5, $6)
        ON CONFLICT (batch_id) WHERE state = 'requested' DO NOTHING",
    )
    .bind(recall.recall_id)
    .bind(recall.contributor_id)
    .bind(recall.batch_id)
    .bind(&recall.reason)
    .bind(recall.requested_by)
    .bind(recall.requested_at)
    .execute(ex)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The open request of a batch.
pub async fn find_open(ex: impl PgExecutor<'_>, batch: BatchId) -> Result<Option<Recall>> {
    let recall = sqlx::query_as(concat!(
        "/* recalls.find_open */ SELECT ",
        recall_columns!(),
        " FROM recalls WHERE batch_id = $1 AND state = 'requested'"
    ))
    .bind(batch)
    .fetch_optional(ex)
    .await?;
    Ok(recall)
}

pub async fn find(ex: impl PgExecutor<'_>, id: RecallId) -> Result<Option<Recall>> {
    let recall = sqlx::query_as(concat!(
        "/* recalls.find */ SELECT ",
        recall_columns!(),
        " FROM recalls WHERE recall_id = $1"
    ))
    .bind(id)
    .fetch_optional(ex)
    .await?;
    Ok(recall)
}

/// Keeps a decision. `false` when there is one already. That it is another operator's is for the caller to see to; the
/// table refuses anything else.
pub async fn decide_in_tx(
    connection: &mut PgConnection,
    id: RecallId,
    state: &str,
    by: ClientId,
    at: DateTime<Utc>,
) -> Result<bool> {
    let decided = sqlx::query(
        "/* recalls.decide */ UPDATE recalls SET state = $2, decided_by = $3, decided_at = $4
        WHERE recall_id = $1 AND state = 'requested'",
    )
    .bind(id)
    .bind(state)
    .bind(by)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(decided.rows_affected() == 1)
}

/// A page of requests, the newest first, after the given one.
pub async fn list(
    ex: impl PgExecutor<'_>,
    state: Option<&str>,
    after: Option<RecallId>,
    limit: i64,
) -> Result<Vec<Recall>> {
    let recalls = sqlx::query_as(concat!(
        "/* recalls.list */ SELECT ",
        recall_columns!(),
        " FROM recalls
        WHERE ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR recall_id < $2)
        ORDER BY recall_id DESC LIMIT $3"
    ))
    .bind(state)
    .bind(after)
    .bind(limit)
    .fetch_all(ex)
    .await?;
    Ok(recalls)
}
