//! What is published lands in the lake: once, whole, and without a person's name.

use chrono::TimeDelta;
use etrplus::db::{lake_commits, lake_entries};
use etrplus::lake::silver::{ACCOUNT_SNAPSHOTS, BATCHES, REJECTED_RECORDS, REPAYMENT_EVENTS};
use etrplus::pipeline::curate::{self, FED};
use serde_json::{Value, json};

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::lake::{keys, rows};
use crate::support::objects;
use crate::support::records::{account, account_with, ndjson, nric};

/// Lands all that waits, and moves what is complete.
async fn land(eyes: &TestApp) -> u64 {
    eyes.advance(TimeDelta::seconds(10));
    let mut landed = 0;
    for fed in FED {
        landed += curate::land(&eyes.app, fed).await.unwrap();
    }
    curate::curate(&eyes.app).await.unwrap();
    landed
}

fn book(people: std::ops::Range<u32>) -> Submission {
    Submission::ndjson(ndjson(&people.map(account).collect::<Vec<_>>()))
}

async fn accepted(eyes: &TestApp) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT batch_id::text, record_no FROM account_snapshots ORDER BY 1, 2")
        .fetch_all(&eyes.database.pool)
        .await
        .unwrap()
}

async fn state(caller: &Caller, batch: &str) -> Value {
    caller.batch(batch).await["state"].clone()
}

#[tokio::test]
async fn a_published_batch_lands_whole_and_is_curated() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("paylater", patient()).await;
    let bad = account_with(41, &json!({"dpd": -3}));
    let records: Vec<Value> = (1..41).map(account).chain([bad]).collect();
    let batch = eyes.published(&sender, &Submission::ndjson(ndjson(&records))).await;
    assert_eq!(curate::land(&eyes.app, &FED[0]).await.unwrap(), 0, "it waits for company first");

    assert_eq!(land(&eyes).await, 40 + 1 + 1, "the rows, the batch's own row, and the rejected record");

    assert_eq!(state(&sender, &batch).await, "curated");
    let landed = rows(&eyes.app, &ACCOUNT_SNAPSHOTS).await;
    assert_eq!(keys(&landed), accepted(&eyes).await);
    let row = landed.iter().find(|row| row["record_no"] == "7").unwrap();
    let sent = account(7);
    for name in ["account_ref", "status", "product_type", "as_of_date", "opened_date"] {
        assert_eq!(row[name], sent[name].as_str().unwrap(), "{name}");
    }
    assert_eq!(row["outstanding_sen"], sent["outstanding"].to_string());
    assert_eq!(row["contract"], "account_snapshot/1");
    assert_eq!((row["withdrawn"].as_str(), row["holder_role"].as_str()), ("false", "PRIMARY"));
    let batches = rows(&eyes.app, &BATCHES).await;
    assert_eq!((batches.len(), batches[0]["state"].as_str()), (1, "published"));
    let rejected = rows(&eyes.app, &REJECTED_RECORDS).await;
    assert_eq!(keys(&rejected), [(batch, 41)]);
    for row in landed.iter().chain(&rejected) {
        let text = format!("{row:?}");
        assert!((1..42).all(|n| !text.contains(&nric(n))), "an identifier: {text}");
    }

    assert_eq!(land(&eyes).await, 0, "nothing lands twice");
}

#[tokio::test]
async fn what_a_dead_committer_left_is_gone_on_with() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("paylater", patient()).await;
    let lake = eyes.app.lake.clone().unwrap();
    let (pool, name) = (&eyes.app.db.system, ACCOUNT_SNAPSHOTS.full_name());
    let at = eyes.app.clock.now();
    let begin = async |commit: uuid::Uuid| {
        let waiting: Vec<i64> =
            lake_entries::waiting(pool, &name, 100).await.unwrap().iter().map(|w| w.entry_no).collect();
        let mut tx = pool.begin().await.unwrap();
        assert!(lake_commits::begin_in_tx(&mut tx, commit, &name, at).await.unwrap());
        lake_entries::assign_in_tx(&mut tx, commit, &waiting).await.unwrap();
        tx.commit().await.unwrap();
    };

    // Dead while it wrote: what it made is given up, and whatever it still does comes to nothing.
    eyes.published(&sender, &book(1..9)).await;
    let dead = uuid::Uuid::now_v7();
    begin(dead).await;
    assert_eq!(land(&eyes).await, 8 + 1);
    assert!(
        !lake
            .write(&ACCOUNT_SNAPSHOTS, etrplus::db::lake_rows::ACCOUNT_SNAPSHOTS, dead, false)
            .await
            .unwrap()
    );
    assert_eq!(keys(&rows(&eyes.app, &ACCOUNT_SNAPSHOTS).await), accepted(&eyes).await);

    // Dead when the files were complete: they land as they are.
    eyes.published(&sender, &book(11..19)).await;
    let complete = uuid::Uuid::now_v7();
    begin(complete).await;
    assert!(
        lake.write(&ACCOUNT_SNAPSHOTS, etrplus::db::lake_rows::ACCOUNT_SNAPSHOTS, complete, true)
            .await
            .unwrap()
    );
    let open = lake_commits::open(pool, &name).await.unwrap().unwrap();
    assert_eq!(land(&eyes).await, 8 + 1);
    assert_eq!(keys(&rows(&eyes.app, &ACCOUNT_SNAPSHOTS).await), accepted(&eyes).await);

    // Thought dead, and lands what has landed: nothing happens.
    lake.land(&ACCOUNT_SNAPSHOTS, &open).await.unwrap();
    assert_eq!(keys(&rows(&eyes.app, &ACCOUNT_SNAPSHOTS).await), accepted(&eyes).await);

    // The table has it and the ledger does not say so, as with a catalog that is not in our database.
    sqlx::query(
        "UPDATE lake_commits SET state = 'written', landed_at = NULL, files = $2 WHERE commit_id = $1",
    )
    .bind(complete)
    .bind(&open.files)
    .execute(&eyes.database.pool)
    .await
    .unwrap();
    land(&eyes).await;
    assert_eq!(keys(&rows(&eyes.app, &ACCOUNT_SNAPSHOTS).await), accepted(&eyes).await);
    assert!(lake_commits::open(pool, &name).await.unwrap().is_none());

    // What was given up is swept from the store.
    eyes.advance(TimeDelta::hours(1));
    assert_eq!(curate::sweep(&eyes.app).await.unwrap(), 1);
    assert_eq!(objects::named_like(&dead.to_string()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_committers_at_once_land_everything_once() {
    let eyes = TestApp::start_with(|config| config.lake.commit_wait = std::time::Duration::ZERO).await;
    let other = eyes.sibling().await;
    let senders = [eyes.contributor("one", patient()).await, eyes.contributor("two", patient()).await];
    let mut tries = tokio::task::JoinSet::new();
    for (n, sender) in senders.iter().cycle().take(8).enumerate() {
        let first = n as u32 * 20 + 1;
        eyes.published(sender, &book(first..first + 9)).await;
        for app in [&eyes.app, &other] {
            let app = app.clone();
            // Who comes second may be told so; nobody may double a row.
            tries.spawn(async move { curate::land(&app, &FED[0]).await.is_ok() });
        }
    }
    assert!(tries.join_all().await.contains(&true));
    land(&eyes).await;
    assert_eq!(keys(&rows(&eyes.app, &ACCOUNT_SNAPSHOTS).await), accepted(&eyes).await);
    assert_eq!(accepted(&eyes).await.len(), 72);
}

#[tokio::test]
async fn a_recalled_batch_stays_in_the_lake_and_counts_no_more() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("paylater", patient()).await;
    let operators = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let batch = eyes.published(&sender, &book(1..5)).await;
    land(&eyes).await;
    let asked = operators[0]
        .post_json(&format!("/v1/operations/batches/{batch}/recalls"), &json!({"reason": "mixed portfolios"}))
        .await
        .expect(201)
        .json();
    let recall = asked["recall_id"].as_str().unwrap();
    operators[1].post(&format!("/v1/operations/recalls/{recall}/approve")).await.expect(200);

    land(&eyes).await;

    assert_eq!(state(&sender, &batch).await, "recalled");
    assert_eq!(rows(&eyes.app, &ACCOUNT_SNAPSHOTS).await.len(), 4);
    let mut changes: Vec<(i64, String)> = rows(&eyes.app, &BATCHES)
        .await
        .iter()
        .map(|row| (row["transition_no"].parse().unwrap(), row["state"].clone()))
        .collect();
    changes.sort();
    let states: Vec<&str> = changes.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(states, ["published", "recalled"]);
}

#[tokio::test]
async fn manifests_are_merged_and_no_row_is_touched() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("paylater", patient()).await;
    let lake = eyes.app.lake.clone().unwrap();
    for n in 0..4 {
        eyes.published(&sender, &book(n * 10 + 1..n * 10 + 6)).await;
        land(&eyes).await;
    }
    let before = lake.snapshot(&ACCOUNT_SNAPSHOTS).await.unwrap().unwrap();

    assert_eq!(lake.merge_manifests(&ACCOUNT_SNAPSHOTS).await.unwrap(), 4);

    let after = lake.snapshot(&ACCOUNT_SNAPSHOTS).await.unwrap().unwrap();
    assert_ne!(after.snapshot_id, before.snapshot_id);
    assert_eq!(after.files, before.files);
    assert_eq!(lake.merge_manifests(&ACCOUNT_SNAPSHOTS).await.unwrap(), 0, "one is left");
    // What was read of the old snapshot can be read still, and appends go on.
    let old = lake.snapshot_at(&ACCOUNT_SNAPSHOTS, Some(before.snapshot_id)).await.unwrap().unwrap();
    assert_eq!(old.files, before.files);
    eyes.published(&sender, &book(101..109)).await;
    land(&eyes).await;
    assert_eq!(keys(&rows(&eyes.app, &ACCOUNT_SNAPSHOTS).await), accepted(&eyes).await);
}

/// Parked events are accepted in portions of one publication, more than one of which is needed here.
#[tokio::test]
async fn events_that_waited_for_their_account_land_once_however_many_they_are() {
    const EVENTS: u32 = 4_200;
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("paylater", patient()).await;
    let payment = |n: u32| {
        json!({
            "event_id": format!("PAY-{n}"), "account_ref": "ACC-000001", "event_type": "PAYMENT",
            "value_date": "2026-11-15", "amount": 1,
        })
    };
    let records: Vec<Value> = (0..EVENTS).map(payment).collect();
    let query = "dataset=repayment_event&mode=DELTA&period_end=2026-11-23".to_owned();
    let events = eyes.published(&sender, &Submission { query, ..Submission::ndjson(ndjson(&records)) }).await;
    land(&eyes).await;
    eyes.published(&sender, &book(1..2)).await;

    land(&eyes).await;

    let expected: Vec<(String, i64)> = (1..=i64::from(EVENTS)).map(|n| (events.clone(), n)).collect();
    assert!(keys(&rows(&eyes.app, &REPAYMENT_EVENTS).await) == expected);
    assert_eq!(state(&sender, &events).await, "curated");
}
