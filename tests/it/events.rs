//! Repayment events: what happens between snapshots reaches the account, once, and waits for it if it must.

use chrono::{NaiveDate, TimeDelta};
use etrplus::domain::contract::{Dataset, Field, Terms};
use etrplus::pipeline::parking;
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::records::{account, account_with, csv, ndjson, nric};

/// A payment of RM100 to the n-th account in the middle of November.
fn payment(n: u32) -> Value {
    json!({
        "event_id": format!("PAY-{n}"), "account_ref": format!("ACC-{n:06}"), "event_type": "PAYMENT",
        "value_date": "2026-11-15", "amount": 10_000,
    })
}

/// The same with some fields changed; null removes one.
fn event(n: u32, changes: &Value) -> Value {
    let mut record = payment(n);
    record.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    record.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    record
}

/// A DELTA of events in November.
fn events(records: &[Value]) -> Submission {
    let query = "dataset=repayment_event&mode=DELTA&period_end=2026-11-23".to_owned();
    Submission { query, ..Submission::ndjson(ndjson(records)) }
}

fn accounts(records: &[Value]) -> Submission {
    Submission::ndjson(ndjson(records))
}

/// How the account stands with its events: outstanding, overdue, days past due, status, as of.
async fn standing(eyes: &TestApp, n: u32) -> Option<(i64, i64, i16, i16, NaiveDate)> {
    let row = sqlx::query(
        "/* test.standing */ SELECT event_outstanding_sen, event_overdue_sen, event_dpd, event_status, event_as_of
        FROM accounts WHERE account_ref = $1",
    )
    .bind(format!("ACC-{n:06}"))
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    let outstanding: Option<i64> = row.get(0);
    outstanding.map(|outstanding| (outstanding, row.get(1), row.get(2), row.get(3), row.get(4)))
}

async fn events_kept(eyes: &TestApp) -> (i64, i64) {
    sqlx::query_as(
        "/* test.events_kept */ SELECT
            (SELECT count(*) FROM repayment_events WHERE withdrawn_at IS NULL), (SELECT count(*) FROM parked_events WHERE withdrawn_at IS NULL)",
    )
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap()
}

/// What a risk engine is told of the n-th person: outstanding, overdue, open accounts.
async fn owed(engine: &Caller, n: u32, as_of: &str) -> (i64, i64, i64) {
    let profile = engine.ask(&nric(n), as_of).await.expect(200).json();
    let value = |name: &str| profile["attributes"][name]["value"].as_i64().unwrap_or_default();
    (value("total_outstanding"), value("total_overdue"), value("active_account_count"))
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[track_caller]
fn assert_counts(report: &Report, expected: [i64; 5]) {
    let counts =
        ["received", "accepted", "rejected", "duplicate", "unprocessed"].map(|name| report.count(name));
    assert_eq!(counts, expected, "{:#}", report.0);
}

async fn reread(sender: &Caller, report: &Report) -> Report {
    Report(sender.report(report.id()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_move_an_account_until_its_next_snapshot() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let late = account_with(2, &json!({"overdue": 5_000, "dpd": 20, "oldest_unpaid_due_date": "2026-10-11"}));
    eyes.judged(&sender, &accounts(&[account(1), late, account(3)])).await;
    let report = eyes
        .judged(
            &sender,
            &events(&[
                payment(1),
                event(2, &json!({"instalment_no": 1, "instalment_due_date": "2026-10-11"})),
                event(3, &json!({"event_type": "SETTLEMENT", "amount": 60_000, "value_date": "2026-11-20"})),
                event(1, &json!({"event_id": "FEE-1", "event_type": "FEE", "amount": 500})),
                // The snapshot of October has seen this one.
                event(1, &json!({"event_id": "PAY-OLD", "value_date": "2026-10-30"})),
            ])
            .with("record_count=5&sum_amount_sen=90500"),
        )
        .await;
    assert_eq!(report.state(), "published", "{:#}", report.0);
    assert_counts(&report, [5, 5, 0, 0, 0]);
    let recomputed = &report.0["totals"]["recomputed"];
    assert_eq!(recomputed, &json!({"record_count": 5, "sum_amount_sen": 90_500, "payments_late": 1}));
    assert_eq!(standing(&eyes, 1).await, Some((50_500, 0, 0, 0, day("2026-11-15"))));
    assert_eq!(standing(&eyes, 2).await, Some((50_000, 0, 0, 0, day("2026-11-15"))));
    assert_eq!(standing(&eyes, 3).await, Some((0, 0, 0, 1, day("2026-11-20"))));

    // Risk engines are told of it at once, and of a day before it what stood then.
    let engine = eyes.risk_engine().await;
    assert_eq!(owed(&engine, 2, "2026-11-16").await, (50_000, 0, 1));
    assert_eq!(owed(&engine, 2, "2026-11-14").await, (60_000, 5_000, 1));
    assert_eq!(owed(&engine, 3, "2026-11-21").await.2, 0, "a settled account is not open");
    let late = engine.ask(&nric(2), "2026-11-24").await.expect(200).json();
    let told =
        ["worst_dpd_3m", "on_time_ratio_12m_num", "on_time_ratio_12m_den", "first_payment_default_12m"]
            .map(|name| late["attributes"][name]["value"].as_i64());
    assert_eq!(
        told,
        [35, 0, 1, 0].map(Some),
        "due on 11 October, paid on 15 November: one instalment of many"
    );

    // The next snapshot has seen what happened until its day: only what is later is added to it.
    let november = json!({"as_of_date": "2026-11-16", "outstanding": 50_000});
    let snapshots = accounts(&[account_with(1, &november), account_with(3, &november)]);
    eyes.judged(&sender, &snapshots.period("DELTA", day("2026-11-16"))).await;
    assert_eq!(standing(&eyes, 1).await, None);
    assert_eq!(standing(&eyes, 3).await, Some((0, 0, 0, 1, day("2026-11-20"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_once_however_often_it_is_sent() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.judged(&sender, &accounts(&[account(1), account(2)])).await;
    let twice = event(1, &json!({"event_id": "TWICE"}));
    let contested = |amount| event(2, &json!({"event_id": "CONTESTED", "amount": amount}));
    let records = [payment(1), twice.clone(), twice, contested(1), contested(2)];
    let report = eyes.judged(&sender, &events(&records)).await;
    assert_counts(&report, [5, 2, 2, 1, 0]);
    assert_eq!(report.rules().get("E001"), Some(&2));

    // In another file, as CSV: the same content is a duplicate, other content under a name that is taken is not taken.
    let again = Submission {
        query: "dataset=repayment_event&mode=DELTA&period_end=2026-11-23&money_unit=SEN".into(),
        ..Submission::csv(csv(&[
            payment(1),
            event(1, &json!({"event_id": "TWICE", "amount": 7})),
            payment(2),
        ]))
    };
    let report = eyes.judged(&sender, &again).await;
    assert_counts(&report, [3, 1, 1, 1, 0]);
    assert_eq!(report.sample("E001")["record_no"], 2);
    assert_eq!(standing(&eyes, 1).await.unwrap().0, 40_000);
    assert_eq!(events_kept(&eyes).await, (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_rule_speaks_of_its_own_case() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let plan = json!({"instalments_total": 3, "instalments_paid": 0, "instalments_overdue": 0});
    let closed = json!({"status": "CLOSED", "closed_date": "2026-10-20", "outstanding": 0});
    eyes.judged(&sender, &accounts(&[account_with(1, &plan), account_with(2, &closed), account(3)])).await;
    let reversal = |id: &str, of: &str, amount: i64| {
        event(
            1,
            &json!({"event_id": id, "event_type": "PAYMENT_REVERSAL", "value_date": "2026-11-16", "amount": amount,
            "reverses_event_id": of}),
        )
    };
    let cases = [
        (payment(1), ""),
        (event(1, &json!({"event_id": "E003-A", "value_date": "2026-01-14"})), "E003"),
        (event(1, &json!({"event_id": "E003-B", "value_date": "2026-11-25"})), "E003"),
        (event(1, &json!({"event_id": "E004", "amount": 0})), "E004"),
        (reversal("E005-A", "NOBODY", 1), "E005"),
        (reversal("E005-B", "PAY-1", 10_001), "E005"),
        (reversal("OK-1", "PAY-1", 10_000), ""),
        (reversal("E005-C", "PAY-1", 10_000), "E005"),
        (event(2, &json!({"event_id": "E006"})), "E006"),
        (event(2, &json!({"event_id": "OK-2", "value_date": "2026-10-20"})), ""),
        (event(1, &json!({"event_id": "E007", "amount": 60_001, "value_date": "2026-11-17"})), "E007"),
        (event(3, &json!({"event_id": "E008", "instalment_due_date": "2026-08-16"})), "E008"),
        (event(1, &json!({"event_id": "E009", "instalment_no": 4})), "E009"),
        (event(3, &json!({"event_id": "OK-3", "amount": 5})), ""),
        (
            event(
                3,
                &json!({"event_id": "E010", "event_type": "CANCELLATION", "amount": null, "value_date": "2026-11-18"}),
            ),
            "E010",
        ),
        (event(1, &json!({"event_id": "V001", "amount": null})), "V001"),
        (event(9, &json!({"event_id": "E002"})), "E002"),
    ];
    let records: Vec<Value> = cases.iter().map(|(record, _)| record.clone()).collect();
    let report = eyes.judged(&sender, &events(&records)).await;
    for (n, (record, code)) in cases.iter().enumerate().filter(|(_, (_, code))| !code.is_empty()) {
        let samples = report.0["rules"].as_array().unwrap().iter();
        let found = samples
            .filter(|rule| rule["code"] == *code)
            .flat_map(|rule| rule["samples"].as_array().unwrap())
            .any(|sample| sample["record_no"] == n + 1);
        assert!(found, "{code} of {record}: {:#}", report.0);
    }
    assert_eq!(report.rules().values().sum::<i64>(), 13, "nothing else is found: {:#}", report.0);
    assert_counts(&report, [17, 7, 9, 0, 1]);
    assert_eq!(report.count("warned"), 3, "E007, E008, E010");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_waits_for_its_account_and_is_accepted_with_it() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let early = event(2, &json!({"event_id": "EARLY", "value_date": "2026-01-14"}));
    let report = eyes.judged(&sender, &events(&[payment(1), payment(2), early, payment(3)])).await;
    assert_eq!(report.state(), "published", "{:#}", report.0);
    assert_counts(&report, [4, 0, 0, 0, 4]);
    assert_eq!((report.rules()["E002"], report.count("warned")), (4, 0));
    assert_eq!(events_kept(&eyes).await, (0, 4));

    // Sent again while it waits, it is a duplicate.
    let again = eyes.judged(&sender, &events(&[payment(1), event(8, &json!({}))])).await;
    assert_counts(&again, [2, 0, 0, 1, 1]);

    // The accounts come: their events are judged against them and count from the same moment.
    eyes.judged(&sender, &accounts(&[account(1), account(2)])).await;
    let report = reread(&sender, &report).await;
    assert_counts(&report, [4, 2, 1, 0, 1]);
    assert_eq!(report.count("warned"), 2);
    assert_eq!(report.rules().get("E003"), Some(&1));
    assert_eq!(standing(&eyes, 1).await.unwrap().0, 50_000);
    assert_eq!(standing(&eyes, 2).await.unwrap().0, 50_000);
    assert_eq!(events_kept(&eyes).await, (2, 2));
    let rejects = sender.get(&format!("/v1/rejects?batch_id={}", report.id())).await.expect(200).json();
    assert_eq!(rejects["items"][0]["record_no"], 3, "{rejects:#}");

    // Another batch of accounts finds nothing more to do for them.
    eyes.judged(&sender, &accounts(&[account(4)])).await;
    assert_counts(&reread(&sender, &report).await, [4, 2, 1, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_event_is_fixed_when_a_good_one_of_its_account_is_accepted() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.judged(&sender, &accounts(&[account(1), account(2)])).await;
    let free = |n: u32, name: &str| event(n, &json!({"amount": 0, "event_id": name}));
    let free = [payment(1), free(2, "A"), free(2, "B"), free(3, "C")];
    let origin = eyes.judged(&sender, &events(&free)).await;
    assert_eq!(origin.rules().get("E004"), Some(&3), "{:#}", origin.0);
    let mended = events(&[payment(2), payment(3)]).with(&format!("fixes={}", origin.id()));
    let mended = eyes.judged(&sender, &mended).await;
    assert_counts(&mended, [2, 1, 0, 0, 1]);
    let fixes = async || {
        let report = reread(&sender, &origin).await;
        (report.0["fixes"]["open"].as_i64().unwrap(), report.0["fixes"]["resolved"].as_i64().unwrap())
    };
    assert_eq!(fixes().await, (2, 1), "what waits for its account fixes nothing yet");
    eyes.judged(&sender, &accounts(&[account(3)])).await;
    assert_eq!(fixes().await, (1, 2));
    let batches = reread(&sender, &origin).await.0["fixes"]["batches"].clone();
    assert_eq!((&batches[0]["batch_id"], &batches[0]["resolved"]), (&json!(mended.id()), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_seven_days_is_rejected_by_one_of_two_processes() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let report = eyes.judged(&sender, &events(&[payment(1), payment(2)])).await;
    eyes.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    assert_eq!(parking::reject_expired(&eyes.app).await.unwrap(), 0);
    eyes.advance(TimeDelta::seconds(1));
    let other = eyes.sibling().await;
    let (here, there) = tokio::join!(parking::reject_expired(&eyes.app), parking::reject_expired(&other));
    assert_eq!(here.unwrap() + there.unwrap(), 2);

    let mut sender = sender;
    sender.renew_token().await;
    let report = reread(&sender, &report).await;
    assert_counts(&report, [2, 0, 2, 0, 0]);
    let severities: Vec<(&Value, &Value)> = report.0["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (&rule["severity"], &rule["records"]))
        .collect();
    assert_eq!(severities, [(&json!("R"), &json!(2)), (&json!("W"), &json!(2))], "{:#}", report.0);
    let rejects = sender.get("/v1/rejects?code=E002").await.expect(200).json();
    assert_eq!(rejects["items"].as_array().unwrap().len(), 2, "{rejects:#}");

    // Too late: the account finds nothing that waits for it, and the name is free again.
    eyes.judged(&sender, &accounts(&[account(1)])).await;
    assert_eq!(events_kept(&eyes).await, (0, 0));
    let again = eyes.judged(&sender, &events(&[payment(1)]).with("allow_duplicate=true")).await;
    assert_counts(&again, [1, 1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_events_is_taken_back_by_the_one_that_replaces_it() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.judged(&sender, &accounts(&[account(1), account(2)])).await;
    let first = eyes.judged(&sender, &events(&[payment(1), payment(2), payment(7)])).await;
    let mended =
        events(&[event(1, &json!({"amount": 30_000})), payment(7)]).with(&format!("replaces={}", first.id()));
    let report = eyes.judged(&sender, &mended).await;
    assert_eq!(report.state(), "published", "{:#}", report.0);
    assert_counts(&report, [2, 1, 0, 0, 1]);
    assert_eq!(reread(&sender, &first).await.state(), "superseded");
    assert_eq!(standing(&eyes, 1).await.unwrap().0, 30_000);
    assert_eq!(standing(&eyes, 2).await, None, "its payment went with the file");
    assert_eq!(events_kept(&eyes).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recalled_file_of_events_never_was_and_what_it_replaced_is_back() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let (asks, agrees) = (eyes.operator("asks").await, eyes.operator("agrees").await);
    eyes.judged(&sender, &accounts(&[account(1), account(2)])).await;
    let first = eyes.judged(&sender, &events(&[payment(1), payment(7)])).await;
    let second = events(&[event(1, &json!({"amount": 30_000})), payment(2)]);
    let second = eyes.judged(&sender, &second.with(&format!("replaces={}", first.id()))).await;
    assert_eq!(events_kept(&eyes).await.0, 2);

    let path = format!("/v1/operations/batches/{}/recalls", second.id());
    let recall =
        asks.post_json(&path, &json!({"reason": "Sent for another month."})).await.expect(201).json();
    let path = format!("/v1/operations/recalls/{}/approve", recall["recall_id"].as_str().unwrap());
    agrees.post(&path).await.expect(200);
    assert_eq!(reread(&sender, &second).await.state(), "recalled");
    assert_eq!(standing(&eyes, 1).await.unwrap().0, 50_000, "the first file's payment counts again");
    assert_eq!(standing(&eyes, 2).await, None);

    // What waits, waits again.
    eyes.judged(&sender, &accounts(&[account(7)])).await;
    assert_eq!(standing(&eyes, 7).await.unwrap().0, 50_000);
    assert_counts(&reread(&sender, &first).await, [2, 2, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_events_obeys_the_file_rules() {
    let eyes = TestApp::start().await;
    let strict = eyes.contributor("strict", Terms::default()).await;
    let wrong_sum = eyes.judged(&strict, &events(&[payment(1)]).with("sum_amount_sen=1")).await;
    assert_eq!(
        (wrong_sum.state(), wrong_sum.rules().get("F009")),
        ("rejected", Some(&1)),
        "{:#}",
        wrong_sum.0
    );
    let foreign = Submission { body: ndjson(&[account(1)]), ..events(&[]) };
    let foreign = eyes.judged(&strict, &foreign).await;
    assert_eq!((foreign.state(), foreign.rules().get("F005")), ("rejected", Some(&1)));
    let column = Submission {
        query: events(&[]).query,
        ..Submission::csv("event_id,account_ref,event_type\nE,A,PAYMENT\n")
    };
    let column = eyes.judged(&strict, &column).await;
    assert_eq!((column.state(), column.rules().get("F006")), ("rejected", Some(&1)));
    let bad: Vec<Value> = (1..=10).map(|n| event(n, &json!({"amount": null}))).collect();
    let many = eyes.judged(&strict, &events(&bad)).await;
    assert_eq!((many.state(), many.rules().get("F018")), ("rejected", Some(&1)));
    assert_eq!(events_kept(&eyes).await, (0, 0));
}

/// 18,183 real loans and the first payment of each, kept outside the repository for their licence.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_lenders_payments_wait_for_their_loans() {
    let books = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/canonical");
    let read = |file: &str| std::fs::read(books.join(file)).ok();
    let (Some(payments), Some(loans)) =
        (read("superlender.events.ndjson.gz"), read("superlender.accounts.ndjson.gz"))
    else {
        println!("not checked: the real books are not here (../shared/data/canonical)");
        return;
    };
    let eyes = TestApp::start().await;
    let terms = Terms {
        backfill_from: NaiveDate::from_ymd_opt(2000, 1, 1),
        reject_threshold_bps: 2000,
        currencies: vec!["NGN".into()],
        ..Terms::default()
    };
    let lender = eyes.contributor("lender", terms).await;
    for field in [Field::Overdue, Field::Dpd] {
        eyes.impute("lender", Dataset::AccountSnapshot, field, "0").await;
    }
    let gzip = |submission: Submission| submission.header("content-encoding", "gzip");
    let query = "dataset=repayment_event&mode=DELTA&period_end=2017-12-31&sum_amount_sen=28457138660";
    let payments = gzip(Submission { query: query.into(), ..Submission::ndjson(payments) });
    let report = eyes.judged(&lender, &payments).await;
    assert_eq!(report.state(), "published", "{:#}", report.0);
    assert_eq!(report.0["totals"]["recomputed"]["payments_late"], 3_161);
    let told = ["E002", "E008", "V001"].map(|code| report.rules().get(code).copied());
    assert_eq!(told, [Some(18_183), Some(17), Some(2_894)]);
    assert_counts(&report, [18_183, 0, 2_894, 0, 15_289]);

    let loans = gzip(Submission::ndjson(loans)).period("DELTA", day("2017-08-31"));
    let loans = eyes.judged(&lender, &loans).await;
    assert_eq!(loans.state(), "published", "{:#}", loans.0);
    let unknown = loans.count("rejected");
    let report = reread(&lender, &report).await;
    let waiting = report.count("unprocessed");
    assert!(waiting <= unknown, "only payments of loans that were rejected wait: {waiting} of {unknown}");
    assert_counts(&report, [18_183, 15_289 - waiting, 2_894, 0, waiting]);
    assert_eq!(report.rules().get("E006"), None);
}
