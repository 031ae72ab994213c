//! Compact JWS (RFC 7515), read as strictly as it is written.
//!
//! The header may hold `alg`, `kid` and `typ` and nothing else: `jwk`, `jku`, `x5u` and `crit` would let a token
//! bring its own key or rules (RFC 8725, 3.10). Claims are decoded by the caller after the signature holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::jwk::{Algorithm, PublicKey};
use crate::error::{Error, Result};

/// Longest token we look at.
const MAX_LENGTH: usize = 8 << 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: Algorithm,
    kid: String,
    typ: Option<String>,
}

/// A token whose form is right and whose signature nobody has checked yet.
pub(super) struct Unverified<'a> {
    header: Header,
    message: &'a str,
    payload: Vec<u8>,
    signature: &'a str,
}

fn decode_part(part: &str) -> Result<Vec<u8>> {
    // The engine refuses padding, foreign characters and stray bits: each token has one spelling.
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Error::unauthenticated("token is not base64url"))
}

impl<'a> Unverified<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Unverified<'a>> {
        if token.len() > MAX_LENGTH {
            return Err(Error::unauthenticated("token is longer than 8 KiB"));
        }
        let malformed = || Error::unauthenticated("token is not header.payload.signature");
        let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = message.split_once('.').ok_or_else(malformed)?;
        let header = serde_json::from_slice(&decode_part(header)?)
            .map_err(|_| Error::unauthenticated("token header is not one of ours"))?;
        Ok(Unverified { header, message, payload: decode_part(payload)?, signature })
    }

    /// The key that the token says it is signed with. Only a name to look up among keys we know.
    pub(super) fn kid(&self) -> &str {
        &self.header.kid
    }

    pub(super) fn typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// Claims before the signature is checked: good for finding the key to check it with, and for nothing else.
    pub(super) fn peek<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.payload)
            .map_err(|_| Error::unauthenticated("token claims are malformed"))
    }

    /// The claims, if the key signed them with the key's own algorithm.
    pub(super) fn verify<T: DeserializeOwned>(&self, key: &PublicKey) -> Result<T> {
        if self.header.alg != key.algorithm {
            return Err(Error::unauthenticated("token names an algorithm that is not its key's"));
        }
        if !key.verifies(self.message, self.signature) {
            return Err(Error::unauthenticated("token signature is wrong"));
        }
        self.peek()
    }
}

/// Signs claims.
pub(super) fn sign(
    typ: &str,
    kid: &str,
    algorithm: Algorithm,
    key: &EncodingKey,
    claims: &impl Serialize,
) -> Result<String> {
    let mut header = jsonwebtoken::Header::new(algorithm.jose());
    header.typ = Some(typ.to_owned());
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, claims, key).map_err(|_| Error::Crypto("signing failed"))
}
