//! A person who was erased by law stays out, and nothing of the number stays with us.

use std::sync::Arc;
use std::time::Duration;

use etrplus::access::Scope;
use etrplus::domain::contract::IdType;
use etrplus::domain::identity::normalise;
use etrplus::jobs::runner;
use serde_json::json;

use crate::support::app::{Report, Submission, TestApp, patient};
use crate::support::records::{account, account_with, ndjson, nric};

const PATH: &str = "/v1/operations/erasure-tombstones";

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_stays_out_under_either_identifier() {
    let eyes = TestApp::start().await;
    let operator = eyes.client("operator", None, &[Scope::Admin], &[]).await;
    let sender = eyes.contributor("sender", patient()).await;
    let erased = json!({"id_type": "NRIC", "id_number": nric(1), "case_id": "CASE-2026-1"});
    operator.post_json(PATH, &erased).await.expect(201);

    let as_secondary = account_with(
        3,
        &json!({
            "id_type": "ARMY", "id_number": "T0000001",
            "secondary_id_type": "NRIC", "secondary_id_number": nric(1),
        }),
    );
    let records = [account(1), account(2), as_secondary];
    let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    report.assert_conservation();
    assert_eq!(report.rules().get("L009"), Some(&2), "{:#}", report.0);
    assert_eq!((report.count("accepted"), report.count("rejected")), (1, 2));
    let named: i64 = sqlx::query_scalar("/* test.named */ SELECT count(*) FROM subject_identifiers")
        .fetch_one(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(named, 1, "nothing of the erased person was named anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_is_put_once_and_keeps_its_case() {
    let eyes = TestApp::start().await;
    let operator = eyes.client("operator", None, &[Scope::Admin], &[]).await;
    let put = async |id_number: &str, case: &str| {
        let body = json!({"id_type": "NRIC", "id_number": id_number, "case_id": case});
        operator.post_json(PATH, &body).await
    };
    let (first, second) = futures::join!(put("900101-14-5671", "CASE-1"), put("900101145671", "CASE-1"));
    assert_eq!(first.expect(201).json(), second.expect(201).json());
    assert_eq!(put("900101145671", "CASE-2").await.expect(201).json()["case_id"], "CASE-1");
    let count = async |statement: &'static str| -> i64 {
        sqlx::query_scalar(statement).fetch_one(&eyes.database.pool).await.unwrap()
    };
    assert_eq!(count("/* test.stones */ SELECT count(*) FROM erasure_tombstones").await, 1);
    let audited = "/* test.audited */ SELECT count(*) FROM audit_entries WHERE action = 'person.erase'";
    assert_eq!(count(audited).await, 1, "a deed is told once");
    let told = "/* test.told */ SELECT count(*) FROM audit_entries WHERE audit_entries::text LIKE '%145671%'";
    assert_eq!(count(told).await, 0);

    let refused = put("900101145671x", "CASE-3").await.expect(400);
    assert_eq!(refused.json()["code"], "invalid-identifier");
    assert!(!refused.text().contains("145671"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_while_a_batch_is_judged_stays_out() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let as_secondary = json!({
        "id_type": "ARMY", "id_number": "T0000001",
        "secondary_id_type": "NRIC", "secondary_id_number": nric(1),
    });
    let erased = normalise(IdType::Nric, &nric(1)).unwrap();
    let token = eyes.app.keys.token(erased.id_type(), erased.as_str());
    for (n, record) in [(2, account(1)), (4, account_with(3, &as_secondary))] {
        let batch = sender.submit(&Submission::ndjson(ndjson(&[account(n), record]))).await;
        // The tombstone is put, and not yet to be seen, while the records are looked up.
        let mut tombstone = eyes.database.pool.begin().await.unwrap();
        sqlx::query("/* test.erase */ INSERT INTO erasure_tombstones VALUES ($1, 'CASE-1', now())")
            .bind(token.as_slice())
            .execute(&mut *tombstone)
            .await
            .unwrap();
        let judging = tokio::spawn({
            let app = Arc::clone(&eyes.app);
            async move { runner::work_once(&app).await.unwrap() }
        });
        eyes.until_somebody_waits_for_a_lock().await;
        tombstone.commit().await.unwrap();
        assert!(judging.await.unwrap());
        assert_ne!(sender.batch(&batch).await["state"], "published", "it is judged again");
        while sender.batch(&batch).await["state"] != "published" {
            eyes.try_jobs().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let report = Report(sender.report(&batch).await);
        assert_eq!(report.rules().get("L009"), Some(&1), "{:#}", report.0);
        sqlx::query("/* test.forget */ DELETE FROM erasure_tombstones")
            .execute(&eyes.database.pool)
            .await
            .unwrap();
    }
}
