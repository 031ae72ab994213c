//! `etrplus reconcile`: holds our stores against each other and prints what differs, by key.

use std::io::{IsTerminal as _, Write};
use std::sync::Arc;

use anyhow::{Result, bail};
use chrono::NaiveDate;
use serde_json::json;

use super::serve;
use crate::app::App;
use crate::config::Config;
use crate::db::reconcile::contributors;
use crate::db::reconciliations::Reconciliation;
use crate::domain::dates;
use crate::ids::ContributorId;
use crate::pipeline::reconcile::{self, Scope};

/// Compare counts, journals, quarantine, audit trail, objects and served accounts with each other.
///
/// Ends with 0 when nothing differs, with 1 when something does, and with 2 when it could not compare. Changes nothing but
/// the record of what was found (GET /v1/operations/reconciliations).
#[derive(Debug, clap::Args)]
pub struct ReconcileArgs {
    /// One contributor alone, by its short name.
    #[arg(long, value_name = "SLUG")]
    contributor: Option<String>,
    /// Leave out batches that were received before this day.
    #[arg(long, value_name = "DATE")]
    since: Option<NaiveDate>,
    /// Read the bytes of every batch again, not of a few of each contributor.
    #[arg(long)]
    full: bool,
    /// Print JSON: an object for each contributor, a line each.
    #[arg(long)]
    json: bool,
    /// Who asks, for the record.
    #[arg(long, default_value = "unnamed")]
    operator: String,
}

/// Runs the command: results go to `out`, how far it is to `progress`. Whether nothing differs.
pub async fn run(
    args: ReconcileArgs,
    config: Config,
    out: &mut impl Write,
    progress: &mut (impl Write + Send),
) -> Result<bool> {
    let app = serve::wire(config).await?;
    compare(&app, &args, out, progress).await
}

/// The same on an app that is wired already.
pub async fn compare(
    app: &Arc<App>,
    args: &ReconcileArgs,
    out: &mut impl Write,
    progress: &mut (impl Write + Send),
) -> Result<bool> {
    let all = contributors(&app.db.system).await?;
    let chosen: Vec<(ContributorId, String)> = all
        .into_iter()
        .filter(|(_, slug)| args.contributor.as_ref().is_none_or(|only| only == slug))
        .collect();
    if let (true, Some(slug)) = (chosen.is_empty(), &args.contributor) {
        bail!("no contributor has the slug {slug}");
    }
    let mut same = true;
    for (contributor, slug) in chosen {
        let scope = Scope {
            contributor,
            since: args.since.map(dates::start_of),
            whole: args.full,
            asked_by: format!("cli:{}", args.operator),
            after: None,
            until: None,
        };
        let mut told = String::new();
        let mut tell = |check: &str, compared: i64| {
            // A line for each check; where the numbers grow there is another one every now and then.
            let line = format!("{slug}: {check}");
            if line != told || compared % 100_000 == 0 {
                // Nobody needs to see how far it is.
                let _ = writeln!(progress, "{line}, {compared} compared");
                told = line;
            }
        };
        let done = reconcile::contributor(app, &scope, &mut tell).await?;
        same &= done.differences == 0;
        print(&done, &slug, args.json, out)?;
    }
    Ok(same)
}

fn print(done: &Reconciliation, slug: &str, as_json: bool, out: &mut impl Write) -> Result<()> {
    if as_json {
        let line = json!({
            "reconciliation_id": done.reconciliation_id, "contributor": slug, "since": done.since, "full": done.whole,
            "started_at": done.started_at, "finished_at": done.finished_at, "differences": done.differences,
            "checks": done.checks, "examples": done.examples,
        });
        return Ok(writeln!(out, "{line}")?);
    }
    let checks: Vec<String> = done
        .checks
        .iter()
        .map(|count| format!("{} {}/{}", count.check, count.compared - count.differences, count.compared))
        .collect();
    writeln!(out, "{slug}: {} differences ({})", done.differences, checks.join(", "))?;
    for difference in &done.examples {
        let (check, key) = (&difference.check, &difference.key);
        writeln!(out, "  {check}: {key}: expected {}, found {}", difference.expected, difference.found)?;
    }
    Ok(())
}

/// Where progress goes: nowhere when nobody looks.
pub fn progress() -> Box<dyn Write + Send> {
    let terminal = std::io::stderr().is_terminal();
    if terminal { Box::new(std::io::stderr()) } else { Box::new(std::io::sink()) }
}
