//! Our signing keys: made, sealed for storage, opened, chosen.
//!
//! EdDSA on Ed25519: deterministic, so no randomness can spoil a signature, and small. A key has three spans:
//! published (from its creation, for good), signing (from `active_from` until a newer key takes over), and
//! accepted for access tokens (until `retired_at`). Receipts verify with any key we ever published.

use std::collections::HashMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::EncodingKey;
use serde::Serialize;
use serde_json::{Value, json};

use super::jwk::{Algorithm, PublicKey, thumbprint};
use super::jws;
use crate::db::signing_keys::SigningKey;
use crate::error::{Error, Result};
use crate::privacy::{Aad, Keyring};

fn aad(kid: &str) -> Aad<'_> {
    Aad { table: "signing_keys", column: "sealed_private", owner: kid.as_bytes() }
}

/// Makes a key that will sign from `active_from`.
pub(super) fn generate(keys: &Keyring, now: DateTime<Utc>, active_from: DateTime<Utc>) -> Result<SigningKey> {
    let failed = |_| Error::Crypto("no signing key could be made");
    let private = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(failed)?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(private.as_ref())
        .map_err(|_| Error::Crypto("a new signing key does not read back"))?;
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let kid = thumbprint(&json!({"kty": "OKP", "crv": "Ed25519", "x": x}))?;
    Ok(SigningKey {
        algorithm: Algorithm::EdDSA.as_str().to_owned(),
        public_jwk: PublicKey::from_jwk(&json!({"kty": "OKP", "crv": "Ed25519", "x": x}))?.jwk,
        sealed_private: keys.seal(&aad(&kid), private.as_ref())?,
        created_at: now,
        active_from,
        retired_at: None,
        kid,
    })
}

pub(super) struct Key {
    pub(super) public: PublicKey,
    private: EncodingKey,
    active_from: DateTime<Utc>,
    pub(super) retired_at: Option<DateTime<Utc>>,
}

/// All keys as of one reading of the table.
pub(super) struct KeySet {
    /// The latest to become active first.
    order: Vec<String>,
    keys: HashMap<String, Key>,
}

impl KeySet {
    pub(super) fn open(rows: &[SigningKey], keyring: &Keyring) -> Result<KeySet> {
        let mut keys = HashMap::with_capacity(rows.len());
        for row in rows {
            keys.insert(row.kid.clone(), open(row, keyring)?);
        }
        Ok(KeySet { order: rows.iter().map(|row| row.kid.clone()).collect(), keys })
    }

    pub(super) fn find(&self, kid: &str) -> Option<&Key> {
        self.keys.get(kid)
    }

    /// Whether another reading of the table says something else.
    pub(super) fn differs_from(&self, rows: &[SigningKey]) -> bool {
        self.order.len() != rows.len()
            || rows.iter().any(|row| self.find(&row.kid).is_none_or(|key| key.retired_at != row.retired_at))
    }

    /// Signs with the newest key whose time has come.
    pub(super) fn sign(&self, typ: &str, now: DateTime<Utc>, claims: &impl Serialize) -> Result<String> {
        let due = |key: &&Key| key.active_from <= now && key.retired_at.is_none_or(|at| now < at);
        let key = self.order.iter().filter_map(|kid| self.keys.get(kid)).find(due);
        let key = key.ok_or(Error::Crypto("no signing key is active"))?;
        jws::sign(typ, &key.public.kid, key.public.algorithm, &key.private, claims)
    }

    /// RFC 7517 key set of every key there ever was, so that old receipts verify.
    pub(super) fn jwks(&self) -> Value {
        let keys: Vec<_> =
            self.order.iter().filter_map(|kid| self.keys.get(kid)).map(|key| &key.public.jwk).collect();
        json!({ "keys": keys })
    }
}

fn open(row: &SigningKey, keyring: &Keyring) -> Result<Key> {
    let inconsistent = |column| Error::Inconsistent { table: "signing_keys", column, row: row.kid.clone() };
    let public = PublicKey::from_jwk(&row.public_jwk).map_err(|_| inconsistent("public_jwk"))?;
    if Algorithm::parse(&row.algorithm) != Some(public.algorithm) || public.kid != row.kid {
        return Err(inconsistent("algorithm"));
    }
    let private = keyring.open(&aad(&row.kid), &row.sealed_private)?;
    let private = match public.algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_der(&private),
        Algorithm::ES256 => EncodingKey::from_ec_der(&private),
    };
    Ok(Key { public, private, active_from: row.active_from, retired_at: row.retired_at })
}
