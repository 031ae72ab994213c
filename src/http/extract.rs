//! What handlers take from a request: path, query, JSON and form, each refused as a problem.
//!
//! The text of a refusal names the place and what is expected there; it never repeats what was sent, because
//! what was sent may be somebody's identity number.

use std::borrow::Cow;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderValue, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use validator::{Validate, ValidationErrors, ValidationErrorsKind};

use super::pace::TooSlow;
use super::problem::{FieldProblem, Problem, ProblemKind};
use crate::error::Error;

/// Largest JSON body, told at `GET /v1/limits`. Uploads have their own limit and are streamed.
pub const MAX_JSON_BYTES: usize = 1 << 20;
/// Largest form body (`POST /oauth/token`).
pub const MAX_FORM_BYTES: usize = 1 << 16;

/// Path parameters. A malformed identifier is a 404, the same as an identifier that names nothing: the form of
/// our identifiers is not something to probe, and the database is not asked.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Path(value)).map_err(|_| Problem::new(ProblemKind::NotFound))
    }
}

/// Query parameters. Types refuse unknown parameters by `deny_unknown_fields`, since a misspelt one would
/// otherwise be ignored with a success status.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|axum::extract::Query(value)| Query(value)).map_err(|rejection| {
            let field = urlencoded_problem("query", &source_text(&rejection));
            Problem::new(ProblemKind::InvalidQuery)
                .detail(format!("{}: {}", field.pointer, field.detail))
                .errors(vec![field])
        })
    }
}

/// A JSON body of at most [`MAX_JSON_BYTES`], with its declared validations passed.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Validate, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(Problem::new(ProblemKind::UnsupportedMediaType).detail("Send application/json."));
        }
        refuse_coding(&request)?;
        let bytes = read_body(request, MAX_JSON_BYTES).await?;
        parse_valid(&bytes).map(Json)
    }
}

/// A JSON body that may be larger than others, and the SHA-256 of its bytes; it is read on a thread of its own.
pub async fn read_json<T>(request: Request, limit: usize) -> Result<(T, [u8; 32]), Problem>
where
    T: DeserializeOwned + Validate + Send + 'static,
{
    if !is_json(&request) {
        return Err(Problem::new(ProblemKind::UnsupportedMediaType).detail("Send application/json."));
    }
    refuse_coding(&request)?;
    let bytes = read_body(request, limit).await?;
    let read = tokio::task::spawn_blocking(move || {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        parse_valid(&bytes).map(|value| (value, std::array::from_fn(|n| digest.as_ref()[n])))
    });
    read.await.map_err(|error| Error::Internal(format!("reading a body: {error}")))?
}

fn parse_valid<T: DeserializeOwned + Validate>(bytes: &[u8]) -> Result<T, Problem> {
    let value: T = parse_json(bytes)?;
    value.validate().map_err(|errors| {
        let mut problems = Vec::new();
        flatten(&errors, "", &mut problems);
        problems.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        validation_failed(problems)
    })?;
    Ok(value)
}

/// No body at all is no value: `Option<Json<T>>` is for requests that mostly say nothing.
impl<T: DeserializeOwned + Validate, S: Send + Sync> axum::extract::OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if request.body().is_end_stream() && !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

/// A form body (`application/x-www-form-urlencoded`) of at most [`MAX_FORM_BYTES`]. Only the token endpoint
/// takes one, so refusals are OAuth's `invalid_request`.
#[derive(Clone, Copy, Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !media_type(&request).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Problem::new(ProblemKind::UnsupportedMediaType)
                .detail("Send application/x-www-form-urlencoded."));
        }
        refuse_coding(&request)?;
        let (parts, body) = request.into_parts();
        let bytes = read_body(Request::from_parts(parts.clone(), body), MAX_FORM_BYTES).await?;
        let form =
            axum::extract::Form::<T>::from_request(Request::from_parts(parts, Body::from(bytes)), state)
                .await;
        form.map(|axum::extract::Form(value)| Form(value)).map_err(|rejection| {
            let field = urlencoded_problem("form", &source_text(&rejection));
            Problem::new(ProblemKind::InvalidRequest)
                .detail(format!("{}: {}", field.pointer, field.detail))
                .errors(vec![field])
        })
    }
}

/// Reads a whole body into memory, up to a limit that is checked against `Content-Length` first.
pub async fn read_body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit as u64));
    }
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit as u64)),
        Err(error) => Err(body_problem(&*error)),
    }
}

/// The answer to a body over its limit (bytes).
pub fn too_large(limit: u64) -> Problem {
    Problem::new(ProblemKind::PayloadTooLarge).detail(format!("The body may have at most {limit} bytes."))
}

/// Tells why a body could not be read to its end: it came too slowly, or the connection broke.
pub fn body_problem(error: &(dyn std::error::Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TooSlow>() {
            return Problem::new(ProblemKind::RequestTimeout).detail(error.to_string());
        }
        cause = error.source();
    }
    Problem::new(ProblemKind::BadRequest).detail("The body ended before it was complete.")
}

/// 422 with every place that is wrong.
pub fn validation_failed(errors: Vec<FieldProblem>) -> Problem {
    let detail = match errors.as_slice() {
        [only] => format!("{} {}.", only.pointer, only.detail),
        many => format!("{} members are wrong; see errors.", many.len()),
    };
    Problem::new(ProblemKind::ValidationFailed).detail(detail).errors(errors)
}

fn media_type(request: &Request) -> &str {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or("").split(';').next().unwrap_or("").trim()
}

/// Uploads are unpacked, these small bodies are not (RFC 9110 section 15.5.16).
fn refuse_coding(request: &Request) -> Result<(), Problem> {
    let is_identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if request.headers().get_all(header::CONTENT_ENCODING).iter().all(is_identity) {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::UnsupportedMediaType)
        .detail("Send the body as it is, without Content-Encoding.")
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn is_json(request: &Request) -> bool {
    let media_type = media_type(request).to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if error.inner().is_data() {
            let pointer = json_pointer(error.path());
            return validation_failed(vec![explain(pointer, &error.inner().to_string())]);
        }
        malformed(error.inner())
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(ProblemKind::MalformedJson).detail(format!(
        "Not well-formed JSON at line {}, column {}.",
        error.line(),
        error.column()
    ))
}

fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => format!("{pointer}/{}", escape(key)),
        Segment::Unknown => pointer,
    })
}

/// RFC 6901 section 3.
fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
}

/// Reads serde's message for what *we* expect and leaves out what was sent. What serde quotes after the last
/// "expected" comes from our types; a missing field's name does as well.
fn explain(pointer: String, message: &str) -> FieldProblem {
    if let Some(name) = quoted_after(message, "missing field `") {
        return FieldProblem::new(format!("{pointer}/{name}"), "missing", "is required");
    }
    let expected = message.rfind(", expected ").map(|at| &message[at + ", expected ".len()..]);
    let expected = expected.map(|text| text.rfind(" at line ").map_or(text, |at| &text[..at]));
    // The names of our types mean nothing to a caller.
    let expected = expected.map(|text| if text.starts_with("struct ") { "an object" } else { text });
    let (code, detail) = if message.starts_with("unknown field") {
        (
            "unknown-field",
            expected
                .map_or("is not known here".into(), |names| format!("is not known here; expected {names}")),
        )
    } else if message.starts_with("duplicate field") {
        ("duplicate", "appears twice".into())
    } else if message.starts_with("unknown variant") {
        (
            "unknown-value",
            expected.map_or("is not one of the allowed values".into(), |words| format!("must be {words}")),
        )
    } else if message.starts_with("invalid type") {
        ("wrong-type", expected.map_or("has the wrong type".into(), |kind| format!("must be {kind}")))
    } else {
        ("invalid", expected.map_or("is not valid here".into(), |kind| format!("must be {kind}")))
    };
    FieldProblem::new(pointer, code, detail)
}

fn quoted_after<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.split('`').next()
}

/// The cause behind axum's generic rejection text.
fn source_text(rejection: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = rejection;
    while let Some(source) = deepest.source() {
        if source.to_string().contains(": ") || source.source().is_none() {
            return source.to_string();
        }
        deepest = source;
    }
    deepest.to_string()
}

/// The place and reason of a refused parameter, from `<name>: <message>`.
fn urlencoded_problem(place: &str, text: &str) -> FieldProblem {
    let (path, message) = text.split_once(": ").unwrap_or(("", text));
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let pointer = if is_name(path) { format!("{place}/{path}") } else { place.to_owned() };
    let message = if is_name(path) { message } else { text };
    let field = explain(pointer.clone(), message);
    // A missing parameter is reported at the root of the query.
    match (field.code.as_ref(), pointer.contains('/')) {
        ("missing", true) => FieldProblem { pointer, ..field },
        _ => field,
    }
}

fn flatten(errors: &ValidationErrors, prefix: &str, found: &mut Vec<FieldProblem>) {
    for (name, kind) in errors.errors() {
        let pointer = format!("{prefix}/{}", escape(name));
        match kind {
            ValidationErrorsKind::Struct(nested) => flatten(nested, &pointer, found),
            ValidationErrorsKind::List(items) => {
                for (index, nested) in items {
                    flatten(nested, &format!("{pointer}/{index}"), found);
                }
            }
            ValidationErrorsKind::Field(errors) => found.extend(errors.iter().map(|error| {
                // The message is ours, from the derive attribute; `params` hold the value and stay inside.
                let detail = error.message.clone().unwrap_or(Cow::Borrowed("is not valid"));
                FieldProblem::new(pointer.clone(), error.code.clone(), detail)
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Question {
        #[validate(nested)]
        subject: Subject,
        #[serde(default)]
        #[expect(dead_code, reason = "read by serde only")]
        months: Option<u8>,
    }

    #[derive(Debug, Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Subject {
        #[validate(length(min = 1, max = 20, message = "must have 1 to 20 characters"))]
        id_number: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        limit: u16,
    }

    async fn ask(body: &str) -> Result<Json<Question>, Problem> {
        let request = Request::builder().header("content-type", "application/json; charset=utf-8");
        Json::from_request(request.body(Body::from(body.to_owned())).unwrap(), &()).await
    }

    async fn refused(body: &str) -> serde_json::Value {
        serde_json::from_slice(&ask(body).await.unwrap_err().render("", None)).unwrap()
    }

    async fn filter(query: &str) -> Result<Query<Filter>, serde_json::Value> {
        let mut parts = Request::builder().uri(format!("/x?{query}")).body(()).unwrap().into_parts().0;
        let query = Query::from_request_parts(&mut parts, &()).await;
        query.map_err(|problem| serde_json::from_slice(&problem.render("", None)).unwrap())
    }

    #[tokio::test]
    async fn a_good_body_is_read() {
        let Json(question) = ask(r#"{"subject":{"id_number":"SYNTHETIC-1"}}"#).await.unwrap();
        assert_eq!(question.subject.id_number, "SYNTHETIC-1");
    }

    #[tokio::test]
    async fn each_mistake_is_named_by_place_and_code() {
        let cases = [
            (r#"{"subject":{}}"#, "/subject/id_number", "missing"),
            (r#"{"subject":{"id_number":5}}"#, "/subject/id_number", "wrong-type"),
            (r#"{"subject":"a"}"#, "/subject", "wrong-type"),
            (r#"{"subject":{"id_number":"a","extra":1}}"#, "/subject/extra", "unknown-field"),
            (r#"{"subject":{"id_number":""}}"#, "/subject/id_number", "length"),
            (r#"{"subject":{"id_number":"a"},"months":900}"#, "/months", "invalid"),
        ];
        for (body, pointer, code) in cases {
            let problem = refused(body).await;
            assert_eq!(problem["code"], "validation-failed", "{body}");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
            assert_eq!(problem["errors"][0]["code"], code, "{body}");
        }
    }

    #[tokio::test]
    async fn what_was_sent_is_never_repeated() {
        for body in [
            r#"{"subject":"SYNTHETIC-SECRET"}"#,
            r#"{"subject":{"id_number":["SYNTHETIC-SECRET"]}}"#,
            r#"{"subject":{"id_number":"a"},"months":"SYNTHETIC-SECRET, expected SYNTHETIC-SECRET"}"#,
            r#"{"subject":{"id_number":"SYNTHETIC-SECRET-THAT-IS-TOO-LONG"}}"#,
            r#"{"subject":{"id_number":"a"}} SYNTHETIC-SECRET"#,
            r#"SYNTHETIC-SECRET"#,
        ] {
            let text = refused(body).await.to_string();
            assert!(!text.contains("SECRET"), "{text}");
        }
        let text = filter("limit=SECRET").await.unwrap_err().to_string();
        assert!(!text.contains("SECRET"), "{text}");
    }

    #[tokio::test]
    async fn text_that_is_not_json_gives_line_and_column() {
        let problem = refused("{\n  \"subject\": }").await;
        assert_eq!(problem["code"], "malformed-json");
        assert_eq!(problem["detail"], "Not well-formed JSON at line 2, column 14.");
    }

    #[tokio::test]
    async fn the_names_of_our_types_stay_inside() {
        for body in ["[]", "5", r#"{"subject":[]}"#] {
            let problem = refused(body).await;
            let detail = problem["errors"][0]["detail"].as_str().unwrap();
            assert_eq!(detail, "must be an object", "{body}");
        }
    }

    #[tokio::test]
    async fn a_coded_body_is_refused_as_such() {
        for (coding, status) in [("identity", 422), ("gzip", 415), ("identity, gzip", 415)] {
            let request = Request::builder()
                .header("content-type", "application/json")
                .header("content-encoding", coding)
                .body(Body::from("{}"))
                .unwrap();
            let refused = Json::<Question>::from_request(request, &()).await.unwrap_err();
            assert_eq!(refused.into_response().status(), status, "{coding}");
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_declared_or_not() {
        let body = format!(r#"{{"subject":{{"id_number":"{}"}}}}"#, "a".repeat(MAX_JSON_BYTES));
        assert_eq!(ask(&body).await.unwrap_err().kind(), ProblemKind::PayloadTooLarge);
        let request = Request::builder()
            .header("content-type", "application/json")
            .header("content-length", MAX_JSON_BYTES + 1)
            .body(Body::empty())
            .unwrap();
        let refused = Json::<Question>::from_request(request, &()).await.unwrap_err();
        assert_eq!(refused.into_response().status(), 413);
    }

    #[tokio::test]
    async fn query_parameters_are_strict() {
        assert_eq!(filter("limit=7").await.unwrap().0.limit, 7);
        let cases = [
            ("", "query/limit", "missing"),
            ("limit=x", "query/limit", "invalid"),
            ("limit=1&limt=2", "query/limt", "unknown-field"),
        ];
        for (query, pointer, code) in cases {
            let problem = filter(query).await.unwrap_err();
            assert_eq!(problem["code"], "invalid-query", "{query}");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
            assert_eq!(problem["errors"][0]["code"], code, "{problem}");
        }
    }
}
