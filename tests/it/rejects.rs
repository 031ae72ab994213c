//! The quarantine: what was rejected can be asked for, mended and sent back, and is known as fixed afterwards.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use etrplus::domain::contract::Terms;
use serde_json::{Value, json};

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::records::{account, account_with, csv, ndjson, nric};

/// An account that a rule about its fields rejects: days past due, and nothing overdue.
fn late_without_debt(n: u32) -> Value {
    account_with(n, &json!({"dpd": 40}))
}

async fn list(caller: &Caller, query: &str) -> Vec<Value> {
    let page = caller.get(&format!("/v1/rejects?{query}")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

/// Batch and record number of each record on a list.
fn places(records: &[Value]) -> Vec<(String, i64)> {
    let place = |record: &Value| {
        (record["batch_id"].as_str().unwrap().to_owned(), record["record_no"].as_i64().unwrap())
    };
    records.iter().map(place).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_records_are_found_by_rule_field_batch_account_and_period() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let stranger = eyes.contributor("stranger", patient()).await;
    let october = [
        account(1),
        late_without_debt(2),
        account_with(3, &json!({"currency": "XXY"})),
        late_without_debt(4),
    ];
    let body = [&ndjson(&october)[..], b"{no json\n"].concat();
    let first = eyes.judged(&sender, &Submission::ndjson(body)).await.id().to_owned();
    // Batches are listed by the time of their receipt.
    eyes.advance(TimeDelta::minutes(1));
    let september = account_with(5, &json!({"as_of_date": "2026-09-30", "dpd": 2}));
    let delta = Submission::ndjson(ndjson(&[september])).period("DELTA", "2026-09-30".parse().unwrap());
    let second = eyes.judged(&sender, &delta).await.id().to_owned();

    let all = list(&sender, "").await;
    let expected =
        [(second.clone(), 1), (first.clone(), 2), (first.clone(), 3), (first.clone(), 4), (first.clone(), 5)];
    assert_eq!(places(&all), expected);
    for (query, expected) in [
        ("code=X007", &[(second.clone(), 1), (first.clone(), 2), (first.clone(), 4)][..]),
        ("code=X007&period_end=2026-10-31", &[(first.clone(), 2), (first.clone(), 4)]),
        ("code=V002", &[(first.clone(), 5)]),
        ("code=V001", &[]),
        ("field=currency", &[(first.clone(), 3)]),
        ("account_ref=ACC-000004", &[(first.clone(), 4)]),
        (&format!("batch_id={second}"), &[(second.clone(), 1)]),
        (&format!("batch_id={first}&code=X007&account_ref=ACC-000002"), &[(first.clone(), 2)]),
        ("period_end=2026-09-30", &[(second.clone(), 1)]),
        ("state=resolved", &[]),
    ] {
        assert_eq!(places(&list(&sender, query).await), expected, "{query}");
    }
    // A record reads as its line in the reject file does, and an unreadable one has no account.
    assert_eq!(all[1]["findings"][0]["code"], "X007");
    assert!(all[1]["findings"][0]["remedy"].as_str().unwrap().len() > 10);
    assert_eq!((&all[4]["account_ref"], &all[4]["findings"][0]["code"]), (&Value::Null, &json!("V002")));
    let malay = sender.get_with("/v1/rejects?code=X007", &[("accept-language", "ms")]).await.json();
    assert_ne!(malay["items"][0]["findings"][0]["message"], all[0]["findings"][0]["message"]);
    assert!(list(&stranger, "").await.is_empty());
    assert!(list(&stranger, &format!("batch_id={first}")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_rejected_record_once_whatever_leads_the_list() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    for from in [1, 11] {
        let records: Vec<Value> = (from..from + 5).map(late_without_debt).collect();
        eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    }
    for query in ["", "code=X007", "field=overdue&state=open", "period_end=2026-10-31"] {
        let mut seen = Vec::new();
        let mut path = format!("/v1/rejects?{query}&limit=3");
        loop {
            let page = sender.get(&path).await.expect(200).json();
            seen.extend(places(page["items"].as_array().unwrap()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/v1/rejects?{query}&limit=3&cursor={cursor}");
        }
        let different: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!((seen.len(), different.len()), (10, 10), "{query}");
    }
    for (query, code) in
        [("code=X999", "unknown-value"), ("field=colour", "unknown-value"), ("state=odd", "unknown-value")]
    {
        let refused = sender.get(&format!("/v1/rejects?{query}")).await.expect(400).json();
        assert_eq!(
            (&refused["code"], &refused["errors"][0]["code"]),
            (&json!("invalid-query"), &json!(code))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_identifier_and_no_name_stands_in_the_quarantine() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let records = [
        account_with(1, &json!({"outstanding": 820_511_094_475_i64, "dpd": 3})),
        account_with(2, &json!({"status": "820511094475", "account_ref": "82/0511 094475"})),
        account_with(3, &json!({"currency": "SUBJECT SYNTHETIC", "id_number": "8205110944"})),
    ];
    eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    let rows: Vec<String> =
        sqlx::query_scalar("/* test.rows */ SELECT to_jsonb(r)::text FROM rejected_records r")
            .fetch_all(&eyes.database.pool)
            .await
            .unwrap();
    assert_eq!(rows.len(), 3);
    for text in rows {
        for secret in ["8205110944", "SYNTHETIC", "82/05", &nric(1)] {
            assert!(!text.contains(secret), "{secret} stands in {text}");
        }
    }
}

/// Sends mended records of a batch and reads the report of the correction.
async fn fix(eyes: &TestApp, sender: &Caller, origin: &str, records: &[Value]) -> Report {
    eyes.judged(
        sender,
        &Submission::ndjson(ndjson(records)).with(&format!("allow_duplicate=true&fixes={origin}")),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn mended_records_resolve_what_was_rejected() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let records: Vec<Value> = [account(1)]
        .into_iter()
        .chain((2..=4).map(late_without_debt))
        .chain([late_without_debt(2)])
        .collect();
    let origin = eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    assert_eq!(origin.count("rejected"), 4);
    assert!(origin.0.get("fixes").is_none(), "nothing was sent to fix it yet");
    let origin = origin.id().to_owned();
    let told = sender.get(&format!("/v1/batches/{origin}/rejects")).await.expect(200);
    let link = told.header("link").unwrap();
    assert!(link.contains("mode=DELTA&period_end=2026-10-31") && link.contains(&format!("fixes={origin}")));

    // One account is mended, one is sent as it was, and another is new to all of this.
    let first = fix(&eyes, &sender, &origin, &[account(2), late_without_debt(3), account(9)]).await;
    assert_eq!((first.count("accepted"), first.count("rejected")), (2, 1));
    let batch = sender.batch(first.id()).await;
    assert_eq!(batch["fixes"], json!(origin));
    let fixes = &sender.report(&origin).await["fixes"];
    assert_eq!((&fixes["open"], &fixes["resolved"]), (&json!(3), &json!(1)));
    assert_eq!(fixes["batches"], json!([{"batch_id": first.id(), "state": "published", "resolved": 1}]));
    // Two records of one account were rejected and one good one came: the first of them is fixed.
    let resolved = list(&sender, "state=resolved").await;
    assert_eq!(places(&resolved), [(origin.clone(), 2)]);
    assert_eq!(resolved[0]["resolved_by"], first.id());

    // A correction of the correction fixes what both left.
    let second = fix(&eyes, &sender, first.id(), &[account(3)]).await;
    assert_eq!(list(&sender, "state=open&account_ref=ACC-000003").await.len(), 0);
    let open = list(&sender, "state=open").await;
    assert_eq!(places(&open), [(origin.clone(), 4), (origin.clone(), 5)]);
    assert_eq!(
        list(&sender, &format!("batch_id={origin}&state=resolved")).await[1]["resolved_by"],
        second.id()
    );

    // What a correction is made of is known from the moment of its receipt.
    let edges: i64 = sqlx::query_scalar(
        "/* test.edges */ SELECT count(*) FROM lineage_edges WHERE from_kind = 'rejected_records' AND from_ref = $1",
    )
    .bind(&origin)
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(edges, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_fixes_a_judged_batch_of_its_own_period() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let stranger = eyes.contributor("stranger", patient()).await;
    let origin =
        eyes.judged(&sender, &Submission::ndjson(ndjson(&[late_without_debt(1)]))).await.id().to_owned();
    let theirs =
        eyes.judged(&stranger, &Submission::ndjson(ndjson(&[late_without_debt(1)]))).await.id().to_owned();
    let waiting = sender.submit(&Submission::ndjson(ndjson(&[account(2)]))).await;
    let mended = |period: &str, mode: &str, fixes: &str| {
        Submission::ndjson(ndjson(&[account(1)]))
            .period(mode, period.parse().unwrap())
            .with(&format!("fixes={fixes}"))
    };
    for (name, submission) in [
        ("another period", mended("2026-09-30", "DELTA", &origin)),
        ("somebody else's", mended("2026-10-31", "DELTA", &theirs)),
        ("nobody's", mended("2026-10-31", "DELTA", "00000000-0000-7000-8000-000000000000")),
        ("not judged yet", mended("2026-10-31", "DELTA", &waiting)),
    ] {
        let refused = sender.send(&submission).await.expect(422).json();
        assert!(refused["detail"].as_str().unwrap().contains("F027"), "{name}: {refused}");
    }
    sender.send(&mended("2026-10-31", "FULL", &origin)).await.expect(400);
    sender.send(&mended("2026-10-31", "DELTA", &origin)).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_lines_are_judged_again_exactly_as_they_came() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let dollars = |n: u32| account_with(n, &json!({"currency": "SGD"}));
    let records = [account(1), dollars(2), late_without_debt(3), dollars(4)];
    let lines = [&b"\xEF\xBB\xBF\n"[..], &ndjson(&records)].concat();
    for (name, submission) in [
        ("ndjson", Submission::ndjson(lines)),
        ("csv", Submission::csv(csv(&records)).with("allow_duplicate=true")),
    ] {
        set_currencies(&eyes, &["MYR"]).await;
        let origin = eyes.judged(&sender, &submission).await;
        assert_eq!(origin.count("rejected"), 3, "{name}: {:#}", origin.0);
        let path = format!("/v1/batches/{}/rejects/replay", origin.id());

        // The agreement is widened, and the contributor asks for another look.
        set_currencies(&eyes, &["MYR", "SGD"]).await;
        let key = format!("again-{name}");
        let headers = [("idempotency-key", key.as_str())];
        let sent = sender.request(http::Method::POST, &path, &headers, "").await.expect(202).json();
        assert!(sent["receipt"].as_str().unwrap().contains('.'));
        let again = sent["batch"]["id"].as_str().unwrap().to_owned();
        assert_eq!((&sent["batch"]["fixes"], &sent["batch"]["mode"]), (&json!(origin.id()), &json!("DELTA")));
        eyes.run_jobs().await;
        let report = Report(sender.report(&again).await);
        assert_eq!((report.count("received"), report.count("accepted"), report.count("rejected")), (3, 2, 1));
        // The one that is still wrong is the second of the three, and the third of the origin.
        assert_eq!(places(&list(&sender, &format!("batch_id={again}")).await), [(again.clone(), 2)]);
        let open = list(&sender, &format!("batch_id={}&state=open", origin.id())).await;
        assert_eq!(places(&open), [(origin.id().to_owned(), 3)], "{name}");

        // The same key is the same replay, whatever is rejected by now.
        let retried = sender.request(http::Method::POST, &path, &headers, "").await.expect(202);
        assert_eq!(retried.header("idempotency-replayed"), Some("true"));
        assert_eq!(retried.json()["batch"]["id"], json!(again));
        fix(&eyes, &sender, origin.id(), &[account(3)]).await;
        let nothing = [("idempotency-key", "nothing-left")];
        let refused = sender.request(http::Method::POST, &path, &nothing, "").await.expect(409).json();
        assert_eq!(refused["code"], "conflict");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_in_one_replay_at_a_time() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let records = [account(1), account_with(2, &json!({"currency": "SGD"}))];
    let origin = eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    let replay = async |key: &str| {
        let path = format!("/v1/batches/{}/rejects/replay", origin.id());
        sender.request(http::Method::POST, &path, &[("idempotency-key", key)], "").await
    };
    // Two at once, and one later: one of them has the record.
    let (one, other) = futures::join!(replay("one"), replay("other"));
    let (taken, refused) = if one.status == 202 { (one, other) } else { (other, one) };
    let taken = taken.expect(202).json()["batch"]["id"].as_str().unwrap().to_owned();
    assert_eq!(refused.expect(409).json()["code"], "conflict");
    replay("late").await.expect(409);
    // It may still come to life again.
    eyes.bury(&taken, "a disk was full").await;
    replay("later").await.expect(409);

    sender.post(&format!("/v1/batches/{taken}/cancel")).await.expect(200);
    set_currencies(&eyes, &["MYR", "SGD"]).await;
    replay("after").await.expect(202);
    eyes.run_jobs().await;
    assert!(list(&sender, "state=open").await.is_empty());
}

async fn set_currencies(eyes: &TestApp, currencies: &[&str]) {
    sqlx::query("/* test.currencies */ UPDATE contributors SET currencies = $1")
        .bind(currencies)
        .execute(&eyes.database.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn judging_again_replaces_what_was_kept_and_a_replacement_resolves_it() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    // One person with very many accounts holds the batch; three records are bad.
    let mut records: Vec<Value> =
        (101..=151).map(|n| account_with(n, &json!({"id_number": nric(3)}))).collect();
    records.extend((1..=3).map(late_without_debt));
    let held = eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    assert_eq!((held.state(), list(&sender, "code=X007").await.len()), ("on_hold", 3));
    let path = format!("/v1/batches/{}/confirm", held.id());
    sender.post_json(&path, &json!({"explanation": "A fleet of one owner, checked."})).await.expect(200);
    eyes.run_jobs().await;
    assert_eq!(list(&sender, "code=X007").await.len(), 3);

    // A REPLACE takes the place of the whole batch, and of its rejects.
    let mut mended: Vec<Value> = (101..=151).map(account).collect();
    mended.extend((1..=3).map(account));
    let replace = Submission::ndjson(ndjson(&mended))
        .period("REPLACE", "2026-10-31".parse().unwrap())
        .with(&format!("replaces={}", held.id()));
    let replaced = eyes.judged(&sender, &replace).await;
    let left = list(&sender, &format!("batch_id={}&state=open", held.id())).await;
    assert_eq!(left.len(), if replaced.state() == "published" { 0 } else { 3 }, "{:#}", replaced.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_rejected_as_a_whole_tells_its_records_too() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&[late_without_debt(1), account(2)]))).await;
    assert_eq!(report.state(), "rejected");
    assert_eq!(list(&sender, &format!("batch_id={}", report.id())).await.len(), 1);
}
