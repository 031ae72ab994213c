//! `etrplus gold`: computes the gold tables of the lake on demand.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use chrono::NaiveDate;
use clap::{Args, Subcommand};

use super::serve;
use crate::app::App;
use crate::config::Config;
use crate::pipeline::gold::{self, Refreshed};

/// Compute the gold tables of the lake.
#[derive(Debug, Args)]
pub struct GoldArgs {
    #[command(subcommand)]
    command: GoldCommand,
}

#[derive(Debug, Subcommand)]
enum GoldCommand {
    /// Compute a version of all gold tables, unless nothing has landed since the last one of that day.
    Refresh {
        /// The last day that it tells of; yesterday when absent.
        #[arg(long, value_name = "DATE")]
        as_of: Option<NaiveDate>,
    },
}

/// Runs the command.
pub async fn run(args: GoldArgs, config: Config, out: &mut impl Write) -> Result<()> {
    let app = serve::wire(config).await?;
    let GoldCommand::Refresh { as_of } = args.command;
    refresh(&app, as_of, out).await
}

/// The same on an app that is wired already.
pub async fn refresh(app: &Arc<App>, as_of: Option<NaiveDate>, out: &mut impl Write) -> Result<()> {
    let as_of = as_of.or_else(|| app.clock.today().pred_opt()).context("there is no day before this one")?;
    match gold::refresh(app, as_of).await? {
        Refreshed::Made(version) => writeln!(
            out,
            "version {} as of {}, as known at {}: {} rows",
            version.gold_version,
            version.as_of,
            version.known_at.to_rfc3339(),
            gold::rows_of(&version)
        )?,
        Refreshed::Unchanged(version) => writeln!(
            out,
            "version {} as of {} stands: nothing has landed since {}",
            version.gold_version,
            version.as_of,
            version.known_at.to_rfc3339()
        )?,
    }
    Ok(())
}
