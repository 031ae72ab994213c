//! What a batch came of and what came of it, and who is told of runs.

use etrplus::pipeline::curate::{self, FED};
use serde_json::{Value, json};

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::records::{account, account_with, ndjson};

async fn graph_of(caller: &Caller, batch: &str) -> Value {
    caller.get(&format!("/v1/batches/{batch}/lineage")).await.expect(200).json()
}

async fn whole_graph_of(operator: &Caller, batch: &str) -> Value {
    operator.get(&format!("/v1/operations/batches/{batch}/lineage")).await.expect(200).json()
}

/// The nodes of a kind: name and side.
fn nodes<'a>(graph: &'a Value, kind: &str) -> Vec<(&'a str, &'a str)> {
    let nodes = graph["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] == kind);
    nodes.map(|node| (node["name"].as_str().unwrap(), node["side"].as_str().unwrap())).collect()
}

#[track_caller]
fn facts<'a>(graph: &'a Value, kind: &str) -> &'a Value {
    let node = graph["nodes"].as_array().unwrap().iter().find(|node| node["kind"] == kind);
    &node.unwrap_or_else(|| panic!("no {kind}: {graph:#}"))["facts"]
}

fn leads(graph: &Value, from: &str, to: &str) -> bool {
    let fits = |place: &Value, wanted: &str| place.as_str().unwrap().starts_with(wanted);
    graph["edges"].as_array().unwrap().iter().any(|edge| fits(&edge["from"], from) && fits(&edge["to"], to))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contributor_sees_what_its_batch_came_of_and_what_came_of_it() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let body = ndjson(&[account(1), account_with(2, &json!({"dpd": 40}))]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let batch = eyes.published(&bank, &Submission::ndjson(body.clone())).await;

    let graph = graph_of(&bank, &batch).await;
    assert_eq!(nodes(&graph, "batch"), [(batch.as_str(), "batch")]);
    assert_eq!(nodes(&graph, "client"), [(bank.client_id.as_str(), "upstream")]);
    assert_eq!(nodes(&graph, "contract"), [("account_snapshot/1", "upstream")]);
    assert_eq!(nodes(&graph, "journal"), [("account_snapshots", "downstream")]);
    assert_eq!(nodes(&graph, "serving_store"), [("accounts", "downstream")]);
    assert_eq!(nodes(&graph, "quarantine"), [("rejected_records", "downstream")]);
    let bytes = facts(&graph, "bronze_object");
    assert_eq!(bytes["sha256"], hex::encode(digest.as_ref()));
    assert_eq!(bytes["bytes"], body.len());
    assert_eq!(facts(&graph, "reject_file"), &json!({"current": true, "records": 1}));
    assert_eq!(facts(&graph, "batch")["counts"]["accepted"], 1);
    for (from, to) in [("bronze_object:", "batch:"), ("batch:", "journal:"), ("rules:", "verdict:published")]
    {
        assert!(leads(&graph, from, to), "{from} {to}: {graph:#}");
    }
    // Nothing in it names a person or an account.
    let text = graph.to_string();
    assert!(!text.contains("ACC-") && !text.contains("SUBJECT SYNTHETIC"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_landed_in_the_lake_is_downstream_with_its_files_and_snapshot() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let records = [account(1), account(2), account_with(3, &json!({"dpd": 40}))];
    let batch = eyes.published(&bank, &Submission::ndjson(ndjson(&records))).await;
    let waiting = graph_of(&bank, &batch).await;
    assert!(nodes(&waiting, "lake_entry").len() >= 2, "{waiting:#}");
    assert_eq!(nodes(&waiting, "lake_commit"), []);
    eyes.advance(chrono::TimeDelta::minutes(1));
    for fed in FED {
        curate::land(&eyes.app, fed).await.unwrap();
    }
    let graph = graph_of(&bank, &batch).await;
    assert!(nodes(&graph, "lake_table").contains(&("silver.account_snapshots", "downstream")), "{graph:#}");
    assert!(
        leads(&graph, "journal:account_snapshots", "lake_entry:")
            && leads(&graph, "lake_commit:", "lake_table:")
    );
    let (snapshot, files): (i64, i64) = sqlx::query_as(
        "/* test.landed */ SELECT snapshot_id, cardinality(file_paths)::bigint FROM lake_commits
         WHERE table_name = 'silver.account_snapshots' AND state = 'landed'",
    )
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    let append_of = |graph: &Value| {
        let mut all = graph["nodes"].as_array().unwrap().iter();
        let landed = all.find(|node| node["facts"]["snapshot_id"] == json!(snapshot.to_string()));
        landed.unwrap()["facts"].as_object().unwrap().clone()
    };
    let whole = whole_graph_of(&eyes.operator("operator").await, &batch).await;
    assert!(leads(&whole, "lake_commit:", "data_file:"), "{whole:#}");
    let landed = append_of(&whole);
    assert_eq!((&landed["rows"], &landed["files"]), (&json!(2), &json!(files)));
    // Of an append, which holds rows of others as well, a contributor is told that it landed and not how large it was.
    assert_eq!(append_of(&graph).keys().collect::<Vec<_>>(), ["landed_at", "snapshot_id", "state"]);
    assert_eq!(nodes(&graph, "data_file"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_replacements_and_recalls_lead_to_the_batches_that_they_touch() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let operators = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let period = "2026-10-31".parse().unwrap();
    let book = |n: i64| Submission::ndjson(ndjson(&[account_with(1, &json!({"outstanding": 60_000 + n}))]));
    let first = eyes.published(&bank, &book(0).period("FULL", period)).await;
    let correction = json!({
        "account_ref": "ACC-000001", "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
        "changes": {"outstanding": 50_000}, "reason": "DATA_ERROR",
    });
    let corrected = bank.post_json("/v1/corrections", &correction).await.expect(201).json();
    let second = eyes.published(&bank, &book(1).period("REPLACE", period)).await;

    let graph = graph_of(&bank, &first).await;
    let case = corrected["correction_id"].as_str().unwrap();
    assert_eq!(nodes(&graph, "correction"), [(case, "upstream")]);
    assert_eq!(facts(&graph, "correction")["what"], "CHANGE: DATA_ERROR");
    assert!(leads(&graph, "correction:", "batch:") && leads(&graph, "correction:", "journal:"));
    assert!(nodes(&graph, "batch").contains(&(second.as_str(), "downstream")), "{graph:#}");
    let own = graph["nodes"].as_array().unwrap().iter().find(|node| node["side"] == "batch").unwrap();
    assert_eq!((&own["name"], &own["facts"]["state"]), (&json!(first), &json!("superseded")));
    let replacement = graph_of(&bank, &second).await;
    assert!(nodes(&replacement, "batch").contains(&(first.as_str(), "upstream")), "{replacement:#}");

    let asked = format!("/v1/operations/batches/{second}/recalls");
    let asked = operators[0].post_json(&asked, &json!({"reason": "a wrong book"})).await.expect(201).json();
    let recall = asked["recall_id"].as_str().unwrap();
    operators[1].post(&format!("/v1/operations/recalls/{recall}/approve")).await.expect(200);
    let recalled = whole_graph_of(&operators[0], &second).await;
    assert_eq!(facts(&recalled, "recall")["what"], "a wrong book");
    // The contributor sees that there was a recall, and not what operators said among themselves.
    assert_eq!(facts(&graph_of(&bank, &second).await, "recall"), &json!({}));
    let again = whole_graph_of(&operators[0], &first).await;
    assert_eq!(nodes(&again, "recall"), [(recall, "upstream")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_events_promotions_and_withdrawals_leave_their_lines() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let operators = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let payment = json!({
        "event_id": "PAY-1", "account_ref": "ACC-000001", "event_type": "PAYMENT",
        "value_date": "2026-11-15", "amount": 10_000,
    });
    let query = "dataset=repayment_event&mode=DELTA&period_end=2026-11-23".to_owned();
    let events = Submission { query, ..Submission::ndjson(ndjson(&[payment])) };
    let events = eyes.published(&bank, &events).await;
    assert!(leads(&graph_of(&bank, &events).await, "batch:", "parked_events:"));
    let book = eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1)]))).await;
    let graph = graph_of(&bank, &events).await;
    assert!(leads(&graph, "parked_events:", "journal:repayment_events"), "{graph:#}");
    assert!(leads(&graph, &format!("batch:{book}"), "parked_events:"), "{graph:#}");

    let asked = operators[0].post(&format!("/v1/operations/batches/{book}/shadows")).await.expect(202).json();
    eyes.run_jobs().await;
    let promote = format!("/v1/operations/shadows/{}/promote", asked["shadow_id"].as_str().unwrap());
    operators[1].post(&promote).await.expect(202);
    eyes.run_jobs().await;
    let graph = whole_graph_of(&operators[0], &book).await;
    assert_eq!(facts(&graph, "shadow")["state"], "promoted", "{graph:#}");
    for (from, to) in
        [("contract:", "shadow:"), ("rules:", "shadow:"), ("shadow:", "journal:account_snapshots")]
    {
        assert!(leads(&graph, from, to), "{from} {to}: {graph:#}");
    }

    let withdrawn = bank.submit(&Submission::ndjson(ndjson(&[account(2)]))).await;
    bank.post(&format!("/v1/batches/{withdrawn}/cancel")).await.expect(200);
    assert!(leads(&graph_of(&bank, &withdrawn).await, "client:", "verdict:cancelled"));
}
