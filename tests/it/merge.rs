//! Histories through the whole pipeline, held against a naive model: whatever arrives, in whatever order, the
//! serving store has what `domain::history` says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{Datelike as _, Months, NaiveDate, TimeDelta};
use etrplus::app::App;
use etrplus::domain::contract::{AccountStatus, HolderRole, Terms};
use etrplus::domain::history::{Month, becomes_current, merge};
use etrplus::domain::money::Sen;
use etrplus::domain::rules::{Code, Effect};
use etrplus::jobs::runner;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::app::{Caller, Submission, TestApp};
use crate::support::records::{account_with, ndjson, nric};

const PERIOD_END: &str = "2026-10-31";

/// One report of an account by all of its holders.
#[derive(Clone, Debug)]
struct Report {
    account: u32,
    as_of: NaiveDate,
    outstanding: i64,
    dpd: u16,
    settled: bool,
    /// The second person, where the account is joint.
    joint: bool,
}

/// Accounts 0 to 2 belong to persons 0 and 1, so that people have several.
fn primary_of(account: u32) -> u32 {
    account % 2
}

fn joint_of(account: u32) -> u32 {
    10 + account
}

impl Report {
    fn overdue(&self) -> i64 {
        if self.dpd > 0 { self.outstanding / 2 } else { 0 }
    }

    fn status(&self) -> AccountStatus {
        if self.settled { AccountStatus::Settled } else { AccountStatus::Active }
    }

    fn holders(&self) -> Vec<(u32, HolderRole)> {
        let joint = self.joint.then(|| (joint_of(self.account), HolderRole::Joint));
        [(primary_of(self.account), HolderRole::Primary)].into_iter().chain(joint).collect()
    }

    fn rows(&self) -> Vec<Value> {
        let row = |(person, role): (u32, HolderRole)| {
            account_with(
                person,
                &json!({
                    "account_ref": format!("ACC-{}", self.account),
                    "holder_role": role.as_str(),
                    "as_of_date": self.as_of,
                    "opened_date": "2020-01-15",
                    "status": self.status().as_str(),
                    "closed_date": self.settled.then_some(self.as_of),
                    "outstanding": self.outstanding,
                    "overdue": self.overdue(),
                    "dpd": self.dpd,
                }),
            )
        };
        self.holders().into_iter().map(row).collect()
    }

    fn month(&self) -> Month {
        Month {
            as_of_date: self.as_of,
            status: self.status(),
            dpd: self.dpd,
            outstanding: Sen(self.outstanding),
            overdue: Sen(self.overdue()),
        }
    }
}

/// Reports over 34 months, mostly at month ends, so that months repeat, days repeat and old ones fall off.
fn report() -> impl Strategy<Value = Report> {
    let day = (0u32..34, prop_oneof![3 => Just(None), 1 => (1u32..29).prop_map(Some)]);
    (0u32..3, day, 1i64..90_000, prop_oneof![2 => Just(0u16), 1 => 1u16..29], 0u8..8, any::<bool>()).prop_map(
        |(account, (back, day), outstanding, dpd, fate, joint)| {
            let newest: NaiveDate = PERIOD_END.parse().unwrap();
            let month = newest - Months::new(back);
            let first = month.with_day(1).unwrap();
            let end = first + Months::new(1) - TimeDelta::days(1);
            let as_of = day.map_or(end, |day| first.with_day(day).unwrap());
            let settled = fate == 0;
            let (outstanding, dpd) = if settled { (0, 0) } else { (outstanding * 2, dpd) };
            Report { account, as_of, outstanding, dpd, settled, joint }
        },
    )
}

/// A batch has an account once for a day: anything else is rejected by S001 and not the merge's to see.
fn batch() -> impl Strategy<Value = Vec<Report>> {
    prop::collection::vec(report(), 1..14).prop_map(|reports| {
        let mut seen = BTreeSet::new();
        reports.into_iter().filter(|report| seen.insert((report.account, report.as_of))).collect()
    })
}

/// What the serving store holds of one holder's account.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct Stored {
    as_of_date: NaiveDate,
    status: i16,
    dpd: i16,
    outstanding_sen: i64,
    overdue_sen: i64,
    closed_date: Option<NaiveDate>,
    holder_role: i16,
    month_as_of: Vec<NaiveDate>,
    month_status: Vec<i16>,
    month_dpd: Vec<i16>,
    month_outstanding_sen: Vec<i64>,
    month_overdue_sen: Vec<i64>,
}

type Holding = (String, u32);

/// The naive model: reports one after the other.
#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<Holding, (Report, HolderRole, Vec<Month>)>);

impl Model {
    fn take(&mut self, report: &Report) {
        for (person, role) in report.holders() {
            let holding = (format!("ACC-{}", report.account), person);
            let entry = self.0.entry(holding).or_insert_with(|| (report.clone(), role, Vec::new()));
            if becomes_current(entry.0.as_of, report.as_of) {
                entry.0 = report.clone();
                entry.1 = role;
            }
            entry.2 = merge(&entry.2, report.month());
        }
    }

    fn stored(&self) -> BTreeMap<Holding, Stored> {
        let stored = |(holding, (current, role, months)): (&Holding, &(Report, HolderRole, Vec<Month>))| {
            let stored = Stored {
                as_of_date: current.as_of,
                status: current.status() as i16,
                dpd: current.dpd as i16,
                outstanding_sen: current.outstanding,
                overdue_sen: current.overdue(),
                closed_date: current.settled.then_some(current.as_of),
                holder_role: *role as i16,
                month_as_of: months.iter().map(|m| m.as_of_date).collect(),
                month_status: months.iter().map(|m| m.status as i16).collect(),
                month_dpd: months.iter().map(|m| m.dpd as i16).collect(),
                month_outstanding_sen: months.iter().map(|m| m.outstanding.0).collect(),
                month_overdue_sen: months.iter().map(|m| m.overdue.0).collect(),
            };
            (holding.clone(), stored)
        };
        self.0.iter().map(stored).collect()
    }
}

/// What was told of each account, whoever holds it.
#[derive(Default)]
struct Lives(BTreeMap<u32, Vec<Month>>);

impl Lives {
    /// Leaves out what would bring an account back to life: P003 rejects it, and it is not the merge's to see.
    fn keep_ended(&mut self, mut reports: Vec<Report>) -> Vec<Report> {
        reports.sort_by_key(|report| report.as_of);
        reports.retain(|report| {
            let months = self.0.entry(report.account).or_default();
            let before = months.iter().find(|month| month.as_of_date <= report.as_of);
            let stands = report.settled || before.is_none_or(|month| !month.status.is_terminal());
            if stands {
                *months = merge(months, report.month());
            }
            stands
        });
        reports
    }
}

/// Everything in `accounts`, by reference and person.
async fn serving_store(eyes: &TestApp) -> BTreeMap<Holding, Stored> {
    let mut people = BTreeMap::new();
    for person in (0..2).chain(10..13) {
        if let Some(subject) = subject_of(&eyes.database.pool, &eyes.app, &nric(person)).await {
            people.insert(subject, person);
        }
    }
    #[derive(sqlx::FromRow)]
    struct Row {
        subject_id: uuid::Uuid,
        account_ref: String,
        #[sqlx(flatten)]
        stored: Stored,
    }
    let rows: Vec<Row> =
        sqlx::query_as("SELECT * FROM accounts").fetch_all(&eyes.database.pool).await.unwrap();
    rows.into_iter().map(|row| ((row.account_ref, people[&row.subject_id]), row.stored)).collect()
}

async fn subject_of(pool: &PgPool, app: &App, id_number: &str) -> Option<uuid::Uuid> {
    let token = app.keys.token(etrplus::domain::contract::IdType::Nric, id_number);
    sqlx::query_scalar("SELECT subject_id FROM subject_identifiers WHERE token = $1")
        .bind(token.as_slice())
        .fetch_optional(pool)
        .await
        .unwrap()
}

/// A synthetic number of the identity card before NRIC.
fn old_card(n: u32) -> String {
    format!("A{:07}", 1_000_003 + 7 * n)
}

fn rows_of(reports: &[Report]) -> Vec<Value> {
    reports.iter().flat_map(Report::rows).collect()
}

fn submission(rows: &[Value]) -> Submission {
    Submission::ndjson(ndjson(rows)).period("DELTA", PERIOD_END.parse().unwrap()).with("allow_duplicate=true")
}

/// Sends rows that must all be accepted.
async fn publish(eyes: &TestApp, caller: &Caller, rows: &[Value]) -> String {
    let id = caller.submit(&submission(rows)).await;
    eyes.run_jobs().await;
    let batch = caller.batch(&id).await;
    assert_eq!(batch["state"], "published", "{batch:#}");
    assert_eq!(batch["counts"]["accepted"], rows.len(), "{batch:#}");
    id
}

/// An order that a generator chose; the same for the same seed.
fn shuffled(rows: &[Value], seed: usize) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for i in (1..rows.len()).rev() {
        rows.swap(i, (seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i * 40_503) >> 7) % (i + 1));
    }
    rows
}

fn patient() -> Terms {
    Terms { backfill_from: NaiveDate::from_ymd_opt(2020, 1, 1), ..Terms::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_arrives_the_serving_store_has_what_the_model_says() {
    let mut runner = TestRunner::deterministic();
    for case in 0..24_usize {
        let batches = prop::collection::vec(batch(), 1..6).new_tree(&mut runner).unwrap().current();
        let eyes = TestApp::start().await;
        let bank = eyes.contributor("bank", patient()).await;
        // Random lives are no sound ones: what they say of their past is not the merge's to judge.
        for code in [Code::P004, Code::P010] {
            eyes.soften("bank", code, Effect::Off).await;
        }
        let mut model = Model::default();
        let mut lives = Lives::default();
        let batches: Vec<_> = batches.into_iter().map(|batch| lives.keep_ended(batch)).collect();
        for (n, reports) in batches.iter().enumerate().filter(|(_, reports)| !reports.is_empty()) {
            publish(&eyes, &bank, &shuffled(&rows_of(reports), case + n)).await;
            // Within a batch no account has one day twice: the order of its rows has no say.
            reports.iter().for_each(|report| model.take(report));
            assert_eq!(serving_store(&eyes).await, model.stored(), "case {case}, batch {n} of {batches:#?}");
        }
        // The last batch once more changes nothing.
        let before = serving_store(&eyes).await;
        let last = batches.iter().rfind(|reports| !reports.is_empty()).unwrap();
        publish(&eyes, &bank, &rows_of(last)).await;
        assert_eq!(serving_store(&eyes).await, before, "case {case}: a batch sent twice");
        assert_profiles_tell(&eyes, &model).await;
    }
}

/// The attributes of each primary holder are those of the model's accounts.
async fn assert_profiles_tell(eyes: &TestApp, model: &Model) {
    let risk_engine = eyes.risk_engine().await;
    for person in 0..2 {
        let held: Vec<_> =
            model.0.iter().filter(|((_, holder), _)| *holder == person).map(|(_, held)| held).collect();
        if held.is_empty() {
            continue;
        }
        let profile = risk_engine.ask(&nric(person), "2026-11-24").await.expect(200).json();
        assert_eq!(profile["accounts"].as_array().unwrap().len(), held.len(), "{profile:#}");
        let open: i64 = held
            .iter()
            .filter(|(current, ..)| !current.settled)
            .map(|(current, ..)| current.outstanding)
            .sum();
        let told = &profile["attributes"]["total_outstanding"]["value"];
        assert_eq!(told.as_i64().unwrap_or(0), open, "{profile:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_one_contributor_are_merged_in_the_order_of_their_arrival() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    // Ten corrections of one day wait together; three workers want them.
    for n in 1..=10 {
        bank.submit(&submission(&[account_with(1, &json!({"outstanding": n * 100}))])).await;
    }
    let workers = [Arc::clone(&eyes.app), eyes.sibling().await, eyes.sibling().await];
    futures::future::join_all(
        workers.iter().map(|worker| async { while runner::work_once(worker).await.unwrap() {} }),
    )
    .await;
    eyes.run_jobs().await;
    let outstanding: Vec<i64> = sqlx::query_scalar("SELECT outstanding_sen FROM accounts")
        .fetch_all(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(outstanding, [1000], "the last word on a day is the last that arrived");
    let order: Vec<bool> = sqlx::query_scalar(
        "SELECT settled_at >= lag(settled_at, 1, settled_at) OVER (ORDER BY batch_id) FROM batches ORDER BY batch_id",
    )
    .fetch_all(&eyes.database.pool)
    .await
    .unwrap();
    assert!(order.iter().all(|in_order| *in_order) && order.len() == 10, "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waits_for_another_try_keeps_its_place() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", patient()).await;
    let first = bank.submit(&submission(&[account_with(1, &json!({"outstanding": 100}))])).await;
    bank.submit(&submission(&[account_with(1, &json!({"outstanding": 200}))])).await;
    // The first is to be tried again later.
    sqlx::query("UPDATE jobs SET run_at = now() + interval '1 hour' WHERE batch_id = $1::uuid")
        .bind(&first)
        .execute(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(eyes.run_jobs().await, 0, "what arrived later waits");
    sqlx::query("UPDATE jobs SET run_at = now()").execute(&eyes.database.pool).await.unwrap();
    assert_eq!(eyes.run_jobs().await, 2);
    let outstanding: i64 = sqlx::query_scalar("SELECT outstanding_sen FROM accounts")
        .fetch_one(&eyes.database.pool)
        .await
        .unwrap();
    assert_eq!(outstanding, 200);
}

/// Two contributors on two workers name the same people first, at the same time: each person is one subject.
#[tokio::test(flavor = "multi_thread")]
async fn people_named_by_two_contributors_at_once_are_one_subject_each() {
    const PEOPLE: u32 = 300;
    for round in 0..6 {
        let eyes = TestApp::start().await;
        let (bank, shop) =
            (eyes.contributor("bank", patient()).await, eyes.contributor("shop", patient()).await);
        let people: Vec<u32> = (1..=PEOPLE).collect();
        let rows = |who: &str, n: u32| {
            // The bank knows a person by NRIC and old card, the shop by old card and NRIC.
            let papers = match who {
                "bank" => json!({"secondary_id_type": "OLD_IC", "secondary_id_number": old_card(n)}),
                _ => json!({"id_type": "OLD_IC", "id_number": old_card(n),
                            "secondary_id_type": "NRIC", "secondary_id_number": nric(n)}),
            };
            account_with(n, &if round % 2 == 0 { papers } else { json!({}) })
        };
        let bank_rows: Vec<Value> = people.iter().map(|n| rows("bank", *n)).collect();
        let shop_rows: Vec<Value> = people.iter().rev().map(|n| rows("shop", *n)).collect();
        let ids = [bank.submit(&submission(&bank_rows)).await, shop.submit(&submission(&shop_rows)).await];
        let other = eyes.sibling().await;
        let (one, two) = tokio::join!(runner::work_once(&eyes.app), runner::work_once(&other));
        assert!(one.unwrap() && two.unwrap(), "each worker had a lane");
        eyes.run_jobs().await;
        for (caller, id) in [&bank, &shop].into_iter().zip(&ids) {
            let batch = caller.batch(id).await;
            assert_eq!(batch["state"], "published", "{batch:#}");
            assert_eq!(batch["counts"]["accepted"], PEOPLE, "{batch:#}");
        }
        let tries: i32 = sqlx::query_scalar("SELECT max(attempts) FROM jobs")
            .fetch_one(&eyes.database.pool)
            .await
            .unwrap();
        assert_eq!(tries, 1, "neither had to give way");
        assert_whole_people(&eyes.database.pool, round).await;
    }
}

/// Every identifier leads to a subject that exists, and every account is reached by one.
async fn assert_whole_people(pool: &PgPool, round: u32) {
    let (nameless, unreachable, subjects, named): (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM subject_identifiers i
                 WHERE NOT EXISTS (SELECT FROM subjects s WHERE s.subject_id = i.subject_id)),
                (SELECT count(*) FROM accounts a
                 WHERE NOT EXISTS (SELECT FROM subject_identifiers i WHERE i.subject_id = a.subject_id)),
                (SELECT count(*) FROM subjects),
                (SELECT count(DISTINCT subject_id) FROM subject_identifiers)",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!((nameless, unreachable), (0, 0), "round {round}");
    assert_eq!(subjects, named, "round {round}: a subject that nobody can be found by");
    assert_eq!(subjects, 300, "round {round}: one person, one subject");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_cannot_pass_to_somebody_else() {
    let eyes = TestApp::start().await;
    let bank = eyes
        .contributor(
            "bank",
            Terms { reject_threshold_bps: 10_000, identity_threshold_bps: 10_000, ..patient() },
        )
        .await;
    publish(&eyes, &bank, &[account_with(1, &json!({"account_ref": "ACC"}))]).await;
    let before: Vec<(uuid::Uuid, i64)> = held(&eyes).await;

    let id = bank
        .submit(&submission(&[
            account_with(2, &json!({"account_ref": "ACC", "opened_date": "2026-02-15", "outstanding": 7})),
            account_with(3, &json!({"account_ref": "OTHER"})),
        ]))
        .await;
    eyes.run_jobs().await;
    let report = bank.report(&id).await;
    assert_eq!(report["batch"]["counts"]["rejected"], 1, "{report:#}");
    assert_eq!(report["rules"][0]["code"], "I015", "{report:#}");
    let after = held(&eyes).await;
    assert_eq!(after.len(), 2);
    assert!(after.contains(&before[0]), "the account is whose it was, as it was");
    assert_eq!(
        subject_of(&eyes.database.pool, &eyes.app, &nric(2)).await,
        None,
        "a person whom only a rejected row names is not entered"
    );

    // The same reference of another contributor is another account.
    let shop = eyes.contributor("shop", patient()).await;
    publish(&eyes, &shop, &[account_with(2, &json!({"account_ref": "ACC"}))]).await;
    assert_eq!(held(&eyes).await.len(), 3);
}

async fn held(eyes: &TestApp) -> Vec<(uuid::Uuid, i64)> {
    sqlx::query_as("SELECT subject_id, outstanding_sen FROM accounts")
        .fetch_all(&eyes.database.pool)
        .await
        .unwrap()
}

/// One human holds an account under two numbers that are known to be hers: nothing that was counted as accepted
/// is lost, and the primary holder's word stays.
#[tokio::test(flavor = "multi_thread")]
async fn one_person_under_two_identifiers_loses_no_month() {
    for seed in 0..4 {
        let eyes = TestApp::start().await;
        let bank = eyes.contributor("bank", patient()).await;
        let papers = json!({"secondary_id_type": "OLD_IC", "secondary_id_number": old_card(1)});
        publish(&eyes, &bank, &[account_with(1, &papers)]).await;
        let mut rows = Vec::new();
        for month in ["2026-06-30", "2026-07-31", "2026-08-31"] {
            let shared = json!({"account_ref": "JOINT-1", "as_of_date": month, "outstanding": 500});
            let mut primary = account_with(1, &shared);
            primary["holder_role"] = "PRIMARY".into();
            let mut joint = account_with(1, &shared);
            joint["holder_role"] = "JOINT".into();
            joint["id_type"] = "OLD_IC".into();
            joint["id_number"] = old_card(1).into();
            rows.extend([primary, joint]);
        }
        publish(&eyes, &bank, &shuffled(&rows, seed)).await;
        let (role, months): (i16, Vec<NaiveDate>) =
            sqlx::query_as("SELECT holder_role, month_as_of FROM accounts WHERE account_ref = 'JOINT-1'")
                .fetch_one(&eyes.database.pool)
                .await
                .unwrap();
        let months: Vec<String> = months.iter().map(ToString::to_string).collect();
        assert_eq!(months, ["2026-08-31", "2026-07-31", "2026-06-30"], "seed {seed}");
        assert_eq!(role, HolderRole::Primary as i16, "seed {seed}");
    }
}
