//! Processes die at any moment, and nothing that was acknowledged is lost, doubled or half there.
//!
//! The binary runs as several servers and workers on a durable Postgres. Moments are drawn from a seed that is
//! printed; `ETR_CRASH_SEED` repeats it, as far as processes and networks can be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use chrono::TimeDelta;
use etrplus::clock::Clock;
use etrplus::domain::contract::Terms;
use etrplus::jobs::runner;
use etrplus::lake::silver::{ACCOUNT_SNAPSHOTS, BATCHES as BATCHES_TABLE};
use etrplus::pipeline::{curate, sweep};
use rustix::process::Signal;
use serde_json::json;
use sqlx::PgPool;

use crate::support::fleet::{Fleet, Process, period_end, until};
use crate::support::lake;
use crate::support::records::{account_with, ndjson};
use crate::support::wire::{Acknowledged, WireClient};

const KILLS: usize = 36;
const CLIENTS: u32 = 6;
/// People whom all contributors share.
const PEOPLE: u32 = 400;

/// Numbers from a seed (SplitMix64).
#[derive(Clone)]
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next(to - from))
    }

    fn seed() -> u64 {
        let given = std::env::vars()
            .find(|(name, _)| name == "ETR_CRASH_SEED")
            .and_then(|(_, text)| text.parse().ok());
        let seed = given.unwrap_or_else(|| Clock::System.now().timestamp_millis().cast_unsigned());
        eprintln!("ETR_CRASH_SEED={seed}");
        seed
    }
}

fn query() -> String {
    format!("dataset=account_snapshot&mode=DELTA&period_end={}", period_end())
}

/// A batch and what it must leave in the serving store: amounts by account.
#[derive(Clone)]
struct Load {
    key: String,
    body: Bytes,
    accounts: BTreeMap<String, i64>,
}

/// The n-th batch of a client: accounts of its own, and one that every batch of the client reports again.
fn load(client: u32, n: u32, rows: u32) -> Load {
    let first = (client * 7919 + n * 31) % PEOPLE;
    let account = |i: u32| (format!("B{n:05}-{i:04}"), (first + i) % PEOPLE, i64::from(n * 10_000 + i));
    let running = ("RUNNING".to_owned(), PEOPLE + client, i64::from(n));
    let accounts: Vec<(String, u32, i64)> = (0..rows).map(account).chain([running]).collect();
    let record = |(account_ref, person, outstanding): &(String, u32, i64)| {
        account_with(
            *person,
            &json!({
                "account_ref": account_ref,
                "as_of_date": period_end(),
                "opened_date": period_end() - TimeDelta::days(200),
                "original_amount": 900_000_000,
                "outstanding": outstanding,
            }),
        )
    };
    Load {
        key: format!("client-{client}-batch-{n}"),
        body: ndjson(&accounts.iter().map(record).collect::<Vec<_>>()).into(),
        accounts: accounts.into_iter().map(|(account_ref, _, amount)| (account_ref, amount)).collect(),
    }
}

/// Everything that one client was told is safe.
struct Sent {
    contributor: String,
    acknowledged: Vec<(Load, Acknowledged)>,
}

/// Sends batch after batch, each until it is acknowledged, as long as the story goes on.
async fn submit_steadily(mut client: WireClient, number: u32, seed: u64, go_on: Arc<AtomicBool>) -> Sent {
    let mut chance = Chance(seed ^ (u64::from(number) << 32));
    client.sign_in().await;
    let mut acknowledged = Vec::new();
    for n in 1.. {
        // Mostly small ones; now and then one that takes a while to judge.
        let rows = if chance.next(12) == 0 { 1500 } else { 20 };
        let load = load(number, n, rows);
        let pause = chance.milliseconds(0, 120);
        let answer = client.submit(&load.key, &query(), &load.body, pause).await;
        acknowledged.push((load, answer));
        if !go_on.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(chance.milliseconds(30, 220)).await;
    }
    Sent { contributor: format!("contributor-{number}"), acknowledged }
}

async fn clients(fleet: &Fleet, servers: &[SocketAddr]) -> Vec<WireClient> {
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let name = format!("contributor-{number}");
        clients.push(fleet.client(&name, Some(Terms::default()), servers).await);
    }
    clients
}

fn addresses(servers: &[&Process]) -> Vec<SocketAddr> {
    servers.iter().filter_map(|server| server.listen).collect()
}

/// All the way into the lake, without waiting for company.
async fn fleet(settings: &[(&str, &str)]) -> Fleet {
    let lake = [("ETR_LAKE_CATALOG", "sql"), ("ETR_LAKE_COMMIT_SECONDS", "0")];
    Fleet::start(&[settings, &lake[..]].concat()).await
}

async fn until_ready(servers: &[SocketAddr]) {
    let anybody = WireClient::new(servers, "nobody", "nothing");
    for server in servers {
        until("a server is ready", async || {
            anybody.get(*server, "/readyz").await.is_some_and(|answer| answer.status == 200)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_and_workers_are_killed_and_nothing_acknowledged_is_lost_or_doubled() {
    let seed = Chance::seed();
    let fleet = fleet(&[("ETR_LEASE_SECONDS", "2"), ("ETR_UPLOAD_LEASE_SECONDS", "2")]).await;
    let mut processes = [fleet.serve(), fleet.serve(), fleet.work(), fleet.work()];
    let servers = addresses(&processes.iter().collect::<Vec<_>>());
    until_ready(&servers).await;
    let go_on = Arc::new(AtomicBool::new(true));
    let senders: Vec<_> = (0..)
        .zip(clients(&fleet, &servers).await)
        .map(|(number, client)| tokio::spawn(submit_steadily(client, number, seed, Arc::clone(&go_on))))
        .collect();

    let mut chance = Chance(seed);
    for _ in 0..KILLS {
        tokio::time::sleep(chance.milliseconds(200, 1000)).await;
        let victim = &mut processes[chance.next(4) as usize];
        victim.kill();
        victim.start();
    }
    go_on.store(false, Ordering::Relaxed);
    let mut sent = Vec::new();
    for sender in senders {
        sent.push(sender.await.unwrap());
    }
    until_drained(&fleet).await;

    let batches: usize = sent.iter().map(|sent| sent.acknowledged.len()).sum();
    let retried =
        sent.iter().flat_map(|sent| &sent.acknowledged).filter(|(_, answer)| answer.tries > 1).count();
    eprintln!("{KILLS} kills, {batches} batches acknowledged, {retried} of them after more than one try");
    assert!(batches > 100 && retried > 0, "this was no load");
    assert_everything_is_there_once(&fleet, &sent).await;
    for process in processes {
        let command = process.command;
        assert!(process.terminate().await.success(), "{command}");
    }
}

/// Nothing is waiting and nothing is being received.
async fn until_drained(fleet: &Fleet) {
    until("everything is settled and swept", async || {
        sweep::abandoned_uploads(&fleet.app).await.unwrap();
        let waiting: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM jobs WHERE state = 'queued')
                  + (SELECT count(*) FROM batches WHERE state IN ('receiving', 'received', 'validating', 'published'))
                  + (SELECT count(*) FROM lake_entries e LEFT JOIN lake_commits c USING (commit_id)
                     WHERE c.state IS DISTINCT FROM 'landed')",
        )
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
        waiting == 0
    })
    .await;
}

#[derive(sqlx::FromRow)]
struct BatchRow {
    batch_id: String,
    contributor: String,
    state: String,
    sha256: String,
    received_bytes: i64,
    object_key: String,
    stored_encoding: String,
    received_records: i64,
    accepted_records: i64,
    conserved: bool,
    steps: Vec<String>,
    receptions: i64,
    jobs_done: i64,
}

const BATCHES: &str = "SELECT b.batch_id::text, c.slug AS contributor, b.state, encode(b.sha256, 'hex') AS sha256,
        b.received_bytes, b.object_key, b.stored_encoding, b.received_records, b.accepted_records,
        b.received_records = b.accepted_records + b.rejected_records + b.duplicate_records + b.unprocessed_records AS conserved,
        (SELECT array_agg(t.to_state ORDER BY t.transition_no) FROM batch_transitions t WHERE t.batch_id = b.batch_id) AS steps,
        (SELECT count(*) FROM audit_entries e WHERE e.object_id = b.batch_id::text AND e.action = 'batch.receive') AS receptions,
        (SELECT count(*) FROM jobs j WHERE j.batch_id = b.batch_id AND j.state = 'done') AS jobs_done
    FROM batches b JOIN contributors c USING (contributor_id) WHERE b.state <> 'swept'";

async fn assert_everything_is_there_once(fleet: &Fleet, sent: &[Sent]) {
    let rows: Vec<BatchRow> = sqlx::query_as(BATCHES).fetch_all(&fleet.pool).await.unwrap();
    let stored: BTreeMap<&str, &BatchRow> = rows.iter().map(|row| (row.batch_id.as_str(), row)).collect();
    let mut acknowledged = BTreeSet::new();
    for sent in sent {
        for (load, answer) in &sent.acknowledged {
            assert!(acknowledged.insert(answer.batch_id.as_str()), "one batch for two submissions");
            let row =
                stored.get(answer.batch_id.as_str()).unwrap_or_else(|| panic!("{} is lost", answer.batch_id));
            assert_eq!(row.contributor, sent.contributor);
            assert_acknowledged(row, load, answer);
            assert_object(fleet, row, load).await;
        }
    }
    let unknown: Vec<&&str> = stored.keys().filter(|id| !acknowledged.contains(**id)).collect();
    assert!(unknown.is_empty(), "batches that nobody was told of: {unknown:?}");
    assert_accounts(&fleet.pool, sent).await;
    assert_lake(fleet, &rows).await;
}

/// The lake has each accepted row of each batch, and each once, however many committers died on it.
async fn assert_lake(fleet: &Fleet, batches: &[BatchRow]) {
    let records = |batch: &BatchRow| {
        (1..=batch.accepted_records).map(|n| (batch.batch_id.clone(), n)).collect::<Vec<_>>()
    };
    let mut expected: Vec<(String, i64)> = batches.iter().flat_map(records).collect();
    expected.sort();
    let landed = lake::keys(&lake::rows(&fleet.app, &ACCOUNT_SNAPSHOTS).await);
    assert!(landed == expected, "{} rows landed, {} were accepted", landed.len(), expected.len());
    let mut told: Vec<String> =
        lake::rows(&fleet.app, &BATCHES_TABLE).await.iter().map(|row| row["batch_id"].clone()).collect();
    told.sort();
    assert!(told.iter().eq(batches.iter().map(|batch| &batch.batch_id).collect::<BTreeSet<_>>()), "{told:?}");
    let (commits, given_up): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 'landed'), count(*) FILTER (WHERE state = 'abandoned') FROM lake_commits",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    eprintln!("{commits} commits landed in the lake, {given_up} were given up");
}

fn assert_acknowledged(row: &BatchRow, load: &Load, answer: &Acknowledged) {
    let id = &row.batch_id;
    let sha256 = hex::encode(digest(&SHA256, &load.body));
    assert_eq!(row.state, "curated", "{id}");
    assert_eq!(
        (row.sha256.as_str(), row.received_bytes as usize),
        (sha256.as_str(), load.body.len()),
        "{id}"
    );
    assert_eq!(answer.claims["sha256"], sha256.as_str(), "{id}");
    assert_eq!(answer.claims["batch_id"], id.as_str());
    let records = load.accounts.len() as i64;
    assert_eq!((row.received_records, row.accepted_records, row.conserved), (records, records, true), "{id}");
    // One way, walked once, however many workers died on it.
    assert_eq!(row.steps, ["received", "validating", "accepted", "published", "curated"], "{id}");
    assert_eq!((row.receptions, row.jobs_done), (1, 1), "{id}");
}

/// The bronze object gives back the bytes as they were sent.
async fn assert_object(fleet: &Fleet, row: &BatchRow, load: &Load) {
    let object = fleet.app.store.get(&row.object_key).await.unwrap();
    let object = object.unwrap_or_else(|| panic!("{} has no object", row.batch_id));
    let stored = object.collect().await.unwrap().into_bytes();
    assert_eq!(row.stored_encoding, "zstd");
    let mut plain = Vec::new();
    zstd::Decoder::new(&stored[..]).unwrap().read_to_end(&mut plain).unwrap();
    assert!(plain == load.body, "{} was stored otherwise", row.batch_id);
}

/// Each account has what its last acknowledged batch said, and there are no others.
async fn assert_accounts(pool: &PgPool, sent: &[Sent]) {
    let mut expected: BTreeMap<(String, String), (String, i64)> = BTreeMap::new();
    for sent in sent {
        for (load, answer) in &sent.acknowledged {
            for (account_ref, amount) in &load.accounts {
                let account = (sent.contributor.clone(), account_ref.clone());
                expected.insert(account, (answer.batch_id.clone(), *amount));
            }
        }
    }
    let rows: Vec<(String, String, String, i64, i32)> = sqlx::query_as(
        "SELECT c.slug, a.account_ref, a.batch_id::text, a.outstanding_sen, cardinality(a.month_as_of)
         FROM accounts a JOIN contributors c USING (contributor_id)",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert_eq!(rows.len(), expected.len(), "accounts");
    for (contributor, account_ref, batch_id, outstanding, months) in rows {
        let account = (contributor, account_ref);
        assert_eq!(expected.get(&account), Some(&(batch_id, outstanding)), "{account:?}");
        assert_eq!(months, 1, "{account:?}: one month was reported, however often");
    }
    assert_people(pool, sent).await;
}

/// Everybody who was named is one subject.
async fn assert_people(pool: &PgPool, sent: &[Sent]) {
    let named: BTreeSet<String> = sent
        .iter()
        .flat_map(|sent| &sent.acknowledged)
        .flat_map(|(load, _)| load.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()))
        .map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap()["id_number"].to_string())
        .collect();
    let (subjects, identifiers): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM subjects), (SELECT count(DISTINCT subject_id) FROM subject_identifiers)",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!((subjects, identifiers), (named.len() as i64, named.len() as i64));
}

/// A worker sleeps through its lease in the middle of a batch; another takes over; the sleeper wakes up.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_through_its_lease_changes_nothing() {
    let fleet = fleet(&[("ETR_LEASE_SECONDS", "2"), ("ETR_WORKERS", "1")]).await;
    let server = fleet.serve();
    let servers = addresses(&[&server]);
    until_ready(&servers).await;
    let mut client = fleet.client("contributor-0", Some(Terms::default()), &servers).await;
    client.sign_in().await;

    let sleeper = fleet.work();
    sleeper.until_said("working").await;
    // It is caught in the middle of its work: looking up persons.
    let mut held = fleet.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE subject_identifiers IN ACCESS EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
    let load = load(0, 1, 200);
    let answer = client.submit(&load.key, &query(), &load.body, Duration::ZERO).await;
    until("the worker waits for the persons", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_locks WHERE relation = 'subject_identifiers'::regclass AND NOT granted",
        )
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
        waiting > 0
    })
    .await;
    sleeper.signal(Signal::STOP);
    held.rollback().await.unwrap();

    // Nobody hears of it; the lease runs out, and another worker does the batch.
    until("another worker took the batch over", async || runner::work_once(&fleet.app).await.unwrap()).await;
    let sent =
        [Sent { contributor: "contributor-0".into(), acknowledged: vec![(load.clone(), answer.clone())] }];
    until("another committer landed it", async || {
        for fed in curate::FED {
            curate::land(&fleet.app, fed).await.unwrap();
        }
        curate::curate(&fleet.app).await.unwrap() > 0
    })
    .await;
    assert_everything_is_there_once(&fleet, &sent).await;

    sleeper.signal(Signal::CONT);
    sleeper.until_said("left to the next worker").await;
    assert!(sleeper.said().contains("the lease on this contributor's lane was lost"), "{}", sleeper.said());
    assert_everything_is_there_once(&fleet, &sent).await;
    let attempts: i32 = sqlx::query_scalar("SELECT attempts FROM jobs").fetch_one(&fleet.pool).await.unwrap();
    assert_eq!(attempts, 2);

    // It is as good a worker as before.
    let next = self::load(0, 2, 20);
    let again = client.submit(&next.key, &query(), &next.body, Duration::ZERO).await;
    until_drained(&fleet).await;
    let [Sent { contributor, mut acknowledged }] = sent;
    acknowledged.push((next, again));
    assert_everything_is_there_once(&fleet, &[Sent { contributor, acknowledged }]).await;
    assert!(sleeper.terminate().await.success());
}

/// The fence itself: a worker whose lane was taken reaches transaction C and may not commit it.
#[tokio::test(flavor = "multi_thread")]
async fn transaction_c_fails_when_somebody_else_has_the_lane() {
    let fleet = fleet(&[]).await;
    let server = fleet.serve();
    let servers = addresses(&[&server]);
    until_ready(&servers).await;
    let mut client = fleet.client("contributor-0", Some(Terms::default()), &servers).await;
    client.sign_in().await;
    let load = load(0, 1, 20);
    client.submit(&load.key, &query(), &load.body, Duration::ZERO).await;

    // It has judged and staged, and waits at the door of transaction C.
    let mut held = fleet.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM lanes FOR UPDATE").execute(&mut *held).await.unwrap();
    let lease = etrplus::db::jobs::Lease {
        contributor_id: sqlx::query_scalar("SELECT contributor_id FROM lanes")
            .fetch_one(&mut *held)
            .await
            .unwrap(),
        lease_token: uuid::Uuid::from_u128(1),
        job_id: sqlx::query_scalar("SELECT job_id FROM jobs").fetch_one(&mut *held).await.unwrap(),
        batch_id: sqlx::query_scalar("SELECT batch_id FROM batches").fetch_one(&mut *held).await.unwrap(),
        kind: etrplus::db::jobs::JobKind::RefineBatch,
        shadow_id: None,
        attempts: 1,
        unreported_attempts: 1,
    };
    give_lane_to(&mut held, lease.lease_token).await;
    held.commit().await.unwrap();
    let mut persons = fleet.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE subject_identifiers IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *persons)
        .await
        .unwrap();
    let refining = {
        let app = Arc::clone(&fleet.app);
        tokio::spawn(async move { etrplus::pipeline::refine::refine(&app, &lease).await })
    };
    until("the batch is being judged", async || state(&fleet.pool).await == "validating").await;
    // Meanwhile the lane goes to somebody else.
    give_lane_to(&mut persons, uuid::Uuid::from_u128(2)).await;
    persons.commit().await.unwrap();

    let error = refining.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("lane was lost"), "{error}");
    assert_eq!(state(&fleet.pool).await, "validating");
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM accounts) + (SELECT count(*) FROM subjects) + (SELECT count(*) FROM subject_identifiers)",
    )
    .fetch_one(&fleet.pool)
    .await
    .unwrap();
    assert_eq!(left, 0, "nothing of it stays");
}

async fn give_lane_to(connection: &mut sqlx::PgConnection, token: uuid::Uuid) {
    sqlx::query(
        "UPDATE lanes SET lease_token = $1, lease_expires_at = clock_timestamp() + interval '1 minute'",
    )
    .bind(token)
    .execute(connection)
    .await
    .unwrap();
}

async fn state(pool: &PgPool) -> String {
    sqlx::query_scalar("SELECT state FROM batches").fetch_one(pool).await.unwrap()
}

/// SIGTERM under load: requests finish, the process says goodbye, nothing acknowledged is lost.
#[tokio::test(flavor = "multi_thread")]
async fn stopping_under_load_finishes_requests_and_loses_nothing() {
    let seed = Chance::seed();
    let fleet = fleet(&[("ETR_LEASE_SECONDS", "2"), ("ETR_UPLOAD_LEASE_SECONDS", "2")]).await;
    let (first, second, worker) = (fleet.serve(), fleet.serve(), fleet.work());
    let servers = addresses(&[&first, &second]);
    until_ready(&servers).await;
    let go_on = Arc::new(AtomicBool::new(true));
    let mut clients = clients(&fleet, &servers).await;
    let mut patient = clients.pop().unwrap();
    patient.sign_in().await;
    let senders: Vec<_> = (0..)
        .zip(clients)
        .map(|(number, client)| tokio::spawn(submit_steadily(client, number, seed, Arc::clone(&go_on))))
        .collect();

    // Half of a body is there, more than a server reads ahead, when it is told to stop.
    let load = load(CLIENTS - 1, 1, 8000);
    let slow = {
        let (patient, load, server) = (patient.clone(), load.clone(), servers[0]);
        tokio::spawn(async move {
            patient.send(server, &load.key, &query(), &load.body, Duration::from_millis(1500)).await
        })
    };
    until("the upload is under way", async || {
        let uploads: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM batches WHERE state = 'receiving' AND idempotency_key = $1",
        )
        .bind(&load.key)
        .fetch_one(&fleet.pool)
        .await
        .unwrap();
        uploads == 1
    })
    .await;
    assert!(first.terminate().await.success(), "the server's exit status");
    let answer = slow.await.unwrap().expect("the request in flight was cut off");
    assert_eq!(answer.status, 202, "{}", answer.text());
    // A worker stops between or within batches; the next one goes on.
    assert!(worker.terminate().await.success(), "the worker's exit status");
    let next = fleet.work();

    go_on.store(false, Ordering::Relaxed);
    let mut sent = Vec::new();
    for sender in senders {
        sent.push(sender.await.unwrap());
    }
    let again = patient.submit(&load.key, &query(), &load.body, Duration::ZERO).await;
    assert_eq!(again.batch_id, answer.json()["batch"]["id"], "the same key, the same batch");
    sent.push(Sent {
        contributor: format!("contributor-{}", CLIENTS - 1),
        acknowledged: vec![(load, again)],
    });
    until_drained(&fleet).await;
    assert_everything_is_there_once(&fleet, &sent).await;
    assert!(next.terminate().await.success());
    assert!(second.terminate().await.success());
}
