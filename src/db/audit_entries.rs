//! `audit_entries`: who did what to what, when, and how it ended.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::ids::ClientId;

/// One deed.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    pub at: DateTime<Utc>,
    /// The client whose token was used, if a client did it.
    pub actor_client: Option<ClientId>,
    /// Who, in words: a client's name, `cli:<operator>`, `system`.
    pub actor: &'a str,
    /// What, as `<noun>.<verb>`: `client.create`, `batch.receive`.
    pub action: &'a str,
    pub object_kind: &'a str,
    pub object_id: &'a str,
    /// `ok`, or the code of the refusal.
    pub outcome: &'a str,
    /// What else explains the deed; never a secret or a person.
    pub detail: serde_json::Value,
}

pub async fn insert(executor: impl PgExecutor<'_>, entry: &Entry<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "/* audit_entries.insert */
         INSERT INTO audit_entries (at, actor_client, actor, action, object_kind, object_id, outcome, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entry.at)
    .bind(entry.actor_client)
    .bind(entry.actor)
    .bind(entry.action)
    .bind(entry.object_kind)
    .bind(entry.object_id)
    .bind(entry.outcome)
    .bind(&entry.detail)
    .execute(executor)
    .await?;
    Ok(())
}
