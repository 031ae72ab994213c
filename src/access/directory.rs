//! Clients as a process knows them: all of them, in memory, never older than half a minute.
//!
//! A five-minute token is not a revocation. Each request asks here whether its client still stands; a
//! background task reads the table every five seconds, and when it has not succeeded for thirty, requests are
//! refused rather than served on what may no longer be true.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::Mutex;

use super::issuer::Claims;
use super::principal::Principal;
use super::scope::ScopeSet;
use crate::db::{self, clients::Client};
use crate::error::{Error, Result};
use crate::ids::{ClientId, ContributorId};

/// How old the last successful reading may be.
const MAX_STALENESS: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    contributor_id: Option<ContributorId>,
    contributor_suspended: bool,
    scopes: ScopeSet,
    purposes: Arc<[String]>,
    active: bool,
    version: i32,
}

struct Snapshot {
    /// Monotonic, so that a step of the wall clock neither ages nor rejuvenates it.
    read_at: Instant,
    entries: HashMap<ClientId, Arc<Entry>>,
}

/// See the module.
pub struct ClientDirectory {
    pool: PgPool,
    max_staleness: Duration,
    snapshot: RwLock<Snapshot>,
    /// One refresh at a time; requests that find it taken do not queue behind a database that is down.
    refreshing: Mutex<()>,
}

impl ClientDirectory {
    pub async fn load(pool: &PgPool) -> Result<ClientDirectory> {
        ClientDirectory::load_with(pool, MAX_STALENESS).await
    }

    /// With another limit than thirty seconds on the age of what is known.
    pub async fn load_with(pool: &PgPool, max_staleness: Duration) -> Result<ClientDirectory> {
        let snapshot = RwLock::new(read(pool).await?);
        Ok(ClientDirectory { pool: pool.clone(), max_staleness, snapshot, refreshing: Mutex::default() })
    }

    /// With another limit than thirty seconds on the age of what is known.
    pub(super) fn limited_to(self, max_staleness: Duration) -> ClientDirectory {
        ClientDirectory { max_staleness, ..self }
    }

    /// Reads all clients again.
    pub async fn refresh(&self) -> Result<()> {
        let _turn = self.refreshing.lock().await;
        self.read_again().await
    }

    async fn read_again(&self) -> Result<()> {
        let fresh = read(&self.pool).await?;
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// How old the last successful reading is.
    pub fn age(&self) -> Duration {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).read_at.elapsed()
    }

    /// Fails closed: what is too old is read again or not used. `before` is what has to be read again first; when
    /// it fails, clients stay too old.
    pub(super) async fn ensure_fresh(&self, before: impl Future<Output = Result<()>>) -> Result<()> {
        if self.age() <= self.max_staleness {
            return Ok(());
        }
        match self.refreshing.try_lock() {
            Ok(_turn) => {
                before.await?;
                self.read_again().await
            }
            Err(_) => Err(Error::DatabaseUnavailable(sqlx::Error::Io(io::Error::new(
                io::ErrorKind::TimedOut,
                "what is known of clients is too old",
            )))),
        }
    }

    fn find(&self, id: ClientId) -> Option<Arc<Entry>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).entries.get(&id).cloned()
    }

    /// The client, at least as new as a token of it: one that was created or changed since the last reading is
    /// read alone.
    async fn find_or_read(&self, id: ClientId, version: i32) -> Result<Option<Arc<Entry>>> {
        if let Some(entry) = self.find(id).filter(|entry| entry.version >= version) {
            return Ok(Some(entry));
        }
        let Some(row) = db::clients::find(&self.pool, id).await? else { return Ok(None) };
        let entry = Arc::new(Entry::try_from(row)?);
        self.snapshot.write().unwrap_or_else(PoisonError::into_inner).entries.insert(id, Arc::clone(&entry));
        Ok(Some(entry))
    }

    /// See [`super::TokenIssuer::principal_for`].
    pub async fn principal_for(&self, claims: &Claims) -> Result<Principal> {
        self.ensure_fresh(std::future::ready(Ok(()))).await?;
        let entry = self
            .find_or_read(claims.client_id, claims.client_version)
            .await?
            .ok_or_else(|| Error::unauthenticated("unknown client"))?;
        if !entry.active {
            return Err(Error::unauthenticated("client is revoked"));
        }
        if entry.version != claims.client_version || entry.contributor_id != claims.contributor_id {
            return Err(Error::unauthenticated("token is of an earlier version of its client"));
        }
        Ok(Principal {
            client_id: claims.client_id,
            client_name: Arc::clone(&entry.name),
            contributor_id: entry.contributor_id,
            scopes: claims.scopes.intersection(entry.scopes),
            purposes: Arc::clone(&entry.purposes),
            contributor_suspended: entry.contributor_suspended,
        })
    }
}

async fn read(pool: &PgPool) -> Result<Snapshot> {
    // Taken before the query: what the answer says was true no earlier than this.
    let read_at = Instant::now();
    let rows = db::clients::list(pool).await?;
    let mut entries = HashMap::with_capacity(rows.len());
    for row in rows {
        entries.insert(row.client_id, Arc::new(Entry::try_from(row)?));
    }
    Ok(Snapshot { read_at, entries })
}

/// The scopes of a stored client.
pub(super) fn stored_scopes(client: &Client) -> Result<ScopeSet> {
    ScopeSet::from_words(client.scopes.iter().map(String::as_str)).map_err(|_| Error::Inconsistent {
        table: "clients",
        column: "scopes",
        row: client.client_id.to_string(),
    })
}

impl TryFrom<Client> for Entry {
    type Error = Error;

    fn try_from(client: Client) -> Result<Entry> {
        Ok(Entry {
            scopes: stored_scopes(&client)?,
            name: client.name.into(),
            contributor_id: client.contributor_id,
            // Whatever is not plainly active is treated as suspended.
            contributor_suspended: client.contributor_status.is_some_and(|status| status != "active"),
            purposes: client.purposes.into(),
            active: client.status == "active",
            version: client.version,
        })
    }
}
