//! What the server enforces, told as data: `GET /v1/limits`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::{archive_queries, examples, extract, headers, layers, pace, page, server};
use crate::app::AppState;
use crate::pipeline::archive;

/// The limits that this server enforces. Sizes are bytes, times are seconds.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LimitsView {
    batch: BatchLimits,
    request: RequestLimits,
    archive_query: ArchiveQueryLimits,
    connection: ConnectionLimits,
}

/// Of one batch (rule F016).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BatchLimits {
    /// Largest body as received.
    max_bytes: u64,
    /// Largest body after decompression.
    max_decoded_bytes: u64,
    max_records: u64,
    /// Most decompressed bytes per received byte, after the first MiB (rule F004).
    max_ratio: u64,
    /// Longest line or record.
    max_line_bytes: usize,
}

/// Of any request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RequestLimits {
    max_json_bytes: usize,
    max_form_bytes: usize,
    /// Path and query.
    max_target_bytes: usize,
    /// Header fields over HTTP/1.1.
    max_http1_header_bytes: usize,
    max_http1_header_fields: usize,
    /// Header list over HTTP/2.
    max_http2_header_bytes: u32,
    /// Characters of an Idempotency-Key.
    max_idempotency_key_length: usize,
    /// Of a request that is not an upload.
    max_seconds: u64,
    /// Longest `Prefer: wait`.
    max_wait_seconds: u64,
    /// Longest silence within a body.
    max_body_stall_seconds: u64,
    /// Least average bytes per second of a body, after the grace.
    min_body_rate: u64,
    body_rate_grace_seconds: u64,
    /// Most items of a page.
    max_page_items: u16,
}

/// Of one archive query.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ArchiveQueryLimits {
    max_bytes: usize,
    max_subjects: usize,
    /// Queries of one client that wait or run.
    max_open: i64,
}

/// Of one connection.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ConnectionLimits {
    /// From a request's first byte to the end of its header.
    max_header_seconds: u64,
    /// Between requests.
    max_idle_seconds: u64,
    /// How long a client may refuse to read an answer.
    max_write_stall_seconds: u64,
    /// Requests at once over HTTP/2.
    max_http2_streams: u32,
    /// Connections that one process serves at once.
    max_connections: usize,
}

/// The limits that are enforced
#[utoipa::path(get, path = "/v1/limits", tag = "reference", responses((status = 200, description = "The limits", body = LimitsView, example = json!(examples::limits()))))]
pub async fn find_limits(State(app): State<AppState>) -> Json<LimitsView> {
    let batch = &app.config.limits;
    Json(LimitsView {
        batch: BatchLimits {
            max_bytes: batch.max_batch_bytes,
            max_decoded_bytes: batch.max_decoded_bytes,
            max_records: batch.max_records,
            max_ratio: batch.max_ratio,
            max_line_bytes: batch.max_line_bytes,
        },
        request: RequestLimits {
            max_json_bytes: extract::MAX_JSON_BYTES,
            max_form_bytes: extract::MAX_FORM_BYTES,
            max_target_bytes: layers::MAX_URI_BYTES,
            max_http1_header_bytes: server::MAX_HTTP1_HEADER_BYTES,
            max_http1_header_fields: server::MAX_HEADER_FIELDS,
            max_http2_header_bytes: server::MAX_HTTP2_HEADER_BYTES,
            max_idempotency_key_length: headers::MAX_KEY_LENGTH,
            max_seconds: batch.request_timeout.as_secs(),
            max_wait_seconds: headers::MAX_WAIT.as_secs(),
            max_body_stall_seconds: pace::PACE.stall.as_secs(),
            min_body_rate: pace::PACE.min_rate,
            body_rate_grace_seconds: pace::PACE.grace.as_secs(),
            max_page_items: page::Limit::MAX,
        },
        archive_query: ArchiveQueryLimits {
            max_bytes: archive_queries::MAX_ARCHIVE_QUERY_BYTES,
            max_subjects: archive_queries::MAX_SUBJECTS,
            max_open: archive::MAX_OPEN,
        },
        connection: ConnectionLimits {
            max_header_seconds: super::connection::HEADER_LIMIT.as_secs(),
            max_idle_seconds: super::connection::IDLE_LIMIT.as_secs(),
            max_write_stall_seconds: super::connection::WRITE_STALL_LIMIT.as_secs(),
            max_http2_streams: server::MAX_STREAMS,
            max_connections: server::MAX_CONNECTIONS,
        },
    })
}
