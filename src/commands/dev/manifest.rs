//! `dev.json`: how scripts reach a running `etrplus dev`.

use std::fmt;

use serde::{Deserialize, Serialize};

pub const FILE: &str = "dev.json";

/// The whole file. Holds credentials: mode 0600, never logged.
#[derive(Serialize, Deserialize)]
pub struct Manifest {
    pub base_url: String,
    pub metrics_url: String,
    /// Shows the rows of all contributors to whoever connects with it.
    pub database_url: String,
    pub s3: ObjectStore,
    pub clients: Vec<ClientCredentials>,
}

#[derive(Serialize, Deserialize)]
pub struct ObjectStore {
    pub endpoint: String,
    pub bucket: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// A client, as it asks for tokens.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientCredentials {
    pub name: String,
    pub client_id: String,
    pub client_secret: String,
    pub scopes: Vec<String>,
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({}, redacted)", self.base_url)
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCredentials({}, redacted)", self.name)
    }
}

impl Manifest {
    pub fn client(&self, name: &str) -> Option<&ClientCredentials> {
        self.clients.iter().find(|client| client.name == name)
    }
}
