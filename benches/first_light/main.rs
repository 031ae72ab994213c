//! What first light costs: measures the path of a batch and of a lookup, each beside a floor that was measured
//! in the same run, turn by turn, so that the drift of a shared machine meets both alike.
//!
//! `cargo bench --bench first_light -- [PARTS]`; `--help` tells the rest. Everything runs on loopback with a private
//! Postgres and an object store in a process of its own, and is gone afterwards.

#![expect(clippy::print_stdout, reason = "a report for the person who started it")]
#![expect(clippy::float_arithmetic, reason = "rates and ratios; no money here")]

mod decoded;
mod gold;
mod hand;
mod history;
mod landing;
mod load;
mod lookups;
mod machine;
mod memory;
mod objects;
mod parquet;
mod process;
mod publish;
mod rebuild;
mod receipts;
mod report;
mod rows;
mod rules;
mod start;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use etrplus::commands::stop_signal;

use world::World;

/// Measures first light: figures beside a floor of the same run.
#[derive(Parser)]
#[command(name = "first_light")]
struct Args {
    /// What to measure; everything when absent.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// A smoke run of some seconds: shows that it works, its figures mean little.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// A long run, for figures to keep.
    #[arg(long)]
    full: bool,
    /// Where Postgres and the object store keep their files [default: the system's temporary directory].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Use this SeaweedFS as object store; without it `weed` of PATH, else the embedded S3 in a process of its own.
    #[arg(long, value_name = "FILE", env = "ETR_BENCH_WEED")]
    weed: Option<PathBuf>,
    /// Measure this `etrplus` instead of the one that was built with the benchmark, to compare two builds.
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_etrplus"))]
    binary: PathBuf,
    /// Use the embedded S3 even if there is a `weed`.
    #[arg(long)]
    embedded_s3: bool,
    /// Cargo says this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    /// Serve the embedded S3 from this directory until standard input ends.
    #[arg(long, hide = true, value_name = "DIR")]
    serve_objects: Option<PathBuf>,
    /// Compute gold over the files of this directory, and tell what it took.
    #[arg(long, hide = true, value_name = "DIR")]
    compute_gold: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable receipts of 1 MB bodies, beside PUTting what is stored.
    Receipts,
    /// Decode and all rules that a row meets on one core, beside decoding alone and the bare parse.
    Rules,
    /// NDJSON with 2 % bad rows to validated Parquet on one and on two cores, beside DuckDB with the same checks.
    Parquet,
    /// A file from its first byte to `published`, beside COPY and upsert by hand; a small batch every 200 ms.
    Publish,
    /// A batch about accounts that are there already: what the rules of history cost.
    History,
    /// From `published` to `curated`, 35 contributors at once; 1,000 appends to one table.
    Landing,
    /// Profile lookups with their footprints, beside pgbench of the same statements.
    Lookups,
    /// Memory while a large body streams in, and while batches of up to 10 million rows (--full) are judged.
    Memory,
    /// The gold tables over 10 million snapshots, beside DuckDB running the same statements over the same files.
    Gold,
    /// The serving store from the lake alone: a million accounts of six months.
    Rebuild,
    /// From spawn to ready.
    Start,
}

/// How long a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Quick,
    Usual,
    Full,
}

impl Scale {
    pub fn pick<T>(self, quick: T, usual: T, full: T) -> T {
        match self {
            Scale::Quick => quick,
            Scale::Usual => usual,
            Scale::Full => full,
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(async {
        let stop = stop_signal().context("cannot listen for signals")?;
        match &args.serve_objects {
            Some(root) => objects::serve_embedded(root).await,
            None if args.compute_gold.is_some() => {
                gold::compute(args.compute_gold.as_deref().unwrap_or(Path::new("."))).await
            }
            // Interrupted, everything that was started is dropped, and with it ended.
            None => tokio::select! {
                done = run(&args) => done,
                () = stop.cancelled() => bail!("interrupted"),
            },
        }
    });
    done.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    println!("first_light: {error:#}");
    ExitCode::FAILURE
}

async fn run(args: &Args) -> Result<()> {
    let scale = match (args.quick, args.full) {
        (true, _) => Scale::Quick,
        (_, true) => Scale::Full,
        _ => Scale::Usual,
    };
    let all = Part::value_variants();
    let parts = if args.parts.is_empty() { all } else { &args.parts };
    let mut world =
        World::new(args.dir.as_deref(), args.binary.clone(), args.weed.clone(), args.embedded_s3)?;
    machine::print(&world.postgres_version().await?, scale)?;
    for part in parts {
        let begun = Instant::now();
        match part {
            Part::Receipts => receipts::run(&mut world, scale).await,
            // A worker decodes on a thread that may block, too.
            Part::Rules => tokio::task::block_in_place(|| rules::run(scale)),
            Part::Parquet => tokio::task::block_in_place(|| parquet::run(&world, scale)),
            Part::Publish => publish::run(&mut world, scale).await,
            Part::History => history::run(&mut world, scale).await,
            Part::Landing => landing::run(&mut world, scale).await,
            Part::Lookups => lookups::run(&mut world, scale).await,
            Part::Memory => memory::run(&mut world, scale).await,
            Part::Gold => gold::run(&world.path("gold"), scale).await,
            Part::Rebuild => rebuild::run(&mut world, scale).await,
            Part::Start => start::run(&mut world, scale).await,
        }
        .with_context(|| format!("{part:?} could not be measured"))?;
        println!("  ({:.0} s, load {})\n", begun.elapsed().as_secs_f64(), machine::load_average());
    }
    Ok(())
}
