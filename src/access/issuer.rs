//! Signs access tokens and receipts, verifies them, and tells the world how to (RFC 9068, RFC 8414, RFC 7517).
//!
//! A process reads keys and clients from Postgres every five seconds ([`TokenIssuer::keep_fresh`]), so that what
//! one process rotates or revokes is known to all within that time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::authenticate::{self, AuthenticatedClient, Credential};
use super::directory::ClientDirectory;
use super::jws::Unverified;
use super::principal::Principal;
use super::receipt::{RECEIPT_TYP, Receipt, ReceiptClaims};
use super::scope::{Scope, ScopeSet};
use super::signing::{self, KeySet};
use crate::audit;
use crate::clock::Clock;
use crate::db;
use crate::error::{Error, Result};
use crate::ids::{ClientId, ContributorId};
use crate::privacy::{Keyring, random};

pub const TOKEN_PATH: &str = "/oauth/token";
pub const JWKS_PATH: &str = "/.well-known/jwks.json";
pub const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";

/// JWS `typ` of an access token (RFC 9068, 2.1).
const ACCESS_TOKEN_TYP: &str = "at+jwt";
/// Short, because a token lives on where a revocation has not arrived yet.
const TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How far another process's clock may be ahead of ours.
pub(super) const FUTURE_SKEW: TimeDelta = TimeDelta::seconds(10);
/// From publishing a key to signing with it: every process and every cache of the JWKS has seen it by then.
const PUBLISHED_AHEAD: TimeDelta = TimeDelta::minutes(10);
/// How long tokens of the old key are accepted after a planned rotation; far more than they live.
const OVERLAP: TimeDelta = TimeDelta::hours(24);
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// Verified tokens that a process remembers; about 300 bytes each.
const REMEMBERED: usize = 10_000;
/// Advisory lock of whoever makes or rotates signing keys.
const SIGNING_KEYS_LOCK: i64 = 0x6574_7200_0001;

/// Why keys change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Publish now, sign in ten minutes, accept the old key's tokens for a day.
    Planned,
    /// The old key is known to others: sign with the new one and refuse the old one's tokens at once. Clients
    /// fetch a new token; receipts of the old key still verify and must be compared with our records.
    Compromised,
}

/// A fresh access token; shown to its client and never stored.
pub struct AccessToken {
    pub token: String,
    /// Seconds.
    pub expires_in: u32,
    pub scope: ScopeSet,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken(redacted, {})", self.scope)
    }
}

/// What a verified access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub client_id: ClientId,
    pub contributor_id: Option<ContributorId>,
    pub scopes: ScopeSet,
    /// The client's version when the token was made; a revocation raises it.
    pub client_version: i32,
    pub expires_at: DateTime<Utc>,
    pub token_id: String,
}

/// The claims on the wire. One extra, missing, doubled or differently typed member refuses the token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireClaims {
    iss: String,
    sub: ClientId,
    aud: String,
    exp: i64,
    iat: i64,
    jti: String,
    client_id: ClientId,
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contributor_id: Option<ContributorId>,
    cv: i32,
}

/// Keys as last read, and the tokens that they have verified: checking a signature again for every request of
/// a five-minute token would cost more than the request. New keys begin with an empty memory.
struct Snapshot {
    keys: KeySet,
    verified: Mutex<HashMap<[u8; 32], Claims>>,
}

impl Snapshot {
    fn new(keys: KeySet) -> Arc<Snapshot> {
        Arc::new(Snapshot { keys, verified: Mutex::default() })
    }
}

/// Signs, verifies and authenticates; the one door of [`crate::access`].
pub struct TokenIssuer {
    pub(super) pool: PgPool,
    pub(super) keyring: Keyring,
    pub(super) clock: Clock,
    /// `iss` and `aud` of our tokens: the public URL.
    pub(super) issuer: String,
    snapshot: RwLock<Arc<Snapshot>>,
    directory: ClientDirectory,
}

impl TokenIssuer {
    /// Reads keys and clients; makes the first key where there is none. Processes that start together take turns
    /// and end with one key.
    pub async fn load_or_create(
        pool: &PgPool,
        keyring: &Keyring,
        clock: &Clock,
        public_url: &str,
    ) -> Result<TokenIssuer> {
        let mut tx = pool.begin().await?;
        let mut rows = db::signing_keys::list(&mut *tx).await?;
        if rows.is_empty() {
            db::advisory_lock_in_tx(&mut tx, SIGNING_KEYS_LOCK).await?;
            rows = db::signing_keys::list(&mut *tx).await?;
            if rows.is_empty() {
                let now = clock.now();
                let key = signing::generate(keyring, now, now)?;
                insert_key(&mut tx, &key, "system", json!({})).await?;
                rows.push(key);
            }
        }
        tx.commit().await?;
        Ok(TokenIssuer {
            snapshot: RwLock::new(Snapshot::new(KeySet::open(&rows, keyring)?)),
            directory: ClientDirectory::load(pool).await?,
            pool: pool.clone(),
            keyring: keyring.clone(),
            clock: clock.clone(),
            issuer: public_url.trim_end_matches('/').to_owned(),
        })
    }

    /// With another limit than thirty seconds on the age of what is known of keys and clients.
    pub fn with_max_staleness(self, max_staleness: Duration) -> TokenIssuer {
        TokenIssuer { directory: self.directory.limited_to(max_staleness), ..self }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Clients as this process knows them.
    pub fn directory(&self) -> &ClientDirectory {
        &self.directory
    }

    /// Reads keys and clients again.
    pub async fn refresh(&self) -> Result<()> {
        self.refresh_keys().await?;
        self.directory.refresh().await
    }

    async fn refresh_keys(&self) -> Result<()> {
        let rows = db::signing_keys::list(&self.pool).await?;
        if self.snapshot().keys.differs_from(&rows) {
            let fresh = Snapshot::new(KeySet::open(&rows, &self.keyring)?);
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        Ok(())
    }

    /// Refreshes every five seconds and forgets old assertions every few minutes, until told to stop. A failure
    /// is logged and tried again; requests are refused once the last success is too old.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(REFRESH_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for round in 0u64.. {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(error = %error, "clients and signing keys were not refreshed");
            } else if round % 60 == 0
                && let Err(error) = authenticate::forget_old_assertions(self).await
            {
                tracing::warn!(error = %error, "old client assertions were not deleted");
            }
        }
    }

    /// Makes a new signing key for all processes; returns its kid. This process uses it at once as `why` says,
    /// the others within their next refresh.
    pub async fn rotate(&self, why: Rotation, actor: &str) -> Result<String> {
        let now = self.clock.now();
        let (active_from, old_until) = match why {
            Rotation::Planned => (now + PUBLISHED_AHEAD, now + PUBLISHED_AHEAD + OVERLAP),
            Rotation::Compromised => (now, now),
        };
        let key = signing::generate(&self.keyring, now, active_from)?;
        let mut tx = self.pool.begin().await?;
        db::advisory_lock_in_tx(&mut tx, SIGNING_KEYS_LOCK).await?;
        insert_key(&mut tx, &key, actor, json!({"why": format!("{why:?}").to_lowercase()})).await?;
        db::signing_keys::retire_others(&mut *tx, &key.kid, old_until).await?;
        tx.commit().await?;
        self.refresh().await?;
        Ok(key.kid)
    }

    /// Authenticates a client of the token endpoint.
    ///
    /// # Errors
    /// `Unauthenticated`, alike for every cause; `DatabaseUnavailable` when nothing can be checked.
    pub async fn authenticate(&self, credential: Credential<'_>) -> Result<AuthenticatedClient> {
        authenticate::authenticate(self, credential).await
    }

    /// Signs a token for the scopes that the client asks for, or for all that it has.
    ///
    /// # Errors
    /// `BadRequest` with code `invalid-scope` when it asks for what it does not have.
    pub fn access_token(&self, client: &AuthenticatedClient, requested: Option<&str>) -> Result<AccessToken> {
        let scope = granted(client.scopes, requested)?;
        let now = self.clock.now();
        let claims = WireClaims {
            iss: self.issuer.clone(),
            sub: client.client_id,
            aud: self.issuer.clone(),
            exp: (now + TOKEN_LIFETIME).timestamp(),
            iat: now.timestamp(),
            jti: random::uuid_v4().to_string(),
            client_id: client.client_id,
            scope: scope.to_string(),
            contributor_id: client.contributor_id,
            cv: client.version,
        };
        let token = self.snapshot().keys.sign(ACCESS_TOKEN_TYP, now, &claims)?;
        Ok(AccessToken { token, expires_in: TOKEN_LIFETIME.num_seconds() as u32, scope })
    }

    /// The claims of an access token of ours that holds now. Says nothing about the client's present state: see
    /// [`TokenIssuer::principal_for`].
    ///
    /// # Errors
    /// `Unauthenticated`, whatever is wrong with it.
    pub fn verify(&self, token: &str) -> Result<Claims> {
        let now = self.clock.now();
        let snapshot = self.snapshot();
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let mut verified = snapshot.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = verified.get(&fingerprint) {
            return unexpired(claims.clone(), now);
        }
        drop(verified);
        let claims = unexpired(self.verify_anew(&snapshot.keys, token, now)?, now)?;
        verified = snapshot.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.retain(|_, claims| claims.expires_at > now);
        }
        if verified.len() < REMEMBERED {
            verified.insert(fingerprint, claims.clone());
        }
        Ok(claims)
    }

    fn verify_anew(&self, keys: &KeySet, token: &str, now: DateTime<Utc>) -> Result<Claims> {
        let refused = |internal: &'static str| Error::unauthenticated(internal);
        let unverified = Unverified::parse(token)?;
        if unverified.typ() != Some(ACCESS_TOKEN_TYP) {
            return Err(refused("not an access token"));
        }
        let key = keys.find(unverified.kid()).ok_or_else(|| refused("signed by a key that is not ours"))?;
        let wire: WireClaims = unverified.verify(&key.public)?;
        if wire.iss != self.issuer || wire.aud != self.issuer {
            return Err(refused("issued by or for somebody else"));
        }
        if wire.sub != wire.client_id {
            return Err(refused("subject and client differ"));
        }
        let instant = |seconds| DateTime::from_timestamp(seconds, 0);
        let (Some(issued_at), Some(mut expires_at)) = (instant(wire.iat), instant(wire.exp)) else {
            return Err(refused("instants out of range"));
        };
        if issued_at > now + FUTURE_SKEW || expires_at - issued_at > TOKEN_LIFETIME {
            return Err(refused("issued in the future, or for too long"));
        }
        if let Some(retired_at) = key.retired_at {
            expires_at = expires_at.min(retired_at);
        }
        Ok(Claims {
            client_id: wire.client_id,
            contributor_id: wire.contributor_id,
            scopes: wire.scope.parse().map_err(|_| refused("unknown scope"))?,
            client_version: wire.cv,
            expires_at,
            token_id: wire.jti,
        })
    }

    /// Who a verified token stands for now: the client must be known, not revoked, and of the token's version.
    ///
    /// # Errors
    /// `Unauthenticated` when it is not; `DatabaseUnavailable` when what we know of clients is too old to trust.
    pub async fn principal_for(&self, claims: &Claims) -> Result<Principal> {
        // Keys with the clients: a process that cannot read the keys must not go on with one that was given up.
        self.directory.ensure_fresh(self.refresh_keys()).await?;
        self.directory.principal_for(claims).await
    }

    /// From a bearer token to a caller who may do what the scope names: the whole check of a request.
    ///
    /// # Errors
    /// Those of [`TokenIssuer::verify`], [`TokenIssuer::principal_for`] and [`Principal::require`].
    pub async fn authorize(&self, token: &str, scope: Scope) -> Result<Principal> {
        let principal = self.principal_for(&self.verify(token)?).await?;
        principal.require(scope)?;
        Ok(principal)
    }

    /// Signs a receipt: a compact JWS that verifies against the JWKS for good.
    pub fn sign_receipt(&self, claims: &ReceiptClaims) -> Result<String> {
        let now = self.clock.now();
        let receipt = Receipt { iss: self.issuer.clone(), iat: now.timestamp(), claims: claims.clone() };
        self.snapshot().keys.sign(RECEIPT_TYP, now, &receipt)
    }

    /// Reads a receipt of ours, however old.
    ///
    /// # Errors
    /// `Unprocessable` with code `receipt-invalid` when we did not sign it.
    pub fn verify_receipt(&self, receipt: &str) -> Result<Receipt> {
        let invalid = || Error::unprocessable("receipt-invalid", "the receipt was not signed by this server");
        let snapshot = self.snapshot();
        let unverified = Unverified::parse(receipt).map_err(|_| invalid())?;
        if unverified.typ() != Some(RECEIPT_TYP) {
            return Err(invalid());
        }
        let key = snapshot.keys.find(unverified.kid()).ok_or_else(invalid)?;
        let receipt: Receipt = unverified.verify(&key.public).map_err(|_| invalid())?;
        if receipt.iss == self.issuer { Ok(receipt) } else { Err(invalid()) }
    }

    /// The JWKS document: every public key there ever was, the latest first.
    pub fn jwks(&self) -> Value {
        self.snapshot().keys.jwks()
    }

    /// The RFC 8414 metadata document.
    pub fn metadata(&self) -> Value {
        json!({
            "issuer": self.issuer,
            "token_endpoint": format!("{}{TOKEN_PATH}", self.issuer),
            "jwks_uri": format!("{}{JWKS_PATH}", self.issuer),
            "scopes_supported": Scope::ALL.map(Scope::as_str),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["EdDSA", "ES256"],
        })
    }
}

fn unexpired(claims: Claims, now: DateTime<Utc>) -> Result<Claims> {
    if now < claims.expires_at { Ok(claims) } else { Err(Error::unauthenticated("token has expired")) }
}

fn granted(allowed: ScopeSet, requested: Option<&str>) -> Result<ScopeSet> {
    let invalid = || Error::bad_request("invalid-scope", "the client does not have every requested scope");
    let Some(text) = requested else { return Ok(allowed) };
    let requested: ScopeSet = text.parse().map_err(|_| invalid())?;
    if requested.is_empty() || !requested.is_subset_of(allowed) { Err(invalid()) } else { Ok(requested) }
}

async fn insert_key(
    connection: &mut sqlx::PgConnection,
    key: &db::signing_keys::SigningKey,
    actor: &str,
    detail: Value,
) -> Result<()> {
    db::signing_keys::insert(&mut *connection, key).await?;
    let entry = audit::Entry {
        at: key.created_at,
        actor_client: None,
        actor,
        action: "signing_key.create",
        object_kind: "signing_key",
        object_id: &key.kid,
        outcome: "ok",
        detail,
    };
    audit::record(connection, &entry).await
}
