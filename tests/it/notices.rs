//! Recipients: who was told what is corrected since gets a notice, once, and learns nobody's name.

use chrono::TimeDelta;
use etrplus::access::Scope;
use etrplus::db::redisclosures;
use etrplus::pipeline::notices;
use serde_json::{Value, json};

use crate::archive;
use crate::support::app::{Caller, Submission, TestApp, patient, question};
use crate::support::records::{account, account_with, ndjson, nric};

struct Cast {
    eyes: TestApp,
    sender: Caller,
    operators: [Caller; 2],
    engine: Caller,
    other_engine: Caller,
}

/// September and October of the first account, October of the second and the third.
async fn published() -> Cast {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operators = [eyes.operator("operator-a").await, eyes.operator("operator-b").await];
    let engine = eyes.risk_engine().await;
    let other_engine = eyes.client("engine-b", None, &[Scope::ProfilesQuery], &["CREDIT_APPLICATION"]).await;
    let september = account_with(1, &json!({"as_of_date": "2026-09-30", "outstanding": 70_000}));
    let earlier = Submission::ndjson(ndjson(&[september])).period("DELTA", "2026-09-30".parse().unwrap());
    eyes.published(&sender, &earlier).await;
    eyes.published(&sender, &Submission::ndjson(ndjson(&[account(1), account(2), account(3)]))).await;
    eyes.advance(TimeDelta::seconds(10));
    Cast { eyes, sender, operators, engine, other_engine }
}

fn correction(n: u32, member: &str, value: &Value) -> Value {
    json!({
        "account_ref": format!("ACC-{n:06}"), "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
        "reason": "DATA_ERROR", member: value,
    })
}

async fn told(engine: &Caller) -> Vec<Value> {
    engine.get("/v1/notices").await.expect(200).json()["items"].as_array().unwrap().clone()
}

impl Cast {
    async fn correct(&self, n: u32, changes: &Value) -> Value {
        let asked = self.sender.post_json("/v1/corrections", &correction(n, "changes", changes)).await;
        asked.expect(201).json()
    }

    async fn approve(&self, operator: usize, asked: &Value) {
        let path = format!("/v1/operations/corrections/{}/approve", asked["correction_id"].as_str().unwrap());
        self.operators[operator].post(&path).await.expect(200);
    }

    /// Lets answers settle and makes the notices; says how many.
    async fn send(&self) -> u64 {
        self.eyes.advance(TimeDelta::seconds(1));
        assert_eq!(notices::send(&self.eyes.app).await.unwrap(), 0, "answers may be on their way");
        self.eyes.advance(TimeDelta::seconds(60));
        notices::send(&self.eyes.app).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_gets_a_notice_of_its_own_questions() {
    let cast = published().await;
    cast.engine.ask(&nric(1), "2026-11-24").await.expect(200);
    let mut second = question(&nric(1), "2026-11-01");
    second["client_reference"] = json!("checkout-2");
    cast.eyes.advance(TimeDelta::seconds(5));
    cast.engine.post_json("/v1/profiles/query", &second).await.expect(200);
    // As of a day before the corrected record: what an account says of itself is told of every day that it has.
    cast.engine.ask(&nric(1), "2026-10-15").await.expect(200);
    // As of a day before the account; about somebody else; and by nobody at all.
    cast.engine.ask(&nric(1), "2026-09-15").await.expect(200);
    cast.other_engine.ask(&nric(2), "2026-11-24").await.expect(200);
    let corrected = cast.correct(1, &json!({"outstanding": 55_000})).await;
    assert_eq!(cast.send().await, 1);
    assert_eq!(notices::send(&cast.eyes.app).await.unwrap(), 0, "once");

    let notices = told(&cast.engine).await;
    let notice = &notices[0];
    assert_eq!((notices.len(), &notice["change"], &notice["answers"]), (1, &json!("CORRECTED"), &json!(3)));
    let mut references: Vec<&Value> =
        notice["queries"].as_array().unwrap().iter().map(|query| &query["client_reference"]).collect();
    references.sort_by_key(ToString::to_string);
    assert_eq!(references, ["checkout-1", "checkout-1", "checkout-2"]);
    let contributor = cast.sender.contributor_id.unwrap().to_string();
    let text = notice.to_string();
    for secret in [contributor.as_str(), "ACC-", "SENDER", &nric(1)] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(told(&cast.other_engine).await.is_empty());

    let path = format!("/v1/notices/{}/acknowledge", notice["notice_id"].as_str().unwrap());
    cast.other_engine.post(&path).await.expect(404);
    let first = cast.engine.post(&path).await.expect(200).json();
    cast.eyes.advance(TimeDelta::seconds(5));
    assert_eq!(cast.engine.post(&path).await.expect(200).json(), first, "read once");
    let left = cast.engine.get("/v1/notices?acknowledged=false").await.expect(200).json();
    assert_eq!(left["items"], json!([]));

    // For the person: how many, who, when.
    let id = corrected["correction_id"].as_str().unwrap();
    let page = cast.operators[0].get(&format!("/v1/operations/redisclosures?correction_id={id}")).await;
    let page = page.expect(200).json();
    let recipients = page["items"][0]["recipients"].as_array().unwrap();
    assert_eq!((recipients.len(), &recipients[0]["client_id"]), (1, &json!(cast.engine.client_id)));
    assert_eq!(
        (&recipients[0]["answers"], &recipients[0]["acknowledged_at"]),
        (&json!(3), &first["acknowledged_at"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_come_a_page_at_a_time() {
    let cast = published().await;
    for n in [1, 2, 3] {
        cast.engine.ask(&nric(n), "2026-11-24").await.expect(200);
        cast.correct(n, &json!({"outstanding": 50_000})).await;
    }
    assert_eq!(cast.send().await, 3);
    let mut seen = Vec::new();
    let mut path = "/v1/notices?limit=2".to_owned();
    loop {
        let page = cast.engine.get(&path).await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|notice| notice["notice_id"].to_string()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        cast.other_engine.get(&format!("/v1/notices?limit=2&cursor={cursor}")).await.expect(400);
        path = format!("/v1/notices?limit=2&cursor={cursor}");
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_rekeys_and_delistings_are_told_and_what_lookups_do_not_show_is_not() {
    let cast = published().await;
    let listed = account_with(
        4,
        &json!({
            "outstanding": 45_000, "overdue": 45_000, "dpd": 90, "listing_requested": true, "evidence_ref": "contracts/4",
        }),
    );
    // Under a name that contradicts the first person's: kept back from the start.
    let hidden = account_with(5, &json!({"id_number": nric(1), "full_name": "LIM WEE CHONG"}));
    cast.eyes.published(&cast.sender, &Submission::ndjson(ndjson(&[listed, hidden]))).await;
    for n in [1, 2, 3, 4, 9] {
        cast.engine.ask(&nric(n), "2026-11-24").await.expect(200);
    }
    cast.eyes.advance(TimeDelta::seconds(5));
    let person = |n: u32, name: &str| json!({"person": {"subject_type": "INDIVIDUAL", "id_type": "NRIC", "id_number": nric(n), "full_name": name}});
    let rekey = async |n: u32, name: &str| {
        let mut request = correction(n, "rekey", &person(9, name));
        request.as_object_mut().unwrap().remove("reason");
        request["evidence_ref"] = json!("cases/2026-7");
        let asked = cast.operators[0].post_json("/v1/operations/contributors/sender/rekeys", &request).await;
        cast.approve(1, &asked.expect(201).json()).await;
    };
    let deleted = cast.sender.post_json("/v1/corrections", &correction(2, "delete", &json!(true))).await;
    cast.approve(0, &deleted.expect(201).json()).await;
    rekey(3, "SUBJECT SYNTHETIC").await;
    cast.sender.post_json("/v1/listings/ACC-000004/delist", &json!({})).await.expect(200);
    // Not told to anybody: what lookups do not show.
    cast.correct(1, &json!({"last_payment_date": "2026-10-20", "last_payment_amount": 5_000})).await;
    // What is kept back may have been told before it was: whoever asked about the person gets a notice too many.
    let mut lim = correction(5, "rekey", &person(10, "LIM WEE CHONG"));
    lim.as_object_mut().unwrap().remove("reason");
    lim["evidence_ref"] = json!("cases/2026-8");
    let asked = cast.operators[0].post_json("/v1/operations/contributors/sender/rekeys", &lim).await;
    cast.approve(1, &asked.expect(201).json()).await;

    assert_eq!(cast.send().await, 4);
    let mut changes: Vec<Value> =
        told(&cast.engine).await.iter().map(|notice| notice["change"].clone()).collect();
    changes.sort_by_key(Value::to_string);
    assert_eq!(changes, ["DELISTED", "REMOVED", "REMOVED", "REMOVED"]);
    let all =
        cast.operators[0].get("/v1/operations/redisclosures?account_ref=ACC-000005").await.expect(200).json();
    assert_eq!(all["items"][0]["recipients"][0]["client_id"], json!(cast.engine.client_id), "{all}");
    let right =
        cast.operators[0].get("/v1/operations/redisclosures?account_ref=ACC-000003").await.expect(200).json();
    assert_eq!(right["items"].as_array().unwrap().len(), 1, "of the right person nothing wrong was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_months_back_and_not_further() {
    let mut cast = published().await;
    cast.engine.ask(&nric(1), "2026-11-24").await.expect(200);
    cast.eyes.advance(TimeDelta::days(300));
    cast.sender.renew_token().await;
    cast.correct(1, &json!({"outstanding": 55_000})).await;
    assert_eq!(cast.send().await, 1);
    cast.eyes.advance(TimeDelta::days(100));
    cast.sender.renew_token().await;
    let mut september = correction(1, "changes", &json!({"outstanding": 60_000}));
    september["as_of_from"] = json!("2026-09-01");
    september["as_of_to"] = json!("2026-09-30");
    cast.sender.post_json("/v1/corrections", &september).await.expect(201);
    assert_eq!(cast.send().await, 0, "asked thirteen months before");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_told_an_earlier_version_is_told_of_every_later_change() {
    let cast = published().await;
    cast.engine.ask(&nric(1), "2026-11-24").await.expect(200);
    cast.eyes.advance(TimeDelta::seconds(5));
    cast.correct(1, &json!({"outstanding": 55_000})).await;
    cast.eyes.advance(TimeDelta::seconds(5));
    cast.correct(1, &json!({"outstanding": 50_000})).await;
    assert_eq!(cast.send().await, 2, "what was told first is wrong in both");

    // Its batch's place is taken by one that says the same, which is corrected.
    cast.engine.ask(&nric(3), "2026-11-24").await.expect(200);
    cast.eyes.advance(TimeDelta::seconds(5));
    let same = Submission::ndjson(ndjson(&[account(1), account(2), account(3)]))
        .period("REPLACE", "2026-10-31".parse().unwrap())
        .with("allow_duplicate=true");
    cast.eyes.published(&cast.sender, &same).await;
    cast.correct(3, &json!({"outstanding": 55_000})).await;
    assert_eq!(cast.send().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_query_told_is_corrected_like_any_other_answer() {
    let cast = published().await;
    let scopes = [Scope::ProfilesQuery, Scope::ArchiveQuery];
    let tester = cast.eyes.client("back-tester", None, &scopes, &["CREDIT_APPLICATION"]).await;
    // The question itself looked at a day before the account.
    let named = tester.ask(&nric(1), "2026-08-15").await.expect(200).json();
    let named = named["query_id"].as_str().unwrap();
    archive::land(&cast.eyes).await;
    let mut request = archive::request(&[named]);
    archive::asked(&tester, "before-anything-was-known", &request).await;
    archive::until_answered(&cast.eyes).await;
    request["as_of"] = json!("2026-11-23");
    request["known_at"] = json!(cast.eyes.app.clock.now());
    archive::asked(&tester, "as-it-was-told", &request).await;
    archive::until_answered(&cast.eyes).await;
    cast.eyes.advance(TimeDelta::seconds(5));
    cast.correct(1, &json!({"outstanding": 55_000})).await;
    assert_eq!(cast.send().await, 1);
    let notice = told(&tester).await.remove(0);
    assert_eq!((&notice["answers"], &notice["queries"][0]["query_id"]), (&json!(1), &json!(named)));
    // Asked after the change, of what was known before it: the past is what it asks for.
    archive::asked(&tester, "of-the-past", &request).await;
    cast.correct(1, &json!({"outstanding": 50_000})).await;
    assert_eq!(cast.send().await, 1);
    let answers: Vec<Value> = told(&tester).await.iter().map(|notice| notice["answers"].clone()).collect();
    assert_eq!(answers, [2, 1], "until it is corrected once more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_made_once_whoever_dies_and_whoever_is_late() {
    let cast = published().await;
    cast.engine.ask(&nric(1), "2026-11-24").await.expect(200);
    cast.correct(1, &json!({"outstanding": 55_000})).await;
    let app = &cast.eyes.app;
    assert_eq!(notices::send(app).await.unwrap(), 0);
    // An answer that was prepared before the change leaves its footprint after it; its server's clock is fast.
    sqlx::query(
        "/* test.late */ INSERT INTO footprints (query_id, subject_id, client_id, answered_at, consent_obtained_at, consent_expires_at,
            as_of, account_count, subject_token, purpose, inquiry_type, hit_status, consent_reference, client_reference,
            attribute_set_version)
        SELECT gen_random_uuid(), subject_id, $1::uuid, answered_at + interval '5 seconds', consent_obtained_at,
            consent_expires_at, as_of, account_count,
            subject_token, purpose, inquiry_type, hit_status, consent_reference, 'late', attribute_set_version FROM footprints",
    )
    .bind(&cast.other_engine.client_id)
    .execute(&cast.eyes.database.pool)
    .await
    .unwrap();
    cast.eyes.advance(TimeDelta::seconds(61));
    let now = app.clock.now();

    // Somebody has it in hand, and dies.
    let mut dying = app.db.system.begin().await.unwrap();
    assert_eq!(redisclosures::waiting_in_tx(&mut dying, now, 20).await.unwrap().len(), 1);
    assert_eq!(notices::send(app).await.unwrap(), 0, "it is not waited for");
    dying.rollback().await.unwrap();
    let sibling = cast.eyes.sibling().await;
    let (one, two) = tokio::join!(notices::send(app), notices::send(&sibling));
    assert_eq!(one.unwrap() + two.unwrap(), 2, "both recipients, once");
    assert_eq!((told(&cast.engine).await.len(), told(&cast.other_engine).await.len()), (1, 1));
    let deeds: i64 = sqlx::query_scalar(
        "/* test.deeds */ SELECT count(*) FROM audit_entries WHERE action = 'redisclosure.notify'",
    )
    .fetch_one(&cast.eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(deeds, 1);
}
