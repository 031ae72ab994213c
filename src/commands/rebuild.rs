//! `etrplus rebuild`: a store made anew from what it came from.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::serve;
use crate::app::App;
use crate::config::Config;
use crate::pipeline::rebuild::lake::{self, Outcome, Remade};
use crate::pipeline::rebuild::serving::{self, Order};

/// Make a store anew, compare it with the one in use, and put it in its place.
///
/// Interrupted, it goes on where it was when it is started again.
#[derive(Debug, clap::Args)]
pub struct RebuildArgs {
    #[command(subcommand)]
    store: Store,
}

#[derive(Debug, clap::Subcommand)]
enum Store {
    /// The accounts that are served, from the tables of the lake alone.
    Serving {
        /// Say what differs and change nothing. Ends with 1 when something does.
        #[arg(long)]
        compare_only: bool,
        /// Who does this, for the audit trail.
        #[arg(long, default_value = "unnamed")]
        operator: String,
    },
    /// The tables of accepted records in the lake, from the bytes that were received. Corrections, rekeys and withdrawals come
    /// from the journal. Ends with 1 when a table was left alone, because what was made anew differs from it for no known reason.
    Lake,
}

/// Runs the command: results go to `out`, how far it is to `progress`. Whether there was nothing to change.
pub async fn run(
    args: RebuildArgs,
    config: Config,
    out: &mut impl Write,
    progress: &mut (impl Write + Send),
) -> Result<bool> {
    let app = serve::wire(config).await?;
    rebuild(&app, args, out, progress).await
}

/// The same on an app that is wired already.
pub async fn rebuild(
    app: &Arc<App>,
    args: RebuildArgs,
    out: &mut impl Write,
    progress: &mut (impl Write + Send),
) -> Result<bool> {
    match args.store {
        Store::Serving { compare_only, operator } => {
            let order = Order { compare_only, asked_by: format!("cli:{operator}") };
            rebuild_serving(app, &order, out, progress).await
        }
        Store::Lake => rebuild_lake(app, out, progress).await,
    }
}

async fn rebuild_lake(
    app: &Arc<App>,
    out: &mut impl Write,
    progress: &mut (impl Write + Send),
) -> Result<bool> {
    let mut bar = Bar::new(progress);
    let remade = lake::rebuild(app, &mut |step, done, all| bar.tell(step, done, all)).await?;
    bar.end();
    let mut right = true;
    for one in remade {
        let Remade { table, rows, from_journal, outcome } = one;
        right &= !matches!(outcome, Outcome::GivenUp(_));
        let (compared, word) = match outcome {
            Outcome::Exchanged(compared) => (compared, "differed"),
            Outcome::GivenUp(compared) => {
                (compared, "differ for no known reason: the table in use was left alone")
            }
            Outcome::Before => {
                writeln!(out, "{table}: left alone, an earlier run put it in its place")?;
                continue;
            }
        };
        writeln!(
            out,
            "{table}: {rows} rows made anew, {from_journal} of them from the journal; {} publications, {} {word}",
            compared.compared, compared.differences
        )?;
        for found in &compared.examples.0 {
            writeln!(out, "  {}: expected {}, found {}", found.key, found.expected, found.found)?;
        }
    }
    Ok(right)
}

async fn rebuild_serving(
    app: &Arc<App>,
    order: &Order,
    out: &mut impl Write,
    progress: &mut (impl Write + Send),
) -> Result<bool> {
    let mut bar = Bar::new(progress);
    let rebuilt = serving::rebuild(app, order, &mut |step, done, all| bar.tell(step, done, all)).await?;
    bar.end();
    let mut same = true;
    for one in rebuilt {
        let Some(compared) = one.compared else {
            writeln!(out, "{}: left alone, an earlier run put it right", one.slug)?;
            continue;
        };
        same &= compared.differences == 0;
        let word = if order.compare_only { "differ" } else { "were put right" };
        writeln!(out, "{}: {} accounts, {} {word}", one.slug, compared.compared, compared.differences)?;
        for found in &compared.examples.0 {
            writeln!(out, "  {}: expected {}, found {}", found.key, found.expected, found.found)?;
        }
    }
    Ok(same || !order.compare_only)
}

/// One line that is written over, or not at all where nobody looks.
struct Bar<'w, W> {
    progress: &'w mut W,
    step: String,
    told: Option<Instant>,
}

const CELLS: i64 = 30;
const EVERY: Duration = Duration::from_millis(200);

impl<'w, W: Write> Bar<'w, W> {
    fn new(progress: &'w mut W) -> Bar<'w, W> {
        Bar { progress, step: String::new(), told: None }
    }

    fn tell(&mut self, step: &str, done: i64, all: i64) {
        let new = step != self.step;
        if !new && done < all && self.told.is_some_and(|told| told.elapsed() < EVERY) {
            return;
        }
        let filled = (done * CELLS).checked_div(all).unwrap_or(CELLS).clamp(0, CELLS) as usize;
        let line_end = if new && self.told.is_some() { "\n" } else { "\r" };
        let bar = format!("{}{}", "#".repeat(filled), ".".repeat(CELLS as usize - filled));
        // Nobody needs to see how far it is.
        let _ = write!(self.progress, "{line_end}{step} [{bar}] {done}/{all}\x1b[K");
        let _ = self.progress.flush();
        step.clone_into(&mut self.step);
        self.told = Some(Instant::now());
    }

    fn end(&mut self) {
        if self.told.is_some() {
            let _ = writeln!(self.progress);
        }
    }
}
