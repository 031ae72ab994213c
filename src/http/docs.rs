//! The API's own description: the OpenAPI document, its UI, and the page of problems.
//!
//! Every byte comes from the binary; no page loads anything from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use utoipa_swagger_ui::{Config, SwaggerFile};

use super::examples;
use super::problem::{Problem, ProblemKind};
use crate::error::Error;

/// What the UI needs, all from this server. Its styles are partly set from script, hence `unsafe-inline` there.
const UI_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// Assets change with the binary only.
const UI_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600");

const PROBLEMS: &str = include_str!("../../docs/PROBLEMS.md");

/// The document as it is printed and checked in: indented JSON and a newline.
pub fn document_text() -> String {
    let mut text = super::openapi_document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "reference", responses((status = 200, description = "OpenAPI document", body = Object, example = json!(examples::openapi()))))]
pub async fn find_openapi() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document_text().into());
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], DOCUMENT.clone()).into_response()
}

/// What every problem code means
///
/// The `type` of a problem points here, at the heading of its code.
#[utoipa::path(get, path = "/problems", tag = "reference", responses((status = 200, description = "A page", body = String, content_type = "text/html", example = json!("<!doctype html>"))))]
pub async fn find_problems() -> Response {
    static PAGE: LazyLock<Bytes> = LazyLock::new(|| problems_page().into());
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], PAGE.clone())
        .into_response()
}

/// The text as it is, with an anchor at each code.
fn problems_page() -> String {
    let head = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>eTR+ problems</title></head>";
    let lines = PROBLEMS.lines().map(|line| {
        let text = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        match text.strip_prefix("### ") {
            Some(code) => format!("<strong id=\"{code}\">{code}</strong>\n"),
            None => text + "\n",
        }
    });
    let lines: String = lines.collect();
    format!("{head}<body>\n<pre>{lines}</pre>\n</body></html>\n")
}

/// Relative links of the UI need the slash.
pub async fn open_ui() -> Redirect {
    Redirect::permanent("/docs/")
}

pub async fn find_ui_index() -> Result<Response, Problem> {
    ui_file("index.html")
}

pub async fn find_ui_file(Path(name): Path<String>) -> Result<Response, Problem> {
    ui_file(&name)
}

fn ui_file(name: &str) -> Result<Response, Problem> {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
        let config = Config::new(["/openapi.json"])
            .validator_url("none") // the validator is somebody else's server
            .display_request_duration(true)
            .try_it_out_enabled(true)
            .display_operation_id(true);
        Arc::new(config)
    });
    let file = utoipa_swagger_ui::serve(name, CONFIG.clone())
        .map_err(|error| Error::Internal(format!("docs UI: {error}")))?
        .ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    Ok(ui_answer(file))
}

fn ui_answer(file: SwaggerFile<'static>) -> Response {
    let mut response = file.bytes.into_owned().into_response();
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_str(&file.content_type);
    headers.insert(
        header::CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    headers.insert(header::CACHE_CONTROL, UI_CACHE);
    headers.insert(header::CONTENT_SECURITY_POLICY, UI_POLICY);
    if file.gzpipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
