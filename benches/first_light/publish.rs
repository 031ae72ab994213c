//! From the first byte of a file to `published`, beside the same rows copied and upserted by hand; and how long a
//! small batch takes when one comes every 200 ms.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use etrplus::ids::BatchId;
use http::{Request, StatusCode};

use crate::Scale;
use crate::hand;
use crate::load::{Connection, Pieces, Samples};
use crate::receipts::submission;
use crate::report::{self, Aim, milliseconds, percentiles};
use crate::rows::Rows;
use crate::world::{Database, Server, World};

const LOOK_EVERY: Duration = Duration::from_millis(5);
const PUBLISH_LIMIT: Duration = Duration::from_secs(300);
const PIECE_BYTES: usize = 256 << 10;
const SMALL_BATCH_BYTES: usize = 1_000_000;
const SMALL_BATCH_EVERY: Duration = Duration::from_millis(200);

pub async fn run(world: &mut World, scale: Scale) -> Result<()> {
    large_file(world, scale).await?;
    small_batches(world, scale).await
}

async fn large_file(world: &mut World, scale: Scale) -> Result<()> {
    let (rows, rounds) = scale.pick((50_000, 1), (1_000_000, 1), (1_000_000, 3));
    let book = Rows::of_last_month();
    let mut body = Vec::new();
    (0..rows).for_each(|n| book.write_ndjson(n, &mut body));
    let body = Bytes::from(body);
    let by_hand = hand::encode(&book, rows)?;
    println!(
        "publish: {rows} rows ({} MB NDJSON) of distinct people, first byte sent → published",
        body.len() / 1_000_000
    );
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // A fresh database each: nobody's first load runs into the other's rows.
        let database = world.database().await?;
        let hand_first = round % 2 == 1;
        if hand_first {
            floor.push(hand::load(&database, &by_hand).await?);
        }
        ours.push(publish(world, &database, &book, &body, rows).await?);
        if !hand_first {
            let other = world.database().await?;
            floor.push(hand::load(&other, &by_hand).await?);
        }
    }
    let sum = |times: &[Duration]| times.iter().map(Duration::as_secs_f64).sum::<f64>();
    let per_round: Vec<f64> =
        ours.iter().zip(&floor).map(|(ours, floor)| floor.as_secs_f64() / ours.as_secs_f64()).collect();
    report::line("  floor: COPY and upsert", &format!("{:.2} s", sum(&floor) / f64::from(rounds)));
    let aim = Aim::AtMost(7.0 * rows as f64 / 1e6);
    report::figure("published", sum(&ours) / f64::from(rounds), "s", aim);
    report::ratio_of("", sum(&floor) / sum(&ours), &per_round, Aim::AtLeast(0.5));
    Ok(())
}

async fn publish(
    world: &World,
    database: &Database,
    book: &Rows,
    body: &Bytes,
    rows: u64,
) -> Result<Duration> {
    let server = world.serve(database).await?;
    let worker = world.work(database)?;
    let authorization = format!("Bearer {}", database.contributor_token(&server).await?);
    let mut connection = Connection::open(server.address).await?;
    let pieces = body.chunks(PIECE_BYTES).map(|piece| body.slice_ref(piece));
    let (server_cpu, worker_cpu) = (server.process.cpu_seconds()?, worker.cpu_seconds()?);
    let begun = Instant::now();
    let id = submit(&mut connection, book, &authorization, Pieces::new(pieces)).await?;
    let received = begun.elapsed();
    until_published(&mut connection, &authorization, id, rows).await?;
    let published = begun.elapsed();
    let (server_cpu, worker_cpu) =
        (server.process.cpu_seconds()? - server_cpu, worker.cpu_seconds()? - worker_cpu);
    report::line(
        "ours",
        &format!(
            "received after {:.2} s, published after {:.2} s; CPU: serve {server_cpu:.2} s, work {worker_cpu:.2} s; \
             work's memory at most {:.0} MB",
            received.as_secs_f64(),
            published.as_secs_f64(),
            worker.memory_mb("VmHWM")?
        ),
    );
    worker.stop().await?;
    server.process.stop().await?;
    Ok(published)
}

/// Sends a batch that must be received; its id.
pub async fn submit(
    connection: &mut Connection,
    book: &Rows,
    authorization: &str,
    body: Pieces,
) -> Result<BatchId> {
    let target = format!("/v1/batches?dataset=account_snapshot&mode=DELTA&period_end={}", book.period_end);
    let answer = connection.expect(StatusCode::ACCEPTED, submission(&target, authorization, body)?).await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    Ok(answer["batch"]["id"].as_str().context("no batch id")?.parse()?)
}

/// Waits until a batch is published with all of its rows accepted.
pub async fn until_published(
    connection: &mut Connection,
    authorization: &str,
    id: BatchId,
    rows: u64,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        let request = Request::get(format!("/v1/batches/{id}"))
            .header("authorization", authorization)
            .body(Pieces::default())?;
        let answer: serde_json::Value =
            serde_json::from_slice(&connection.expect(StatusCode::OK, request).await?)?;
        match answer["state"].as_str().unwrap_or_default() {
            "received" | "validating" | "accepted" => {}
            "published" => {
                let accepted = answer["counts"]["accepted"].as_u64();
                ensure!(accepted == Some(rows), "{accepted:?} of {rows} rows were accepted");
                return Ok(());
            }
            other => bail!("the batch is {other}: {answer}"),
        }
        ensure!(begun.elapsed() < PUBLISH_LIMIT, "not published after {PUBLISH_LIMIT:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn small_batches(world: &mut World, scale: Scale) -> Result<()> {
    let count = scale.pick(10, 100, 300);
    let book = Rows::of_last_month();
    let mut bodies: Vec<(Bytes, u64)> = Vec::new();
    let mut first = 0;
    // Some to warm up, then those that count.
    for _ in 0..count + 5 {
        let (body, rows) = book.ndjson_of_bytes(first, SMALL_BATCH_BYTES);
        first += rows;
        bodies.push((body.into(), rows));
    }
    println!("publish: 1 MB batches of new accounts, one every {SMALL_BATCH_EVERY:?}, received → published");
    let database = world.database().await?;
    let server = world.serve(&database).await?;
    let worker = world.work(&database)?;
    let authorization = format!("Bearer {}", database.contributor_token(&server).await?);
    let mut connection = Connection::open(server.address).await?;
    for (body, rows) in bodies.drain(..5) {
        let id = submit(&mut connection, &book, &authorization, Pieces::new([body])).await?;
        until_published(&mut connection, &authorization, id, rows).await?;
    }
    let (samples, receipts) = at_a_steady_pace(&database, &server, &book, &authorization, bodies).await?;
    report::line("received → published", &percentiles(&[samples]));
    report::line("sent → receipt", &percentiles(&[receipts]));
    worker.stop().await?;
    server.process.stop().await
}

/// Sends bodies on time whatever becomes of those before, and watches in the database when each is published.
async fn at_a_steady_pace(
    database: &Database,
    server: &Server,
    book: &Rows,
    authorization: &str,
    bodies: Vec<(Bytes, u64)>,
) -> Result<(Samples, Samples)> {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let count = bodies.len();
    let sending = async {
        let mut pace = tokio::time::interval(SMALL_BATCH_EVERY);
        let mut receipts = Samples::default();
        let mut connection = Connection::open(server.address).await?;
        for (body, _) in bodies {
            pace.tick().await;
            let sent = Instant::now();
            let id = submit(&mut connection, book, authorization, Pieces::new([body])).await?;
            receipts.latencies.push(sent.elapsed());
            // The other half has failed when nobody hears it; its error is the one to tell.
            let _ = tell.send((id, Instant::now()));
        }
        Ok::<_, anyhow::Error>(receipts)
    };
    let watching = async {
        let mut database = database.connect().await?;
        let (mut waiting, mut samples) = (HashMap::new(), Samples::default());
        let begun = Instant::now();
        while samples.latencies.len() < count {
            ensure!(
                begun.elapsed() < PUBLISH_LIMIT,
                "{} batches are not published",
                count - samples.latencies.len()
            );
            while let Ok((id, received)) = told.try_recv() {
                waiting.insert(id, received);
            }
            let ids: Vec<BatchId> = waiting.keys().copied().collect();
            let done: Vec<BatchId> = sqlx::query_scalar(
                "SELECT batch_id FROM batches WHERE batch_id = ANY($1) AND state = 'published'",
            )
            .bind(ids)
            .fetch_all(&mut database)
            .await?;
            let seen = Instant::now();
            samples
                .latencies
                .extend(done.iter().filter_map(|id| waiting.remove(id)).map(|received| seen - received));
            tokio::time::sleep(LOOK_EVERY).await;
        }
        samples.elapsed = begun.elapsed();
        Ok::<_, anyhow::Error>(samples)
    };
    let (receipts, samples) = tokio::try_join!(sending, watching)?;
    report::line("pace", &format!("{count} batches in {}", milliseconds(samples.elapsed)));
    Ok((samples, receipts))
}
