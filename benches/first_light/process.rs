//! Children: started here, watched through /proc, ended here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use http::{Request, StatusCode};
use rustix::process::{Pid, Signal, kill_process};

use crate::load::{Connection, Pieces};

/// How often a child is looked at until it is ready; the resolution of what `start` measures.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Linux counts CPU time in hundredths of a second for whoever asks through /proc, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child process; killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    metrics: Option<SocketAddr>,
    pub spawned: Instant,
}

impl Process {
    /// Starts a program with this environment alone; what it says goes to a file.
    pub fn spawn(
        program: &Path,
        arguments: &[&str],
        variables: &BTreeMap<String, String>,
        log: PathBuf,
    ) -> Result<Process> {
        let output = File::create(&log)?;
        let spawned = Instant::now();
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(variables)
            // Held open by us: a child that reads it learns of our end.
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let metrics = variables.get("ETR_METRICS_LISTEN").and_then(|address| address.parse().ok());
        Ok(Process { child, log, metrics, spawned })
    }

    /// Waits until `/readyz` says 200; how long that took since the start.
    pub async fn until_ready(&mut self, address: SocketAddr) -> Result<Duration> {
        loop {
            if is_ready(address).await {
                return Ok(self.spawned.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("a child ended ({status}) and said: {}", self.said());
            }
            if self.spawned.elapsed() > READY_LIMIT {
                bail!("a child is not ready after {READY_LIMIT:?} and said: {}", self.said());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// User and system time of all its threads so far, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name of the program, in parentheses, may hold anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: Vec<f64> =
            fields.split(' ').skip(12).take(2).filter_map(|field| field.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
    }

    /// A line of /proc/PID/status in megabytes: `VmRSS` now, `VmHWM` at its highest.
    pub fn memory_mb(&self, line: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status.lines().find_map(|text| {
            text.strip_prefix(line)?.trim_start_matches(':').trim().split(' ').next()?.parse::<f64>().ok()
        });
        kilobytes
            .map(|kilobytes| kilobytes * 1024.0 / 1e6)
            .context("the system does not tell a process's memory")
    }

    /// The sum of all lines of a metric that begin with `series`, as the process tells them on its own port.
    pub async fn metric(&self, series: &str) -> Result<f64> {
        let address = self.metrics.context("a process without metrics")?;
        let request = Request::get("/metrics").body(Pieces::default())?;
        let text = Connection::open(address).await?.expect(StatusCode::OK, request).await?;
        let text = std::str::from_utf8(&text)?;
        let values = text.lines().filter(|line| line.starts_with(series));
        Ok(values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }

    /// Asks it to end and waits until it has.
    pub async fn stop(mut self) -> Result<()> {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(process, Signal::TERM)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > STOP_LIMIT {
                bail!("a child does not stop and said: {}", self.said());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let asked = async {
        let mut connection = Connection::open(address).await.ok()?;
        let request = Request::get("/readyz").body(Pieces::default()).ok()?;
        Some(connection.send(request).await.ok()?.0 == StatusCode::OK)
    };
    asked.await.unwrap_or(false)
}

/// A port of loopback that was free a moment ago, below the range that a second port may be counted from.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        if port < 50_000 {
            return Ok(port);
        }
    }
    bail!("no free port on loopback")
}
