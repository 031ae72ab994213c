//! What operators send and read.

use serde_json::{Value, json};

/// The contributor of the examples.
pub const SLUG: &str = "acme";
pub const OVERRIDE_ID: &str = "5b0f9a52-4f7e-4c44-9d0a-6a2f6a0c1e01";
pub const CONSTANT_ID: &str = "5b0f9a52-4f7e-4c44-9d0a-6a2f6a0c1e02";

/// Signatures under an agreement in a state.
pub fn approval(state: &str) -> Value {
    let signed = state != "requested";
    let ended = state == "revoked";
    json!({
        "state": state,
        "requested_by": "client:0f9619ff-8b86-4d01-b42d-00cf4fc964f1",
        "requested_at": "2026-11-24T02:00:00Z",
        "approved_by": signed.then_some("client:0f9619ff-8b86-4d01-b42d-00cf4fc964f2"),
        "approved_at": signed.then_some("2026-11-24T03:00:00Z"),
        "revoked_by": ended.then_some("client:0f9619ff-8b86-4d01-b42d-00cf4fc964f1"),
        "revoked_at": ended.then_some("2026-12-24T03:00:00Z"),
    })
}

pub fn tombstone_request() -> Value {
    json!({ "id_type": "PASSPORT", "id_number": "A99999999", "case_id": "CASE-2026-000017" })
}

pub fn tombstone() -> Value {
    json!({ "case_id": "CASE-2026-000017", "erased_at": "2026-11-24T04:00:00Z" })
}

pub fn override_request() -> Value {
    json!({
        "code": "X007",
        "effect": "warn",
        "reason": "The old ledger rounds overdue amounts down until its replacement in June.",
        "starts_on": "2026-11-24",
        "expires_on": "2027-06-30",
    })
}

fn agreed(state: &str) -> Value {
    let mut view = override_request();
    view["id"] = json!(OVERRIDE_ID);
    view["approval"] = approval(state);
    view
}

pub fn override_requested() -> Value {
    agreed("requested")
}

pub fn override_approved() -> Value {
    agreed("approved")
}

pub fn override_revoked() -> Value {
    agreed("revoked")
}

pub fn overrides() -> Value {
    json!({ "items": [override_approved()] })
}

pub fn constant_request() -> Value {
    json!({
        "dataset": "account_snapshot",
        "field": "dpd",
        "value": "0",
        "reason": "The ledger keeps no days past due; accounts in arrears are sold at once.",
    })
}

fn constant(state: &str) -> Value {
    let mut view = constant_request();
    view["id"] = json!(CONSTANT_ID);
    view["approval"] = approval(state);
    view
}

pub fn constant_requested() -> Value {
    constant("requested")
}

pub fn constant_approved() -> Value {
    constant("approved")
}

pub fn constant_revoked() -> Value {
    constant("revoked")
}

pub fn constants() -> Value {
    json!({ "items": [constant_approved()] })
}

pub const CASE_ID: &str = "3c9a1f40-6d2b-4f1e-8a57-0b9c8d7e6f5a";

/// A case about a name, as it stands.
pub fn identity_review(state: &str) -> Value {
    let decided = state != "open";
    json!({
        "case_id": CASE_ID,
        "contributor_id": "0f9619ff-8b86-4d01-b42d-00cf4fc964c1",
        "batch_id": "01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b5e",
        "record_no": 12,
        "account_ref": "PLAN-000134",
        "state": state,
        "opened_at": "2026-11-24T02:00:00Z",
        "decided_by": decided.then_some("0f9619ff-8b86-4d01-b42d-00cf4fc964f2"),
        "decided_at": decided.then_some("2026-11-25T02:00:00Z"),
        "correction_id": null,
    })
}

pub fn identity_reviews() -> Value {
    json!({ "items": [identity_review("open")] })
}

pub fn identity_decision() -> Value {
    json!({ "outcome": "same_person" })
}

/// What a comparison found.
pub fn reconciliations() -> Value {
    json!({ "items": [{
        "reconciliation_id": "01936f80-11aa-7b3c-8d4e-5f60718293a4",
        "contributor_id": "0f9619ff-8b86-4d01-b42d-00cf4fc964c1",
        "asked_by": "schedule",
        "started_at": "2026-11-24T02:00:00Z",
        "finished_at": "2026-11-24T02:00:04Z",
        "since": null,
        "full": false,
        "complete": true,
        "differences": 1,
        "checks": [
            { "check": "conservation", "compared": 212, "differences": 0 },
            { "check": "journal", "compared": 212, "differences": 0 },
            { "check": "bronze", "compared": 5, "differences": 1 },
            { "check": "accounts", "compared": 48_211, "differences": 0 },
        ],
        "examples": [{
            "check": "bronze",
            "key": "batch 01936f5e-7c1a-7c3e-9b1e-2f6d0c1a4b5e",
            "expected": "as the receipt says",
            "found": "no object",
        }],
    }] })
}
