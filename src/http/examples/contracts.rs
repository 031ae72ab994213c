//! Contract versions as they are read and written.

use serde_json::{Value, json};

use crate::domain::contract::Dataset;
use crate::domain::contract::spec;
use crate::domain::contract::version::Definition;

/// The dictionary of a dataset, with fewer words or fields once it is changed.
fn definition(dataset: Dataset) -> Value {
    json!(Definition::of(spec::contract(dataset)))
}

fn summary(version: u32, state: &str) -> Value {
    let since = |reached: bool, at: &'static str| reached.then_some(at);
    let (ends, ended) = (matches!(state, "deprecated" | "retired"), state == "retired");
    json!({
        "dataset": "account_snapshot",
        "version": version,
        "state": state,
        "compatibility": "backward",
        "compatibility_reason": null,
        "created_at": "2026-11-24T02:00:00Z",
        "published_at": since(state != "draft", "2026-11-24T03:00:00Z"),
        "deprecated_at": since(ends, "2027-01-04T03:00:00Z"),
        "sunset_on": since(ends, "2027-07-01"),
        "retired_at": since(ended, "2027-07-01T03:00:00Z"),
    })
}

fn view(version: u32, state: &str) -> Value {
    let field = json!({
        "name": "account_ref", "need": "required", "max_length": 64,
        "description": "The contributor's reference of the account: stable, without personal data.",
    });
    json!({ "contract": summary(version, state), "definition": { "fields": [field] } })
}

pub fn list() -> Value {
    json!({ "items": [summary(1, "published")] })
}

pub fn contract() -> Value {
    view(1, "published")
}

/// The next version takes everything that the first one takes.
pub fn draft() -> Value {
    json!({ "definition": definition(Dataset::AccountSnapshot), "compatibility": "backward" })
}

pub fn event_draft() -> Value {
    json!({ "definition": definition(Dataset::RepaymentEvent), "compatibility": "backward" })
}

pub fn drafted() -> Value {
    view(2, "draft")
}

pub fn published() -> Value {
    view(2, "published")
}

pub fn deprecation() -> Value {
    json!({ "sunset_on": "2027-07-01" })
}

pub fn deprecated() -> Value {
    view(2, "deprecated")
}

pub fn retirement() -> Value {
    json!({ "force_reason": "Its last sender has left the pool; nothing is on its way." })
}

pub fn retired() -> Value {
    view(1, "retired")
}

pub fn check() -> Value {
    json!({
        "compatible": false,
        "against": 1,
        "objections": [],
        "incompatibilities": [{ "field": "channel", "reason": "becomes required" }],
    })
}

pub fn users() -> Value {
    json!({ "items": [
        { "contributor": "acme", "pinned": true, "last_received_at": "2026-11-01T02:03:04Z" },
    ] })
}

pub fn pin_request() -> Value {
    json!({ "version": 1 })
}

pub fn pin() -> Value {
    json!({ "contributor": "acme", "dataset": "account_snapshot", "version": 1 })
}
