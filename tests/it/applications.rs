//! Applications: what a person applied for is counted and told to nobody; the latest word on each counts, as long as
//! its file does.

use chrono::TimeDelta;
use etrplus::domain::profile::HitStatus;
use etrplus::domain::rules::{Code, Effect};
use etrplus::pipeline::unopened;
use serde_json::{Value, json};

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::records::{account_with, ndjson, nric};

/// The n-th person applies for a plan on 20 November.
fn application(n: u32) -> Value {
    json!({
        "application_ref": format!("APP-{n:06}"), "subject_type": "INDIVIDUAL", "id_type": "NRIC",
        "id_number": nric(n), "full_name": "SUBJECT SYNTHETIC", "applied_at": "2026-11-20T10:00:00+08:00",
        "product_type": "BNPL_PLAN", "amount_requested": 30_000, "decision": "PENDING",
    })
}

/// The same with some fields changed.
fn application_with(n: u32, changes: &Value) -> Value {
    let mut record = application(n);
    record.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    record
}

fn decided(n: u32, decision: &str) -> Value {
    let mut changes = json!({"decision": decision, "decision_at": "2026-11-20T10:05:00+08:00"});
    if decision == "APPROVED" {
        changes["amount_approved"] = json!(30_000);
    }
    application_with(n, &changes)
}

/// A DELTA of applications in November.
fn applications(records: &[Value]) -> Submission {
    let query = "dataset=application&mode=DELTA&period_end=2026-11-23".to_owned();
    Submission { query, ..Submission::ndjson(ndjson(records)) }
}

/// What a risk engine is told of the n-th person: applications of 7, 30 and 90 days, contributors, and whether they are
/// known.
async fn told(engine: &Caller, n: u32, as_of: &str) -> ([i64; 4], String) {
    let profile = engine.ask(&nric(n), as_of).await.expect(200).json();
    let names = ["applications_7d", "applications_30d", "applications_90d", "applied_contributors_30d"];
    let counts = names.map(|name| profile["attributes"][name]["value"].as_i64().unwrap());
    (counts, profile["hit_status"].as_str().unwrap().to_owned())
}

fn thin(counts: [i64; 4]) -> ([i64; 4], String) {
    (counts, HitStatus::Thin.as_str().to_owned())
}

fn unknown() -> ([i64; 4], String) {
    ([0; 4], HitStatus::NoHit.as_str().to_owned())
}

/// One operator asks for a recall, another one approves.
async fn recall([asks, agrees]: &[Caller; 2], batch: &str) {
    let path = format!("/v1/operations/batches/{batch}/recalls");
    let reason = json!({"reason": "Sent for another month."});
    let recall = asks.post_json(&path, &reason).await.expect(201).json();
    let id = recall["recall_id"].as_str().unwrap();
    agrees.post(&format!("/v1/operations/recalls/{id}/approve")).await.expect(200);
}

async fn reread(sender: &Caller, report: &Report) -> Report {
    Report(sender.report(report.id()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_told_how_often_a_person_applied_and_no_more() {
    let eyes = TestApp::start().await;
    let (here, there) =
        (eyes.contributor("here", patient()).await, eyes.contributor("there", patient()).await);
    let on = |reference: &str, at: &str| {
        application_with(1, &json!({"application_ref": reference, "applied_at": at}))
    };
    let mine = [
        decided(1, "DECLINED"),
        // Tried again a minute later: the same day, the same checkout.
        application_with(1, &json!({"application_ref": "AGAIN", "applied_at": "2026-11-20T10:01:00+08:00"})),
        // Half past midnight in Malaysia, the day before in UTC.
        on("NIGHT", "2026-11-17T16:30:00Z"),
        on("OCTOBER", "2026-10-20T12:00:00+08:00"),
        application_with(
            1,
            &json!({"application_ref": "VOUCHED", "holder_role": "GUARANTOR",
            "applied_at": "2026-11-19T10:00:00+08:00"}),
        ),
    ];
    let report = eyes.judged(&here, &applications(&mine)).await;
    assert_eq!((report.state(), report.count("accepted")), ("published", 5), "{:#}", report.0);
    eyes.judged(&there, &applications(&[decided(1, "APPROVED")])).await;

    let engine = eyes.risk_engine().await;
    assert_eq!(told(&engine, 1, "2026-11-24").await, thin([3, 3, 4, 2]), "the 18th, and the 20th with each");
    assert_eq!(told(&engine, 1, "2026-11-17").await, thin([0, 1, 1, 1]), "October alone");
    assert_eq!(told(&engine, 2, "2026-11-24").await, unknown());
    let answer = engine.ask(&nric(1), "2026-11-24").await.expect(200).text();
    for word in ["DECLINED", "APPROVED", "APP-000001", "HERE"] {
        assert!(!answer.contains(word), "{word} in {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_word_on_an_application_counts() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let engine = eyes.risk_engine().await;
    eyes.judged(&sender, &applications(&[application(1), application(2)])).await;
    eyes.judged(&sender, &applications(&[decided(1, "APPROVED"), decided(2, "WITHDRAWN")])).await;
    assert_eq!(told(&engine, 1, "2026-11-24").await, thin([1, 1, 1, 1]), "said twice, applied once");
    assert_eq!(told(&engine, 2, "2026-11-24").await, unknown(), "withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recalled_file_of_applications_never_was_and_the_word_before_it_counts_again() {
    let eyes = TestApp::start().await;
    let operators = [eyes.operator("asks").await, eyes.operator("agrees").await];
    let sender = eyes.contributor("sender", patient()).await;
    let engine = eyes.risk_engine().await;
    eyes.judged(&sender, &applications(&[application(1)])).await;
    let second = eyes.judged(&sender, &applications(&[decided(1, "WITHDRAWN"), application(2)])).await;
    assert_eq!(
        (told(&engine, 1, "2026-11-24").await, told(&engine, 2, "2026-11-24").await),
        (unknown(), thin([1; 4]))
    );

    recall(&operators, second.id()).await;
    assert_eq!(reread(&sender, &second).await.state(), "recalled");
    assert_eq!(
        (told(&engine, 1, "2026-11-24").await, told(&engine, 2, "2026-11-24").await),
        (thin([1; 4]), unknown())
    );
    // The application is PENDING again, so that it may be decided, and its reference is free for what was recalled.
    let again = eyes.judged(&sender, &applications(&[decided(1, "APPROVED"), decided(2, "DECLINED")])).await;
    assert_eq!((again.state(), again.count("accepted")), ("published", 2), "{:#}", again.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_applications_gives_way_to_the_one_that_replaces_it_and_comes_back_with_its_recall() {
    let eyes = TestApp::start().await;
    let operators = [eyes.operator("asks").await, eyes.operator("agrees").await];
    let sender = eyes.contributor("sender", patient()).await;
    let engine = eyes.risk_engine().await;
    let both = async || (told(&engine, 1, "2026-11-24").await, told(&engine, 2, "2026-11-24").await);
    let whole = |records: &[Value]| Submission {
        query: "dataset=application&mode=REPLACE&period_end=2026-11-23".into(),
        ..applications(records)
    };
    let first = eyes.judged(&sender, &whole(&[decided(1, "APPROVED")])).await;
    assert_eq!(both().await, (thin([1; 4]), unknown()));

    // The decision goes back, which A004 forbids to all but the file that takes the other's place.
    let second = eyes.judged(&sender, &whole(&[application(1), application(2)])).await;
    assert_eq!((second.state(), second.count("accepted")), ("published", 2), "{:#}", second.0);
    assert_eq!(reread(&sender, &first).await.state(), "superseded");
    assert_eq!(both().await, (thin([1; 4]), thin([1; 4])), "once each");
    let third = whole(&[application(2)]).with(&format!("replaces={}", second.id()));
    let third = eyes.judged(&sender, &third).await;
    assert_eq!(third.state(), "published", "{:#}", third.0);
    assert_eq!(both().await, (unknown(), thin([1; 4])));

    recall(&operators, third.id()).await;
    assert_eq!(reread(&sender, &second).await.state(), "published");
    assert_eq!(both().await, (thin([1; 4]), thin([1; 4])));
    assert_eq!(reread(&sender, &first).await.state(), "superseded");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_became_no_account_is_told_after_two_periods_once() {
    let eyes = TestApp::start().await;
    let operators = [eyes.operator("asks").await, eyes.operator("agrees").await];
    let mut sender = eyes.contributor("sender", patient()).await;
    let named = |n: u32| {
        let mut record = decided(n, "APPROVED");
        record["account_ref"] = json!(format!("ACC-{n:06}"));
        record
    };
    let records = [
        named(1),
        named(2),
        decided(3, "APPROVED"),
        decided(4, "APPROVED"),
        application(5),
        named(6),
        named(7),
    ];
    let report = eyes.judged(&sender, &applications(&records)).await;
    // One becomes the account that it names, one an account that it does not name, one is withdrawn.
    let opened = |n: u32, reference: &str| {
        let opened =
            json!({"account_ref": reference, "as_of_date": "2026-11-22", "opened_date": "2026-11-21"});
        account_with(n, &opened)
    };
    let accounts = Submission::ndjson(ndjson(&[opened(2, "ACC-000002"), opened(4, "OTHER")]));
    let accounts = eyes.judged(&sender, &accounts.period("DELTA", "2026-11-22".parse().unwrap())).await;
    assert_eq!(accounts.count("accepted"), 2, "{:#}", accounts.0);
    eyes.judged(&sender, &applications(&[decided(6, "WITHDRAWN")])).await;
    let recalled = eyes.judged(&sender, &applications(&[decided(8, "APPROVED")])).await;
    recall(&operators, recalled.id()).await;

    // December and January have to pass.
    eyes.advance(TimeDelta::days(68) + TimeDelta::hours(11));
    assert_eq!(unopened::find(&eyes.app).await.unwrap(), 0, "31 January, eleven in the evening");
    eyes.advance(TimeDelta::hours(2));
    let other = eyes.sibling().await;
    let (here, there) = tokio::join!(unopened::find(&eyes.app), unopened::find(&other));
    assert_eq!(
        here.unwrap() + there.unwrap(),
        3,
        "the first, the third and the seventh, by one of two processes"
    );
    assert_eq!(unopened::find(&eyes.app).await.unwrap(), 0);

    sender.renew_token().await;
    let report = reread(&sender, &report).await;
    assert_eq!((report.rules().get("A005"), report.count("warned")), (Some(&3), 3), "{:#}", report.0);
    report.assert_conservation();
    let sample = report.sample("A005");
    assert_eq!((&sample["record_no"], &sample["application_ref"]), (&json!(1), &json!("APP-000001")));
}

/// The origin's report: records that wait to be fixed, and records that were.
async fn fixes(sender: &Caller, origin: &str) -> (i64, i64) {
    let report = sender.report(origin).await;
    (report["fixes"]["open"].as_i64().unwrap(), report["fixes"]["resolved"].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_applications_are_known_by_their_reference_and_are_fixed() {
    let eyes = TestApp::start().await;
    let operators = [eyes.operator("asks").await, eyes.operator("agrees").await];
    let sender = eyes.contributor("sender", patient()).await;
    let unsaid =
        application_with(2, &json!({"decision": "APPROVED", "decision_at": "2026-11-20T10:05:00+08:00"}));
    let early =
        application_with(3, &json!({"decision": "DECLINED", "decision_at": "2026-11-20T09:59:59+08:00"}));
    let nameless = application_with(4, &json!({"application_ref": nric(4)}));
    let report = eyes.judged(&sender, &applications(&[application(1), unsaid, early, nameless])).await;
    assert_eq!((report.state(), report.count("rejected")), ("published", 3), "{:#}", report.0);
    assert_eq!(report.sample("A003")["application_ref"], "APP-000002");
    assert_eq!(
        report.sample("L007")["application_ref"],
        Value::Null,
        "what breaks its own rule is not repeated"
    );

    let origin = report.id();
    let listed = sender.get(&format!("/v1/rejects?batch_id={origin}")).await.expect(200).json();
    let names: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|item| &item["application_ref"]).collect();
    assert_eq!(names, [&json!("APP-000002"), &json!("APP-000003"), &Value::Null]);
    let file = sender.get(&format!("/v1/batches/{origin}/rejects")).await.expect(200).text();
    assert!(
        file.starts_with("{\"record_no\":2,\"account_ref\":null,\"application_ref\":\"APP-000002\""),
        "{file}"
    );
    let csv = [("accept", "text/csv")];
    let file = sender.get_with(&format!("/v1/batches/{origin}/rejects"), &csv).await.expect(200).text();
    assert!(file.contains("\r\n3,,APP-000003,A002,R,"), "{file}");

    let mended = applications(&[decided(2, "APPROVED"), application(9)]).with(&format!("fixes={origin}"));
    eyes.judged(&sender, &mended).await;
    assert_eq!(fixes(&sender, origin).await, (2, 1));
    // The others as they came, once the rule is milder: one of them is good now.
    eyes.soften("sender", Code::A002, Effect::Warn).await;
    let path = format!("/v1/batches/{origin}/rejects/replay");
    let headers = [("idempotency-key", "again")];
    let replay = sender.request(http::Method::POST, &path, &headers, "").await.expect(202).json();
    eyes.run_jobs().await;
    let replay = replay["batch"]["id"].as_str().unwrap().to_owned();
    assert_eq!(sender.batch(&replay).await["counts"]["accepted"], 1);
    assert_eq!(fixes(&sender, origin).await, (1, 2));

    // What fixes no more fixes nothing; what counts no more waits for nothing.
    recall(&operators, &replay).await;
    assert_eq!(fixes(&sender, origin).await, (2, 1));
    recall(&operators, origin).await;
    assert_eq!(fixes(&sender, origin).await, (0, 1));
}
