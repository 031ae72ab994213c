//! A batch's life over the API: sent in any wrapping, judged, explained, held, confirmed, cancelled, listed.

use std::sync::Arc;

use etrplus::domain::contract::Terms;
use etrplus::domain::rules::{Code, rule};
use etrplus::http::page::Cursors;
use etrplus::ids::BatchId;
use etrplus::jobs::runner;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::packed::{gzip, zstd};
use crate::support::records::{account, account_with, csv, ndjson, nric};

/// Two good records, one that contradicts itself (X007) and one whose word is none (V003 or so).
fn mixed() -> Vec<Value> {
    vec![
        account(1),
        account_with(2, &json!({"dpd": 40})),
        account(3),
        account_with(4, &json!({"status": "GONE"})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_records_have_the_same_result_in_every_wrapping() {
    let eyes = TestApp::start().await;
    let (lines, table) = (ndjson(&mixed()), csv(&mixed()));
    let sent = [
        ("ndjson", Submission::ndjson(lines.clone())),
        ("ndjson-gzip", Submission::ndjson(gzip(&lines)).header("content-encoding", "gzip")),
        ("ndjson-zstd", Submission::ndjson(zstd(&lines)).header("content-encoding", "zstd")),
        // A packed file sent as a plain one is taken for what it is.
        ("ndjson-gzip-unsaid", Submission::ndjson(gzip(&lines))),
        ("ndjson-zstd-unsaid", Submission::ndjson(zstd(&lines))),
        ("csv", Submission::csv(table.clone())),
        ("csv-gzip", Submission::csv(gzip(&table)).header("content-encoding", "gzip")),
        ("csv-zstd-unsaid", Submission::csv(zstd(&table))),
        (
            "by-parameter",
            Submission { headers: Vec::new(), ..Submission::ndjson(lines.clone()) }.with("format=ndjson"),
        ),
    ];
    let mut results = Vec::new();
    for (name, submission) in &sent {
        // Each from a contributor of its own, so that no earlier sending matters.
        let sender = eyes.contributor(name, patient()).await;
        let report = eyes.judged(&sender, submission).await;
        report.assert_conservation();
        assert_eq!(report.0["batch"]["bytes"], submission.body.len(), "{name}: bytes as received");
        let rejects = sender.get(&format!("/v1/batches/{}/rejects", report.id())).await.expect(200).text();
        let result =
            [&report.0["rules"], &report.0["totals"], &report.0["batch"]["counts"]].map(Value::to_string);
        results.push((name, report.state().to_owned(), result, rejects));
    }
    let (_, state, result, rejects) = &results[0];
    assert_eq!(state, "published");
    assert_eq!(rejects.lines().count(), 2);
    for other in &results[1..] {
        assert_eq!((&other.1, &other.2, &other.3), (state, result, rejects), "{}", other.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_records_are_explained_without_telling_the_person() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let records = [
        account(1),
        account_with(2, &json!({"account_ref": "-2-ACC", "outstanding": -1250})),
        account_with(3, &json!({"id_number": "991340-14-5678"})),
        account_with(4, &json!({"full_name": "=HYPERLINK(\"x\")"})),
    ];
    let report = eyes.judged(&sender, &Submission::csv(csv(&records))).await;
    report.assert_conservation();
    assert_eq!((report.count("accepted"), report.count("rejected")), (1, 3));
    let path = format!("/v1/batches/{}/rejects", report.id());

    // A line per record: where, what, why, and what to do about it.
    let answer = sender.get(&path).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<u64> = lines.iter().map(|line| line["record_no"].as_u64().unwrap()).collect();
    assert_eq!(places, [2, 3, 4]);
    assert_eq!(lines[0]["account_ref"], "-2-ACC", "{}", answer.text());
    let findings = lines[0]["findings"].as_array().unwrap();
    let amount = findings.iter().find(|finding| finding["field"] == "outstanding").unwrap();
    assert_eq!(amount["value_masked"], "-1250");
    assert_eq!(lines[1]["findings"][0]["value_masked"], "999999-99-9999");
    let text = answer.text();
    for told in ["991340", "5678", "HYPERLINK", "SYNTHETIC", &nric(2)] {
        assert!(!text.contains(told), "{told} is told: {text}");
    }

    // The same as CSV, a line per finding; no cell runs as a formula.
    let table = sender.get_with(&path, &[("accept", "text/csv")]).await.expect(200);
    assert!(table.header("content-type").unwrap().starts_with("text/csv"));
    let mut reader = csv::Reader::from_reader(table.body.as_slice());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let told: usize = lines.iter().map(|line| line["findings"].as_array().unwrap().len()).sum();
    assert_eq!(rows.len(), told);
    assert!(rows.iter().any(|row| (&row[1], &row[6]) == ("'-2-ACC", "'-1250")), "{rows:?}");
    let formula = |cell: &str| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    assert!(rows.iter().all(|row| !row.iter().any(formula)), "{rows:?}");

    // In Malay for those who ask.
    let malay = sender.get_with(&path, &[("accept-language", "ms-MY, en;q=0.5")]).await.expect(200).text();
    let first: Value = serde_json::from_str(malay.lines().next().unwrap()).unwrap();
    let known = Code::parse(first["findings"][0]["code"].as_str().unwrap()).map(rule).unwrap();
    assert_eq!(first["findings"][0]["message"], known.message_ms);
    assert_eq!(first["findings"][0]["remedy"], known.remedy_ms);
    assert_eq!(findings[0]["message"], known.message_en);

    assert_eq!(
        sender.get_with(&path, &[("accept", "image/png")]).await.expect(406).json()["code"],
        "not-acceptable"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_rejects_has_an_empty_reject_file_and_one_unjudged_has_none_yet() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let id = sender.submit(&Submission::ndjson(ndjson(&[account(1)]))).await;
    let path = format!("/v1/batches/{id}/rejects");
    assert_eq!(sender.get(&path).await.expect(409).json()["code"], "conflict");
    assert_eq!(sender.batch(&id).await["counts"], Value::Null);

    eyes.run_jobs().await;
    assert_eq!(sender.get(&path).await.expect(200).text(), "");
    let table = sender.get_with(&path, &[("accept", "text/csv")]).await.expect(200).text();
    assert_eq!(table.lines().count(), 1, "the header alone: {table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_repeat_or_contradict_each_other() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let joint = json!({"account_ref": "ACC-000009", "holder_role": "JOINT"});
    let primary = json!({"account_ref": "ACC-000009"});
    let cases = [
        ("S001 word for word", vec![account(1), account(1)], ("S001", 1), [2, 1, 0, 1]),
        (
            "S001 contradicting",
            vec![account(2), account_with(2, &json!({"outstanding": 1}))],
            ("S001", 2),
            [2, 0, 2, 0],
        ),
        (
            "S003 two primary holders",
            vec![account_with(3, &primary), account_with(4, &primary)],
            ("S003", 2),
            [2, 0, 2, 0],
        ),
        ("S003 no primary holder", vec![account_with(5, &joint)], ("S003", 1), [1, 0, 1, 0]),
    ];
    for (name, records, (code, hits), [received, accepted, rejected, duplicate]) in cases {
        // Good company, so that the batch is published whatever the thresholds say.
        let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
        report.assert_conservation();
        assert_eq!(report.state(), "published", "{name}: {:#}", report.0);
        assert_eq!(report.rules().get(code), Some(&hits), "{name}: {:#}", report.0);
        let counts = ["received", "accepted", "rejected", "duplicate"].map(|part| report.count(part));
        assert_eq!(counts, [received, accepted, rejected, duplicate], "{name}");
        let lines = sender.get(&format!("/v1/batches/{}/rejects", report.id())).await.expect(200).text();
        assert_eq!(lines.lines().count() as i64, rejected, "{name}: duplicates are no rejects");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_stays_with_its_holder() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let other = eyes.contributor("other", patient()).await;
    assert_eq!(eyes.judged(&sender, &Submission::ndjson(ndjson(&[account(1)]))).await.count("accepted"), 1);

    // The same reference with somebody else's number and another account, in a later batch.
    let another = json!({"account_ref": "ACC-000001", "opened_date": "2026-02-15"});
    let moved = ndjson(&[account_with(2, &another)]);
    let report = eyes.judged(&sender, &Submission::ndjson(moved.clone())).await;
    assert_eq!(report.rules(), [("I015", 1)].into(), "{:#}", report.0);
    assert_eq!((report.count("accepted"), report.count("rejected")), (0, 1));
    assert_eq!(report.sample("I015")["account_ref"], "ACC-000001");

    // A joint holder who comes with the wrong holder does not slip in alone.
    let joint = json!({"account_ref": "ACC-000001", "opened_date": "2026-02-15", "holder_role": "JOINT"});
    let pair = ndjson(&[account_with(2, &another), account_with(3, &joint)]);
    let report = eyes.judged(&sender, &Submission::ndjson(pair)).await;
    assert_eq!(report.rules(), [("I015", 2)].into(), "{:#}", report.0);
    assert_eq!((report.count("accepted"), report.count("rejected")), (0, 2));

    // Another contributor's references are its own.
    assert_eq!(eyes.judged(&other, &Submission::ndjson(moved)).await.count("accepted"), 1);
}

/// 51 accounts of one number: a dummy identifier, or a person with many plans.
fn many_accounts_of_one_person() -> Vec<u8> {
    let records: Vec<Value> = (1..=51).map(|n| account_with(n, &json!({"id_number": nric(1)}))).collect();
    ndjson(&records)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspicious_batch_is_held_until_it_is_confirmed() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let report = eyes.judged(&sender, &Submission::ndjson(many_accounts_of_one_person())).await;
    report.assert_conservation();
    assert_eq!((report.state(), report.count("unprocessed")), ("on_hold", 51));
    assert!(report.rules().contains_key("I016"), "{:#}", report.0);
    assert_eq!(report.0["batch"]["next_states"], json!(["received", "cancelled"]));
    assert_eq!(eyes.risk_engine().await.ask(&nric(1), "2026-11-24").await.json()["hit_status"], "NO_HIT");

    let confirm = format!("/v1/batches/{}/confirm", report.id());
    let refused = sender.post_json(&confirm, &json!({"explanation": "yes"})).await.expect(422).json();
    assert_eq!(refused["errors"][0]["pointer"], "/explanation");
    let explanation = "All plans of one corporate customer; checked by hand.";
    let confirmed = sender.post_json(&confirm, &json!({"explanation": explanation})).await.expect(200).json();
    assert_eq!(confirmed["state"], "received");

    eyes.run_jobs().await;
    let after = sender.report(report.id()).await;
    assert_eq!(
        (&after["batch"]["state"], &after["batch"]["counts"]["accepted"]),
        (&json!("published"), &json!(51))
    );
    assert_eq!(after["hold_explanation"], explanation);
    let again = sender.post_json(&confirm, &json!({"explanation": explanation})).await.expect(409).json();
    assert_eq!(again["code"], "illegal-transition");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_batch_may_be_cancelled_instead() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let held = eyes.judged(&sender, &Submission::ndjson(many_accounts_of_one_person())).await;
    let cancelled = sender.post(&format!("/v1/batches/{}/cancel", held.id())).await.expect(200).json();
    assert_eq!((&cancelled["state"], &cancelled["counts"]["unprocessed"]), (&json!("cancelled"), &json!(51)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_cancelled_before_publication_and_not_after() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let submission = Submission::ndjson(ndjson(&[account(1)]));
    let id = sender.submit(&submission).await;
    let cancel = format!("/v1/batches/{id}/cancel");
    let cancelled = sender.post(&cancel).await.expect(200).json();
    assert_eq!((&cancelled["state"], &cancelled["next_states"]), (&json!("cancelled"), &json!([])));
    assert_eq!(sender.post(&cancel).await.expect(200).json(), cancelled, "doing it again changes nothing");

    // Its job ends without a trace in the serving store, and its bytes are free for another try.
    eyes.run_jobs().await;
    assert_eq!(sender.batch(&id).await, cancelled);
    assert_eq!(eyes.risk_engine().await.ask(&nric(1), "2026-11-24").await.json()["hit_status"], "NO_HIT");
    let published = eyes.judged(&sender, &submission.clone().key("another-try")).await;
    assert_eq!(published.state(), "published");

    let refused = sender.post(&format!("/v1/batches/{}/cancel", published.id())).await.expect(409).json();
    assert_eq!(refused["code"], "illegal-transition");
    for state in ["curated", "superseded", "recalled"] {
        assert!(refused["detail"].as_str().unwrap().contains(state), "{refused}");
    }
    let transitions: Vec<String> = sqlx::query_scalar(
        "/* test.steps */ SELECT to_state FROM batch_transitions WHERE batch_id = $1 ORDER BY transition_no",
    )
    .bind(published.id().parse::<BatchId>().unwrap())
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(transitions, ["received", "validating", "accepted", "published"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_may_wait_for_the_report() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;

    // Nobody works yet: the wait runs out, and the submission stands all the same.
    let submission = Submission::ndjson(ndjson(&[account(1)]));
    let unfinished = sender.send(&submission.clone().header("prefer", "wait=0")).await.expect(202);
    assert_eq!(unfinished.header("preference-applied"), Some("wait=0"));
    assert_eq!(unfinished.json()["batch"]["state"], "received");
    assert!(unfinished.json().get("report").is_none());

    let stop = CancellationToken::new();
    let worker = tokio::spawn(runner::run(Arc::clone(&eyes.app), stop.clone()));
    let second = Submission::ndjson(ndjson(&[account(2)])).header("prefer", "respond-async, wait=20");
    let finished = sender.send(&second).await.expect(200);
    assert_eq!(finished.header("preference-applied"), Some("wait=20"));
    let body = finished.json();
    assert_eq!(finished.header("location"), body["batch"]["links"]["self"].as_str());
    assert_eq!(
        (&body["batch"]["state"], &body["report"]["batch"]["counts"]["accepted"]),
        (&json!("published"), &json!(1))
    );
    // A retry that waits gets the report of the first.
    let replayed = sender.send(&submission.header("prefer", "wait=20")).await.expect(200);
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    assert_eq!(replayed.json()["receipt"], unfinished.json()["receipt"]);
    assert_eq!(replayed.json()["report"]["batch"]["state"], "published");
    stop.cancel();
    worker.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_money_unit_of_a_table_is_declared_or_told_by_the_decimal_point() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let ringgit = |outstanding: &str, original: &str| {
        let text = String::from_utf8(csv(&[account(1)])).unwrap();
        text.replace("60000", outstanding).replace("120000", original)
    };
    let cases = [
        (ringgit("600.00", "1200.0"), "", 60_000),
        (ringgit("600", "1200"), "money_unit=RINGGIT", 60_000),
        (ringgit("600.5", "1200"), "money_unit=RINGGIT", 60_050),
        (ringgit("60000", "120000"), "money_unit=SEN", 60_000),
        (ringgit("60000", "120000"), "money_unit=BY_DECIMAL_POINT", 60_000),
    ];
    for (body, parameter, sen) in cases {
        let submission = Submission::csv(body).with("allow_duplicate=true").with(parameter);
        let report = eyes.judged(&sender, &submission).await;
        assert_eq!(
            report.0["totals"]["recomputed"]["sum_outstanding_sen"], sen,
            "{parameter}: {:#}",
            report.0
        );
        assert_eq!(report.count("accepted"), 1, "{:#}", report.0);
    }
    // Declared sen has no decimals; NDJSON is always sen.
    let contradicting = Submission::csv(ringgit("600.00", "1200.00")).with("money_unit=SEN");
    let report = eyes.judged(&sender, &contradicting).await;
    assert_eq!(report.rules().get("V002"), Some(&1), "{:#}", report.0);
    let refused =
        sender.send(&Submission::ndjson(ndjson(&[account(1)])).with("money_unit=SEN")).await.expect(400);
    assert_eq!(refused.json()["errors"][0]["pointer"], "query/money_unit");
}

async fn ids_on(caller: &Caller, path: &str) -> (Vec<String>, Value) {
    let page = caller.get(path).await.expect(200).json();
    let ids = page["items"].as_array().unwrap().iter().map(|batch| batch["id"].as_str().unwrap().to_owned());
    (ids.collect(), page["next_cursor"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_listed_newest_first_by_filter_and_cursor() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let other = eyes.contributor("other", Terms::default()).await;
    let mut sent = Vec::new();
    for n in 1..=5 {
        let day = if n <= 2 { "2026-09-30" } else { "2026-10-31" };
        let record = account_with(n, &json!({"as_of_date": day}));
        let submission = Submission::ndjson(ndjson(&[record])).period("DELTA", day.parse().unwrap());
        sent.insert(0, sender.submit(&submission).await);
        eyes.advance(chrono::TimeDelta::milliseconds(1));
    }
    sender.post(&format!("/v1/batches/{}/cancel", sent[0])).await.expect(200);

    let (all, end) = ids_on(&sender, "/v1/batches").await;
    assert_eq!((&all, end), (&sent, Value::Null));
    assert_eq!(ids_on(&sender, "/v1/batches?period_end=2026-09-30").await.0, sent[3..]);
    assert_eq!(ids_on(&sender, "/v1/batches?state=cancelled&dataset=account_snapshot").await.0, sent[..1]);
    assert!(ids_on(&sender, "/v1/batches?state=published").await.0.is_empty());
    assert!(ids_on(&other, "/v1/batches").await.0.is_empty());

    // Page by page, while new batches arrive at the front.
    let first = sender.get("/v1/batches?limit=2").await.expect(200);
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let link = format!("</v1/batches?limit=2&cursor={cursor}>; rel=\"next\"");
    assert_eq!(first.header("link"), Some(link.as_str()));
    let late = sender.submit(&Submission::ndjson(ndjson(&[account(6)]))).await;
    let (second, next) = ids_on(&sender, &format!("/v1/batches?limit=2&cursor={cursor}")).await;
    assert_eq!(second, sent[2..4]);
    let (third, end) =
        ids_on(&sender, &format!("/v1/batches?limit=2&cursor={}", next.as_str().unwrap())).await;
    assert_eq!((third.as_slice(), end), (&sent[4..], Value::Null));
    assert_eq!(ids_on(&sender, "/v1/batches?limit=1").await.0, [late]);

    // Cursors of nobody, of somebody else, of another list.
    let owner = sender.contributor_id.unwrap().0;
    let position: BatchId = sent[1].parse().unwrap();
    let elsewhere = Cursors { keys: &eyes.app.keys, list: "clients", owner }.seal(&position).unwrap();
    // The first character of a cursor is half of a quotation mark; with another it is none of ours.
    let forged = cursor.replacen(|_| true, "A", 1);
    for (caller, cursor) in
        [(&sender, &forged), (&sender, &elsewhere), (&other, &cursor), (&sender, &"x".to_owned())]
    {
        let refused = caller.get(&format!("/v1/batches?cursor={cursor}")).await.expect(400).json();
        assert_eq!(refused["code"], "invalid-cursor");
    }
    let far = "period_end=-262143-01-01"; // a year that chrono knows and Postgres does not
    for wrong in ["limit=0", "limit=201", "state=gone", "sort=asc", "period_end=soon", far] {
        let refused = sender.get(&format!("/v1/batches?{wrong}")).await.expect(400).json();
        assert_eq!(refused["code"], "invalid-query", "{wrong}");
    }
}
