//! Our stores held against each other: a store that only the product has written never differs, and what somebody changed
//! behind its back is found, each thing by its key.

use std::collections::BTreeMap;

use clap::Parser as _;
use etrplus::access::Scope;
use etrplus::commands::reconcile::{ReconcileArgs, compare};
use etrplus::db::reconciliations::Reconciliation;
use etrplus::db::{lake_commits, lake_entries, lake_rows};
use etrplus::domain::contract::{Dataset, Field};
use etrplus::jobs::schedule::run_due;
use etrplus::lake::silver::ACCOUNT_SNAPSHOTS;
use etrplus::pipeline::curate::{self, FED};
use etrplus::pipeline::reconcile::{self, Scope as Comparison};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::records::{account, account_with, ndjson, nric};

/// The command line of `etrplus reconcile`.
#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: ReconcileArgs,
}

async fn command(eyes: &TestApp, line: &str) -> (bool, String) {
    let words = std::iter::once("reconcile").chain(line.split_whitespace());
    let args = Line::try_parse_from(words).unwrap().args;
    let mut out = Vec::new();
    let same = compare(&eyes.app, &args, &mut out, &mut std::io::sink()).await.unwrap();
    (same, String::from_utf8(out).unwrap())
}

/// Compares everything of a contributor.
async fn whole(eyes: &TestApp, caller: &Caller) -> Reconciliation {
    let scope = Comparison {
        contributor: caller.contributor_id.unwrap(),
        since: None,
        whole: true,
        asked_by: "test".into(),
        after: None,
        until: None,
    };
    reconcile::contributor(&eyes.app, &scope, &mut |_, _| {}).await.unwrap()
}

fn events(records: &[Value]) -> Submission {
    let query = "dataset=repayment_event&mode=DELTA&period_end=2026-11-23".to_owned();
    Submission { query, ..Submission::ndjson(ndjson(records)) }
}

fn payment(n: u32) -> Value {
    json!({
        "event_id": format!("PAY-{n}"), "account_ref": format!("ACC-{n:06}"), "event_type": "PAYMENT",
        "value_date": "2026-11-15", "amount": 10_000,
    })
}

fn application(n: u32) -> Value {
    json!({
        "subject_type": "INDIVIDUAL", "id_type": "NRIC", "id_number": nric(n), "full_name": "SUBJECT SYNTHETIC",
        "application_ref": format!("APP-{n}"), "applied_at": "2026-11-20T03:00:00Z", "product_type": "PERSONAL_LOAN",
        "amount_requested": 500_000, "decision": "DECLINED",
    })
}

/// A contributor to which everything has happened that can happen to its records.
struct Life {
    eyes: TestApp,
    sender: Caller,
    operators: [Caller; 2],
    /// A book of five with a duplicate, a rejected record and an imputed field.
    book: String,
    events: String,
    applications: String,
    recalled: String,
}

async fn lived() -> Life {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let operators = [eyes.operator("one").await, eyes.operator("two").await];
    let september = |n: u32| account_with(n, &json!({"as_of_date": "2026-09-30", "outstanding": 70_000}));
    let of_september = |records: &[Value]| {
        Submission::ndjson(ndjson(records)).period("DELTA", "2026-09-30".parse().unwrap())
    };
    eyes.published(&sender, &of_september(&[september(1), september(2)])).await;
    eyes.impute("sender", Dataset::AccountSnapshot, Field::Overdue, "0").await;
    let joint = account_with(3, &json!({"holder_role": "JOINT", "id_number": nric(30)}));
    let book = ndjson(&[
        account(1),
        account_with(2, &json!({"overdue": null})),
        account(3),
        account(1),
        joint,
        account_with(4, &json!({"outstanding": -1})),
    ]);
    let book = eyes.published(&sender, &Submission::ndjson(book)).await;
    // An event of an account that is not known waits for it; another names one twice.
    let told = events(&[payment(1), payment(1), payment(9), payment(77), {
        let mut wrong = payment(2);
        wrong["amount"] = json!(0);
        wrong
    }]);
    let events = eyes.published(&sender, &told).await;
    eyes.published(&sender, &Submission::ndjson(ndjson(&[account(9)]))).await;
    let asked = Submission {
        query: "dataset=application&mode=DELTA&period_end=2026-11-23".into(),
        ..Submission::ndjson(ndjson(&[application(1), application(1), application(5)]))
    };
    let applications = eyes.published(&sender, &asked).await;
    correct(&sender, &operators[0]).await;
    let recalled = eyes.published(&sender, &of_september(&[september(9)])).await;
    recall(&operators, &recalled).await;
    replace(&eyes, &sender).await;
    let cancelled = sender.submit(&Submission::ndjson(ndjson(&[account(60)]))).await;
    sender.post(&format!("/v1/batches/{cancelled}/cancel")).await.expect(200);
    eyes.run_jobs().await;
    // A file that is refused as a whole.
    eyes.judged(&sender, &Submission::ndjson(&b"{\"no_such_field\": 1}\n"[..])).await;
    Life { eyes, sender, operators, book, events, applications, recalled }
}

/// One record is changed, another one deleted with an operator's agreement.
async fn correct(sender: &Caller, operator: &Caller) {
    let request = |account: &str| {
        json!({
            "account_ref": account, "as_of_from": "2026-10-01", "as_of_to": "2026-10-31", "reason": "DATA_ERROR",
        })
    };
    let (mut better, mut delete) = (request("ACC-000001"), request("ACC-000002"));
    better["changes"] = json!({"outstanding": 55_000});
    delete["delete"] = json!(true);
    sender.post_json("/v1/corrections", &better).await.expect(201);
    let asked = sender.post_json("/v1/corrections", &delete).await.expect(201).json();
    let id = asked["correction_id"].as_str().unwrap();
    operator.post(&format!("/v1/operations/corrections/{id}/approve")).await.expect(200);
}

async fn recall(operators: &[Caller; 2], batch: &str) {
    let path = format!("/v1/operations/batches/{batch}/recalls");
    let asked = operators[0].post_json(&path, &json!({"reason": "a wrong book"})).await.expect(201).json();
    let id = asked["recall_id"].as_str().unwrap();
    operators[1].post(&format!("/v1/operations/recalls/{id}/approve")).await.expect(200);
}

/// A whole book of July, and another one in its place.
async fn replace(eyes: &TestApp, sender: &Caller) {
    let july =
        |outstanding: i64| account_with(40, &json!({"as_of_date": "2026-07-31", "outstanding": outstanding}));
    for (mode, outstanding) in [("FULL", 80_000), ("REPLACE", 81_000)] {
        let book = Submission::ndjson(ndjson(&[july(outstanding)]));
        eyes.published(sender, &book.period(mode, "2026-07-31".parse().unwrap())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_only_we_have_written_never_differs() {
    let Life { eyes, sender, operators, .. } = lived().await;
    let unlanded = whole(&eyes, &sender).await;
    assert_eq!(unlanded.differences, 0, "{:#?}", unlanded.examples);
    land(&eyes).await;
    let done = whole(&eyes, &sender).await;
    assert_eq!(done.differences, 0, "{:#?}", done.examples);
    let compared: BTreeMap<&str, i64> =
        done.checks.iter().map(|count| (count.check.as_str(), count.compared)).collect();
    let checks = "conservation journal parked quarantine audit bronze reject_file content lake_entries lake_rows \
                  lake_content lake_batches";
    for check in checks.split_whitespace() {
        assert!(compared[check] > 0, "{check} compared nothing: {compared:?}");
    }
    // Six accounts, one of them of two holders; what was deleted or recalled has none.
    assert_eq!(compared["accounts"], 6, "{compared:?}");

    eyes.advance(chrono::TimeDelta::seconds(1));
    let (same, told) = command(&eyes, "--full --operator aminah").await;
    assert!(same && told.starts_with("sender: 0 differences (conservation "), "{told}");
    let list = operators[0].get("/v1/operations/reconciliations?limit=1").await.expect(200).json();
    assert_eq!(
        (&list["items"][0]["asked_by"], &list["items"][0]["full"]),
        (&json!("cli:aminah"), &json!(true))
    );
    let next = list["next_cursor"].as_str().unwrap();
    let older = operators[0].get(&format!("/v1/operations/reconciliations?cursor={next}")).await.expect(200);
    assert_eq!(older.json()["items"][0]["reconciliation_id"], json!(done.reconciliation_id));
    let differing =
        operators[0].get("/v1/operations/reconciliations?differing=true").await.expect(200).json();
    assert_eq!(differing["items"], json!([]));
}

/// Lands all that waits for the lake.
async fn land(eyes: &TestApp) {
    eyes.advance(chrono::TimeDelta::seconds(10));
    for fed in FED {
        curate::land(&eyes.app, fed).await.unwrap();
    }
    curate::curate(&eyes.app).await.unwrap();
}

/// Appends what waits, and the same files once more under the name of another commit.
async fn land_twice(eyes: &TestApp) {
    let (lake, pool) = (eyes.app.lake.clone().unwrap(), &eyes.app.db.system);
    let name = ACCOUNT_SNAPSHOTS.full_name();
    let waiting: Vec<i64> =
        lake_entries::waiting(pool, &name, 10).await.unwrap().iter().map(|entry| entry.entry_no).collect();
    for (n, entries) in [(1, &waiting[..]), (2, &[])] {
        let commit = uuid::Uuid::from_u128(n);
        let mut tx = pool.begin().await.unwrap();
        lake_commits::begin_in_tx(&mut tx, commit, &name, eyes.app.clock.now()).await.unwrap();
        lake_entries::assign_in_tx(&mut tx, commit, entries).await.unwrap();
        tx.commit().await.unwrap();
        let written = if n == 1 {
            assert!(
                lake.write(&ACCOUNT_SNAPSHOTS, lake_rows::ACCOUNT_SNAPSHOTS, commit, true).await.unwrap()
            );
            "CREATE TABLE kept AS SELECT files, rows, file_paths FROM lake_commits WHERE state = 'written'"
                .into()
        } else {
            format!(
                "UPDATE lake_commits c SET state = 'written', files = k.files, rows = k.rows, file_paths = k.file_paths
                 FROM kept k WHERE c.commit_id = '{commit}'"
            )
        };
        meddle(eyes, &[written]).await;
        let open = lake_commits::open(pool, &name).await.unwrap().unwrap();
        lake.land(&ACCOUNT_SNAPSHOTS, &open).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_lake_lacks_or_has_twice_is_found() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let book = |n: u32| Submission::ndjson(ndjson(&[account(n), account(n + 50)]));
    let name = ACCOUNT_SNAPSHOTS.full_name();

    // The ledger says that it landed, and the table does not have it.
    let lost = eyes.published(&sender, &book(1)).await;
    meddle(
        &eyes,
        &[
            format!(
                "INSERT INTO lake_commits (commit_id, table_name, state, created_at, landed_at, rows, file_paths)
                 VALUES (gen_random_uuid(), '{name}', 'landed', now(), now(), 2, '{{}}')"
            ),
            format!(
                "UPDATE lake_entries SET commit_id = (SELECT commit_id FROM lake_commits) WHERE table_name = '{name}'"
            ),
        ],
    )
    .await;
    land(&eyes).await;
    let twice = eyes.published(&sender, &book(2)).await;
    land_twice(&eyes).await;

    // A value that changed after it had landed, a publication that was never entered, a place that nobody told.
    let changed = eyes.published(&sender, &book(3)).await;
    let untold = eyes.published(&sender, &book(4)).await;
    land(&eyes).await;
    let unentered = eyes.published(&sender, &book(5)).await;
    let statements = [
        "ALTER TABLE account_snapshots DISABLE TRIGGER account_snapshots_append_only".into(),
        format!(
            "UPDATE account_snapshots SET last_payment_amount_sen = 5 WHERE batch_id = '{changed}' AND record_no = 1"
        ),
        format!("DELETE FROM lake_entries WHERE batch_id = '{unentered}' AND table_name = '{name}'"),
        format!("UPDATE batches SET published_at = now(), state = 'recalled' WHERE batch_id = '{untold}'"),
    ];
    meddle(&eyes, &statements).await;
    land(&eyes).await;
    let done = whole(&eyes, &sender).await;
    let found: Vec<String> = done
        .examples
        .iter()
        .map(|one| {
            format!("{}: {}: {}", one.check, one.key.split(", publication").next().unwrap(), one.found)
        })
        .collect();
    let all = found.join("\n");
    for line in [
        format!("lake_entries: {name}, batch {unentered}: 0 entries of 0 rows"),
        format!("lake_rows: {name}, batch {lost}: 0 rows"),
        format!("lake_rows: {name}, batch {twice}: 4 rows"),
        format!("lake_content: {name}, batch {lost}: other values"),
        format!("lake_content: {name}, batch {twice}: other values"),
        format!("lake_content: {name}, batch {changed}: other values"),
        format!("content: batch {changed}, record 1: another last_payment_amount_sen"),
    ] {
        assert!(found.contains(&line), "{line} is not among\n{all}");
    }
    assert!(all.contains(&format!("lake_batches: batch {untold}: published, publication ")), "{all}");
    let of_lake = found.iter().filter(|line| line.starts_with("lake_")).count();
    assert_eq!(of_lake, 7, "{all}");
}

/// Changes behind our back: statements that no part of the product makes.
async fn meddle(eyes: &TestApp, statements: &[String]) {
    for statement in statements {
        eyes.database.pool.execute(AssertSqlSafe(statement.clone())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_behind_our_back_is_found_by_its_key() {
    let Life { eyes, sender, book, events, applications, recalled, .. } = lived().await;
    let object = eyes.app.store.get(&format!("bronze/{}/{recalled}", sender.contributor_id.unwrap())).await;
    assert!(object.unwrap().is_some(), "objects are where this story looks for them");
    eyes.app.store.delete(&format!("bronze/{}/{recalled}", sender.contributor_id.unwrap())).await.unwrap();
    let subject = "(SELECT max(subject_id::text)::uuid FROM accounts WHERE account_ref = 'ACC-000009')";
    meddle(&eyes, &[
        "ALTER TABLE batches DROP CONSTRAINT batches_conservation".into(),
        "ALTER TABLE account_snapshots DISABLE TRIGGER account_snapshots_append_only".into(),
        "ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_append_only".into(),
            "ALTER TABLE audit_entries NO FORCE ROW LEVEL SECURITY".into(),
        format!("UPDATE batches SET accepted_records = accepted_records + 1 WHERE batch_id = '{applications}'"),
        format!("UPDATE batches SET unprocessed_records = 0, duplicate_records = duplicate_records + 1 WHERE batch_id = '{events}'"),
        format!("DELETE FROM rejected_records WHERE batch_id = '{events}'"),
        format!("UPDATE rejected_records SET account_ref = 'ACC-000005' WHERE batch_id = '{book}'"),
        format!("UPDATE account_snapshots SET amount_paid_period_sen = 5 WHERE batch_id = '{book}' AND record_no = 3"),
        format!("DELETE FROM audit_entries WHERE object_id = '{recalled}' AND action = 'recall.approve'"),
        format!("INSERT INTO audit_entries (at, actor, action, object_kind, object_id, outcome) VALUES (now(), 'nobody', 'batch.cancel', 'batch', '{book}', 'done')"),
        format!("UPDATE accounts SET dpd = 17 WHERE account_ref = 'ACC-000009' AND subject_id = {subject}"),
        "DELETE FROM accounts WHERE account_ref = 'ACC-000040'".into(),
        "UPDATE accounts SET account_ref = 'ACC-999999' WHERE account_ref = 'ACC-000001'".into(),
    ])
    .await;
    let done = whole(&eyes, &sender).await;
    let found: Vec<String> = done
        .examples
        .iter()
        .map(|one| format!("{}: {}: {}", one.check, one.key.split(" of subject").next().unwrap(), one.found))
        .collect();
    let all = found.join("\n");
    for line in [
        format!(
            "conservation: batch {applications}: 3 accepted, 0 rejected, 1 duplicate, 0 unprocessed, 0 warned"
        ),
        format!("journal: batch {applications}: 2 records in the journal"),
        format!("parked: batch {events}: 1 parked"),
        format!("quarantine: batch {events}: 0 rejected records"),
        format!("reject_file: batch {events}, record 5: no rejected record"),
        format!("reject_file: batch {book}, record 6: another rejected record"),
        format!("content: batch {book}, record 3: another amount_paid_period_sen"),
        format!("audit: batch {recalled}, recall.approve: 0 audit entries"),
        format!("audit: batch {book}, batch.cancel: 1 audit entries"),
        format!("bronze: batch {recalled}: no object"),
        "accounts: account ACC-000009: another dpd".to_owned(),
        "accounts: account ACC-000040: no account".to_owned(),
        "accounts: account ACC-000001: no account".to_owned(),
    ] {
        assert!(found.contains(&line), "{line} is not among\n{all}");
    }
    assert!(all.contains("accounts: account ACC-999999: record 1 of batch"), "{all}");
    assert_eq!(found.len(), 14, "{all}");
    assert_eq!(done.differences, 14);
    let (same, told) = command(&eyes, "--full --json --contributor sender").await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(!same && told["differences"] == 14 && told["contributor"] == "sender", "{told:#}");
    // Nobody is named.
    assert!(!told.to_string().contains(&nric(1)) && !told.to_string().contains("SYNTHETIC"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_the_store_changed_are_found() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let batch = eyes.published(&sender, &Submission::ndjson(ndjson(&[account(1)]))).await;
    let (other, owner) =
        (eyes.published(&sender, &Submission::ndjson(ndjson(&[account(2)]))).await, sender.contributor_id);
    let path = |batch: &str| crate::support::objects::path(&format!("bronze/{}/{batch}", owner.unwrap()));
    std::fs::copy(path(&other), path(&batch)).unwrap();
    let done = whole(&eyes, &sender).await;
    assert_eq!(done.differences, 1, "{:#?}", done.examples);
    assert_eq!(done.examples[0].key, format!("batch {batch}"));
    assert!(done.examples[0].found.contains("differs from the receipt"), "{:#?}", done.examples);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_compares_each_contributor_once_a_day() {
    let eyes = TestApp::start().await;
    for slug in ["one-bank", "two-bank"] {
        let sender = eyes.contributor(slug, patient()).await;
        eyes.published(&sender, &Submission::ndjson(ndjson(&[account(1)]))).await;
    }
    let mut operator = eyes.client("operator", None, &[Scope::Admin], &[]).await;
    let mut compared = Vec::new();
    for (hours, expected) in [(0, 2), (1, 2), (23, 4)] {
        eyes.advance(chrono::TimeDelta::hours(hours));
        operator.renew_token().await;
        operator.post("/v1/operations/schedules/reconcile_stores/run").await;
        run_due(&eyes.app).await.unwrap();
        let all = operator.get("/v1/operations/reconciliations").await.expect(200).json();
        compared = all["items"].as_array().unwrap().clone();
        assert_eq!(compared.len(), expected, "after {hours} hours: {all:#}");
    }
    assert!(
        compared.iter().all(|done| done["differences"] == 0 && done["complete"] == true),
        "{compared:#?}"
    );
}
