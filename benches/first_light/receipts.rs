//! Durable receipts of 1 MB NDJSON bodies, beside PUTting the same bytes as stored to the same store with the same
//! SDK.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use etrplus::ids::{BatchId, ContributorId};
use etrplus::pipeline::pack::Packer;
use etrplus::privacy::random;
use etrplus::store::{StorageKey, Store};
use http::{Request, StatusCode};

use crate::Scale;
use crate::load::{Client, Connection, Pieces, Samples, closed_loop};
use crate::report::{self, Aim, percentiles, thousands, total_rate};
use crate::rows::Rows;
use crate::world::World;

const BODY_BYTES: usize = 1_000_000;
/// As much as is packed in one go; see `pipeline::accept`.
const FRAME_BYTES: usize = 1 << 20;

/// Bodies that differ in their first row alone, so that each is another batch.
pub struct Bodies {
    rows: Rows,
    /// Everything after the first row.
    rest: Bytes,
    pub rows_each: u64,
    next: AtomicU64,
}

impl Bodies {
    pub fn new() -> Bodies {
        let rows = Rows::of_last_month();
        let (rest, count) = rows.ndjson_of_bytes(0, BODY_BYTES - 500);
        Bodies { rows, rest: rest.into(), rows_each: count + 1, next: AtomicU64::new(1_000_000) }
    }

    fn next(&self) -> [Bytes; 2] {
        let mut first = Vec::new();
        self.rows.write_ndjson(self.next.fetch_add(1, Ordering::Relaxed), &mut first);
        [first.into(), self.rest.clone()]
    }

    pub fn target(&self) -> String {
        let period_end = self.rows.period_end;
        format!("/v1/batches?dataset=account_snapshot&mode=DELTA&period_end={period_end}")
    }
}

/// A contributor's system that sends one batch after another.
struct Sender {
    connection: Connection,
    authorization: String,
    target: String,
    bodies: Arc<Bodies>,
}

impl Client for Sender {
    async fn once(&mut self) -> Result<()> {
        let request = submission(&self.target, &self.authorization, Pieces::new(self.bodies.next()))?;
        self.connection.expect(StatusCode::ACCEPTED, request).await?;
        Ok(())
    }
}

/// A submission in NDJSON under a key of its own.
pub fn submission(target: &str, authorization: &str, body: Pieces) -> Result<Request<Pieces>> {
    Ok(Request::post(target)
        .header("authorization", authorization)
        .header("content-type", "application/x-ndjson")
        .header("idempotency-key", random::uuid_v4().to_string())
        .body(body)?)
}

/// The floor: the bytes as stored, under keys as ours.
struct Putter {
    store: Store,
    contributor: ContributorId,
    frame: Bytes,
}

impl Client for Putter {
    async fn once(&mut self) -> Result<()> {
        let key = StorageKey::bronze(self.contributor, BatchId(random::uuid_v4()));
        self.store.put(&key, self.frame.clone()).await?;
        Ok(())
    }
}

/// What a receiver cannot do without: digest, pack and PUT, in one process, without HTTP and without a database.
/// Tells how much of the distance to the floor is computation on the bytes.
struct Packing {
    putter: Putter,
    bodies: Arc<Bodies>,
}

impl Client for Packing {
    async fn once(&mut self) -> Result<()> {
        let bodies = Arc::clone(&self.bodies);
        self.putter.frame = tokio::task::spawn_blocking(move || stored(&bodies)).await??;
        self.putter.once().await
    }
}

pub async fn run(world: &mut World, scale: Scale) -> Result<()> {
    let rounds = scale.pick(1, 4, 8);
    let seconds = Duration::from_secs(scale.pick(1, 2, 5));
    let bodies = Arc::new(Bodies::new());
    let frame = stored(&bodies)?;
    let store = world.objects().await?.name;
    println!(
        "receipts: durable receipts of {:.2} MB NDJSON ({} rows, stored as {} KB) over HTTP/1.1; {store}",
        BODY_BYTES as f64 / 1e6,
        bodies.rows_each,
        frame.len() / 1000
    );
    let database = world.database().await?;
    let server = world.serve(&database).await?;
    let store = Store::connect(&world.objects().await?.config);
    for connections in [4, 16] {
        let authorization = format!("Bearer {}", database.contributor_token(&server).await?);
        let mut senders = Vec::new();
        for _ in 0..connections {
            let connection = Connection::open(server.address).await?;
            let (target, authorization) = (bodies.target(), authorization.clone());
            senders.push(Sender { connection, authorization, target, bodies: Arc::clone(&bodies) });
        }
        let putter =
            || Putter { store: store.clone(), contributor: database.contributor_id, frame: frame.clone() };
        let mut putters: Vec<Putter> = (0..connections).map(|_| putter()).collect();
        let packing = |_| Packing { putter: putter(), bodies: Arc::clone(&bodies) };
        let mut packers: Vec<Packing> = (0..connections).map(packing).collect();
        // Connections, caches and files come into being before anything counts.
        let warm_up = Duration::from_millis(500);
        (senders, _) = closed_loop(senders, warm_up).await?;
        (putters, _) = closed_loop(putters, warm_up).await?;
        let (mut ours, mut floor, mut packed, mut cpu, mut store_cpu) = (vec![], vec![], vec![], 0.0, 0.0);
        for _ in 0..rounds {
            let samples;
            let (before, store_before) =
                (server.process.cpu_seconds()?, world.objects().await?.cpu_seconds()?);
            (senders, samples) = closed_loop(senders, seconds).await?;
            cpu += server.process.cpu_seconds()? - before;
            store_cpu += world.objects().await?.cpu_seconds()? - store_before;
            ours.push(samples);
            let samples;
            (putters, samples) = closed_loop(putters, seconds).await?;
            floor.push(samples);
            let samples;
            (packers, samples) = closed_loop(packers, seconds).await?;
            packed.push(samples);
        }
        tell(connections, &bodies, [&ours, &floor, &packed]);
        tell_cpu(&bodies, &ours, cpu, store_cpu);
    }
    server.process.stop().await
}

fn tell(connections: u32, bodies: &Bodies, [ours, floor, packed]: [&[Samples]; 3]) {
    let per_second = |rounds: &[Samples]| {
        let rate = total_rate(rounds);
        let rows = thousands(rate * bodies.rows_each as f64);
        format!("{rows} rows/s, {rate:.0} bodies/s, {}", percentiles(rounds))
    };
    report::line(&format!("{connections} connections"), &per_second(ours));
    report::line("  floor: PUT as stored", &per_second(floor));
    report::ratio("", ours, floor, Aim::AtLeast(0.7));
    report::line("  digest, pack, PUT", &per_second(packed));
    report::line("", &format!("ratio {:.2}, for orientation", total_rate(ours) / total_rate(packed)));
}

fn tell_cpu(bodies: &Bodies, ours: &[Samples], cpu: f64, store_cpu: f64) {
    let sent: usize = ours.iter().map(|samples| samples.latencies.len()).sum();
    let millions = sent as f64 * bodies.rows_each as f64 / 1e6;
    report::figure("", cpu / millions, "CPU s of serve per million rows", Aim::AtMost(2.5));
    report::line("", &format!("{:.2} CPU s of the store per million rows", store_cpu / millions));
}

/// A body as it is kept.
fn stored(bodies: &Bodies) -> Result<Bytes> {
    let body = bodies.next().concat();
    let mut packer = Packer::packing(&[])?;
    let mut stored = Vec::new();
    for chunk in body.chunks(FRAME_BYTES) {
        let (next, frame) = packer.pack(Bytes::copy_from_slice(chunk));
        packer = next;
        stored.extend_from_slice(&frame?);
    }
    Ok(stored.into())
}
