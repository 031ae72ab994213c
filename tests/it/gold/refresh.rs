//! Gold on the real tables: what was sent, landed and computed is what a lookup tells.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use etrplus::commands;
use etrplus::db::gold_versions;
use etrplus::lake::gold_tables::{
    PORTFOLIO_MONTHLY, PORTFOLIO_ROLLS, PORTFOLIO_VINTAGES, SUBJECT_ATTRIBUTES,
};
use etrplus::pipeline::curate::{self, FED};
use etrplus::pipeline::gold::{self, Refreshed};
use serde_json::{Value, json};

use crate::support::app::{Submission, TestApp, patient};
use crate::support::lake::{LakeRow, rows};
use crate::support::records::{account_with, ndjson};

async fn land(eyes: &TestApp) {
    eyes.advance(TimeDelta::seconds(10));
    for fed in FED {
        curate::land(&eyes.app, fed).await.unwrap();
    }
    curate::curate(&eyes.app).await.unwrap();
}

async fn refreshed(eyes: &TestApp, as_of: NaiveDate) -> i64 {
    match gold::refresh(&eyes.app, as_of).await.unwrap() {
        Refreshed::Made(version) => version.gold_version,
        Refreshed::Unchanged(version) => panic!("nothing new since version {}", version.gold_version),
    }
}

/// Takes a batch back, with both pairs of eyes.
async fn recall(eyes: &TestApp, batch: &str) {
    let [asking, deciding] = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let path = format!("/v1/operations/batches/{batch}/recalls");
    let asked =
        asking.post_json(&path, &json!({"reason": "two portfolios were mixed"})).await.expect(201).json();
    let id = asked["recall_id"].as_str().unwrap();
    deciding.post(&format!("/v1/operations/recalls/{id}/approve")).await.expect(200);
}

/// The rows of a version by person.
async fn people(eyes: &TestApp, version: i64) -> BTreeMap<String, LakeRow> {
    let rows = rows(&eyes.app, &SUBJECT_ATTRIBUTES).await;
    let of_version = rows.into_iter().filter(|row| row["gold_version"] == version.to_string());
    of_version.map(|row| (row["subject_id"].clone(), row)).collect()
}

#[tokio::test]
async fn a_version_tells_what_lookups_tell_and_says_what_it_came_from() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("paylater", patient()).await;
    let records: Vec<Value> = (1..41)
        .map(|n| match n % 3 {
            0 => account_with(n, &json!({"dpd": 12, "overdue": 1_000})),
            1 => account_with(n, &json!({"product_type": "RENTAL"})),
            _ => account_with(n, &json!({})),
        })
        .collect();
    let batch = eyes.published(&sender, &Submission::ndjson(ndjson(&records))).await;
    land(&eyes).await;
    let as_of: NaiveDate = records[0]["as_of_date"].as_str().unwrap().parse().unwrap();

    let first = refreshed(&eyes, as_of).await;
    let told = people(&eyes, first).await;
    assert_eq!(told.len(), 40);
    let owed: i64 = told.values().map(|row| row["total_outstanding"].parse::<i64>().unwrap()).sum();
    let served: i64 = sqlx::query_scalar("SELECT sum(outstanding_sen)::bigint FROM accounts")
        .fetch_one(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(owed, served);
    let late = told.values().filter(|row| row["current_worst_dpd"] == "12").count();
    assert_eq!(late, 13);

    let months = rows(&eyes.app, &PORTFOLIO_MONTHLY).await;
    let accounts: i64 = months.iter().map(|row| row["accounts"].parse::<i64>().unwrap()).sum();
    assert_eq!(accounts, 40);
    let rentals: Vec<_> = months.iter().filter(|row| row["product_type"] == "RENTAL").collect();
    assert_eq!((rentals.len(), rentals[0]["subjects"].as_str()), (1, "14"));
    assert!(rows(&eyes.app, &PORTFOLIO_ROLLS).await.is_empty(), "one month is no step");
    assert!(!rows(&eyes.app, &PORTFOLIO_VINTAGES).await.is_empty());

    let version = gold_versions::newest(&eyes.app.db.system, Some(as_of)).await.unwrap().unwrap();
    assert!(version.sources["silver.account_snapshots"].is_i64());
    let sums = &version.control_sums.as_ref().unwrap()["gold.subject_attributes"];
    assert_eq!((&sums["rows"], &sums["total_outstanding"]), (&json!(40), &json!(owed)));
    assert_eq!(version.tables.as_ref().unwrap()["gold.subject_attributes"]["rows"], 40);

    let again = gold::refresh(&eyes.app, as_of).await.unwrap();
    assert!(matches!(again, Refreshed::Unchanged(version) if version.gold_version == first));

    // What is taken back is told of nobody, and the earlier version stays what it was.
    recall(&eyes, &batch).await;
    land(&eyes).await;
    let second = refreshed(&eyes, as_of).await;
    let told = people(&eyes, second).await;
    assert!(told.values().all(|row| row["hit_status"] == "NO_HIT" && !row.contains_key("total_outstanding")));
    assert_eq!(told.len(), 40, "that nothing is known of them any more is to be told");
    assert_eq!(people(&eyes, first).await.len(), 40);
}

#[tokio::test]
async fn a_version_waits_for_what_is_being_written() {
    let eyes = TestApp::start().await;
    let day: NaiveDate = "2026-06-30".parse().unwrap();
    let mut writing = eyes.database.pool.begin().await.unwrap();
    sqlx::query("/* test.write */ SELECT pg_current_xact_id()").execute(&mut *writing).await.unwrap();
    let made = gold::refresh(&eyes.app, day);
    tokio::pin!(made);
    tokio::time::timeout(Duration::from_millis(500), &mut made)
        .await
        .expect_err("its instant is not over yet");
    writing.commit().await.unwrap();
    assert!(matches!(made.await.unwrap(), Refreshed::Made(_)));
}

#[tokio::test]
async fn one_version_is_computed_at_a_time_and_a_dead_one_stands_in_nobodys_way() {
    let eyes = TestApp::start().await;
    let day: NaiveDate = "2026-06-30".parse().unwrap();
    let now = eyes.app.clock.now();
    let dead = gold_versions::begin(&eyes.app.db.system, day, now, &json!({}), now).await.unwrap().unwrap();
    let busy = gold::refresh(&eyes.app, day).await.unwrap_err();
    assert!(busy.to_string().contains("gold-refresh-running"), "{busy}");
    eyes.advance(TimeDelta::hours(2));
    let mut said = Vec::new();
    commands::gold::refresh(&eyes.app, Some(day), &mut said).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("as of 2026-06-30"), "{said}");
    let newest = gold_versions::newest(&eyes.app.db.system, Some(day)).await.unwrap().unwrap();
    assert!(newest.gold_version > dead);
}
