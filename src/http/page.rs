//! Pages of a list: signed keyset cursors, no offsets, no totals.
//!
//! A cursor is the position after the last row of a page. It is opaque and carries a MAC over the list's name
//! and its owner, so that it cannot be forged, used on another list, or handed to another client.

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderValue, Uri, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::problem::{FieldProblem, Problem, ProblemKind};
use crate::error::Error;
use crate::privacy::{Keyring, MacPurpose};

/// Length of what [`Keyring::mac`] makes.
const MAC_BYTES: usize = 33;

/// How many items a page has: 1 to 200, 50 when nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "u16")]
#[schema(value_type = u16, minimum = 1, maximum = 200, default = 50)]
pub struct Limit(u16);

impl Limit {
    pub const MAX: u16 = 200;

    pub fn get(self) -> i64 {
        self.0.into()
    }
}

impl Default for Limit {
    fn default() -> Limit {
        Limit(50)
    }
}

impl TryFrom<u16> for Limit {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Limit, Self::Error> {
        if (1..=Limit::MAX).contains(&number) {
            Ok(Limit(number))
        } else {
            Err("outside of the range, expected a number from 1 to 200")
        }
    }
}

/// Makes and reads the cursors of one list for one owner.
#[derive(Clone, Copy)]
pub struct Cursors<'a> {
    pub keys: &'a Keyring,
    /// Name of the list, such as `batches`.
    pub list: &'static str,
    /// Whose list it is: the client's or the contributor's id.
    pub owner: Uuid,
}

impl Cursors<'_> {
    /// What the MAC covers: list, owner, position.
    fn covered(&self, payload: &[u8]) -> Vec<u8> {
        [self.list.as_bytes(), &[0], self.owner.as_bytes(), payload].concat()
    }

    /// The cursor for the position after `last`.
    pub fn seal<T: Serialize>(&self, last: &T) -> Result<String, Problem> {
        let mut bytes = serde_json::to_vec(last).map_err(|error| {
            Error::Internal(format!("cursor of {} does not serialise: {error}", self.list))
        })?;
        let mac: [u8; MAC_BYTES] = self.keys.mac(MacPurpose::Cursor, &self.covered(&bytes));
        bytes.extend_from_slice(&mac);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position that a cursor holds; anything that we did not make for this list and owner is refused.
    pub fn open<T: DeserializeOwned>(&self, cursor: &str) -> Result<T, Problem> {
        self.read(cursor).ok_or_else(|| {
            Problem::new(ProblemKind::InvalidCursor)
                .detail("The cursor is not from this list. Start again without one.")
                .errors(vec![FieldProblem::new(
                    "query/cursor",
                    "invalid",
                    "must come from the previous page",
                )])
        })
    }

    fn read<T: DeserializeOwned>(&self, cursor: &str) -> Option<T> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (payload, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        let ours = self.keys.verify_mac(MacPurpose::Cursor, &self.covered(payload), mac);
        if ours { serde_json::from_slice(payload).ok() } else { None }
    }
}

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last one. The `Link` header holds the whole address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T: Serialize> Page<T> {
    /// Answers with the page and `Link: <…>; rel="next"` (RFC 8288), relative to the request's own address.
    pub fn respond(self, uri: &Uri) -> Response {
        let link = self
            .next_cursor
            .as_deref()
            .and_then(|cursor| HeaderValue::from_str(&next_link(uri, cursor)).ok());
        let mut response = axum::Json(self).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

fn next_link(uri: &Uri, cursor: &str) -> String {
    let kept =
        uri.query().unwrap_or("").split('&').filter(|part| !part.is_empty() && !part.starts_with("cursor="));
    let query: Vec<String> = kept.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::VersionedKey;
    use crate::privacy::KeySource;

    struct Synthetic;

    impl KeySource for Synthetic {
        fn token_key(&self) -> VersionedKey {
            VersionedKey { version: 1, key: zeroize::Zeroizing::new([1; 32]) }
        }

        fn seal_keys(&self) -> Vec<VersionedKey> {
            vec![self.token_key()]
        }
    }

    const OWNER: Uuid = Uuid::from_u128(1);

    #[test]
    fn a_cursor_leads_back_to_its_position_and_shows_nothing_else() {
        let keys = Keyring::new(&Synthetic).unwrap();
        let cursors = Cursors { keys: &keys, list: "batches", owner: OWNER };
        let cursor = cursors.seal(&("2026-01-31", 7)).unwrap();
        assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{cursor}");
        assert_eq!(cursors.open::<(String, i32)>(&cursor).unwrap(), ("2026-01-31".to_owned(), 7));
    }

    #[test]
    fn a_cursor_that_was_changed_or_belongs_elsewhere_is_refused() {
        let keys = Keyring::new(&Synthetic).unwrap();
        let cursors = Cursors { keys: &keys, list: "batches", owner: OWNER };
        let cursor = cursors.seal(&7).unwrap();
        assert!(Cursors { list: "clients", ..cursors }.open::<i32>(&cursor).is_err());
        assert!(Cursors { owner: Uuid::from_u128(2), ..cursors }.open::<i32>(&cursor).is_err());
        for at in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            // The last character of unpadded base64 has unused bits, which the decoder insists are zero.
            let forged = String::from_utf8(forged).unwrap();
            assert!(cursors.open::<i32>(&forged).is_err(), "{forged}");
        }
        for garbage in ["", "A", "not base64!", &"A".repeat(4000)] {
            assert_eq!(cursors.open::<i32>(garbage).unwrap_err().kind(), ProblemKind::InvalidCursor);
        }
    }

    #[test]
    fn a_limit_is_a_number_from_1_to_200() {
        let read = |text: &str| serde_json::from_str::<Limit>(text).map(Limit::get);
        assert_eq!(Limit::default().get(), 50);
        assert_eq!((read("1").unwrap(), read("200").unwrap()), (1, 200));
        for refused in ["0", "201", "-1", "1.5", "\"x\""] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn the_link_keeps_the_filter_and_replaces_the_cursor() {
        let page = Page { items: vec![1], next_cursor: Some("NEXT".into()) };
        let uri = "/v1/batches?state=received&cursor=OLD&limit=2".parse().unwrap();
        let link = page.respond(&uri).headers()[header::LINK].clone();
        assert_eq!(link, "</v1/batches?state=received&limit=2&cursor=NEXT>; rel=\"next\"");
        let last = Page { items: vec![1], next_cursor: None };
        assert!(!last.respond(&uri).headers().contains_key(header::LINK));
    }
}
