//! OpenLineage: what a receiver is told of runs, and that it is told however it behaves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use etrplus::config::OpenLineage;
use etrplus::pipeline::curate::{self, FED};
use etrplus::pipeline::lineage;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::support::app::{Submission, TestApp, patient};
use crate::support::python;
use crate::support::records::{account, account_with, ndjson, nric};

/// How a receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Takes,
    /// Takes the event, and says that it broke.
    Lies,
    Breaks,
    Hangs,
    /// Wants no event of START.
    RefusesStarts,
    /// Sends callers elsewhere.
    Redirects,
}

#[derive(Clone)]
struct Receiver {
    mood: Arc<Mutex<Mood>>,
    events: Arc<Mutex<Vec<Value>>>,
    tokens: Arc<Mutex<Vec<String>>>,
    url: String,
}

impl Receiver {
    async fn start() -> Receiver {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1/lineage", listener.local_addr().unwrap());
        let receiver = Receiver {
            mood: Arc::new(Mutex::new(Mood::Takes)),
            events: Arc::default(),
            tokens: Arc::default(),
            url,
        };
        let router = Router::new().route("/api/v1/lineage", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn turn(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap().clone()
    }

    /// What happened to each run, in the order in which it was told.
    fn runs(&self) -> BTreeMap<String, Vec<String>> {
        let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in self.events() {
            let run = event["run"]["runId"].as_str().unwrap().to_owned();
            runs.entry(run).or_default().push(event["eventType"].as_str().unwrap().to_owned());
        }
        runs
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, Json(event): Json<Value>) -> Response {
    let mood = *receiver.mood.lock().unwrap();
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    receiver.tokens.lock().unwrap().push(token.to_owned());
    match mood {
        Mood::Breaks => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Redirects => return (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response(),
        Mood::Hangs => std::future::pending().await,
        Mood::RefusesStarts if event["eventType"] == "START" => {
            return StatusCode::UNPROCESSABLE_ENTITY.into_response();
        }
        Mood::Takes | Mood::Lies | Mood::RefusesStarts => {}
    }
    receiver.events.lock().unwrap().push(event);
    if mood == Mood::Lies {
        StatusCode::BAD_GATEWAY.into_response()
    } else {
        StatusCode::CREATED.into_response()
    }
}

async fn told_by(receiver: &Receiver) -> TestApp {
    let url = receiver.url.clone();
    TestApp::start_with(move |config| {
        config.openlineage = Some(OpenLineage { url, token: Some("a-token-of-the-tests".to_owned().into()) });
    })
    .await
}

async fn waiting(eyes: &TestApp) -> i64 {
    sqlx::query_scalar("/* test.waiting */ SELECT count(*) FROM lineage_outbox")
        .fetch_one(&eyes.database.pool)
        .await
        .unwrap()
}

/// Makes what was put off due now: its pauses are a matter of real time.
async fn hurry(eyes: &TestApp) {
    sqlx::query("/* test.hurry */ UPDATE lineage_outbox SET next_try_at = clock_timestamp()")
        .execute(&eyes.database.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_of_every_run_in_words_that_it_knows() {
    let receiver = Receiver::start().await;
    let eyes = told_by(&receiver).await;
    let bank = eyes.contributor("bank", patient()).await;
    let records = [account(1), account_with(2, &json!({"dpd": 40}))];
    let batch = eyes.published(&bank, &Submission::ndjson(ndjson(&records))).await;
    let rehearsal = Submission::ndjson(ndjson(&[account(3)])).with("dry_run=true");
    bank.submit(&rehearsal).await;
    eyes.run_jobs().await;
    let operators = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let asked =
        operators[0].post(&format!("/v1/operations/batches/{batch}/shadows")).await.expect(202).json();
    eyes.run_jobs().await;
    let promote = format!("/v1/operations/shadows/{}/promote", asked["shadow_id"].as_str().unwrap());
    operators[1].post(&promote).await.expect(202);
    eyes.run_jobs().await;
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 4);
    eyes.advance(chrono::TimeDelta::minutes(1));
    for fed in FED {
        curate::land(&eyes.app, fed).await.unwrap();
    }
    // Snapshots, batches and rejects landed, each told of once, whoever looks.
    let (here, there) = tokio::join!(lineage::send(&eyes.app), lineage::send(&eyes.app));
    assert_eq!(here.unwrap() + there.unwrap(), 6);
    assert_eq!(waiting(&eyes).await, 0);
    // A rehearsal and a shadow that only looks are nobody's business.
    let runs = receiver.runs();
    assert!(runs.len() == 5 && runs.values().all(|steps| steps == &["START", "COMPLETE"]), "{runs:?}");

    let events = receiver.events();
    let schema: Value = serde_json::from_str(include_str!("../data/openlineage/run_event.json")).unwrap();
    let judged = python::ask("lineage.py", &json!({"schema": schema, "events": events})).await;
    assert_eq!(judged["faults"], json!([]));

    let settled = &events[1];
    assert_eq!(settled["job"]["name"], "refine.account_snapshot");
    assert_eq!(settled["run"]["facets"]["etrplus_batch"]["batchId"], batch);
    assert_eq!(settled["run"]["facets"]["etrplus_verdict"]["counts"]["rejected"], 1);
    let assertions = &settled["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"];
    assert_eq!(assertions[0]["success"], true, "nothing was lost");
    assert!(
        assertions.as_array().unwrap().iter().any(|rule| rule["name"] == "X007" && rule["success"] == false)
    );
    let journal = &settled["outputs"][1];
    assert!(journal["name"].as_str().unwrap().ends_with(".public.account_snapshots"), "{journal:#}");
    let lineage = &journal["facets"]["columnLineage"]["fields"];
    assert_eq!(lineage["outstanding_sen"]["inputFields"][0]["field"], "outstanding");
    assert_eq!(lineage["subject_id"]["inputFields"][1]["transformations"][0]["masking"], true);

    let landed = events.iter().find(|event| {
        event["job"]["name"] == "curate.silver.account_snapshots" && event["eventType"] == "COMPLETE"
    });
    let table = &landed.unwrap()["outputs"][0];
    assert!(table["name"].as_str().unwrap().ends_with("/silver/account_snapshots"), "{table:#}");
    assert_eq!(table["facets"]["symlinks"]["identifiers"][0]["name"], "silver.account_snapshots");
    assert_eq!(table["facets"]["columnLineage"]["fields"]["status"]["inputFields"][0]["field"], "status");

    let text = Value::Array(events).to_string();
    for secret in ["ACC-", "SUBJECT SYNTHETIC", &nric(1), "a-token-of-the-tests"] {
        assert!(!text.contains(secret), "{secret} in an event");
    }
    assert!(receiver.tokens.lock().unwrap().iter().all(|token| token == "Bearer a-token-of-the-tests"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_to_tell_means_nothing_written() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1)]))).await;
    assert_eq!(waiting(&eyes).await, 0);
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_landed_while_nobody_sent_is_told_of_days_later() {
    let receiver = Receiver::start().await;
    let eyes = told_by(&receiver).await;
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 0);
    let bank = eyes.contributor("bank", patient()).await;
    eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1)]))).await;
    eyes.advance(chrono::TimeDelta::minutes(1));
    for fed in FED {
        curate::land(&eyes.app, fed).await.unwrap();
    }
    eyes.advance(chrono::TimeDelta::days(3));
    // The run of the batch, and two appends: snapshots and batches.
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 6);
    // All is told: nobody looks that far back any more.
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 0);
    let behind: bool = sqlx::query_scalar(
        "/* test.up_to */ SELECT told_at > (SELECT max(landed_at) FROM lake_commits) FROM lineage_told
         WHERE kind = 'up_to'",
    )
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    assert!(behind);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_breaks_lies_or_redirects_gets_everything_in_the_end_and_in_order() {
    let receiver = Receiver::start().await;
    let eyes = told_by(&receiver).await;
    let bank = eyes.contributor("bank", patient()).await;
    for n in 1..=3 {
        eyes.published(&bank, &Submission::ndjson(ndjson(&[account(n)]))).await;
    }
    for mood in [Mood::Breaks, Mood::Redirects, Mood::Lies, Mood::Breaks] {
        receiver.turn(mood);
        hurry(&eyes).await;
        // One try tells that nothing is taken; the others wait.
        let before = receiver.tokens.lock().unwrap().len();
        lineage::send(&eyes.app).await.unwrap_err();
        assert_eq!(receiver.tokens.lock().unwrap().len(), before + 1, "{mood:?}");
        assert_eq!(waiting(&eyes).await, 6, "{mood:?}");
    }
    receiver.turn(Mood::Takes);
    hurry(&eyes).await;
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 6);
    let mut runs: Vec<Vec<String>> = receiver.runs().into_values().collect();
    // What the liar had taken came twice.
    runs.iter_mut().for_each(Vec::dedup);
    assert_eq!(runs, vec![vec!["START", "COMPLETE"]; 3]);
    assert_eq!(receiver.events().len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_receiver_is_waited_for_and_a_silent_one_not_for_long() {
    let receiver = Receiver::start().await;
    let eyes = told_by(&receiver).await;
    let bank = eyes.contributor("bank", patient()).await;
    eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1)]))).await;
    receiver.turn(Mood::Hangs);
    let begun = std::time::Instant::now();
    let silent = lineage::send(&eyes.app).await.unwrap_err().to_string();
    assert!(silent.contains("did not answer in time"), "{silent}");
    assert!(begun.elapsed() < Duration::from_secs(20));

    let mut gone = eyes.app.config.clone();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    gone.openlineage = Some(OpenLineage { url: format!("http://{closed}/"), token: None });
    let elsewhere = crate::support::app::wire(gone, eyes.app.clock.clone()).await;
    hurry(&eyes).await;
    let dead = lineage::send(&elsewhere).await.unwrap_err().to_string();
    assert!(dead.contains("cannot be reached") && !dead.contains("127.0.0.1"), "{dead}");
    // Put off: not due again before its pause is over.
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 0);

    receiver.turn(Mood::Takes);
    hurry(&eyes).await;
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_holds_up_its_own_run_alone() {
    let receiver = Receiver::start().await;
    let eyes = told_by(&receiver).await;
    let bank = eyes.contributor("bank", patient()).await;
    eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1)]))).await;
    receiver.turn(Mood::RefusesStarts);
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 0);
    receiver.turn(Mood::Takes);
    eyes.published(&bank, &Submission::ndjson(ndjson(&[account(2)]))).await;
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 2, "the other run");
    assert_eq!(waiting(&eyes).await, 2);
    hurry(&eyes).await;
    assert_eq!(lineage::send(&eyes.app).await.unwrap(), 2);
    assert!(receiver.runs().values().all(|steps| steps == &["START", "COMPLETE"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_senders_share_the_work_and_a_batch_that_fails_or_is_withdrawn_ends_its_run() {
    let receiver = Receiver::start().await;
    let eyes = told_by(&receiver).await;
    let bank = eyes.contributor("bank", patient()).await;
    for n in 1..=4 {
        eyes.published(&bank, &Submission::ndjson(ndjson(&[account(n)]))).await;
    }
    let (here, there) = tokio::join!(lineage::send(&eyes.app), lineage::send(&eyes.app));
    assert_eq!(here.unwrap() + there.unwrap(), 8);
    assert!(receiver.runs().values().all(|steps| steps == &["START", "COMPLETE"]));

    // Its object is gone: every attempt fails.
    let lost = bank.submit(&Submission::ndjson(ndjson(&[account(9)]))).await;
    let key = format!("bronze/{}/{lost}", bank.contributor_id.unwrap());
    eyes.app.store.delete(&key).await.unwrap();
    for _ in 0..3 {
        eyes.try_jobs().await;
        sqlx::query("/* test.due */ UPDATE jobs SET run_at = clock_timestamp() WHERE state = 'queued'")
            .execute(&eyes.database.pool)
            .await
            .unwrap();
    }
    assert_eq!(bank.batch(&lost).await["state"], "failed");
    lineage::send(&eyes.app).await.unwrap();
    let last = receiver.events().pop().unwrap();
    assert_eq!(last["eventType"], "FAIL", "{last:#}");
    assert_eq!(last["run"]["facets"]["errorMessage"]["message"], "internal");
}
