//! Lookups that tell what is behind them, down to the bytes that were received.

use std::io::{Read as _, Write as _};

use etrplus::access::Scope;
use etrplus::pipeline::explain;
use serde_json::{Value, json};

use crate::support::app::{Answer, Caller, Submission, TestApp, patient, question};
use crate::support::records::{account, account_with, csv, ndjson, nric};

const BOTH: [Scope; 2] = [Scope::ProfilesQuery, Scope::ProfilesExplain];

async fn explained(engine: &Caller, n: u32, as_of: &str) -> Answer {
    engine.post_json("/v1/profiles/query?explain=provenance", &question(&nric(n), as_of)).await
}

/// The account of the n-th person in a month; amounts tell the month.
fn in_month(n: u32, day: &str, outstanding: i64) -> Value {
    account_with(n, &json!({"as_of_date": day, "outstanding": outstanding}))
}

fn delta(body: Vec<u8>, period_end: &str) -> Submission {
    Submission::ndjson(body).period("DELTA", period_end.parse().unwrap())
}

/// The received bytes of a batch, from bronze: our packing undone, and whatever the sender compressed.
async fn content_of(eyes: &TestApp, batch: &str) -> (Vec<u8>, Vec<u8>) {
    let (key, stored, encoding): (String, String, String) = sqlx::query_as(
        "/* test.object */ SELECT object_key, stored_encoding, content_encoding FROM batches WHERE batch_id = $1::uuid",
    )
    .bind(batch)
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    let object = eyes.app.store.get(&key).await.unwrap().unwrap().collect().await.unwrap().to_vec();
    let received = if stored == "zstd" { zstd::decode_all(object.as_slice()).unwrap() } else { object };
    let mut content = Vec::new();
    match encoding.as_str() {
        "gzip" => flate2::read::MultiGzDecoder::new(received.as_slice())
            .read_to_end(&mut content)
            .map(drop)
            .unwrap(),
        _ => content.clone_from(&received),
    }
    (received, content)
}

/// Reads the bytes that a record is said to be, after checking the digest of the whole.
async fn bytes_of(eyes: &TestApp, record: &Value) -> String {
    let (received, content) = content_of(eyes, record["batch_id"].as_str().unwrap()).await;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &received);
    assert_eq!(record["sha256"], hex::encode(digest.as_ref()));
    let place = |name: &str| record["bytes"][name].as_u64().unwrap_or_else(|| panic!("{record:#}")) as usize;
    String::from_utf8(content[place("from")..place("to")].to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attribute_leads_to_rows_that_are_found_again_in_the_received_bytes() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let engine = eyes.client("engine", None, &BOTH, &["CREDIT_APPLICATION"]).await;
    // Three months in three formats, the person in another place in each.
    let august = [in_month(2, "2026-08-31", 10), in_month(1, "2026-08-31", 80_000)];
    let september = [in_month(1, "2026-09-30", 70_000), in_month(2, "2026-09-30", 20)];
    let october =
        [in_month(2, "2026-10-31", 30), in_month(3, "2026-10-31", 40), in_month(1, "2026-10-31", 60_000)];
    eyes.published(&bank, &delta(ndjson(&august), "2026-08-31")).await;
    let table = Submission {
        headers: vec![("content-type", "text/csv".into())],
        ..delta(csv(&september), "2026-09-30")
    };
    eyes.published(&bank, &table.with("money_unit=SEN")).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&ndjson(&october)).unwrap();
    let packed = delta(gzip.finish().unwrap(), "2026-10-31").header("content-encoding", "gzip");
    eyes.published(&bank, &packed).await;

    let answer = explained(&engine, 1, "2026-11-20").await.expect(200).json();
    let told = &answer["provenance"];
    let records = told["accounts"][0]["records"].as_array().unwrap();
    let days: Vec<&str> = records.iter().map(|record| record["as_of_date"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-10-31", "2026-09-30", "2026-08-31"]);
    for (record, row) in records.iter().zip([&october[2], &september[0], &august[1]]) {
        let found = bytes_of(&eyes, record).await;
        for field in ["account_ref", "id_number", "as_of_date"] {
            assert!(found.contains(row[field].as_str().unwrap()), "{found} instead of {row}");
        }
        assert!(found.contains(&row["outstanding"].to_string()), "{found} instead of {row}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
    assert_eq!(records[2]["record_no"], 2);
    assert_eq!(records[0]["contract"], "account_snapshot/1");

    // What stands now comes of the newest row, what looks back of all three.
    let behind = |name: &str| &told["attributes"][name]["accounts"];
    assert_eq!(behind("total_outstanding"), &json!([{"account": 0, "records": [0]}]));
    assert_eq!(behind("worst_dpd_12m"), &json!([{"account": 0, "records": [0, 1, 2]}]));
    assert_eq!(behind("opened_30d"), &json!([]));
    let names: Vec<&String> = answer["attributes"].as_object().unwrap().keys().collect();
    assert_eq!(told["attributes"].as_object().unwrap().len(), names.len());
    // As of a day in September the row of October says only what has no date.
    let earlier = explained(&engine, 1, "2026-09-30").await.expect(200).json();
    let behind = &earlier["provenance"]["attributes"]["total_outstanding"]["accounts"];
    assert_eq!(behind, &json!([{"account": 0, "records": [0, 1]}]));

    // As of a day in August the month between is behind nothing, and is not told.
    let august = explained(&engine, 1, "2026-08-31").await.expect(200).json();
    let told = august["provenance"]["accounts"][0]["records"].as_array().unwrap();
    let days: Vec<&str> = told.iter().map(|record| record["as_of_date"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-10-31", "2026-08-31"]);

    // Whose the data is is not told; the question left its footprint and its audit entry, together.
    let text = answer.to_string();
    assert!(!text.contains("ACC-") && !text.contains(&bank.contributor_id.unwrap().to_string()), "{text}");
    let traces: (i64, i64) = sqlx::query_as(
        "/* test.traces */ SELECT (SELECT count(*) FROM footprints),
            (SELECT count(*) FROM audit_entries WHERE action = 'profile.explain')",
    )
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(traces, (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_events_and_applications_are_behind_what_they_changed() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let engine = eyes.client("engine", None, &BOTH, &["CREDIT_APPLICATION"]).await;
    eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1)]))).await;
    let correction = json!({
        "account_ref": "ACC-000001", "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
        "changes": {"outstanding": 50_000}, "reason": "DATA_ERROR",
    });
    let case = bank.post_json("/v1/corrections", &correction).await.expect(201).json();
    let payment = json!({
        "event_id": "PAY-1", "account_ref": "ACC-000001", "event_type": "PAYMENT",
        "value_date": "2026-11-15", "amount": 10_000,
    });
    let query = "dataset=repayment_event&mode=DELTA&period_end=2026-11-23".to_owned();
    eyes.published(&bank, &Submission { query, ..Submission::ndjson(ndjson(&[payment])) }).await;

    let answer = explained(&engine, 1, "2026-11-20").await.expect(200).json();
    assert_eq!(answer["attributes"]["total_outstanding"]["value"], 40_000);
    let records = answer["provenance"]["accounts"][0]["records"].as_array().unwrap();
    assert_eq!(records[0]["changed_by"], json!({"kind": "correction", "id": case["correction_id"]}));
    assert!(
        bytes_of(&eyes, &records[0]).await.contains("60000"),
        "what was received before it was corrected"
    );
    assert_eq!(records[1]["kind"], "event");
    assert!(bytes_of(&eyes, &records[1]).await.contains("PAY-1"));
    let behind = &answer["provenance"]["attributes"]["total_outstanding"]["accounts"];
    assert_eq!(behind, &json!([{"account": 0, "records": [0, 1]}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_wants_its_scope_and_a_known_word() {
    let eyes = TestApp::start().await;
    let plain = eyes.risk_engine().await;
    let refused = explained(&plain, 1, "2026-11-20").await.expect(403);
    assert_eq!(refused.json()["code"], "missing-scope");
    assert!(refused.header("www-authenticate").unwrap().contains("profiles:explain"));
    let engine = eyes.client("engine", None, &BOTH, &["CREDIT_APPLICATION"]).await;
    engine
        .post_json("/v1/profiles/query?explain=everything", &question(&nric(1), "2026-11-20"))
        .await
        .expect(400);
    // Of somebody unknown there is nothing to explain, and the question is recorded all the same.
    let nobody = explained(&engine, 1, "2026-11-20").await.expect(200).json();
    assert_eq!(nobody["provenance"]["accounts"], json!([]));
    let footprints: i64 = sqlx::query_scalar("/* test.asked */ SELECT count(*) FROM footprints")
        .fetch_one(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(footprints, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_a_request_does_not_reach_are_found_by_the_schedule() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let engine = eyes.client("engine", None, &BOTH, &["CREDIT_APPLICATION"]).await;
    let batch = eyes.published(&bank, &Submission::ndjson(ndjson(&[account(1), account(2)]))).await;
    // Asked for and not found yet, as after a request that ran out of time.
    sqlx::query("/* test.want */ INSERT INTO record_ranges (batch_id, record_no, wanted_at) VALUES ($1::uuid, 2, now())")
        .bind(&batch)
        .execute(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(explain::locate_wanted(&eyes.app).await.unwrap(), 1);
    assert_eq!(explain::locate_wanted(&eyes.app).await.unwrap(), 0, "found once, known for good");
    let answer = explained(&engine, 2, "2026-11-20").await.expect(200).json();
    assert!(bytes_of(&eyes, &answer["provenance"]["accounts"][0]["records"][0]).await.contains("ACC-000002"));
    // A batch whose bytes are gone is given up, and the explanation says so.
    let key = format!("bronze/{}/{batch}", bank.contributor_id.unwrap());
    eyes.app.store.delete(&key).await.unwrap();
    let answer = explained(&engine, 1, "2026-11-20").await.expect(200).json();
    assert_eq!(answer["provenance"]["accounts"][0]["records"][0]["bytes_null_reason"], "NOT_FOUND");
    // When nothing can be looked up, what is on record as told is told all the same.
    sqlx::query("/* test.break */ DROP TABLE record_ranges").execute(&eyes.database.pool).await.unwrap();
    let answer = explained(&engine, 2, "2026-11-20").await.expect(200).json();
    assert_eq!(answer["provenance"]["accounts"][0]["records"][0]["bytes_null_reason"], "PENDING");
}
