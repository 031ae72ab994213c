//! Rehearsals (`dry_run`): the report of the real thing, and nothing else.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use etrplus::db::batches::count_by_state;
use etrplus::domain::contract::Terms;
use etrplus::jobs::schedule;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::objects;
use crate::support::records::{account, account_with, csv, ndjson, nric};

/// Tables in which a rehearsal may leave traces of itself: its own row, what happened to it, who asked for it.
const ITS_OWN: [&str; 8] = [
    "batches",
    "batch_transitions",
    "batch_findings",
    "lineage_edges",
    "jobs",
    "lanes",
    "audit_entries",
    "schedules",
];

/// A digest of every other table, and of the batches that are no rehearsals.
async fn contents(eyes: &TestApp) -> BTreeMap<String, String> {
    let pool = &eyes.database.pool;
    let tables: Vec<String> = sqlx::query_scalar(
        "/* test.tables */ SELECT relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut contents = BTreeMap::new();
    let kept = tables.iter().filter(|table| *table == "batches" || !ITS_OWN.contains(&table.as_str()));
    for table in kept.map(String::as_str).chain(["publication_numbers"]) {
        let rows = match table {
            "batches" => "(SELECT * FROM batches WHERE NOT dry_run)",
            "publication_numbers" => "(SELECT last_value FROM publication_numbers)",
            other => other,
        };
        let digest: Option<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {rows} t"
        )))
        .fetch_one(pool)
        .await
        .unwrap();
        contents.insert(table.to_owned(), digest.unwrap_or_default());
    }
    contents
}

/// A report without what belongs to one run: ids, times, and that it was a rehearsal.
fn comparable(report: &Value) -> String {
    let mut report = report.clone();
    let batch = report["batch"].as_object_mut().unwrap();
    for name in ["id", "links", "received_at", "settled_at", "published_at"] {
        assert!(batch.remove(name).is_some(), "{name}");
    }
    batch.remove("dry_run");
    report.to_string()
}

async fn rejects(caller: &Caller, report: &Report) -> String {
    caller.get(&format!("/v1/batches/{}/rejects", report.id())).await.expect(200).text()
}

/// What arrives in the story, each after the one before was published for real.
fn files() -> Vec<(&'static str, Submission)> {
    let late = |n: u32| account_with(n, &json!({"dpd": 40}));
    let full = |month: &str, records: &[Value]| {
        Submission::ndjson(ndjson(records)).period("FULL", month.parse().unwrap())
    };
    let in_month = |n: u32, day: &str, changes: &Value| {
        let mut record = account_with(n, changes);
        record["as_of_date"] = json!(day);
        record
    };
    let september: Vec<Value> = (1..=40).map(|n| in_month(n, "2026-09-30", &json!({}))).collect();
    // Every account changed its past in some way that another month would contradict.
    let mut october: Vec<Value> = (1..=40)
        .map(|n| match n % 5 {
            0 => in_month(n, "2026-10-31", &json!({"opened_date": "2026-02-15"})),
            1 => in_month(n, "2026-10-31", &json!({"original_amount": 150_000})),
            2 => in_month(n, "2026-10-31", &json!({"outstanding": 90_000})),
            3 => in_month(n, "2026-10-31", &json!({"id_number": nric(n + 500)})),
            _ => in_month(n, "2026-10-31", &json!({"overdue": 900, "dpd": 700})),
        })
        .collect();
    october.truncate(30);
    let owner: Vec<Value> = (101..=151).map(|n| account_with(n, &json!({"id_number": nric(3)}))).collect();
    vec![
        ("all good", full("2026-09-30", &september)),
        ("against the past", full("2026-10-31", &october)),
        ("with rejects", Submission::csv(csv(&[account(61), late(62), late(63), account(64)]))),
        ("repeated", Submission::ndjson(ndjson(&[account(71), account(71), late(72)]))),
        ("held", Submission::ndjson(ndjson(&owner))),
        ("totals differ", Submission::ndjson(ndjson(&[account(81), late(82)])).with("record_count=7")),
        ("unreadable", Submission::ndjson(b"{\xFF}".to_vec())),
        ("a nil return", Submission::ndjson("").with("nil_return=true")),
    ]
}

async fn rehearse_and_run(terms: Terms) -> Vec<String> {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", terms).await;
    let mut states = Vec::new();
    for (name, submission) in files() {
        eyes.advance(TimeDelta::seconds(20));
        let before = contents(&eyes).await;
        let rehearsed = eyes.judged(&sender, &submission.clone().with("dry_run=true")).await;
        assert_eq!(contents(&eyes).await, before, "{name}");
        // The same key: what was rehearsed is what is sent.
        let run = eyes.judged(&sender, &submission).await;
        assert_ne!(rehearsed.id(), run.id());
        assert_eq!(comparable(&rehearsed.0), comparable(&run.0), "{name}");
        assert_eq!(rejects(&sender, &rehearsed).await, rejects(&sender, &run).await, "{name}");
        states.push(run.state().to_owned());
        if run.state() == "on_hold" {
            let explanation = json!({"explanation": "This is right as it is, we checked it."});
            sender.post_json(&format!("/v1/batches/{}/confirm", run.id()), &explanation).await.expect(200);
            eyes.run_jobs().await;
        }
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_reports_what_the_run_reports_and_changes_nothing() {
    let states = rehearse_and_run(patient()).await;
    assert_eq!(states[0], "published");
    for state in ["published", "on_hold", "rejected"] {
        assert!(states.iter().any(|seen| seen == state), "{states:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_is_as_strict_as_the_run() {
    let states = rehearse_and_run(Terms::default()).await;
    assert_eq!(states[2], "rejected", "half of the records are bad: {states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rehearsals_stand_in_nobodys_way() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let book = Submission::ndjson(ndjson(&[account(1), account_with(2, &json!({"dpd": 40}))]))
        .period("FULL", "2026-10-31".parse().unwrap());
    // Rehearsals of the same bytes and period, one after the other and beside the run.
    let rehearsal = book.clone().with("dry_run=true");
    let first = sender.submit(&rehearsal).await;
    let again = sender.submit(&rehearsal.clone().key("another")).await;
    let repeated = sender.send(&rehearsal).await.expect(202);
    assert_eq!(
        (repeated.header("idempotency-replayed"), &repeated.json()["batch"]["id"]),
        (Some("true"), &json!(first))
    );
    let run = sender.submit(&book).await;
    assert_eq!(eyes.run_jobs().await, 3);
    for id in [&first, &again, &run] {
        assert_eq!(sender.batch(id).await["state"], "published");
    }
    // What was received for real is told to a rehearsal as it would be to a run.
    let late = sender.send(&rehearsal.clone().key("late")).await.expect(409).json();
    assert_eq!(late["code"], "duplicate-content");

    let ids = |page: Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|batch| batch["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(sender.get("/v1/batches").await.json()), [run.as_str()]);
    let mut rehearsals = ids(sender.get("/v1/batches?dry_run=true").await.json());
    rehearsals.sort_unstable();
    let mut expected = [first.clone(), again];
    expected.sort_unstable();
    assert_eq!(rehearsals, expected);
    assert_eq!(sender.batch(&first).await["dry_run"], true);
    // Nothing can be built on one.
    for parameter in ["fixes", "replaces"] {
        let on_air = Submission::ndjson(ndjson(&[account(2)])).with(&format!("{parameter}={first}"));
        sender.send(&on_air).await.expect(422);
    }
    assert_eq!(sender.get("/v1/rejects").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_rehearsal_go_after_a_day_and_its_report_stays() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let records = [account(1), account_with(2, &json!({"dpd": 40}))];
    let rehearsed = eyes.judged(&sender, &Submission::ndjson(ndjson(&records)).with("dry_run=true")).await;
    let owner: Vec<Value> = (101..=151).map(|n| account_with(n, &json!({"id_number": nric(3)}))).collect();
    let held = eyes.judged(&sender, &Submission::ndjson(ndjson(&owner)).with("dry_run=true")).await;
    let run = eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    let keys: Vec<String> = sqlx::query_scalar(
        "/* test.keys */ SELECT unnest(ARRAY[object_key, rejects_key]) FROM batches WHERE dry_run AND rejects_key IS NOT NULL",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert!(keys.len() == 2 && keys.iter().all(|key| key.starts_with("rehearsal/")), "{keys:?}");

    schedule::run_due(&eyes.app).await.unwrap();
    assert!(sender.batch(rehearsed.id()).await.get("files_removed_at").is_none());
    eyes.advance(TimeDelta::hours(25));
    // Twice, as if the first had died before it was written down.
    for _ in 0..2 {
        etrplus::pipeline::rehearsals::remove_expired(&eyes.app).await.unwrap();
    }
    for key in &keys {
        assert!(eyes.app.store.get(key).await.unwrap().is_none(), "{key}");
    }
    let mut sender = sender;
    sender.renew_token().await;
    assert!(sender.batch(rehearsed.id()).await["files_removed_at"].is_string());
    assert_eq!(Report(sender.report(rehearsed.id()).await).rules(), rehearsed.rules());
    let gone = sender.get(&format!("/v1/batches/{}/rejects", rehearsed.id())).await.expect(410).json();
    assert_eq!(gone["code"], "gone");
    // A held rehearsal cannot be confirmed any more; a run keeps everything.
    let path = format!("/v1/batches/{}/confirm", held.id());
    sender.post_json(&path, &json!({"explanation": "Too late to explain."})).await.expect(409);
    assert_eq!(rejects(&sender, &run).await.lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_every_attempt_at_a_rehearsal_go() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let mut records: Vec<Value> =
        (101..=151).map(|n| account_with(n, &json!({"id_number": nric(3)}))).collect();
    records.push(account_with(2, &json!({"dpd": 40})));
    let submission = Submission::ndjson(ndjson(&records)).with("dry_run=true");
    let held = eyes.judged(&sender, &submission).await;
    assert_eq!((held.state(), held.count("rejected")), ("on_hold", 1), "{:#}", held.0);
    let path = format!("/v1/batches/{}/confirm", held.id());
    sender.post_json(&path, &json!({"explanation": "A fleet of one owner, checked."})).await.expect(200);
    eyes.run_jobs().await;
    assert_eq!(sender.batch(held.id()).await["state"], "published");
    // Its place in the store, which in this process is a directory.
    let place = objects::path(&format!("rehearsal/refined/{}", held.id()));
    let files = || std::fs::read_dir(&place).map_or(0, Iterator::count);
    assert!(files() > 0);
    eyes.advance(TimeDelta::hours(25));
    assert_eq!(etrplus::pipeline::rehearsals::remove_expired(&eyes.app).await.unwrap(), 1);
    assert_eq!(files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_that_is_confirmed_in_its_last_moment_keeps_its_files() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let owner: Vec<Value> = (101..=151).map(|n| account_with(n, &json!({"id_number": nric(3)}))).collect();
    let held = eyes.judged(&sender, &Submission::ndjson(ndjson(&owner)).with("dry_run=true")).await;
    eyes.advance(TimeDelta::hours(25));
    let mut confirming = eyes.database.pool.begin().await.unwrap();
    sqlx::query("/* test.confirm */ UPDATE batches SET state = 'received' WHERE batch_id = $1::uuid")
        .bind(held.id())
        .execute(&mut *confirming)
        .await
        .unwrap();
    let removing = tokio::spawn({
        let app = std::sync::Arc::clone(&eyes.app);
        async move { etrplus::pipeline::rehearsals::remove_expired(&app).await.unwrap() }
    });
    eyes.until_somebody_waits_for_a_lock().await;
    confirming.commit().await.unwrap();
    assert_eq!(removing.await.unwrap(), 0);
    assert_eq!(eyes.batches_by_state().await, [("received".into(), 1)].into());
}

// On one thread, so that a recorder of its own hears what is counted.
#[tokio::test]
async fn rehearsals_are_not_counted_in_the_metrics() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _listening = metrics::set_default_local_recorder(&recorder);
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let submission = Submission::ndjson(ndjson(&[account(1), account_with(2, &json!({"dpd": 40}))]));
    let counted = ["etr_batches_settled_total", "etr_records_total", "etr_rule_hits_total"];

    eyes.judged(&sender, &submission.clone().with("dry_run=true")).await;
    let text = recorder.handle().render();
    assert!(counted.iter().all(|name| !text.contains(name)), "{text}");
    assert_eq!(count_by_state(&eyes.database.pool).await.unwrap(), []);

    eyes.judged(&sender, &submission).await;
    let text = recorder.handle().render();
    assert!(counted.iter().all(|name| text.contains(name)), "{text}");
    assert_eq!(count_by_state(&eyes.database.pool).await.unwrap(), [("published".into(), 1)]);
}
