//! Problem details (RFC 9457): the only place that knows which failure is which status code.
//!
//! Every 4xx and 5xx answer is `application/problem+json` with a stable `code`; what each code means and what
//! a caller does about it stands in `docs/PROBLEMS.md`, served at `/problems`. Text here never repeats a value
//! that a caller sent, and says nothing about our insides: a 5xx has one fixed text, its cause goes to the log.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde::ser::SerializeMap;

use crate::error::Error;

/// Media type of every error answer (RFC 9457 section 3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Seconds a caller waits before it tries again, unless the problem knows better.
const RETRY_AFTER_SECONDS: u32 = 2;

/// Declares the kinds once: variant, code, status, title, retry hint.
macro_rules! problem_kinds {
    ($($variant:ident $code:literal $status:ident $title:literal;)+) => {
        /// What kind of problem it is. The code is permanent: callers branch on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemKind { $($variant),+ }

        impl ProblemKind {
            pub const ALL: &'static [ProblemKind] = &[$(ProblemKind::$variant),+];

            /// Stable machine-readable code.
            pub fn code(self) -> &'static str {
                match self { $(ProblemKind::$variant => $code),+ }
            }

            /// Short summary, the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(ProblemKind::$variant => $title),+ }
            }

            pub fn status(self) -> StatusCode {
                match self { $(ProblemKind::$variant => StatusCode::$status),+ }
            }

            /// The kind of a code that another module named in an [`Error`].
            pub fn from_code(code: &str) -> Option<ProblemKind> {
                match code { $($code => Some(ProblemKind::$variant),)+ _ => None }
            }
        }
    };
}

problem_kinds! {
    BadRequest "bad-request" BAD_REQUEST "The request cannot be understood";
    MalformedJson "malformed-json" BAD_REQUEST "The body is not JSON";
    InvalidQuery "invalid-query" BAD_REQUEST "A query parameter is missing or wrong";
    InvalidHeader "invalid-header" BAD_REQUEST "A header is wrong";
    IdempotencyKeyRequired "idempotency-key-required" BAD_REQUEST "Idempotency-Key is missing or unusable";
    InvalidContentDigest "invalid-content-digest" BAD_REQUEST "Content-Digest cannot be read";
    ContentDigestMismatch "content-digest-mismatch" BAD_REQUEST "The body does not match its Content-Digest";
    InvalidCursor "invalid-cursor" BAD_REQUEST "The page cursor is not one of ours";
    InvalidPurpose "invalid-purpose" BAD_REQUEST "The purpose is unknown";
    InvalidIdentifier "invalid-identifier" BAD_REQUEST "The identifier is not well-formed";
    InvalidAsOf "invalid-as-of" BAD_REQUEST "The day cannot be asked for";
    ConsentMissing "consent-missing" BAD_REQUEST "The purpose needs consent, and none was sent";
    InvalidRequest "invalid-request" BAD_REQUEST "The token request is malformed";
    UnsupportedGrantType "unsupported-grant-type" BAD_REQUEST "The grant type is not supported";
    InvalidScope "invalid-scope" BAD_REQUEST "The scope is unknown or not the client's";
    InvalidClient "invalid-client" UNAUTHORIZED "Client authentication failed";
    Unauthenticated "unauthenticated" UNAUTHORIZED "A valid access token is required";
    Forbidden "forbidden" FORBIDDEN "The client may not do this";
    MissingScope "missing-scope" FORBIDDEN "The access token lacks a scope";
    NoContributor "no-contributor" FORBIDDEN "The client does not belong to a contributor";
    ContributorSuspended "contributor-suspended" FORBIDDEN "The contributor is suspended";
    DatasetNotAllowed "dataset-not-allowed" FORBIDDEN "The contributor may not send this dataset";
    NoticeNotAttested "notice-not-attested" FORBIDDEN "The notice to customers is not attested";
    PurposeNotAllowed "purpose-not-allowed" FORBIDDEN "The purpose is not in the client's agreement";
    ConsentRequired "consent-required" FORBIDDEN "The consent does not hold";
    NotFound "not-found" NOT_FOUND "Not found";
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "The resource does not know this method";
    NotAcceptable "not-acceptable" NOT_ACCEPTABLE "No representation fits Accept";
    RequestTimeout "request-timeout" REQUEST_TIMEOUT "The body arrived too slowly";
    Conflict "conflict" CONFLICT "The state of the resource does not allow it";
    IdempotencyKeyInFlight "idempotency-key-in-flight" CONFLICT "A request with this key is still running";
    DuplicateContent "duplicate-content" CONFLICT "The same bytes were received before";
    SameOperator "same-operator" CONFLICT "Another operator has to agree";
    IncompatibleContract "incompatible-contract" CONFLICT "The version breaks the one before";
    ContractInUse "contract-in-use" CONFLICT "Somebody is left on the version";
    PeriodInFlight "period-in-flight" CONFLICT "The period has another file in flight";
    NotListed "not-listed" CONFLICT "The account is not listed";
    IllegalTransition "illegal-transition" CONFLICT "The batch is not in a state that allows it";
    Gone "gone" GONE "It was there and was removed";
    PayloadTooLarge "payload-too-large" PAYLOAD_TOO_LARGE "The body is too large";
    UriTooLong "uri-too-long" URI_TOO_LONG "The request target is too long";
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "The content type or coding is not supported";
    Unprocessable "unprocessable" UNPROCESSABLE_ENTITY "The content cannot be processed";
    ValidationFailed "validation-failed" UNPROCESSABLE_ENTITY "One or more fields are wrong";
    IdempotencyKeyReused "idempotency-key-reused" UNPROCESSABLE_ENTITY "The key was used for other content";
    UnknownSubjects "unknown-subjects" UNPROCESSABLE_ENTITY "Some subjects are not known to the client";
    RateLimited "rate-limited" TOO_MANY_REQUESTS "Too many requests";
    HeadersTooLarge "headers-too-large" REQUEST_HEADER_FIELDS_TOO_LARGE "The header fields are too large";
    Internal "internal" INTERNAL_SERVER_ERROR "Internal error";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "Temporarily unavailable";
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Overloaded";
    TimedOut "timed-out" SERVICE_UNAVAILABLE "The time limit was reached";
    NotReady "not-ready" SERVICE_UNAVAILABLE "Not ready";
}

impl ProblemKind {
    /// Reference to the kind's explanation, relative to the public URL; resolved before it is sent.
    pub fn type_uri(self) -> String {
        format!("/problems#{}", self.code())
    }

    /// The `error` member of a token endpoint answer (RFC 6749 section 5.2), for kinds that are OAuth errors.
    fn oauth_error(self) -> Option<&'static str> {
        match self {
            ProblemKind::InvalidRequest => Some("invalid_request"),
            ProblemKind::UnsupportedGrantType => Some("unsupported_grant_type"),
            ProblemKind::InvalidScope => Some("invalid_scope"),
            ProblemKind::InvalidClient => Some("invalid_client"),
            _ => None,
        }
    }

    fn has_retry_after(self) -> bool {
        matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
            || self == ProblemKind::IdempotencyKeyInFlight
    }

    /// What a caller reads when nothing more may be said.
    fn fixed_detail(self) -> Option<&'static str> {
        use ProblemKind::*;
        match self {
            Internal => Some(
                "Something went wrong on our side. Nothing was acknowledged; the request is safe to retry with the same Idempotency-Key.",
            ),
            Unavailable => {
                Some("A service that we depend on does not answer. Nothing was acknowledged; please retry.")
            }
            Overloaded => Some("The server sheds load. Nothing was acknowledged; please retry."),
            TimedOut => Some(
                "The request took longer than the server allows. It is safe to retry with the same Idempotency-Key.",
            ),
            Unauthenticated => {
                Some("Send an unexpired access token of this server as `Authorization: Bearer …`.")
            }
            InvalidClient => Some("The client is unknown, revoked, or its credentials are wrong."),
            NotFound => Some("There is no such resource, or it is not yours."),
            _ => None,
        }
    }
}

/// One place in a request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// JSON Pointer (RFC 6901) into the body, or `query/<name>` and `header/<name>` outside of it.
    #[schema(example = "/subject/id_type")]
    pub pointer: String,
    /// Stable code: `missing`, `unknown-field`, `wrong-type`, `unknown-value`, `invalid`, or the rule's name.
    #[schema(example = "missing")]
    pub code: Cow<'static, str>,
    /// What is expected here. Never repeats what was sent.
    pub detail: Cow<'static, str>,
}

impl FieldProblem {
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> FieldProblem {
        FieldProblem { pointer: pointer.into(), code: code.into(), detail: detail.into() }
    }
}

/// An error answer before it is written. Build one from a kind; most handlers get theirs from [`Error`] by `?`.
/// Boxed, because it travels in the `Err` of everything.
#[derive(Clone, Debug)]
pub struct Problem(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    kind: ProblemKind,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldProblem>,
    headers: HeaderMap,
    retry_after_seconds: Option<u32>,
    cause: Option<Arc<Error>>,
}

impl Problem {
    pub fn new(kind: ProblemKind) -> Problem {
        Problem(Box::new(Details {
            kind,
            detail: kind.fixed_detail().map(Cow::Borrowed),
            errors: Vec::new(),
            headers: HeaderMap::new(),
            retry_after_seconds: kind.has_retry_after().then_some(RETRY_AFTER_SECONDS),
            cause: None,
        }))
    }

    /// What a caller may read about this occurrence.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Problem {
        self.0.detail = Some(detail.into());
        self
    }

    pub fn errors(mut self, errors: Vec<FieldProblem>) -> Problem {
        self.0.errors = errors;
        self
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.0.headers.insert(name, value);
        self
    }

    pub fn retry_after(mut self, seconds: u32) -> Problem {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// The same occurrence under another kind, for a place that has its own word for it.
    pub fn recast(self, kind: ProblemKind) -> Problem {
        let mut recast = Problem::new(kind);
        recast.0.cause = self.0.cause;
        recast
    }

    fn because(mut self, error: Error) -> Problem {
        self.0.cause = Some(Arc::new(error));
        self
    }

    pub fn kind(&self) -> ProblemKind {
        self.0.kind
    }

    /// The whole chain of causes, for the log alone.
    pub fn cause_chain(&self) -> Option<String> {
        let error = self.0.cause.as_deref()?;
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Some(text)
    }

    /// The body, with what only the outermost layer knows: our public address and the request's id.
    pub fn render(&self, base_url: &str, instance: Option<&str>) -> Vec<u8> {
        let body = Rendered { problem: &self.0, base_url, instance };
        // A map of strings serialises; an empty object would still be an error by its status.
        serde_json::to_vec(&body).unwrap_or_else(|_| b"{}".to_vec())
    }
}

/// A problem as it is written to the wire.
struct Rendered<'a> {
    problem: &'a Details,
    base_url: &'a str,
    instance: Option<&'a str>,
}

impl Serialize for Rendered<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Details { kind, detail, errors, .. } = self.problem;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format!("{}{}", self.base_url, kind.type_uri()))?;
        map.serialize_entry("title", kind.title())?;
        map.serialize_entry("status", &kind.status().as_u16())?;
        map.serialize_entry("detail", detail.as_deref().unwrap_or(kind.title()))?;
        map.serialize_entry("code", kind.code())?;
        if let Some(instance) = self.instance {
            map.serialize_entry("instance", &format!("urn:uuid:{instance}"))?;
        }
        if let Some(error) = kind.oauth_error() {
            map.serialize_entry("error", error)?;
            map.serialize_entry("error_description", detail.as_deref().unwrap_or(kind.title()))?;
        }
        // Always there, empty where no single place is wrong: who reads problems need not ask first.
        map.serialize_entry("errors", errors)?;
        map.end()
    }
}

/// The wire form, for the OpenAPI document (`Rendered` writes it).
#[derive(utoipa::ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes the wire form; never built")]
pub struct ProblemBody {
    /// Dereferenceable reference to the explanation of the code.
    #[schema(example = "https://etrplus.example/problems#validation-failed")]
    r#type: String,
    /// Summary of the kind; the same for every occurrence.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    detail: String,
    /// Stable code to branch on.
    #[schema(example = "validation-failed")]
    code: String,
    /// The request's id, as in `X-Request-Id`; quote it to support.
    #[schema(example = "urn:uuid:01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b5e")]
    instance: String,
    /// The places that are wrong; empty where no single place is.
    errors: Vec<FieldProblem>,
}

impl From<Error> for Problem {
    /// The one map from what went wrong to what a caller is told.
    fn from(error: Error) -> Problem {
        use ProblemKind as Kind;
        let problem = match &error {
            Error::BadRequest { code, public } => coded(code, Kind::BadRequest, public.clone()),
            Error::Conflict { code, public } => coded(code, Kind::Conflict, public.clone()),
            Error::Forbidden { code, public } => coded(code, Kind::Forbidden, public.clone()),
            Error::Unprocessable { code, public } => coded(code, Kind::Unprocessable, public.clone()),
            Error::PayloadTooLarge { public } => Problem::new(Kind::PayloadTooLarge).detail(public.clone()),
            Error::UnsupportedMedia { public } => {
                Problem::new(Kind::UnsupportedMediaType).detail(public.clone())
            }
            Error::NotFound => Problem::new(Kind::NotFound),
            Error::Unauthenticated { .. } => Problem::new(Kind::Unauthenticated),
            Error::DatabaseUnavailable(_) | Error::Store(_) | Error::Disk(_) => {
                Problem::new(Kind::Unavailable)
            }
            Error::Overloaded(_) => Problem::new(Kind::Overloaded),
            Error::Database(_) | Error::Inconsistent { .. } | Error::Crypto(_) | Error::Internal(_) => {
                Problem::new(Kind::Internal)
            }
        };
        problem.because(error)
    }
}

/// A kind by its code. A code that is not in the list keeps the status of its family, so a slip in one module
/// never turns a caller's mistake into ours.
fn coded(code: &'static str, family: ProblemKind, public: Cow<'static, str>) -> Problem {
    let kind = ProblemKind::from_code(code).unwrap_or_else(|| {
        tracing::error!(code, "problem code is not in the list of kinds");
        family
    });
    Problem::new(kind).detail(public)
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Problem {
        Problem::from(Error::from(error))
    }
}

impl IntoResponse for Problem {
    /// Complete but for our address and the request's id, which the outermost layer adds.
    fn into_response(self) -> Response {
        respond(&self, "", None)
    }
}

/// Writes the answer. The problem rides along in the extensions for the layers that log and complete it.
pub fn respond(problem: &Problem, base_url: &str, instance: Option<&str>) -> Response {
    let mut response = Response::new(Body::from(problem.render(base_url, instance)));
    *response.status_mut() = problem.0.kind.status();
    let headers = response.headers_mut();
    headers.extend(problem.0.headers.clone());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = problem.0.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(challenge) = challenge(problem.0.kind, headers) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(problem.clone());
    response
}

/// A 401 names the scheme that would help (RFC 9110 section 11.6.1); problems may bring a closer one.
fn challenge(kind: ProblemKind, headers: &HeaderMap) -> Option<HeaderValue> {
    let missing =
        kind.status() == StatusCode::UNAUTHORIZED && !headers.contains_key(header::WWW_AUTHENTICATE);
    missing.then(|| match kind {
        ProblemKind::InvalidClient => HeaderValue::from_static("Basic realm=\"etrplus\", charset=\"UTF-8\""),
        _ => HeaderValue::from_static("Bearer realm=\"etrplus\""),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const PAGE: &str = include_str!("../../docs/PROBLEMS.md");

    #[test]
    fn every_kind_has_its_own_code_and_a_heading_in_the_docs() {
        let mut codes = HashSet::new();
        for kind in ProblemKind::ALL {
            assert!(codes.insert(kind.code()), "{} is used twice", kind.code());
            assert_eq!(ProblemKind::from_code(kind.code()), Some(*kind));
            let heading = format!("\n### {}\n", kind.code());
            assert!(PAGE.contains(&heading), "docs/PROBLEMS.md has no heading for {}", kind.code());
            let status = format!("\n### {}\n\n{} ", kind.code(), kind.status().as_u16());
            assert!(PAGE.contains(&status), "docs/PROBLEMS.md gives {} another status", kind.code());
        }
    }

    #[test]
    fn the_docs_name_no_code_that_does_not_exist() {
        for heading in PAGE.lines().filter_map(|line| line.strip_prefix("### ")) {
            assert!(ProblemKind::from_code(heading).is_some(), "{heading} is documented, but no kind has it");
        }
    }

    #[test]
    fn every_kind_is_an_error_and_those_worth_a_retry_say_when() {
        for kind in ProblemKind::ALL {
            let response = Problem::new(*kind).into_response();
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
            assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
            if matches!(kind.status().as_u16(), 429 | 503) {
                assert!(response.headers().contains_key(header::RETRY_AFTER), "{}", kind.code());
            }
            if kind.status() == StatusCode::UNAUTHORIZED {
                assert!(response.headers().contains_key(header::WWW_AUTHENTICATE), "{}", kind.code());
            }
        }
    }

    #[test]
    fn our_faults_keep_their_cause_to_the_log() {
        let problem = Problem::from(Error::Database(sqlx::Error::ColumnNotFound("secret_column".into())));
        let body = String::from_utf8(problem.render("https://etrplus.example", Some("1"))).unwrap();
        assert!(!body.contains("secret_column"), "{body}");
        assert!(problem.cause_chain().unwrap().contains("secret_column"));
        assert_eq!(problem.kind(), ProblemKind::Internal);
    }

    #[test]
    fn an_outage_is_a_503_and_a_wrong_statement_is_a_500() {
        assert_eq!(Problem::from(sqlx::Error::PoolTimedOut).kind(), ProblemKind::Unavailable);
        assert_eq!(Problem::from(sqlx::Error::RowNotFound).kind(), ProblemKind::Internal);
    }

    #[test]
    fn a_code_outside_the_list_keeps_the_status_of_its_family() {
        let problem = Problem::from(Error::conflict("no-such-code", "try later"));
        assert_eq!(problem.kind().status(), StatusCode::CONFLICT);
    }

    #[test]
    fn the_body_has_the_members_of_the_standard_in_reading_order() {
        let problem = Problem::new(ProblemKind::ValidationFailed)
            .detail("One field is wrong.")
            .errors(vec![FieldProblem::new("/subject/id_type", "missing", "required")]);
        let body = String::from_utf8(problem.render("https://etrplus.example", Some("7"))).unwrap();
        assert_eq!(
            body,
            concat!(
                r#"{"type":"https://etrplus.example/problems#validation-failed","title":"One or more fields are wrong","#,
                r#""status":422,"detail":"One field is wrong.","code":"validation-failed","instance":"urn:uuid:7","#,
                r#""errors":[{"pointer":"/subject/id_type","code":"missing","detail":"required"}]}"#
            )
        );
    }

    #[test]
    fn oauth_errors_carry_the_members_of_rfc_6749_as_well() {
        let problem = Problem::new(ProblemKind::InvalidClient);
        let body: serde_json::Value = serde_json::from_slice(&problem.render("", None)).unwrap();
        assert_eq!((&body["error"], &body["code"]), (&"invalid_client".into(), &"invalid-client".into()));
        assert_eq!(body["error_description"], body["detail"]);
    }
}
