//! Corrections: new versions of what was published, with a second pair of eyes where somebody looks worse for it.

use etrplus::access::Scope;
use serde_json::{Value, json};

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::records::{account, account_with, ndjson, nric};

fn change(changes: &Value) -> Value {
    json!({
        "account_ref": "ACC-000001", "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
        "changes": changes, "reason": "DATA_ERROR",
    })
}

fn with(mut request: Value, member: &str, value: Value) -> Value {
    request[member] = value;
    request
}

async fn outstanding(risk_engine: &Caller, n: u32) -> Option<i64> {
    let profile = risk_engine.ask(&nric(n), "2026-11-24").await.expect(200).json();
    profile["attributes"]["total_outstanding"]["value"].as_i64()
}

struct Cast {
    eyes: TestApp,
    sender: Caller,
    operator: Caller,
    risk_engine: Caller,
}

async fn published() -> Cast {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operator = eyes.client("operator", None, &[Scope::Admin], &[]).await;
    let risk_engine = eyes.risk_engine().await;
    let records = [account(1), account(2)];
    let september = account_with(1, &json!({"as_of_date": "2026-09-30", "outstanding": 70_000}));
    let earlier = Submission::ndjson(ndjson(&[september])).period("DELTA", "2026-09-30".parse().unwrap());
    eyes.judged(&sender, &earlier).await;
    eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    Cast { eyes, sender, operator, risk_engine }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_hurts_nobody_is_served_at_once_and_the_old_version_is_kept() {
    let Cast { eyes, sender, risk_engine, .. } = published().await;
    let request = change(&json!({"outstanding": 55_000}));
    let applied = sender.post_json("/v1/corrections", &request).await.expect(201).json();
    assert_eq!(
        (&applied["state"], &applied["adverse"], &applied["records"]),
        (&json!("applied"), &json!(false), &json!(1))
    );
    assert_eq!(outstanding(&risk_engine, 1).await, Some(55_000));
    assert_eq!(outstanding(&risk_engine, 2).await, Some(60_000));
    // Asking again, after an answer that was lost, gives the same one.
    let again = sender.post_json("/v1/corrections", &request).await.expect(200).json();
    assert_eq!(again["correction_id"], applied["correction_id"]);

    let versions: Vec<i64> = sqlx::query_scalar(
        "/* test.versions */ SELECT outstanding_sen FROM account_snapshots
        WHERE account_ref = 'ACC-000001' AND as_of_date = '2026-10-31' ORDER BY publication_no",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(versions, [60_000, 55_000]);
    let months: Vec<i64> = sqlx::query_scalar(
        "/* test.months */ SELECT unnest(month_outstanding_sen) FROM accounts WHERE account_ref = 'ACC-000001'",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(months, [55_000, 70_000]);
    let listed = sender.get("/v1/corrections?state=applied").await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_somebody_look_worse_needs_evidence_and_an_operator() {
    let Cast { eyes, sender, operator, risk_engine } = published().await;
    let worse = change(&json!({"overdue": 5_000, "dpd": 12}));
    let refused = sender.post_json("/v1/corrections", &worse).await.expect(422).json();
    assert!(refused["detail"].as_str().unwrap().contains("evidence_ref"), "{refused}");
    let worse = with(worse, "evidence_ref", json!("ledger 2026-10, page 4"));
    let waiting = sender.post_json("/v1/corrections", &worse).await.expect(201).json();
    assert_eq!((&waiting["state"], &waiting["adverse"]), (&json!("requested"), &json!(true)));
    let dpd = async || {
        let profile = risk_engine.ask(&nric(1), "2026-11-24").await.expect(200).json();
        profile["accounts"][0]["dpd"].clone()
    };
    assert_eq!(dpd().await, 0);
    assert_eq!(sender.post_json("/v1/corrections", &worse).await.expect(200).json()["state"], "requested");

    let list = operator.get("/v1/operations/corrections?state=requested").await.expect(200).json();
    assert_eq!(list["items"][0]["correction_id"], waiting["correction_id"]);
    let path = format!("/v1/operations/corrections/{}", waiting["correction_id"].as_str().unwrap());
    for _ in 0..2 {
        let approved = operator.post(&format!("{path}/approve")).await.expect(200).json();
        assert_eq!(approved["state"], "applied");
    }
    assert_eq!(dpd().await, 12);
    operator.post(&format!("{path}/refuse")).await.expect(409);
    // Whoever asked cannot agree, whatever else the client may do.
    let both = eyes.client("both", sender.contributor_id, &[Scope::BatchesWrite, Scope::Admin], &[]).await;
    let more = with(change(&json!({"dpd": 20})), "evidence_ref", json!("ledger"));
    let own = both.post_json("/v1/corrections", &more).await.expect(201).json();
    let path = format!("/v1/operations/corrections/{}/approve", own["correction_id"].as_str().unwrap());
    assert_eq!(both.post(&path).await.expect(409).json()["code"], "same-operator");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_agreed_and_leaves_a_tombstone() {
    let Cast { eyes, sender, operator, risk_engine } = published().await;
    let mut request = change(&json!({}));
    request.as_object_mut().unwrap().remove("changes");
    let request = with(with(request, "delete", json!(true)), "reason", json!("DUPLICATE"));
    let waiting = sender.post_json("/v1/corrections", &request).await.expect(201).json();
    assert_eq!((&waiting["kind"], &waiting["state"]), (&json!("DELETE_ERROR"), &json!("requested")));
    let path = format!("/v1/operations/corrections/{}/approve", waiting["correction_id"].as_str().unwrap());
    operator.post(&path).await.expect(200);
    // The month before is what is left of the account.
    assert_eq!(outstanding(&risk_engine, 1).await, Some(70_000));
    let repeated = sender.post_json("/v1/corrections", &request).await.expect(200).json();
    assert_eq!(repeated["correction_id"], waiting["correction_id"]);

    // The same day does not come again, another one does; and on purpose, even that day.
    let october = Submission::ndjson(ndjson(&[account(1), account(3)])).with("allow_duplicate=true");
    let refused = eyes.judged(&sender, &october).await;
    assert_eq!((refused.state(), refused.rules().get("P012")), ("published", Some(&1)), "{:#}", refused.0);
    assert_eq!(outstanding(&risk_engine, 1).await, Some(70_000));
    let other_case = format!("allow_duplicate=true&case_id={}", refused.id());
    let refused =
        eyes.judged(&sender, &Submission::ndjson(ndjson(&[account(1), account(4)])).with(&other_case)).await;
    assert_eq!(refused.rules().get("P012"), Some(&1), "{:#}", refused.0);
    let case = format!("allow_duplicate=true&case_id={}", waiting["correction_id"].as_str().unwrap());
    let taken = eyes.judged(&sender, &Submission::ndjson(ndjson(&[account(1)])).with(&case)).await;
    assert_eq!((taken.state(), taken.count("accepted")), ("published", 1), "{:#}", taken.0);
    assert_eq!(taken.0["batch"]["case_id"], waiting["correction_id"]);
    assert_eq!(outstanding(&risk_engine, 1).await, Some(60_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contributor_whose_only_account_was_deleted_does_not_bring_it_back() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operator = eyes.client("operator", None, &[Scope::Admin], &[]).await;
    eyes.judged(&sender, &Submission::ndjson(ndjson(&[account(1)]))).await;
    let mut request = with(change(&json!({})), "delete", json!(true));
    request.as_object_mut().unwrap().remove("changes");
    let waiting = sender.post_json("/v1/corrections", &request).await.expect(201).json();
    // Received before the decision and judged after it.
    let again = Submission::ndjson(ndjson(&[account(1), account(2)])).with("allow_duplicate=true");
    let again = sender.send(&again).await.expect(202).json()["batch"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/operations/corrections/{}/approve", waiting["correction_id"].as_str().unwrap());
    operator.post(&path).await.expect(200);
    eyes.run_jobs().await;
    let report = sender.report(&again).await;
    assert_eq!(report["batch"]["state"], "published", "{report:#}");
    let left: Vec<String> = sqlx::query_scalar("/* test.left */ SELECT account_ref FROM accounts")
        .fetch_all(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(left, ["ACC-000002"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_concerns_records_that_exist_and_keeps_to_the_rules() {
    let Cast { eyes, sender, .. } = published().await;
    let stranger = eyes.contributor("stranger", patient()).await;
    let good = change(&json!({"outstanding": 55_000}));
    stranger.post_json("/v1/corrections", &good).await.expect(404);
    sender
        .post_json("/v1/corrections", &with(good.clone(), "account_ref", json!("ACC-999999")))
        .await
        .expect(404);
    sender
        .post_json("/v1/corrections", &with(good.clone(), "as_of_to", json!("2026-09-01")))
        .await
        .expect(422);
    for (request, pointer, code) in [
        (change(&json!({"dpd": 30})), "/changes", "X007"),
        (change(&json!({"outstanding": "much"})), "/changes/outstanding", "V002"),
        (change(&json!({"full_name": "SUBJECT"})), "/changes", "unknown-field"),
        (with(good.clone(), "delete", json!(true)), "/changes", "invalid"),
    ] {
        let refused = sender.post_json("/v1/corrections", &request).await.expect(422).json();
        let error = &refused["errors"][0];
        assert_eq!(error["code"], code, "{refused}");
        assert!(error["pointer"].as_str().unwrap().starts_with(pointer), "{refused}");
    }
    // There is no reason of goodwill, and nothing is opened again by mistake.
    sender.post_json("/v1/corrections", &with(good.clone(), "reason", json!("GOODWILL"))).await.expect(422);
    let ended = json!({"status": "SETTLED", "status_date": "2026-10-30", "closed_date": "2026-10-30",
        "settled_date": "2026-10-30", "outstanding": 0});
    sender.post_json("/v1/corrections", &change(&ended)).await.expect(201);
    let open = json!({"status": "ACTIVE", "status_date": "2026-10-31", "closed_date": null, "settled_date": null,
        "outstanding": 60_000});
    let open = with(change(&open), "evidence_ref", json!("court file"));
    sender.post_json("/v1/corrections", &open).await.expect(422);
    let waiting = sender
        .post_json("/v1/corrections", &with(open, "reason", json!("REOPENED")))
        .await
        .expect(201)
        .json();
    assert_eq!(waiting["state"], "requested");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_accounts_history_contradicts_is_told_and_needs_an_operators_reason() {
    let Cast { eyes, sender, operator, .. } = published().await;
    // A balance that rises is worth a look, and is told.
    let higher = sender
        .post_json("/v1/corrections", &change(&json!({"outstanding": 90_000})))
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&higher["state"], &higher["history"][0]["code"]),
        (&json!("applied"), &json!("P006")),
        "{higher}"
    );

    // An account is not opened on two days.
    let opened = change(&json!({"opened_date": "2026-01-20"}));
    let waiting = sender.post_json("/v1/corrections", &opened).await.expect(201).json();
    let told = json!([{"as_of_date": "2026-10-31", "code": "P001", "severity": "R", "field": "opened_date"}]);
    assert_eq!(
        (&waiting["state"], &waiting["adverse"], &waiting["history"]),
        (&json!("requested"), &json!(false), &told)
    );
    let path = format!("/v1/operations/corrections/{}/approve", waiting["correction_id"].as_str().unwrap());
    let refused = operator.post(&path).await.expect(422).json();
    let error = &refused["errors"][0];
    assert_eq!(
        (&error["code"], &error["pointer"]),
        (&json!("P001"), &json!("/changes/opened_date")),
        "{refused}"
    );
    assert!(error["detail"].as_str().unwrap().contains("override_reason"), "{refused}");
    operator.post_json(&path, &json!({"override_reason": "short"})).await.expect(422);
    let why = json!({"override_reason": "The contract says so; September is corrected next."});
    for _ in 0..2 {
        let applied = operator.post_json(&path, &why).await.expect(200).json();
        assert_eq!(
            (&applied["state"], &applied["override_reason"]),
            (&json!("applied"), &why["override_reason"])
        );
    }
    // The other month then agrees with it, and nothing is left to tell.
    let mut september = change(&json!({"opened_date": "2026-01-20"}));
    september["as_of_from"] = json!("2026-09-01");
    september["as_of_to"] = json!("2026-09-30");
    let agreed = sender.post_json("/v1/corrections", &september).await.expect(201).json();
    assert_eq!((&agreed["state"], &agreed["history"]), (&json!("applied"), &json!([])), "{agreed}");

    // Re-aging is nobody's to permit.
    for (day, dpd) in [("2026-09-30", 20), ("2026-10-31", 51)] {
        let late =
            json!({"as_of_date": day, "dpd": dpd, "overdue": 5_000, "first_delinquency_date": "2026-09-10"});
        let late = ndjson(&[account_with(3, &late)]);
        eyes.published(&sender, &Submission::ndjson(late).period("DELTA", day.parse().unwrap())).await;
    }
    let mut later = change(&json!({"first_delinquency_date": "2026-09-15", "dpd": 46}));
    later["account_ref"] = json!("ACC-000003");
    let refused = sender.post_json("/v1/corrections", &later).await.expect(422).json();
    assert_eq!(refused["errors"][0]["code"], "P011", "{refused}");
    assert!(!refused.to_string().contains("override_reason"), "{refused}");
}
