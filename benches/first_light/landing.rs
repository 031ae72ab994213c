//! From `published` to `curated`, with many contributors sending at once; and whether the thousandth append costs more than
//! the first.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use etrplus::commands::serve;
use etrplus::pipeline::curate::{self, FED};
use tokio::task::JoinSet;

use crate::Scale;
use crate::load::{Connection, Pieces, Samples};
use crate::publish::submit;
use crate::report::{self, Aim, milliseconds, percentiles, quantile};
use crate::rows::Rows;
use crate::world::World;

/// As many as the bureau begins with.
const CONTRIBUTORS: usize = 35;
const BATCH_BYTES: usize = 500_000;
/// Something is wrong when a batch has not landed by then.
const LIMIT: Duration = Duration::from_secs(600);

pub async fn run(world: &mut World, scale: Scale) -> Result<()> {
    crowd(world, scale).await?;
    creep(world, scale).await
}

/// Every contributor sends one batch after the other, all at once.
async fn crowd(world: &mut World, scale: Scale) -> Result<()> {
    let (contributors, batches) = (scale.pick(6, CONTRIBUTORS, CONTRIBUTORS), scale.pick(2, 4, 12));
    println!("landing: {contributors} contributors send {batches} batches of 0.5 MB each at once");
    let mut database = world.database().await?;
    database.switch_lake_on();
    let server = world.serve(&database).await?;
    let worker = world.work(&database)?;
    let tokens = database.more_contributors(&server, contributors).await?;
    let book = Rows::of_last_month();
    let mut bodies = Vec::new();
    let mut first = 0;
    for _ in 0..batches {
        let (body, rows) = book.ndjson_of_bytes(first, BATCH_BYTES);
        first += rows;
        bodies.push(Bytes::from(body));
    }
    let mut senders = JoinSet::new();
    for token in tokens {
        let (bodies, address) = (bodies.clone(), server.address);
        senders.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let authorization = format!("Bearer {token}");
            for body in bodies {
                submit(&mut connection, &Rows::of_last_month(), &authorization, Pieces::new([body])).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    let landed = until_curated(&database.url, contributors * batches).await?;
    let p95 = quantile(&landed, 95).as_secs_f64();
    report::figure("published → curated, p50", quantile(&landed, 50).as_secs_f64(), "s", Aim::AtMost(10.0));
    report::figure("published → curated, p95", p95, "s", Aim::AtMost(30.0));
    worker.stop().await?;
    server.process.stop().await
}

/// How long each batch took from `published` to `curated`, in order.
async fn until_curated(url: &str, count: usize) -> Result<Vec<Duration>> {
    let mut database = <sqlx::PgConnection as sqlx::Connection>::connect(url).await?;
    let begun = Instant::now();
    loop {
        let seconds: Vec<f64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM c.at - p.at)::float8 FROM batch_transitions c
             JOIN batch_transitions p ON p.batch_id = c.batch_id AND p.to_state = 'published'
             WHERE c.to_state = 'curated' ORDER BY 1",
        )
        .fetch_all(&mut database)
        .await?;
        if seconds.len() >= count {
            return Ok(seconds.into_iter().map(|s| Duration::from_secs_f64(s.max(0.0))).collect());
        }
        ensure!(begun.elapsed() < LIMIT, "{} of {count} batches landed in {LIMIT:?}", seconds.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Appends one row at a time: what grows with the number of appends is seen at the end.
async fn creep(world: &mut World, scale: Scale) -> Result<()> {
    let commits = scale.pick(60, 1_000, 1_200);
    let window = scale.pick(20, 100, 100);
    println!("landing: {commits} appends to one table, one after the other");
    let mut database = world.database().await?;
    database.switch_lake_on();
    let app = serve::wire(database.config()?).await?;
    let batches = FED.iter().find(|fed| fed.table.name == "batches").context("no table of batches")?;
    put_batch(&database.url, database.contributor_id).await?;
    let mut samples = Samples::default();
    for _ in 0..commits {
        enter(&database.url, database.contributor_id).await?;
        let begun = Instant::now();
        ensure!(curate::land(&app, batches).await? == 1, "one row lands at a time");
        samples.latencies.push(begun.elapsed());
    }
    let sorted = |part: &[Duration]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part
    };
    let first = quantile(&sorted(&samples.latencies[..window]), 50);
    let last = quantile(&sorted(&samples.latencies[samples.latencies.len() - window..]), 50);
    report::line("all appends", &percentiles(&[samples]));
    report::line("the first", &format!("p50 {} of {window}", milliseconds(first)));
    report::figure("the last, p50", last.as_secs_f64() * 1e3, "ms", Aim::AtMost(50.0));
    app.db.close().await;
    Ok(())
}

const BATCH: &str = "00000000-0000-4000-8000-00000000beef";

/// A batch that the entries tell of.
async fn put_batch(url: &str, contributor: etrplus::ids::ContributorId) -> Result<()> {
    let mut database = <sqlx::PgConnection as sqlx::Connection>::connect(url).await?;
    sqlx::query(
        "INSERT INTO batches (batch_id, contributor_id, client_id, dataset, mode, period_end, envelope, state, sha256,
             received_bytes, receipt, received_at, idempotency_key, content_type, content_encoding, stored_encoding,
             object_key, receiving_until, created_at)
         SELECT $1::text::uuid, $2, client_id, 'account_snapshot', 'DELTA', '2026-10-31', '{\"schema_version\": \"1\"}', 'received',
             sha256(''), 0, 'none', now(), 'k', 'text/csv', 'identity', 'identity', 'bronze/none', now(), now()
         FROM clients WHERE contributor_id = $2 LIMIT 1",
    )
    .bind(BATCH)
    .bind(contributor)
    .execute(&mut database)
    .await?;
    Ok(())
}

async fn enter(url: &str, contributor: etrplus::ids::ContributorId) -> Result<()> {
    let mut database = <sqlx::PgConnection as sqlx::Connection>::connect(url).await?;
    sqlx::query(
        "INSERT INTO lake_entries (table_name, contributor_id, batch_id, publication_no, rows, known_from, state)
         VALUES ('silver.batches', $2, $1::text::uuid, 1, 1, now(), 'published')",
    )
    .bind(BATCH)
    .bind(contributor)
    .execute(&mut database)
    .await?;
    Ok(())
}
