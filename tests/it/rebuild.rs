//! Stores made anew: the accounts that are served, from the lake alone.

use std::time::Duration;

use chrono::TimeDelta;
use clap::Parser as _;
use etrplus::commands::rebuild::{RebuildArgs, rebuild};
use etrplus::db::rebuild_serving::{self, ACCOUNT_COLUMNS, SOURCES};
use etrplus::db::remake;
use etrplus::domain::contract::Dataset;
use etrplus::lake::silver::{ACCOUNT_SNAPSHOTS, BATCHES, REPAYMENT_EVENTS};
use etrplus::lake::{TableSpec, remade};
use etrplus::pipeline::curate::{self, FED};
use etrplus::pipeline::rebuild::lake;
use etrplus::pipeline::rebuild::serving::{self, Order};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::support::app::{Caller, Submission, TestApp, patient};
use crate::support::lake::rows;
use crate::support::records::{account, account_with, ndjson, nric};

/// The command line of `etrplus rebuild`.
#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: RebuildArgs,
}

async fn command(eyes: &TestApp, line: &str) -> anyhow::Result<(bool, String, String)> {
    let words = std::iter::once("rebuild").chain(line.split_whitespace());
    let args = Line::try_parse_from(words).unwrap().args;
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let same = rebuild(&eyes.app, args, &mut out, &mut progress).await?;
    Ok((same, String::from_utf8(out).unwrap(), String::from_utf8(progress).unwrap()))
}

/// Lands all that waits for the lake.
async fn land(eyes: &TestApp) {
    eyes.advance(TimeDelta::seconds(10));
    for fed in FED {
        curate::land(&eyes.app, fed).await.unwrap();
    }
}

/// Every column of every account that is served.
async fn served(eyes: &TestApp) -> Vec<Value> {
    sqlx::query_scalar("/* test.served */ SELECT to_jsonb(a) FROM accounts a ORDER BY contributor_id, account_ref, subject_id")
        .fetch_all(&eyes.database.pool)
        .await
        .unwrap()
}

async fn meddle(eyes: &TestApp, statements: &[&str]) {
    for statement in statements {
        eyes.database.pool.execute(AssertSqlSafe((*statement).to_owned())).await.unwrap();
    }
}

fn of_month(day: &str, records: &[Value]) -> Submission {
    Submission::ndjson(ndjson(records)).period("DELTA", day.parse().unwrap()).with("allow_duplicate=true")
}

/// Two months of a book with joint holders, a correction, a recall, events, a restriction and a delisting.
async fn lived() -> (TestApp, Caller) {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    let september = |n: u32| account_with(n, &json!({"as_of_date": "2026-09-30", "outstanding": 70_000}));
    eyes.published(&sender, &of_month("2026-09-30", &[september(1), september(2), september(3)])).await;
    let joint = account_with(3, &json!({"holder_role": "JOINT", "id_number": nric(30)}));
    let late = account_with(
        4,
        &json!({"overdue": 20_000, "dpd": 70, "listing_requested": true, "evidence_ref": "L-4"}),
    );
    let october = [account(1), account(2), account(3), joint, late];
    eyes.published(&sender, &Submission::ndjson(ndjson(&october))).await;
    let payment = json!({
        "event_id": "PAY-1", "account_ref": "ACC-000001", "event_type": "PAYMENT", "value_date": "2026-11-15",
        "amount": 10_000, "instalment_due_date": "2026-11-10",
    });
    let events = Submission {
        query: "dataset=repayment_event&mode=DELTA&period_end=2026-11-23".into(),
        ..Submission::ndjson(ndjson(&[payment]))
    };
    eyes.published(&sender, &events).await;
    let correction = json!({
        "account_ref": "ACC-000002", "as_of_from": "2026-10-01", "as_of_to": "2026-10-31",
        "changes": {"outstanding": 55_000}, "reason": "DATA_ERROR",
    });
    sender.post_json("/v1/corrections", &correction).await.expect(201);
    let mistake = eyes.published(&sender, &of_month("2026-10-31", &[account(9)])).await;
    let operators = [eyes.operator("one").await, eyes.operator("two").await];
    let path = format!("/v1/operations/batches/{mistake}/recalls");
    let asked = operators[0].post_json(&path, &json!({"reason": "a wrong book"})).await.expect(201).json();
    let recall = asked["recall_id"].as_str().unwrap();
    operators[1].post(&format!("/v1/operations/recalls/{recall}/approve")).await.expect(200);
    meddle(
        &eyes,
        &[
            "INSERT INTO serving_restrictions (contributor_id, account_ref, kind, case_id, opened_at)
           SELECT contributor_id, 'ACC-000003', 'DISPUTED', gen_random_uuid(), now() FROM contributors",
            "UPDATE accounts SET serving_state = 2 WHERE account_ref = 'ACC-000003'",
        ],
    )
    .await;
    land(&eyes).await;
    (eyes, sender)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_serving_store_comes_back_from_the_lake_alone() {
    let (eyes, _) = lived().await;
    let before = served(&eyes).await;
    assert_eq!(before.len(), 5, "{before:#?}");
    let (same, told, _) = command(&eyes, "serving --compare-only").await.unwrap();
    assert!(same, "{told}");

    meddle(
        &eyes,
        &["UPDATE accounts SET dpd = 17, month_dpd[1] = 17 WHERE account_ref = 'ACC-000001'",
          "DELETE FROM accounts WHERE account_ref = 'ACC-000004'",
          "UPDATE accounts SET account_ref = 'ACC-000005', serving_state = 0 WHERE account_ref = 'ACC-000003' AND holder_role = 1"],
    )
    .await;
    let wrecked = served(&eyes).await;
    let (same, told, _) = command(&eyes, "serving --compare-only").await.unwrap();
    assert!(!same && told.starts_with("sender: 6 accounts, 4 differ\n"), "{told}");
    assert!(told.contains("found another dpd, month_dpd\n"), "{told}");
    assert_eq!(served(&eyes).await, wrecked, "nothing was changed");

    let (same, told, progress) = command(&eyes, "serving --operator aminah").await.unwrap();
    assert!(same && told.starts_with("sender: 6 accounts, 4 were put right\n"), "{told}");
    assert!(progress.contains("read silver.account_snapshots [#"), "{progress}");
    assert_eq!(served(&eyes).await, before);

    // Lost altogether.
    meddle(&eyes, &["DELETE FROM accounts"]).await;
    command(&eyes, "serving --operator aminah").await.unwrap();
    assert_eq!(served(&eyes).await, before);
    let audited: Vec<(String, i64)> = sqlx::query_as(
        "/* test.audited */ SELECT actor, (detail ->> 'differences')::bigint FROM audit_entries WHERE action = 'serving.rebuild' ORDER BY 2",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(audited, [("cli:aminah".to_owned(), 4), ("cli:aminah".to_owned(), 5)]);
    let left: bool =
        sqlx::query_scalar("/* test.left */ SELECT to_regnamespace('serving_rebuild') IS NOT NULL")
            .fetch_one(&eyes.database.pool)
            .await
            .unwrap();
    assert!(!left, "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_while_books_arrive_it_ends_with_the_right_accounts() {
    let (eyes, sender) = lived().await;
    meddle(&eyes, &["DELETE FROM accounts WHERE account_ref = 'ACC-000002'"]).await;
    let order = Order { compare_only: false, asked_by: "test".into() };
    for round in 0..8_u64 {
        let (app, order) = (eyes.app.clone(), order.clone());
        let going = tokio::spawn(async move {
            let pause = |_: &str, _: i64, _: i64| std::thread::sleep(Duration::from_millis(5));
            serving::rebuild(&app, &order, &mut { pause }).await.map(|_| ())
        });
        tokio::time::sleep(Duration::from_millis(20 + round * 35)).await;
        going.abort();
        let day = format!("2026-{:02}-28", 2 + round % 8);
        let balance = json!({"as_of_date": day, "outstanding": 10_000 * (round + 1)});
        let records = [account_with(1, &balance), account_with(20 + round as u32, &balance)];
        eyes.published(&sender, &of_month(&day, &records)).await;
        if round % 2 == 0 {
            land(&eyes).await;
        }
    }
    land(&eyes).await;
    // The server notices a moment later that a killed one is gone.
    let mut done = serving::rebuild(&eyes.app, &order, &mut |_, _, _| {}).await;
    for _ in 0..50 {
        if done.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        done = serving::rebuild(&eyes.app, &order, &mut |_, _, _| {}).await;
    }
    done.unwrap();
    let (same, told, _) = command(&eyes, "serving --compare-only").await.unwrap();
    assert!(same, "{told}");
    let journal: i64 = sqlx::query_scalar(
        "/* test.accounts */ SELECT count(DISTINCT (account_ref, subject_id)) FROM account_snapshots WHERE account_ref <> 'ACC-000009'",
    )
    .fetch_one(&eyes.database.pool)
    .await
    .unwrap();
    assert_eq!(served(&eyes).await.len() as i64, journal);
    let scope = etrplus::pipeline::reconcile::Scope {
        contributor: sender.contributor_id.unwrap(),
        since: None,
        whole: true,
        asked_by: "test".into(),
        after: None,
        until: None,
    };
    let done = etrplus::pipeline::reconcile::contributor(&eyes.app, &scope, &mut |_, _| {}).await.unwrap();
    assert_eq!(done.differences, 0, "{:#?}", done.examples);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_lacks_rows_takes_no_account_away() {
    let eyes = TestApp::start().await;
    let sender = eyes.contributor("sender", patient()).await;
    eyes.published(&sender, &Submission::ndjson(ndjson(&[account(1)]))).await;
    let name = ACCOUNT_SNAPSHOTS.full_name();
    let lose = format!(
        "WITH lost AS (INSERT INTO lake_commits (commit_id, table_name, state, created_at, landed_at, rows, file_paths)
            VALUES (gen_random_uuid(), '{name}', 'landed', now(), now(), 1, '{{}}') RETURNING commit_id)
         UPDATE lake_entries SET commit_id = (SELECT commit_id FROM lost) WHERE table_name = '{name}'"
    );
    meddle(&eyes, &[&lose]).await;
    land(&eyes).await;
    let refused = command(&eyes, "serving").await.unwrap_err().to_string();
    assert!(refused.contains("the lake has 0 snapshots") && refused.contains("1 have landed"), "{refused}");
    assert_eq!(served(&eyes).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_lost_its_events_or_its_batches_takes_no_account_away() {
    let (eyes, _) = lived().await;
    let before = served(&eyes).await;
    let tables = [
        ("repayment_events", "the lake has 0 events, 1 have landed"),
        ("batches", "the lake's last word on"),
    ];
    for (table, says) in tables {
        let rename = |from: &str, to: &str| {
            format!("UPDATE iceberg_tables SET table_name = '{to}' WHERE table_name = '{from}'")
        };
        meddle(&eyes, &[&rename(table, "lost")]).await;
        let refused = command(&eyes, "serving").await.unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
        assert_eq!(served(&eyes).await, before);
        meddle(&eyes, &[&rename("lost", table)]).await;
    }
    let (same, told, _) = command(&eyes, "serving --compare-only").await.unwrap();
    assert!(same, "{told}");
}

/// Takes every file of the lake in, as a run does that dies right after the last one.
async fn die_behind_the_last_file(eyes: &TestApp) {
    let lake = eyes.app.lake.as_ref().unwrap();
    let mut connection = rebuild_serving::open(&eyes.app.db).await.unwrap().unwrap();
    for (source, spec) in SOURCES.into_iter().zip([&ACCOUNT_SNAPSHOTS, &REPAYMENT_EVENTS, &BATCHES]) {
        let snapshot = lake.snapshot(spec).await.unwrap().unwrap();
        let tuples = lake.tuples(spec, &snapshot, source.columns).await.unwrap();
        for file in &snapshot.files {
            let pieces = tuples.of_file(&file.path).unwrap();
            rebuild_serving::load(&mut connection, source, &file.path, pieces).await.unwrap();
        }
    }
    rebuild_serving::close(connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_an_earlier_run_took_in_count_with_their_events_and_only_while_the_lake_has_them() {
    let (eyes, _) = lived().await;
    die_behind_the_last_file(&eyes).await;
    let (same, told, _) = command(&eyes, "serving --compare-only").await.unwrap();
    assert!(same, "{told}");
    die_behind_the_last_file(&eyes).await;
    command(&eyes, "lake").await.unwrap();
    let (same, told, _) = command(&eyes, "serving --compare-only").await.unwrap();
    assert!(same && told.starts_with("sender: 5 accounts"), "{told}");
}

/// Leaves behind that the contributor's accounts are in their place, as a run does that began hours ago and was killed.
async fn swapped(eyes: &TestApp, hours: u32) {
    rebuild_serving::close(rebuild_serving::open(&eyes.app.db).await.unwrap().unwrap()).await.unwrap();
    let began = format!("UPDATE serving_rebuild.begun SET at = now() - interval '{hours} hours'");
    let swapped = "INSERT INTO serving_rebuild.folded (contributor_id, swapped) SELECT contributor_id, true FROM contributors";
    meddle(eyes, &[&began, swapped]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_run_put_right_is_left_alone_aloud_and_not_for_ever() {
    let (eyes, _) = lived().await;
    let before = served(&eyes).await;
    meddle(&eyes, &["DELETE FROM accounts WHERE account_ref = 'ACC-000001'"]).await;
    swapped(&eyes, 1).await;
    let (_, told, _) = command(&eyes, "serving").await.unwrap();
    assert_eq!(told, "sender: left alone, an earlier run put it right\n");
    assert_eq!(served(&eyes).await.len(), before.len() - 1);
    swapped(&eyes, 1).await;
    let (same, told, _) = command(&eyes, "serving --compare-only").await.unwrap();
    assert!(!same && told.starts_with("sender: 5 accounts, 1 differ\n"), "{told}");
    swapped(&eyes, 13).await;
    let (_, told, _) = command(&eyes, "serving").await.unwrap();
    assert!(told.starts_with("sender: 5 accounts, 1 were put right\n"), "{told}");
    assert_eq!(served(&eyes).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_is_landing_is_waited_for_and_not_given_up() {
    let (eyes, sender) = lived().await;
    eyes.published(&sender, &of_month("2026-10-31", &[account(50)])).await;
    let writing = "WITH live AS (INSERT INTO lake_commits (commit_id, table_name, state, created_at)
            VALUES (gen_random_uuid(), 'silver.account_snapshots', 'writing', now()) RETURNING commit_id)
        UPDATE lake_entries SET commit_id = (SELECT commit_id FROM live)
        WHERE table_name = 'silver.account_snapshots' AND commit_id IS NULL";
    meddle(&eyes, &[writing]).await;
    let order = Order { compare_only: false, asked_by: "test".into() };
    let mut quiet = |_: &str, _: i64, _: i64| {};
    let going = serving::rebuild(&eyes.app, &order, &mut quiet);
    assert!(tokio::time::timeout(Duration::from_secs(3), going).await.is_err(), "it waits");
    let state: String =
        sqlx::query_scalar("/* test.open */ SELECT state FROM lake_commits ORDER BY created_at DESC LIMIT 1")
            .fetch_one(&eyes.database.pool)
            .await
            .unwrap();
    assert_eq!(state, "writing");
}

#[tokio::test]
async fn every_column_of_an_account_is_put_in_place() {
    let eyes = TestApp::start().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "/* test.columns */ SELECT column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = 'accounts' AND is_generated = 'NEVER' ORDER BY 1",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    let mut known: Vec<&str> =
        ACCOUNT_COLUMNS.split(", ").chain(["subject_id", "contributor_id", "account_ref"]).collect();
    known.sort_unstable();
    assert_eq!(columns, known);
}

/// What a table of the lake holds, in an order of its own.
async fn held(eyes: &TestApp, table: &TableSpec) -> Vec<String> {
    let mut rows: Vec<String> = rows(&eyes.app, table).await.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lake_comes_back_from_the_bytes_that_were_received() {
    let (eyes, sender) = lived().await;
    let tables = [&ACCOUNT_SNAPSHOTS, &REPAYMENT_EVENTS];
    let mut before = Vec::new();
    for table in tables {
        before.push(held(&eyes, table).await);
    }
    // What waits while it is made anew lands in the new table, as if nothing had been.
    eyes.published(&sender, &of_month("2026-10-31", &[account(50)])).await;
    let (_, told, progress) = command(&eyes, "lake").await.unwrap();
    assert!(progress.contains("make silver.account_snapshots anew [#"), "{progress}");
    // Three, five and one records from bytes; the correction's version is in no file.
    assert!(told.starts_with("silver.account_snapshots: 10 rows made anew, 1 of them from the journal; 4 publications, 0 differed\n"), "{told}");
    assert!(told.contains("silver.repayment_events: 1 rows made anew, 0 of them from the journal"), "{told}");
    for (table, before) in tables.iter().zip(&before) {
        assert_eq!(&held(&eyes, table).await, before);
    }
    land(&eyes).await;
    assert_eq!(held(&eyes, &ACCOUNT_SNAPSHOTS).await.len(), before[0].len() + 1);

    // The ledger says that rows landed, and the table has lost them.
    let forget = "DELETE FROM iceberg_tables WHERE table_name = 'account_snapshots'";
    let whole = held(&eyes, &ACCOUNT_SNAPSHOTS).await;
    meddle(&eyes, &[forget]).await;
    eyes.published(&sender, &of_month("2026-10-31", &[account(51)])).await;
    land(&eyes).await;
    assert_eq!(held(&eyes, &ACCOUNT_SNAPSHOTS).await.len(), 1);
    let (_, told, _) = command(&eyes, "lake").await.unwrap();
    assert!(told.starts_with("silver.account_snapshots: 12 rows made anew"), "{told}");
    assert!(told.contains("6 publications, 5 differed\n"), "{told}");
    let again = held(&eyes, &ACCOUNT_SNAPSHOTS).await;
    assert_eq!(again.len(), whole.len() + 1);
    assert!(whole.iter().all(|row| again.contains(row)), "every row is back");
    let (same, told, _) = command(&eyes, "serving --compare-only").await.unwrap();
    assert!(same, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_other_rows_than_have_landed_takes_no_other_ones_place() {
    let (eyes, _) = lived().await;
    let before = held(&eyes, &ACCOUNT_SNAPSHOTS).await;
    let name = ACCOUNT_SNAPSHOTS.full_name();
    let mut connection = remake::open(&eyes.app.db).await.unwrap().unwrap();
    let refused = command(&eyes, "lake").await.unwrap_err().to_string();
    assert!(refused.contains("another rebuild of the lake goes on"), "{refused}");

    // A publication that nobody noted, and that will be made once more.
    let group = remake::landed(&mut connection, &name).await.unwrap()[0].group;
    remake::take_from_journal(&mut connection, Dataset::AccountSnapshot, group).await.unwrap();
    let (lake, beside) = (eyes.app.lake.as_ref().unwrap(), remade(&ACCOUNT_SNAPSHOTS).unwrap());
    let rows = remake::rows(&mut connection, Dataset::AccountSnapshot);
    lake.append(beside, etrplus::privacy::random::uuid_v4(), group.rows as u64, rows).await.unwrap();
    remake::close(connection).await.unwrap();
    let (right, told, _) = command(&eyes, "lake").await.unwrap();
    assert!(
        !right && told.contains(" 1 differ for no known reason: the table in use was left alone\n"),
        "{told}"
    );
    assert!(
        told.contains(&format!("expected {0} rows that have landed, found {1}", group.rows, group.rows * 2)),
        "{told}"
    );
    assert_eq!(held(&eyes, &ACCOUNT_SNAPSHOTS).await, before);

    // Fewer than the ledger says.
    let change = |by: &str| {
        format!(
            "UPDATE lake_entries SET rows = rows {by} WHERE table_name = '{name}' AND publication_no = {}",
            group.publication_no
        )
    };
    meddle(&eyes, &[&change("+ 1")]).await;
    let refused = command(&eyes, "lake").await.unwrap_err().to_string();
    assert!(refused.contains("rows have landed,"), "{refused}");
    meddle(&eyes, &[&change("- 1")]).await;
    let (right, told, _) = command(&eyes, "lake").await.unwrap();
    assert!(right && told.contains(", 0 differed\n"), "{told}");
    assert_eq!(held(&eyes, &ACCOUNT_SNAPSHOTS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_ledger_does_not_know_are_not_dropped() {
    let (eyes, _) = lived().await;
    // The ledger forgets a publication: its rows stand in the table in use.
    let name = ACCOUNT_SNAPSHOTS.full_name();
    let forget = format!(
        "UPDATE lake_entries SET table_name = 'lost' WHERE entry_no = (
            SELECT min(entry_no) FROM lake_entries WHERE table_name = '{name}')"
    );
    let before = held(&eyes, &ACCOUNT_SNAPSHOTS).await;
    meddle(&eyes, &[&forget]).await;
    let (right, told, _) = command(&eyes, "lake").await.unwrap();
    assert!(
        !right && told.contains("expected nothing that has landed, found 3 rows in the table in use"),
        "{told}"
    );
    assert_eq!(held(&eyes, &ACCOUNT_SNAPSHOTS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_a_killed_run_put_in_its_place_is_not_made_once_more() {
    let (eyes, _) = lived().await;
    let app = eyes.app.clone();
    let killed = tokio::spawn(async move {
        let die = |step: &str, _: i64, _: i64| assert!(!step.contains("repayment_events"), "killed here");
        lake::rebuild(&app, &mut { die }).await.map(|_| ())
    });
    assert!(killed.await.unwrap_err().is_panic());
    let (right, told, _) = command(&eyes, "lake").await.unwrap();
    assert!(right, "{told}");
    assert!(
        told.starts_with("silver.account_snapshots: left alone, an earlier run put it in its place\n"),
        "{told}"
    );
    assert!(told.contains("; 1 publications, 0 differed"), "{told}");
    let (_, told, _) = command(&eyes, "lake").await.unwrap();
    assert!(told.starts_with("silver.account_snapshots: 10 rows made anew"), "{told}");
}
