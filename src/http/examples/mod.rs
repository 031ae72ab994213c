//! What requests and answers look like, for the OpenAPI document. A test sends every request of them and compares
//! every answer with its documented shape. The person is made up.

pub mod aggregates;
pub mod archive;
pub mod contracts;
pub mod corrections;
pub mod lineage;
pub mod operations;

use serde_json::{Value, json};

pub const BATCH_ID: &str = "01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b5e";

pub const SHADOW_ID: &str = "01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b61";
pub const RECALL_ID: &str = "01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b60";
const CONTRIBUTOR_ID: &str = "0f3d1c52-8a0e-4a57-9d0c-5c5f6f0a7b11";

/// One account of a person, as a line of NDJSON.
pub const NDJSON: &str = concat!(
    r#"{"subject_type":"INDIVIDUAL","id_type":"PASSPORT","id_number":"A00000000","id_country":"SGP","#,
    r#""full_name":"SYNTHETIC PERSON","date_of_birth":"1990-01-31","account_ref":"PLAN-000123","#,
    r#""product_type":"BNPL_PLAN","portfolio_type":"INSTALMENT","as_of_date":"2026-10-31","#,
    r#""opened_date":"2026-09-15","status":"ACTIVE","currency":"MYR","original_amount":30000,"#,
    r#""outstanding":20000,"overdue":0,"dpd":0}"#,
    "\n"
);

/// Another account of the same person, as a table with amounts in ringgit.
pub const CSV: &str = "\
subject_type,id_type,id_number,id_country,full_name,date_of_birth,account_ref,product_type,portfolio_type,\
as_of_date,opened_date,status,currency,original_amount,outstanding,overdue,dpd\n\
INDIVIDUAL,PASSPORT,A00000000,SGP,SYNTHETIC PERSON,1990-01-31,PLAN-000124,BNPL_PLAN,INSTALMENT,\
2026-10-31,2026-08-01,ACTIVE,MYR,450.00,150.00,50.00,12\n";

fn batch(state: &str, counts: &Value, next_states: &[&str]) -> Value {
    let this = format!("/v1/batches/{BATCH_ID}");
    json!({
        "id": BATCH_ID,
        "dataset": "account_snapshot",
        "mode": "DELTA",
        "period_end": "2026-10-31",
        "state": state,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "bytes": 1_048_576,
        "counts": counts,
        "received_at": "2026-11-01T02:03:04Z",
        "settled_at": if state == "received" { Value::Null } else { json!("2026-11-01T02:03:06Z") },
        "published_at": if state == "published" { json!("2026-11-01T02:03:06Z") } else { Value::Null },
        "next_states": next_states,
        "idempotency_key": "october-2026",
        "rules_version": if counts.is_null() { Value::Null } else { json!("2026.11.3") },
        "links": {
            "self": this,
            "report": format!("{this}/report"),
            "rejects": format!("{this}/rejects"),
            "receipt": format!("{this}/receipt"),
        },
    })
}

pub fn received() -> Value {
    batch("received", &Value::Null, &["validating", "cancelled"])
}

pub fn published() -> Value {
    let counts = json!({
        "received": 4000, "accepted": 3980, "rejected": 17, "duplicate": 3, "unprocessed": 0, "warned": 122,
    });
    batch("published", &counts, &["curated", "superseded", "recalled"])
}

pub fn cancelled() -> Value {
    batch("cancelled", &Value::Null, &[])
}

pub fn submission() -> Value {
    json!({ "batch": received(), "receipt": receipt()["receipt"] })
}

/// A correction that was made of the rejected records of the example's batch.
pub fn replayed() -> Value {
    let mut submission = submission();
    submission["batch"]["id"] = json!("01936f62-11d0-7a52-8f0e-5b6a7c8d9e0f");
    submission["batch"]["fixes"] = json!(BATCH_ID);
    submission["batch"]["idempotency_key"] = json!("october-2026-replay");
    submission
}

pub fn page() -> Value {
    json!({ "items": [received()], "next_cursor": "IjAxOTM2ZjVlLTdjMWEtN2MzZS05YjFlLTJmNmQwYzFhNGI1ZSIB" })
}

pub fn receipt() -> Value {
    json!({ "receipt": "eyJhbGciOiJFZERTQSIsInR5cCI6InJlY2VpcHQrandzIn0.eyJiYXRjaF9pZCI6IjAxOTM2ZjVlIn0.c2lnbmF0dXJl" })
}

pub fn report() -> Value {
    let totals = json!({
        "record_count": 4000, "sum_outstanding_sen": 81_234_500, "sum_overdue_sen": 1_200_300, "count_by_status": null,
    });
    json!({
        "batch": published(),
        "rules": [{
            "code": "X007",
            "severity": "R",
            "records": 17,
            "message": "There are days past due without an overdue amount, or an overdue amount without days past due.",
            "remedy": "Derive both from the same unpaid instalments, on the as_of_date; amounts below one ringgit only warn.",
            "samples": [{ "record_no": 12, "account_ref": "PLAN-000134", "field": "overdue", "value_masked": "0" }],
        }],
        "totals": { "declared": totals, "recomputed": totals },
        "thresholds": { "reject_bps": 500, "identity_reject_bps": 200 },
    })
}

/// One line of the reject file.
pub fn reject() -> Value {
    json!({
        "record_no": 12,
        "account_ref": "PLAN-000134",
        "findings": [{
            "code": "X007",
            "severity": "R",
            "field": "overdue",
            "value_masked": "0",
            "message": "There are days past due without an overdue amount, or an overdue amount without days past due.",
            "remedy": "Derive both from the same unpaid instalments, on the as_of_date; amounts below one ringgit only warn.",
        }],
    })
}

/// One row of the quarantine.
pub fn rejected_record() -> Value {
    let mut record = reject();
    record["batch_id"] = json!(BATCH_ID);
    record["dataset"] = json!("account_snapshot");
    record["period_end"] = json!("2026-10-31");
    record["rejected_at"] = json!("2026-11-01T02:03:06Z");
    record
}

pub fn rejected_records() -> Value {
    json!({ "items": [rejected_record()], "next_cursor": "WyIwMTkzNmY1ZS03YzFhLTdjM2UiLDEyXQB" })
}

pub fn explanation() -> Value {
    json!({ "explanation": "All August plans were opened in one promotion; the counts are right." })
}

pub fn operator_batch() -> Value {
    json!({
        "contributor_id": CONTRIBUTOR_ID,
        "batch": received(),
        "failure": null,
        "hold_explanation": null,
        "transitions": [{
            "from": "receiving", "to": "received", "at": "2026-11-01T02:03:04Z", "actor": "client", "reason": null,
        }],
    })
}

pub fn dead_letters() -> Value {
    json!({ "items": [{
        "batch_id": BATCH_ID,
        "contributor_id": CONTRIBUTOR_ID,
        "dataset": "account_snapshot",
        "period_end": "2026-10-31",
        "received_at": "2026-11-01T02:03:04Z",
        "failed_at": "2026-11-01T02:04:10Z",
        "age_seconds": 5400,
        "cause": "internal: the stored object is missing",
        "attempts": 3,
    }] })
}

pub fn recall_reason() -> Value {
    json!({ "reason": "The contributor's export mixed two portfolios; a corrected file follows." })
}

pub fn recall(state: &str) -> Value {
    let decided = state != "requested";
    json!({
        "recall_id": RECALL_ID,
        "batch_id": BATCH_ID,
        "contributor_id": CONTRIBUTOR_ID,
        "state": state,
        "reason": recall_reason()["reason"],
        "requested_by": "5b1f0f0e-2f39-4f0e-8f52-0c7f0d0f3a10",
        "requested_at": "2026-11-02T03:00:00Z",
        "decided_by": if decided { json!("c4d7c3a2-7c57-4a58-9c05-3f0b3e6f1d22") } else { Value::Null },
        "decided_at": if decided { json!("2026-11-02T03:05:00Z") } else { Value::Null },
    })
}

pub fn shadow(state: &str) -> Value {
    let (judged, promoted) = (state != "queued", state == "promoting");
    let some = |there: bool, value: Value| if there { value } else { Value::Null };
    let judgement = |accepted: i64| {
        json!({
            "counts": {
                "received": 4000, "accepted": accepted, "rejected": 3997 - accepted, "duplicate": 3,
                "unprocessed": 0, "warned": 122,
            },
            "rules": [{ "code": "X007", "severity": "R", "records": 3997 - accepted }],
        })
    };
    let none = json!({ "records": 0, "record_nos": [] });
    json!({
        "shadow_id": SHADOW_ID,
        "batch_id": BATCH_ID,
        "contributor_id": CONTRIBUTOR_ID,
        "state": state,
        "requested_by": "5b1f0f0e-2f39-4f0e-8f52-0c7f0d0f3a10",
        "requested_at": "2026-11-02T03:00:00Z",
        "judged_at": some(judged, json!("2026-11-02T03:00:09Z")),
        "rules_version": some(judged, json!("2026.11.2")),
        "batch_state": some(judged, json!("published")),
        "verdict": some(judged, json!("published")),
        "before": some(judged, judgement(3980)),
        "after": some(judged, judgement(3982)),
        "difference": some(judged, json!({
            "newly_rejected": none,
            "newly_accepted": { "records": 2, "record_nos": [12, 871] },
            "changed": none,
        })),
        "promoted_by": some(promoted, json!("c4d7c3a2-7c57-4a58-9c05-3f0b3e6f1d22")),
        "promoted_at": some(promoted, json!("2026-11-02T03:05:00Z")),
        "failure": null,
    })
}

pub fn recalls() -> Value {
    json!({ "items": [recall("requested")] })
}

pub fn question() -> Value {
    json!({
        "subject": { "id_type": "PASSPORT", "id_number": "A00000000" },
        "purpose": "CREDIT_APPLICATION",
        "consent": {
            "reference": "consent-2026-000123",
            "obtained_at": "2026-11-20T01:30:00Z",
            "expires_at": "2026-12-20T00:00:00Z",
        },
        "client_reference": "checkout-000123",
        "as_of": "2026-11-20",
    })
}

pub fn token_request() -> Value {
    json!({ "grant_type": "client_credentials", "scope": "batches:read" })
}

pub fn token() -> Value {
    json!({
        "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzY29wZSI6ImJhdGNoZXM6cmVhZCJ9.c2lnbmF0dXJl",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "batches:read",
    })
}

pub fn keys() -> Value {
    json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "2026-11",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }] })
}

pub fn metadata() -> Value {
    json!({
        "issuer": "https://etrplus.example",
        "token_endpoint": "https://etrplus.example/oauth/token",
        "jwks_uri": "https://etrplus.example/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials"],
    })
}

pub fn health() -> Value {
    json!({ "status": "alive", "version": env!("CARGO_PKG_VERSION") })
}

pub fn ready() -> Value {
    let check = |name: &str| json!({ "name": name, "ok": true });
    let checks = ["database", "schema", "object-store"].map(check);
    json!({ "status": "ready", "checks": checks })
}

pub fn rule() -> Value {
    json!({
        "code": "X007",
        "severity": "R",
        "level": "row",
        "title": {
            "en": "Overdue amount and days past due disagree",
            "ms": "Amaun tertunggak dan hari tertunggak tidak sepadan",
        },
        "datasets": ["account_snapshot"],
        "fields": ["overdue", "dpd"],
        "message": {
            "en": "There are days past due without an overdue amount, or an overdue amount without days past due.",
            "ms": "Terdapat hari tertunggak tanpa amaun overdue, atau amaun overdue tanpa hari tertunggak.",
        },
        "remedy": {
            "en": "Derive both from the same unpaid instalments, on the as_of_date; amounts below one ringgit only warn.",
            "ms": "Terbitkan kedua-duanya daripada ansuran tertunggak yang sama, pada as_of_date; amaun bawah satu ringgit hanya diberi amaran.",
        },
        "enabled_from": "2026-11-24",
        "overridable": true,
    })
}

/// The rule as it is told by itself.
pub fn rule_with_example() -> Value {
    let mut rule = rule();
    rule["example"] = json!({
        "breaks": { "dataset": "account_snapshot", "rows": [{ "dpd": 12, "overdue": 0 }] },
        "passes": { "dataset": "account_snapshot", "rows": [{ "dpd": 12, "overdue": 10_000 }] },
    });
    rule
}

pub fn rules() -> Value {
    json!({ "version": "2026.11.3", "rules": [rule()] })
}

pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "account_snapshot",
        "type": "object",
    })
}

pub fn listings() -> Value {
    let listing = json!({
        "account_ref": "PLAN-000009",
        "as_of_date": "2026-10-31",
        "amount": 45_000,
        "dpd": 90,
        "evidence_ref": "contracts/PLAN-000009",
    });
    json!({ "items": [listing], "next_cursor": null })
}

pub fn delisting_request() -> Value {
    json!({ "settled_on": "2026-11-05" })
}

pub fn delisting() -> Value {
    json!({
        "account_ref": "PLAN-000009",
        "delisted_on": "2026-11-10",
        "settled_on": "2026-11-05",
        "breached": false,
    })
}

pub const OBLIGATION_ID: &str = "5d2f6c1e-3b0a-4e57-9c8d-7a1b2c3d4e5f";

pub fn obligation() -> Value {
    json!({
        "id": OBLIGATION_ID,
        "contributor": "documented",
        "dataset": "account_snapshot",
        "period_end": "2026-10-31",
        "due_on": "2026-11-06",
        "calendar_state": "KUL",
        "state": "LATE",
        "days_late": 4,
        "batch_id": BATCH_ID,
        "received_at": "2026-11-10T02:03:04Z",
        "found_late_at": "2026-11-06T16:02:00Z",
        "waiver": null,
    })
}

pub fn obligations() -> Value {
    json!({ "items": [obligation()], "next_cursor": "IjAxOTM2ZjVlLTdjMWEtN2MzZS05YjFlLTJmNmQwYzFhNGI1ZSIB" })
}

pub fn scorecard() -> Value {
    let dimension = |name: &str, weight: u32, score: Option<u32>, counts: Value| {
        json!({
            "dimension": name, "weight": weight, "score_bps": score, "counts": counts,
            "null_reason": if score.is_some() { Value::Null } else { json!("NO_CORRECTION_DUE") },
        })
    };
    json!({
        "period_end": "2026-10-31",
        "score_bps": 9686,
        "weights_used": 85,
        "dimensions": [
            dimension("TIMELINESS", 20, Some(10_000), json!({ "obligations_due": 1, "obligations_on_time": 1 })),
            dimension("COMPLETENESS", 25, Some(9475), json!({
                "accounts_reported": 199, "accounts_missing": 1, "fields_expected": 1000, "fields_missing": 100,
            })),
            dimension("VALIDITY", 20, Some(9476), json!({ "records_received": 210, "records_rejected": 11 })),
            dimension("CONSISTENCY", 20, Some(9849), json!({ "records_accepted": 199, "history_warnings": 3 })),
            dimension("CORRECTION_RESPONSIVENESS", 15, None, json!({ "corrections_due": 0, "corrections_in_time": 0 })),
        ],
        "trend": [
            { "period_end": "2026-10-31", "score_bps": 9686, "weights_used": 85 },
            { "period_end": "2026-09-30", "score_bps": null, "weights_used": 0 },
        ],
        "top_rules": [{
            "code": "X007",
            "severity": "R",
            "records": 11,
            "message": "There are days past due without an overdue amount, or an overdue amount without days past due.",
        }],
        "peers": { "percentile_bps": null, "null_reason": "FEWER_THAN_FIVE_PEERS" },
        "thresholds": { "working_days": 5, "reject_bps": 500, "identity_reject_bps": 200 },
    })
}

pub fn waiver() -> Value {
    json!({ "reason": "The core system is being replaced this month." })
}

pub fn waived_obligation() -> Value {
    let mut waived = obligation();
    waived["state"] = json!("WAIVED");
    waived["days_late"] = Value::Null;
    waived["waiver"] = json!({ "at": "2026-11-09T01:00:00Z", "reason": waiver()["reason"] });
    waived
}

pub fn holidays() -> Value {
    json!({
        "state": "KUL",
        "year": 2026,
        "complete": true,
        "weekend": ["SATURDAY", "SUNDAY"],
        "holidays": [
            { "day": "2026-11-08", "name": "Deepavali", "basis": "announced" },
            { "day": "2026-11-09", "name": "Deepavali, day off in its place", "basis": "computed" },
        ],
    })
}

pub fn holiday_request() -> Value {
    json!({ "day": "2026-12-04", "kind": "HOLIDAY", "states": ["KUL", "PJY", "SGR"], "name": "Declared public holiday" })
}

pub fn reporting() -> Value {
    json!({
        "calendar_state": "SGR",
        "cadences": {
            "account_snapshot": { "cadence": "MONTHLY", "starts_on": "2026-11-01" },
            "repayment_event": { "cadence": "NONE", "starts_on": "2026-11-01" },
        },
    })
}

pub fn schedule() -> Value {
    json!({
        "name": "sweep_abandoned_uploads",
        "every_seconds": 10,
        "due_at": "2026-11-24T04:00:10Z",
        "running": false,
        "last_started_at": "2026-11-24T04:00:00Z",
        "last_run_at": "2026-11-24T04:00:00Z",
        "last_changed": 0,
        "last_error": null,
    })
}

pub fn schedules() -> Value {
    json!({ "schedules": [schedule()] })
}

pub fn openapi() -> Value {
    json!({ "openapi": "3.1.0", "info": { "title": "eTR+" }, "paths": {} })
}

pub fn limits() -> Value {
    json!({
        "batch": {
            "max_bytes": 4_294_967_296_u64, "max_decoded_bytes": 34_359_738_368_u64, "max_records": 10_000_000,
            "max_ratio": 100, "max_line_bytes": 1_048_576,
        },
        "request": {
            "max_json_bytes": 1_048_576, "max_form_bytes": 65_536, "max_target_bytes": 8192,
            "max_http1_header_bytes": 65_536, "max_http1_header_fields": 64, "max_http2_header_bytes": 16_384,
            "max_idempotency_key_length": 255, "max_seconds": 30, "max_wait_seconds": 20,
            "max_body_stall_seconds": 60, "min_body_rate": 1024, "body_rate_grace_seconds": 30,
            "max_page_items": 200,
        },
        "archive_query": { "max_bytes": 50_331_648, "max_subjects": 1_000_000, "max_open": 10 },
        "connection": {
            "max_header_seconds": 10, "max_idle_seconds": 60, "max_write_stall_seconds": 30,
            "max_http2_streams": 100, "max_connections": 10_000,
        },
    })
}
