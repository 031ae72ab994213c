//! Sealed values: AES-256-GCM, bound to the place where they are stored.
//!
//! Layout: `key version (1) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. Nonces are random, which is safe for 2³²
//! values under one key (NIST SP 800-38D, 8.3): add a key to `ETR_SEAL_KEYS` long before that.

use aws_lc_rs::aead::{self, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::keyring::{Keyring, derive};
use super::random;
use crate::config::VersionedKey;
use crate::error::{Error, Result};

const HEADER: usize = 1 + NONCE_LEN;

/// The place of a sealed value. A value copied to another column or another owner's row does not open there.
#[derive(Clone, Copy, Debug)]
pub struct Aad<'a> {
    pub table: &'static str,
    pub column: &'static str,
    /// Whose row it is: the bytes of its id.
    pub owner: &'a [u8],
}

impl Aad<'_> {
    /// Length-prefixed, so that no two places have one encoding.
    fn encode(&self, version: u8) -> Vec<u8> {
        let parts = [self.table.as_bytes(), self.column.as_bytes(), self.owner];
        let mut bytes = Vec::with_capacity(13 + parts.iter().map(|part| part.len()).sum::<usize>());
        bytes.push(version);
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// Keys by version; the last one seals.
pub(super) struct SealKeys(Vec<(u8, LessSafeKey)>);

impl SealKeys {
    pub(super) fn derive(roots: &[VersionedKey]) -> Result<SealKeys> {
        if roots.is_empty() {
            return Err(Error::Crypto("there is no seal key"));
        }
        let keys = roots.iter().map(|root| {
            let key = UnboundKey::new(&aead::AES_256_GCM, derive(root, &[b"seal"])?.as_slice())
                .map_err(|_| Error::Crypto("seal key refused"))?;
            Ok((root.version, LessSafeKey::new(key)))
        });
        Ok(SealKeys(keys.collect::<Result<_>>()?))
    }

    fn newest(&self) -> Result<&(u8, LessSafeKey)> {
        self.0.last().ok_or(Error::Crypto("there is no seal key"))
    }
}

impl Keyring {
    /// Encrypts a value for one place, under the newest seal key.
    pub fn seal(&self, aad: &Aad<'_>, plaintext: &[u8]) -> Result<Vec<u8>> {
        let (version, key) = self.seal_keys().newest()?;
        let nonce = random::bytes::<NONCE_LEN>();
        let mut sealed = Vec::with_capacity(HEADER + plaintext.len() + aead::AES_256_GCM.tag_len());
        sealed.push(*version);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(aad.encode(*version)),
                &mut sealed[HEADER..],
            )
            .map_err(|_| Error::Crypto("sealing failed"))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Decrypts a value of this place, whichever key sealed it.
    ///
    /// # Errors
    /// `Crypto` when the key is not on the ring, or the value was altered or belongs to another place.
    pub fn open(&self, aad: &Aad<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (&version, rest) = sealed.split_first().ok_or(Error::Crypto("sealed value is empty"))?;
        let (nonce, ciphertext) =
            rest.split_at_checked(NONCE_LEN).ok_or(Error::Crypto("sealed value is cut short"))?;
        let (_, key) = self
            .seal_keys()
            .0
            .iter()
            .find(|(known, _)| *known == version)
            .ok_or(Error::Crypto("sealed under a key that is not in ETR_SEAL_KEYS"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce)
            .map_err(|_| Error::Crypto("sealed value is cut short"))?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length = key
            .open_in_place(nonce, aead::Aad::from(aad.encode(version)), &mut buffer)
            .map_err(|_| Error::Crypto("sealed value does not open here"))?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keyring::tests::keyring;
    use super::*;

    const NAME: Aad<'static> = Aad { table: "subjects", column: "sealed_name", owner: &[1; 16] };
    // Synthetic.
    const PLAINTEXT: &[u8] = b"CONTOH BINTI SINTETIK";

    #[test]
    fn a_sealed_value_opens_in_its_place_and_hides_its_text() {
        let keys = keyring(&[(1, 7)]);
        let sealed = keys.seal(&NAME, PLAINTEXT).unwrap();
        assert_eq!(keys.open(&NAME, &sealed).unwrap().as_slice(), PLAINTEXT);
        assert_eq!(sealed.len(), 1 + 12 + PLAINTEXT.len() + 16);
        assert!(!sealed.windows(6).any(|window| window == b"CONTOH"));
        assert_ne!(sealed, keys.seal(&NAME, PLAINTEXT).unwrap(), "two seals share a nonce");
    }

    #[test]
    fn a_value_moved_to_another_place_does_not_open() {
        let keys = keyring(&[(1, 7)]);
        let sealed = keys.seal(&NAME, PLAINTEXT).unwrap();
        let elsewhere = [
            Aad { table: "footprints", ..NAME },
            Aad { column: "sealed_number", ..NAME },
            Aad { owner: &[2; 16], ..NAME },
            // The same letters, cut differently.
            Aad { table: "subject", column: "ssealed_name", ..NAME },
        ];
        for aad in elsewhere {
            assert!(matches!(keys.open(&aad, &sealed), Err(Error::Crypto(_))), "{aad:?}");
        }
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        let keys = keyring(&[(1, 7), (2, 8)]);
        let sealed = keys.seal(&NAME, PLAINTEXT).unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(keys.open(&NAME, &altered).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(keys.open(&NAME, &sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn an_old_key_still_opens_and_the_new_one_seals() {
        let sealed = keyring(&[(1, 7)]).seal(&NAME, PLAINTEXT).unwrap();
        let rotated = keyring(&[(1, 7), (2, 8)]);
        assert_eq!(rotated.open(&NAME, &sealed).unwrap().as_slice(), PLAINTEXT);
        assert_eq!((sealed[0], rotated.seal(&NAME, PLAINTEXT).unwrap()[0]), (1, 2));
        assert!(keyring(&[(2, 8)]).open(&NAME, &sealed).is_err(), "a dropped key opens nothing");
    }
}
