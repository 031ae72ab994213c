//! Receipts: our signed statement of what we accepted. They verify for good, with the keys of the JWKS.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::contract::Dataset;
use crate::ids::{BatchId, ContributorId};

/// JWS `typ` of a receipt; no access token bears it and no receipt passes as a token.
pub(super) const RECEIPT_TYP: &str = "receipt+jws";

/// What we say of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptClaims {
    pub batch_id: BatchId,
    /// Of the bytes as received, in lower-case hexadecimal.
    pub sha256: String,
    /// Length of the body as received.
    pub bytes: u64,
    pub dataset: Dataset,
    pub contributor_id: ContributorId,
    pub received_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// A receipt as signed: who says it, when, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub iss: String,
    /// Seconds since 1970.
    pub iat: i64,
    #[serde(flatten)]
    pub claims: ReceiptClaims,
}
