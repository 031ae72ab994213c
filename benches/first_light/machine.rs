//! What the figures were measured on.

use std::fs;

use anyhow::Result;

use crate::Scale;

fn proc_file(name: &str) -> String {
    fs::read_to_string(format!("/proc/{name}")).unwrap_or_default()
}

/// The value behind `key:` in a file of /proc.
fn value(file: &str, key: &str) -> Option<String> {
    let text = proc_file(file);
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Running processes averaged over 1, 5 and 15 minutes.
pub fn load_average() -> String {
    proc_file("loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub fn print(postgres: &str, scale: Scale) -> Result<()> {
    let memory_kb: u64 =
        value("meminfo", "MemTotal").and_then(|kb| kb.split(' ').next()?.parse().ok()).unwrap_or(0);
    println!("eTR+ {} first light, {scale:?} run", env!("CARGO_PKG_VERSION"));
    println!(
        "  cores      {} × {}",
        cores(),
        value("cpuinfo", "model name").unwrap_or_else(|| "unknown".into())
    );
    println!("  memory     {:.1} GB", memory_kb as f64 / 1e6);
    println!("  kernel     {}", proc_file("sys/kernel/osrelease").trim());
    println!("  PostgreSQL {postgres}, fsync and synchronous_commit on");
    println!("  load       {} at start\n", load_average());
    if cfg!(debug_assertions) {
        println!("  This is a debug build: its figures mean nothing.\n");
    }
    Ok(())
}
