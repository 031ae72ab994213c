//! A history in which everything happens that readers of the lake must get right.

use chrono::{DateTime, TimeDelta, Utc};
use etrplus::domain::contract::Dataset;
use etrplus::domain::rules::base_record;
use etrplus::pipeline::curate::{self, FED};
use serde_json::{Value, json};

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::records::{account, account_with, ndjson, nric};

/// What counted at an instant: contributor, account, subject, status, days past due, owed, overdue.
pub type Counting = Vec<(String, String, String, i16, i16, i64, i64)>;

/// What the history leaves to compare with.
pub struct Told {
    /// Before corrections, replacement and recall.
    pub earlier: (DateTime<Utc>, Counting),
    pub now: Counting,
}

/// Lands all that waits.
pub async fn land(eyes: &TestApp) -> u64 {
    eyes.advance(TimeDelta::seconds(10));
    let mut landed = 0;
    for fed in FED {
        landed += curate::land(&eyes.app, fed).await.unwrap();
    }
    curate::curate(&eyes.app).await.unwrap();
    landed
}

/// Books of two months with rejected records, events and applications; then a correction, a replaced batch and a recalled
/// one. Everything has landed at the end.
pub async fn history(eyes: &TestApp) -> Told {
    let sender = eyes.contributor("paylater", patient()).await;
    let other = eyes.contributor("lender", patient()).await;
    let september =
        |n: u32| account_with(n, &json!({"as_of_date": "2026-09-30", "outstanding": 70_000 + i64::from(n)}));
    let book = (1..13).map(september).collect::<Vec<_>>();
    eyes.published(&sender, &snapshots(&book).period("DELTA", "2026-09-30".parse().unwrap())).await;
    let bad = account_with(40, &json!({"dpd": -3}));
    let october: Vec<Value> = (1..9).map(account).chain([bad]).collect();
    eyes.published(&sender, &snapshots(&october)).await;
    eyes.published(&other, &snapshots(&[account_with(5, &json!({"holder_role": "JOINT"})), account(30)]))
        .await;
    eyes.published(&sender, &events()).await;
    eyes.published(&sender, &applications()).await;
    let mixed = eyes.published(&other, &snapshots(&[account(31), account(32)])).await;
    let wrong = eyes.published(&sender, &snapshots(&[account(20), account(21)])).await;
    let earlier = (eyes.app.clock.now(), counting(eyes).await);
    land(eyes).await;
    eyes.advance(TimeDelta::minutes(1));

    let change = json!({
        "account_ref": "ACC-000001", "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
        "changes": {"outstanding": 55_000}, "reason": "DATA_ERROR",
    });
    let corrected = sender.post_json("/v1/corrections", &change).await.expect(201).json();
    assert_eq!(corrected["state"], "applied");
    delete(eyes, &sender, "ACC-000002").await;
    let right = snapshots(&[account(21), account(22)]).with(&format!("replaces={wrong}"));
    eyes.published(&sender, &right).await;
    recall(eyes, &mixed).await;
    land(eyes).await;
    Told { earlier, now: counting(eyes).await }
}

fn snapshots(records: &[Value]) -> Submission {
    Submission::ndjson(ndjson(records))
}

fn events() -> Submission {
    let payment = |n: u32| {
        json!({
            "event_id": format!("PAY-{n}"), "account_ref": format!("ACC-{n:06}"), "event_type": "PAYMENT",
            "value_date": "2026-11-15", "amount": 10_000,
        })
    };
    let query = "dataset=repayment_event&mode=DELTA&period_end=2026-11-23".to_owned();
    Submission { query, ..snapshots(&(1..6).map(payment).collect::<Vec<_>>()) }
}

fn applications() -> Submission {
    let application = |n: u32| {
        let mut record = base_record(Dataset::Application);
        record["application_ref"] = json!(format!("APP-{n}"));
        record["id_number"] = json!(nric(n));
        record
    };
    let query = "dataset=application&mode=DELTA&period_end=2026-10-31".to_owned();
    Submission { query, ..snapshots(&(1..4).map(application).collect::<Vec<_>>()) }
}

/// Takes an account's record of October away, with a second pair of eyes.
async fn delete(eyes: &TestApp, sender: &Caller, account: &str) {
    let request = json!({
        "account_ref": account, "as_of_from": "2026-10-01", "as_of_to": "2026-10-31", "delete": true,
        "reason": "DUPLICATE",
    });
    let waiting = sender.post_json("/v1/corrections", &request).await.expect(201).json();
    let operator = eyes.operator("operator-c").await;
    let id = waiting["correction_id"].as_str().unwrap();
    operator.post(&format!("/v1/operations/corrections/{id}/approve")).await.expect(200);
}

async fn recall(eyes: &TestApp, batch: &str) {
    let operators = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let path = format!("/v1/operations/batches/{batch}/recalls");
    let asked = operators[0]
        .post_json(&path, &json!({"reason": "two portfolios were mixed"}))
        .await
        .expect(201)
        .json();
    let id = asked["recall_id"].as_str().unwrap();
    operators[1].post(&format!("/v1/operations/recalls/{id}/approve")).await.expect(200);
}

/// The accounts as they count now.
async fn counting(eyes: &TestApp) -> Counting {
    sqlx::query_as(
        "/* test.counting */ SELECT contributor_id::text, account_ref, subject_id::text, status, dpd, outstanding_sen, overdue_sen
        FROM accounts ORDER BY 1, 2, 3",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap()
}
