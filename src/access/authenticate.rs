//! Client authentication at the token endpoint: a secret by HTTP Basic (RFC 6749, 2.3.1) where the client's
//! record allows it, or an assertion that the client signed (RFC 7523, `private_key_jwt`).
//!
//! Every failure looks the same from outside and takes the same steps, so that neither clients nor their
//! methods can be probed.

use aws_lc_rs::digest;
use chrono::{DateTime, TimeDelta};
use serde::Deserialize;

use super::directory::stored_scopes;
use super::issuer::{FUTURE_SKEW, TOKEN_PATH, TokenIssuer};
use super::jwk::PublicKey;
use super::jws::Unverified;
use super::scope::ScopeSet;
use crate::db::{self, clients::Client};
use crate::error::{Error, Result};
use crate::ids::{ClientId, ContributorId};
use crate::privacy::MacPurpose;

/// Longest life of an assertion.
const MAX_ASSERTION_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// Fewer characters cannot carry 128 random bits in hexadecimal or base64.
const MIN_JTI_LENGTH: usize = 16;
const MAX_JTI_LENGTH: usize = 255;
/// How long a used assertion is remembered beyond its end, so that a clock set back does not revive it.
const REMEMBERED_BEYOND: TimeDelta = TimeDelta::hours(1);
/// The most secrets that a client has at once.
const LIVE_SECRETS: usize = 2;

pub(super) const CLIENT_SECRET_BASIC: &str = "client_secret_basic";
pub(super) const PRIVATE_KEY_JWT: &str = "private_key_jwt";

/// What a client shows at the token endpoint.
pub enum Credential<'a> {
    /// From the `Authorization: Basic` header.
    Basic { client_id: &'a str, secret: &'a str },
    /// The form's `client_assertion`. `client_id` is the form's, if it has one, and must agree.
    Assertion { assertion: &'a str, client_id: Option<&'a str> },
}

/// A client that has shown who it is.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    pub client_id: ClientId,
    pub name: String,
    pub contributor_id: Option<ContributorId>,
    /// Everything it may ask for.
    pub scopes: ScopeSet,
    pub version: i32,
}

pub(super) async fn authenticate(
    issuer: &TokenIssuer,
    credential: Credential<'_>,
) -> Result<AuthenticatedClient> {
    let (client, method) = match credential {
        Credential::Basic { client_id, secret } => {
            (by_secret(issuer, client_id, secret).await?, CLIENT_SECRET_BASIC)
        }
        Credential::Assertion { assertion, client_id } => {
            (by_assertion(issuer, assertion, client_id).await?, PRIVATE_KEY_JWT)
        }
    };
    if client.status != "active" {
        return Err(Error::unauthenticated("client is revoked"));
    }
    if !client.auth_methods.iter().any(|allowed| allowed == method) {
        return Err(Error::unauthenticated("client may not authenticate in this way"));
    }
    Ok(AuthenticatedClient {
        scopes: stored_scopes(&client)?,
        client_id: client.client_id,
        name: client.name,
        contributor_id: client.contributor_id,
        version: client.version,
    })
}

async fn by_secret(issuer: &TokenIssuer, client_id: &str, secret: &str) -> Result<Client> {
    // A malformed id asks for a client that cannot exist, and so takes as long as a well-formed one.
    let id = client_id.parse().unwrap_or(ClientId(uuid::Uuid::nil()));
    let found = db::clients::find_with_secrets(&issuer.pool, id, issuer.clock.now()).await?;
    let macs = found.as_ref().map_or(&[][..], |found| &found.secret_macs[..]);
    let dummy = issuer.keyring.mac(MacPurpose::ClientSecret, b"");
    let mut verified = false;
    for n in 0..LIVE_SECRETS {
        // As many comparisons for a client with two secrets as for one that does not exist.
        let mac = macs.get(n).map_or(&dummy[..], Vec::as_slice);
        let matches = issuer.keyring.verify_mac(MacPurpose::ClientSecret, secret.as_bytes(), mac);
        verified |= matches && n < macs.len();
    }
    match found {
        Some(found) if verified => Ok(found.client),
        _ => Err(Error::unauthenticated("unknown client or wrong secret")),
    }
}

/// Claims that an assertion must carry; it may carry others.
#[derive(Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    #[serde(default)]
    nbf: Option<i64>,
    jti: String,
}

/// One audience, or a list of exactly one (RFC 7519, 4.1.3): an assertion that is good elsewhere as well could
/// be used here by whoever received it there.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    List([String; 1]),
}

impl Audience {
    fn value(&self) -> &str {
        match self {
            Audience::One(value) | Audience::List([value]) => value,
        }
    }
}

async fn by_assertion(issuer: &TokenIssuer, assertion: &str, form_client_id: Option<&str>) -> Result<Client> {
    let refused = |internal: &'static str| Error::unauthenticated(internal);
    let unverified = Unverified::parse(assertion)?;
    // `client-authentication+jwt` is what RFC 7523bis asks for; before it, libraries wrote JWT or nothing.
    if !matches!(unverified.typ(), None | Some("JWT" | "client-authentication+jwt")) {
        return Err(refused("not a client assertion"));
    }
    let claimed: AssertionClaims = unverified.peek()?;
    let id: ClientId = claimed.sub.parse().map_err(|_| refused("assertion names no client"))?;
    let found = db::clients::find_with_key(&issuer.pool, id, unverified.kid()).await?;
    let found = found.ok_or_else(|| refused("unknown client or key"))?;
    let key = PublicKey::from_jwk(&found.jwk).map_err(|_| Error::Inconsistent {
        table: "client_keys",
        column: "jwk",
        row: id.to_string(),
    })?;
    let claims: AssertionClaims = unverified.verify(&key)?;
    if claims.iss != claims.sub || form_client_id.is_some_and(|form| form != claims.sub) {
        return Err(refused("assertion is by another than its subject"));
    }
    let aud = claims.aud.value();
    if aud != issuer.issuer && aud.strip_prefix(issuer.issuer.as_str()) != Some(TOKEN_PATH) {
        return Err(refused("assertion is for somebody else"));
    }
    use_once(issuer, id, &claims).await?;
    Ok(found.client)
}

/// Checks the assertion's times and notes its use.
async fn use_once(issuer: &TokenIssuer, id: ClientId, claims: &AssertionClaims) -> Result<()> {
    let refused = |internal: &'static str| Error::unauthenticated(internal);
    let now = issuer.clock.now();
    let instant = |seconds| DateTime::from_timestamp(seconds, 0);
    let (Some(issued_at), Some(expires_at)) = (instant(claims.iat), instant(claims.exp)) else {
        return Err(refused("assertion has instants out of range"));
    };
    let not_before = claims.nbf.map_or(Some(issued_at), instant);
    if now >= expires_at || expires_at - issued_at > MAX_ASSERTION_LIFETIME {
        return Err(refused("assertion has expired or lives too long"));
    }
    if issued_at > now + FUTURE_SKEW || not_before.is_none_or(|from| from > now + FUTURE_SKEW) {
        return Err(refused("assertion is from the future"));
    }
    if !(MIN_JTI_LENGTH..=MAX_JTI_LENGTH).contains(&claims.jti.len()) {
        return Err(refused("assertion has no usable jti"));
    }
    let jti_hash = digest::digest(&digest::SHA256, claims.jti.as_bytes());
    let first = db::client_assertions::insert_once(
        &issuer.pool,
        id,
        jti_hash.as_ref(),
        expires_at + REMEMBERED_BEYOND,
    );
    if first.await? { Ok(()) } else { Err(refused("assertion was used before")) }
}

/// Deletes assertions that nobody could use any more.
pub(super) async fn forget_old_assertions(issuer: &TokenIssuer) -> Result<u64> {
    Ok(db::client_assertions::delete_expired(&issuer.pool, issuer.clock.now()).await?)
}
