//! Gold over millions of snapshots: DataFusion, in ranges of people, beside DuckDB running the same statements over the same
//! files in the same run.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use chrono::NaiveDate;
use etrplus::lake::SnapshotFile;
use etrplus::lake::gold::{self, Moment, Step};
use etrplus::lake::query::{Budget, Engine};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Scale;
use crate::report::{self, Aim};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/first_light/gold.py");
const MEMORY_BYTES: usize = 512 << 20;
const GIGABYTE: f64 = 1e9;

/// What one engine did.
#[derive(Debug, Deserialize)]
struct Done {
    seconds: f64,
    cpu_seconds: f64,
    peak_bytes: f64,
    people: u64,
    total_outstanding: i64,
}

pub async fn run(folder: &Path, scale: Scale) -> Result<()> {
    let rows = scale.pick(200_000, 10_000_000, 10_000_000);
    let rounds = scale.pick(1, 1, 3);
    let threads = std::thread::available_parallelism()?.get();
    fs::create_dir_all(folder)?;
    let made = python(&json!({"make": folder, "rows": rows}))?;
    println!("gold: {} snapshots, {threads} threads, {rounds} rounds", made["rows"]);
    let moment = Moment {
        as_of: NaiveDate::from_ymd_opt(2026, 7, 5).context("a day")?,
        known_at: "2026-07-06T00:00:00Z".parse()?,
    };
    for (name, batch) in [("params", gold::params(moment)?.1), ("calendar", gold::calendar()?.1)] {
        let file = fs::File::create(folder.join(format!("{name}.parquet")))?;
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None)?;
        writer.write(&batch)?;
        writer.close()?;
    }
    let (mut cpu, mut wall, mut peak) = (Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..rounds {
        let ours = in_a_process_of_its_own(folder)?;
        let theirs = with_duckdb(folder, threads)?;
        ensure!(
            (ours.people, ours.total_outstanding) == (theirs.people, theirs.total_outstanding),
            "other results: {ours:?} and {theirs:?}"
        );
        for (name, done) in [("DataFusion", &ours), ("DuckDB", &theirs)] {
            let gigabytes = done.peak_bytes / GIGABYTE;
            report::line(
                name,
                &format!("{:.1} s, {:.1} CPU s, peak {gigabytes:.2} GB", done.seconds, done.cpu_seconds),
            );
        }
        cpu.push(ours.cpu_seconds / theirs.cpu_seconds);
        wall.push(ours.seconds / theirs.seconds);
        peak = peak.max(ours.peak_bytes);
    }
    let mean = |ratios: &[f64]| ratios.iter().sum::<f64>() / ratios.len() as f64;
    report::ratio_of("CPU, ours over DuckDB's", mean(&cpu), &cpu, Aim::AtMost(1.5));
    report::ratio_of("time, ours over DuckDB's", mean(&wall), &wall, Aim::AtMost(1.5));
    report::figure("peak memory", peak / GIGABYTE, "GB", Aim::AtMost(1.0));
    Ok(())
}

/// So that memory is that of the computation alone.
fn in_a_process_of_its_own(folder: &Path) -> Result<Done> {
    let output = Command::new(std::env::current_exe()?).arg("--compute-gold").arg(folder).output()?;
    ensure!(output.status.success(), "it failed: {}", String::from_utf8_lossy(&output.stdout));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Computes everything there is over the files of a folder and tells what it took.
pub async fn compute(folder: &Path) -> Result<()> {
    let begun = Instant::now();
    let partitions = std::thread::available_parallelism()?.get();
    let engine = Engine::new(Budget { memory_bytes: MEMORY_BYTES, partitions, questions: 1 })?;
    let session = engine.session().await?;
    let mut rows = 0;
    for name in gold::TABLES {
        let (schema, files) = files(folder, name)?;
        if *name == "account_snapshots" {
            rows = files.iter().map(|file| file.rows).sum();
        }
        session.register_files(name, &schema, &files)?;
    }
    let moment = Moment {
        as_of: NaiveDate::from_ymd_opt(2026, 7, 5).context("a day")?,
        known_at: "2026-07-06T00:00:00Z".parse()?,
    };
    gold::prepare(&session, moment).await?;
    gold::divide(&session)?;
    let (mut people, mut total_outstanding) = (0_u64, 0);
    for range in gold::ranges(rows) {
        gold::narrow(&session, &range).await?;
        for batch in gold::attributes(&session).await? {
            people += batch.num_rows() as u64;
            let owed = batch.column_by_name("total_outstanding").context("a column")?;
            total_outstanding += owed.as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        }
        gold::portfolios(&session).await?;
        gold::forget_persons(&session)?;
    }
    let (cpu_seconds, peak_bytes) = usage()?;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak_bytes, "people": people,
            "total_outstanding": total_outstanding,
        })
    );
    Ok(())
}

/// CPU seconds and the highest resident memory of this process so far.
fn usage() -> Result<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    // utime and stime, in hundredths.
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    Ok((ticks / 100.0, kilobytes * 1024.0))
}

fn files(folder: &Path, name: &str) -> Result<(arrow::datatypes::Schema, Vec<SnapshotFile>)> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        stem == name || stem.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
    });
    paths.sort();
    let (mut schema, mut files) = (None, Vec::new());
    for path in paths {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path)?)?;
        files.push(SnapshotFile {
            path: format!("file://{}", path.display()),
            bytes: path.metadata()?.len(),
            rows: reader.metadata().file_metadata().num_rows() as u64,
        });
        schema = Some(reader.schema().as_ref().clone());
    }
    Ok((schema.with_context(|| format!("no files of {name}"))?, files))
}

fn with_duckdb(folder: &Path, threads: usize) -> Result<Done> {
    let all: Vec<Step> = [gold::WHOLE, gold::PERSONS, gold::PORTFOLIOS].concat();
    let steps: Vec<Value> =
        all.iter().map(|step| json!({"name": step.name, "statement": step.statement})).collect();
    let names = gold::TABLES.iter().chain(&["params", "calendar"]);
    let files: serde_json::Map<String, Value> = names
        .map(|name| {
            let pattern = if *name == "account_snapshots" { "account_snapshots-*" } else { name };
            ((*name).to_owned(), json!(folder.join(format!("{pattern}.parquet"))))
        })
        .collect();
    Ok(serde_json::from_value(python(&json!({"files": files, "steps": steps, "threads": threads}))?)?)
}

/// Asks the script. The interpreter has DuckDB: that of `ETR_TEST_PYTHON`, or that which the tests make.
fn python(question: &Value) -> Result<Value> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let program = std::env::var_os("ETR_TEST_PYTHON").map_or(made, PathBuf::from);
    let mut asked = Command::new(&program)
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| {
        format!("no {}: run the test `gold` once, or set ETR_TEST_PYTHON", program.display())
    })?;
    asked.stdin.take().context("no pipe")?.write_all(question.to_string().as_bytes())?;
    let output = asked.wait_with_output()?;
    ensure!(output.status.success(), "DuckDB failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
