//! Aggregates of portfolios: what they add up to, what is withheld, and where it came from.

use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use etrplus::access::Scope;
use etrplus::pipeline::curate::{self, FED};
use etrplus::pipeline::gold;
use serde_json::{Value, json};

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::records::{account_with, ndjson, nric};

const DAY: &str = "2026-10-31";

/// Lands what was published, and computes a version of gold.
async fn refresh(eyes: &TestApp) {
    eyes.advance(TimeDelta::seconds(10));
    for fed in FED {
        curate::land(&eyes.app, fed).await.unwrap();
    }
    // A task of its own: plans of its statements go deep, and a long story has little stack left.
    let app = Arc::clone(&eyes.app);
    tokio::spawn(async move { gold::refresh(&app, DAY.parse().unwrap()).await.unwrap() }).await.unwrap();
}

/// What the operation of the document is shown with: a version of gold with a cell that can be told.
pub async fn shown(eyes: &TestApp, caller: &Caller) {
    let records: Vec<Value> = (601..=612).map(|n| account_with(n, &json!({}))).collect();
    eyes.published(caller, &Submission::ndjson(ndjson(&records))).await;
    refresh(eyes).await;
}

async fn reader(eyes: &TestApp) -> Caller {
    eyes.client("reporting", None, &[Scope::AggregatesRead], &[]).await
}

async fn read(reader: &Caller, question: &str) -> Value {
    reader.get(&format!("/v1/aggregates/{question}")).await.expect(200).json()
}

/// The only cell of a month and product.
fn cell<'a>(answer: &'a Value, month: &str, product: &str) -> &'a Value {
    let cells = answer["cells"].as_array().unwrap().iter();
    let mut found = cells.filter(|cell| cell["month"] == month && cell["product_type"] == product);
    let cell = found.next().unwrap_or_else(|| panic!("no {product} of {month} in {answer:#}"));
    assert!(found.next().is_none(), "{answer:#}");
    cell
}

/// 24 people with loans, of whom ten are a little late in October and two a month; ten with plans; nine who rent ten flats.
fn book(month: &str) -> Vec<Value> {
    let at = |n: u32, more: Value| {
        let mut record = account_with(n, &more);
        record["as_of_date"] = json!(month);
        record
    };
    let late = |dpd: u32| match month {
        DAY => json!({"dpd": dpd, "overdue": 10_000}),
        _ => json!({}),
    };
    let loans = (1..=24).map(|n| match n {
        1..=12 => at(n, json!({})),
        13..=22 => at(n, late(12)),
        _ => at(n, late(31)),
    });
    let plans = (31..=40).map(|n| at(n, json!({"product_type": "BNPL_PLAN"})));
    let flats = (51..=60).map(|n| at(n, json!({"product_type": "RENTAL", "id_number": nric(n.min(59))})));
    loans.chain(plans).chain(flats).collect()
}

#[tokio::test]
async fn measures_add_up_what_was_sent_and_withhold_what_speaks_of_few() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    for month in ["2026-09-30", DAY] {
        let book = Submission::ndjson(ndjson(&book(month)));
        eyes.published(&sender, &book.period("DELTA", month.parse::<NaiveDate>().unwrap())).await;
    }
    refresh(&eyes).await;
    let reader = reader(&eyes).await;

    let exposure = read(&reader, "exposure").await;
    let owed = |accounts: i64, overdue: i64| json!({"accounts": accounts, "outstanding_sen": 60_000 * accounts, "overdue_sen": overdue});
    assert_eq!(cell(&exposure, "2026-10-01", "PERSONAL_LOAN")["values"], owed(24, 120_000));
    assert_eq!(cell(&exposure, "2026-10-01", "BNPL_PLAN")["values"], owed(10, 0), "ten people");
    let nine = json!({"month": "2026-10-01", "product_type": "RENTAL", "suppressed": true, "values": null});
    assert_eq!(*cell(&exposure, "2026-10-01", "RENTAL"), nine, "ten accounts of nine people");
    assert_eq!(exposure["cells"].as_array().unwrap().len(), 6, "no totals, and two months");
    let text = exposure.to_string();
    assert!(!text.contains(&sender.contributor_id.unwrap().to_string()) && !text.contains("contributor"));

    let late = read(&reader, "delinquency_rate?product_type=PERSONAL_LOAN&from_month=2026-10-15").await;
    assert_eq!(late["cells"].as_array().unwrap().len(), 1, "{late:#}");
    let expected = json!({"accounts": 24, "rate_30_plus_bps": 833, "rate_90_plus_bps": 0});
    assert_eq!(late["cells"][0]["values"], expected);

    // Two went from current to a month late: if the others were told, so were they.
    let rolls = read(&reader, "roll_rates?product_type=PERSONAL_LOAN").await;
    let ways: Vec<_> =
        rolls["cells"].as_array().unwrap().iter().map(|cell| (&cell["to_bucket"], &cell["values"])).collect();
    let stayed = json!({"accounts": 12, "outstanding_sen": 720_000, "rate_bps": 5000});
    assert_eq!(
        ways,
        [
            (&json!("CURRENT"), &stayed),
            (&json!("DPD_1_29"), &Value::Null),
            (&json!("DPD_30_59"), &Value::Null)
        ]
    );

    let vintages = read(&reader, "vintage_curves?product_type=PERSONAL_LOAN").await;
    let at = |months: i64| {
        let cells = vintages["cells"].as_array().unwrap();
        &cells.iter().find(|cell| cell["months_on_book"] == months).unwrap()["values"]
    };
    assert_eq!(*at(9), json!({"accounts": 24, "ever_30_plus_bps": 833, "ever_90_plus_bps": 0}));
    assert_eq!(at(8)["ever_30_plus_bps"], 0);
}

#[tokio::test]
async fn an_answer_says_where_it_came_from_and_is_told_once() {
    let eyes = TestApp::start().await;
    let reader = reader(&eyes).await;
    let none = reader.get("/v1/aggregates/exposure").await.expect(404).json();
    assert!(none["detail"].as_str().unwrap().contains("etrplus gold refresh"), "{none}");

    let sender = eyes.contributor("sender", patient()).await;
    shown(&eyes, &sender).await;
    let first = reader.get("/v1/aggregates/exposure").await.expect(200);
    let (tag, provenance) = (first.header("etag").unwrap().to_owned(), first.json()["provenance"].clone());
    assert_eq!(provenance["as_of"], DAY);
    assert!(provenance["gold_snapshot_id"].is_i64());
    assert!(provenance["silver_snapshots"]["silver.account_snapshots"].is_i64());
    let again = reader.get_with("/v1/aggregates/exposure", &[("if-none-match", &tag)]).await.expect(304);
    assert_eq!((again.header("etag"), again.body.len()), (Some(tag.as_str()), 0));

    let more = account_with(700, &json!({}));
    eyes.published(&sender, &Submission::ndjson(ndjson(&[more]))).await;
    refresh(&eyes).await;
    let newer = reader.get_with("/v1/aggregates/exposure", &[("if-none-match", &tag)]).await.expect(200);
    assert_ne!(newer.header("etag"), Some(tag.as_str()));
    assert_eq!(cell(&newer.json(), "2026-10-01", "PERSONAL_LOAN")["values"]["accounts"], 13);

    // A version of an earlier day does not become the one in force by being computed later.
    gold::refresh(&eyes.app, "2026-09-30".parse().unwrap()).await.unwrap();
    assert_eq!(read(&reader, "exposure").await["provenance"]["as_of"], DAY);
}

#[tokio::test]
async fn questions_that_make_no_sense_are_told_what_would() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    shown(&eyes, &sender).await;
    let reader = reader(&eyes).await;
    let unknown = reader.get("/v1/aggregates/average").await.expect(404).json();
    assert!(unknown["detail"].as_str().unwrap().contains("delinquency_rate, exposure, roll_rates"));
    for months in ["from_month=2026-10-01&to_month=2026-09-30", "from_month=2024-10-31"] {
        let refused = reader.get(&format!("/v1/aggregates/exposure?{months}")).await.expect(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "query/from_month");
    }
    for wrong in ["product_type=MORTGAGES", "group_by=contributor", "to_month=October"] {
        let refused = reader.get(&format!("/v1/aggregates/exposure?{wrong}")).await.expect(400).json();
        assert_eq!(refused["code"], "invalid-query", "{wrong}");
    }
    let refused = sender.get("/v1/aggregates/exposure").await.expect(403).json();
    assert_eq!(refused["code"], "missing-scope");
}
