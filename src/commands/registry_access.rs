//! What commands need to change contributors, clients and keys: a connection, the keys, and a name for the audit.

use sqlx::PgPool;

use crate::access::agreement::{Agreements, Operator};
use crate::access::registry::Registry;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::privacy::Keyring;

/// One command does one thing at a time.
const CONNECTIONS: u32 = 4;

/// Whoever did not say who does this.
const UNNAMED: &str = "unnamed";

#[derive(Debug, clap::Args)]
pub struct OperatorArgs {
    /// Who does this, for the audit trail.
    #[arg(long, global = true, default_value = UNNAMED)]
    operator: String,
}

pub struct RegistryAccess {
    db: Db,
    keys: Keyring,
    clock: Clock,
    name: String,
    actor: String,
}

impl RegistryAccess {
    pub fn open(config: &Config, operator: &OperatorArgs) -> Result<RegistryAccess> {
        Ok(RegistryAccess {
            db: Db::connect(config.database_url(), CONNECTIONS)?,
            keys: Keyring::from_config(config)?,
            clock: Clock::System,
            name: operator.operator.clone(),
            actor: format!("cli:{}", operator.operator),
        })
    }

    pub fn registry(&self) -> Registry<'_> {
        Registry { pool: self.pool(), keys: &self.keys, clock: &self.clock, actor: &self.actor }
    }

    /// Agreements in the name of an operator.
    pub fn agreements<'a>(&'a self, operator: &'a Operator) -> Agreements<'a> {
        Agreements { db: &self.db, clock: &self.clock, operator }
    }

    /// Whoever was named on the command line.
    pub fn operator(&self) -> Operator {
        Operator::cli(&self.name)
    }

    /// The same, where a signature is put that counts as one of two.
    pub fn signer(&self) -> Result<Operator> {
        match self.name.trim() {
            "" | UNNAMED => Err(Error::unprocessable("unprocessable", "say who signs: --operator NAME")),
            _ => Ok(self.operator()),
        }
    }

    pub fn pool(&self) -> &PgPool {
        &self.db.system
    }

    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    pub fn actor(&self) -> &str {
        &self.actor
    }
}
