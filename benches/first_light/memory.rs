//! Memory of the serving process while one large body streams in: a peak above idle, and whether it grows.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;

use crate::Scale;
use crate::load::{Connection, Pieces};
use crate::publish::submit;
use crate::report::{self, Aim};
use crate::rows::Rows;
use crate::world::World;

const BLOCK_BYTES: usize = 8 << 20;
const PIECE_BYTES: usize = 256 << 10;
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub async fn run(world: &mut World, scale: Scale) -> Result<()> {
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
