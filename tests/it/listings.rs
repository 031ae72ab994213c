//! Listings: asked for with a snapshot, shown to risk engines as a count and a sum, taken back at once.

use etrplus::domain::listings::{LISTABLE_AFTER_DPD, LISTABLE_OVERDUE};
use serde_json::{Value, json};

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::records::{account_with, ndjson, nric};

const AS_OF: &str = "2026-10-31";

fn delinquent(n: u32, overdue: i64, dpd: u16, changes: &Value) -> Value {
    let mut fields = json!({
        "opened_date": "2026-01-15", "outstanding": 80_000, "overdue": overdue, "dpd": dpd,
        "original_amount": 80_000, "listing_requested": true, "evidence_ref": "contracts/1",
    });
    fields.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    account_with(n, &fields)
}

async fn listed(engine: &Caller, n: u32) -> (i64, i64) {
    let profile = engine.ask(&nric(n), AS_OF).await.expect(200).json();
    let value = |name: &str| profile["attributes"][name]["value"].as_i64().unwrap();
    (value("listing_count"), value("listing_amount"))
}

async fn references(caller: &Caller) -> Vec<String> {
    let page = caller.get("/v1/listings").await.expect(200).json();
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["account_ref"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_stands_where_the_thresholds_are_reached_and_ends_when_it_is_taken_back() {
    let eyes = TestApp::start().await;
    let (caller, engine) = (eyes.contributor("lender", patient()).await, eyes.risk_engine().await);
    let least = LISTABLE_OVERDUE.0;
    let just = LISTABLE_AFTER_DPD + 1;
    let rows = [
        delinquent(1, least, just, &json!({})),
        delinquent(2, least - 1, just, &json!({})),
        delinquent(3, least, LISTABLE_AFTER_DPD, &json!({})),
        delinquent(4, least, just, &json!({"listing_requested": false})),
        delinquent(5, least, just, &json!({"status": "SETTLED_SHORT", "closed_date": AS_OF})),
    ];
    let report = eyes.judged(&caller, &Submission::ndjson(ndjson(&rows))).await;
    assert_eq!(report.state(), "published");
    assert_eq!(report.rules()["L002"], 2);
    assert_eq!(listed(&engine, 1).await, (1, least));
    for n in 2..=5 {
        assert_eq!(listed(&engine, n).await, (0, 0), "{n}");
    }
    let standing = references(&caller).await;
    assert_eq!(standing.len(), 1);

    let path = format!("/v1/listings/{}/delist", standing[0]);
    let taken_back = caller.post_json(&path, &json!({"settled_on": AS_OF})).await.expect(200).json();
    assert_eq!(listed(&engine, 1).await, (0, 0));
    assert!(references(&caller).await.is_empty());
    assert_eq!(caller.post_json(&path, &json!({})).await.expect(200).json(), taken_back, "once is enough");

    // Another record of the same account and day changes its history, and does not list it again.
    let again = [delinquent(1, least + 500, just, &json!({}))];
    eyes.judged(&caller, &Submission::ndjson(ndjson(&again))).await;
    assert_eq!(listed(&engine, 1).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_listed_cannot_be_taken_back_and_what_is_not_yours_is_not_there() {
    let eyes = TestApp::start().await;
    let (caller, other) =
        (eyes.contributor("lender", patient()).await, eyes.contributor("other", patient()).await);
    let rows =
        [delinquent(1, 20_000, 90, &json!({})), delinquent(2, 0, 0, &json!({"listing_requested": false}))];
    eyes.judged(&caller, &Submission::ndjson(ndjson(&rows))).await;
    let refs: Vec<&str> = rows.iter().map(|row| row["account_ref"].as_str().unwrap()).collect();
    let path = |n: usize| format!("/v1/listings/{}/delist", refs[n]);
    let refused = caller.post_json(&path(1), &json!({})).await.expect(409).json();
    assert_eq!(refused["code"], "not-listed");
    other.post_json(&path(0), &json!({})).await.expect(404);
    caller.post_json("/v1/listings/NOT-MINE/delist", &json!({})).await.expect(404);
    let future = caller.post_json(&path(0), &json!({"settled_on": "2999-01-01"})).await.expect(422).json();
    assert_eq!(future["code"], "unprocessable");
    assert_eq!(references(&caller).await, [refs[0]]);
}
