//! What a contributor said before is what its next word is compared with: rows with their accounts' past (P rules), whole
//! books with the last one (F rules).

use chrono::NaiveDate;
use etrplus::domain::contract::Terms;
use serde_json::{Value, json};

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::records::{account_with, ndjson};

const EXPLANATION: &str = "Checked against our ledger, line by line: it is as we say.";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Account n, opened in July 2026, at a month's end.
fn account(n: u32, as_of: &str, changes: &Value) -> Value {
    let mut record = account_with(
        n,
        &json!({"as_of_date": as_of, "opened_date": "2026-07-10", "original_amount": 120_000 + n, "outstanding": 60_000 + n}),
    );
    for (name, value) in changes.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn delta(rows: &[Value]) -> Submission {
    Submission::ndjson(ndjson(rows))
}

fn book(mode: &str, period_end: &str, rows: &[Value]) -> Submission {
    Submission::ndjson(ndjson(rows)).period(mode, day(period_end))
}

/// A book of so many sound accounts.
fn sound(accounts: std::ops::RangeInclusive<u32>, as_of: &str) -> Vec<Value> {
    accounts.map(|n| account(n, as_of, &json!({}))).collect()
}

async fn confirmed(eyes: &TestApp, sender: &Caller, held: &Report) -> Report {
    assert_eq!(held.state(), "on_hold", "{:#}", held.0);
    let confirm = format!("/v1/batches/{}/confirm", held.id());
    sender.post_json(&confirm, &json!({"explanation": EXPLANATION})).await.expect(200);
    eyes.run_jobs().await;
    Report(sender.report(held.id()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_compared_with_what_was_accepted_before() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let august = |n, changes: Value| account(n, "2026-08-31", &changes);
    let report = eyes
        .judged(
            &sender,
            &delta(&[
                august(1, json!({})),
                august(2, json!({"status": "SETTLED", "closed_date": "2026-08-20", "outstanding": 0})),
                august(3, json!({"instalments_paid": 5, "instalments_total": 12})),
                august(4, json!({"write_off_date": "2026-08-20", "write_off_amount": 700})),
            ]),
        )
        .await;
    assert_eq!((report.state(), report.rules()), ("published", [].into()), "{:#}", report.0);

    let september = |n, changes: Value| account(n, "2026-09-30", &changes);
    let rows = [
        september(1, json!({"opened_date": "2026-07-11"})),
        september(2, json!({})),
        september(3, json!({"instalments_paid": 4, "instalments_total": 12})),
        september(4, json!({"write_off_date": "2026-08-20", "write_off_amount": 800, "outstanding": 70_000})),
        september(5, json!({"opened_date": "2026-06-30"})),
        september(6, json!({"contributor_dispute": true})),
    ];
    let report = eyes.judged(&sender, &delta(&rows)).await;
    report.assert_conservation();
    let expected =
        [("P001", 1), ("P003", 1), ("P006", 1), ("P013", 1), ("P015", 1), ("P018", 1), ("P019", 1)];
    assert_eq!(report.rules(), expected.into(), "{:#}", report.0);
    assert_eq!((report.count("rejected"), report.count("warned")), (3, 3));
    assert_eq!(report.sample("P001")["field"], "opened_date");
    let lines = sender.get(&format!("/v1/batches/{}/rejects", report.id())).await.expect(200).text();
    let codes: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["findings"][0]["code"].to_string())
        .collect();
    assert_eq!(codes, ["\"P001\"", "\"P003\"", "\"P013\""], "{lines}");

    // What was rejected is not part of the past: the same account comes again, as it was.
    let report = eyes.judged(&sender, &delta(&[september(1, json!({}))])).await;
    assert_eq!((report.count("accepted"), report.rules()), (1, [].into()), "{:#}", report.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_months_of_one_batch_are_compared_with_each_other() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let late = |as_of: &str, dpd: u32, balance: u32| {
        account(
            1,
            as_of,
            &json!({"dpd": dpd, "overdue": if dpd > 0 { 100 } else { 0 }, "outstanding": balance}),
        )
    };
    // In no order: days past due grow by 40 in August, and September is a copy of it.
    let rows =
        [late("2026-09-30", 40, 60_000), late("2026-07-31", 0, 60_000), late("2026-08-31", 40, 60_000)];
    let held = eyes.judged(&sender, &delta(&rows)).await;
    assert_eq!(held.rules().get("P004"), Some(&1), "{:#}", held.0);
    assert_eq!(held.rules().get("P010"), Some(&1), "{:#}", held.0);
    assert_eq!(
        (held.sample("P004")["record_no"].as_i64(), held.sample("P010")["record_no"].as_i64()),
        (Some(3), Some(1))
    );
    let published = confirmed(&eyes, &sender, &held).await;
    assert_eq!(published.rules(), held.rules(), "judged again, the same is found");
    assert_eq!((published.state(), published.count("accepted")), ("published", 3));

    // A month that is rejected is no past for the next one: October is compared with September.
    let rows = [
        account(
            1,
            "2026-10-30",
            &json!({"currency": "MYR", "opened_date": "2026-07-01", "dpd": 99, "overdue": 1_000}),
        ),
        late("2026-10-31", 71, 60_000),
    ];
    let report = eyes.judged(&sender, &delta(&rows)).await;
    assert_eq!(
        (report.state(), report.count("accepted"), report.count("rejected")),
        ("published", 1, 1),
        "{:#}",
        report.0
    );
    assert!(report.rules().contains_key("P001") && !report.rules().contains_key("P005"), "{:#}", report.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_holders_of_a_snapshot_share_its_fate() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let joint = |as_of: &str, changes: Value| {
        let first = account(1, as_of, &changes);
        let mut second = account(2, as_of, &changes);
        for name in ["account_ref", "original_amount", "outstanding"] {
            second[name] = first[name].clone();
        }
        second["holder_role"] = "JOINT".into();
        [first, second]
    };
    eyes.judged(&sender, &delta(&sound(1..=1, "2026-08-31"))).await;
    let report =
        eyes.judged(&sender, &delta(&joint("2026-09-30", json!({"opened_date": "2026-07-20"})))).await;
    assert_eq!(
        report.rules(),
        [("P001", 2)].into(),
        "a new holder does not come in with a wrong row: {:#}",
        report.0
    );
    let report = eyes.judged(&sender, &delta(&joint("2026-09-30", json!({})))).await;
    assert_eq!((report.count("accepted"), report.rules()), (2, [].into()), "{:#}", report.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_told_again_under_a_grant_alone() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let granted = Terms { backfill_from: Some(day("2026-08-01")), ..patient() };
    let filler = eyes.contributor("filler", granted).await;
    for caller in [&sender, &filler] {
        eyes.judged(caller, &delta(&sound(1..=1, "2026-09-30"))).await;
    }
    let older = delta(&sound(1..=1, "2026-08-31"));
    let report = eyes.judged(&sender, &older).await;
    assert_eq!((report.rules(), report.count("rejected")), ([("P017", 1)].into(), 1), "{:#}", report.0);
    let report = eyes.judged(&filler, &older).await;
    assert_eq!((report.rules(), report.count("accepted")), ([].into(), 1), "{:#}", report.0);
    let report = eyes.judged(&filler, &delta(&sound(1..=1, "2026-07-31"))).await;
    assert_eq!(report.rules(), [("P017", 1)].into(), "the grant begins in August: {:#}", report.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_under_another_person_is_swapped_or_somebody_elses() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.judged(&sender, &delta(&sound(1..=1, "2026-08-31"))).await;
    let under_person_2 = |opened: &str| {
        let changes = json!({"account_ref": "ACC-000001", "opened_date": opened});
        delta(&[account(2, "2026-09-30", &changes)])
    };
    let report = eyes.judged(&sender, &under_person_2("2026-07-10")).await;
    assert_eq!(report.rules(), [("P002", 1)].into(), "{:#}", report.0);
    let report = eyes.judged(&sender, &under_person_2("2026-09-02")).await;
    assert_eq!(report.rules(), [("I015", 1)].into(), "{:#}", report.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_is_compared_with_the_last_one() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let first = eyes.judged(&sender, &book("FULL", "2026-08-31", &sound(1..=100, "2026-08-31"))).await;
    assert_eq!((first.state(), first.rules()), ("published", [].into()), "{:#}", first.0);

    // One account of a hundred is missing: told, and no reason to hold.
    let next = eyes.judged(&sender, &book("FULL", "2026-09-30", &sound(2..=100, "2026-09-30"))).await;
    assert_eq!((next.state(), next.rules()), ("published", [("P009", 1)].into()), "{:#}", next.0);
    assert_eq!(next.sample("P009"), &json!({"account_ref": "ACC-000001"}));

    // Far fewer accounts, most of them in arrears.
    let late = json!({"dpd": 30, "overdue": 100, "first_delinquency_date": "2026-10-01"});
    let shrunk: Vec<Value> = (51..=100).map(|n| account(n, "2026-10-31", &late)).collect();
    let held = eyes.judged(&sender, &book("FULL", "2026-10-31", &shrunk)).await;
    let expected = [("F020", 1), ("F021", 1), ("F022", 1), ("F023", 1), ("P009", 50)];
    assert_eq!(held.rules(), expected.into(), "{:#}", held.0);
    assert_eq!(held.sample("F020")["detail"], "50 records, 99 before");
    assert_eq!(held.sample("F022")["detail"], "50 of 100 active accounts");
    let published = confirmed(&eyes, &sender, &held).await;
    assert_eq!((published.state(), published.count("accepted")), ("published", 50));

    // The period has its book now; only a REPLACE takes its place.
    let again = eyes.judged(&sender, &book("FULL", "2026-10-31", &sound(1..=100, "2026-10-31"))).await;
    assert_eq!((again.state(), again.rules().get("F014")), ("rejected", Some(&1)), "{:#}", again.0);
    let whole = book("REPLACE", "2026-10-31", &sound(1..=100, "2026-10-31")).with("allow_duplicate=true");
    let replaced = eyes.judged(&sender, &whole).await;
    assert_eq!((replaced.state(), replaced.rules()), ("published", [].into()), "{:#}", replaced.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_without_a_book_is_asked_for() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.judged(&sender, &book("FULL", "2026-08-31", &sound(1..=10, "2026-08-31"))).await;
    let held = eyes.judged(&sender, &book("FULL", "2026-10-31", &sound(1..=10, "2026-10-31"))).await;
    assert_eq!((held.state(), held.rules()), ("on_hold", [("F026", 1)].into()), "{:#}", held.0);
    assert_eq!(held.sample("F026")["detail"], "the last one ended on 2026-08-31");
    assert_eq!(confirmed(&eyes, &sender, &held).await.state(), "published");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbered_deltas_follow_one_another() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let numbered =
        |n: u32, number: u64| delta(&sound(n..=n, "2026-10-31")).with(&format!("sequence_no={number}"));
    for (n, number, state) in
        [(1, 7, "published"), (2, 8, "published"), (3, 10, "rejected"), (4, 9, "published")]
    {
        let report = eyes.judged(&sender, &numbered(n, number)).await;
        assert_eq!(report.state(), state, "{number}: {:#}", report.0);
        if state == "rejected" {
            assert_eq!(report.sample("F013")["detail"], "expected 9, found 10");
            assert_eq!(report.count("unprocessed"), 1, "the records may come again");
        }
    }
    let unnumbered = eyes.judged(&sender, &delta(&sound(5..=5, "2026-10-31"))).await;
    assert_eq!(unnumbered.state(), "published");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_is_of_what_held_the_batch_and_not_of_what_came_up_since() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.judged(&sender, &book("FULL", "2026-08-31", &sound(1..=10, "2026-08-31"))).await;
    let held = eyes.judged(&sender, &book("FULL", "2026-10-31", &sound(1..=10, "2026-10-31"))).await;
    assert_eq!(held.rules(), [("F026", 1)].into(), "{:#}", held.0);
    // The month between comes after all, and with it the accounts that the held book leaves out.
    let between = eyes.judged(&sender, &book("FULL", "2026-09-30", &sound(1..=20, "2026-09-30"))).await;
    let between =
        if between.state() == "on_hold" { confirmed(&eyes, &sender, &between).await } else { between };
    assert_eq!(between.state(), "published", "{:#}", between.0);
    let again = confirmed(&eyes, &sender, &held).await;
    assert_eq!((again.state(), again.rules().get("F026")), ("on_hold", None), "{:#}", again.0);
    assert_eq!(again.rules().get("F020"), Some(&1), "{:#}", again.0);
    assert_eq!(confirmed(&eyes, &sender, &again).await.state(), "published");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_snapshots_tell_the_same_story() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.judged(&sender, &delta(&sound(1..=4, "2026-08-31"))).await;
    let event = |n: u32, kind: &str, amount: Option<u32>| {
        let mut event = json!({
            "event_id": format!("EV-{n}"), "account_ref": format!("ACC-{n:06}"), "event_type": kind,
            "value_date": "2026-09-10",
        });
        if let Some(amount) = amount {
            event["amount"] = amount.into();
        }
        event
    };
    let moved = [
        event(1, "PAYMENT", Some(10_000)),
        event(2, "SETTLEMENT", Some(60_002)),
        event(3, "RESTRUCTURE", None),
        event(4, "PAYMENT", Some(5_000)),
    ];
    let query = "dataset=repayment_event&mode=DELTA&period_end=2026-09-30".to_owned();
    let report = eyes.judged(&sender, &Submission { query, ..delta(&moved) }).await;
    assert_eq!((report.state(), report.count("accepted")), ("published", 4), "{:#}", report.0);

    let september = |n, changes: Value| account(n, "2026-09-30", &changes);
    let rows = [
        september(1, json!({"amount_paid_period": 9_000, "outstanding": 50_001})),
        september(2, json!({"amount_paid_period": 60_002})),
        september(3, json!({"restructured": true})),
        september(4, json!({"amount_paid_period": 5_000, "outstanding": 55_004})),
        september(5, json!({"restructured": true})),
    ];
    let report = eyes.judged(&sender, &delta(&rows)).await;
    assert_eq!(report.rules(), [("P014", 1), ("P016", 1), ("X030", 1)].into(), "{:#}", report.0);
    let samples = ["P014", "P016", "X030"].map(|code| report.sample(code)["record_no"].as_i64().unwrap());
    assert_eq!(samples, [1, 2, 5]);
}
