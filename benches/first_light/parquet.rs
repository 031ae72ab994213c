//! From NDJSON to Parquet: 20 fields, 2 % bad rows, every rule that a row meets by itself asked, every refusal written
//! down with its reason, the rest written as `silver.account_snapshots` has it (zstd 3); beside DuckDB with the same
//! checks in SQL, which tells no reasons (`parquet.sql`), on as many cores, turn by turn.
//!
//! Left out on both sides: what the rows say together, and how a person becomes a subject. DuckDB writes the twenty
//! fields; ours the 49 columns of the lake, with a random subject instead of number and name.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, NaiveDate, Utc};
use etrplus::db::serving::Origin;
use etrplus::domain::contract::ndjson::NdjsonReader;
use etrplus::domain::contract::{Mode, MoneyUnit, Terms, spec};
use etrplus::domain::dates::business_date;
use etrplus::domain::finding::Finding;
use etrplus::domain::rules::field::{FieldContext, MoneyForms, read_snapshot};
use etrplus::domain::rules::identity::{IdentityContext, check_identity};
use etrplus::domain::rules::{RULES_VERSION, RowContext, check_policy, check_row};
use etrplus::ids::{BatchId, ContributorId, SubjectId};
use etrplus::lake::SnapshotWriter;
use etrplus::pipeline::refine::{RejectFinding, RejectLine};
use etrplus::privacy::random;

use crate::Scale;
use crate::load::Samples;
use crate::report::{self, Aim, thousands, total_rate};
use crate::rows::{ROWS_PER_FAULT, Rows, scramble};
use crate::rules::{WORKING_DAYS, thread_time};
use crate::world::World;

const DUCKDB: &str = "duckdb==1.5.5";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/first_light/parquet.py");
const STATEMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/first_light/parquet.sql");

/// Read at a time; a line is far shorter.
const BLOCK_BYTES: usize = 256 << 10;

/// What one side needs for all rows, by the clock and of the processors.
#[derive(Clone, Copy, Default)]
struct Taken {
    wall: Duration,
    cpu: Duration,
}

/// One of its two times.
type Time = fn(&Taken) -> Duration;

/// The file that is read, and where the results go.
struct Files {
    ndjson: PathBuf,
    bytes: u64,
    rows: u64,
    period_end: NaiveDate,
    python: PathBuf,
}

pub fn run(world: &World, scale: Scale) -> Result<()> {
    let files = Files::make(world, scale.pick(50_000, 500_000, 1_000_000))?;
    println!(
        "parquet: {} rows ({} MB NDJSON, 20 fields, 2 % bad) → validated → Parquet zstd 3, beside DuckDB",
        files.rows,
        files.bytes / 1_000_000
    );
    for (cores, aim) in [(1, 1.2), (2, 1.0)] {
        let (mut ours, mut duckdb) = (Vec::new(), Vec::new());
        for _ in 0..scale.pick(2, 5, 10) {
            ours.push(files.by_us(cores)?);
            duckdb.push(files.by_duckdb(cores)?);
        }
        compare(&files, cores, (&ours, &duckdb), Aim::AtLeast(aim));
    }
    Ok(())
}

/// On one core the time of the processor counts, so that others on the machine count for little; on two the clock.
fn compare(files: &Files, cores: u64, (ours, duckdb): (&[Taken], &[Taken]), aim: Aim) {
    let samples = |all: &[Taken], time: Time| -> Vec<Samples> {
        let of =
            |taken| Samples { latencies: vec![Duration::ZERO; files.rows as usize], elapsed: time(taken) };
        all.iter().map(of).collect()
    };
    let figures: [(&str, Time); 2] = [("clock", |taken| taken.wall), ("CPU", |taken| taken.cpu)];
    for (name, time) in figures {
        let (ours, duckdb) = (samples(ours, time), samples(duckdb, time));
        let rates = [total_rate(&ours), total_rate(&duckdb)].map(thousands);
        report::line(
            &format!("{cores} core(s), by {name}"),
            &format!("{} rows/s; DuckDB {} rows/s", rates[0], rates[1]),
        );
        if (name == "CPU") == (cores == 1) {
            report::ratio("", &ours, &duckdb, aim);
        }
    }
}

impl Files {
    fn make(world: &World, rows: u64) -> Result<Files> {
        let book = Rows::of_last_month();
        let ndjson = world.path("twenty.ndjson");
        let mut file = BufWriter::new(File::create(&ndjson)?);
        let mut line = Vec::new();
        for n in 0..rows {
            line.clear();
            book.write_twenty(n, &mut line);
            file.write_all(&line)?;
        }
        let bytes = file.into_inner()?.metadata()?.len();
        Ok(Files { ndjson, bytes, rows, period_end: book.period_end, python: python()? })
    }

    /// Each core takes its share of the file and writes files of its own.
    fn by_us(&self, cores: u64) -> Result<Taken> {
        let begun = Instant::now();
        let done: Vec<Result<(Count, Duration)>> = std::thread::scope(|scope| {
            let share = |core| scope.spawn(move || timed(|| self.share(core, cores)));
            let workers: Vec<_> = (0..cores).map(share).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked")))
                .collect()
        });
        let wall = begun.elapsed();
        let (mut total, mut cpu) = (Count::default(), Duration::ZERO);
        for one in done {
            let (count, taken) = one?;
            total.accepted += count.accepted;
            total.refused += count.refused;
            cpu += taken;
        }
        ensure!(total.refused == self.rows / ROWS_PER_FAULT, "{} rows were refused", total.refused);
        ensure!(total.accepted == self.accepted(), "{} rows were accepted", total.accepted);
        Ok(Taken { wall, cpu })
    }

    fn accepted(&self) -> u64 {
        self.rows - self.rows / ROWS_PER_FAULT
    }

    /// The lines that begin in one part of the file, of so many equal ones.
    fn share(&self, part: u64, parts: u64) -> Result<Count> {
        let (from, to) = (self.bytes * part / parts, self.bytes * (part + 1) / parts);
        let mut input = File::open(&self.ndjson)?;
        // A line belongs to the part in which it begins, which the byte before tells.
        input.seek(SeekFrom::Start(from.saturating_sub(1)))?;
        let mut refinery = Refinery::begin(&self.ndjson, part)?;
        let judge = Judge::new(self.period_end);
        let mut reader = NdjsonReader::new(&spec::ACCOUNT_SNAPSHOT);
        let (mut at, mut foreign) = (from.saturating_sub(1), from > 0);
        let (mut block, mut filled) = (vec![0; BLOCK_BYTES], 0);
        while at < to {
            filled += input.read(&mut block[filled..])?;
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', &block[..filled]) {
                if !std::mem::take(&mut foreign) && at < to {
                    judge.line(&mut reader, &block[start..end], &mut refinery)?;
                }
                at += (end + 1 - start) as u64;
                start = end + 1;
            }
            ensure!(start > 0, "a line is longer than a block");
            block.copy_within(start..filled, 0);
            filled -= start;
        }
        refinery.finish()
    }

    fn by_duckdb(&self, cores: u64) -> Result<Taken> {
        let output = Command::new(&self.python)
            .arg(SCRIPT)
            .arg(STATEMENT)
            .arg(&self.ndjson)
            .arg(self.ndjson.with_extension("duckdb.parquet"))
            .args([self.period_end.to_string(), cores.to_string()])
            .output()?;
        ensure!(output.status.success(), "DuckDB failed: {}", String::from_utf8_lossy(&output.stderr));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let rows = answer["rows"].as_u64();
        ensure!(rows == Some(self.accepted()), "DuckDB finds {rows:?} rows good, we {}", self.accepted());
        let seconds = |name: &str| answer[name].as_f64().map(Duration::from_secs_f64).context("no time");
        Ok(Taken { wall: seconds("seconds")?, cpu: seconds("cpu_seconds")? })
    }
}

fn timed(work: impl FnOnce() -> Result<Count>) -> Result<(Count, Duration)> {
    let (begun, cpu) = (Instant::now(), thread_time());
    let count = work()?;
    let taken = match (cpu, thread_time()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => begun.elapsed(),
    };
    Ok((count, taken))
}

#[derive(Clone, Copy, Default)]
struct Count {
    accepted: u64,
    refused: u64,
}

/// What rows are judged by.
struct Judge {
    terms: Terms,
    money_forms: MoneyForms,
    period_end: NaiveDate,
    today: NaiveDate,
}

impl Judge {
    fn new(period_end: NaiveDate) -> Judge {
        let today = business_date(etrplus::clock::Clock::System.now());
        Judge { terms: Terms::default(), money_forms: MoneyForms::default(), period_end, today }
    }

    fn line(&self, reader: &mut NdjsonReader, line: &[u8], refinery: &mut Refinery) -> Result<()> {
        let context =
            FieldContext { terms: &self.terms, money: MoneyUnit::Sen, money_forms: &self.money_forms };
        let row_context = RowContext {
            terms: &self.terms,
            mode: Mode::Delta,
            period_end: self.period_end,
            today: self.today,
            working_days: &WORKING_DAYS,
        };
        let row = reader.read(line)?;
        let mut findings = std::mem::take(&mut refinery.findings);
        let record = read_snapshot(&row, &context, &mut findings);
        check_identity(&record, &IdentityContext { today: self.today }, &mut findings);
        check_row(&record, &row_context, &mut findings);
        check_policy(&record, &row_context, &mut findings);
        refinery.record_no += 1;
        if findings.iter().any(Finding::rejects) {
            let shown = findings.iter().map(|finding| RejectFinding::new(finding, Some(&row))).collect();
            refinery.refuse(record.account_ref, shown)?;
        } else {
            refinery.accept(&record)?;
        }
        findings.clear();
        refinery.findings = findings;
        Ok(())
    }
}

/// Where the rows of one core go.
struct Refinery {
    accepted: SnapshotWriter<File>,
    rejects: BufWriter<File>,
    findings: Vec<Finding>,
    record_no: u64,
    count: Count,
}

impl Refinery {
    fn begin(beside: &Path, part: u64) -> Result<Refinery> {
        let origin = Origin {
            contributor_id: ContributorId(random::uuid_v4()),
            batch_id: BatchId(random::uuid_v4()),
            known_from: DateTime::<Utc>::UNIX_EPOCH,
            rules_version: RULES_VERSION,
            publication_no: 1,
            contract: "account_snapshot/1",
        };
        let file = |extension: String| File::create(beside.with_extension(extension));
        Ok(Refinery {
            accepted: SnapshotWriter::begin(file(format!("{part}.parquet"))?, &origin, 1 << 20)?,
            rejects: BufWriter::new(file(format!("{part}.rejects.ndjson"))?),
            findings: Vec::new(),
            record_no: part << 32,
            count: Count::default(),
        })
    }

    fn accept(&mut self, record: &etrplus::domain::contract::AccountSnapshot<'_>) -> Result<()> {
        let random = [scramble(self.record_no), scramble(!self.record_no)].map(u64::to_le_bytes).concat();
        let subject = SubjectId(uuid::Uuid::from_slice(&random)?);
        self.accepted.push(self.record_no, subject, record)?;
        self.count.accepted += 1;
        Ok(())
    }

    fn refuse(&mut self, account_ref: Option<&str>, findings: Vec<RejectFinding>) -> Result<()> {
        ensure!(!findings.is_empty(), "a row is refused without a reason");
        let account_ref = account_ref.map(str::to_owned);
        let line = RejectLine { record_no: self.record_no, account_ref, application_ref: None, findings };
        serde_json::to_writer(&mut self.rejects, &line)?;
        self.rejects.write_all(b"\n")?;
        self.count.refused += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Count> {
        self.accepted.finish()?;
        self.rejects.flush()?;
        Ok(self.count)
    }
}

/// A Python with DuckDB: a virtual environment in the target directory, made when it is not there.
fn python() -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("no target directory")?;
    let (home, python) = (target.join("python-bench"), target.join("python-bench/bin/python"));
    let has_duckdb = |python: &Path| Command::new(python).args(["-c", "import duckdb"]).output();
    if has_duckdb(&python).is_ok_and(|output| output.status.success()) {
        return Ok(python);
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home).output()?;
    ensure!(made.status.success(), "no Python with venv: {}", String::from_utf8_lossy(&made.stderr));
    let quiet = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", DUCKDB];
    let installed = Command::new(&python).args(quiet).output()?;
    ensure!(installed.status.success(), "no DuckDB: {}", String::from_utf8_lossy(&installed.stderr));
    Ok(python)
}
