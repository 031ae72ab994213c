//! `signing_keys`: what signs our access tokens and receipts; the private part is sealed.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};

#[derive(Clone, FromRow)]
pub struct SigningKey {
    /// RFC 7638 thumbprint of the public key.
    pub kid: String,
    pub algorithm: String,
    pub public_jwk: Value,
    /// PKCS #8, sealed.
    pub sealed_private: Vec<u8>,
    pub created_at: DateTime<Utc>,
    /// From here on the key signs, unless a newer one does.
    pub active_from: DateTime<Utc>,
    /// From here on the key verifies receipts alone.
    pub retired_at: Option<DateTime<Utc>>,
}

/// All keys, the latest to become active first.
pub async fn list(executor: impl PgExecutor<'_>) -> sqlx::Result<Vec<SigningKey>> {
    sqlx::query_as(
        "/* signing_keys.list */
         SELECT kid, algorithm, public_jwk, sealed_private, created_at, active_from, retired_at
         FROM signing_keys ORDER BY active_from DESC, created_at DESC, kid",
    )
    .fetch_all(executor)
    .await
}

pub async fn insert(executor: impl PgExecutor<'_>, key: &SigningKey) -> sqlx::Result<()> {
    sqlx::query(
        "/* signing_keys.insert */
         INSERT INTO signing_keys (kid, algorithm, public_jwk, sealed_private, created_at, active_from)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&key.kid)
    .bind(&key.algorithm)
    .bind(&key.public_jwk)
    .bind(&key.sealed_private)
    .bind(key.created_at)
    .bind(key.active_from)
    .execute(executor)
    .await?;
    Ok(())
}

/// Retires every key but one; a key that was to retire earlier keeps its instant.
pub async fn retire_others(
    executor: impl PgExecutor<'_>,
    kid: &str,
    retired_at: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let result = sqlx::query(
        "/* signing_keys.retire_others */
         UPDATE signing_keys SET retired_at = $2
         WHERE kid <> $1 AND (retired_at IS NULL OR retired_at > $2)",
    )
    .bind(kid)
    .bind(retired_at)
    .execute(executor)
    .await?;
    Ok(result.rows_affected())
}
