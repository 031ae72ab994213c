//! Archive queries: attributes of many subjects as of a day, as it was known at an instant, for backtests.
//!
//! A subject is named by the `query_id` of a profile that the client was given before: who may not be asked about any more, or
//! never was, cannot be named.

use std::collections::{BTreeMap, HashSet};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{Validate, ValidationError};

use super::auth::Authorized;
use super::extract::{Path, read_json};
use super::headers::{CONTENT_DIGEST, IDEMPOTENCY_REPLAYED, IdempotencyKey};
use super::problem::{Problem, ProblemKind};
use super::{dates, examples};
use crate::access::Principal;
use crate::app::AppState;
use crate::db::archive_queries::{self, ArchiveQuery, Asked};
use crate::domain::archive::{Format, State as QueryState};
use crate::domain::dates::business_date;
use crate::domain::profile::ATTRIBUTE_SET_VERSION;
use crate::domain::profile::inquiry::Purpose;
use crate::error::{Error, Result as AppResult};
use crate::ids::ArchiveQueryId;
use crate::pipeline::archive::{self, Entered};

/// Subjects of one query.
pub const MAX_SUBJECTS: usize = 1_000_000;
/// Largest body: a million subjects, with room for spaces.
pub const MAX_ARCHIVE_QUERY_BYTES: usize = 48 << 20;
/// Bodies are read two at a time: a large one takes a hundred megabytes until it is entered.
static READING: Semaphore = Semaphore::const_new(2);

/// A question about many subjects.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveQueryRequest {
    /// As for a profile; must be in the client's agreement.
    #[schema(example = "ACCOUNT_REVIEW")]
    pub purpose: String,
    /// The client's own name for this query.
    #[validate(length(min = 1, max = 100), custom(function = "printable"))]
    pub client_reference: String,
    /// The person at the client who asks, where there is one (CRA Act s27).
    #[validate(length(min = 1, max = 100), custom(function = "printable"))]
    pub end_user: Option<String>,
    /// The valid day: nothing that was reported for later days is told.
    #[serde(deserialize_with = "dates::date")]
    pub as_of: NaiveDate,
    /// The known instant: nothing that came later is told, corrections and deletions included.
    #[serde(deserialize_with = "dates::instant")]
    pub known_at: DateTime<Utc>,
    pub format: Format,
    /// `query_id` of profiles that the client was given, each once. At most a million.
    #[validate(length(min = 1, max = 1_000_000), custom(function = "distinct"))]
    #[schema(max_items = 1_000_000, min_items = 1)]
    pub subjects: Vec<Uuid>,
}

fn printable(text: &str) -> Result<(), ValidationError> {
    match text.chars().any(char::is_control) {
        true => Err(ValidationError::new("control-characters")
            .with_message("must not contain control characters".into())),
        false => Ok(()),
    }
}

fn distinct(subjects: &[Uuid]) -> Result<(), ValidationError> {
    let mut seen = HashSet::with_capacity(subjects.len());
    match subjects.iter().position(|subject| !seen.insert(subject)) {
        Some(place) => Err(ValidationError::new("duplicate").with_message(
            format!("names a subject twice, the second time at {place} (counted from 0)").into(),
        )),
        None => Ok(()),
    }
}

/// What may be asked: understood (400) and agreed (403).
fn allow(
    request: &ArchiveQueryRequest,
    principal: &Principal,
    now: DateTime<Utc>,
) -> AppResult<&'static str> {
    let purpose = Purpose::parse(&request.purpose).ok_or_else(|| {
        let known = Purpose::ALL.map(Purpose::as_str).join(", ");
        Error::bad_request("invalid-purpose", format!("purpose must be one of {known}"))
    })?;
    if request.known_at > now {
        return Err(Error::bad_request("invalid-as-of", "known_at is in the future"));
    }
    if request.as_of > business_date(request.known_at) {
        return Err(Error::bad_request("invalid-as-of", "as_of is later than the day of known_at"));
    }
    if !principal.may_ask_for(purpose.as_str()) {
        let public = format!("{} is not in the client's agreement", purpose.as_str());
        return Err(Error::forbidden("purpose-not-allowed", public));
    }
    Ok(purpose.as_str())
}

/// A result that can be fetched.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArchiveResultView {
    /// Where it is.
    #[schema(example = "/v1/archive-queries/01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b71/result")]
    pub href: String,
    pub bytes: i64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Removed then.
    pub expires_at: Option<DateTime<Utc>>,
}

/// An archive query, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ArchiveQuery)]
pub struct ArchiveQueryView {
    pub archive_query_id: ArchiveQueryId,
    pub state: QueryState,
    pub purpose: String,
    pub client_reference: String,
    pub as_of: NaiveDate,
    pub known_at: DateTime<Utc>,
    pub format: Format,
    pub subjects: i32,
    /// Of them, those that the present attempt has answered.
    pub subjects_done: i32,
    pub attribute_set_version: String,
    pub requested_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it came to nothing.
    pub failure: Option<String>,
    /// The snapshot of each table of the lake that was read.
    pub snapshots: Option<BTreeMap<String, i64>>,
    /// There when the query is done.
    pub result: Option<ArchiveResultView>,
}

impl From<ArchiveQuery> for ArchiveQueryView {
    fn from(query: ArchiveQuery) -> ArchiveQueryView {
        let result = match (query.state, query.result_bytes, query.result_sha256) {
            (QueryState::Done, Some(bytes), Some(sha256)) => Some(ArchiveResultView {
                href: format!("/v1/archive-queries/{}/result", query.id),
                bytes,
                sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
                expires_at: query.expires_at,
            }),
            _ => None,
        };
        ArchiveQueryView {
            archive_query_id: query.id,
            state: query.state,
            purpose: query.purpose,
            client_reference: query.client_reference,
            as_of: query.as_of,
            known_at: query.known_at,
            format: query.format,
            subjects: query.subjects,
            subjects_done: query.subjects_done,
            attribute_set_version: query.attribute_set_version,
            requested_at: query.requested_at,
            started_at: query.started_at,
            finished_at: query.finished_at,
            failure: query.failure,
            snapshots: query.snapshots,
            result,
        }
    }
}

/// Ask for attributes of many subjects as of the past
///
/// For backtests: the attributes that profiles have, for up to a million subjects, as they would have been told of the day
/// `as_of` with what was known at `known_at`. Computed from the lake alone, so that later corrections, recalls and deletions
/// do not show. What the law withholds today is withheld: accounts that are disputed or hidden now, persons who were erased. A
/// subject is the `query_id` of a profile that the client was given. Each person finds the query in the list of who
/// asked about them. The answer is made in the background; ask for the query until it is `done`.
#[utoipa::path(
    post, path = "/v1/archive-queries", operation_id = "create_archive_query", tag = "archive",
    params(("Idempotency-Key" = String, Header, description = "your name for this query; the same one for a retry", example = "backtest-2026-q2")),
    request_body(content = ArchiveQueryRequest, example = json!(examples::archive::request())),
    responses(
        (status = 202, description = "queued, or as far as it has come when it was asked before", body = ArchiveQueryView, example = json!(examples::archive::query("queued"))),
        (status = 400, description = "`invalid-purpose`, `invalid-as-of` or `idempotency-key-required`"),
        (status = 403, description = "`purpose-not-allowed`"),
        (status = 409, description = "`conflict`: the client has ten queries open, or the server has no lake"),
        (status = 413, description = "`payload-too-large`"),
        (status = 422, description = "`unknown-subjects`, `validation-failed` or `idempotency-key-reused`"),
    )
)]
pub async fn create_archive_query(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    IdempotencyKey(key): IdempotencyKey,
    request: Request,
) -> Result<Response, Problem> {
    let _turn = READING.acquire().await.map_err(|_| Error::Overloaded("the server is stopping"))?;
    let (request, sha256) = read_json::<ArchiveQueryRequest>(request, MAX_ARCHIVE_QUERY_BYTES).await?;
    let purpose = allow(&request, &principal, app.clock.now())?;
    let asked = Asked {
        client_id: principal.client_id,
        idempotency_key: key,
        content_sha256: sha256,
        purpose,
        end_user: request.end_user,
        client_reference: request.client_reference,
        as_of: request.as_of,
        known_at: request.known_at,
        format: request.format,
        attribute_set_version: ATTRIBUTE_SET_VERSION,
    };
    let entered = archive::ask(&app, &asked, &request.subjects, &principal.client_name).await?;
    let (query, replayed) = match entered {
        Entered::New(query) => (query, false),
        Entered::Replayed(query) => (query, true),
    };
    let location = format!("/v1/archive-queries/{}", query.id);
    let mut response = (StatusCode::ACCEPTED, axum::Json(ArchiveQueryView::from(query))).into_response();
    let headers = response.headers_mut();
    let location = HeaderValue::from_str(&location).map_err(|e| Error::Internal(e.to_string()))?;
    headers.insert(header::LOCATION, location);
    if replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Find an archive query.
#[utoipa::path(
    get, path = "/v1/archive-queries/{archive_query_id}", operation_id = "find_archive_query", tag = "archive",
    params(("archive_query_id" = ArchiveQueryId, Path, example = json!(examples::archive::ID))),
    responses((status = 200, description = "the query as far as it has come", body = ArchiveQueryView, example = json!(examples::archive::query("done"))),
        (status = 404, description = "no such query of yours")),
)]
pub async fn find_archive_query(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<ArchiveQueryId>,
) -> Result<axum::Json<ArchiveQueryView>, Problem> {
    let query = archive_queries::owned(&app.db.system, principal.client_id, id).await?;
    Ok(axum::Json(ArchiveQueryView::from(query)))
}

/// Cancel an archive query that waits or runs. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/archive-queries/{archive_query_id}/cancel", operation_id = "cancel_archive_query", tag = "archive",
    params(("archive_query_id" = ArchiveQueryId, Path, example = json!(examples::archive::ID))),
    responses((status = 200, description = "the query, cancelled", body = ArchiveQueryView, example = json!(examples::archive::query("cancelled"))),
        (status = 404, description = "no such query of yours"),
        (status = 409, description = "`conflict`: it has ended otherwise")),
)]
pub async fn cancel_archive_query(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<ArchiveQueryId>,
) -> Result<axum::Json<ArchiveQueryView>, Problem> {
    let query = archive::cancel(&app, &principal, id).await?;
    Ok(axum::Json(ArchiveQueryView::from(query)))
}

/// Fetch the result of an archive query
///
/// A row for each subject, in the order of the request: `query_id`, `hit_status`, every attribute of the set by its name,
/// `newest_as_of`, `oldest_as_of`, `stale_accounts`. What a profile has no value for is null, in CSV empty. Kept for seven
/// days; every fetch is on record.
#[utoipa::path(
    get, path = "/v1/archive-queries/{archive_query_id}/result", operation_id = "find_archive_result", tag = "archive",
    params(("archive_query_id" = ArchiveQueryId, Path, example = json!(examples::archive::ID))),
    responses(
        (status = 200, description = "the file, in the form that was asked for", content((String = "text/csv", example = json!(examples::archive::CSV)), (Vec<u8> = "application/vnd.apache.parquet"))),
        (status = 404, description = "no such query of yours"),
        (status = 409, description = "`conflict`: it is not done"),
        (status = 410, description = "`gone`: the result has expired")),
)]
pub async fn find_archive_result(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<ArchiveQueryId>,
) -> Result<Response, Problem> {
    let (query, object) = archive::fetch(&app, &principal, id).await.map_err(|error| {
        let gone = matches!(error, Error::Conflict { code: "gone", .. });
        if gone {
            let text = "The result has expired; ask again with a new Idempotency-Key.";
            return Problem::new(ProblemKind::Gone).detail(text);
        }
        Problem::from(error)
    })?;
    let (media_type, ending) = match query.format {
        Format::Parquet => ("application/vnd.apache.parquet", "parquet"),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
    };
    let digest = BASE64_STANDARD.encode(query.result_sha256.unwrap_or_default());
    let values = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"archive-{id}.{ending}\"")),
        (header::CONTENT_LENGTH, query.result_bytes.unwrap_or_default().to_string()),
        (CONTENT_DIGEST, format!("sha-256=:{digest}:")),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    let mut response = Response::new(Body::from_stream(ReaderStream::new(object.into_async_read())));
    for (name, value) in values {
        let value = HeaderValue::from_str(&value).map_err(|e| Error::Internal(e.to_string()))?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_subjects_fit_and_one_more_does_not() {
        let body = MAX_SUBJECTS * (r#""00000000-0000-4000-8000-000000000000", "#.len() + 1);
        assert!(body < MAX_ARCHIVE_QUERY_BYTES);
        let request = |subjects: Vec<Uuid>| ArchiveQueryRequest {
            purpose: "ACCOUNT_REVIEW".into(),
            client_reference: "backtest".into(),
            end_user: None,
            as_of: "2026-06-30".parse().unwrap(),
            known_at: "2026-07-01T00:00:00Z".parse().unwrap(),
            format: Format::Csv,
            subjects,
        };
        let many = |count: usize| (0..count as u128).map(Uuid::from_u128).collect::<Vec<_>>();
        assert!(request(many(MAX_SUBJECTS)).validate().is_ok());
        assert!(request(many(MAX_SUBJECTS + 1)).validate().is_err());
        assert!(request(Vec::new()).validate().is_err());
        let twice = request([many(3), many(1)].concat()).validate().unwrap_err().to_string();
        assert!(twice.contains("the second time at 3"), "{twice}");
    }
}
