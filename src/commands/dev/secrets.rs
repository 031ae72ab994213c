//! What `etrplus dev` must keep to open its own data again: keys and the store's credentials.

use std::fmt;

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::directory::DataDirectory;
use crate::privacy::random;

const FILE: &str = "keys.json";

/// Generated at the first start, kept in a file that only its owner may read.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    /// In the form of `ETR_TOKEN_KEY`.
    pub token_key: String,
    /// In the form of `ETR_SEAL_KEYS`.
    pub seal_keys: String,
    pub s3_access_key_id: String,
    pub s3_secret_access_key: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(redacted)")
    }
}

impl Secrets {
    /// Reads the file, or makes it when there is no data yet that needs another one.
    pub fn load_or_create(directory: &DataDirectory) -> Result<Secrets> {
        if let Some(kept) = directory.read(FILE)? {
            return Ok(kept);
        }
        if directory.postgres_home()?.join("data").exists() {
            bail!(
                "{} is missing, and the data in {} cannot be read without it: restore it, or start over with --reset",
                directory.file(FILE).display(),
                directory.path().display()
            );
        }
        let made = Secrets {
            token_key: versioned_key(),
            seal_keys: versioned_key(),
            s3_access_key_id: format!("dev{}", hex::encode_upper(random::bytes::<8>())),
            s3_secret_access_key: hex::encode(random::bytes::<20>()),
        };
        directory.write(FILE, &made)?;
        Ok(made)
    }

    pub fn s3_secret(&self) -> SecretString {
        self.s3_secret_access_key.clone().into()
    }
}

fn versioned_key() -> String {
    let key = Zeroizing::new(random::bytes::<32>());
    format!("1:{}", BASE64.encode(key.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept() {
        let home = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(home.path(), false).unwrap();
        let first = Secrets::load_or_create(&directory).unwrap();
        let second = Secrets::load_or_create(&directory).unwrap();
        assert_eq!(first.token_key, second.token_key);
        assert_ne!(first.token_key, first.seal_keys);
        assert_eq!(format!("{first:?}"), "Secrets(redacted)");
    }

    #[test]
    fn lost_keys_are_not_replaced_while_there_is_data() {
        let home = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(home.path(), false).unwrap();
        std::fs::create_dir_all(directory.postgres_home().unwrap().join("data")).unwrap();
        let error = Secrets::load_or_create(&directory).unwrap_err().to_string();
        assert!(error.contains("is missing") && error.contains("--reset"), "{error}");
    }
}
