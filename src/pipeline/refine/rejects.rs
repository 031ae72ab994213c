//! The reject file: one compact JSON line per rejected record, kept packed beside the batch. What a contributor
//! reads (messages, remedies, NDJSON or CSV) is made from it and from the catalogue when it is asked for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::mask;
use crate::app::App;
use crate::domain::contract::row::Row;
use crate::domain::contract::{Dataset, Field};
use crate::domain::finding::Finding;
use crate::error::{Error, Result};
use crate::store::{StorageKey, Upload};

/// One rejected record as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectLine {
    #[serde(rename = "n")]
    pub record_no: u64,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<String>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub application_ref: Option<String>,
    #[serde(rename = "f")]
    pub findings: Vec<RejectFinding>,
}

impl RejectLine {
    /// The line of a record of a dataset; `reference` is what its contributor knows it by.
    pub fn new(
        dataset: Dataset,
        record_no: u64,
        reference: Option<String>,
        findings: Vec<RejectFinding>,
    ) -> RejectLine {
        let (account_ref, application_ref) = by_dataset(dataset, reference);
        RejectLine { record_no, account_ref, application_ref, findings }
    }
}

/// What the records of a dataset are known by: an application by its own reference, all others by their account.
pub fn by_dataset<T>(dataset: Dataset, reference: Option<T>) -> (Option<T>, Option<T>) {
    match dataset {
        Dataset::AccountSnapshot | Dataset::RepaymentEvent => (reference, None),
        Dataset::Application => (None, reference),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectFinding {
    #[serde(rename = "c")]
    pub code: String,
    #[serde(rename = "s")]
    pub severity: String,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub value_masked: Option<String>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl RejectFinding {
    /// `row` is absent for findings that a set of records caused.
    pub fn new(finding: &Finding, row: Option<&Row<'_>>) -> RejectFinding {
        RejectFinding {
            code: finding.code.as_str().to_owned(),
            severity: finding.severity.as_str().to_owned(),
            field: finding.field.map(|field| field.name().to_owned()),
            value_masked: finding.field.zip(row).and_then(|(field, row)| mask::masked(row, field)),
            detail: finding.detail.as_ref().map(ToString::to_string),
        }
    }
}

/// The reference that a record is known by, unless it breaks its own rule: then it may be anything and is not repeated.
pub fn shown_ref(dataset: Dataset, reference: Option<&str>, findings: &[Finding]) -> Option<String> {
    let field = match dataset {
        Dataset::AccountSnapshot | Dataset::RepaymentEvent => Field::AccountRef,
        Dataset::Application => Field::ApplicationRef,
    };
    let broken = findings.iter().any(|finding| finding.rejects() && finding.field == Some(field));
    reference.filter(|_| !broken).map(str::to_owned)
}

/// Gathers lines and packs them into zstd frames.
#[derive(Debug, Default)]
pub struct RejectWriter {
    plain: Vec<u8>,
}

/// The reject file of one attempt, uploaded while it is written.
pub struct RejectFile {
    app: Arc<App>,
    key: StorageKey,
    upload: Option<Upload>,
    late: RejectWriter,
}

impl RejectFile {
    pub fn new(app: &Arc<App>, key: StorageKey) -> RejectFile {
        RejectFile { app: Arc::clone(app), key, upload: None, late: RejectWriter::default() }
    }

    /// Appends a packed frame.
    pub async fn write(&mut self, frame: &[u8]) -> Result<()> {
        let upload = self.upload.get_or_insert_with(|| self.app.store.upload(&self.key));
        upload.write(frame).await
    }

    /// Appends a line of a later stage.
    pub async fn line(&mut self, line: &RejectLine) -> Result<()> {
        match self.late.add(line).map_err(|error| packing(&error))? {
            Some(frame) => self.write(&frame).await,
            None => Ok(()),
        }
    }

    /// Completes the file; its key, if there is one.
    pub async fn finish(&mut self) -> Result<Option<String>> {
        if let Some(frame) = self.late.take().map_err(|error| packing(&error))? {
            self.write(&frame).await?;
        }
        match self.upload.take() {
            None => Ok(None),
            Some(upload) => {
                upload.finish().await?;
                Ok(Some(self.key.to_string()))
            }
        }
    }
}

fn packing(error: &std::io::Error) -> Error {
    Error::Internal(format!("packing the reject file: {error}"))
}

/// Lines that share a frame: small enough to send early, large enough to pack well.
const FRAME_BYTES: usize = 256 << 10;
const ZSTD_LEVEL: i32 = 3;

impl RejectWriter {
    /// Adds a line; gives back a packed frame when one is full.
    pub fn add(&mut self, line: &RejectLine) -> std::io::Result<Option<Vec<u8>>> {
        serde_json::to_writer(&mut self.plain, line)?;
        self.plain.push(b'\n');
        if self.plain.len() >= FRAME_BYTES { self.take() } else { Ok(None) }
    }

    /// What is left.
    pub fn take(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        if self.plain.is_empty() {
            return Ok(None);
        }
        let frame = zstd::bulk::compress(&self.plain, ZSTD_LEVEL)?;
        self.plain.clear();
        Ok(Some(frame))
    }
}
