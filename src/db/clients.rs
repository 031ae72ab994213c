//! `clients` with their secrets and public keys.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::ids::{ClientId, ContributorId};

/// A credential holder as stored; [`crate::access`] gives the words their meaning.
#[derive(Clone, Debug, FromRow)]
pub struct Client {
    pub client_id: ClientId,
    pub name: String,
    pub contributor_id: Option<ContributorId>,
    pub scopes: Vec<String>,
    pub purposes: Vec<String>,
    pub auth_methods: Vec<String>,
    /// `active` or `revoked`.
    pub status: String,
    pub version: i32,
    /// `active` or `suspended`, for a client of a contributor.
    pub contributor_status: Option<String>,
}

/// A client with the keyed hashes of its live secrets.
#[derive(FromRow)]
pub struct ClientWithSecrets {
    #[sqlx(flatten)]
    pub client: Client,
    pub secret_macs: Vec<Vec<u8>>,
}

/// A client with the public key it registered under a kid.
#[derive(FromRow)]
pub struct ClientWithKey {
    #[sqlx(flatten)]
    pub client: Client,
    pub jwk: Value,
}

pub async fn list(executor: impl PgExecutor<'_>) -> sqlx::Result<Vec<Client>> {
    sqlx::query_as(
        "/* clients.list */
         SELECT c.client_id, c.name, c.contributor_id, c.scopes, c.purposes, c.auth_methods, c.status, c.version,
                o.status AS contributor_status
         FROM clients c LEFT JOIN contributors o USING (contributor_id)",
    )
    .fetch_all(executor)
    .await
}

pub async fn find(executor: impl PgExecutor<'_>, id: ClientId) -> sqlx::Result<Option<Client>> {
    sqlx::query_as(
        "/* clients.find */
         SELECT c.client_id, c.name, c.contributor_id, c.scopes, c.purposes, c.auth_methods, c.status, c.version,
                o.status AS contributor_status
         FROM clients c LEFT JOIN contributors o USING (contributor_id)
         WHERE c.client_id = $1",
    )
    .bind(id)
    .fetch_optional(executor)
    .await
}

pub async fn find_by_name(executor: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<Client>> {
    sqlx::query_as(
        "/* clients.find_by_name */
         SELECT c.client_id, c.name, c.contributor_id, c.scopes, c.purposes, c.auth_methods, c.status, c.version,
                o.status AS contributor_status
         FROM clients c LEFT JOIN contributors o USING (contributor_id)
         WHERE c.name = $1",
    )
    .bind(name)
    .fetch_optional(executor)
    .await
}

/// Finds a client and keeps others from changing it until the transaction ends.
pub async fn find_locked_in_tx(executor: impl PgExecutor<'_>, id: ClientId) -> sqlx::Result<Option<Client>> {
    sqlx::query_as(
        "/* clients.find_locked */
         SELECT c.client_id, c.name, c.contributor_id, c.scopes, c.purposes, c.auth_methods, c.status, c.version,
                o.status AS contributor_status
         FROM clients c LEFT JOIN contributors o USING (contributor_id)
         WHERE c.client_id = $1
         FOR UPDATE OF c",
    )
    .bind(id)
    .fetch_optional(executor)
    .await
}

/// One round trip whether the client exists or not, so that the time of an answer tells nothing.
pub async fn find_with_secrets(
    executor: impl PgExecutor<'_>,
    id: ClientId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<ClientWithSecrets>> {
    sqlx::query_as(
        "/* clients.find_with_secrets */
         SELECT c.client_id, c.name, c.contributor_id, c.scopes, c.purposes, c.auth_methods, c.status, c.version,
                o.status AS contributor_status,
                ARRAY(SELECT s.secret_mac FROM client_secrets s
                      WHERE s.client_id = c.client_id AND (s.expires_at IS NULL OR s.expires_at > $2)
                      ORDER BY (s.expires_at IS NULL) DESC, s.created_at DESC LIMIT 2) AS secret_macs
         FROM clients c LEFT JOIN contributors o USING (contributor_id)
         WHERE c.client_id = $1",
    )
    .bind(id)
    .bind(now)
    .fetch_optional(executor)
    .await
}

pub async fn find_with_key(
    executor: impl PgExecutor<'_>,
    id: ClientId,
    kid: &str,
) -> sqlx::Result<Option<ClientWithKey>> {
    sqlx::query_as(
        "/* clients.find_with_key */
         SELECT c.client_id, c.name, c.contributor_id, c.scopes, c.purposes, c.auth_methods, c.status, c.version,
                o.status AS contributor_status, k.jwk
         FROM clients c JOIN client_keys k USING (client_id) LEFT JOIN contributors o USING (contributor_id)
         WHERE c.client_id = $1 AND k.kid = $2 AND k.revoked_at IS NULL",
    )
    .bind(id)
    .bind(kid)
    .fetch_optional(executor)
    .await
}

/// Inserts a client. A taken name violates `clients_name_key`.
pub async fn insert(executor: impl PgExecutor<'_>, client: &Client, at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "/* clients.insert */
         INSERT INTO clients (client_id, name, contributor_id, scopes, purposes, auth_methods, status, version, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(client.client_id)
    .bind(&client.name)
    .bind(client.contributor_id)
    .bind(&client.scopes)
    .bind(&client.purposes)
    .bind(&client.auth_methods)
    .bind(&client.status)
    .bind(client.version)
    .bind(at)
    .execute(executor)
    .await?;
    Ok(())
}

/// Revokes an active client and makes its tokens outdated; tells whether there was one to revoke.
pub async fn revoke(executor: impl PgExecutor<'_>, id: ClientId, at: DateTime<Utc>) -> sqlx::Result<bool> {
    let result = sqlx::query(
        "/* clients.revoke */
         UPDATE clients SET status = 'revoked', revoked_at = $2, version = version + 1
         WHERE client_id = $1 AND status = 'active'",
    )
    .bind(id)
    .bind(at)
    .execute(executor)
    .await?;
    Ok(result.rows_affected() == 1)
}

pub async fn insert_secret(
    executor: impl PgExecutor<'_>,
    secret_id: Uuid,
    client_id: ClientId,
    secret_mac: &[u8],
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "/* client_secrets.insert */
         INSERT INTO client_secrets (secret_id, client_id, secret_mac, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(secret_id)
    .bind(client_id)
    .bind(secret_mac)
    .bind(at)
    .execute(executor)
    .await?;
    Ok(())
}

/// Lets the newest live secret of a client live until `until`, and ends the others now: with the secret that
/// is about to be inserted, two are live at most.
pub async fn expire_secrets(
    executor: impl PgExecutor<'_>,
    client_id: ClientId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "/* client_secrets.expire */
         WITH newest AS (
             SELECT secret_id FROM client_secrets
             WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > $2)
             ORDER BY (expires_at IS NULL) DESC, created_at DESC LIMIT 1
         )
         UPDATE client_secrets s
         SET expires_at = CASE WHEN s.secret_id = n.secret_id THEN least(s.expires_at, $3) ELSE $2 END
         FROM newest n
         WHERE s.client_id = $1 AND (s.expires_at IS NULL OR s.expires_at > $2)",
    )
    .bind(client_id)
    .bind(now)
    .bind(until)
    .execute(executor)
    .await?;
    Ok(())
}

pub async fn insert_key(
    executor: impl PgExecutor<'_>,
    client_id: ClientId,
    kid: &str,
    algorithm: &str,
    jwk: &Value,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "/* client_keys.insert */
         INSERT INTO client_keys (client_id, kid, jwk, algorithm, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(client_id)
    .bind(kid)
    .bind(jwk)
    .bind(algorithm)
    .bind(at)
    .execute(executor)
    .await?;
    Ok(())
}
