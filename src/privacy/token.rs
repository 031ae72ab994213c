//! The keyed token of an identifier: the same person gives the same token, and without the key it is noise.
//!
//! `version ‖ HMAC-SHA-256(key of the type, type ‖ 0x00 ‖ normalised identifier)[..16]`. Sixteen bytes keep
//! indexes small; two of 10⁹ subjects share a token with a probability of about 10⁻²¹.

use std::fmt;

use aws_lc_rs::hmac;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

use super::keyring::{Keyring, derive_hmac};
use crate::config::VersionedKey;
use crate::domain::contract::IdType;
use crate::error::Result;

const LENGTH: usize = 17;

/// A keyed token. Maps to a subject in Postgres and means nothing elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token([u8; LENGTH]);

impl Token {
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The token without its key version: what tells two subjects of one batch apart.
    pub fn subject_bytes(&self) -> [u8; 16] {
        std::array::from_fn(|i| self.0[i + 1])
    }

    /// Version of the key that made the token.
    pub fn version(&self) -> u8 {
        self.0[0]
    }
}

impl TryFrom<&[u8]> for Token {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Token, Self::Error> {
        bytes.try_into().map(Token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell two tokens apart in a test, too little to look somebody up with.
        write!(f, "Token(v{}, {}…)", self.0[0], hex::encode(&self.0[1..4]))
    }
}

impl Type<Postgres> for Token {
    fn type_info() -> PgTypeInfo {
        <[u8] as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for Token {
    fn array_type_info() -> PgTypeInfo {
        <Vec<u8> as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for Token {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&[u8] as Encode<Postgres>>::encode(self.as_slice(), buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Token {
    fn decode(value: PgValueRef<'r>) -> Result<Token, BoxDynError> {
        Ok(Token::try_from(<&[u8] as Decode<Postgres>>::decode(value)?)?)
    }
}

/// One HMAC key per type of identifier, its pads already absorbed.
pub(super) struct TokenKeys {
    version: u8,
    by_type: Vec<hmac::Key>,
}

impl TokenKeys {
    pub(super) fn derive(root: &VersionedKey) -> Result<TokenKeys> {
        let key_of = |id_type: &IdType| derive_hmac(root, &[b"token/", id_type.as_str().as_bytes()]);
        Ok(TokenKeys {
            version: root.version,
            by_type: IdType::ALL.iter().map(key_of).collect::<Result<_>>()?,
        })
    }
}

impl Keyring {
    /// The token of an identifier in its normal form (`domain.md` section 3); normalise first, or one person
    /// becomes two.
    pub fn token(&self, id_type: IdType, normalised: &str) -> Token {
        let keys = self.token_keys();
        let mut context = hmac::Context::with_key(&keys.by_type[id_type as usize]);
        context.update(id_type.as_str().as_bytes());
        context.update(&[0]);
        context.update(normalised.as_bytes());
        let mac = context.sign();
        let mut token = [0; LENGTH];
        token[0] = keys.version;
        token[1..].copy_from_slice(&mac.as_ref()[..LENGTH - 1]);
        Token(token)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keyring::tests::{TestKeys, keyring};
    use super::*;

    // Synthetic: the month 13 exists in no birth date.
    const NOBODY: &str = "801301145678";

    #[test]
    fn the_same_identifier_gives_the_same_token_in_every_process() {
        let (here, there) = (keyring(&[(1, 7)]), keyring(&[(9, 8)]));
        assert_eq!(here.token(IdType::Nric, NOBODY), there.token(IdType::Nric, NOBODY));
        // Stored tokens must be found again by later versions of the program.
        let golden = hex::encode(here.token(IdType::Nric, NOBODY).as_slice());
        insta::assert_snapshot!(golden, @"013cf464ec3fe563f0c46a48aae5858ed5");
    }

    #[test]
    fn type_number_and_key_each_change_the_token() {
        let keys = keyring(&[(1, 7)]);
        let token = keys.token(IdType::Nric, NOBODY);
        assert_ne!(token, keys.token(IdType::Army, NOBODY));
        assert_ne!(token, keys.token(IdType::Nric, "801301145679"));
        let other = Keyring::new(&TestKeys { token: (2, 0xB2), seal: vec![(1, 7)] }).unwrap();
        let rotated = other.token(IdType::Nric, NOBODY);
        assert_ne!(token.as_slice()[1..], rotated.as_slice()[1..]);
        assert_eq!((token.version(), rotated.version()), (1, 2));
    }

    #[test]
    fn debug_shows_a_fragment_alone() {
        let token = keyring(&[(1, 7)]).token(IdType::Nric, NOBODY);
        let shown = format!("{token:?}");
        assert!(!shown.contains(&hex::encode(&token.as_slice()[1..5])), "{shown}");
    }

    #[test]
    fn every_type_has_its_key() {
        let keys = keyring(&[(1, 7)]);
        let mut tokens: Vec<_> = IdType::ALL.iter().map(|id_type| keys.token(*id_type, "A1")).collect();
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), IdType::ALL.len());
    }
}
