//! What the server depends on goes away, comes back, or lies: nothing is acknowledged that is not safe, nothing
//! needs a restart.

use std::time::{Duration, Instant};

use etrplus::clock::Clock;
use etrplus::config::{Config, LakeCatalog};
use etrplus::domain::contract::Terms;
use etrplus::embedded::postgres::Postgres;
use serde_json::json;
use sqlx::PgPool;

use crate::support::app::{Answer, Caller, Submission, TestApp, call, question};
use crate::support::database::fresh_database;
use crate::support::fleet::{Fleet, durable_postgres, period_end, until};
use crate::support::objects;
use crate::support::proxy::{CommitCut, Door, Proxy};
use crate::support::records::{account, account_with, ndjson, nric};

/// A server that reaches Postgres and the store through doors.
struct House {
    eyes: TestApp,
    postgres: Proxy,
    store: Proxy,
    bank: Caller,
    risk_engine: Caller,
}

impl House {
    async fn build() -> House {
        let database = fresh_database().await;
        let (postgres, database_url) = Proxy::before_postgres(&database.url).await;
        let (store, endpoint) = Proxy::before_http(objects::s3().await.endpoint.as_deref().unwrap()).await;
        let change = |config: &mut Config| {
            config.database_url = database_url.into();
            config.s3.endpoint = Some(endpoint);
            // What is told here ends with publication.
            config.lake.catalog = LakeCatalog::Off;
        };
        let eyes = TestApp::start_on(database, change).await;
        let (bank, risk_engine) =
            (eyes.contributor("bank", Terms::default()).await, eyes.risk_engine().await);
        House { eyes, postgres, store, bank, risk_engine }
    }

    fn pool(&self) -> &PgPool {
        // Past the door.
        &self.eyes.database.pool
    }

    async fn health(&self, path: &str) -> Answer {
        call(&self.eyes.router, http::Request::get(path).body(axum::body::Body::empty()).unwrap()).await
    }
}

/// A problem that says when to come back.
#[track_caller]
fn assert_unavailable(what: &str, answer: &Answer) {
    assert_eq!(answer.status.as_u16(), 503, "{what}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    assert!(answer.header("retry-after").is_some(), "{what}");
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    assert!(["unavailable", "overloaded", "timed-out"].contains(&code.as_str()), "{what}: {code}");
}

/// Two seconds of waiting for a connection, and room for a busy machine.
#[track_caller]
fn assert_soon(what: &str, took: Duration) {
    assert!(took < Duration::from_secs(4), "{what} took {took:?}");
}

async fn timed(answer: impl Future<Output = Answer>) -> (Answer, Duration) {
    let begun = Instant::now();
    (answer.await, begun.elapsed())
}

fn submission(n: u32) -> Submission {
    Submission::ndjson(ndjson(&[account(n)]))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_nothing_is_acknowledged_and_everything_comes_back() {
    let house = House::build().await;
    house.bank.submit(&submission(1)).await;
    house.eyes.try_jobs().await;
    house.risk_engine.ask(&nric(1), "2026-11-24").await.expect(200);

    let known = nric(1);
    for (n, door) in [(2, Door::Shut), (3, Door::Silent)] {
        let waiting = submission(n);
        house.postgres.turn(door);
        let (sent, asked) = tokio::join!(
            timed(house.bank.send(&waiting)),
            timed(house.risk_engine.ask(&known, "2026-11-24"))
        );
        assert_unavailable("a submission", &sent.0);
        assert_soon("a submission", sent.1);
        assert_unavailable("a lookup", &asked.0);
        assert_soon("a lookup", asked.1);
        assert!(!asked.0.text().contains("accounts"), "an answer without its footprint: {}", asked.0.text());
        assert_eq!(house.health("/healthz").await.status, 200, "{door:?}");
        assert_eq!(house.health("/readyz").await.status, 503, "{door:?}");

        house.postgres.turn(Door::Open);
        until("the server is ready again", async || house.health("/readyz").await.status == 200).await;
        let id = house.bank.submit(&waiting).await;
        // The first attempt may still meet a connection that died with the door; the next one is a second away.
        until("what was sent is published", async || {
            house.eyes.try_jobs().await;
            house.bank.batch(&id).await["state"] == "published"
        })
        .await;
        house.risk_engine.ask(&nric(n), "2026-11-24").await.expect(200);
    }
}

/// The real thing: the server is stopped and started again under a process that goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_was_stopped_and_started_needs_no_restart_of_ours() {
    let mut fleet = Fleet::start(&[]).await;
    let (server, worker) = (fleet.serve(), fleet.work());
    let address = server.listen.unwrap();
    let mut client = fleet.client("bank", Some(Terms::default()), &[address]).await;
    let mut engine = fleet.client("engine", None, &[address]).await;
    client.sign_in().await;
    engine.sign_in().await;
    let period_end = period_end();
    let record = account_with(1, &json!({"as_of_date": period_end, "opened_date": period_end}));
    let body = bytes::Bytes::from(ndjson(&[record]));
    let query = &format!("dataset=account_snapshot&mode=DELTA&period_end={period_end}");
    let mut question = question(&nric(1), &period_end.to_string());
    question["consent"]["obtained_at"] = json!(Clock::System.now());
    question["consent"]["expires_at"] = json!(Clock::System.now() + chrono::TimeDelta::days(1));

    let home = fleet.home();
    fleet.postgres.take().map(Postgres::stop).unwrap();
    let (sent, asked) = tokio::join!(
        timed(async { client.send(address, "key-1", query, &body, Duration::ZERO).await.unwrap() }),
        timed(async { engine.post_json(address, "/v1/profiles/query", &question).await.unwrap() }),
    );
    assert_unavailable("a submission", &sent.0);
    assert_soon("a submission", sent.1);
    assert_unavailable("a lookup", &asked.0);
    assert_soon("a lookup", asked.1);
    assert_eq!(client.get(address, "/healthz").await.unwrap().status, 200);
    assert_eq!(client.get(address, "/readyz").await.unwrap().status, 503);

    fleet.postgres = Some(durable_postgres(&home).await);
    let sent = client.submit("key-1", query, &body, Duration::ZERO).await;
    until("the worker does it", async || {
        let answer = client.get(address, &format!("/v1/batches/{}", sent.batch_id)).await.unwrap();
        answer.status == 200 && answer.json()["state"] == "published"
    })
    .await;
    assert!(server.terminate().await.success() && worker.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_object_store_nothing_is_acknowledged() {
    let house = House::build().await;
    let before = house.bank.submit(&submission(1)).await;
    house.store.turn(Door::Shut);
    let waiting = submission(2);
    assert_unavailable("a submission", &house.bank.send(&waiting).await);
    let unfinished: i64 =
        sqlx::query_scalar("SELECT count(*) FROM batches WHERE state <> 'swept' AND batch_id <> $1::uuid")
            .bind(&before)
            .fetch_one(house.pool())
            .await
            .unwrap();
    assert_eq!(unfinished, 0, "nothing of it stays");
    assert_eq!(house.health("/readyz").await.status, 503);

    // A batch that was received before waits for its object, and is not blamed for it.
    house.eyes.try_jobs().await;
    let (state, error): (String, Option<String>) = sqlx::query_as(
        "SELECT b.state, j.last_error FROM batches b JOIN jobs j USING (batch_id) WHERE b.batch_id = $1::uuid",
    )
    .bind(&before)
    .fetch_one(house.pool())
    .await
    .unwrap();
    assert_eq!(state, "validating");
    assert!(error.unwrap().contains("object store"));

    house.store.turn(Door::Open);
    let after = house.bank.submit(&waiting).await;
    make_due(house.pool()).await;
    house.eyes.try_jobs().await;
    for id in [before, after] {
        assert_eq!(house.bank.batch(&id).await["state"], "published");
    }
}

/// No waiting for the next try.
async fn make_due(pool: &PgPool) {
    sqlx::query("UPDATE jobs SET run_at = clock_timestamp() WHERE state = 'queued'")
        .execute(pool)
        .await
        .unwrap();
}

/// What the store may do to an object.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One bit, so many parts of a hundred into the object.
    Bit(usize),
    Cut,
    Loss,
}

fn damage(path: &std::path::Path, damage: Damage) {
    let mut bytes = std::fs::read(path).unwrap();
    match damage {
        Damage::Bit(percent) => {
            let at = (bytes.len() - 1) * percent / 100;
            bytes[at] ^= 0x10;
        }
        Damage::Cut => bytes.truncate(bytes.len() - 1),
        Damage::Loss => return std::fs::remove_file(path).unwrap(),
    }
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_never_published_and_stops_nobody() {
    let eyes = TestApp::start().await;
    let shop = eyes.contributor("shop", Terms::default()).await;
    let kinds = [Damage::Bit(0), Damage::Bit(50), Damage::Bit(100), Damage::Cut, Damage::Loss];
    for (n, kind) in (0..).zip(kinds) {
        for packed in [false, true] {
            let slug = format!("bank-{n}-{}", if packed { "gzip" } else { "plain" });
            let bank = eyes.contributor(&slug, Terms::default()).await;
            let records: Vec<_> = (1..200).map(account).collect();
            let sent = if packed {
                Submission::ndjson(gzip(&ndjson(&records))).header("content-encoding", "gzip")
            } else {
                Submission::ndjson(ndjson(&records))
            };
            let damaged = bank.submit(&sent).await;
            let key: String = sqlx::query_scalar("SELECT object_key FROM batches WHERE batch_id = $1::uuid")
                .bind(&damaged)
                .fetch_one(&eyes.database.pool)
                .await
                .unwrap();
            damage(&objects::path(&key), kind);
            let behind = bank.submit(&Submission::ndjson(ndjson(&[account(900)]))).await;
            let elsewhere = shop
                .submit(&Submission::ndjson(ndjson(&[account_with(
                    1,
                    &json!({"outstanding": n * 2 + i64::from(packed)}),
                )])))
                .await;

            let mut tries = 0;
            while bank.batch(&damaged).await["state"] != "failed" {
                tries += 1;
                assert!(tries <= 5, "{slug}, {kind:?}: tried for ever");
                make_due(&eyes.database.pool).await;
                eyes.try_jobs().await;
                assert_eq!(shop.batch(&elsewhere).await["state"], "published", "{kind:?}: others go on");
            }
            make_due(&eyes.database.pool).await;
            eyes.try_jobs().await;
            assert_eq!(bank.batch(&behind).await["state"], "published", "{kind:?}: so does its own lane");
            assert_failed(&eyes.database.pool, &damaged, kind).await;
        }
    }
}

/// The cause is kept, and nothing of the batch is served.
async fn assert_failed(pool: &PgPool, id: &str, kind: Damage) {
    let (failure, job, attempts, accounts): (String, String, i32, i64) = sqlx::query_as(
        "SELECT b.failure, j.state, j.attempts, (SELECT count(*) FROM accounts a WHERE a.batch_id = b.batch_id)
         FROM batches b JOIN jobs j USING (batch_id) WHERE b.batch_id = $1::uuid",
    )
    .bind(id)
    .fetch_one(pool)
    .await
    .unwrap();
    assert!(failure.contains("stored object"), "{kind:?}: {failure}");
    assert_eq!((job.as_str(), attempts, accounts), ("dead", 3, 0), "{kind:?}");
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// The answer to the COMMIT of transaction B is lost, in every way: the retry with the same key is one batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_commit_ends_in_one_batch() {
    for forward in [true, false] {
        for then in [Door::Open, Door::Shut] {
            let house = House::build().await;
            house.postgres.cut_at_commit(CommitCut { marker: "batches.receive */", forward, then });
            let sent = submission(1);
            let first = house.bank.send(&sent).await;
            assert!(house.postgres.has_cut(), "the cut was not where it should be");
            if forward && then == Door::Open {
                assert_eq!(first.status, 202, "the server looks its own batch up: {}", first.text());
            } else {
                assert_eq!(first.status, 503, "{}", first.text());
            }
            let committed: i64 =
                sqlx::query_scalar("SELECT count(*) FROM batches WHERE state NOT IN ('receiving', 'swept')")
                    .fetch_one(house.pool())
                    .await
                    .unwrap();
            assert_eq!(committed, i64::from(forward));

            house.postgres.turn(Door::Open);
            let id = until_acknowledged(&house, &sent).await;
            house.eyes.try_jobs().await;
            assert_eq!(house.bank.batch(&id).await["state"], "published");
            assert_one_batch(house.pool(), &format!("forward {forward}, then {then:?}")).await;
        }
    }
}

/// Sends the same again until it is taken; an upload that was cut off holds its key until its lease is over.
async fn until_acknowledged(house: &House, sent: &Submission) -> String {
    let mut id = String::new();
    until("the submission is acknowledged", async || {
        let answer = house.bank.send(sent).await;
        match answer.status.as_u16() {
            202 => id = answer.json()["batch"]["id"].as_str().unwrap().to_owned(),
            409 => assert_eq!(answer.json()["code"], "idempotency-key-in-flight", "{}", answer.text()),
            _ => assert_eq!(answer.status, 503, "{}", answer.text()),
        }
        answer.status == 202
    })
    .await;
    id
}

async fn assert_one_batch(pool: &PgPool, what: &str) {
    let (batches, receptions, jobs, accounts, steps): (i64, i64, i64, i64, Vec<String>) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM batches WHERE state <> 'swept'),
                (SELECT count(*) FROM audit_entries WHERE action = 'batch.receive'),
                (SELECT count(*) FROM jobs WHERE state = 'done'),
                (SELECT count(*) FROM accounts),
                (SELECT array_agg(t.to_state ORDER BY t.transition_no)
                 FROM batch_transitions t JOIN batches b USING (batch_id) WHERE b.state <> 'swept')",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!((batches, receptions, jobs, accounts), (1, 1, 1, 1), "{what}");
    assert_eq!(steps, ["received", "validating", "accepted", "published"], "{what}");
}

/// The same for transaction C: a batch is published once, whichever side of the commit the line broke on.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_the_publishing_commit_publishes_once() {
    for forward in [true, false] {
        for then in [Door::Open, Door::Shut] {
            let house = House::build().await;
            let id = house.bank.submit(&submission(1)).await;
            house.postgres.cut_at_commit(CommitCut { marker: "staging.create */", forward, then });
            // With the line down the worker cannot even say so.
            let done = etrplus::jobs::runner::work_once(&house.eyes.app).await;
            assert!(house.postgres.has_cut(), "the cut was not where it should be");
            assert!(done.is_ok() || then == Door::Shut, "{done:?}");
            let published: i64 = sqlx::query_scalar("SELECT count(*) FROM batches WHERE state = 'published'")
                .fetch_one(house.pool())
                .await
                .unwrap();
            assert_eq!(published, i64::from(forward));

            house.postgres.turn(Door::Open);
            // The lease of the worker that lost the line is over.
            sqlx::query("UPDATE lanes SET lease_token = NULL, lease_expires_at = NULL")
                .execute(house.pool())
                .await
                .unwrap();
            make_due(house.pool()).await;
            until("the worker reaches Postgres again", async || {
                etrplus::jobs::runner::work_once(&house.eyes.app).await.is_ok()
            })
            .await;
            assert_eq!(house.bank.batch(&id).await["state"], "published");
            assert_one_batch(house.pool(), &format!("forward {forward}, then {then:?}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_kills_every_worker_is_given_up_and_lets_the_others_pass() {
    let eyes = TestApp::start().await;
    let bank = eyes.contributor("bank", Terms::default()).await;
    let deadly = bank.submit(&submission(1)).await;
    let next = bank.submit(&submission(2)).await;

    // Ten workers take the batch up and are never heard of again: their leases run out at once.
    for attempt in 1..=10 {
        let token = uuid::Uuid::from_u128(attempt);
        let lease =
            etrplus::db::jobs::lease(&eyes.database.pool, token, Duration::ZERO).await.unwrap().unwrap();
        assert_eq!((lease.batch_id.to_string(), lease.attempts), (deadly.clone(), attempt as i32));
    }
    eyes.try_jobs().await;

    assert_eq!(bank.batch(&deadly).await["state"], "failed");
    assert_eq!(bank.batch(&next).await["state"], "published");
}
