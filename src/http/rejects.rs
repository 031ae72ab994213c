//! The quarantine: rejected records of all batches, asked for by rule, field, account or batch, and judged again.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Authorized;
use super::batches::{self, Language, RejectFindingView, own_contributor, view_of, wanted_language};
use super::extract::{Path, Query};
use super::headers::{IdempotencyKey, Prefer};
use super::page::{Cursors, Limit, Page};
use super::problem::{FieldProblem, Problem, ProblemKind};
use super::{dates, examples};
use crate::app::AppState;
use crate::db::rejected_records::{self, Filter, RejectedRecord};
use crate::domain::contract::Field;
use crate::domain::rules::Code;
use crate::error::Error;
use crate::ids::BatchId;
use crate::pipeline::fixes::{self, Replay};
use crate::pipeline::refine::RejectFinding;

/// A rejected record, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedRecordView {
    pub batch_id: BatchId,
    /// Its place in the file, counted from 1 without header and blank lines.
    pub record_no: i64,
    pub dataset: String,
    pub period_end: NaiveDate,
    /// Null when the reference itself is broken.
    pub account_ref: Option<String>,
    /// In place of the account, for an application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_ref: Option<String>,
    pub findings: Vec<RejectFindingView>,
    pub rejected_at: DateTime<Utc>,
    /// The batch that brought the record as it should be; absent while it waits to be fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<BatchId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<DateTime<Utc>>,
}

impl RejectedRecordView {
    fn new(record: RejectedRecord, language: Language) -> Result<RejectedRecordView, Error> {
        let findings: Vec<RejectFinding> =
            serde_json::from_value(record.findings).map_err(|_| Error::Inconsistent {
                table: "rejected_records",
                column: "findings",
                row: format!("{} {}", record.batch_id, record.record_no),
            })?;
        Ok(RejectedRecordView {
            batch_id: record.batch_id,
            record_no: record.record_no,
            dataset: record.dataset,
            period_end: record.period_end,
            account_ref: record.account_ref,
            application_ref: record.application_ref,
            findings: findings.into_iter().map(|finding| view_of(finding, language)).collect(),
            rejected_at: record.rejected_at,
            resolved_by: record.resolved_by,
            resolved_at: record.resolved_at,
        })
    }
}

/// Whether a rejected record waits to be fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RejectState {
    Open,
    Resolved,
}

/// Which rejected records to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RejectsQuery {
    /// Records that broke this rule.
    pub code: Option<String>,
    /// Records with a finding at this field of the contract.
    pub field: Option<String>,
    pub batch_id: Option<BatchId>,
    pub account_ref: Option<String>,
    #[serde(default, deserialize_with = "dates::optional_date")]
    pub period_end: Option<NaiveDate>,
    #[param(inline)]
    pub state: Option<RejectState>,
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

impl RejectsQuery {
    fn filter(&self) -> Result<Filter<'_>, Problem> {
        if self.code.as_deref().is_some_and(|code| Code::parse(code).is_none()) {
            return Err(wrong_parameter("code", "must be the code of a rule, such as X007; see /v1/rules"));
        }
        if self.field.as_deref().is_some_and(|field| Field::from_name(field).is_none()) {
            return Err(wrong_parameter(
                "field",
                "must be a field of a dataset; see /v1/datasets/{dataset}/schema",
            ));
        }
        Ok(Filter {
            code: self.code.as_deref(),
            field: self.field.as_deref(),
            batch_id: self.batch_id,
            account_ref: self.account_ref.as_deref(),
            period_end: self.period_end,
            open: self.state.map(|state| state == RejectState::Open),
        })
    }
}

fn wrong_parameter(name: &str, expected: &'static str) -> Problem {
    Problem::new(ProblemKind::InvalidQuery)
        .detail(format!("query/{name}: {expected}"))
        .errors(vec![FieldProblem::new(format!("query/{name}"), "unknown-value", expected)])
}

/// List your rejected records, of all batches, newest batch first.
///
/// By rule, field, batch, account, period, and by whether a later batch has fixed them. Values are masked as in the reject
/// file; messages in English, or in Malay with `Accept-Language: ms`.
#[utoipa::path(
    get, path = "/v1/rejects", operation_id = "list_rejected_records", tag = "batches",
    params(RejectsQuery, ("Accept-Language" = Option<String>, Header, description = "en or ms")),
    responses((status = 200, description = "a page of rejected records", body = Page<RejectedRecordView>, example = json!(examples::rejected_records()))),
)]
pub async fn list_rejected_records(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<RejectsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let contributor = own_contributor(&principal)?;
    let filter = query.filter()?;
    let cursors = Cursors { keys: &app.keys, list: "rejects", owner: contributor.0 };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<(BatchId, i64)>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let mut tx = app.db.as_contributor(contributor).await?;
    // One more than asked tells whether there is a next page.
    let mut rows = rejected_records::list(&mut *tx, contributor, &filter, after, limit + 1).await?;
    tx.commit().await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more).map(|row| (row.batch_id, row.record_no));
    let next_cursor = last.map(|position| cursors.seal(&position)).transpose()?;
    let language = wanted_language(&headers);
    let views = rows.into_iter().map(|row| RejectedRecordView::new(row, language));
    Ok(Page { items: views.collect::<Result<_, _>>()?, next_cursor }.respond(&uri))
}

/// Have the rejected records of a batch judged again.
///
/// By the rules and terms of today, for instance after an override was granted. The lines that were rejected and wait to be
/// fixed are submitted again exactly as they came, as a DELTA that fixes this batch, with a receipt of its own. To change
/// what they say, send them yourself with `fixes=<batch_id>`.
#[utoipa::path(
    post, path = "/v1/batches/{batch_id}/rejects/replay", operation_id = "replay_rejects", tag = "batches",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID)),
        ("Idempotency-Key" = String, Header, description = "your name for this replay; the same one for a retry", example = "october-2026-replay"),
        ("Prefer" = Option<String>, Header, description = "wait=N: up to 20 seconds for the finished report")),
    responses(
        (status = 202, description = "the correction, received; validation follows", body = batches::SubmissionView, example = json!(examples::replayed())),
        (status = 200, description = "received and settled within the wait", body = batches::SubmissionView),
        (status = 404, description = "no such batch of yours"),
        (status = 409, description = "`conflict`: no rejected record waits to be fixed"),
        (status = 422, description = "`validation-failed`: the batch is not one that can be fixed (F027)")),
)]
pub async fn replay_rejects(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(origin): Path<BatchId>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let wish = Replay {
        contributor_id: own_contributor(&principal)?,
        client_id: principal.client_id,
        origin,
        idempotency_key,
    };
    // A task of its own: when the caller hangs up, what was begun is finished or undone, never left halfway.
    let task_app = app.clone();
    let replayed = tokio::spawn(async move { fixes::replay(&task_app, wish).await });
    let replayed = replayed.await.map_err(|error| Error::Internal(format!("replaying: {error}")))?;
    batches::answer(&app, replayed?, prefer).await
}
