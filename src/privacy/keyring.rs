//! Every symmetric key of a process, derived once from the roots that a [`KeySource`] hands out.
//!
//! No root key is used directly: HKDF-SHA-256 (RFC 5869) gives each purpose a key of its own, so that what
//! one purpose leaks is of no use to another.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hkdf;
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::mac::MacKeys;
use super::seal::SealKeys;
use super::token::TokenKeys;
use crate::config::{Config, VersionedKey};
use crate::error::{Error, Result};

/// Where root keys come from: the configuration now; a KMS that unwraps them at start can stand here as well.
pub trait KeySource {
    /// Makes the tokens of identifiers. Its loss loses the way from an identifier to a subject.
    fn token_key(&self) -> VersionedKey;

    /// Keys that seal and authenticate, oldest first: the last one is used, all of them still open.
    fn seal_keys(&self) -> Vec<VersionedKey>;
}

impl KeySource for Config {
    fn token_key(&self) -> VersionedKey {
        self.token_key.clone()
    }

    fn seal_keys(&self) -> Vec<VersionedKey> {
        self.seal_keys.clone()
    }
}

struct Keys {
    token: TokenKeys,
    seal: SealKeys,
    mac: MacKeys,
}

/// The derived keys; cheap to clone, silent when printed.
#[derive(Clone)]
pub struct Keyring(Arc<Keys>);

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(redacted)")
    }
}

impl Keyring {
    pub fn from_config(config: &Config) -> Result<Keyring> {
        Keyring::new(config)
    }

    /// Derives all keys.
    ///
    /// # Errors
    /// `Crypto` when there is no seal key, or two seal keys bear one version.
    pub fn new(source: &impl KeySource) -> Result<Keyring> {
        let seal_keys = source.seal_keys();
        let mut versions: Vec<u8> = seal_keys.iter().map(|key| key.version).collect();
        versions.sort_unstable();
        if versions.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::Crypto("two seal keys bear the same version"));
        }
        Ok(Keyring(Arc::new(Keys {
            token: TokenKeys::derive(&source.token_key())?,
            seal: SealKeys::derive(&seal_keys)?,
            mac: MacKeys::derive(&seal_keys)?,
        })))
    }

    pub(super) fn token_keys(&self) -> &TokenKeys {
        &self.0.token
    }

    pub(super) fn seal_keys(&self) -> &SealKeys {
        &self.0.seal
    }

    pub(super) fn mac_keys(&self) -> &MacKeys {
        &self.0.mac
    }
}

/// Length of every derived key.
struct Length32;

impl hkdf::KeyType for Length32 {
    fn len(&self) -> usize {
        32
    }
}

/// One purpose's key: HKDF-SHA-256 with the purpose as info.
pub(super) fn derive(root: &VersionedKey, info: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"etrplus")
        .extract(root.key.as_slice())
        .expand(info, Length32)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .map_err(|_| Error::Crypto("key derivation failed"))?;
    Ok(key)
}

pub(super) fn derive_hmac(root: &VersionedKey, info: &[&[u8]]) -> Result<hmac::Key> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, derive(root, info)?.as_slice()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Keys of a test: version and the byte that fills them.
    pub struct TestKeys {
        pub token: (u8, u8),
        pub seal: Vec<(u8, u8)>,
    }

    fn key((version, fill): (u8, u8)) -> VersionedKey {
        VersionedKey { version, key: Zeroizing::new([fill; 32]) }
    }

    impl KeySource for TestKeys {
        fn token_key(&self) -> VersionedKey {
            key(self.token)
        }

        fn seal_keys(&self) -> Vec<VersionedKey> {
            self.seal.iter().copied().map(key).collect()
        }
    }

    pub fn keyring(seal: &[(u8, u8)]) -> Keyring {
        Keyring::new(&TestKeys { token: (1, 0xA1), seal: seal.to_vec() }).unwrap()
    }

    #[test]
    fn a_ring_without_seal_keys_or_with_a_version_twice_is_refused() {
        for seal in [vec![], vec![(1, 7), (2, 8), (1, 9)]] {
            assert!(matches!(Keyring::new(&TestKeys { token: (1, 1), seal }), Err(Error::Crypto(_))));
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", keyring(&[(1, 7)])), "Keyring(redacted)");
    }

    #[test]
    fn purposes_have_unrelated_keys() {
        let root = key((1, 7));
        assert_ne!(*derive(&root, &[b"seal"]).unwrap(), *derive(&root, &[b"mac/", b"cursor"]).unwrap());
        assert_ne!(*derive(&root, &[b"seal"]).unwrap(), *root.key);
    }
}
