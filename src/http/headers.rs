//! Request headers with a meaning of their own: Idempotency-Key, Prefer, Content-Digest, If-None-Match.

use std::time::Duration;

use axum::extract::FromRequestParts;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::problem::{FieldProblem, Problem, ProblemKind};

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
pub const WANT_CONTENT_DIGEST: HeaderName = HeaderName::from_static("want-content-digest");
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Longest Idempotency-Key, in characters.
pub const MAX_KEY_LENGTH: usize = 255;
/// Longest `Prefer: wait`; a caller that wants longer polls.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// Whether the caller has the answer of an entity tag already (RFC 9110 section 13.1.2).
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag;
    values.flat_map(|value| value.split(',')).any(|value| known(value.trim()))
}

/// The caller's name for one submission: 1 to 255 visible ASCII characters. The quotes of a structured-field
/// string (draft-ietf-httpapi-idempotency-key-header-07) are not part of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub String);

impl IdempotencyKey {
    fn read(headers: &HeaderMap) -> Option<IdempotencyKey> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let text = values.next()?.to_str().ok()?;
        let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let usable = (1..=MAX_KEY_LENGTH).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        (usable && values.next().is_none()).then(|| IdempotencyKey(key.to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        IdempotencyKey::read(&parts.headers).ok_or_else(|| {
            Problem::new(ProblemKind::IdempotencyKeyRequired)
                .detail("Send one Idempotency-Key of 1 to 255 visible ASCII characters: a new one for new content, the same one for a retry.")
        })
    }
}

/// What the caller would like (RFC 7240). Preferences that we do not know or cannot read are ignored, as the
/// standard asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefer {
    /// How long the caller is willing to wait for a finished answer, capped at [`MAX_WAIT`].
    pub wait: Option<Duration>,
}

impl Prefer {
    fn read(headers: &HeaderMap) -> Prefer {
        let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let wait = values.flat_map(|value| value.split(',')).find_map(|preference| {
            let (name, value) = preference.split(';').next()?.split_once('=')?;
            let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
            name.trim()
                .eq_ignore_ascii_case("wait")
                .then(|| Duration::from_secs(seconds.into()).min(MAX_WAIT))
        });
        Prefer { wait }
    }

    /// `Preference-Applied` for an answer that honoured the wait.
    pub fn applied(&self) -> Option<(HeaderName, HeaderValue)> {
        let value = HeaderValue::from_str(&format!("wait={}", self.wait?.as_secs())).ok()?;
        Some((PREFERENCE_APPLIED, value))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Prefer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Prefer::read(&parts.headers))
    }
}

/// Digests of the content as it travels, after any Content-Encoding (RFC 9530). Algorithms that we do not know
/// are ignored; MD5 and SHA-1 are among them, since they prove nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentDigest {
    pub sha256: Option<[u8; 32]>,
    pub sha512: Option<[u8; 64]>,
}

impl ContentDigest {
    /// Reads a structured-field dictionary (RFC 9651) of byte sequences; `None` when it is malformed.
    fn read(headers: &HeaderMap) -> Option<ContentDigest> {
        let mut digest = ContentDigest::default();
        for value in headers.get_all(CONTENT_DIGEST) {
            for member in value.to_str().ok()?.split(',') {
                let (algorithm, value) = member.trim_matches([' ', '\t']).split_once('=')?;
                let (encoded, parameters) = value.strip_prefix(':')?.split_once(':')?;
                let well_formed = is_key(algorithm) && (parameters.is_empty() || parameters.starts_with(';'));
                let bytes = BASE64_STANDARD.decode(encoded).ok().filter(|_| well_formed)?;
                // The last of two members with one name counts (RFC 9651 section 4.2.2).
                match algorithm {
                    "sha-256" => digest.sha256 = Some(bytes.try_into().ok()?),
                    "sha-512" => digest.sha512 = Some(bytes.try_into().ok()?),
                    _ => {}
                }
            }
        }
        Some(digest)
    }

    pub fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.sha512.is_none()
    }

    /// Tells with a problem about a digest which ones we check (RFC 9530 section 4).
    pub fn wanted(problem: Problem) -> Problem {
        problem.header(WANT_CONTENT_DIGEST, HeaderValue::from_static("sha-256=10, sha-512=5"))
    }
}

/// RFC 9651 section 3.1.2.
fn is_key(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_lowercase() || b == b'*';
    let rest = |b: u8| first(b) || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    text.bytes().next().is_some_and(first) && text.bytes().all(rest)
}

impl<S: Send + Sync> FromRequestParts<S> for ContentDigest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        ContentDigest::read(&parts.headers).ok_or_else(|| {
            let field = FieldProblem::new("header/Content-Digest", "invalid", "must look like sha-256=:<base64>:");
            let problem = Problem::new(ProblemKind::InvalidContentDigest)
                .detail("Content-Digest must be a dictionary of byte sequences, like sha-256=:<base64>: (RFC 9530).")
                .errors(vec![field]);
            ContentDigest::wanted(problem)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .collect()
    }

    #[test]
    fn one_visible_key_is_needed() {
        let read =
            |values: &[&str]| IdempotencyKey::read(&headers(&IDEMPOTENCY_KEY, values)).map(|key| key.0);
        assert_eq!(read(&["2026-01/a"]), Some("2026-01/a".into()));
        assert_eq!(read(&["\"2026-01/a\""]), Some("2026-01/a".into()));
        assert_eq!(read(&[&"k".repeat(255)]).map(|key| key.len()), Some(255));
        for refused in [&[][..], &[""], &["\"\""], &["a b"], &["é"], &["a", "a"], &[&"k".repeat(256)]] {
            assert_eq!(read(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn the_wait_is_capped_and_unknown_preferences_are_ignored() {
        let read = |values: &[&str]| Prefer::read(&headers(&PREFER, values)).wait.map(|wait| wait.as_secs());
        assert_eq!(read(&["wait=5"]), Some(5));
        assert_eq!(read(&["respond-async, Wait=\"7\"; x=1"]), Some(7));
        assert_eq!(read(&["return=minimal", "wait=600"]), Some(20));
        for ignored in ["wait", "wait=-1", "wait=soon", "handling=strict", ""] {
            assert_eq!(read(&[ignored]), None, "{ignored}");
        }
        assert_eq!(Prefer { wait: Some(MAX_WAIT) }.applied().unwrap().1, "wait=20");
    }

    #[test]
    fn digests_are_read_as_the_standard_writes_them() {
        let read = |values: &[&str]| ContentDigest::read(&headers(&CONTENT_DIGEST, values));
        let sha256 = BASE64_STANDARD.encode([1u8; 32]);
        let sha512 = BASE64_STANDARD.encode([2u8; 64]);
        let both = ContentDigest { sha256: Some([1; 32]), sha512: Some([2; 64]) };
        assert_eq!(read(&[&format!("sha-256=:{sha256}:, sha-512=:{sha512}:")]), Some(both));
        assert_eq!(read(&[&format!("sha-256=:{sha256}:;q=1"), &format!("sha-512=:{sha512}:")]), Some(both));
        assert_eq!(read(&[]), Some(ContentDigest::default()));
        // Known to be weak, hence unknown to us.
        assert_eq!(read(&["md5=:AAAAAAAAAAAAAAAAAAAAAA==:"]), Some(ContentDigest::default()));
        let short = format!("sha-512=:{sha256}:");
        for malformed in
            ["sha-256", "sha-256=abc", "sha-256=:???:", "SHA-256=:AAAA:", "sha-256=:AAAA:x", "", &short]
        {
            assert_eq!(read(&[malformed]), None, "{malformed}");
        }
    }
}
