//! Keyed hashes of what must be recognised and never read back: client secrets, page cursors.

use aws_lc_rs::hmac;

use super::keyring::{Keyring, derive_hmac};
use crate::config::VersionedKey;
use crate::error::Result;

/// Length of a keyed hash: the key's version, then HMAC-SHA-256.
pub const MAC_LENGTH: usize = 33;

/// What a keyed hash is for; each purpose has its own key, so that none stands in for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MacPurpose {
    ClientSecret,
    Cursor,
    /// Keys for the hashes by which the values of one file are compared.
    FileHashes,
    /// Pairs of names that contradict each other, so that one is known again.
    NamePair,
}

impl MacPurpose {
    const ALL: [MacPurpose; 4] =
        [MacPurpose::ClientSecret, MacPurpose::Cursor, MacPurpose::FileHashes, MacPurpose::NamePair];

    fn label(self) -> &'static [u8] {
        match self {
            MacPurpose::ClientSecret => b"client-secret",
            MacPurpose::Cursor => b"cursor",
            MacPurpose::FileHashes => b"file-hashes",
            MacPurpose::NamePair => b"name-pair",
        }
    }
}

struct Version {
    version: u8,
    by_purpose: Vec<hmac::Key>,
}

/// Keys by version; the last one makes new hashes.
pub(super) struct MacKeys(Vec<Version>);

impl MacKeys {
    pub(super) fn derive(roots: &[VersionedKey]) -> Result<MacKeys> {
        let version_of = |root: &VersionedKey| {
            let keys = MacPurpose::ALL.iter().map(|purpose| derive_hmac(root, &[b"mac/", purpose.label()]));
            Ok(Version { version: root.version, by_purpose: keys.collect::<Result<_>>()? })
        };
        Ok(MacKeys(roots.iter().map(version_of).collect::<Result<_>>()?))
    }
}

impl Keyring {
    /// The keyed hash of data, under the newest key.
    pub fn mac(&self, purpose: MacPurpose, data: &[u8]) -> [u8; MAC_LENGTH] {
        // Unwrap safety: a ring without keys cannot be made (`SealKeys::derive` refuses it).
        let newest = self.mac_keys().0.last().expect("a ring has a key");
        let mut mac = [newest.version; MAC_LENGTH];
        mac[1..].copy_from_slice(hmac::sign(&newest.by_purpose[purpose as usize], data).as_ref());
        mac
    }

    /// Whether `mac` was made for this purpose and this data by a key that is still on the ring. Takes the
    /// same time wherever the two differ.
    pub fn verify_mac(&self, purpose: MacPurpose, data: &[u8], mac: &[u8]) -> bool {
        let Some((version, tag)) = mac.split_first() else { return false };
        let key = self.mac_keys().0.iter().find(|known| known.version == *version);
        key.is_some_and(|key| hmac::verify(&key.by_purpose[purpose as usize], data, tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::super::keyring::tests::keyring;
    use super::*;

    #[test]
    fn a_mac_verifies_for_its_data_and_purpose_alone() {
        let keys = keyring(&[(1, 7)]);
        let mac = keys.mac(MacPurpose::Cursor, b"page 2");
        assert!(keys.verify_mac(MacPurpose::Cursor, b"page 2", &mac));
        assert!(!keys.verify_mac(MacPurpose::Cursor, b"page 3", &mac));
        assert!(!keys.verify_mac(MacPurpose::ClientSecret, b"page 2", &mac));
        for length in 0..mac.len() {
            assert!(!keys.verify_mac(MacPurpose::Cursor, b"page 2", &mac[..length]), "length {length}");
        }
    }

    #[test]
    fn a_mac_of_an_old_key_verifies_while_the_key_is_kept() {
        let mac = keyring(&[(1, 7)]).mac(MacPurpose::Cursor, b"x");
        assert!(keyring(&[(1, 7), (2, 8)]).verify_mac(MacPurpose::Cursor, b"x", &mac));
        assert!(!keyring(&[(2, 8)]).verify_mac(MacPurpose::Cursor, b"x", &mac));
    }
}
