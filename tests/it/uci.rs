//! Six months of a real card book, as a contributor with known gaps sends them: whole books, one after the other.
//!
//! Its systems have neither opening days nor overdue amounts, and let credit balances stand as negative ones. Two
//! operators lend constants for the former and soften the rules that then cannot hold. What the months say of each
//! other is counted apart from this program (MANIFEST.json), and has to come out to the row.

use chrono::NaiveDate;
use etrplus::domain::contract::{Dataset, Field, Terms};
use etrplus::domain::rules::{Code, Effect};
use serde_json::{Value, json};

use crate::first_light::canonical;
use crate::support::app::{Caller, Report, Submission, TestApp};

const PERIODS: [&str; 6] =
    ["2005-04-30", "2005-05-31", "2005-06-30", "2005-07-31", "2005-08-31", "2005-09-30"];

/// The bureau's agreement with a contributor that has such systems.
async fn card_issuer(eyes: &TestApp) -> Caller {
    let terms = Terms {
        currencies: vec!["TWD".to_owned()],
        backfill_from: NaiveDate::from_ymd_opt(2005, 4, 1),
        ..Terms::default()
    };
    let issuer = eyes.contributor("cards", terms).await;
    eyes.impute("cards", Dataset::AccountSnapshot, Field::OpenedDate, "2005-04-01").await;
    eyes.impute("cards", Dataset::AccountSnapshot, Field::Overdue, "0").await;
    // A negative balance is kept as it is; no overdue amount can agree with it, or with days past due.
    for code in [Code::V005, Code::X006, Code::X007] {
        eyes.soften("cards", code, Effect::Warn).await;
    }
    issuer
}

#[tokio::test(flavor = "multi_thread")]
async fn six_months_of_a_real_card_book_move_as_they_are_known_to() {
    let Some(books) = canonical() else { return };
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(books.join("MANIFEST.json")).unwrap()).unwrap();
    let eyes = TestApp::start().await;
    let issuer = card_issuer(&eyes).await;
    for (n, period) in PERIODS.iter().enumerate() {
        let file = format!("uci_taiwan.{}.accounts.csv.gz", &period[..7]);
        let known =
            manifest["files"].as_array().unwrap().iter().find(|known| known["file"] == *file).unwrap();
        let book = Submission::csv(std::fs::read(books.join(&file)).unwrap())
            .period("FULL", period.parse().unwrap())
            .with("record_count=30000&money_unit=SEN")
            .with(&format!("sum_outstanding_sen={}", known["sum_outstanding_sen"]))
            .header("content-encoding", "gzip");
        let mut report = eyes.judged(&issuer, &book).await;
        // From the second month on there is something to explain, and the contributor does.
        if n > 0 {
            assert_eq!((report.state(), report.count("unprocessed")), ("on_hold", 30_000), "{period}");
            report = explained(&eyes, &issuer, &report).await;
        }
        report.assert_conservation();
        assert_eq!((report.state(), report.count("accepted")), ("published", 30_000), "{period}");
        assert_eq!(report.0["imputed"], json!({"opened_date": 30_000, "overdue": 30_000}));
        assert_counts(&report, known);
    }
    let months: Vec<i32> = sqlx::query_scalar("SELECT DISTINCT cardinality(month_as_of) FROM accounts")
        .fetch_all(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(months, [6], "every account has its six months");
}

async fn explained(eyes: &TestApp, issuer: &Caller, held: &Report) -> Report {
    let confirm = format!("/v1/batches/{}/confirm", held.id());
    let explanation = "Statements of the month, as our card system printed them.";
    issuer.post_json(&confirm, &json!({"explanation": explanation})).await.expect(200);
    eyes.run_jobs().await;
    Report(issuer.report(held.id()).await)
}

/// Everything that the manifest counts, but for what the agreement took care of, and nothing of history besides.
fn assert_counts(report: &Report, known: &Value) {
    let found = report.rules();
    let hits = |code: &str| found.get(code).copied().unwrap_or(0);
    for (code, expected) in known["expected"].as_object().unwrap() {
        let agreed = matches!(code.as_str(), "V001" | "V010");
        let expected = if agreed { 0 } else { expected.as_i64().unwrap() };
        assert_eq!(hits(code), expected, "{code} of {}: {found:?}", known["file"]);
    }
    let late = &known["contradictions"]["X007_if_absent_overdue_is_read_as_0"];
    assert_eq!((hits("X007"), hits("X006")), (late.as_i64().unwrap(), hits("V005")), "{found:?}");
    let counted = ["P004", "P005", "P007", "P010"];
    let others = |code: &&&str| code.starts_with('P') && !counted.contains(code) || code.starts_with("F02");
    let others: Vec<_> = found.keys().filter(others).collect();
    assert!(others.is_empty(), "{others:?} of {}", known["file"]);
}
