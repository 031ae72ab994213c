//! A batch judged again under today's rules and terms, beside what it is; and its promotion.

use etrplus::domain::contract::Terms;
use etrplus::domain::rules::{Code, Effect};
use serde_json::{Value, json};

use crate::support::app::{Caller, Submission, TestApp};
use crate::support::records::{account, account_with, ndjson};

fn two_currencies() -> Terms {
    Terms {
        currencies: vec!["MYR".into(), "SGD".into()],
        reject_threshold_bps: 10_000,
        identity_threshold_bps: 10_000,
        ..Terms::default()
    }
}

/// One good record, one that breaks X007, one in another currency.
fn october() -> Submission {
    Submission::ndjson(ndjson(&[
        account(1),
        account_with(2, &json!({"dpd": 40})),
        account_with(3, &json!({"currency": "SGD"})),
    ]))
}

async fn shadow_of(eyes: &TestApp, operator: &Caller, batch: &str) -> Value {
    let asked = operator.post(&format!("/v1/operations/batches/{batch}/shadows")).await.expect(202).json();
    assert_eq!(asked["state"], "queued");
    eyes.run_jobs().await;
    find(operator, &asked).await
}

async fn find(operator: &Caller, shadow: &Value) -> Value {
    let id = shadow["shadow_id"].as_str().unwrap();
    operator.get(&format!("/v1/operations/shadows/{id}")).await.expect(200).json()
}

fn promotion(shadow: &Value) -> String {
    format!("/v1/operations/shadows/{}/promote", shadow["shadow_id"].as_str().unwrap())
}

/// What a contributor has in the serving store.
async fn balances(eyes: &TestApp) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT account_ref, outstanding_sen FROM accounts ORDER BY account_ref")
        .fetch_all(&eyes.database.pool)
        .await
        .unwrap()
}

/// The rules and terms that the second judgement meets: X007 only warns, and one currency is gone.
async fn change_the_terms(eyes: &TestApp) {
    eyes.soften("bank", Code::X007, Effect::Warn).await;
    sqlx::query("UPDATE contributors SET currencies = '{MYR}' WHERE slug = 'bank'")
        .execute(&eyes.database.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_judged_again_by_the_same_rules_meets_the_same_past() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", two_currencies()).await;
    let operator = eyes.operator("operator").await;
    let month = |mode: &str, day: &str, balance: i64, accounts: u32| {
        let row = |n| account_with(n, &json!({"as_of_date": day, "outstanding": balance}));
        let rows: Vec<Value> = (1..=accounts).map(row).collect();
        Submission::ndjson(ndjson(&rows)).period(mode, day.parse().unwrap()).with("allow_duplicate=true")
    };
    eyes.published(&bank, &month("FULL", "2026-08-31", 60_000, 3)).await;
    // The balance rises, which warns (P007), and an account is missing (P009, F022).
    let middle = eyes.published(&bank, &month("FULL", "2026-09-30", 90_000, 2)).await;
    eyes.published(&bank, &month("FULL", "2026-10-31", 50_000, 4)).await;
    let before = balances(&eyes).await;
    let replaced = eyes.published(&bank, &month("REPLACE", "2026-09-30", 80_000, 3)).await;
    for batch in [&replaced] {
        let shadow = shadow_of(&eyes, &operator, batch).await;
        assert_eq!(shadow["state"], "judged", "{shadow:#}");
        assert_eq!(shadow["before"], shadow["after"], "{shadow:#}");
        for kind in ["newly_rejected", "newly_accepted", "changed"] {
            assert_eq!(shadow["difference"][kind]["records"], 0, "{shadow:#}");
        }
    }
    assert_eq!(balances(&eyes).await, before, "nothing changes, in the serving store too");
    let superseded = format!("/v1/operations/batches/{middle}/shadows");
    assert_eq!(operator.post(&superseded).await.expect(409).json()["code"], "illegal-transition");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_shadow_is_the_batch_as_it_would_be_judged_today() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", two_currencies()).await;
    let [asking, promoting] = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let batch = eyes.published(&bank, &october()).await;
    // What comes later on the same day stays the last word on it.
    eyes.published(&bank, &Submission::ndjson(ndjson(&[account_with(1, &json!({"outstanding": 50_000}))])))
        .await;
    change_the_terms(&eyes).await;

    let shadow = shadow_of(&eyes, &asking, &batch).await;
    assert_eq!(
        shadow["difference"]["newly_accepted"],
        json!({"records": 1, "record_nos": [2]}),
        "{shadow:#}"
    );
    assert_eq!(
        shadow["difference"]["newly_rejected"],
        json!({"records": 1, "record_nos": [3]}),
        "{shadow:#}"
    );
    assert_eq!(shadow["difference"]["changed"], json!({"records": 0, "record_nos": []}), "{shadow:#}");
    let still = [("ACC-000001".to_owned(), 50_000), ("ACC-000003".to_owned(), 60_000)];
    assert_eq!(balances(&eyes).await, still, "a shadow changes nothing");

    assert_eq!(asking.post(&promotion(&shadow)).await.expect(409).json()["code"], "same-operator");
    let path = promotion(&shadow);
    let (one, two) = tokio::join!(promoting.post(&path), promoting.post(&path));
    one.expect(202);
    two.expect(202);
    assert_eq!(eyes.run_jobs().await, 1, "it is promoted once");
    assert_eq!(promoting.post(&path).await.expect(202).json()["state"], "promoted");
    let now = [("ACC-000001".to_owned(), 50_000), ("ACC-000002".to_owned(), 60_000)];
    assert_eq!(balances(&eyes).await, now);
    let report = bank.report(&batch).await;
    assert_eq!(report["batch"]["counts"], shadow["after"]["counts"], "{report:#}");
    let rejects = bank.get(&format!("/v1/batches/{batch}/rejects")).await.expect(200).text();
    assert!(rejects.contains("\"record_no\":3") && !rejects.contains("\"record_no\":2"), "{rejects}");
    let again = shadow_of(&eyes, &asking, &batch).await;
    assert_eq!(again["before"], again["after"], "{again:#}");

    // And its recall takes all versions back.
    let recalls = format!("/v1/operations/batches/{batch}/recalls");
    let asked = asking.post_json(&recalls, &json!({"reason": "a mistake"})).await.expect(201).json();
    let approve = format!("/v1/operations/recalls/{}/approve", asked["recall_id"].as_str().unwrap());
    promoting.post(&approve).await.expect(200);
    assert_eq!(balances(&eyes).await, [("ACC-000001".to_owned(), 50_000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_is_out_of_date_is_not_promoted() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", two_currencies()).await;
    let [asking, promoting] = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let batch = eyes.published(&bank, &october()).await;
    let before = balances(&eyes).await;
    let shadow = shadow_of(&eyes, &asking, &batch).await;
    change_the_terms(&eyes).await;
    promoting.post(&promotion(&shadow)).await.expect(202);
    eyes.run_jobs().await;
    let outdated = find(&promoting, &shadow).await;
    assert_eq!(outdated["state"], "outdated", "{outdated:#}");
    assert_eq!(promoting.post(&promotion(&shadow)).await.expect(409).json()["code"], "conflict");
    assert_eq!(balances(&eyes).await, before);

    // A batch of which nothing was published shows what it would be, and is for its contributor to send again.
    let strict = eyes.contributor("strict", Terms { reject_threshold_bps: 0, ..Terms::default() }).await;
    let refused = eyes.judged(&strict, &october()).await;
    assert_eq!(refused.state(), "rejected");
    let shadow = shadow_of(&eyes, &asking, refused.id()).await;
    assert_eq!((&shadow["verdict"], &shadow["before"]), (&json!("rejected"), &shadow["after"]));
    assert_eq!(promoting.post(&promotion(&shadow)).await.expect(409).json()["code"], "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_leaves_what_was_corrected_out_of_cycle() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", two_currencies()).await;
    let [asking, promoting] = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let mut records = october().body;
    records.extend(ndjson(&[account(4)]));
    let batch = eyes.published(&bank, &Submission::ndjson(records)).await;
    let correction = |n: u32, member: &str, value: Value| {
        json!({"account_ref": format!("ACC-{n:06}"), "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
            "reason": "DATA_ERROR", member: value})
    };
    let changed = correction(1, "changes", json!({"outstanding": 55_000}));
    bank.post_json("/v1/corrections", &changed).await.expect(201);
    for n in [3, 4] {
        let deleted =
            bank.post_json("/v1/corrections", &correction(n, "delete", json!(true))).await.expect(201).json();
        let path =
            format!("/v1/operations/corrections/{}/approve", deleted["correction_id"].as_str().unwrap());
        asking.post(&path).await.expect(200);
    }
    change_the_terms(&eyes).await;

    let shadow = shadow_of(&eyes, &asking, &batch).await;
    assert_eq!(shadow["difference"]["newly_accepted"]["record_nos"], json!([2]), "{shadow:#}");
    for kind in ["newly_rejected", "changed"] {
        assert_eq!(shadow["difference"][kind]["records"], 0, "{shadow:#}");
    }
    let rules = shadow["after"]["rules"].as_array().unwrap();
    assert!(
        rules.iter().all(|rule| rule["code"] != "P012"),
        "a deletion is no fault of the batch: {shadow:#}"
    );
    promoting.post(&promotion(&shadow)).await.expect(202);
    eyes.run_jobs().await;
    assert_eq!(find(&asking, &shadow).await["state"], "promoted");
    let now = [("ACC-000001".to_owned(), 55_000), ("ACC-000002".to_owned(), 60_000)];
    assert_eq!(balances(&eyes).await, now, "one stays changed, two stay deleted");
}
