//! `client_assertions`: assertions that have been used, until nobody could use them any more.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::ids::ClientId;

/// Notes the use of an assertion; false when it was used before, by whichever process.
pub async fn insert_once(
    executor: impl PgExecutor<'_>,
    client_id: ClientId,
    jti_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let result = sqlx::query(
        "/* client_assertions.insert_once */
         INSERT INTO client_assertions (client_id, jti_hash, expires_at) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
    )
    .bind(client_id)
    .bind(jti_hash)
    .bind(expires_at)
    .execute(executor)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Forgets what expired before `before`. By time alone: a limit on the number would let a flood of
/// assertions make room for a replay.
pub async fn delete_expired(executor: impl PgExecutor<'_>, before: DateTime<Utc>) -> sqlx::Result<u64> {
    let result = sqlx::query(
        "/* client_assertions.delete_expired */ DELETE FROM client_assertions WHERE expires_at < $1",
    )
    .bind(before)
    .execute(executor)
    .await?;
    Ok(result.rows_affected())
}
