//! What operators take back, try again, and see.

use std::time::Duration;

use chrono::NaiveDate;
use etrplus::db::jobs;
use etrplus::domain::contract::Terms;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::app::{Answer, Caller, Submission, TestApp};
use crate::support::records::{account, account_with, ndjson};

fn backfilling() -> Terms {
    Terms {
        backfill_from: NaiveDate::from_ymd_opt(2020, 1, 1),
        reject_threshold_bps: 10_000,
        identity_threshold_bps: 10_000,
        ..Terms::default()
    }
}

async fn ask_for_recall(operator: &Caller, batch: &str) -> Answer {
    let path = format!("/v1/operations/batches/{batch}/recalls");
    operator.post_json(&path, &json!({"reason": "two portfolios were mixed"})).await
}

async fn approve(operator: &Caller, recall: &Value) -> Answer {
    let id = recall["recall_id"].as_str().unwrap();
    operator.post(&format!("/v1/operations/recalls/{id}/approve")).await
}

/// Recalls a batch with both pairs of eyes.
async fn recall(operators: &[Caller; 2], batch: &str) {
    let asked = ask_for_recall(&operators[0], batch).await.expect(201).json();
    let done = approve(&operators[1], &asked).await.expect(200).json();
    assert_eq!(done["state"], "approved");
}

async fn two_operators(eyes: &TestApp) -> [Caller; 2] {
    [eyes.operator("operator-a").await, eyes.operator("operator-b").await]
}

/// A caller's accounts as they are stored, but for ids, times and which batch it was.
async fn accounts_of(eyes: &TestApp, caller: &Caller) -> Vec<Value> {
    sqlx::query_scalar(
        "SELECT to_jsonb(a) - ARRAY['contributor_id', 'batch_id', 'known_from'] FROM accounts a
         WHERE contributor_id = $1 ORDER BY account_ref, subject_id",
    )
    .bind(caller.contributor_id)
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap()
}

/// One submission of a made-up contributor: a mode, a month, and what it says of which accounts.
#[derive(Clone, Debug)]
struct Sent {
    mode: &'static str,
    month: u32,
    balances: Vec<(u32, i64)>,
}

impl Sent {
    fn period_end(&self) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, self.month + 1, 1).unwrap().pred_opt().unwrap()
    }

    fn submission(&self) -> Submission {
        let row = |(n, balance): &(u32, i64)| {
            account_with(*n, &json!({"as_of_date": self.period_end(), "outstanding": balance}))
        };
        let records: Vec<Value> = self.balances.iter().map(row).collect();
        Submission::ndjson(ndjson(&records)).period(self.mode, self.period_end()).with("allow_duplicate=true")
    }
}

/// A year of submissions. The first book of a month is a FULL, each further one a REPLACE, so that none is refused.
fn year() -> impl Strategy<Value = Vec<Sent>> {
    let balances = prop::collection::btree_map(0u32..4, 1i64..40, 1..4);
    let sent = (any::<bool>(), 6u32..10, balances);
    prop::collection::vec(sent, 3..9).prop_map(|all| {
        let mut booked = Vec::new();
        all.into_iter()
            .map(|(delta, month, balances)| {
                let mode = match (delta, booked.contains(&month)) {
                    (true, _) => "DELTA",
                    (false, true) => "REPLACE",
                    (false, false) => "FULL",
                };
                if mode == "FULL" {
                    booked.push(month);
                }
                let balances = balances.into_iter().map(|(n, thousands)| (n, thousands * 1000)).collect();
                Sent { mode, month, balances }
            })
            .collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_recall_accounts_are_as_if_the_batch_had_never_come() {
    let mut runner = TestRunner::deterministic();
    let eyes = TestApp::start().await;
    let operators = two_operators(&eyes).await;
    for case in 0..14_usize {
        let year = year().new_tree(&mut runner).unwrap().current();
        let mistake = (case * 7 + year.len() / 2) % year.len();
        let bank = eyes.contributor(&format!("bank-{case}"), backfilling()).await;
        let twin = eyes.contributor(&format!("twin-{case}"), backfilling()).await;
        let mut sent = Vec::new();
        for (n, one) in year.iter().enumerate() {
            sent.push(eyes.published(&bank, &one.submission()).await);
            if n != mistake {
                // Without the mistake before it, the twin's book may be the first of its month.
                let booked = |m: usize| m != mistake && year[m].mode != "DELTA" && year[m].month == one.month;
                let first = one.mode == "REPLACE" && !(0..n).any(booked);
                let one = Sent { mode: if first { "FULL" } else { one.mode }, ..one.clone() };
                eyes.published(&twin, &one.submission()).await;
            }
        }
        // What replaced the mistake took its place; it goes first, and comes back in the twin's way.
        if bank.batch(&sent[mistake]).await["state"] == "superseded" {
            continue;
        }
        recall(&operators, &sent[mistake]).await;
        assert_eq!(bank.batch(&sent[mistake]).await["state"], "recalled");
        let (left, never) = (accounts_of(&eyes, &bank).await, accounts_of(&eyes, &twin).await);
        assert_eq!(left, never, "case {case}: without number {mistake} of {year:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_needs_two_operators_and_happens_once() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    let [asking, deciding] = two_operators(&eyes).await;
    let batch = eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1)]))).await;

    let asked = ask_for_recall(&asking, &batch).await.expect(201).json();
    let again = ask_for_recall(&deciding, &batch).await.expect(200).json();
    assert_eq!(asked, again, "one open request for a batch");
    let refused = approve(&asking, &asked).await.expect(409).json();
    assert_eq!(refused["code"], "same-operator");
    assert_eq!(bank.batch(&batch).await["state"], "published", "nothing has happened yet");
    let open = deciding.get("/v1/operations/recalls?state=requested").await.expect(200).json();
    assert_eq!(open["items"], json!([asked]));

    // Both buttons at once, and once more.
    let (one, two) = tokio::join!(approve(&deciding, &asked), approve(&deciding, &asked));
    assert_eq!(one.expect(200).json(), two.expect(200).json());
    approve(&deciding, &asked).await.expect(200);
    let seen = asking.get(&format!("/v1/operations/batches/{batch}")).await.expect(200).json();
    let steps: Vec<&str> =
        seen["transitions"].as_array().unwrap().iter().map(|step| step["to"].as_str().unwrap()).collect();
    assert_eq!(steps, ["received", "validating", "accepted", "published", "recalled"], "{seen:#}");
    assert_eq!(seen["transitions"][4]["reason"], "two portfolios were mixed");
    let audited: Vec<String> = sqlx::query_scalar(
        "SELECT action FROM audit_entries WHERE object_id = $1 AND action LIKE 'recall.%' ORDER BY entry_no",
    )
    .bind(&batch)
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(audited, ["recall.request", "recall.approve"]);

    let too_late = ask_for_recall(&asking, &batch).await.expect(409).json();
    assert_eq!(too_late["code"], "illegal-transition");
    ask_for_recall(&asking, "00000000-0000-4000-8000-000000000000").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recall_leaves_the_batch_and_another_may_be_asked_for() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    let [asking, deciding] = two_operators(&eyes).await;
    let batch = eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1)]))).await;
    let asked = ask_for_recall(&asking, &batch).await.expect(201).json();
    let path = format!("/v1/operations/recalls/{}/refuse", asked["recall_id"].as_str().unwrap());
    assert_eq!(asking.post(&path).await.expect(409).json()["code"], "same-operator");
    for _ in 0..2 {
        assert_eq!(deciding.post(&path).await.expect(200).json()["state"], "refused");
    }
    assert_eq!(approve(&deciding, &asked).await.expect(409).json()["code"], "conflict");
    assert_eq!(bank.batch(&batch).await["state"], "published");
    recall(&[deciding, asking], &batch).await;
    assert!(accounts_of(&eyes, &bank).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recalled_replacement_gives_back_what_it_replaced() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    let operators = two_operators(&eyes).await;
    let october = |mode: &str, balance: i64| {
        Submission::ndjson(ndjson(&[account_with(1, &json!({"outstanding": balance}))]))
            .period(mode, "2026-10-31".parse().unwrap())
    };
    let first = eyes.published(&bank, &october("FULL", 60_000)).await;
    let published_at = bank.batch(&first).await["published_at"].clone();
    let before = accounts_of(&eyes, &bank).await;
    eyes.advance(chrono::TimeDelta::minutes(1));
    let second = eyes.published(&bank, &october("REPLACE", 50_000)).await;
    let not_there = ask_for_recall(&operators[0], &first).await.expect(409).json();
    assert_eq!(not_there["code"], "illegal-transition", "its replacement goes first");
    recall(&operators, &second).await;
    assert_eq!(accounts_of(&eyes, &bank).await, before);
    let back = bank.batch(&first).await;
    assert_eq!(
        (&back["state"], &back["published_at"], &back["superseded_by"]),
        (&json!("published"), &published_at, &Value::Null)
    );
    recall(&operators, &first).await;
    assert!(accounts_of(&eyes, &bank).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refinement_that_a_recall_overtakes_begins_again() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    let operators = two_operators(&eyes).await;
    let mistake = eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1)]))).await;
    let next = bank.submit(&Submission::ndjson(ndjson(&[account(2)]))).await;
    // A worker is judging the next batch against what is about to be recalled.
    let pool = &eyes.app.db.system;
    let lease = jobs::lease(pool, uuid::Uuid::from_u128(7), Duration::from_secs(60)).await.unwrap().unwrap();
    recall(&operators, &mistake).await;
    let mut tx = pool.begin().await.unwrap();
    assert!(jobs::fence_in_tx(&mut tx, &lease).await.is_err(), "its verdict can no longer be written");
    tx.rollback().await.unwrap();
    eyes.run_jobs().await;
    assert_eq!(bank.batch(&next).await["state"], "published");
    assert_eq!(accounts_of(&eyes, &bank).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_with_its_cause_and_tried_again() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    let operator = eyes.operator("operator").await;
    let batch = bank.submit(&Submission::ndjson(ndjson(&[account(1)]))).await;
    eyes.bury(&batch, "the stored object is missing").await;

    let letters = operator.get("/v1/operations/dead-letters").await.expect(200).json();
    let letter = &letters["items"][0];
    assert_eq!(letter["batch_id"], json!(batch));
    assert_eq!((&letter["cause"], &letter["attempts"]), (&json!("the stored object is missing"), &json!(3)));

    let path = format!("/v1/operations/batches/{batch}/replay");
    let (one, two) = tokio::join!(operator.post(&path), operator.post(&path));
    let mut answers = [one.status.as_u16(), two.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [200, 409], "it is queued once");
    assert_eq!(eyes.run_jobs().await, 1);
    assert_eq!(bank.batch(&batch).await["state"], "published");
    let seen = operator.get(&format!("/v1/operations/batches/{batch}")).await.expect(200).json();
    assert_eq!(seen["failure"], Value::Null);
    let replayed = seen["transitions"].as_array().unwrap().iter().find(|step| step["actor"] == "operator");
    assert_eq!(replayed.unwrap()["reason"], "the stored object is missing");
    assert_eq!(operator.get("/v1/operations/dead-letters").await.expect(200).json()["items"], json!([]));
    assert_eq!(operator.post(&path).await.expect(409).json()["code"], "illegal-transition");
}
