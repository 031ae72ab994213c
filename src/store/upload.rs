//! One object written piece by piece with constant memory: small ones in a single PUT, larger ones in parts.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::task::JoinSet;

use super::trouble;
use crate::error::{Error, Result};

/// S3 wants parts of at least 5 MiB; 8 MiB keeps 10,000 parts above 80 GB.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way at once: with the one being filled, three times [`PART_BYTES`] of memory at most.
const PARTS_IN_FLIGHT: usize = 2;

/// An object being written. Nothing is visible in the store before [`Upload::finish`]; whoever drops it
/// without finishing should call [`Upload::abort`], and the bucket's lifecycle rule takes what a crash left.
pub struct Upload {
    client: Client,
    bucket: String,
    key: String,
    upload_id: Option<String>,
    buffer: BytesMut,
    in_flight: JoinSet<Result<CompletedPart>>,
    done: Vec<CompletedPart>,
    next_part: i32,
    written: u64,
}

impl Upload {
    pub(super) fn new(client: Client, bucket: String, key: String) -> Upload {
        Upload {
            client,
            bucket,
            key,
            upload_id: None,
            buffer: BytesMut::new(),
            in_flight: JoinSet::new(),
            done: Vec::new(),
            next_part: 1,
            written: 0,
        }
    }

    /// Bytes given so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= PART_BYTES {
            let part = self.buffer.split_to(PART_BYTES).freeze();
            self.send_part(part).await?;
        }
        Ok(())
    }

    /// Makes the object visible and durable, as far as the store promises; returns its size in bytes.
    pub async fn finish(mut self) -> Result<u64> {
        let rest = self.buffer.split().freeze();
        let Some(upload_id) = self.upload_id.clone() else {
            self.put_whole(rest).await?;
            return Ok(self.written);
        };
        if !rest.is_empty() {
            self.send_part(rest).await?;
        }
        while let Some(part) = self.in_flight.join_next().await {
            self.done.push(joined(part)?);
        }
        self.done.sort_by_key(|part| part.part_number);
        let parts =
            CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.done))).build();
        self.client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(upload_id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| trouble("complete multipart upload", &error))?;
        Ok(self.written)
    }

    /// Lets the store forget the parts that were sent. Failure is left to the bucket's lifecycle rule.
    pub async fn abort(mut self) {
        self.in_flight.abort_all();
        let Some(upload_id) = self.upload_id.take() else { return };
        let aborted = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(upload_id)
            .send()
            .await;
        if let Err(error) = aborted {
            tracing::warn!(error = %trouble("abort multipart upload", &error), "parts stay until the lifecycle rule");
        }
    }

    async fn put_whole(&self, body: Bytes) -> Result<()> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .body(ByteStream::from(body))
            .send()
            .await
            .map_err(|error| trouble("put", &error))?;
        Ok(())
    }

    async fn send_part(&mut self, body: Bytes) -> Result<()> {
        let upload_id = self.started().await?;
        if self.in_flight.len() >= PARTS_IN_FLIGHT
            && let Some(part) = self.in_flight.join_next().await
        {
            self.done.push(joined(part)?);
        }
        let number = self.next_part;
        self.next_part += 1;
        let request = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(upload_id)
            .part_number(number)
            .body(ByteStream::from(body));
        self.in_flight.spawn(async move {
            let sent = request.send().await.map_err(|error| trouble("upload part", &error))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .set_checksum_crc32(sent.checksum_crc32)
                .build())
        });
        Ok(())
    }

    async fn started(&mut self) -> Result<String> {
        if let Some(upload_id) = &self.upload_id {
            return Ok(upload_id.clone());
        }
        let created = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .send()
            .await
            .map_err(|error| trouble("create multipart upload", &error))?;
        let upload_id =
            created.upload_id.ok_or_else(|| Error::Store("create multipart upload: no upload id".into()))?;
        self.upload_id = Some(upload_id.clone());
        Ok(upload_id)
    }
}

fn joined(part: std::result::Result<Result<CompletedPart>, tokio::task::JoinError>) -> Result<CompletedPart> {
    part.map_err(|error| Error::Store(format!("upload part: {error}")))?
}
