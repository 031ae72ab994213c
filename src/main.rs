//! The command line. Each command lives in `commands/`; this file only says which word means which.

use std::io::stdout;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use etrplus::commands::{
    client, contributor, dev, gold, healthcheck, migrate, openapi, rebuild, reconcile, serve, signing_key,
    work,
};
use etrplus::config::Config;
use etrplus::telemetry;

/// eTR+: between contributors of credit data and the risk engines that ask for profiles.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    /// Serve the API.
    Serve,
    /// Refine received batches.
    Work,
    /// Bring the database's schema up to this binary.
    Migrate,
    /// Print the OpenAPI document.
    Openapi,
    /// Ask the server on ETR_LISTEN whether it is ready.
    Healthcheck(healthcheck::HealthcheckArgs),
    Client(client::ClientArgs),
    Contributor(contributor::ContributorArgs),
    SigningKey(signing_key::SigningKeyArgs),
    Gold(gold::GoldArgs),
    Reconcile(reconcile::ReconcileArgs),
    Rebuild(rebuild::RebuildArgs),
}

/// Plans of the gold statements are deep, and are walked by recursion.
const STACK: usize = 8 << 20;

/// How `reconcile` and `rebuild` end when they found differences, and when they could not compare.
const DIFFERS: u8 = 1;
const NOT_COMPARED: u8 = 2;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let failure = match &command {
        Command::Reconcile(_) | Command::Rebuild(_) => ExitCode::from(NOT_COMPARED),
        _ => ExitCode::FAILURE,
    };
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last word to whoever started the process")]
            {
                eprintln!("etrplus: {error:#}");
            }
            failure
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Openapi => openapi::run(&mut stdout()).map(|()| ExitCode::SUCCESS),
        command => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
            runtime.context("cannot start the runtime")?.block_on(run_async(command))
        }
    }
}

async fn run_async(command: Command) -> Result<ExitCode> {
    match command {
        Command::Healthcheck(args) => healthcheck::run(args).await?,
        Command::Dev(args) => dev::run(args, std::env::vars().collect(), &mut stdout()).await?,
        command => return run_configured(command).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_configured(command: Command) -> Result<ExitCode> {
    let config = Config::from_env()?;
    telemetry::init(&config);
    match command {
        Command::Serve => Box::pin(serve::run(config)).await?,
        Command::Work => work::run(config).await?,
        Command::Migrate => migrate::run(config.database_url(), &mut stdout()).await.map(|_| ())?,
        Command::Client(args) => client::run(args, &config, &mut stdout()).await?,
        Command::Contributor(args) => contributor::run(args, &config, &mut stdout()).await?,
        Command::Gold(args) => gold::run(args, config, &mut stdout()).await?,
        Command::SigningKey(args) => signing_key::run(args, &config, &mut stdout()).await?,
        Command::Reconcile(args) => {
            let same = reconcile::run(args, config, &mut stdout(), &mut reconcile::progress()).await?;
            return Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) });
        }
        Command::Rebuild(args) => {
            let same = rebuild::run(args, config, &mut stdout(), &mut reconcile::progress()).await?;
            return Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) });
        }
        Command::Openapi | Command::Healthcheck(_) | Command::Dev(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}
