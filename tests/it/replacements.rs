//! Batches that take the place of others, and accounts that are restricted.

use chrono::NaiveDate;
use etrplus::db::serving_restrictions::{self, Restriction};
use etrplus::domain::contract::Terms;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{Submission, TestApp, patient};
use crate::support::records::{account_with, ndjson, nric};

fn rows(changes: &[(u32, Value)]) -> Vec<u8> {
    let records: Vec<Value> = changes.iter().map(|(n, change)| account_with(*n, change)).collect();
    ndjson(&records)
}

fn september(n: u32) -> (u32, Value) {
    (n, json!({"as_of_date": "2026-09-30", "outstanding": 70_000}))
}

fn october(n: u32, outstanding: i64) -> (u32, Value) {
    (n, json!({"outstanding": outstanding}))
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Reference, current balance and months, by reference.
async fn accounts(eyes: &TestApp) -> Vec<(String, i64, Vec<i64>)> {
    sqlx::query_as(
        "SELECT account_ref, outstanding_sen, month_outstanding_sen FROM accounts ORDER BY account_ref",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap()
}

fn told(n: u32, months: &[i64]) -> (String, i64, Vec<i64>) {
    (format!("ACC-{n:06}"), months[0], months.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replace_is_the_book_of_its_period_and_the_full_before_it_never_was() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    let book = Submission::ndjson(rows(&[september(1), september(2)])).period("FULL", day("2026-09-30"));
    eyes.published(&bank, &book).await;
    let wrong = Submission::ndjson(rows(&[october(1, 60_000), october(2, 60_000), october(3, 60_000)]))
        .period("FULL", day("2026-10-31"));
    let wrong = eyes.published(&bank, &wrong).await;
    let right = Submission::ndjson(rows(&[october(1, 50_000), october(4, 40_000)]))
        .period("REPLACE", day("2026-10-31"));
    let right = eyes.published(&bank, &right).await;

    let expected = [told(1, &[50_000, 70_000]), told(2, &[70_000]), told(4, &[40_000])];
    assert_eq!(accounts(&eyes).await, expected, "what only the replaced book said is gone");
    let replaced = bank.batch(&wrong).await;
    assert_eq!((&replaced["state"], &replaced["superseded_by"]), (&json!("superseded"), &json!(right)));
    assert_eq!(replaced["next_states"], json!(["published"]), "should its replacement be recalled");
    let edges: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM lineage_edges WHERE from_kind = 'batch' AND from_ref = $1 AND to_ref = $2",
    )
    .bind(&wrong)
    .bind(&right)
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(edges, 1);

    // And that book may be replaced again, by name.
    let again = Submission::ndjson(rows(&[october(2, 30_000)]))
        .period("REPLACE", day("2026-10-31"))
        .with(&format!("replaces={right}"));
    eyes.published(&bank, &again).await;
    assert_eq!(accounts(&eyes).await, [told(1, &[70_000]), told(2, &[30_000, 70_000])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_names_another_takes_its_place_alone() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    let first = Submission::ndjson(rows(&[october(1, 60_000)]));
    eyes.published(&bank, &first).await;
    let mistaken = eyes.published(&bank, &Submission::ndjson(rows(&[october(2, 60_000)]))).await;
    let fixed = Submission::ndjson(rows(&[october(3, 60_000)])).with(&format!("replaces={mistaken}"));
    let fixed = eyes.published(&bank, &fixed).await;
    assert_eq!(accounts(&eyes).await, [told(1, &[60_000]), told(3, &[60_000])]);
    assert_eq!(bank.batch(&mistaken).await["superseded_by"], json!(fixed));

    // A batch that was never published has nothing to take back: what waits is cancelled.
    let failed = bank.submit(&Submission::ndjson(rows(&[october(4, 60_000)]))).await;
    eyes.bury(&failed, "the stored object is missing").await;
    let once_more = Submission::ndjson(rows(&[october(5, 60_000)])).with(&format!("replaces={failed}"));
    let id = bank.submit(&once_more).await;
    eyes.try_jobs().await;
    assert_eq!(bank.batch(&id).await["state"], "published");
    assert_eq!(bank.batch(&failed).await["state"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_records_never_take_the_place_of_a_whole_book() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    let book =
        Submission::ndjson(rows(&[october(1, 60_000), october(2, 60_000)])).period("FULL", day("2026-10-31"));
    let book = eyes.published(&bank, &book).await;
    let of_mode = |mode: &str| {
        Submission::ndjson(rows(&[october(1, 50_000), october(2, 60_000)]))
            .period(mode, day("2026-10-31"))
            .with(&format!("replaces={book}"))
    };
    let refused = bank.send(&of_mode("DELTA")).await.expect(422).json();
    assert_eq!(
        refused["detail"],
        "a whole book is replaced by a FULL or REPLACE; single records are sent as a DELTA without replaces (F027)"
    );
    eyes.published(&bank, &of_mode("REPLACE")).await;
    assert_eq!(accounts(&eyes).await, [told(1, &[50_000]), told(2, &[60_000])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_or_replayed_after_its_replacement_came_is_not_published_over_it() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let crowd: Vec<(u32, Value)> = (101..=151).map(|n| (n, json!({"id_number": nric(3)}))).collect();
    let held = eyes.judged(&bank, &Submission::ndjson(rows(&crowd))).await;
    assert_eq!(held.state(), "on_hold");
    let replacing = Submission::ndjson(rows(&[october(1, 60_000)])).with(&format!("replaces={}", held.id()));
    let replacing = bank.submit(&replacing).await;
    let path = format!("/v1/batches/{}/confirm", held.id());
    bank.post_json(&path, &json!({"explanation": "a fleet of one owner"})).await.expect(200);

    let failed = bank.submit(&Submission::ndjson(rows(&[october(2, 60_000)]))).await;
    eyes.bury(&failed, "the stored object is missing").await;
    let again = Submission::ndjson(rows(&[october(3, 60_000)])).with(&format!("replaces={failed}"));
    let again = bank.submit(&again).await;
    let operator = eyes.operator("operator").await;
    operator.post(&format!("/v1/operations/batches/{failed}/replay")).await.expect(200);

    eyes.run_jobs().await;
    for (replaced, by) in [(held.id(), &replacing), (failed.as_str(), &again)] {
        assert_eq!(bank.batch(by).await["state"], "published");
        let replaced = bank.batch(replaced).await;
        assert_eq!((&replaced["state"], &replaced["superseded_by"]), (&json!("cancelled"), &json!(by)));
    }
    assert_eq!(accounts(&eyes).await, [told(1, &[60_000]), told(3, &[60_000])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_replaces_what_counts_may_tell_older_days_and_only_of_its_month() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let first =
        eyes.published(&bank, &Submission::ndjson(rows(&[october(1, 60_000), october(2, 60_000)]))).await;
    let withdrawn = bank.submit(&Submission::ndjson(rows(&[october(3, 60_000)]))).await;
    bank.post(&format!("/v1/batches/{withdrawn}/cancel")).await.expect(200);
    let older = [(1, json!({"as_of_date": "2026-10-15"})), (2, json!({"as_of_date": "2026-09-30"}))];
    for (named, too_old) in [(&withdrawn, 2), (&first, 1)] {
        let replacing = Submission::ndjson(rows(&older)).with(&format!("replaces={named}"));
        let report = eyes.judged(&bank, &replacing).await;
        assert_eq!(report.rules().get("P017"), Some(&too_old), "{:#}", report.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_account_is_not_served_until_its_case_lifts_it() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    eyes.published(&bank, &Submission::ndjson(rows(&[september(1)]))).await;
    let account = (bank.contributor_id.unwrap(), "ACC-000001");
    let now = eyes.app.clock.now();
    let (review, dispute) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let risk_engine = eyes.risk_engine().await;
    let answer = async || risk_engine.ask(&nric(1), "2026-11-24").await.expect(200).json();

    for (restriction, case) in [(Restriction::InReview, review), (Restriction::Disputed, dispute)] {
        sqlx::query(
            "/* test.restrict */ INSERT INTO serving_restrictions (contributor_id, account_ref, kind, case_id, opened_at)
            VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(account.0)
        .bind(account.1)
        .bind(restriction.as_str())
        .bind(case)
        .bind(now)
        .execute(&eyes.database.pool)
        .await
        .unwrap();
    }
    let mut tx = eyes.app.db.system.begin().await.unwrap();
    serving_restrictions::apply_in_tx(&mut tx, account.0).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(answer().await["accounts"], json!([]));
    // A newer month, and a fold of the journal, leave it restricted.
    eyes.published(&bank, &Submission::ndjson(rows(&[october(1, 60_000)]))).await;
    eyes.published(&bank, &Submission::ndjson(rows(&[october(1, 50_000)]))).await;
    assert_eq!(answer().await["accounts"], json!([]));

    let mut tx = eyes.app.db.system.begin().await.unwrap();
    serving_restrictions::lift_in_tx(&mut tx, account, Restriction::InReview, review, now).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(answer().await["hit_status"], "PARTIAL", "the other case's restriction stays");
    let mut tx = eyes.app.db.system.begin().await.unwrap();
    serving_restrictions::lift_in_tx(&mut tx, account, Restriction::Disputed, dispute, now).await.unwrap();
    tx.commit().await.unwrap();
    let profile = answer().await;
    assert_eq!(profile["accounts"].as_array().unwrap().len(), 1, "{profile:#}");
    assert_eq!(profile["attributes"]["total_outstanding"]["value"], 50_000);
}
