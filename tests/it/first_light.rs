//! First light: one real loan book, from a contributor's file to a risk engine's answer.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use chrono::NaiveDate;
use etrplus::domain::contract::Terms;
use serde_json::Value;

use crate::support::app::{Submission, TestApp};

/// Where real books are kept, outside the repository; none of this is a test's failure when they are absent.
pub fn canonical() -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = here
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("shared/data/canonical"))
        .find(|path| path.is_dir());
    if found.is_none() {
        eprintln!("skipped: the real books are not here (../shared/data/canonical)");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_loan_book_becomes_profiles() {
    let Some(books) = canonical() else { return };
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(books.join("MANIFEST.json")).unwrap()).unwrap();
    let file = "home_credit_bureau.accounts.ndjson.gz";
    let entry = manifest["files"].as_array().unwrap().iter().find(|entry| entry["file"] == file).unwrap();
    let packed = std::fs::read(books.join(file)).unwrap();

    // A bureau with a back-fill grant and patience for a book with 15.6 % of defects.
    let eyes = TestApp::start().await;
    let terms = Terms {
        backfill_from: NaiveDate::from_ymd_opt(2000, 1, 1),
        reject_threshold_bps: 2000,
        ..Terms::default()
    };
    let bureau = eyes.contributor("bureau", terms).await;
    let risk_engine = eyes.risk_engine().await;

    // It sends the file as it is, and declares what is in it.
    let submission = Submission::ndjson(packed.clone())
        .period("DELTA", NaiveDate::from_ymd_opt(2018, 5, 31).unwrap())
        .with("record_count=20000")
        .with(&format!("sum_outstanding_sen={}", entry["sum_outstanding_sen"]))
        .with(&format!("sum_overdue_sen={}", entry["sum_overdue_sen"]))
        .header("content-encoding", "gzip");
    let received = bureau.send(&submission).await.expect(202).json();
    assert_eq!(received["batch"]["state"], "received");
    assert_eq!(received["batch"]["sha256"], entry["sha256_gz"]);
    assert_eq!(received["batch"]["bytes"], packed.len());
    let id = received["batch"]["id"].as_str().unwrap().to_owned();

    assert_eq!(eyes.run_jobs().await, 1);

    // The report has exactly the manifest's counts.
    let report = bureau.report(&id).await;
    let batch = &report["batch"];
    assert_eq!(batch["state"], "published", "{report:#}");
    let counts = &batch["counts"];
    let rejected = entry["rows_with_a_rejecting_code"].as_i64().unwrap();
    assert_eq!(counts["received"], 20_000);
    assert_eq!(counts["rejected"], rejected);
    assert_eq!(counts["accepted"], 20_000 - rejected);
    let found: BTreeMap<&str, i64> = report["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["code"].as_str().unwrap(), rule["records"].as_i64().unwrap()))
        .collect();
    for (code, expected) in entry["expected"].as_object().unwrap() {
        let hits = found.get(code.as_str()).copied().unwrap_or(0);
        assert_eq!(hits, expected.as_i64().unwrap(), "{code}: {found:?}");
    }
    for (code, expected) in [("X014", 95), ("X015", 633), ("X023", 34), ("X029", 137)] {
        assert_eq!(found.get(code), Some(&expected), "{code}");
    }

    // A line for each rejected record, with a reason and a remedy, and nobody's number.
    let rejects = bureau.get(&format!("/v1/batches/{id}/rejects")).await.expect(200).text();
    let lines: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as i64, rejected);
    let people = people_of(&packed);
    for line in &lines {
        let finding = &line["findings"][0];
        assert!(
            finding["message"].as_str().unwrap().len() > 10 && finding["remedy"].as_str().unwrap().len() > 10
        );
    }
    let mut numbers = rejects.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() >= 12);
    assert!(!numbers.any(|digits| (0..=digits.len() - 12).any(|i| people.contains_key(&digits[i..i + 12]))));

    // And the people have profiles: every accepted account is told once, to the right person.
    let rejected_numbers: std::collections::HashSet<u64> =
        lines.iter().map(|line| line["record_no"].as_u64().unwrap()).collect();
    let mut asked = 0;
    for (number, records) in people.iter().take(200) {
        let expected = records.iter().filter(|(record_no, record)| {
            !rejected_numbers.contains(record_no) && record["as_of_date"].as_str().unwrap() <= "2018-05-31"
        });
        let (mut accounts, mut outstanding) = (0, 0);
        for (_, record) in expected {
            accounts += 1;
            if record["status"] == "ACTIVE" {
                outstanding += record["outstanding"].as_i64().unwrap();
            }
        }
        let profile = risk_engine.ask(number, "2018-05-31").await.expect(200).json();
        assert_eq!(profile["accounts"].as_array().unwrap().len(), accounts, "{profile:#}");
        let told = &profile["attributes"]["total_outstanding"]["value"];
        assert_eq!(told.as_i64().unwrap_or(0), outstanding, "{profile:#}");
        asked += 1;
    }
    let footprints: i64 =
        sqlx::query_scalar("SELECT count(*) FROM footprints").fetch_one(&eyes.database.pool).await.unwrap();
    assert_eq!(footprints, asked);
}

/// Every person of the file with the numbers and contents of the records about them.
fn people_of(packed: &[u8]) -> BTreeMap<String, Vec<(u64, Value)>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let mut people: BTreeMap<String, Vec<(u64, Value)>> = BTreeMap::new();
    for (n, line) in text.lines().enumerate() {
        let record: Value = serde_json::from_str(line).unwrap();
        people
            .entry(record["id_number"].as_str().unwrap().to_owned())
            .or_default()
            .push((n as u64 + 1, record));
    }
    people
}
