//! What archive queries look like.

use serde_json::{Value, json};

pub const ID: &str = "01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b71";

/// The first lines and columns of a result.
pub const CSV: &str = "\
query_id,hit_status,active_account_count,active_bnpl_plan_count\r\n\
01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b62,THIN,1,1\r\n";

pub fn request() -> Value {
    json!({
        "purpose": "CREDIT_APPLICATION",
        "client_reference": "backtest of the third quarter",
        "as_of": "2026-09-30",
        "known_at": "2026-10-15T00:00:00Z",
        "format": "CSV",
        "subjects": ["01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b62"],
    })
}

pub fn query(state: &str) -> Value {
    let done = state == "done";
    let when_done = |value: Value| if done { value } else { Value::Null };
    json!({
        "archive_query_id": ID,
        "state": state,
        "purpose": "CREDIT_APPLICATION",
        "client_reference": "backtest of the third quarter",
        "as_of": "2026-09-30",
        "known_at": "2026-10-15T00:00:00Z",
        "format": "CSV",
        "subjects": 1,
        "subjects_done": if done { 1 } else { 0 },
        "attribute_set_version": "2026.11.1",
        "requested_at": "2026-11-24T04:00:00Z",
        "started_at": when_done(json!("2026-11-24T04:00:02Z")),
        "finished_at": when_done(json!("2026-11-24T04:00:05Z")),
        "failure": null,
        "snapshots": when_done(json!({"silver.account_snapshots": 5_871_002_113_447_i64, "silver.batches": 8_190_332_550_021_i64})),
        "result": when_done(json!({
            "href": format!("/v1/archive-queries/{ID}/result"),
            "bytes": 1873,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "expires_at": "2026-12-01T04:00:05Z",
        })),
    })
}
