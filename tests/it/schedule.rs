//! The schedule: each function in one process at a time, whoever dies.

use std::time::Duration;

use etrplus::access::Scope;
use etrplus::db::schedules::{finish, lease};
use etrplus::domain::contract::Terms;
use etrplus::jobs::schedule::run_due;
use serde_json::Value;
use sqlx::Executor as _;
use uuid::Uuid;

use crate::support::app::{Caller, TestApp, wire};

const SWEEP: &str = "sweep_abandoned_uploads";
const LONG: Duration = Duration::from_secs(300);

async fn operator(eyes: &TestApp) -> Caller {
    eyes.client("operator", None, &[Scope::Admin], &[]).await
}

async fn sweep_row(operator: &Caller) -> Value {
    let list = operator.get("/v1/operations/schedules").await.expect(200).json();
    let rows = list["schedules"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == SWEEP).unwrap().clone()
}

/// What runs every few seconds would be due again on a busy machine.
async fn quieten(eyes: &TestApp) {
    let statement = "UPDATE schedules SET due_at = due_at + interval '1 hour' WHERE every_seconds < 10";
    eyes.database.pool.execute(statement).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_at_once_one_runs_a_function() {
    let eyes = TestApp::start().await;
    let other = eyes.sibling().await;
    let (here, there) = tokio::join!(run_due(&eyes.app), run_due(&other));
    let mut ran = [here.unwrap(), there.unwrap()].concat();
    let all = ran.len();
    ran.sort_unstable();
    ran.dedup();
    assert!(ran.contains(&SWEEP) && all == ran.len(), "{ran:?} in {all} runs");
    // Nothing is due again so soon, in neither of them.
    quieten(&eyes).await;
    assert_eq!(run_due(&other).await.unwrap(), [""; 0]);

    let row = sweep_row(&operator(&eyes).await).await;
    assert_eq!((&row["every_seconds"], &row["running"]), (&10.into(), &false.into()), "{row:#}");
    assert_eq!((&row["last_changed"], &row["last_error"]), (&0.into(), &Value::Null), "{row:#}");
    assert!(row["last_run_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_asks_for_a_run_and_a_run_that_goes_on_is_followed_by_another() {
    let eyes = TestApp::start().await;
    let operator = operator(&eyes).await;
    run_due(&eyes.app).await.unwrap();
    quieten(&eyes).await;
    let path = format!("/v1/operations/schedules/{SWEEP}/run");
    operator.post(&path).await.expect(202);
    assert_eq!(run_due(&eyes.app).await.unwrap(), [SWEEP]);

    // Some process runs it; the request that comes meanwhile is remembered.
    let pool = &eyes.app.db.system;
    operator.post(&path).await.expect(202);
    let token = Uuid::from_u128(1);
    assert_eq!(lease(pool, &[SWEEP], token, LONG).await.unwrap().as_deref(), Some(SWEEP));
    let asked = operator.post(&path).await.expect(202).json();
    assert_eq!(asked["running"], true);
    assert_eq!(run_due(&eyes.app).await.unwrap(), [""; 0]);
    finish(pool, SWEEP, token, Ok(3)).await.unwrap();
    assert_eq!(sweep_row(&operator).await["last_changed"], 3);
    assert_eq!(run_due(&eyes.app).await.unwrap(), [SWEEP]);

    operator.post("/v1/operations/schedules/no_such_function/run").await.expect(404);
    let entries: i64 = sqlx::query_scalar(
        "/* test.audit */ SELECT count(*) FROM audit_entries WHERE action = 'schedule.request' AND object_id = $1",
    )
    .bind(SWEEP)
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(entries, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_process_died_is_run_by_another_and_the_late_end_of_the_first_changes_nothing() {
    let eyes = TestApp::start().await;
    let operator = operator(&eyes).await;
    run_due(&eyes.app).await.unwrap();
    quieten(&eyes).await;
    let pool = &eyes.app.db.system;
    operator.post(&format!("/v1/operations/schedules/{SWEEP}/run")).await.expect(202);
    let dead = Uuid::from_u128(1);
    lease(pool, &[SWEEP], dead, LONG).await.unwrap().unwrap();
    assert_eq!(run_due(&eyes.app).await.unwrap(), [""; 0]);
    eyes.database
        .pool
        .execute("UPDATE schedules SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE lease_token IS NOT NULL")
        .await
        .unwrap();
    assert_eq!(run_due(&eyes.app).await.unwrap(), [SWEEP]);
    finish(pool, SWEEP, dead, Err("came back from the dead")).await.unwrap();
    assert_eq!(sweep_row(&operator).await["last_error"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_says_why_and_is_tried_again() {
    let eyes = TestApp::start().await;
    let operator = operator(&eyes).await;
    run_due(&eyes.app).await.unwrap();
    quieten(&eyes).await;
    operator.post(&format!("/v1/operations/schedules/{SWEEP}/run")).await.expect(202);
    // An upload that was given up, and a store that does not answer.
    let mut config = eyes.app.config.clone();
    config.s3.endpoint = Some("http://127.0.0.1:1".into());
    let broken = wire(config, eyes.app.clock.clone()).await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    sqlx::query(
        "INSERT INTO batches (batch_id, contributor_id, client_id, dataset, mode, period_end, envelope, state,
             idempotency_key, content_type, content_encoding, stored_encoding, object_key, receiving_until, created_at)
         VALUES (gen_random_uuid(), $1, $2, 'account_snapshot', 'DELTA', '2026-10-31', '{}', 'receiving', 'k', 'text/csv',
             'identity', 'identity', 'bronze/nowhere', now() - interval '1 hour', now())",
    )
    .bind(sender.contributor_id)
    .bind(Uuid::parse_str(&sender.client_id).unwrap())
    .execute(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(run_due(&broken).await.unwrap(), [SWEEP]);
    let row = sweep_row(&operator).await;
    assert!(row["last_error"].as_str().unwrap().starts_with("object store"), "{row:#}");
    assert_eq!(row["running"], false);
    assert_eq!(row["last_changed"], 0, "what the last good run did is kept");
}
