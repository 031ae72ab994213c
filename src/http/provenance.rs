//! What is behind a profile, as callers read it: `POST /v1/profiles/query?explain=provenance`.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::ids::BatchId;
use crate::pipeline::explain::{Behind, Kind, Provenance};

/// What the answer should come with.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// `provenance`: the records behind each attribute. Needs the scope profiles:explain.
    #[param(inline, example = "provenance")]
    pub explain: Option<Explain>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Explain {
    Provenance,
}

/// The records behind a profile, those alone that an attribute looked at. Accounts go by their place in `accounts` of the profile; whose they are is not told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provenance)]
pub struct ProvenanceView {
    /// In the order of the profile's `accounts`.
    pub accounts: Vec<AccountRecords>,
    /// Latest first.
    pub applications: Vec<RecordView>,
    /// By attribute; one that looked at nothing that is told is empty.
    pub attributes: BTreeMap<&'static str, AttributeRecords>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AccountRecords {
    /// Snapshots, newest first, then events, newest first.
    pub records: Vec<RecordView>,
}

/// What an attribute looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttributeRecords {
    pub accounts: Vec<LookedAt>,
    /// Places in `applications`.
    pub applications: Vec<usize>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LookedAt {
    /// Place in `accounts`.
    pub account: usize,
    /// Places in the account's `records`.
    pub records: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    Snapshot,
    Event,
    Application,
}

/// A record as it was received and the version of it that counts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProvenanceRecord)]
pub struct RecordView {
    pub kind: RecordKind,
    /// Null for a month from before records were kept.
    pub batch_id: Option<BatchId>,
    pub record_no: i64,
    /// Names the version: a correction or a second judgement gives a record another one.
    pub publication_no: i64,
    /// The day that it describes, or counts for.
    pub as_of_date: NaiveDate,
    /// Since when this version counts.
    pub known_from: DateTime<Utc>,
    pub contract: String,
    pub rules_version: String,
    /// The correction or shadow that made this version; null when it is as received.
    pub changed_by: Option<ChangedBy>,
    /// SHA-256 of the bytes that the batch was received as, hex.
    pub sha256: Option<String>,
    /// What they were compressed with; `bytes` counts after it is undone.
    pub content_encoding: Option<String>,
    /// Where the record stands in the content.
    pub bytes: Option<ByteRange>,
    /// Why `bytes` is null.
    pub bytes_null_reason: Option<BytesNullReason>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedBy {
    #[schema(example = "correction")]
    pub kind: &'static str,
    pub id: Uuid,
}

/// From the first byte to before the first one behind the record, without its line end; counted from 0.
#[derive(Debug, Serialize, ToSchema)]
pub struct ByteRange {
    pub from: i64,
    pub to: i64,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BytesNullReason {
    /// Being looked for: ask again in a minute.
    Pending,
    /// From before records were kept: there is no batch.
    NoBatch,
    /// The content cannot be read again as it was.
    NotFound,
}

impl ProvenanceView {
    pub fn new(provenance: &Provenance) -> ProvenanceView {
        let records = |all: &[Behind]| all.iter().map(RecordView::from).collect();
        let behind = |attribute: &crate::domain::profile::Behind| AttributeRecords {
            accounts: attribute
                .accounts
                .iter()
                .map(|looked| LookedAt {
                    account: looked.account,
                    records: provenance.records_looked_at(looked),
                })
                .collect(),
            applications: match attribute.applied_from {
                None => Vec::new(),
                Some(from) => provenance.applications_looked_at(from),
            },
        };
        ProvenanceView {
            accounts: provenance
                .accounts
                .iter()
                .map(|all| AccountRecords { records: records(all) })
                .collect(),
            applications: records(&provenance.applications),
            attributes: provenance
                .evidence
                .attributes
                .iter()
                .map(|attribute| (attribute.name, behind(attribute)))
                .collect(),
        }
    }
}

impl From<&Behind> for RecordView {
    fn from(behind: &Behind) -> RecordView {
        let Behind { kind, record, range } = behind;
        let changed = |kind, id: Option<Uuid>| id.map(|id| ChangedBy { kind, id });
        let bytes =
            range.as_ref().and_then(|range| Some(ByteRange { from: range.byte_from?, to: range.byte_to? }));
        let failed = range.as_ref().is_some_and(|range| range.failure.is_some());
        let bytes_null_reason = match &bytes {
            Some(_) => None,
            None if record.batch_id.0.is_nil() => Some(BytesNullReason::NoBatch),
            None if failed => Some(BytesNullReason::NotFound),
            None => Some(BytesNullReason::Pending),
        };
        RecordView {
            kind: match kind {
                Kind::Snapshot => RecordKind::Snapshot,
                Kind::Event => RecordKind::Event,
                Kind::Application => RecordKind::Application,
            },
            batch_id: (!record.batch_id.0.is_nil()).then_some(record.batch_id),
            record_no: record.record_no,
            publication_no: record.publication_no,
            as_of_date: record.as_of_date,
            known_from: record.known_from,
            contract: record.contract.clone(),
            rules_version: record.rules_version.clone(),
            changed_by: changed("correction", record.correction_id).or(changed("shadow", record.shadow_id)),
            sha256: record.sha256.as_deref().map(hex::encode),
            content_encoding: record.content_encoding.clone(),
            bytes,
            bytes_null_reason,
        }
    }
}
