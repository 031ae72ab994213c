//! Profile lookups with their footprints, beside `pgbench` of the same SELECT and INSERT on the same server at the
//! same concurrency.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use chrono::TimeDelta;
use etrplus::clock::Clock;
use etrplus::db::accounts::FIND_FOR_TOKENS;
use http::{Request, StatusCode};
use serde_json::json;
use sqlx::{Connection as _, Executor as _};

use crate::load::{Client, Connection, Pieces, Samples, closed_loop};
use crate::publish::{submit, until_published};
use crate::report::{self, Aim, percentiles, thousands, total_rate};
use crate::rows::{Rows, scramble};
use crate::world::{Database, Server, World};
use crate::{Scale, machine};

/// A risk engine that asks about one person after another.
struct Asker {
    connection: Connection,
    authorization: String,
    question: Arc<Questions>,
}

struct Questions {
    people: u64,
    next: AtomicU64,
    /// The question around the identity number.
    before: String,
    after: String,
}

impl Questions {
    fn new(people: u64) -> Questions {
        let now = Clock::System.now();
        let question = json!({
            "subject": {"id_type": "NRIC", "id_number": "@"},
            "purpose": "CREDIT_APPLICATION",
            "consent": {
                "reference": "consent-2026-000123",
                "obtained_at": now - TimeDelta::days(1),
                "expires_at": now + TimeDelta::days(30),
            },
            "client_reference": "checkout-000123",
        })
        .to_string();
        let (before, after) = question.split_once('@').unwrap_or((&question, ""));
        Questions { people, next: AtomicU64::new(0), before: before.to_owned(), after: after.to_owned() }
    }

    fn next(&self) -> Bytes {
        let person = scramble(self.next.fetch_add(1, Ordering::Relaxed)) % self.people;
        [self.before.as_str(), &Rows::nric(person), &self.after].concat().into()
    }
}

impl Asker {
    async fn ask(&mut self) -> Result<Bytes> {
        let request = Request::post("/v1/profiles/query")
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(Pieces::new([self.question.next()]))?;
        self.connection.expect(StatusCode::OK, request).await
    }
}

impl Client for Asker {
    async fn once(&mut self) -> Result<()> {
        self.ask().await.map(drop)
    }
}

pub async fn run(world: &mut World, scale: Scale) -> Result<()> {
    let people = scale.pick(5_000, 100_000, 100_000);
    let rounds = scale.pick(1, 3, 5);
    let seconds = scale.pick(1, 3, 10);
    println!("lookups: profiles of {people} people with their footprints, over HTTP/1.1");
    let database = world.database().await?;
    let server = world.serve(&database).await?;
    fill(world, &database, &server, people).await?;
    let pgbench = Pgbench::prepare(world, &database, people).await?;
    let questions = Arc::new(Questions::new(people));
    for connections in [32, 128] {
        let authorization = format!("Bearer {}", database.risk_token(&server).await?);
        let mut askers = Vec::new();
        for _ in 0..connections {
            let connection = Connection::open(server.address).await?;
            let (authorization, question) = (authorization.clone(), Arc::clone(&questions));
            askers.push(Asker { connection, authorization, question });
        }
        let answer: serde_json::Value = serde_json::from_slice(&askers[0].ask().await?)?;
        ensure!(
            answer["accounts"].as_array().is_some_and(|accounts| accounts.len() == 1),
            "no hit: {answer}"
        );
        (askers, _) = closed_loop(askers, Duration::from_millis(500)).await?;
        let (mut ours, mut floor, mut cpu) = (Vec::new(), Vec::new(), 0.0);
        for _ in 0..rounds {
            let before = server.process.cpu_seconds()?;
            let samples;
            (askers, samples) = closed_loop(askers, Duration::from_secs(seconds)).await?;
            cpu += server.process.cpu_seconds()? - before;
            ours.push(samples);
            floor.extend(pgbench.run(connections, seconds).await?);
        }
        tell(connections, &ours, &floor, cpu);
    }
    server.process.stop().await
}

fn tell(connections: usize, ours: &[Samples], floor: &[Samples], cpu: f64) {
    let told = |rounds: &[Samples]| format!("{}/s, {}", thousands(total_rate(rounds)), percentiles(rounds));
    report::line(&format!("{connections} connections"), &told(ours));
    let count: usize = ours.iter().map(|samples| samples.latencies.len()).sum();
    report::line("", &format!("{:.0} µs CPU of serve per lookup", cpu * 1e6 / count as f64));
    if floor.is_empty() {
        report::line("  floor", "no pgbench beside this Postgres or on PATH");
        return;
    }
    report::line("  floor: pgbench", &told(floor));
    report::ratio("", ours, floor, Aim::AtLeast(1.25));
}

/// Sends the people's accounts through the product.
async fn fill(world: &World, database: &Database, server: &Server, people: u64) -> Result<()> {
    let book = Rows::of_last_month();
    let mut body = Vec::new();
    (0..people).for_each(|n| book.write_ndjson(n, &mut body));
    let worker = world.work(database)?;
    let authorization = format!("Bearer {}", database.contributor_token(server).await?);
    let mut connection = Connection::open(server.address).await?;
    let id = submit(&mut connection, &book, &authorization, Pieces::new([Bytes::from(body)])).await?;
    until_published(&mut connection, &authorization, id, people).await?;
    worker.stop().await?;
    let mut connection = database.connect().await?;
    for table in ["accounts", "subject_identifiers"] {
        connection.execute(sqlx::AssertSqlSafe(format!("ANALYZE {table}"))).await?;
    }
    connection.close().await?;
    Ok(())
}

/// The floor's script and program.
struct Pgbench {
    program: Option<PathBuf>,
    directory: PathBuf,
    url: String,
}

impl Pgbench {
    /// pgbench cannot compute keyed tokens: a second table of identifiers, of the same shape and size, has tokens
    /// that Postgres itself can compute from a number.
    async fn prepare(world: &mut World, database: &Database, people: u64) -> Result<Pgbench> {
        let mut connection = database.connect().await?;
        connection.execute("CREATE TABLE bench_identifiers (LIKE subject_identifiers INCLUDING ALL)").await?;
        let filled = connection.execute(FILL_IDENTIFIERS).await?;
        ensure!(filled.rows_affected() == people, "{} identifiers of {people}", filled.rows_affected());
        connection.execute("ANALYZE bench_identifiers").await?;
        connection.close().await?;
        let select = FIND_FOR_TOKENS
            .replace("FROM subject_identifiers i", "FROM bench_identifiers i")
            .replace("i.token = ANY($1)", &format!("i.token = {TOKEN}"))
            .replace("$2", "now() - interval '90 days'");
        ensure!(
            select.contains("bench_identifiers") && select.contains(TOKEN),
            "the SELECT has another shape now"
        );
        let directory = world.path("pgbench");
        std::fs::create_dir_all(&directory)?;
        let script = format!("\\set n random(1, {people})\n{};\n{INSERT};\n", select.replace('\n', " "));
        std::fs::write(directory.join("script.sql"), script)?;
        let installed = world.postgres().await?.binaries.program("pgbench");
        let program = Some(installed).filter(|file| file.is_file()).or_else(pgbench_on_path);
        Ok(Pgbench { program, directory, url: database.url.clone() })
    }

    /// One round; nothing when there is no pgbench.
    async fn run(&self, connections: usize, seconds: u64) -> Result<Option<Samples>> {
        let Some(program) = &self.program else { return Ok(None) };
        let threads = machine::cores().min(connections).to_string();
        let output = tokio::process::Command::new(program)
            .args(["-n", "-M", "prepared", "-f", "script.sql", "-l", "--log-prefix=round"])
            .args(["-j", &threads, "-c", &connections.to_string(), "-T", &seconds.to_string()])
            .arg(&self.url)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        if !output.status.success() {
            bail!("pgbench: {}", String::from_utf8_lossy(&output.stderr));
        }
        let mut samples = read_logs(&self.directory)?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate =
            told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
        let rate = rate.with_context(|| format!("pgbench tells no rate: {told}"))?;
        samples.elapsed = Duration::from_secs_f64(samples.latencies.len() as f64 / rate);
        Ok(Some(samples))
    }
}

/// Reads and removes what pgbench wrote about every transaction: client, number, latency in µs, …
fn read_logs(directory: &Path) -> Result<Samples> {
    let mut samples = Samples::default();
    let begun = Instant::now();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("round.")) {
            let text = std::fs::read_to_string(&path)?;
            let micros = text.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok());
            samples.latencies.extend(micros.map(Duration::from_micros));
            std::fs::remove_file(&path)?;
        }
    }
    ensure!(!samples.latencies.is_empty(), "pgbench did nothing");
    samples.elapsed = begun.elapsed();
    Ok(samples)
}

fn pgbench_on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("pgbench")).find(|file| file.is_file())
}

const TOKEN: &str = "'\\x01'::bytea || substr(sha256(convert_to(:n::text, 'UTF8')), 1, 16)";

const FILL_IDENTIFIERS: &str = "INSERT INTO bench_identifiers (subject_id, id_type, token, sealed_number)
    SELECT subject_id, id_type,
           '\\x01'::bytea || substr(sha256(convert_to((row_number() OVER ())::text, 'UTF8')), 1, 16), sealed_number
    FROM subject_identifiers";

const INSERT: &str = "INSERT INTO footprints (query_id, subject_token, subject_id, client_id, end_user, purpose, \
    inquiry_type, consent_reference, consent_obtained_at, consent_expires_at, client_reference, as_of, hit_status, \
    account_count, attribute_set_version, answered_at) VALUES (gen_random_uuid(), \
    '\\x01'::bytea || substr(sha256(convert_to(:n::text, 'UTF8')), 1, 16), gen_random_uuid(), gen_random_uuid(), \
    NULL, 'CREDIT_APPLICATION', 'STANDARD', 'consent-2026-000123', now(), now() + interval '30 days', \
    'checkout-000123', current_date, 'HIT', 1, '1', now())";
