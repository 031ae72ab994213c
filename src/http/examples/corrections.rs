//! What corrections look like.

use serde_json::{Value, json};

pub const NOTICE_ID: &str = "01936f80-4b1c-7a52-8d3e-6f7a8b9c0d1e";
pub const CORRECTION_ID: &str = "01936f70-9a4e-7d21-b5c8-1e2f3a4b5c6d";

pub fn request() -> Value {
    json!({
        "account_ref": "ACC-000001",
        "as_of_from": "2026-10-01",
        "as_of_to": "2026-10-31",
        "changes": { "outstanding": 55_000 },
        "reason": "PAYMENT_POSTED_LATE",
    })
}

fn correction(state: &str, kind: &str, changes: &Value) -> Value {
    let decided = kind != "CHANGE" && state != "requested";
    json!({
        "correction_id": CORRECTION_ID,
        "contributor_id": "0f9619ff-8b86-4d01-b42d-00cf4fc964c1",
        "account_ref": "ACC-000001",
        "as_of_from": "2026-10-01",
        "as_of_to": "2026-10-31",
        "kind": kind,
        "changes": changes,
        "reason": if kind == "CHANGE" { "PAYMENT_POSTED_LATE" } else { "DUPLICATE" },
        "evidence_ref": null,
        "adverse": false,
        "records": 1,
        "state": state,
        "requested_by": "0f9619ff-8b86-4d01-b42d-00cf4fc964f1",
        "requested_at": "2026-11-24T02:00:00Z",
        "agreed_by": null,
        "agreed_at": null,
        "decided_by": decided.then_some("0f9619ff-8b86-4d01-b42d-00cf4fc964f2"),
        "decided_at": decided.then_some("2026-11-24T03:00:00Z"),
        "applied_at": (state == "applied").then_some("2026-11-24T03:00:00Z"),
        "history": [],
        "override_reason": null,
    })
}

pub fn applied() -> Value {
    correction("applied", "CHANGE", &json!({ "outstanding": 55_000 }))
}

pub fn deleted() -> Value {
    correction("applied", "DELETE_ERROR", &json!({}))
}

pub fn refused() -> Value {
    correction("refused", "DELETE_ERROR", &json!({}))
}

/// An account whose holder was another person with a similar number.
pub fn rekey_request() -> Value {
    json!({
        "account_ref": "PLAN-000009",
        "as_of_from": "2026-10-01",
        "as_of_to": "2026-10-31",
        "rekey": {
            "person": {
                "subject_type": "INDIVIDUAL",
                "id_type": "PASSPORT",
                "id_number": "A00000000",
                "id_country": "IDN",
                "full_name": "SUBJECT SYNTHETIC",
            },
        },
        "evidence_ref": "cases/2026-000031",
    })
}

pub fn rekey() -> Value {
    let mut view = correction("requested", "REKEY", &json!({ "holder_role": "PRIMARY" }));
    let operator = view["requested_by"].clone();
    for (member, value) in [
        ("account_ref", json!("PLAN-000009")),
        ("reason", json!("WRONG_SUBJECT")),
        ("evidence_ref", json!("cases/2026-000031")),
        ("adverse", json!(true)),
        ("agreed_by", operator),
        ("agreed_at", json!("2026-11-24T02:00:00Z")),
    ] {
        view[member] = value;
    }
    view
}

pub fn page() -> Value {
    json!({ "items": [applied()] })
}

fn notice(acknowledged_at: Option<&str>) -> Value {
    json!({
        "notice_id": NOTICE_ID,
        "change": "CORRECTED",
        "changed_at": "2026-11-24T03:00:00Z",
        "created_at": "2026-11-24T03:01:10Z",
        "acknowledged_at": acknowledged_at,
        "answers": 1,
        "first_answered_at": "2026-11-20T04:00:00Z",
        "last_answered_at": "2026-11-20T04:00:00Z",
        "queries": [{
            "query_id": "01936f40-2a3b-7c4d-8e5f-6a7b8c9d0e1f",
            "client_reference": "checkout-000123",
            "as_of": "2026-11-20",
            "answered_at": "2026-11-20T04:00:00Z",
        }],
    })
}

pub fn notices() -> Value {
    json!({ "items": [notice(None)] })
}

pub fn acknowledged_notice() -> Value {
    notice(Some("2026-11-24T06:00:00Z"))
}

pub fn redisclosures() -> Value {
    json!({ "items": [{
        "redisclosure_id": "01936f80-3a2b-7c1d-9e8f-5a6b7c8d9e0f",
        "contributor_id": "0f9619ff-8b86-4d01-b42d-00cf4fc964c1",
        "account_ref": "ACC-000001",
        "correction_id": CORRECTION_ID,
        "change": "CORRECTED",
        "changed_at": "2026-11-24T03:00:00Z",
        "noticed_at": "2026-11-24T03:01:10Z",
        "recipients": [{
            "client_id": "0f9619ff-8b86-4d01-b42d-00cf4fc964f7",
            "answers": 1,
            "first_answered_at": "2026-11-20T04:00:00Z",
            "last_answered_at": "2026-11-20T04:00:00Z",
            "noticed_at": "2026-11-24T03:01:10Z",
            "acknowledged_at": null,
        }],
    }] })
}
