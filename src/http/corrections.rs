//! Corrections: a contributor changes or deletes what it published, out of cycle.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::auth::Authorized;
use super::batches::own_contributor;
use super::dates;
use super::examples::corrections as examples;
use super::extract::{Json as Body, Query, validation_failed};
use super::page::{Cursors, Limit, Page};
use super::problem::{FieldProblem, Problem};
use super::rekeys::RekeyRequest;
use crate::app::AppState;
use crate::db::corrections::{self, Correction};
use crate::domain::correction::CorrectionReason;
use crate::domain::correction::history::HistoryFinding;
use crate::domain::finding::Finding;
use crate::domain::rules::{Code, rule};
use crate::error::{Error, Result as AppResult};
use crate::ids::{CaseId, ClientId, ContributorId};
use crate::pipeline::corrections::{self as pipeline, NewCorrection, Refusal, Wish};

/// Records that exist, and what should become of them: `changes`, `delete` or `rekey`.
#[derive(Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CorrectionRequest {
    #[validate(length(min = 1, max = 64, message = "must have 1 to 64 characters"))]
    #[schema(min_length = 1, max_length = 64)]
    pub account_ref: String,
    /// The first `as_of_date` that it is about.
    #[serde(deserialize_with = "dates::date")]
    pub as_of_from: NaiveDate,
    /// The last one.
    #[serde(deserialize_with = "dates::date")]
    pub as_of_to: NaiveDate,
    /// Fields of the contract with the values that they should have had, as in NDJSON; null empties one.
    #[schema(value_type = Option<Object>)]
    pub changes: Option<Map<String, Value>>,
    /// The records should never have been sent.
    pub delete: Option<bool>,
    /// The records are of another person than they name.
    #[validate(nested)]
    pub rekey: Option<RekeyRequest>,
    pub reason: CorrectionReason,
    /// Where the proof is kept; required for what makes a person look worse, and for a rekey. No personal data.
    #[validate(length(min = 1, max = 200, message = "must have 1 to 200 characters"))]
    #[schema(min_length = 1, max_length = 200)]
    pub evidence_ref: Option<String>,
}

/// A correction and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct CorrectionView {
    pub correction_id: CaseId,
    pub contributor_id: ContributorId,
    pub account_ref: String,
    pub as_of_from: NaiveDate,
    pub as_of_to: NaiveDate,
    /// CHANGE, DELETE_ERROR, DELETE_FRAUD or REKEY.
    pub kind: String,
    /// Of a rekey, which holder moves; the person is not shown.
    #[schema(value_type = Object)]
    pub changes: Value,
    pub reason: String,
    pub evidence_ref: Option<String>,
    /// It makes the person look worse.
    pub adverse: bool,
    /// Records that it was about when it was asked for.
    pub records: i64,
    /// requested: waits for an operator, a rekey for two; applied; refused.
    pub state: String,
    pub requested_by: ClientId,
    pub requested_at: DateTime<Utc>,
    /// The first of the two operators that a rekey needs.
    pub agreed_by: Option<ClientId>,
    pub agreed_at: Option<DateTime<Utc>>,
    pub decided_by: Option<ClientId>,
    pub decided_at: Option<DateTime<Utc>>,
    pub applied_at: Option<DateTime<Utc>>,
    /// What the history rules find of the account that they did not find before, at whichever record.
    pub history: Vec<HistoryFinding>,
    /// Why an operator applied it although one of them rejects.
    pub override_reason: Option<String>,
}

impl From<Correction> for CorrectionView {
    fn from(found: Correction) -> CorrectionView {
        CorrectionView {
            correction_id: found.correction_id,
            contributor_id: found.contributor_id,
            account_ref: found.account_ref,
            as_of_from: found.as_of_from,
            as_of_to: found.as_of_to,
            kind: found.kind,
            changes: found.changes,
            reason: found.reason,
            evidence_ref: found.evidence_ref,
            adverse: found.adverse,
            records: found.records,
            state: found.state,
            requested_by: found.requested_by,
            requested_at: found.requested_at,
            agreed_by: found.agreed_by,
            agreed_at: found.agreed_at,
            decided_by: found.decided_by,
            decided_at: found.decided_at,
            applied_at: found.applied_at,
            history: found.history.0,
            override_reason: found.override_reason,
        }
    }
}

/// In the words of the HTTP layer.
pub(super) fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NotCorrectable(_) => validation_failed(vec![FieldProblem::new(
            "/changes",
            "unknown-field",
            "names a field that corrections do not change; delete the record and send it anew, or ask for help",
        )]),
        Refusal::Breaks(findings) => broken("/changes", &findings),
        Refusal::Person(findings) => broken("/rekey/person", &findings),
        Refusal::Contradicts(findings) => contradicted(&findings),
        Refusal::Other(error) => error.into(),
    }
}

/// The rules that a request breaks, each at the member that breaks it.
fn broken(place: &str, findings: &[Finding]) -> Problem {
    let problem = |finding: &Finding| {
        let pointer = finding.field.map_or(place.to_owned(), |field| format!("{place}/{}", field.name()));
        FieldProblem::new(pointer, finding.code.as_str(), rule(finding.code).message_en)
    };
    validation_failed(findings.iter().map(problem).collect())
}

/// What the account's history makes impossible, each at the record that shows it.
fn contradicted(findings: &[HistoryFinding]) -> Problem {
    let re_aged = findings.iter().all(HistoryFinding::re_ages);
    let remedy = match re_aged {
        true => "a spell of delinquency does not begin later, whatever the reason",
        false => "an operator who knows that the records are right says why in override_reason",
    };
    let problem = |finding: &HistoryFinding| {
        let field = finding.field.as_deref().unwrap_or_default();
        let text = Code::parse(&finding.code).map_or("", |code| rule(code).message_en).trim_end_matches('.');
        let text = format!("contradicts the history at {} ({text}); {remedy}", finding.as_of_date);
        FieldProblem::new(format!("/changes/{field}"), finding.code.clone(), text)
    };
    validation_failed(findings.iter().map(problem).collect())
}

/// What should become of the records.
fn wish(
    changes: Option<Map<String, Value>>,
    delete: Option<bool>,
    rekey: Option<RekeyRequest>,
) -> Result<Wish, Problem> {
    match (changes, delete.unwrap_or(false), rekey) {
        (Some(changes), false, None) if !changes.is_empty() => Ok(Wish::Change(changes)),
        (None, true, None) => Ok(Wish::Delete),
        (None, false, Some(rekey)) => Ok(Wish::Rekey(rekey.into_wish()?)),
        _ => Err(invalid("/changes", "say changes with at least one field, delete, or rekey, and one alone")),
    }
}

pub(super) fn invalid(pointer: &'static str, text: &'static str) -> Problem {
    validation_failed(vec![FieldProblem::new(pointer, "invalid", text)])
}

/// Takes a correction, and answers with where it stands.
pub(super) async fn take(app: AppState, new: NewCorrection) -> Result<Response, Problem> {
    if new.as_of_from > new.as_of_to {
        return Err(invalid("/as_of_to", "must not be before as_of_from"));
    }
    // A task of its own: when the caller hangs up, what was begun is finished.
    let task = tokio::spawn(async move { pipeline::request(&app, new).await });
    let done = task.await.map_err(|error| Error::Internal(format!("correcting: {error}")))?;
    let (correction, new) = done.map_err(refused)?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(CorrectionView::from(correction))).into_response())
}

/// Correct records that you published.
///
/// The records of one account, of days within a range; they must exist. Each gets a new version, the old one is kept, and what is
/// served follows at once. A correction that makes the person look worse needs `evidence_ref` and waits for an operator, and so
/// does every deletion, and what a rule of the account's history rejects (`history`); what is deleted cannot be sent again (P012). Records that name the wrong person are given to the right
/// one by `rekey`, which two operators agree to; a record that names the wrong one again is refused (P002). Asking for the same
/// again gives the same correction.
#[utoipa::path(
    post, path = "/v1/corrections", operation_id = "create_correction", tag = "batches",
    request_body(content = CorrectionRequest, example = json!(examples::request())),
    responses((status = 201, description = "applied, or waiting for an operator", body = CorrectionView, example = json!(examples::applied())),
        (status = 200, description = "the same was asked for before", body = CorrectionView),
        (status = 404, description = "no published record of the account in the range"),
        (status = 409, description = "`conflict`: another correction of these records waits"),
        (status = 422, description = "`validation-failed`: the records would break a rule, or evidence is missing")),
)]
pub async fn create_correction(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Body(request): Body<CorrectionRequest>,
) -> Result<Response, Problem> {
    let new = NewCorrection {
        contributor_id: own_contributor(&principal)?,
        client_id: principal.client_id,
        by_operator: false,
        account_ref: request.account_ref,
        as_of_from: request.as_of_from,
        as_of_to: request.as_of_to,
        wish: wish(request.changes, request.delete, request.rekey)?,
        reason: request.reason,
        evidence_ref: request.evidence_ref,
    };
    take(app, new).await
}

/// Where a correction stands.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CorrectionState {
    Requested,
    Applied,
    Refused,
}

impl CorrectionState {
    fn as_str(self) -> &'static str {
        match self {
            CorrectionState::Requested => "requested",
            CorrectionState::Applied => "applied",
            CorrectionState::Refused => "refused",
        }
    }
}

/// Which corrections.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CorrectionsQuery {
    #[param(inline)]
    pub state: Option<CorrectionState>,
    /// From the previous page.
    pub cursor: Option<String>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    pub limit: Option<Limit>,
}

/// A list of corrections: whose, and for whom.
pub(super) async fn page_of(
    app: &AppState,
    (contributor, owner): (Option<ContributorId>, Uuid),
    query: &CorrectionsQuery,
    uri: &Uri,
) -> Result<Response, Problem> {
    let cursors = Cursors { keys: &app.keys, list: "corrections", owner };
    let after = query.cursor.as_deref().map(|cursor| cursors.open::<CaseId>(cursor)).transpose()?;
    let limit = query.limit.unwrap_or_default().get();
    let state = query.state.map(CorrectionState::as_str);
    // One more than asked tells whether there is a next page.
    let mut rows = read(app, contributor, state, after, limit + 1).await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more).map(|row| row.correction_id);
    let next_cursor = last.map(|position| cursors.seal(&position)).transpose()?;
    Ok(Page { items: rows.into_iter().map(CorrectionView::from).collect(), next_cursor }.respond(uri))
}

async fn read(
    app: &AppState,
    contributor: Option<ContributorId>,
    state: Option<&str>,
    after: Option<CaseId>,
    limit: i64,
) -> AppResult<Vec<Correction>> {
    let Some(own) = contributor else {
        return corrections::list(&app.db.system, None, state, after, limit).await;
    };
    let mut tx = app.db.as_contributor(own).await?;
    let rows = corrections::list(&mut *tx, contributor, state, after, limit).await?;
    tx.commit().await?;
    Ok(rows)
}

/// List your corrections, newest first.
#[utoipa::path(
    get, path = "/v1/corrections", operation_id = "list_corrections", tag = "batches",
    params(CorrectionsQuery),
    responses((status = 200, description = "a page of corrections", body = Page<CorrectionView>, example = json!(examples::page()))),
)]
pub async fn list_corrections(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    uri: Uri,
    Query(query): Query<CorrectionsQuery>,
) -> Result<Response, Problem> {
    let contributor = own_contributor(&principal)?;
    page_of(&app, (Some(contributor), contributor.0), &query, &uri).await
}
