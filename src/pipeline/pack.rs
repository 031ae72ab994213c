//! Digest and packing of a body as it streams by. Runs off the async threads.

use aws_lc_rs::digest::{Context, SHA256, SHA512};
use bytes::Bytes;

use crate::error::{Error, Result};

/// Level 1: a tenth of the size for a fraction of the time that hashing and sending the rest would take.
const ZSTD_LEVEL: i32 = 1;

/// A digest that the sender stated for the bytes on the wire (RFC 9530 Content-Digest).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredDigest {
    Sha256(Vec<u8>),
    Sha512(Vec<u8>),
}

/// What the bytes turned out to be.
#[derive(Clone, Debug)]
pub struct Digests {
    pub sha256: [u8; 32],
    sha512: Option<Vec<u8>>,
}

impl Digests {
    /// Compares with what was declared.
    pub fn check(&self, declared: &[DeclaredDigest]) -> Result<()> {
        let same = declared.iter().all(|digest| match digest {
            DeclaredDigest::Sha256(stated) => stated.as_slice() == self.sha256,
            DeclaredDigest::Sha512(stated) => self.sha512.as_deref() == Some(stated),
        });
        if same {
            return Ok(());
        }
        Err(Error::bad_request(
            "content-digest-mismatch",
            "the body does not have the digest that was declared; nothing was kept, send it again (F003)",
        ))
    }
}

/// Hashes what was received and, where it came uncompressed, packs it into zstd frames of one chunk each.
pub struct Packer {
    sha256: Context,
    sha512: Option<Context>,
    compressor: Option<zstd::bulk::Compressor<'static>>,
}

impl Packer {
    /// Only hashes; the bytes are stored as they came.
    pub fn hashing(declared: &[DeclaredDigest]) -> Packer {
        let wants_512 = declared.iter().any(|digest| matches!(digest, DeclaredDigest::Sha512(_)));
        Packer {
            sha256: Context::new(&SHA256),
            sha512: wants_512.then(|| Context::new(&SHA512)),
            compressor: None,
        }
    }

    pub fn packing(declared: &[DeclaredDigest]) -> Result<Packer> {
        let compressor =
            zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Packer { compressor: Some(compressor), ..Packer::hashing(declared) })
    }

    #[must_use]
    pub fn hash(mut self, chunk: &[u8]) -> Packer {
        self.update(chunk);
        self
    }

    /// Hashes a chunk and gives back what is to be stored for it.
    pub fn pack(mut self, chunk: Bytes) -> (Packer, Result<Bytes>) {
        self.update(&chunk);
        let stored = match &mut self.compressor {
            None => Ok(chunk),
            Some(compressor) => compressor
                .compress(&chunk)
                .map(Bytes::from)
                .map_err(|error| Error::Internal(error.to_string())),
        };
        (self, stored)
    }

    pub fn finish(self) -> Digests {
        let digest = self.sha256.finish();
        let sha256: [u8; 32] = std::array::from_fn(|i| digest.as_ref()[i]);
        Digests { sha256, sha512: self.sha512.map(|context| context.finish().as_ref().to_vec()) }
    }

    fn update(&mut self, chunk: &[u8]) {
        self.sha256.update(chunk);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_frames_give_back_the_bytes_and_their_digest() {
        let text = b"{\"account_ref\":\"A-1\"}\n".repeat(10_000);
        let mut packer = Packer::packing(&[]).unwrap();
        let mut stored = Vec::new();
        for chunk in text.chunks(65_536) {
            let (next, frame) = packer.pack(Bytes::copy_from_slice(chunk));
            packer = next;
            stored.extend_from_slice(&frame.unwrap());
        }
        let plain = zstd::stream::decode_all(stored.as_slice()).unwrap();
        assert!(plain == text && stored.len() * 10 < text.len());
        let expected = aws_lc_rs::digest::digest(&SHA256, &text);
        assert_eq!(packer.finish().sha256, expected.as_ref());
    }

    #[test]
    fn any_declared_digest_that_differs_refuses_the_body() {
        let right = DeclaredDigest::Sha512(aws_lc_rs::digest::digest(&SHA512, b"body").as_ref().to_vec());
        let wrong = DeclaredDigest::Sha256(vec![0; 32]);
        let digests = |declared: &[DeclaredDigest]| Packer::hashing(declared).hash(b"body").finish();
        assert!(digests(std::slice::from_ref(&right)).check(std::slice::from_ref(&right)).is_ok());
        let both = [right, wrong];
        assert!(digests(&both).check(&both).is_err());
    }
}
