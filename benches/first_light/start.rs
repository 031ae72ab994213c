//! From spawn to ready: `serve` on a migrated database, and `dev` on a data directory that it has made before.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Scale;
use crate::load::Samples;
use crate::process::{Process, free_port};
use crate::report::{self, Aim, percentiles, quantile};
use crate::world::World;

pub async fn run(world: &mut World, scale: Scale) -> Result<()> {
    let runs = scale.pick(3, 15, 50);
    println!("start: spawn → first 200 of /readyz");
    let database = world.database().await?;
    let (mut ready, mut floor) = (Samples::default(), Samples::default());
    for _ in 0..runs {
        let mut server = world.spawn_server(&database)?;
        ready.latencies.push(server.process.until_ready(server.address).await?);
        server.process.stop().await?;
        floor.latencies.push(version(&world.binary)?);
    }
    tell("serve", &mut ready, 0.12);
    report::line("  floor: --version", &percentiles(&[floor]));
    let mut second = Samples::default();
    let directory = world.path("dev");
    dev(&directory, world).await?;
    for _ in 0..runs.min(5) {
        second.latencies.push(dev(&directory, world).await?);
    }
    tell("dev, second run", &mut second, 0.5);
    Ok(())
}

fn tell(label: &str, samples: &mut Samples, aim: f64) {
    samples.latencies.sort_unstable();
    report::figure(label, quantile(&samples.latencies, 50).as_secs_f64(), "s", Aim::AtMost(aim));
    report::line("", &percentiles(std::slice::from_ref(samples)));
}

/// What a start of the program costs before it does anything.
fn version(binary: &Path) -> Result<Duration> {
    let begun = Instant::now();
    std::process::Command::new(binary).arg("--version").output()?;
    Ok(begun.elapsed())
}

/// Runs `dev` until it is ready, and stops it.
async fn dev(directory: &Path, world: &World) -> Result<Duration> {
    let (port, metrics) = (free_port()?, free_port()?);
    let data = directory.display().to_string();
    let arguments =
        ["dev", "--data", &data, "--port", &port.to_string(), "--metrics-port", &metrics.to_string()];
    let mut variables: BTreeMap<String, String> = std::env::vars().collect();
    // A database of its own, whatever else there is.
    variables.remove("DATABASE_URL");
    let mut process = Process::spawn(&world.binary, &arguments, &variables, world.path("dev.log"))?;
    let ready = process.until_ready(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    process.stop().await?;
    Ok(ready)
}
