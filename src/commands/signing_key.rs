//! `etrplus signing-key rotate`: a new key for access tokens and receipts.

use std::io::Write;

use anyhow::Result;

use super::registry_access::{OperatorArgs, RegistryAccess};
use crate::access::{Rotation, TokenIssuer};
use crate::clock::Clock;
use crate::config::Config;

/// Manage the keys that sign access tokens and receipts.
#[derive(Debug, clap::Args)]
pub struct SigningKeyArgs {
    #[command(subcommand)]
    command: SigningKeyCommand,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Debug, clap::Subcommand)]
enum SigningKeyCommand {
    /// Publish a new key; it signs after ten minutes, and tokens of the old one are accepted for a day.
    Rotate {
        /// The old key is known to others: change over now and refuse its tokens.
        #[arg(long)]
        compromised: bool,
    },
}

/// Runs the command; what a person should read goes to `out`.
pub async fn run(args: SigningKeyArgs, config: &Config, out: &mut impl Write) -> Result<()> {
    let access = RegistryAccess::open(config, &args.operator)?;
    let SigningKeyCommand::Rotate { compromised } = args.command;
    let why = if compromised { Rotation::Compromised } else { Rotation::Planned };
    let issuer =
        TokenIssuer::load_or_create(access.pool(), access.keys(), &Clock::System, &config.public_url).await?;
    let kid = issuer.rotate(why, access.actor()).await?;
    Ok(writeln!(out, "Signing key {kid} is published.")?)
}
