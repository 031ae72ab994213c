//! Everything a request or a job may need, wired once by a command and handed down.

use std::ops::Deref;
use std::sync::Arc;

use crate::access::TokenIssuer;
use crate::access::contracts::ContractDirectory;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::jobs::Wake;
use crate::lake::Lake;
use crate::pipeline::footprints::Lookups;
use crate::privacy::Keyring;
use crate::store::Store;

pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub db: Db,
    /// The object store: bronze and refined objects.
    pub store: Store,
    /// The tables of the lake, unless it is switched off.
    pub lake: Option<Lake>,
    /// Keys that turn identifiers into tokens and seal what must not be read.
    pub keys: Keyring,
    /// The contract versions of every dataset.
    pub contracts: ContractDirectory,
    /// Signs access tokens and receipts; publishes the JWKS.
    pub issuer: TokenIssuer,
    /// Answers questions about subjects, each with its footprint.
    pub lookups: Lookups,
    /// Wakes workers and waiting requests.
    pub wake: Wake,
}

/// Shared handle to [`App`]; the state of every handler.
#[derive(Clone)]
pub struct AppState(pub Arc<App>);

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}
