//! What surrounds every handler. `router()` puts the layers in order and tells why each is there.

use std::any::Any;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::Instant;
use tracing::Instrument;

use super::pace::{PACE, Paced};
use super::problem::{self, Problem, ProblemKind};
use crate::app::AppState;
use crate::error::Error;
use crate::ids::RequestId;
use crate::privacy::random;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request target in bytes.
pub const MAX_URI_BYTES: usize = 8192;

/// Gives the request its id and its span, and completes the answer: problems get our address and the id, 5xx
/// get their one log line, everything gets its headers and its measurements.
pub async fn observe(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId(random::uuid_v7(app.clock.now()));
    request.extensions_mut().insert(id);
    let method = request.method().clone();
    // The template, never the raw target: an identifier in a path or a query must not reach a log.
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request", request_id = %id, %method, route = %route, client_id = tracing::field::Empty
    );
    let response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();
    let is_probe = matches!(route.as_str(), "/healthz" | "/readyz");
    span.in_scope(|| log(&response, elapsed, is_probe));
    measure(&method, &route, &response, elapsed);
    complete(response, &app.config.public_url, id)
}

fn log(response: &Response, elapsed: Duration, is_probe: bool) {
    let status = response.status().as_u16();
    let millis = elapsed.as_millis() as u64;
    match response.extensions().get::<Problem>() {
        Some(problem) if status >= 500 => {
            let cause = problem.cause_chain();
            tracing::error!(
                status,
                millis,
                code = problem.kind().code(),
                cause = cause.as_deref(),
                "request failed"
            );
        }
        Some(problem) => {
            let cause = problem.cause_chain();
            tracing::info!(
                status,
                millis,
                code = problem.kind().code(),
                cause = cause.as_deref(),
                "request refused"
            );
        }
        None if is_probe => tracing::debug!(status, millis, "probe answered"),
        None => tracing::info!(status, millis, "request served"),
    }
}

fn measure(method: &http::Method, route: &str, response: &Response, elapsed: Duration) {
    // An unknown method is any text that a caller likes: it must not make a new time series.
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "OTHER",
    };
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", response.status().as_u16().to_string()),
    ];
    metrics::counter!("etr_http_requests_total", &labels).increment(1);
    metrics::histogram!("etr_http_request_seconds", &labels).record(elapsed.as_secs_f64());
}

/// Adds what only this layer knows. A problem is written again, now with our address and the request's id.
fn complete(mut response: Response, base_url: &str, id: RequestId) -> Response {
    let instance = id.to_string();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let mut completed = problem::respond(&problem, base_url, Some(&instance));
        for (name, value) in response.headers() {
            // Layers further in may have added headers of their own (Allow); the body's length is new.
            if name != header::CONTENT_LENGTH && !completed.headers().contains_key(name) {
                completed.headers_mut().append(name, value.clone());
            }
        }
        response = completed;
    }
    harden(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(&instance) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// Headers that every answer carries unless its handler said otherwise.
fn harden(headers: &mut HeaderMap) {
    let defaults = [
        // Credit data must not stay in a cache on the way.
        (header::CACHE_CONTROL, "no-store"),
        // A browser must not guess a type and run what it guessed.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // An API answer has no business loading or framing anything.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Refuses targets that no route of ours could need, before anything looks at them.
pub async fn limit_uri(request: Request, next: Next) -> Response {
    let length = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if length > MAX_URI_BYTES {
        let detail = format!("The request target may have at most {MAX_URI_BYTES} bytes.");
        return Problem::new(ProblemKind::UriTooLong).detail(detail).into_response();
    }
    next.run(request).await
}

/// Puts the guard of the pace around the body.
pub async fn pace_body(request: Request, next: Next) -> Response {
    next.run(request.map(|body| Body::new(Paced::new(body, PACE)))).await
}

/// Ends a request that takes longer than the limit. Its effect may still have happened, which is what the
/// problem says.
pub async fn time_limit(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(ProblemKind::TimedOut).into_response(),
    }
}

/// Turns a panic into a problem. The panic hook has logged where; what it said may hold a person's data.
pub fn panicked(_payload: Box<dyn Any + Send>) -> Response {
    Problem::from(Error::Internal("a handler panicked".into())).into_response()
}

/// No route has this path.
pub async fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound)
}

/// The path exists, the method does not; axum adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed)
}
