//! What lineage looks like.

use serde_json::{Value, json};

use super::BATCH_ID;

fn node(kind: &str, name: &str, side: &str, facts: &Value) -> Value {
    json!({ "id": format!("{kind}:{name}"), "kind": kind, "name": name, "side": side, "facts": facts })
}

/// The graph of a published batch.
pub fn graph() -> Value {
    let object = format!("bronze/0f3d1c52-8a0e-4a57-9d0c-5c5f6f0a7b11/{BATCH_ID}");
    let bytes = json!({
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "bytes": 1_048_576,
        "content_type": "application/x-ndjson", "content_encoding": "identity",
    });
    let edge = |from: &str, to: &str| json!({ "from": from, "to": to, "at": "2026-11-01T02:03:06Z" });
    json!({
        "batch_id": BATCH_ID,
        "nodes": [
            node("batch", BATCH_ID, "batch", &json!({ "dataset": "account_snapshot", "state": "published" })),
            node("bronze_object", &object, "upstream", &bytes),
            node("contract", "account_snapshot/1", "upstream", &json!({})),
            node("rules", "2026.11.3", "upstream", &json!({})),
            node("journal", "account_snapshots", "downstream", &json!({})),
            node("serving_store", "accounts", "downstream", &json!({})),
        ],
        "edges": [
            { "from": format!("bronze_object:{object}"), "to": format!("batch:{BATCH_ID}"), "at": null },
            edge(&format!("batch:{BATCH_ID}"), "journal:account_snapshots"),
            edge("journal:account_snapshots", "serving_store:accounts"),
        ],
    })
}
