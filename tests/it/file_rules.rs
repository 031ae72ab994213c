//! File rules over the API: what makes a batch fail as a whole, and that nothing is lost in the counts when it does.

use etrplus::domain::contract::Terms;
use serde_json::{Value, json};

use crate::support::app::{Caller, Report, Submission, TestApp, patient};
use crate::support::packed::{gzip, zstd};
use crate::support::records::{account, account_with, csv, ndjson};

/// Accounts `from` to `to`, all good.
fn good(from: u32, to: u32) -> Vec<Value> {
    (from..=to).map(account).collect()
}

/// An account that a rule about its fields rejects.
fn bad(n: u32) -> Value {
    account_with(n, &json!({"dpd": 40}))
}

/// An account that an identity rule rejects: nobody is born on the 40th of a thirteenth month.
fn nobody(n: u32) -> Value {
    account_with(n, &json!({"id_number": "991340145678"}))
}

fn named_column(text: &str, from: &str, to: &str) -> Vec<u8> {
    text.replacen(from, to, 1).into_bytes()
}

/// The whole file is rejected by exactly this file rule; records that were good are unprocessed.
#[track_caller]
fn assert_file_rejected(name: &str, report: &Report, code: &str) {
    report.assert_conservation();
    assert_eq!(report.state(), "rejected", "{name}: {:#}", report.0);
    let rules = report.0["rules"].as_array().unwrap();
    let found: Vec<&str> = rules
        .iter()
        .filter(|rule| rule["severity"] == "R")
        .map(|rule| rule["code"].as_str().unwrap())
        .filter(|found| found.starts_with('F'))
        .collect();
    assert_eq!(found, [code], "{name}: {:#}", report.0);
    assert_eq!(report.count("unprocessed"), report.count("received") - report.count("rejected"), "{name}");
    assert_eq!(report.count("warned"), 0, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_says_where() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let lines = ndjson(&good(1, 2));
    let table = String::from_utf8(csv(&good(1, 2))).unwrap();
    let packed = gzip(&ndjson(&good(1, 500)));
    let field_twice = String::from_utf8(lines.clone()).unwrap().replacen("{", "{\"dpd\":0,", 1);
    let without = |column: &str| {
        let records: Vec<Value> = (1..=2).map(|n| account_with(n, &json!({ column: null }))).collect();
        csv(&records)
    };
    let cases = [
        ("not UTF-8", Submission::ndjson([&lines[..], b"\xFF\n"].concat()), "F004", "line 3"),
        ("not UTF-8 in CSV", Submission::csv([table.as_bytes(), b"\xFF\n"].concat()), "F004", "line 4"),
        ("UTF-16", Submission::ndjson(b"\xFF\xFE{\0}\0".to_vec()), "F004", "line 1"),
        ("NUL", Submission::ndjson([&lines[..], b"{\0}\n"].concat()), "F004", "line 3"),
        ("NUL in CSV", Submission::csv(table.replace("SUBJECT", "SUB\0JECT")), "F004", "line 2"),
        (
            "no gzip",
            Submission::ndjson(ndjson(&good(3, 4))).header("content-encoding", "gzip"),
            "F004",
            "damaged",
        ),
        (
            "no zstd",
            Submission::ndjson(ndjson(&good(5, 6))).header("content-encoding", "zstd"),
            "F004",
            "damaged",
        ),
        ("cut gzip", Submission::ndjson(packed[..packed.len() / 2].to_vec()), "F004", "damaged"),
        ("gzip with a tail", Submission::ndjson([&packed[..], b"and more"].concat()), "F004", "damaged"),
        ("gzip bomb", Submission::ndjson(gzip(&vec![b'\n'; 8 << 20])), "F004", "received byte"),
        ("zstd bomb", Submission::ndjson(zstd(&vec![b'\n'; 8 << 20])), "F004", "received byte"),
        (
            "unknown key",
            Submission::ndjson(ndjson(&[account(1), account_with(2, &json!({"race": "x"}))])),
            "F005",
            "race",
        ),
        ("key twice", Submission::ndjson(field_twice), "F005", "dpd twice"),
        (
            "unknown column",
            Submission::csv(named_column(&table, "dpd", "days_late")),
            "F005",
            "column 4 days_late",
        ),
        (
            "column twice",
            Submission::csv(named_column(&table, "dpd", "overdue")),
            "F005",
            "overdue is there twice",
        ),
        ("no header", Submission::csv(table.split_once('\n').unwrap().1), "F005", "not a column name"),
        ("missing column", Submission::csv(without("dpd")), "F006", "dpd is missing"),
    ];
    for (name, submission, code, detail) in cases {
        let report = eyes.judged(&sender, &submission).await;
        assert_file_rejected(name, &report, code);
        let told = report.sample(code)["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{name}: {told}");
        for value in ["SYNTHETIC", "SUBJECT", "ACC-0", "601"] {
            assert!(!told.contains(value), "{name} tells {value}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_declares_is_what_it_holds() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let three = ndjson(&[account(1), bad(2), account_with(3, &json!({"overdue": 7, "dpd": 3}))]);
    let all = "record_count=3&sum_outstanding_sen=180000&sum_overdue_sen=7&count_by_status=ACTIVE:3";
    let cases = [
        ("one record fewer", all.replace("count=3", "count=2"), "F008", "declared 2, found 3"),
        ("one sen more", all.replace("180000", "180001"), "F009", "declared 180001, found 180000"),
        ("overdue", all.replace("sen=7", "sen=0"), "F009", "declared 0, found 7"),
        (
            "a status more",
            all.replace("ACTIVE:3", "ACTIVE:2,SETTLED:1"),
            "F009",
            "ACTIVE: declared 2, found 3",
        ),
        ("a status left out", all.replace("ACTIVE:3", "SETTLED:0"), "F009", "ACTIVE: declared 0, found 3"),
        ("nil return with records", "nil_return=true".into(), "F008", "declared 0, found 3"),
    ];
    for (name, envelope, code, detail) in cases {
        let report = eyes
            .judged(&sender, &Submission::ndjson(three.clone()).with(&envelope).with("allow_duplicate=true"))
            .await;
        assert_file_rejected(name, &report, code);
        assert_eq!((report.count("rejected"), report.count("unprocessed")), (1, 2), "{name}");
        assert!(report.sample(code)["detail"].as_str().unwrap().ends_with(detail), "{:#}", report.0);
    }
    let report =
        eyes.judged(&sender, &Submission::ndjson(three).with(all).with("allow_duplicate=true")).await;
    report.assert_conservation();
    assert_eq!((report.state(), report.count("accepted")), ("published", 2));
    assert_eq!(report.0["totals"]["declared"], report.0["totals"]["recomputed"]);

    // Amounts with and without decimals in one table: the unit is nobody's guess.
    let mixed = String::from_utf8(csv(&good(1, 2))).unwrap().replacen("60000", "600.00", 1);
    let report = eyes.judged(&sender, &Submission::csv(mixed)).await;
    assert_file_rejected("mixed money", &report, "F009");
    assert_eq!(report.sample("F009")["detail"], "money-unit-ambiguous");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_is_a_mistake_unless_it_is_declared() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let header_only = String::from_utf8(csv(&[account(1)])).unwrap().lines().next().unwrap().to_owned();
    for (name, submission) in [
        ("no byte", Submission::ndjson("")),
        ("blank lines", Submission::ndjson("\n \r\n\n")),
        ("empty gzip", Submission::ndjson(gzip(b""))),
        ("no byte of CSV", Submission::csv("")),
        ("a header alone", Submission::csv(header_only)),
    ] {
        let report = eyes.judged(&sender, &submission).await;
        assert_file_rejected(name, &report, "F007");
        assert_eq!(report.count("received"), 0, "{name}");
    }
    // Two periods without anything to report are two batches, though their bytes are the same.
    for period in ["2026-09-30", "2026-10-31"] {
        let nil = Submission::ndjson("").period("FULL", period.parse().unwrap()).with("nil_return=true");
        let report = eyes.judged(&sender, &nil).await;
        report.assert_conservation();
        assert_eq!((report.state(), report.count("received")), ("published", 0), "{:#}", report.0);
    }
}

/// An envelope that is refused before a byte of the body is read leaves no batch.
async fn assert_refused(sender: &Caller, submission: &Submission, status: u16, code: &str) {
    let before = sender.get("/v1/batches").await.json()["items"].clone();
    let refused = sender.send(submission).await.expect(status).json();
    assert_eq!(refused["errors"][0]["code"], code, "{refused}");
    assert_eq!(sender.get("/v1/batches").await.json()["items"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_that_cannot_stand_is_refused_unread() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let granted = Terms { backfill_from: "2018-01-31".parse().ok(), ..Terms::default() };
    let bureau = eyes.contributor("bureau", granted).await;
    let on = |day: &str| Submission::ndjson(ndjson(&[account(1)])).period("DELTA", day.parse().unwrap());

    // It is the 24th of November 2026 in Malaysia.
    assert_refused(&sender, &on("2026-11-25"), 422, "F010").await;
    assert_refused(&sender, &on("2024-11-23"), 422, "F011").await;
    sender.send(&on("2024-11-24")).await.expect(202);
    assert_refused(&bureau, &on("2018-01-30"), 422, "F011").await;
    bureau.send(&on("2018-01-31")).await.expect(202);
    assert_refused(&sender, &on("2026-10-31").with("environment=TEST"), 422, "F017").await;
    assert_refused(&sender, &on("2026-10-31").with("schema_version=9"), 422, "F002").await;
    let narrow = Terms { datasets: Vec::new(), ..Terms::default() };
    let stranger = eyes.contributor("stranger", narrow).await;
    assert_refused(&stranger, &on("2026-10-31"), 403, "F001").await;

    for wrong in
        ["record_count=-1", "count_by_status=ACTIVE", "count_by_status=GONE:1", "sha256=abc", "records=3"]
    {
        let refused = sender.send(&on("2026-10-31").with(wrong)).await.expect(400).json();
        assert_eq!(refused["code"], "invalid-query", "{wrong}");
    }
    let html = Submission { headers: vec![("content-type", "text/html".into())], ..on("2026-10-31") };
    assert_eq!(sender.send(&html).await.expect(415).json()["code"], "unsupported-media-type");
    let brotli = sender.send(&on("2026-10-31").header("content-encoding", "br")).await.expect(415);
    assert_eq!(brotli.header("accept-encoding"), Some("gzip, zstd, identity"));

    eyes.registry().suspend_contributor("sender").await.unwrap();
    eyes.app.issuer.refresh().await.unwrap();
    let refused = sender.send(&on("2026-10-31")).await.expect(403).json();
    assert_eq!(refused["code"], "contributor-suspended");
}

#[tokio::test(flavor = "multi_thread")]
async fn caps_hold_at_their_number() {
    let eyes = TestApp::start_with(|config| {
        config.limits.max_records = 3;
        config.limits.max_line_bytes = 600;
        config.limits.max_batch_bytes = 4_000;
        config.limits.max_decoded_bytes = 5_000;
    })
    .await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let long = |bytes: usize| {
        let line = account(9).to_string();
        let blank = " ".repeat(bytes - line.len());
        line.replacen(',', &format!(",{blank}"), 1)
    };
    for submission in [
        Submission::ndjson(ndjson(&good(1, 3))),
        Submission::ndjson(long(600)),
        Submission::csv(csv(&good(5, 7))),
    ] {
        let report = eyes.judged(&sender, &submission).await;
        assert_eq!(report.state(), "published", "{:#}", report.0);
    }
    for (name, submission, detail) in [
        ("a record too many", Submission::ndjson(ndjson(&good(1, 4))), "more than 3 records"),
        ("a record too many in CSV", Submission::csv(csv(&good(1, 4))), "more than 3 records"),
        ("a byte too long", Submission::ndjson(long(601)), "longer than 600"),
        ("too much after decompression", Submission::ndjson(gzip(&[b'\n'; 5_001])), "more than 5000 bytes"),
    ] {
        let report = eyes.judged(&sender, &submission).await;
        assert_file_rejected(name, &report, "F016");
        let told = report.sample("F016")["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{name}: {told}");
    }
    // A body over the cap is cut off, whether or not its length is told first.
    let fits = Submission::ndjson("\n".repeat(4_000)).with("nil_return=true");
    assert_eq!(eyes.judged(&sender, &fits).await.state(), "published");
    for submission in [
        Submission::ndjson("\n".repeat(4_001)),
        Submission::ndjson("\n".repeat(4_001)).header("content-length", "4001"),
    ] {
        assert_eq!(sender.send(&submission).await.expect(413).json()["code"], "payload-too-large");
    }
    assert_eq!(eyes.batches_by_state().await.get("receiving"), None, "nothing is left standing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_rejects_is_allowed_up_to_the_threshold_itself() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    // Five in a hundred may be rejected, and two in a hundred for their identifiers.
    let mixed = |records: u32, bads: u32, nobodies: u32| {
        let record = |n| {
            if n <= bads {
                bad(n)
            } else if n <= bads + nobodies {
                nobody(n)
            } else {
                account(n)
            }
        };
        Submission::ndjson(ndjson(&(1..=records).map(record).collect::<Vec<_>>()))
    };
    for (submission, rejected) in
        [(mixed(20, 1, 0), 1), (mixed(40, 2, 0), 2), (mixed(50, 0, 1), 1), (mixed(100, 3, 2), 5)]
    {
        let report = eyes.judged(&sender, &submission).await;
        report.assert_conservation();
        assert_eq!((report.state(), report.count("rejected")), ("published", rejected), "{:#}", report.0);
    }
    for (name, submission, code, detail) in [
        ("2 of 39", mixed(39, 2, 0), "F018", "2 of 39, threshold 500 bps"),
        ("1 of 19", mixed(19, 1, 0), "F018", "1 of 19, threshold 500 bps"),
        ("1 of 49", mixed(49, 0, 1), "F019", "1 of 49, threshold 200 bps"),
        ("3 of 100", mixed(100, 0, 3), "F019", "3 of 100, threshold 200 bps"),
    ] {
        let report = eyes.judged(&sender, &submission).await;
        assert_file_rejected(name, &report, code);
        assert_eq!(report.sample(code)["detail"], detail);
        assert_eq!(report.0["thresholds"], json!({"reject_bps": 500, "identity_reject_bps": 200}));
        let lines = sender.get(&format!("/v1/batches/{}/rejects", report.id())).await.expect(200).text();
        assert_eq!(
            lines.lines().count() as i64,
            report.count("rejected"),
            "{name}: each reject has its line all the same"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_fills_a_column_is_warned_of_and_not_told() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let with_phone = |n: u32| {
        let phone = if n.is_multiple_of(3) { "+60388880000".to_owned() } else { format!("+601234{n:05}") };
        let (original, owed) = (120_000 + n * 700, 60_000 + n * 300);
        account_with(
            n,
            &json!({"phone": phone, "original_amount": original, "outstanding": owed, "opened_date": "2026-09-15"}),
        )
    };
    let records: Vec<Value> = (1..=120).map(with_phone).collect();
    let report = eyes.judged(&sender, &Submission::ndjson(ndjson(&records))).await;
    assert_eq!(report.state(), "published", "{:#}", report.0);
    assert_eq!(report.rules().into_iter().collect::<Vec<_>>(), [("F024", 1)]);
    let sample = report.sample("F024");
    assert_eq!(sample["field"], "phone");
    assert_eq!(sample["detail"], "one value in 40 of 120 records that state the field");
    assert!(!report.0.to_string().contains("88880000"));
    assert_eq!(report.count("warned"), 0, "it is the file that is warned of, not a record");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whole_book_of_a_period_at_a_time() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", Terms::default()).await;
    let other = eyes.contributor("other", Terms::default()).await;
    let on = |mode: &str, n: u32| {
        Submission::ndjson(ndjson(&[account(n)])).period(mode, "2026-10-31".parse().unwrap())
    };
    let first = sender.submit(&on("FULL", 1)).await;
    for mode in ["FULL", "REPLACE"] {
        let refused = sender.send(&on(mode, 2)).await.expect(409).json();
        assert_eq!(refused["code"], "period-in-flight");
        assert!(refused["detail"].as_str().unwrap().contains(&first), "{refused}");
    }
    // Any number of DELTAs, another period, another contributor.
    sender.submit(&on("DELTA", 3)).await;
    sender.submit(&on("DELTA", 4)).await;
    sender
        .submit(&Submission::ndjson("").period("FULL", "2026-09-30".parse().unwrap()).with("nil_return=true"))
        .await;
    other.submit(&on("FULL", 5)).await;
    // When it has come to an end the next may come.
    eyes.run_jobs().await;
    sender.submit(&on("FULL", 2)).await;
}
