//! Lookups against a real Postgres: what is read, that a footprint precedes every answer, that those who wait
//! together share a commit.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

use chrono::{DateTime, Utc};
use etrplus::clock::Clock;
use etrplus::db::accounts::find_for_tokens;
use etrplus::domain::contract::AccountStatus;
use etrplus::domain::profile::inquiry::{Consent, InquiryType, Purpose};
use etrplus::domain::profile::{HitStatus, Value};
use etrplus::error::Error;
use etrplus::ids::{ClientId, QueryId};
use etrplus::pipeline::footprints::{Answer, Lookups, Question, answer_all};
use etrplus::privacy::Token;
use futures::future::join_all;
use sqlx::PgPool;
use uuid::Uuid;

const NOW: &str = "2026-06-30T04:00:00Z";

fn clock() -> Clock {
    Clock::fixed(NOW.parse().unwrap())
}

/// From when on applications are looked at.
fn since() -> DateTime<Utc> {
    "2026-04-01T16:00:00Z".parse().unwrap()
}

/// A token of nobody: these tests have no identifiers and no keys.
fn token(n: u128) -> Token {
    let mut bytes = [0; 17];
    bytes[1..].copy_from_slice(&n.to_be_bytes());
    Token::try_from(bytes.as_slice()).unwrap()
}

/// A run of its own: tests share the database and must not meet.
fn base() -> u128 {
    u128::from_be_bytes(etrplus::privacy::random::bytes::<16>()) & !0xFFFF
}

fn question(base: u128, n: u128) -> Question {
    let now: DateTime<Utc> = NOW.parse().unwrap();
    Question {
        query_id: QueryId(Uuid::from_u128(base + n)),
        subject: token(base + n),
        as_of: "2026-06-30".parse().unwrap(),
        client_id: ClientId(Uuid::from_u128(base)),
        end_user: None,
        purpose: Purpose::CreditApplication,
        inquiry_type: InquiryType::Standard,
        consent: Consent {
            reference: format!("synthetic-consent-{n}"),
            obtained_at: now - chrono::TimeDelta::days(1),
            expires_at: now + chrono::TimeDelta::days(1),
        },
        client_reference: format!("checkout-{n}"),
    }
}

async fn insert_subject(pool: &PgPool, n: u128) {
    sqlx::query(
        "/* test.subject */ INSERT INTO subject_identifiers (token, subject_id, id_type) VALUES ($1, $2, 0)",
    )
    .bind(token(n))
    .bind(Uuid::from_u128(n))
    .execute(pool)
    .await
    .unwrap();
}

/// A BNPL plan reported in May (10 days late) and June (paid up).
async fn insert_account(pool: &PgPool, n: u128, account_ref: &str) {
    sqlx::query(
        "/* test.account */ INSERT INTO accounts (
             subject_id, contributor_id, account_ref, batch_id, record_no, known_from, rules_version, currency,
             holder_role, product_type, portfolio_type, status, status_date, as_of_date, opened_date,
             outstanding_sen, overdue_sen, dpd, instalment_amount_sen, payment_frequency,
             month_as_of, month_status, month_dpd, month_outstanding_sen, month_overdue_sen)
         VALUES ($1, $1, $2, $1, 1, now(), 'test', 'MYR', 0, 0, 0, 0, '2026-01-10', '2026-06-30', '2026-01-10',
             5000, 0, 0, 2500, 1,
             '{2026-06-30,2026-05-31}', '{0,0}', '{0,10}', '{5000,7500}', '{0,2500}')",
    )
    .bind(Uuid::from_u128(n))
    .bind(account_ref)
    .execute(pool)
    .await
    .unwrap();
}

fn number(answer: &Answer, name: &str) -> Value {
    answer.profile.attributes.iter().find(|attribute| attribute.name == name).unwrap().value.unwrap()
}

async fn footprints(pool: &PgPool, base: u128) -> (i64, i64) {
    sqlx::query_as(
        "/* test.footprints */ SELECT count(*), count(DISTINCT xmin::text) FROM footprints WHERE client_id = $1",
    )
    .bind(Uuid::from_u128(base))
    .fetch_one(pool)
    .await
    .unwrap()
}

/// What the serving store holds becomes an account, a profile and a footprint.
#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_tells_what_is_known_and_leaves_a_footprint() {
    let pool = &crate::support::database().await;
    let base = base();
    insert_subject(pool, base + 1).await;
    insert_account(pool, base + 1, "plan-1").await;
    insert_account(pool, base + 1, "plan-2").await;
    insert_subject(pool, base + 2).await; // known, without accounts

    let found =
        find_for_tokens(pool, &[token(base + 1), token(base + 2), token(base + 3)], since()).await.unwrap();
    assert_eq!(found.len(), 2, "nobody is known by the third");
    let subject = found[&token(base + 1)].as_ref().unwrap();
    assert_eq!(subject.accounts.len(), 2);
    let months = &subject.accounts[0].months;
    assert_eq!((months.len(), months[1].dpd, months[1].status), (2, 10, AccountStatus::Active));

    let questions = vec![question(base, 1), question(base, 2), question(base, 3)];
    let answers = answer_all(pool, &clock(), questions).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers[0].profile.hit_status, HitStatus::Thin);
    assert_eq!(number(&answers[0], "total_outstanding"), Value::Number(10_000));
    assert_eq!(number(&answers[0], "worst_dpd_3m"), Value::Number(10));
    assert_eq!(number(&answers[0], "monthly_obligation"), Value::Number(10_833));
    assert_eq!(answers[1].profile.hit_status, HitStatus::NoHit);
    assert_eq!(answers[2].profile.hit_status, HitStatus::NoHit);

    let rows: Vec<(String, bool, i32, String)> = sqlx::query_as(
        "/* test.rows */ SELECT client_reference, subject_known, account_count, hit_status
           FROM footprints WHERE client_id = $1 ORDER BY query_id",
    )
    .bind(Uuid::from_u128(base))
    .fetch_all(pool)
    .await
    .unwrap();
    let row = |n: usize| (rows[n].0.as_str(), rows[n].1, rows[n].2, rows[n].3.as_str());
    assert_eq!(row(0), ("checkout-1", true, 2, "THIN"));
    assert_eq!(row(1), ("checkout-2", true, 0, "NO_HIT"));
    assert_eq!(row(2), ("checkout-3", false, 0, "NO_HIT"));
}

/// Fifty questions at once: fifty footprints, far fewer commits.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_together_share_a_commit() {
    let pool = &crate::support::database().await;
    let base = base();
    let lookups = Lookups::start(pool.clone(), clock());
    let answers = join_all((0..50).map(|n| lookups.ask(question(base, n)))).await;
    assert!(answers.iter().all(Result::is_ok));
    let (rows, commits) = footprints(pool, base).await;
    assert_eq!(rows, 50);
    assert!(commits < 10, "{commits} commits for 50 footprints");
}

/// A question that Postgres refuses fails alone, and nothing of it leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_footprint_that_cannot_be_written_holds_back_its_own_answer_alone() {
    let pool = &crate::support::database().await;
    let base = base();
    let refused = Question { client_reference: "nul \0 in it".into(), ..question(base, 1) };
    let answers = answer_all(pool, &clock(), vec![question(base, 0), refused, question(base, 2)]).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert!(matches!(answers[1], Err(Error::Database(_))), "{:?}", answers[1]);
    assert_eq!(footprints(pool, base).await.0, 2);

    // The same query twice would be two answers with one footprint.
    let again = answer_all(pool, &clock(), vec![question(base, 0)]).await;
    assert!(again[0].is_err());
}

/// A row that contradicts itself names its place, and its neighbours are answered.
#[tokio::test(flavor = "multi_thread")]
async fn an_inconsistent_row_is_the_error_of_its_own_subject() {
    let pool = &crate::support::database().await;
    let base = base();
    for n in [1, 2] {
        insert_subject(pool, base + n).await;
        insert_account(pool, base + n, "plan").await;
    }
    sqlx::query("/* test.break */ UPDATE accounts SET product_type = 99 WHERE subject_id = $1")
        .bind(Uuid::from_u128(base + 1))
        .execute(pool)
        .await
        .unwrap();
    let answers = answer_all(pool, &clock(), vec![question(base, 1), question(base, 2)]).await;
    match &answers[0] {
        Err(Error::Inconsistent { table: "accounts", column: "product_type", row }) => {
            assert!(row.contains("account plan"), "{row}");
        }
        other => panic!("{other:?}"),
    }
    assert!(answers[1].is_ok());
    assert_eq!(footprints(pool, base).await.0, 1);
}

/// Footprints are added and never changed or removed.
#[tokio::test(flavor = "multi_thread")]
async fn footprints_cannot_be_changed() {
    let pool = &crate::support::database().await;
    let base = base();
    answer_all(pool, &clock(), vec![question(base, 0)]).await.remove(0).unwrap();
    for statement in [
        "/* test.change */ UPDATE footprints SET purpose = 'OTHER'",
        "/* test.change */ DELETE FROM footprints",
        "/* test.change */ TRUNCATE footprints",
    ] {
        let refused = sqlx::query(statement).execute(pool).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
    assert_eq!(footprints(pool, base).await.0, 1);
}

/// Without the system scope nobody is known, and nobody can be added.
#[tokio::test(flavor = "multi_thread")]
async fn people_are_visible_to_the_system_alone() {
    let pool = &crate::support::database().await;
    let base = base();
    insert_subject(pool, base + 1).await;
    insert_account(pool, base + 1, "plan").await;
    let mut tenant = pool.begin().await.unwrap();
    sqlx::query("/* test.scope */ SELECT set_config('etr.scope', 'none', true), set_config('etr.contributor_id', $1, true)")
        .bind(Uuid::from_u128(base + 2).to_string())
        .execute(&mut *tenant)
        .await
        .unwrap();
    assert!(find_for_tokens(&mut *tenant, &[token(base + 1)], since()).await.unwrap().is_empty());
    let foreign: i64 = sqlx::query_scalar("/* test.accounts */ SELECT count(*) FROM accounts")
        .fetch_one(&mut *tenant)
        .await
        .unwrap();
    assert_eq!(foreign, 0, "another contributor's accounts");
}
