//! What two operators let one contributor do: rules that are milder for a while, constants for what it does not have.

use chrono::TimeDelta;
use etrplus::domain::contract::{Dataset, Field, Terms};
use etrplus::domain::rules::{Code, Effect};
use serde_json::{Value, json};

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::records::{account, account_with, csv, ndjson, nric};

const OVERRIDES: &str = "/v1/operations/contributors/sender/overrides";
const CONSTANTS: &str = "/v1/operations/contributors/sender/constants";

fn x007_may_warn() -> Value {
    json!({
        "code": "X007", "effect": "warn", "reason": "the ledger rounds overdue down", "expires_on": "2026-12-31",
    })
}

/// An account that breaks X007: late, and nothing overdue.
fn late(n: u32) -> Value {
    account_with(n, &json!({"dpd": 4}))
}

fn severity<'r>(report: &'r Report, code: &str) -> Option<&'r str> {
    let rules = report.0["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["code"] == code).map(|rule| rule["severity"].as_str().unwrap())
}

async fn id_of(operator: &Caller, path: &str, request: &Value) -> String {
    operator.post_json(path, request).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_milder_once_two_operators_agree_and_until_it_ends() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let (one, two) = (eyes.operator("one").await, eyes.operator("two").await);

    // Asked for, and asked for again: one override, and nothing is milder yet.
    let id = id_of(&one, OVERRIDES, &x007_may_warn()).await;
    assert_eq!(id_of(&two, OVERRIDES, &x007_may_warn()).await, id);
    let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&[late(1)]))).await;
    assert_eq!(severity(&report, "X007"), Some("R"));
    assert!(report.0.get("softened").is_none());

    // Whoever asked cannot agree; another one can, and doing it twice changes nothing.
    let approve = format!("/v1/operations/overrides/{id}/approve");
    let refused = one.post(&approve).await.expect(409).json();
    assert_eq!(refused["code"], "same-operator");
    let agreed = two.post(&approve).await.expect(200).json();
    assert_eq!(two.post(&approve).await.expect(200).json(), agreed);
    let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&[late(2), account(3)]))).await;
    report.assert_conservation();
    // Both accounts are first reported late (P015).
    assert_eq!((report.count("accepted"), report.count("warned")), (2, 2));
    assert_eq!(severity(&report, "X007"), Some("W"));
    let softened = json!([{"code": "X007", "effect": "warn", "until": "2026-12-31", "override_id": id}]);
    assert_eq!(report.0["softened"], softened);

    // Nobody else's rules are milder.
    let other = eyes.contributor("other", patient()).await;
    let strict = eyes.judged(&other, &Submission::ndjson(ndjson(&[late(2)]))).await;
    assert_eq!(severity(&strict, "X007"), Some("R"));

    // The day after its last it is over; what was reached under it stays explained.
    eyes.advance(TimeDelta::days(38));
    let (mut sender, mut one) = (sender, one);
    sender.renew_token().await;
    one.renew_token().await;
    let again = eyes.judged(&sender, &Submission::ndjson(ndjson(&[late(4)]))).await;
    assert_eq!(severity(&again, "X007"), Some("R"));
    assert_eq!(sender.report(report.id()).await["softened"], softened);

    let list = one.get(OVERRIDES).await.expect(200).json();
    assert_eq!(list["items"][0]["approval"]["state"], "approved");
    one.get("/v1/operations/contributors/nobody/overrides").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_override_is_over_at_once_and_cannot_be_agreed_to() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let (one, two) = (eyes.operator("one").await, eyes.operator("two").await);
    let id = id_of(&one, OVERRIDES, &x007_may_warn()).await;
    two.post(&format!("/v1/operations/overrides/{id}/approve")).await.expect(200);
    let revoke = format!("/v1/operations/overrides/{id}/revoke");
    let revoked = one.post(&revoke).await.expect(200).json();
    assert_eq!(two.post(&revoke).await.expect(200).json(), revoked);
    let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&[late(1)]))).await;
    assert_eq!(severity(&report, "X007"), Some("R"));
    two.post(&format!("/v1/operations/overrides/{id}/approve")).await.expect(409);
    // The rule may be softened again, by another request.
    assert_ne!(id_of(&one, OVERRIDES, &x007_may_warn()).await, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_softened_or_is_too_long_is_refused() {
    let eyes = TestApp::start().await;
    eyes.contributor("sender", patient()).await;
    let one = eyes.operator("one").await;
    let with = |member: &str, value: Value| {
        let mut request = x007_may_warn();
        request[member] = value;
        request
    };
    for (request, status) in [
        (with("code", json!("I001")), 422),
        (with("code", json!("V001")), 422),
        (with("code", json!("F001")), 422),
        (with("code", json!("V007")), 422),
        (with("code", json!("Z999")), 422),
        (with("effect", json!("silent")), 422),
        (with("reason", json!("because")), 422),
        (with("expires_on", json!("2027-11-27")), 422),
        (with("expires_on", json!("2026-11-23")), 422),
        (with("expires_on", json!("2026-13-01")), 422),
        (with("starts_on", json!("2027-01-01")), 422),
    ] {
        one.post_json(OVERRIDES, &request).await.expect(status);
    }
    id_of(&one, OVERRIDES, &x007_may_warn()).await;
    one.post_json(OVERRIDES, &with("effect", json!("off"))).await.expect(409);
    one.post_json("/v1/operations/contributors/nobody/overrides", &x007_may_warn()).await.expect(404);
}

/// A milder rule never lets through what the store could not hold: negative amounts are taken, a negative count of
/// days is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_softened_v005_takes_what_can_be_stored() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.soften("sender", Code::V005, Effect::Warn).await;
    let records = [
        account_with(1, &json!({"outstanding": -500, "overdue": -500})),
        account_with(2, &json!({"instalments_paid": -1})),
        account_with(3, &json!({"dpd": -1})),
        account_with(4, &json!({"outstanding": i64::MIN})),
    ];
    let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    report.assert_conservation();
    assert_eq!((report.count("accepted"), report.count("rejected")), (2, 2), "{:#}", report.0);
    assert_eq!(report.count("warned"), 2);
    let engine = eyes.risk_engine().await;
    let profile = engine.ask(&nric(1), "2026-11-20").await.expect(200).json();
    assert_eq!(profile["accounts"].as_array().unwrap().len(), 1);
}

/// A rule that holds a batch only warns: the batch is published at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_softened_hold_holds_nothing() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let one_person: Vec<Value> = (1..=51).map(|n| account_with(n, &json!({"id_number": nric(3)}))).collect();
    eyes.soften("sender", Code::I016, Effect::Warn).await;
    let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&one_person))).await;
    assert_eq!((report.state(), report.count("warned")), ("published", 51));
    assert_eq!(severity(&report, "I016"), Some("W"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_stands_in_for_what_is_not_sent() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let (one, two) = (eyes.operator("one").await, eyes.operator("two").await);
    let request = json!({
        "dataset": "account_snapshot", "field": "overdue", "value": "0", "reason": "the ledger has no such column",
    });
    let without = |n| account_with(n, &json!({"overdue": null}));
    let lines =
        || Submission::ndjson(ndjson(&[without(1), account_with(2, &json!({"overdue": 7, "dpd": 3}))]));
    let table = || {
        Submission::csv(csv(&[without(3), without(4)])).with("sum_outstanding_sen=120000&sum_overdue_sen=0")
    };

    let id = id_of(&one, CONSTANTS, &request).await;
    assert_eq!(id_of(&one, CONSTANTS, &request).await, id);
    one.post(&format!("/v1/operations/constants/{id}/approve")).await.expect(409);
    let refused = eyes.judged(&sender, &table()).await;
    assert_eq!((refused.state(), refused.rules().contains_key("F006")), ("rejected", true));

    two.post(&format!("/v1/operations/constants/{id}/approve")).await.expect(200);
    let report = eyes.judged(&sender, &lines()).await;
    report.assert_conservation();
    assert_eq!((report.count("accepted"), report.rules()), (2, [("P015", 2)].into()), "{:#}", report.0);
    assert_eq!(report.0["imputed"], json!({"overdue": 1}));
    let report = eyes.judged(&sender, &table().with("allow_duplicate=true")).await;
    assert_eq!(report.count("accepted"), 2, "{:#}", report.0);
    assert_eq!(report.0["imputed"], json!({"overdue": 2}));
    // Each record says for itself what was not sent.
    let imputed: Vec<(String, Option<Vec<String>>)> = sqlx::query_as(
        "/* test.imputed */ SELECT account_ref, imputed FROM account_snapshots ORDER BY account_ref",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    let marked = Some(vec!["overdue".to_owned()]);
    assert_eq!(
        imputed.iter().map(|(_, fields)| fields.clone()).collect::<Vec<_>>(),
        [marked.clone(), None, marked.clone(), marked]
    );

    one.post(&format!("/v1/operations/constants/{id}/revoke")).await.expect(200);
    let refused = eyes.judged(&sender, &lines().with("allow_duplicate=true")).await;
    assert_eq!(refused.rules().get("V001"), Some(&1));
    assert!(refused.0.get("imputed").is_none());
}

/// Declared totals are about the file: what a constant supplies is not in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_constant_is_not_part_of_the_declared_totals() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    eyes.impute("sender", Dataset::AccountSnapshot, Field::Outstanding, "60000").await;
    let book = ndjson(&[account(1), account_with(2, &json!({"outstanding": null}))]);
    let report = eyes.judged(&sender, &Submission::ndjson(book).with("sum_outstanding_sen=60000")).await;
    assert_eq!((report.state(), report.count("accepted")), ("published", 2), "{:#}", report.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_that_would_hide_a_record_is_refused() {
    let eyes = TestApp::start().await;
    eyes.contributor("sender", patient()).await;
    let one = eyes.operator("one").await;
    for (field, value) in [
        ("full_name", "SUBJECT"),
        ("id_number", "900101145678"),
        ("account_ref", "A-1"),
        ("as_of_date", "2026-10-31"),
        ("settled_date", "2026-10-31"),
        ("overdue", "-1"),
        ("event_id", "E-1"),
        ("race", "x"),
    ] {
        let request = json!({"dataset": "account_snapshot", "field": field, "value": value, "reason": "would be convenient"});
        one.post_json(CONSTANTS, &request).await.expect(422);
    }
}
