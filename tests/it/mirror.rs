//! The contributor's mirror: what it owes, by when, and how it is doing.

use chrono::TimeDelta;
use etrplus::access::Scope;
use etrplus::app::App;
use etrplus::domain::dates::parse_iso;
use etrplus::pipeline::obligations::{find_late, open};
use serde_json::{Value, json};

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::records::{account_with, ndjson, nric};

/// October 2026 ended on a Saturday: due on Friday, the 6th of November, in Kuala Lumpur. The stories begin on the 24th.
async fn operator(eyes: &TestApp) -> Caller {
    eyes.client("operator", None, &[Scope::Admin], &[]).await
}

/// Moves the clock of an app to noon in Malaysia of a day that is still to come.
fn until(app: &App, day: &str) {
    let noon = parse_iso(day).unwrap().and_hms_opt(4, 0, 0).unwrap().and_utc();
    let ahead = noon - app.clock.now();
    assert!(ahead >= TimeDelta::zero(), "{day} is over");
    app.clock.advance(ahead);
}

/// A whole book of one account at the end of a month.
fn book(period_end: &str) -> Submission {
    let record = account_with(1, &json!({"as_of_date": period_end}));
    Submission::ndjson(ndjson(&[record])).period("FULL", parse_iso(period_end).unwrap())
}

async fn owed(caller: &Caller, query: &str) -> Vec<Value> {
    let page = caller.get(&format!("/v1/obligations{query}")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

/// Period, state and days late, the latest first.
fn standing(items: &[Value]) -> Vec<(&str, &str, Option<i64>)> {
    items
        .iter()
        .map(|item| {
            let days = item["days_late"].as_i64();
            (item["period_end"].as_str().unwrap(), item["state"].as_str().unwrap(), days)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contributor_is_on_time_then_late_then_missing() {
    let eyes = TestApp::start().await;
    let app = &eyes.app;
    let mut sender = eyes.contributor("sender", patient()).await;
    assert_eq!(open(app).await.unwrap(), 1);
    assert_eq!(open(app).await.unwrap(), 0, "twice is as good as once");
    assert_eq!(standing(&owed(&sender, "").await), [("2026-11-30", "NOT_DUE", None)]);

    // November is due on Monday, the 7th of December. A DELTA does not meet it, a whole book does.
    until(app, "2026-12-07");
    sender.renew_token().await;
    open(app).await.unwrap();
    let part = Submission {
        query: "dataset=account_snapshot&mode=DELTA&period_end=2026-11-30".into(),
        ..book("2026-11-30")
    };
    let part = sender.submit(&part).await;
    assert_eq!(standing(&owed(&sender, "?period_end=2026-11-30").await), [("2026-11-30", "DUE", None)]);
    assert_eq!(sender.batch(&part).await.get("obligation_id"), None);
    let whole = sender.submit(&book("2026-11-30").with("allow_duplicate=true")).await;
    assert_eq!(standing(&owed(&sender, "?state=SUBMITTED").await), [("2026-11-30", "SUBMITTED", None)]);
    eyes.run_jobs().await;
    let november = owed(&sender, "?state=MET").await;
    assert_eq!((november.len(), &november[0]["batch_id"]), (1, &json!(whole)));
    assert_eq!(sender.batch(&whole).await["obligation_id"], november[0]["id"]);
    let report = sender.report(&whole).await;
    assert!(!report["rules"].to_string().contains("F025"), "{report:#}");

    // December is due on Friday, the 8th of January: New Year's Day does not count. It comes on the Tuesday after.
    until(app, "2027-01-08");
    assert_eq!(find_late(app).await.unwrap(), 0);
    until(app, "2027-01-09");
    assert_eq!(find_late(app).await.unwrap(), 1);
    assert_eq!(find_late(app).await.unwrap(), 0);
    until(app, "2027-01-12");
    sender.renew_token().await;
    let late = eyes.judged(&sender, &book("2026-12-31")).await;
    assert_eq!((late.state(), late.rules().get("F025")), ("published", Some(&1)));
    assert_eq!(late.sample("F025")["detail"], "due on 2027-01-08, 4 days late");
    let december = owed(&sender, "?period_end=2026-12-31").await;
    assert_eq!(standing(&december), [("2026-12-31", "LATE", Some(4))]);
    assert_eq!(december[0]["batch_id"], late.id());
    // A correction of a month that was met in time is not late.
    let again = Submission {
        query: "dataset=account_snapshot&mode=REPLACE&period_end=2026-11-30".into(),
        ..book("2026-11-30")
    };
    let again = eyes.judged(&sender, &again.with(&format!("replaces={whole}"))).await;
    assert_eq!(again.rules().get("F025"), None);
    assert_eq!(owed(&sender, "?state=MET").await.len(), 1);

    // Of January nothing comes. It is due on the 9th of February, after Federal Territory Day and the Chinese New Year.
    open(app).await.unwrap();
    until(app, "2027-02-20");
    sender.renew_token().await;
    assert_eq!(find_late(app).await.unwrap(), 1);
    let late = owed(&sender, "?state=LATE").await;
    assert_eq!(standing(&late), [("2027-01-31", "LATE", Some(11)), ("2026-12-31", "LATE", Some(4))]);
    assert_eq!(late[0]["batch_id"], Value::Null);
    let entries: i64 = sqlx::query_scalar(
        "/* test.audit */ SELECT count(*) FROM audit_entries WHERE action = 'obligation.late'",
    )
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(entries, 2, "each is written down once");
    assert_eq!(
        etrplus::db::obligations::count_missing(&app.db.system).await.unwrap(),
        [("account_snapshot".to_owned(), 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_look_at_once_find_each_late_one_once() {
    let eyes = TestApp::start().await;
    let other = eyes.sibling().await;
    for n in 0..20 {
        eyes.contributor(&format!("sender-{n}"), patient()).await;
    }
    let (here, there) = tokio::join!(open(&eyes.app), open(&other));
    assert_eq!(here.unwrap() + there.unwrap(), 20);
    until(&eyes.app, "2026-12-08");
    let (here, there) = tokio::join!(find_late(&eyes.app), find_late(&other));
    assert_eq!(here.unwrap() + there.unwrap(), 20);
    let entries: i64 = sqlx::query_scalar("/* test.audit */ SELECT count(DISTINCT object_id) FROM audit_entries WHERE action = 'obligation.late'")
        .fetch_one(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(entries, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_everybody_and_lets_one_off() {
    let eyes = TestApp::start().await;
    let mut operator = operator(&eyes).await;
    let mut first = eyes.contributor("first", patient()).await;
    eyes.contributor("second", patient()).await;
    open(&eyes.app).await.unwrap();
    until(&eyes.app, "2026-12-08");
    operator.renew_token().await;
    first.renew_token().await;
    find_late(&eyes.app).await.unwrap();

    let page = operator.get("/v1/operations/obligations?state=LATE&limit=1").await.expect(200).json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = operator
        .get(&format!("/v1/operations/obligations?state=LATE&limit=1&cursor={cursor}"))
        .await
        .expect(200)
        .json();
    let mut names = [
        page["items"][0]["contributor"].as_str().unwrap(),
        rest["items"][0]["contributor"].as_str().unwrap(),
    ];
    names.sort_unstable();
    assert_eq!((names, rest.get("next_cursor")), (["first", "second"], None));
    operator.get("/v1/operations/obligations?contributor=nobody").await.expect(404);

    let mine = operator.get("/v1/operations/obligations?contributor=first").await.expect(200).json();
    let id = mine["items"][0]["id"].as_str().unwrap();
    let path = format!("/v1/operations/obligations/{id}/waive");
    operator.post_json(&path, &json!({"reason": "short"})).await.expect(422);
    let reason = json!({"reason": "The core system was being replaced."});
    let waived = operator.post_json(&path, &reason).await.expect(200).json();
    assert_eq!((&waived["state"], &waived["waiver"]["reason"]), (&json!("WAIVED"), &reason["reason"]));
    let again = operator
        .post_json(&path, &json!({"reason": "For another reason altogether."}))
        .await
        .expect(200)
        .json();
    assert_eq!(again, waived, "the first reason stays");
    let own = first.get(&format!("/v1/obligations/{id}")).await.expect(200).json();
    assert_eq!(own["state"], "WAIVED");
    // Nobody else's is there, whatever its id.
    let other = operator.get("/v1/operations/obligations?contributor=second").await.expect(200).json();
    first.get(&format!("/v1/obligations/{}", other["items"][0]["id"].as_str().unwrap())).await.expect(404);
    assert_eq!(owed(&first, "").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_holiday_moves_what_is_due_and_only_later() {
    let eyes = TestApp::start().await;
    let operator = operator(&eyes).await;
    let sender = eyes.contributor("sender", patient()).await;
    open(&eyes.app).await.unwrap();
    assert_eq!(owed(&sender, "").await[0]["due_on"], "2026-12-07");

    let holiday =
        json!({"day": "2026-12-04", "kind": "HOLIDAY", "states": ["KUL"], "name": "Declared holiday"});
    operator.post_json("/v1/operations/holidays", &holiday).await.expect(200);
    assert_eq!(open(&eyes.app).await.unwrap(), 1);
    assert_eq!(owed(&sender, "").await[0]["due_on"], "2026-12-08");
    let calendar = sender.get("/v1/holidays?year=2026").await.expect(200).json();
    let added = calendar["holidays"].as_array().unwrap().iter().find(|day| day["basis"] == "added").unwrap();
    assert_eq!((&added["day"], &calendar["state"]), (&json!("2026-12-04"), &json!("KUL")));

    let taken_back =
        json!({"day": "2026-12-04", "kind": "WORKING_DAY", "states": ["KUL"], "name": "It was a rumour"});
    operator.post_json("/v1/operations/holidays", &taken_back).await.expect(200);
    assert_eq!(open(&eyes.app).await.unwrap(), 0);
    assert_eq!(owed(&sender, "").await[0]["due_on"], "2026-12-08", "nobody who relied on it is late");

    for (field, value) in
        [("day", json!("2226-12-04")), ("states", json!([])), ("name", json!("")), ("kind", json!("FEAST"))]
    {
        let mut wrong = holiday.clone();
        wrong[field] = value;
        operator.post_json("/v1/operations/holidays", &wrong).await.expect(422);
    }
    sender.get("/v1/holidays?year=1").await.expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_how_often_is_arranged() {
    let eyes = TestApp::start().await;
    let operator = operator(&eyes).await;
    let sender = eyes.contributor("sender", patient()).await;
    let path = "/v1/operations/contributors/sender/reporting";
    let before = operator.get(path).await.expect(200).json();
    assert_eq!(
        before["cadences"]["account_snapshot"],
        json!({"cadence": "MONTHLY", "starts_on": "2026-11-24"})
    );
    assert_eq!(before["cadences"]["application"]["cadence"], "NONE");

    let wanted = json!({"calendar_state": "KDH", "cadences": {
        "account_snapshot": {"cadence": "NONE", "starts_on": "2026-11-01"},
        "repayment_event": {"cadence": "MONTHLY", "starts_on": "2026-10-15"},
    }});
    let headers = [("content-type", "application/json")];
    let put =
        async |body: &Value| operator.request(http::Method::PUT, path, &headers, body.to_string()).await;
    let after = put(&wanted).await.expect(200).json();
    assert_eq!(after["cadences"]["repayment_event"], wanted["cadences"]["repayment_event"]);
    open(&eyes.app).await.unwrap();
    let items = owed(&sender, "").await;
    assert_eq!(standing(&items), [("2026-11-30", "NOT_DUE", None), ("2026-10-31", "LATE", Some(19))]);
    // In Kedah the week begins on Sunday, the 1st.
    assert_eq!(
        (&items[1]["due_on"], &items[1]["dataset"]),
        (&json!("2026-11-05"), &json!("repayment_event"))
    );

    for wrong in [
        json!({"calendar_state": "XXX", "cadences": {}}),
        json!({"calendar_state": "KUL", "cadences": {"account_snapshot": {"cadence": "MONTHLY", "starts_on": "1926-11-01"}}}),
        json!({"calendar_state": "KUL", "cadences": {"account_snapshot": {"cadence": "HOURLY", "starts_on": "2026-11-01"}}}),
    ] {
        put(&wrong).await.expect(422);
    }
    assert_eq!(operator.get(path).await.expect(200).json(), after, "what was refused changed nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scorecard_can_be_worked_out_from_its_counts() {
    let eyes = TestApp::start().await;
    let mut sender = eyes.contributor("sender", patient()).await;
    for n in 0..5 {
        eyes.contributor(&format!("peer-{n}"), patient()).await;
    }
    open(&eyes.app).await.unwrap();
    let path = "/v1/scorecard?period_end=2026-11-15";
    let empty = sender.get(path).await.expect(200).json();
    assert_eq!((&empty["score_bps"], &empty["weights_used"]), (&Value::Null, &json!(0)));
    assert_eq!(empty["peers"]["null_reason"], "NO_DIMENSION");

    until(&eyes.app, "2026-12-07");
    sender.renew_token().await;
    let of_november = |n, more: Value| {
        let mut changes = json!({"as_of_date": "2026-11-30", "instalments_total": 12});
        changes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        account_with(n, &changes)
    };
    let mut records: Vec<Value> = (1..=3).map(|n| of_november(n, json!({}))).collect();
    records.push(of_november(4, json!({"dpd": 40})));
    let november = parse_iso("2026-11-30").unwrap();
    let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&records)).period("FULL", november)).await;
    assert_eq!(report.state(), "published", "{report:?}");
    until(&eyes.app, "2026-12-08");
    sender.renew_token().await;

    let card = sender.get(path).await.expect(200).json();
    let dimension = |name: &str| -> Value {
        card["dimensions"].as_array().unwrap().iter().find(|d| d["dimension"] == name).unwrap().clone()
    };
    assert_eq!(dimension("TIMELINESS")["score_bps"], 10_000);
    assert_eq!(dimension("VALIDITY")["counts"], json!({"records_received": 4, "records_rejected": 1}));
    assert_eq!(dimension("VALIDITY")["score_bps"], 7500);
    let counts = dimension("COMPLETENESS")["counts"].clone();
    let count = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!((count("accounts_reported"), count("accounts_missing")), (3, 0));
    let fields = (count("fields_expected") - count("fields_missing")) * 10_000 / count("fields_expected");
    assert!(count("fields_missing") > 0 && fields > 0, "{counts}");
    assert_eq!(dimension("COMPLETENESS")["score_bps"], (10_000 + fields) / 2);
    assert_eq!(dimension("CORRECTION_RESPONSIVENESS")["null_reason"], "NO_CORRECTION_DUE");
    let known = card["dimensions"].as_array().unwrap().iter().filter(|d| d["score_bps"].is_u64());
    let (points, weights) = known.fold((0, 0), |(points, weights), d| {
        let weight = d["weight"].as_u64().unwrap();
        (points + weight * d["score_bps"].as_u64().unwrap(), weights + weight)
    });
    assert_eq!((&card["score_bps"], &card["weights_used"]), (&json!(points / weights), &json!(weights)));
    assert_eq!(card["trend"].as_array().unwrap().len(), 6);
    assert_eq!(
        (&card["trend"][0]["score_bps"], &card["trend"][1]["score_bps"]),
        (&card["score_bps"], &Value::Null)
    );
    let rejecting = card["top_rules"].as_array().unwrap().iter().find(|rule| rule["code"] == "X007").unwrap();
    assert_eq!((&rejecting["severity"], &rejecting["records"]), (&json!("R"), &json!(1)));

    // Five peers have missed the month, and none of them is named.
    assert_eq!(card["peers"], json!({"percentile_bps": 10_000, "null_reason": null}));
    assert!(!card.to_string().contains("peer-"), "{card:#}");
    sender.get("/v1/scorecard?period_end=0001-01-01").await.expect(422);
}

/// The dimension of answers on the card of November: in time, due.
async fn answers(sender: &Caller) -> (i64, i64) {
    let card = sender.get("/v1/scorecard?period_end=2026-11-30").await.expect(200).json();
    let counts = &card["dimensions"][4]["counts"];
    (counts["corrections_in_time"].as_i64().unwrap(), counts["corrections_due"].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_to_be_taken_back_or_corrected_is_counted_with_its_answer() {
    let eyes = TestApp::start().await;
    let mut sender = eyes.contributor("sender", patient()).await;
    let mut operators = [eyes.operator("asks").await, eyes.operator("agrees").await];
    let listed = |n: u32| {
        let overdue = json!({"outstanding": 80_000, "overdue": 20_000, "dpd": 90, "original_amount": 80_000,
            "listing_requested": true, "evidence_ref": "contracts/1"});
        account_with(n, &overdue)
    };
    let named = |n: u32, person: u32, name: &str| {
        account_with(n, &json!({"id_number": nric(person), "full_name": name}))
    };
    let records = [listed(1), listed(2), named(3, 3, "SUBJECT AMINAH"), named(4, 4, "SUBJECT FARID")];
    eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    assert_eq!(answers(&sender).await, (0, 0));

    // Settled on Friday, taken back on Tuesday; settled two weeks ago, taken back as late.
    for (n, settled_on) in [(1, "2026-11-20"), (2, "2026-11-06")] {
        let path = format!("/v1/listings/ACC-{n:06}/delist");
        sender.post_json(&path, &json!({"settled_on": settled_on})).await.expect(200);
    }
    assert_eq!(answers(&sender).await, (1, 2));

    // Two accounts come under other people's numbers; an operator finds so. Five working days begin.
    let mixed_up = Submission::ndjson(ndjson(&[named(5, 3, "ROBERT OTHER"), named(6, 4, "GRACE ANOTHER")]));
    let mixed_up = eyes.published(&sender, &mixed_up).await;
    let page = operators[0].get("/v1/operations/identity-reviews?state=open").await.expect(200).json();
    for case in page["items"].as_array().unwrap() {
        let path = format!("/v1/operations/identity-reviews/{}/resolve", case["case_id"].as_str().unwrap());
        operators[0].post_json(&path, &json!({"outcome": "other_person"})).await.expect(200);
    }
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert_eq!(answers(&sender).await, (1, 2), "there is time until the first of December");
    until(&eyes.app, "2026-12-02");
    sender.renew_token().await;
    assert_eq!(answers(&sender).await, (1, 4), "nothing was said");

    // A recall answers for both, late; two months later the card of November still says so.
    for operator in &mut operators {
        operator.renew_token().await;
    }
    let path = format!("/v1/operations/batches/{mixed_up}/recalls");
    let reason = json!({"reason": "Sent under other people's numbers."});
    let recall = operators[0].post_json(&path, &reason).await.expect(201).json();
    let path = format!("/v1/operations/recalls/{}/approve", recall["recall_id"].as_str().unwrap());
    operators[1].post(&path).await.expect(200);
    assert_eq!(answers(&sender).await, (1, 4));
}
