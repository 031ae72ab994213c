//! The reject file as contributors read it: NDJSON or CSV, streamed, with messages and remedies.

use std::io::{BufRead, BufReader, Read};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::io::SyncIoBridge;
use utoipa::ToSchema;

use super::owned;
use crate::app::AppState;
use crate::db::batches::Batch;
use crate::domain::rules::{Code, rule};
use crate::error::Error;
use crate::http::auth::Authorized;
use crate::http::examples;
use crate::http::extract::Path;
use crate::http::problem::{Problem, ProblemKind};
use crate::ids::BatchId;
use crate::pipeline::refine::{RejectFinding, RejectLine};

/// Text that is gathered before it is sent.
const SEND_BYTES: usize = 64 << 10;
const SEND_DEPTH: usize = 4;

/// One rejected record.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectView {
    /// Its place in the file, counted from 1 without header and blank lines.
    pub record_no: u64,
    /// Null when the reference itself is broken.
    pub account_ref: Option<String>,
    /// In place of the account, for an application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_ref: Option<String>,
    pub findings: Vec<RejectFindingView>,
}

/// One rule that the record broke.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectFindingView {
    pub code: String,
    /// R, or W for what would not have rejected the record by itself.
    pub severity: String,
    pub field: Option<String>,
    /// The value with everything personal masked.
    pub value_masked: Option<String>,
    pub message: &'static str,
    pub remedy: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Ndjson,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Language {
    English,
    Malay,
}

/// Read a batch's rejected records.
///
/// A line per record, NDJSON by default, CSV with `Accept: text/csv`; messages in English, or in Malay with
/// `Accept-Language: ms`. Mend these records and send them as a DELTA with `fixes=<batch_id>`, to the address that the
/// `Link` header names: then they are known as fixed.
#[utoipa::path(
    get, path = "/v1/batches/{batch_id}/rejects", operation_id = "list_rejects", tag = "batches",
    params(("batch_id" = BatchId, Path, example = json!(examples::BATCH_ID)),
        ("Accept" = Option<String>, Header, description = "application/x-ndjson or text/csv"),
        ("Accept-Language" = Option<String>, Header, description = "en or ms")),
    responses(
        (status = 200, description = "the rejected records", content((RejectView = "application/x-ndjson", example = json!(examples::reject())), (String = "text/csv"))),
        (status = 404, description = "no such batch of yours"),
        (status = 406, description = "`not-acceptable`: neither NDJSON nor CSV fits Accept"),
        (status = 409, description = "`conflict`: the batch is not judged yet"),
        (status = 410, description = "`gone`: the files of a rehearsal were removed")),
)]
pub async fn list_rejects(
    State(app): State<AppState>,
    Authorized(principal): Authorized,
    Path(id): Path<BatchId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let batch = owned(&app, &principal, id).await?;
    let shape = wanted_shape(&headers)?;
    if batch.counts.is_none() {
        return Err(Problem::new(ProblemKind::Conflict)
            .detail("The batch is not judged yet; wait until its state is settled."));
    }
    if batch.files_removed_at.is_some() {
        return Err(Problem::new(ProblemKind::Gone).detail(
            "The files of this rehearsal are kept for a while only; its report stays. Rehearse again.",
        ));
    }
    let language = wanted_language(&headers);
    let body = match &batch.rejects_key {
        None => Body::from(if shape == Shape::Csv { CSV_HEADER } else { "" }),
        Some(key) => {
            let object = app.store.get(key).await?;
            let object =
                object.ok_or_else(|| Error::Store(format!("the reject file of batch {id} is missing")))?;
            stream_body(object, shape, language)
        }
    };
    Ok(respond(body, shape, &batch))
}

fn respond(body: Body, shape: Shape, batch: &Batch) -> Response {
    let id = batch.id;
    let (media_type, ending) = match shape {
        Shape::Ndjson => ("application/x-ndjson", "ndjson"),
        Shape::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::VARY, HeaderValue::from_static("accept, accept-language"));
    let disposition = format!("attachment; filename=\"rejects-{id}.{ending}\"");
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    if let Ok(value) = HeaderValue::from_str(&where_fixes_go(batch)) {
        headers.insert(header::LINK, value);
    }
    response
}

/// Where the mended records are sent.
fn where_fixes_go(batch: &Batch) -> String {
    format!(
        "</v1/batches?dataset={}&mode=DELTA&period_end={}&fixes={}>; rel=\"edit\"; title=\"POST the mended records here\"",
        batch.dataset, batch.period_end, batch.id
    )
}

/// Unpacks, rewrites and sends on a blocking thread, a few pieces ahead of the caller.
fn stream_body(object: aws_sdk_s3::primitives::ByteStream, shape: Shape, language: Language) -> Body {
    let (send, receive) = mpsc::channel::<std::io::Result<Bytes>>(SEND_DEPTH);
    let packed = SyncIoBridge::new(object.into_async_read());
    tokio::task::spawn_blocking(move || {
        if let Err(error) = rewrite(packed, shape, language, &send) {
            tracing::warn!(%error, "a reject file broke off");
            // The caller sees a broken transfer, never a short file that looks whole.
            let _ = send.blocking_send(Err(error));
        }
    });
    Body::from_stream(stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|piece| (piece, receive))
    }))
}

fn rewrite(
    packed: impl Read,
    shape: Shape,
    language: Language,
    send: &mpsc::Sender<std::io::Result<Bytes>>,
) -> std::io::Result<()> {
    let lines = BufReader::new(zstd::stream::read::Decoder::new(packed)?).lines();
    let mut text = match shape {
        Shape::Ndjson => Vec::new(),
        Shape::Csv => CSV_HEADER.as_bytes().to_vec(),
    };
    for line in lines {
        let line: RejectLine = serde_json::from_str(&line?)?;
        match shape {
            Shape::Ndjson => write_ndjson(&mut text, line, language)?,
            Shape::Csv => write_csv(&mut text, &line, language)?,
        }
        if text.len() >= SEND_BYTES && send.blocking_send(Ok(Bytes::from(std::mem::take(&mut text)))).is_err()
        {
            return Ok(());
        }
    }
    // A caller that has gone needs no rest.
    let _ = send.blocking_send(Ok(Bytes::from(text)));
    Ok(())
}

fn write_ndjson(text: &mut Vec<u8>, line: RejectLine, language: Language) -> std::io::Result<()> {
    let view = RejectView {
        record_no: line.record_no,
        account_ref: line.account_ref,
        application_ref: line.application_ref,
        findings: line.findings.into_iter().map(|finding| view_of(finding, language)).collect(),
    };
    serde_json::to_writer(&mut *text, &view)?;
    text.push(b'\n');
    Ok(())
}

pub(in crate::http) fn view_of(finding: RejectFinding, language: Language) -> RejectFindingView {
    let (message, remedy) = texts(&finding.code, language);
    RejectFindingView {
        code: finding.code,
        severity: finding.severity,
        field: finding.field,
        value_masked: finding.value_masked,
        message,
        remedy,
        detail: finding.detail,
    }
}

const CSV_HEADER: &str =
    "record_no,account_ref,application_ref,code,severity,field,value_masked,message,remedy,detail\r\n";

/// A line per finding: spreadsheets know no lists.
fn write_csv(text: &mut Vec<u8>, line: &RejectLine, language: Language) -> std::io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(text);
    for finding in &line.findings {
        let (message, remedy) = texts(&finding.code, language);
        let optional = |value: &Option<String>| harmless(value.as_deref().unwrap_or_default());
        writer.write_record([
            line.record_no.to_string(),
            optional(&line.account_ref),
            optional(&line.application_ref),
            finding.code.clone(),
            finding.severity.clone(),
            optional(&finding.field),
            optional(&finding.value_masked),
            message.to_owned(),
            remedy.to_owned(),
            optional(&finding.detail),
        ])?;
    }
    writer.flush()
}

/// A cell that a spreadsheet would run as a formula is led by an apostrophe.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

fn texts(code: &str, language: Language) -> (&'static str, &'static str) {
    let Some(rule) = Code::parse(code).map(rule) else { return ("", "") };
    match language {
        Language::English => (rule.message_en, rule.remedy_en),
        Language::Malay => (rule.message_ms, rule.remedy_ms),
    }
}

fn wanted_shape(headers: &HeaderMap) -> Result<Shape, Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let ranges = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    for range in ranges {
        match range {
            "text/csv" | "text/*" => return Ok(Shape::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/*" | "*/*" | "" => {
                return Ok(Shape::Ndjson);
            }
            _ => {}
        }
    }
    Err(Problem::new(ProblemKind::NotAcceptable).detail("Rejects come as application/x-ndjson or text/csv."))
}

pub(in crate::http) fn wanted_language(headers: &HeaderMap) -> Language {
    let wanted =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = wanted.split(',').next().unwrap_or_default().trim();
    if first.starts_with("ms") { Language::Malay } else { Language::English }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_starts_a_formula() {
        assert_eq!(harmless("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(harmless("-1250"), "'-1250");
        assert_eq!(harmless("A-1"), "A-1");
    }

    #[test]
    fn the_first_acceptable_range_decides() {
        let shape = |accept: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            wanted_shape(&headers).ok()
        };
        assert_eq!(shape("text/csv"), Some(Shape::Csv));
        assert_eq!(shape("text/html, application/x-ndjson;q=0.9"), Some(Shape::Ndjson));
        assert_eq!(shape("image/png"), None);
        assert_eq!(wanted_shape(&HeaderMap::new()).ok(), Some(Shape::Ndjson));
    }
}
