//! `etrplus client create|rotate|revoke`: credentials of contributors' systems, risk engines and operators.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use chrono::TimeDelta;
use secrecy::ExposeSecret as _;

use super::registry_access::{OperatorArgs, RegistryAccess};
use crate::access::registry::{IssuedClient, NewClient, NewCredential};
use crate::access::{PublicKey, Scope};
use crate::config::Config;
use crate::db;
use crate::ids::ClientId;

/// Manage API clients.
#[derive(Debug, clap::Args)]
pub struct ClientArgs {
    #[command(subcommand)]
    command: ClientCommand,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Debug, clap::Subcommand)]
enum ClientCommand {
    /// Create a client; a client secret is shown once and never again.
    Create(CreateArgs),
    /// Give a client a new secret while the old one still works for a while.
    Rotate {
        client_id: ClientId,
        /// Hours that the old secret lives on.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(0..=720))]
        overlap: u16,
    },
    /// Revoke a client for good.
    Revoke { client_id: ClientId },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Unique name, for people.
    #[arg(long)]
    name: String,
    /// Slug of the contributor whose data it sends and reads.
    #[arg(long, value_name = "SLUG")]
    contributor: Option<String>,
    /// batches:write, batches:read, profiles:query, profiles:explain, archive:query, aggregates:read or admin;
    /// repeat or separate with commas.
    #[arg(long = "scope", required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// A purpose in its agreement, such as CREDIT_APPLICATION; repeat or separate with commas.
    #[arg(long = "purpose", value_delimiter = ',')]
    purposes: Vec<String>,
    /// How the client shows who it is.
    #[arg(long, value_enum, default_value_t = Auth::ClientSecretBasic)]
    auth: Auth,
    /// The client's public key as a JWK, for private_key_jwt.
    #[arg(long, value_name = "FILE", required_if_eq("auth", "private_key_jwt"))]
    jwk: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Auth {
    ClientSecretBasic,
    PrivateKeyJwt,
}

/// Runs the command; what a person should read goes to `out`.
pub async fn run(args: ClientArgs, config: &Config, out: &mut impl Write) -> Result<()> {
    let access = RegistryAccess::open(config, &args.operator)?;
    match args.command {
        ClientCommand::Create(create) => {
            let new = new_client(create, &access).await?;
            let issued = access.registry().create_client(&new).await?;
            show(&issued, "created", out)
        }
        ClientCommand::Rotate { client_id, overlap } => {
            let overlap_hours = TimeDelta::hours(overlap.into());
            let issued = access.registry().rotate_secret(client_id, overlap_hours).await?;
            show(&issued, "rotated", out)?;
            Ok(writeln!(out, "The previous secret works for another {overlap} h.")?)
        }
        ClientCommand::Revoke { client_id } => {
            access.registry().revoke_client(client_id).await?;
            Ok(writeln!(out, "Client {client_id} is revoked; its tokens stop working within 10 seconds.")?)
        }
    }
}

async fn new_client(args: CreateArgs, access: &RegistryAccess) -> Result<NewClient> {
    let contributor_id = match &args.contributor {
        None => None,
        Some(slug) => {
            let found = db::contributors::find_by_slug(access.pool(), slug).await?;
            Some(found.with_context(|| format!("no contributor has the slug {slug}"))?.contributor_id)
        }
    };
    let credential = match (args.auth, &args.jwk) {
        (Auth::ClientSecretBasic, None) => NewCredential::Secret,
        (Auth::PrivateKeyJwt, Some(file)) => {
            let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let jwk =
                serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))?;
            NewCredential::PublicKey(PublicKey::from_jwk(&jwk)?)
        }
        (Auth::ClientSecretBasic, Some(_)) => bail!("--jwk belongs to --auth private_key_jwt"),
        (Auth::PrivateKeyJwt, None) => bail!("--auth private_key_jwt needs --jwk FILE"),
    };
    Ok(NewClient {
        name: args.name,
        contributor_id,
        scopes: args.scopes.into_iter().collect(),
        purposes: args.purposes,
        credential,
    })
}

fn show(issued: &IssuedClient, what: &str, out: &mut impl Write) -> Result<()> {
    writeln!(out, "Client {what}.")?;
    writeln!(out, "client_id     {}", issued.client_id)?;
    if let Some(secret) = &issued.secret {
        writeln!(out, "client_secret {}", secret.expose_secret())?;
        writeln!(out, "The secret is shown this once: store it now.")?;
    }
    Ok(())
}
