//! Memory of the serving process while one large body streams in, and of the working process while batches of three
//! sizes are judged: a peak above idle, and whether it grows.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use crate::Scale;
use crate::load::{Connection, Pieces};
use crate::publish::submit;
use crate::receipts::submission;
use crate::report::{self, Aim, thousands};
use crate::rows::Rows;
use crate::world::World;

const BLOCK_BYTES: usize = 8 << 20;
const PIECE_BYTES: usize = 256 << 10;
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub async fn run(world: &mut World, scale: Scale) -> Result<()> {
    receiving(world, scale).await?;
    let sizes: &[u64] =
        scale.pick(&[20_000, 200_000], &[100_000, 1_000_000], &[100_000, 1_000_000, 10_000_000]);
    println!("memory: one batch judged, work alone; every fiftieth record repeats the one before it");
    for rows in sizes {
        judging(world, *rows).await?;
    }
    Ok(())
}

async fn receiving(world: &mut World, scale: Scale) -> Result<()> {
    let bytes: usize = scale.pick(200 << 20, 2 << 30, 4 << 30);
    // Repeated, so that neither this process nor the disk holds all of it; rows compress as rows do.
    let book = Rows::of_last_month();
    let block = Bytes::from(book.ndjson_of_bytes(0, BLOCK_BYTES).0);
    let pieces: Vec<Bytes> = block.chunks(PIECE_BYTES).map(|piece| block.slice_ref(piece)).collect();
    let repeats = bytes / block.len();
    let sent = repeats * block.len();
    println!("memory: one body of {} MB, NDJSON, serve alone", sent / 1_000_000);
    let database = world.database().await?;
    let server = world.serve(&database).await?;
    let authorization = format!("Bearer {}", database.contributor_token(&server).await?);
    let mut connection = Connection::open(server.address).await?;
    let idle = server.process.memory_mb("VmRSS")?;
    let body = Pieces::new(pieces.iter().cycle().take(pieces.len() * repeats).cloned());
    let begun = Instant::now();
    let mut seen: Vec<f64> = Vec::new();
    let watching = async {
        loop {
            seen.push(server.process.memory_mb("VmRSS")?);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let sending = submit(&mut connection, &book, &authorization, body);
    tokio::select! {
        received = sending => received?,
        ended = watching => return ended,
    };
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(seen.len() >= 4, "it was over too soon to be watched");
    let peak = server.process.memory_mb("VmHWM")?;
    report::line("idle", &format!("{idle:.0} MB"));
    report::line("received", &format!("{seconds:.1} s, {:.0} MB/s", sent as f64 / 1e6 / seconds));
    report::figure("peak above idle", peak - idle, "MB", Aim::AtMost(100.0));
    let quarter = |n: usize| {
        let part = &seen[seen.len() * n / 4..seen.len() * (n + 1) / 4];
        part.iter().copied().fold(0.0, f64::max) - idle
    };
    let quarters: Vec<String> = (0..4).map(|n| format!("{:.0}", quarter(n))).collect();
    report::line("most in each quarter", &format!("{} MB above idle", quarters.join(", ")));
    server.process.stop().await
}

/// A record of so many repeats the one before it.
const REPEATED: u64 = 50;
const FRAME_ROWS: u64 = 2_000;
const JUDGE_LIMIT: Duration = Duration::from_secs(3_000);

/// Judges a batch that declares one record more than it has: it is looked at from end to end and then rejected as a
/// whole, so that Postgres does not merge what only fills the disk.
async fn judging(world: &mut World, rows: u64) -> Result<()> {
    let book = Rows::of_last_month();
    let database = world.database().await?;
    let server = world.serve(&database).await?;
    let worker = world.work(&database)?;
    // Until it has its connections.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = worker.memory_mb("VmRSS")?;
    let authorization = format!("Bearer {}", database.contributor_token(&server).await?);
    let target = format!(
        "/v1/batches?dataset=account_snapshot&mode=DELTA&period_end={}&record_count={}",
        book.period_end,
        rows + 1
    );
    let mut request = submission(&target, &authorization, Pieces::new(packed(&book, rows)?))?;
    request.headers_mut().insert("content-encoding", HeaderValue::from_static("zstd"));
    let begun = Instant::now();
    Connection::open(server.address).await?.expect(StatusCode::ACCEPTED, request).await?;
    let mut connection = database.connect().await?;
    let duplicates: i64 = loop {
        let settled: Option<(String, i64)> = sqlx::query_as(
            "SELECT state, duplicate_records FROM batches WHERE state NOT IN ('received', 'validating')",
        )
        .fetch_optional(&mut connection)
        .await?;
        match settled {
            Some((state, duplicates)) if state == "rejected" => break duplicates,
            Some((state, _)) => bail!("the batch is {state}: {}", worker.said()),
            None => ensure!(begun.elapsed() < JUDGE_LIMIT, "not judged after {JUDGE_LIMIT:?}"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    ensure!(duplicates == (rows / REPEATED) as i64, "{duplicates} records were found to repeat others");
    let peak = worker.memory_mb("VmHWM")?;
    report::line(
        &format!("{} rows", thousands(rows as f64)),
        &format!("received and judged in {:.1} s; idle {idle:.0} MB", begun.elapsed().as_secs_f64()),
    );
    report::figure("peak above idle", peak - idle, "MB", Aim::AtMost(300.0));
    worker.stop().await?;
    server.process.stop().await
}

/// The rows as zstd frames, which in a row are one zstd stream.
fn packed(book: &Rows, rows: u64) -> Result<Vec<Bytes>> {
    let mut frames = Vec::new();
    for first in (0..rows).step_by(FRAME_ROWS as usize) {
        let mut plain = Vec::new();
        for n in first..rows.min(first + FRAME_ROWS) {
            let repeats = n % REPEATED == REPEATED - 1;
            book.write_ndjson(if repeats { n - 1 } else { n }, &mut plain);
        }
        frames.push(zstd::bulk::compress(&plain, 1)?.into());
    }
    Ok(frames)
}
