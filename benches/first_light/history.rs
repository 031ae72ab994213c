//! What the rules of history cost: a batch about accounts that the contributor has published already, where every row is
//! compared with the account's past.
//!
//! The comparison is a stage of its own in a refinement, and the worker's metrics say how long each stage took: the
//! same batch without it is the whole without that stage. Nothing is switched off.

use anyhow::{Result, ensure};
use bytes::Bytes;

use crate::Scale;
use crate::load::{Connection, Pieces};
use crate::process::Process;
use crate::publish::{submit, until_published};
use crate::report::{self, Aim};
use crate::rows::Rows;
use crate::world::{Database, Server, World};

const PIECE_BYTES: usize = 256 << 10;

/// Seconds of a refinement.
struct Took {
    whole: f64,
    read: f64,
    verdict: f64,
    history: f64,
    publish: f64,
}

impl Took {
    fn since(&self, before: &Took) -> Took {
        Took {
            whole: self.whole - before.whole,
            read: self.read - before.read,
            verdict: self.verdict - before.verdict,
            history: self.history - before.history,
            publish: self.publish - before.publish,
        }
    }
}

pub async fn run(world: &mut World, scale: Scale) -> Result<()> {
    let rows = scale.pick(20_000, 1_000_000, 1_000_000);
    println!(
        "history: {rows} rows of accounts that are new, then {rows} rows of the same accounts a day later"
    );
    let database = world.database().await?;
    let server = world.serve(&database).await?;
    let worker = world.work(&database)?;
    let first = refine(&Rows::of_last_month(), rows, &database, &server, &worker).await?;
    tell("first load", &first);
    let second = refine(&Rows::of_last_month().a_day_later(), rows, &database, &server, &worker).await?;
    tell("against what is there", &second);
    ensure!(second.history > 0.0, "the worker does not tell how long the comparison took");
    let ratio = second.whole / (second.whole - second.history);
    report::figure("with beside without", ratio, "times", Aim::AtMost(3.0));
    report::line("work's memory", &format!("at most {:.0} MB", worker.memory_mb("VmHWM")?));
    worker.stop().await?;
    server.process.stop().await
}

fn tell(label: &str, took: &Took) {
    let Took { whole, read, verdict, history, publish } = took;
    let text = format!(
        "refined in {whole:.2} s: read {read:.2} s, verdict {verdict:.2} s, of these {history:.2} s beside the past, \
         publish {publish:.2} s"
    );
    report::line(label, &text);
}

/// Sends the rows and waits until they are published.
async fn refine(
    book: &Rows,
    rows: u64,
    database: &Database,
    server: &Server,
    worker: &Process,
) -> Result<Took> {
    let mut body = Vec::new();
    (0..rows).for_each(|n| book.write_ndjson(n, &mut body));
    let body = Bytes::from(body);
    let pieces = body.chunks(PIECE_BYTES).map(|piece| body.slice_ref(piece));
    // Made anew for each: a token is good for five minutes.
    let authorization = format!("Bearer {}", database.contributor_token(server).await?);
    let mut connection = Connection::open(server.address).await?;
    let id = submit(&mut connection, book, &authorization, Pieces::new(pieces)).await?;
    let before = told(worker).await?;
    until_published(&mut connection, &authorization, id, rows).await?;
    // Published is a moment before the worker counts its own time.
    loop {
        let after = told(worker).await?;
        if after.whole > before.whole {
            return Ok(after.since(&before));
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn told(worker: &Process) -> Result<Took> {
    let stage =
        async |name: &str| worker.metric(&format!("etr_refine_stage_seconds_sum{{stage=\"{name}\"")).await;
    Ok(Took {
        whole: worker.metric("etr_refine_seconds_sum").await?,
        read: stage("read").await?,
        verdict: stage("verdict").await?,
        history: stage("history").await?,
        publish: stage("publish").await?,
    })
}
