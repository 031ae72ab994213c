//! Bytes by key, in any S3. Knows nothing of batches; [`StorageKey`] is the only place that spells a path.

mod key;
mod upload;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, ResponseChecksumValidation};
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use secrecy::ExposeSecret;

pub use key::StorageKey;
pub use upload::Upload;

use crate::config::S3Config;
use crate::error::{Error, Result};

/// Tries of one request to the store, back-off and jitter by the SDK; then the caller answers 503.
const ATTEMPTS: u32 = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the store may be silent: it has taken a part, or begins to answer.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest that one request may take in all its tries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);

/// The object store.
#[derive(Clone)]
pub struct Store {
    client: Client,
    bucket: String,
}

impl Store {
    pub fn connect(config: &S3Config) -> Store {
        let credentials = Credentials::new(
            config.access_key_id.clone(),
            config.secret_access_key.expose_secret().to_owned(),
            None,
            None,
            "configuration",
        );
        let mut sdk = aws_sdk_s3::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(credentials)
            // Every reader of ours checks the receipt's SHA-256. A second checksum would only turn damage, which
            // stays, into a broken transfer, which passes.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(READ_TIMEOUT)
                    .operation_timeout(OPERATION_TIMEOUT)
                    .build(),
            );
        if let Some(endpoint) = &config.endpoint {
            sdk = sdk.endpoint_url(endpoint).force_path_style(true);
        }
        Store { client: Client::from_conf(sdk.build()), bucket: config.bucket.clone() }
    }

    /// Writes a whole object; the store checks the SDK's checksum.
    pub async fn put(&self, key: &StorageKey, body: Bytes) -> Result<()> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .body(ByteStream::from(body))
            .send()
            .await
            .map_err(|error| trouble("put", &error))?;
        Ok(())
    }

    /// Starts an object whose size is not known yet.
    pub fn upload(&self, key: &StorageKey) -> Upload {
        Upload::new(self.client.clone(), self.bucket.clone(), key.as_str().to_owned())
    }

    /// The object's bytes as a stream; `None` when there is no such object.
    pub async fn get(&self, key: &str) -> Result<Option<ByteStream>> {
        match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(object) => Ok(Some(object.body)),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key) =>
            {
                Ok(None)
            }
            Err(error) => Err(trouble("get", &error)),
        }
    }

    /// Removes an object; removing what is not there succeeds.
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| trouble("delete", &error))?;
        Ok(())
    }

    /// Whether the bucket answers; readiness asks this.
    pub async fn ping(&self) -> Result<()> {
        self.client
            .head_bucket()
            .bucket(&self.bucket)
            .send()
            .await
            .map_err(|error| trouble("head bucket", &error))?;
        Ok(())
    }
}

/// Puts a store failure into our words; the chain goes to the log, never to a client.
fn trouble<E: std::error::Error>(operation: &'static str, error: &E) -> Error {
    Error::Store(format!("{operation}: {}", DisplayErrorContext(error)))
}
