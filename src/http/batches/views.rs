//! What callers read of a batch.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::app::App;
use crate::db::batches::Batch;
use crate::db::{batch_findings, contributors, overrides, rejected_records};
use crate::domain::batch::{Counts, State};
use crate::domain::contract::{Dataset, Mode};
use crate::domain::rules::{Code, Softened, rule};
use crate::error::{Error, Result};
use crate::http::dates;
use crate::http::page::Limit;
use crate::ids::{BatchId, CaseId, ObligationId};
use crate::pipeline::refine::Sample;

/// A batch and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchView {
    pub id: BatchId,
    pub dataset: Dataset,
    pub mode: Mode,
    pub period_end: NaiveDate,
    pub state: State,
    /// SHA-256 of the bytes as received, hex.
    pub sha256: Option<String>,
    /// Bytes as received.
    pub bytes: Option<i64>,
    /// Null until the batch is judged. Always `received = accepted + rejected + duplicate + unprocessed`.
    pub counts: Option<Counts>,
    pub received_at: Option<DateTime<Utc>>,
    /// When the verdict, or the contributor, ended the work on it.
    pub settled_at: Option<DateTime<Utc>>,
    pub published_at: Option<DateTime<Utc>>,
    /// States that the batch may move to from here.
    pub next_states: Vec<State>,
    pub idempotency_key: String,
    pub rules_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<BatchId>,
    /// What it was sent for, where its period is owed: see /v1/obligations/{obligation_id}.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obligation_id: Option<ObligationId>,
    /// The batch that took this one's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<BatchId>,
    /// The batch whose rejected records this one was sent to fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixes: Option<BatchId>,
    /// The correction whose deleted records it brings back on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
    /// A rehearsal: states and counts are what they would be, and nothing of it is served or counts anywhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// When the bytes and the reject file of a rehearsal were removed; the report stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_removed_at: Option<DateTime<Utc>>,
    pub links: Links,
}

/// Where to read on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Links {
    #[serde(rename = "self")]
    pub this: String,
    pub report: String,
    pub rejects: String,
    pub receipt: String,
}

impl From<&Batch> for BatchView {
    fn from(batch: &Batch) -> BatchView {
        let this = format!("/v1/batches/{}", batch.id);
        BatchView {
            id: batch.id,
            dataset: batch.dataset,
            mode: batch.mode,
            period_end: batch.period_end,
            state: batch.state,
            sha256: batch.sha256.as_ref().map(hex::encode),
            bytes: batch.received_bytes,
            counts: batch.counts,
            received_at: batch.received_at,
            settled_at: batch.settled_at,
            published_at: batch.published_at,
            next_states: batch.state.next().to_vec(),
            idempotency_key: batch.idempotency_key.clone(),
            rules_version: batch.rules_version.clone(),
            replaces: batch.envelope.replaces,
            obligation_id: batch.obligation_id,
            superseded_by: batch.superseded_by,
            fixes: batch.envelope.fixes,
            case_id: batch.envelope.case_id,
            dry_run: batch.envelope.dry_run,
            files_removed_at: batch.files_removed_at,
            links: Links {
                report: format!("{this}/report"),
                rejects: format!("{this}/rejects"),
                receipt: format!("{this}/receipt"),
                this,
            },
        }
    }
}

/// The answer to a submission.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmissionView {
    pub batch: BatchView,
    /// Compact JWS, signed by a key of /.well-known/jwks.json.
    pub receipt: Option<String>,
    /// With `Prefer: wait`, when the batch was settled in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportView>,
}

impl SubmissionView {
    pub fn new(batch: &Batch, report: Option<ReportView>) -> SubmissionView {
        SubmissionView { batch: BatchView::from(batch), receipt: batch.receipt.clone(), report }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptView {
    /// Compact JWS, signed by a key of /.well-known/jwks.json.
    pub receipt: String,
}

/// The validation report of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportView {
    pub batch: BatchView,
    /// The rules that were broken, by code.
    pub rules: Vec<RuleReport>,
    /// Control totals, declared beside recomputed; sums in sen. Null until the batch is judged.
    #[schema(value_type = Object)]
    pub totals: Option<serde_json::Value>,
    pub thresholds: Thresholds,
    /// The overrides under which the batch was judged; absent when every rule spoke as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub softened: Option<Vec<Softened>>,
    /// Records in which a constant of your agreement stands for a field, by field; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imputed: Option<BTreeMap<String, u64>>,
    /// Why the batch was held and confirmed, as the contributor explained it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_explanation: Option<String>,
    /// What became of its rejected records, once a batch was sent to fix them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixes: Option<FixesView>,
}

/// How far the rejected records of a batch are fixed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FixesView {
    /// Records that nothing has fixed yet.
    pub open: i64,
    pub resolved: i64,
    /// The batches that were sent to fix them, oldest first.
    pub batches: Vec<FixView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FixView {
    pub batch_id: BatchId,
    pub state: String,
    /// Records of this batch that it fixed.
    pub resolved: i64,
}

impl FixesView {
    async fn load(app: &App, batch: &Batch) -> Result<Option<FixesView>> {
        let mut tx = app.db.as_contributor(batch.contributor_id).await?;
        let fixes = rejected_records::fixes_of(&mut *tx, batch.contributor_id, batch.id).await?;
        if fixes.is_empty() {
            return Ok(None);
        }
        let counts = rejected_records::fix_counts(&mut *tx, batch.id).await?;
        tx.commit().await?;
        let view = |fix: rejected_records::Fix| FixView {
            batch_id: fix.batch_id,
            state: fix.state,
            resolved: fix.resolved,
        };
        let batches = fixes.into_iter().map(view).collect();
        Ok(Some(FixesView { open: counts.open, resolved: counts.resolved, batches }))
    }
}

/// One broken rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleReport {
    pub code: String,
    /// R rejects, W warns, W* holds the batch.
    pub severity: String,
    /// Records that break the rule; 1 for a finding about the file.
    pub records: i64,
    pub message: &'static str,
    pub remedy: &'static str,
    /// The first few, with personal values masked.
    pub samples: Vec<Sample>,
}

/// Shares in basis points above which a file is rejected as a whole (F018, F019).
#[derive(Debug, Serialize, ToSchema)]
pub struct Thresholds {
    pub reject_bps: u32,
    pub identity_reject_bps: u32,
}

impl ReportView {
    pub async fn load(app: &App, batch: &Batch) -> Result<ReportView> {
        let contributor =
            contributors::find(&app.db.system, batch.contributor_id).await?.ok_or(Error::NotFound)?;
        let mut tx = app.db.as_contributor(batch.contributor_id).await?;
        let counts = batch_findings::list(&mut *tx, batch.id).await?;
        let leniency = overrides::leniency(&mut *tx, batch.id).await?;
        tx.commit().await?;
        let rules = counts.into_iter().map(|count| {
            let text = Code::parse(&count.code).map(rule);
            let samples = serde_json::from_value(count.samples).map_err(|_| Error::Inconsistent {
                table: "batch_findings",
                column: "samples",
                row: format!("{} {}", batch.id, count.code),
            })?;
            Ok(RuleReport {
                message: text.map_or("", |rule| rule.message_en),
                remedy: text.map_or("", |rule| rule.remedy_en),
                code: count.code,
                severity: count.severity,
                records: count.records,
                samples,
            })
        });
        Ok(ReportView {
            batch: BatchView::from(batch),
            rules: rules.collect::<Result<_>>()?,
            totals: batch.totals.clone(),
            thresholds: Thresholds {
                reject_bps: contributor.terms.reject_threshold_bps,
                identity_reject_bps: contributor.terms.identity_threshold_bps,
            },
            softened: kept(batch, "softened", leniency.softened)?,
            imputed: kept(batch, "imputed", leniency.imputed)?,
            hold_explanation: batch.hold_explanation.clone(),
            fixes: FixesView::load(app, batch).await?,
        })
    }
}

/// What a batch keeps as JSON.
fn kept<T: serde::de::DeserializeOwned>(
    batch: &Batch,
    column: &'static str,
    value: Option<serde_json::Value>,
) -> Result<Option<T>> {
    value.map(serde_json::from_value).transpose().map_err(|_| Error::Inconsistent {
        table: "batches",
        column,
        row: batch.id.to_string(),
    })
}

/// Which batches to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    pub dataset: Option<Dataset>,
    pub state: Option<State>,
    #[serde(default, deserialize_with = "dates::optional_date")]
    pub period_end: Option<NaiveDate>,
    /// The rehearsals instead of the batches that count.
    pub dry_run: Option<bool>,
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

/// Why a held batch is right as it is.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    /// Kept with the batch and shown to operators; no personal data.
    #[validate(length(min = 10, max = 2000, message = "must have 10 to 2000 characters"))]
    #[schema(
        min_length = 10,
        max_length = 2000,
        example = "All August plans were opened in one promotion; the counts are right."
    )]
    pub explanation: String,
}
