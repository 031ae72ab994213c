//! Public keys as JWKs (RFC 7517): ours and those that clients register.
//!
//! Two algorithms, EdDSA on Ed25519 and ES256 on P-256. The algorithm follows from the key, never from a token,
//! so that no token can choose how it is checked (RFC 8725, 3.1).

use std::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, ThumbprintHash};
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// A signature algorithm, spelt as in RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Algorithm {
    EdDSA,
    ES256,
}

impl Algorithm {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Algorithm::EdDSA => "EdDSA",
            Algorithm::ES256 => "ES256",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Algorithm> {
        [Algorithm::EdDSA, Algorithm::ES256].into_iter().find(|algorithm| algorithm.as_str() == word)
    }

    pub(super) fn jose(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
            Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        }
    }
}

/// A public key that has been checked to be one.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    /// The members of RFC 7517 that a verifier needs, and no others.
    pub(super) jwk: Value,
    decoding: DecodingKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm.as_str(), self.kid)
    }
}

/// Members of private and symmetric keys (RFC 7518, 6.2.2, 6.3.2, 6.4.1).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

impl PublicKey {
    /// Reads a JWK. Its own `kid` is kept; without one the RFC 7638 thumbprint names it.
    ///
    /// # Errors
    /// `Unprocessable` with code `jwk-invalid` when it is not an Ed25519 or P-256 public key, or is a private one.
    pub fn from_jwk(value: &Value) -> Result<PublicKey> {
        let invalid = |public: &'static str| Error::unprocessable("jwk-invalid", public);
        if PRIVATE_MEMBERS.iter().any(|member| value.get(member).is_some()) {
            return Err(invalid("the JWK holds a private key: register the public part alone"));
        }
        let jwk: Jwk =
            serde_json::from_value(value.clone()).map_err(|_| invalid("not a JSON Web Key (RFC 7517)"))?;
        let (algorithm, mut public) = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, json!({"kty": "OKP", "crv": "Ed25519", "x": key.x}))
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, json!({"kty": "EC", "crv": "P-256", "x": key.x, "y": key.y}))
            }
            _ => return Err(invalid("the key must be Ed25519 (EdDSA) or P-256 (ES256)")),
        };
        if value.get("alg").is_some_and(|alg| alg != algorithm.as_str()) {
            return Err(invalid("the JWK's alg does not belong to its curve"));
        }
        let decoding =
            DecodingKey::from_jwk(&jwk).map_err(|_| invalid("the JWK's coordinates are malformed"))?;
        check_point(algorithm, &decoding)
            .ok_or_else(|| invalid("the JWK's coordinates are not a public key"))?;
        let kid = match jwk.common.key_id {
            Some(kid) if (1..=200).contains(&kid.len()) => kid,
            Some(_) => return Err(invalid("the JWK's kid must have 1 to 200 characters")),
            None => thumbprint(&public)?,
        };
        public["kid"] = json!(kid);
        public["alg"] = json!(algorithm.as_str());
        public["use"] = json!("sig");
        Ok(PublicKey { kid, algorithm, jwk: public, decoding })
    }

    /// Whether the signature, base64url as in a JWS, is of this message and by this key.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.decoding, self.algorithm.jose())
            .unwrap_or(false)
    }
}

/// A key that is not on its curve would fail only when it is used.
fn check_point(algorithm: Algorithm, key: &DecodingKey) -> Option<()> {
    let verification: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::EdDSA => &signature::ED25519,
        Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
    };
    ParsedPublicKey::new(verification, key.try_get_as_bytes().ok()?).ok().map(drop)
}

/// RFC 7638 thumbprint of a public key.
pub(super) fn thumbprint(jwk: &Value) -> Result<String> {
    serde_json::from_value::<Jwk>(jwk.clone())
        .ok()
        .and_then(|jwk| jwk.thumbprint(ThumbprintHash::SHA256).ok())
        .ok_or(Error::Crypto("a public key has no thumbprint"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(jwk: &Value) -> String {
        match PublicKey::from_jwk(jwk) {
            Err(Error::Unprocessable { public, .. }) => public.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_example_of_rfc_8037_has_its_thumbprint() {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let key = PublicKey::from_jwk(&jwk).unwrap();
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!((key.algorithm, &key.jwk["use"]), (Algorithm::EdDSA, &json!("sig")));
    }

    #[test]
    fn what_is_not_a_public_key_of_our_curves_is_refused_with_its_reason() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let cases = [
            (json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": x}), "private"),
            (json!({"kty": "oct", "k": x}), "private"),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}), "not a public key"),
            (json!({"kty": "EC", "crv": "P-256", "x": x, "y": x}), "not a public key"),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": x, "alg": "ES256"}), "alg"),
            (json!({"kty": "RSA", "n": x, "e": "AQAB"}), "must be Ed25519"),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": ""}), "kid"),
            (json!("a string"), "not a JSON Web Key"),
        ];
        for (jwk, reason) in cases {
            let text = refusal(&jwk);
            assert!(text.contains(reason), "{jwk}: {text}");
        }
    }
}
