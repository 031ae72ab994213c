//! Archive queries: what profiles would have said, from the lake alone, whatever came later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use etrplus::access::Scope;
use etrplus::db::archive_queries as rows;
use etrplus::ids::ArchiveQueryId;
use etrplus::jobs::schedule;
use etrplus::pipeline::archive;
use etrplus::pipeline::curate::{self, FED};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::support::app::{Answer, Caller, Submission, TestApp, patient};
use crate::support::objects;
use crate::support::records::{account, account_with, ndjson, nric};

/// A query about a month of which nothing was known.
pub fn request(subjects: &[&str]) -> Value {
    json!({
        "purpose": "CREDIT_APPLICATION", "client_reference": "backtest", "as_of": "2026-09-30",
        "known_at": "2026-10-15T00:00:00Z", "format": "CSV", "subjects": subjects,
    })
}

async fn ask(caller: &Caller, key: &str, request: &Value) -> Answer {
    let headers = [("idempotency-key", key), ("content-type", "application/json")];
    caller
        .request(http::Method::POST, "/v1/archive-queries", &headers, request.to_string().into_bytes())
        .await
}

/// Asks, and says the query's id.
pub async fn asked(caller: &Caller, key: &str, request: &Value) -> String {
    let query = ask(caller, key, request).await.expect(202).json();
    query["archive_query_id"].as_str().unwrap().to_owned()
}

/// Answers what waits. Whatever is being written anywhere in the database server is waited for.
pub async fn until_answered(eyes: &TestApp) {
    for _ in 0..400 {
        // A task of its own: plans of its statements go deep, and a long story has little stack left.
        let app = Arc::clone(&eyes.app);
        if tokio::spawn(async move { archive::run(&app).await.unwrap() }).await.unwrap() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nothing was answered");
}

/// What the operations of the document are shown with: an answer that the caller was given, a query about it that is done, and
/// one that waits.
pub async fn shown(eyes: &TestApp, caller: &Caller) -> BTreeMap<&'static str, String> {
    let told = caller.ask(&nric(1), DAY).await.expect(200).json();
    let question = told["query_id"].as_str().unwrap().to_owned();
    let done = asked(caller, "done", &request(&[&question])).await;
    until_answered(eyes).await;
    let waiting = asked(caller, "waiting", &request(&[&question])).await;
    let operations = ["find_archive_query", "find_archive_result"].map(|name| (name, done.clone()));
    let others = [("cancel_archive_query", waiting), ("create_archive_query", question)];
    operations.into_iter().chain(others).collect()
}

/// Ten seconds later everything that waits lands.
pub async fn land(eyes: &TestApp) {
    eyes.advance(TimeDelta::seconds(10));
    for fed in FED {
        curate::land(&eyes.app, fed).await.unwrap();
    }
}

struct Cast {
    eyes: TestApp,
    sender: Caller,
    engine: Caller,
    /// The questions about persons 1, 2 and 3, and about somebody whom nobody knows.
    questions: Vec<String>,
    /// What was told of them.
    profiles: Vec<Value>,
}

const DAY: &str = "2026-11-24";

impl Cast {
    /// Two books were published, and a risk engine asked about four persons.
    async fn set() -> Cast {
        let eyes = TestApp::start().await;
        let sender = eyes.contributor("sender", patient()).await;
        let scopes = [Scope::ProfilesQuery, Scope::ArchiveQuery];
        let engine = eyes.client("risk-engine", None, &scopes, &["CREDIT_APPLICATION"]).await;
        let late = |n: u32, dpd: u32| account_with(n, &json!({"dpd": dpd, "overdue": 10_000}));
        let september = |n: u32| account_with(n, &json!({"as_of_date": "2026-09-30", "outstanding": 70_000}));
        let earlier = ndjson(&[september(1), september(2), september(3)]);
        let earlier = Submission::ndjson(earlier).period("DELTA", "2026-09-30".parse().unwrap());
        eyes.published(&sender, &earlier).await;
        eyes.published(&sender, &Submission::ndjson(ndjson(&[account(1), late(2, 40), account(3)]))).await;
        let (mut questions, mut profiles) = (Vec::new(), Vec::new());
        for n in [1, 2, 3, 900] {
            let profile = engine.ask(&nric(n), DAY).await.expect(200).json();
            questions.push(profile["query_id"].as_str().unwrap().to_owned());
            profiles.push(profile);
        }
        Cast { eyes, sender, engine, questions, profiles }
    }

    /// Time passes, and what waits lands.
    async fn later(&mut self, by: TimeDelta) {
        self.eyes.advance(by);
        land(&self.eyes).await;
        self.engine.renew_token().await;
        self.sender.renew_token().await;
    }

    /// A query about all four, as of the day, as it was known an hour later.
    fn request(&self, format: &str) -> Value {
        let subjects: Vec<&str> = self.questions.iter().map(String::as_str).collect();
        let mut request = request(&subjects);
        request["as_of"] = json!(DAY);
        request["known_at"] = json!("2026-11-24T05:00:00Z");
        request["format"] = json!(format);
        request
    }

    async fn answer(&self, key: &str, request: &Value) -> (Value, Vec<u8>) {
        let id = asked(&self.engine, key, request).await;
        until_answered(&self.eyes).await;
        let query = self.engine.get(&format!("/v1/archive-queries/{id}")).await.expect(200).json();
        assert_eq!(query["state"], "done", "{query:#}");
        let file = self.engine.get(query["result"]["href"].as_str().unwrap()).await.expect(200);
        assert_eq!(file.header("content-length").unwrap(), file.body.len().to_string());
        let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file.body));
        assert_eq!(query["result"]["sha256"], sha256);
        (query, file.body)
    }
}

/// The rows of a CSV file by their columns.
fn parsed(file: &[u8]) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(file).deserialize().map(Result::unwrap).collect()
}

/// A profile's attributes as a file has them.
fn told(profile: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| if value.is_null() { String::new() } else { value.to_string() };
    let attributes = profile["attributes"].as_object().unwrap();
    let mut told: BTreeMap<String, String> =
        attributes.iter().map(|(name, fact)| (name.clone(), text(&fact["value"]))).collect();
    for name in ["query_id", "hit_status"] {
        told.insert(name.to_owned(), profile[name].as_str().unwrap().to_owned());
    }
    for (name, value) in profile["freshness"].as_object().unwrap() {
        told.insert(name.clone(), value.as_str().map_or_else(|| text(value), str::to_owned));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_says_what_the_profiles_said_in_the_order_of_the_request() {
    let mut cast = Cast::set().await;
    cast.eyes.advance(TimeDelta::hours(2));
    cast.engine.renew_token().await;
    let request = cast.request("CSV");
    let id = asked(&cast.engine, "first", &request).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(archive::run(&cast.eyes.app).await.unwrap(), 0, "the lake has not everything of then");
    let path = format!("/v1/archive-queries/{id}");
    let waiting = cast.engine.get(&path).await.expect(200).json();
    assert_eq!((&waiting["state"], &waiting["result"]), (&json!("queued"), &Value::Null));
    let early = cast.engine.get(&format!("{path}/result")).await.expect(409).json();
    assert_eq!(early["code"], "conflict");

    land(&cast.eyes).await;
    until_answered(&cast.eyes).await;

    let file = cast.engine.get(&format!("{path}/result")).await.expect(200);
    assert!(file.header("content-digest").unwrap().starts_with("sha-256=:"));
    let found = parsed(&file.body);
    let expected: Vec<_> = cast.profiles.iter().map(told).collect();
    assert_eq!(found, expected);
    assert_eq!((&*found[1]["cnt_30p_12m"], &*found[3]["hit_status"]), ("1", "NO_HIT"));
    let text = file.text();
    let ids: Vec<String> = sqlx::query_scalar("SELECT subject_id::text FROM subject_identifiers")
        .fetch_all(&cast.eyes.database.pool)
        .await
        .unwrap();
    assert!(ids.len() >= 3 && ids.iter().all(|id| !text.contains(id)), "a person is named");
    let done = cast.engine.get(&path).await.expect(200).json();
    assert_eq!((&done["subjects"], &done["subjects_done"]), (&json!(4), &json!(4)));
    assert!(done["snapshots"]["silver.account_snapshots"].is_i64(), "{done:#}");

    let deeds: Vec<String> = sqlx::query_scalar(
        "SELECT action FROM audit_entries WHERE object_kind = 'archive_query' AND object_id = $1 ORDER BY entry_no",
    )
    .bind(&id)
    .fetch_all(&cast.eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(deeds, ["archive_query.ask", "archive_query.answer", "archive_query.fetch"]);

    // After a week the file goes, and what was asked stays.
    cast.eyes.advance(TimeDelta::days(7));
    cast.engine.renew_token().await;
    cast.engine.get(&format!("{path}/result")).await.expect(410);
    assert_eq!(archive::remove_expired(&cast.eyes.app).await.unwrap(), 1);
    assert_eq!(objects::named_like(&format!("archive/{id}")), [""; 0]);
    assert_eq!(cast.engine.get(&path).await.expect(200).json()["state"], "expired");
    cast.engine.get(&format!("{path}/result")).await.expect(410);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_later_does_not_show() {
    let mut cast = Cast::set().await;
    cast.later(TimeDelta::hours(2)).await;
    let before = cast.answer("before", &cast.request("PARQUET")).await.1;

    // A change, a deletion, a replacement, news, and a batch that is taken back.
    let correction = |n: u32, more: (&str, Value)| {
        let mut request = json!({
            "account_ref": format!("ACC-{n:06}"), "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
            "reason": "DATA_ERROR",
        });
        request[more.0] = more.1;
        request
    };
    let changed = correction(1, ("changes", json!({"outstanding": 55_000})));
    cast.sender.post_json("/v1/corrections", &changed).await.expect(201);
    let deleted = correction(2, ("delete", json!(true)));
    let deleted = cast.sender.post_json("/v1/corrections", &deleted).await.expect(201).json();
    let operators = [cast.eyes.operator("operator-a").await, cast.eyes.operator("operator-b").await];
    let id = deleted["correction_id"].as_str().unwrap();
    operators[0].post(&format!("/v1/operations/corrections/{id}/approve")).await.expect(200);
    let book = Submission::ndjson(ndjson(&[account_with(3, &json!({"outstanding": 1}))]));
    cast.eyes
        .published(&cast.sender, &book.period("REPLACE", "2026-09-30".parse().unwrap()).key("book"))
        .await;
    let stranger = Submission::ndjson(ndjson(&[account_with(900, &json!({"account_ref": "ACC-X"}))]));
    cast.eyes.published(&cast.sender, &stranger.key("stranger")).await;
    let batches = cast.sender.get("/v1/batches?state=curated").await.expect(200).json();
    let published = cast.sender.get("/v1/batches?state=published").await.expect(200).json();
    let of_october = |page: &Value| {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|batch| batch["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let oldest = [of_october(&published), of_october(&batches)].concat().pop().unwrap();
    let path = format!("/v1/operations/batches/{oldest}/recalls");
    let recall = operators[0].post_json(&path, &json!({"reason": "mixed up"})).await.expect(201).json();
    let recall = recall["recall_id"].as_str().unwrap();
    operators[1].post(&format!("/v1/operations/recalls/{recall}/approve")).await.expect(200);
    cast.later(TimeDelta::hours(2)).await;

    let (query, parquet) = cast.answer("after", &cast.request("PARQUET")).await;
    assert_eq!(parquet, before, "the past has changed");
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(parquet)).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 4, "{query:#}");

    // With what is known now, everything is another.
    let mut now = cast.request("CSV");
    now["known_at"] = json!(cast.eyes.app.clock.now());
    let found = parsed(&cast.answer("now", &now).await.1);
    for (found, then) in found.iter().zip(&cast.profiles) {
        assert_ne!(*found, told(then));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_law_withholds_today_is_withheld_from_the_past() {
    let mut cast = Cast::set().await;
    cast.later(TimeDelta::hours(2)).await;
    let contributor = cast.sender.contributor_id.unwrap();
    let mut tx = cast.eyes.app.db.system.begin().await.unwrap();
    let now = cast.eyes.app.clock.now();
    for (account, kind) in [("ACC-000001", "DISPUTED"), ("ACC-000002", "HIDDEN")] {
        sqlx::query(
            "INSERT INTO serving_restrictions (contributor_id, account_ref, kind, case_id, opened_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(contributor)
        .bind(account)
        .bind(kind)
        .bind(uuid::Uuid::now_v7())
        .bind(now)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    sqlx::query(
        "INSERT INTO erasure_tombstones (token, case_id, erased_at)
         SELECT subject_token, 'court-order-1', now() FROM footprints WHERE query_id = $1::uuid",
    )
    .bind(&cast.questions[2])
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();

    let found = parsed(&cast.answer("restricted", &cast.request("CSV")).await.1);
    let statuses: Vec<&str> = found.iter().map(|row| &*row["hit_status"]).collect();
    assert_eq!(statuses, ["PARTIAL", "NO_HIT", "NO_HIT", "NO_HIT"]);
    assert_eq!((&*found[0]["disputed_account_count"], &*found[0]["total_outstanding"]), ("1", ""));
    assert_eq!(found[2]["total_outstanding"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_tells_of_a_person_goes_when_the_person_is_erased() {
    let mut cast = Cast::set().await;
    cast.later(TimeDelta::hours(2)).await;
    let one = asked(&cast.engine, "with", &request(&[&cast.questions[0], &cast.questions[1]])).await;
    let other = asked(&cast.engine, "without", &request(&[&cast.questions[0]])).await;
    for _ in 0..2 {
        until_answered(&cast.eyes).await;
    }
    let result = async |id: &str| cast.engine.get(&format!("/v1/archive-queries/{id}/result")).await;
    result(&one).await.expect(200);
    let operator = cast.eyes.client("operator", None, &[Scope::Admin], &[]).await;
    let erased = json!({"id_type": "NRIC", "id_number": nric(2), "case_id": "CASE-2026-1"});
    operator.post_json("/v1/operations/erasure-tombstones", &erased).await.expect(201);
    result(&one).await.expect(410);
    result(&other).await.expect(200);
    assert_eq!(archive::remove_expired(&cast.eyes.app).await.unwrap(), 1);
    assert_eq!(objects::named_like(&format!("archive/{one}")), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_taken_once_and_only_about_answers_that_the_client_was_given() {
    let cast = Cast::set().await;
    let request = request(&[&cast.questions[0], &cast.questions[1]]);
    let first = ask(&cast.engine, "one", &request).await.expect(202);
    assert!(first.header("location").unwrap().starts_with("/v1/archive-queries/"));
    let again = ask(&cast.engine, "one", &request).await.expect(202);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json()["archive_query_id"], first.json()["archive_query_id"]);
    let with = |member: &str, value: Value| {
        let mut request = request.clone();
        request[member] = value;
        request
    };
    let refused = async |caller: &Caller, key: &str, request: &Value, status: u16, code: &str| {
        let refused = ask(caller, key, request).await.expect(status).json();
        assert_eq!(refused["code"], code, "{refused:#}");
        refused["detail"].as_str().unwrap().to_owned()
    };
    let engine = &cast.engine;
    let other = with("client_reference", json!("another"));
    refused(engine, "one", &other, 422, "idempotency-key-reused").await;
    let stranger = uuid::Uuid::now_v7().to_string();
    let unknown = with("subjects", json!([cast.questions[0], stranger]));
    let detail = refused(engine, "two", &unknown, 422, "unknown-subjects").await;
    assert!(detail.starts_with("/subjects/1 is no query_id"), "{detail}");
    let twice = with("subjects", json!([cast.questions[0], cast.questions[0]]));
    refused(engine, "two", &twice, 422, "validation-failed").await;
    refused(engine, "two", &with("purpose", json!("COLLECTION")), 403, "purpose-not-allowed").await;
    refused(engine, "two", &with("purpose", json!("CURIOSITY")), 400, "invalid-purpose").await;
    refused(engine, "two", &with("known_at", json!("2027-01-01T00:00:00Z")), 400, "invalid-as-of").await;
    refused(engine, "two", &with("as_of", json!("2026-10-16")), 400, "invalid-as-of").await;

    // Another client has no part in the answers of this one, nor in its queries.
    let scopes = [Scope::ProfilesQuery, Scope::ArchiveQuery];
    let neighbour = cast.eyes.client("neighbour", None, &scopes, &["CREDIT_APPLICATION"]).await;
    refused(&neighbour, "one", &request, 422, "unknown-subjects").await;
    let id = first.json()["archive_query_id"].as_str().unwrap().to_owned();
    for path in ["", "/result"] {
        neighbour.get(&format!("/v1/archive-queries/{id}{path}")).await.expect(404);
    }
    neighbour.post(&format!("/v1/archive-queries/{id}/cancel")).await.expect(404);

    // Nothing was kept of what was refused, and many at once are told to wait.
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM archive_queries")
        .fetch_one(&cast.eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(kept, 1);
    let keys: Vec<String> = (0..12).map(|n| format!("many-{n}")).collect();
    let many = keys.iter().map(|key| ask(engine, key, &request));
    let statuses: Vec<u16> =
        futures::future::join_all(many).await.iter().map(|a| a.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 9, "{statuses:?}");
    assert!(statuses.iter().all(|status| [202, 409].contains(status)), "{statuses:?}");
    let cancelled = engine.post(&format!("/v1/archive-queries/{id}/cancel")).await.expect(200).json();
    assert_eq!(cancelled["state"], "cancelled");
    engine.post(&format!("/v1/archive-queries/{id}/cancel")).await.expect(200);
    asked(engine, "there-is-room-again", &request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_attempt_is_gone_on_with_and_an_unwanted_one_ends() {
    let cast = Cast::set().await;
    let request = request(&[&cast.questions[0]]);
    let begin = async |key: &str| {
        let id: ArchiveQueryId = asked(&cast.engine, key, &request).await.parse().unwrap();
        let attempt = uuid::Uuid::now_v7();
        let pool = &cast.eyes.app.db.system;
        let client = cast.engine.client_id.parse().unwrap();
        let query = rows::owned(pool, client, id).await.unwrap();
        assert!(rows::begin(pool, &query, attempt, cast.eyes.app.clock.now()).await.unwrap());
        assert!(!rows::begin(pool, &query, attempt, cast.eyes.app.clock.now()).await.unwrap(), "one has it");
        (id, attempt)
    };
    let pool = &cast.eyes.app.db.system;

    // Dead, with an object that nobody will know of.
    let (id, dead) = begin("dead").await;
    let left = etrplus::store::StorageKey::archive(id, dead);
    cast.eyes.app.store.put(&left, Bytes::from_static(b"half")).await.unwrap();
    until_answered(&cast.eyes).await;
    let found = cast.engine.get(&format!("/v1/archive-queries/{id}")).await.expect(200).json();
    assert_eq!(found["state"], "done");
    assert_eq!(objects::named_like(&dead.to_string()), [""; 0]);
    assert!(!rows::advance(pool, (id, dead), 1).await.unwrap(), "the dead one can do nothing any more");
    cast.engine.post(&format!("/v1/archive-queries/{id}/cancel")).await.expect(409);

    // Cancelled while it runs.
    let (id, unwanted) = begin("unwanted").await;
    cast.engine.post(&format!("/v1/archive-queries/{id}/cancel")).await.expect(200);
    assert!(!rows::advance(pool, (id, unwanted), 1).await.unwrap());
    assert_eq!(archive::remove_expired(&cast.eyes.app).await.unwrap(), 0, "somebody may still be at it");
    let later = "UPDATE archive_queries SET finished_at = finished_at - interval '5 hours' WHERE archive_query_id = $1";
    sqlx::query(later).bind(id).execute(pool).await.unwrap();
    assert_eq!(
        archive::remove_expired(&cast.eyes.app).await.unwrap(),
        1,
        "what it may have left is looked for"
    );
    assert_eq!(archive::remove_expired(&cast.eyes.app).await.unwrap(), 0);

    // Every attempt died: it is given up, and says so.
    let (id, _) = begin("poison").await;
    sqlx::query("UPDATE archive_queries SET attempts = 5 WHERE archive_query_id = $1")
        .bind(id)
        .execute(&cast.eyes.database.pool)
        .await
        .unwrap();
    let failed = async {
        while archive::run(&cast.eyes.app).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), failed).await.unwrap();
    let found = cast.engine.get(&format!("/v1/archive-queries/{id}")).await.expect(200).json();
    assert_eq!(found["state"], "failed");
    assert!(found["failure"].as_str().unwrap().starts_with("every attempt failed"), "{found:#}");

    // The schedule knows both functions.
    let ran = schedule::run_due(&cast.eyes.app).await.unwrap();
    assert!(["answer_archive_queries", "remove_archive_results"].iter().all(|name| ran.contains(name)));
}
