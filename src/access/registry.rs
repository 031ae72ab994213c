//! Contributors and clients: created, rotated, revoked, suspended. Each deed and its audit entry are one
//! transaction.
//!
//! A client secret exists in clear text only in the value that is returned; the table keeps its keyed hash.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use super::authenticate::{CLIENT_SECRET_BASIC, PRIVATE_KEY_JWT};
use super::jwk::PublicKey;
use super::scope::{Scope, ScopeSet};
use crate::audit;
use crate::clock::Clock;
use crate::db::{self, clients::Client, contributors::Contributor};
use crate::domain::contract::Terms;
use crate::error::{Error, Result};
use crate::ids::{ClientId, ContributorId};
use crate::privacy::{Keyring, MacPurpose, random};

/// What secret scanners recognise our secrets by.
const SECRET_PREFIX: &str = "etr_secret_";

/// A contributor to create.
#[derive(Clone, Debug)]
pub struct NewContributor {
    /// 2 to 63 of `a-z 0-9 -`, not starting with a hyphen.
    pub slug: String,
    pub name: String,
    pub terms: Terms,
}

/// How a new client will show who it is.
#[derive(Clone, Debug)]
pub enum NewCredential {
    /// By a secret that we make.
    Secret,
    /// By assertions that verify with this key.
    PublicKey(PublicKey),
}

/// A client to create.
#[derive(Clone, Debug)]
pub struct NewClient {
    pub name: String,
    pub contributor_id: Option<ContributorId>,
    pub scopes: ScopeSet,
    /// Words such as `CREDIT_APPLICATION`.
    pub purposes: Vec<String>,
    pub credential: NewCredential,
}

/// A client, and its new secret if it has one. The secret cannot be had again.
pub struct IssuedClient {
    pub client_id: ClientId,
    pub secret: Option<SecretString>,
}

impl fmt::Debug for IssuedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedClient({}, redacted)", self.client_id)
    }
}

/// Creates and changes contributors and clients, in the name of an actor.
pub struct Registry<'a> {
    /// A pool of the system's scope.
    pub pool: &'a PgPool,
    pub keys: &'a Keyring,
    pub clock: &'a Clock,
    /// Who is written into the audit entries: `cli:<operator>`, `dev`.
    pub actor: &'a str,
}

impl Registry<'_> {
    /// Creates a contributor.
    ///
    /// # Errors
    /// `Unprocessable` for a malformed slug, name or term; `Conflict` with code `slug-taken`.
    pub async fn create_contributor(&self, new: &NewContributor) -> Result<ContributorId> {
        check_contributor(new)?;
        let contributor = Contributor {
            contributor_id: ContributorId(random::uuid_v4()),
            slug: new.slug.clone(),
            name: new.name.clone(),
            suspended: false,
            terms: new.terms.clone(),
            created_at: self.clock.now(),
        };
        let mut tx = self.pool.begin().await?;
        db::contributors::insert(&mut *tx, &contributor)
            .await
            .map_err(|error| taken(error, "contributors_slug_key", "slug-taken", "the slug is taken"))?;
        let id = contributor.contributor_id;
        let detail = json!({"slug": new.slug, "terms": describe(&new.terms)});
        self.record(&mut tx, "contributor.create", ("contributor", &id.to_string()), detail).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The contributor with this slug, created if there is none. An existing one is left as it is.
    pub async fn ensure_contributor(&self, new: &NewContributor) -> Result<ContributorId> {
        if let Some(found) = db::contributors::find_by_slug(self.pool, &new.slug).await? {
            return Ok(found.contributor_id);
        }
        match self.create_contributor(new).await {
            // Another process was faster.
            Err(Error::Conflict { .. }) => {
                let found = db::contributors::find_by_slug(self.pool, &new.slug).await?;
                Ok(found.ok_or(Error::NotFound)?.contributor_id)
            }
            created => created,
        }
    }

    /// Notes until when a contributor has attested that its customers get the notice of processing (L003).
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn attest_notice(&self, slug: &str, until: NaiveDate) -> Result<ContributorId> {
        let mut tx = self.pool.begin().await?;
        let id = db::contributors::find_by_slug(&mut *tx, slug).await?.ok_or(Error::NotFound)?.contributor_id;
        db::contributors::attest_notice(&mut *tx, id, until).await?;
        let detail = json!({"slug": slug, "until": until});
        self.record(&mut tx, "contributor.attest", ("contributor", &id.to_string()), detail).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Suspends a contributor: it may read, and send nothing (F001).
    ///
    /// # Errors
    /// `NotFound`; `Conflict` with code `contributor-suspended` when it is suspended already.
    pub async fn suspend_contributor(&self, slug: &str) -> Result<ContributorId> {
        let mut tx = self.pool.begin().await?;
        let id = db::contributors::find_by_slug(&mut *tx, slug).await?.ok_or(Error::NotFound)?.contributor_id;
        if !db::contributors::suspend(&mut *tx, id, self.clock.now()).await? {
            return Err(Error::conflict("contributor-suspended", "the contributor is suspended already"));
        }
        self.record(&mut tx, "contributor.suspend", ("contributor", &id.to_string()), json!({"slug": slug}))
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Creates a client and, unless it brings a public key, its first secret.
    ///
    /// # Errors
    /// `Unprocessable` for scopes, purposes and contributor that do not fit each other; `Conflict` with code
    /// `client-name-taken`.
    pub async fn create_client(&self, new: &NewClient) -> Result<IssuedClient> {
        check_client(new)?;
        let now = self.clock.now();
        let client = stored_form(new);
        let mut tx = self.pool.begin().await?;
        db::clients::insert(&mut *tx, &client, now).await.map_err(|error| {
            taken(error, "clients_name_key", "client-name-taken", "another client has this name")
        })?;
        let secret = match &new.credential {
            NewCredential::Secret => Some(self.insert_secret(&mut tx, client.client_id, now).await?),
            NewCredential::PublicKey(key) => {
                let (id, algorithm) = (client.client_id, key.algorithm.as_str());
                db::clients::insert_key(&mut *tx, id, &key.kid, algorithm, &key.jwk, now).await?;
                None
            }
        };
        let detail = json!({
            "name": client.name, "contributor_id": client.contributor_id, "scopes": client.scopes,
            "purposes": client.purposes, "auth_methods": client.auth_methods,
        });
        self.record(&mut tx, "client.create", ("client", &client.client_id.to_string()), detail).await?;
        tx.commit().await?;
        Ok(IssuedClient { client_id: client.client_id, secret })
    }

    /// The client with this name and a fresh secret: created if there is none, else its secrets end at once and
    /// a new one takes their place. Scopes of an existing client are left as they are.
    pub async fn ensure_client(&self, new: &NewClient) -> Result<IssuedClient> {
        match db::clients::find_by_name(self.pool, &new.name).await? {
            None => self.create_client(new).await,
            Some(found) => self.rotate_secret(found.client_id, TimeDelta::zero()).await,
        }
    }

    /// Gives a client a new secret; its newest one lives on for `overlap`, so that a system can change over
    /// without a failed request. Older ones end now.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the client is revoked or does not use secrets.
    pub async fn rotate_secret(&self, id: ClientId, overlap: TimeDelta) -> Result<IssuedClient> {
        if overlap < TimeDelta::zero() {
            return Err(Error::unprocessable("overlap-invalid", "the overlap must not be negative"));
        }
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let client = db::clients::find_locked_in_tx(&mut *tx, id).await?.ok_or(Error::NotFound)?;
        if client.status != "active" {
            return Err(Error::conflict("client-revoked", "the client is revoked"));
        }
        if !client.auth_methods.iter().any(|method| method == CLIENT_SECRET_BASIC) {
            return Err(Error::conflict("client-has-no-secret", "the client authenticates by its key"));
        }
        db::clients::expire_secrets(&mut *tx, id, now, now + overlap).await?;
        let secret = self.insert_secret(&mut tx, id, now).await?;
        let detail = json!({"overlap_seconds": overlap.num_seconds()});
        self.record(&mut tx, "client.rotate", ("client", &id.to_string()), detail).await?;
        tx.commit().await?;
        Ok(IssuedClient { client_id: id, secret: Some(secret) })
    }

    /// Revokes a client for good. Its tokens stop working within seconds on every process.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` with code `client-revoked` when it is revoked already.
    pub async fn revoke_client(&self, id: ClientId) -> Result<()> {
        let mut tx = self.pool.begin().await?;
        db::clients::find_locked_in_tx(&mut *tx, id).await?.ok_or(Error::NotFound)?;
        if !db::clients::revoke(&mut *tx, id, self.clock.now()).await? {
            return Err(Error::conflict("client-revoked", "the client is revoked already"));
        }
        self.record(&mut tx, "client.revoke", ("client", &id.to_string()), json!({})).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn insert_secret(
        &self,
        connection: &mut PgConnection,
        client: ClientId,
        now: DateTime<Utc>,
    ) -> Result<SecretString> {
        let secret = format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(random::bytes::<32>()));
        let mac = self.keys.mac(MacPurpose::ClientSecret, secret.as_bytes());
        db::clients::insert_secret(connection, random::uuid_v4(), client, &mac, now).await?;
        Ok(secret.into())
    }

    async fn record(
        &self,
        connection: &mut PgConnection,
        action: &str,
        (object_kind, object_id): (&str, &str),
        detail: Value,
    ) -> Result<()> {
        let entry = audit::Entry {
            at: self.clock.now(),
            actor_client: None,
            actor: self.actor,
            action,
            object_kind,
            object_id,
            outcome: "ok",
            detail,
        };
        audit::record(connection, &entry).await
    }
}

fn stored_form(new: &NewClient) -> Client {
    let method = match new.credential {
        NewCredential::Secret => CLIENT_SECRET_BASIC,
        NewCredential::PublicKey(_) => PRIVATE_KEY_JWT,
    };
    Client {
        client_id: ClientId(random::uuid_v4()),
        name: new.name.clone(),
        contributor_id: new.contributor_id,
        scopes: new.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        purposes: new.purposes.clone(),
        auth_methods: vec![method.to_owned()],
        status: "active".to_owned(),
        version: 1,
        contributor_status: None,
    }
}

fn describe(terms: &Terms) -> Value {
    json!({
        "datasets": terms.datasets, "currencies": terms.currencies, "products": terms.products,
        "open_window_months": terms.open_window_months, "backfill_from": terms.backfill_from,
        "reject_threshold_bps": terms.reject_threshold_bps,
        "identity_threshold_bps": terms.identity_threshold_bps,
        "notice_attested_until": terms.notice_attested_until, "retention_months": terms.retention_months,
    })
}

fn check_contributor(new: &NewContributor) -> Result<()> {
    let invalid = |public: &'static str| Err(Error::unprocessable("contributor-invalid", public));
    let slug = new.slug.as_bytes();
    let plain = slug.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-');
    if !plain || !(2..=63).contains(&slug.len()) || slug.starts_with(b"-") {
        return invalid("the slug must be 2 to 63 of a-z, 0-9 and -, and not start with -");
    }
    check_name(&new.name)?;
    let terms = &new.terms;
    let currency = |code: &String| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if terms.currencies.is_empty() || !terms.currencies.iter().all(currency) {
        return invalid("currencies must be ISO 4217 codes such as MYR, at least one");
    }
    if terms.reject_threshold_bps > 10_000 || terms.identity_threshold_bps > 10_000 {
        return invalid("a threshold is a share from 0 to 100 %");
    }
    if terms.open_window_months > 1200 {
        return invalid("the open window is at most 1200 months");
    }
    Ok(())
}

fn check_client(new: &NewClient) -> Result<()> {
    let invalid = |public: &'static str| Err(Error::unprocessable("client-invalid", public));
    check_name(&new.name)?;
    if new.scopes.is_empty() {
        return invalid("a client needs at least one scope");
    }
    if new.scopes.contains(Scope::BatchesWrite) && new.contributor_id.is_none() {
        return invalid("batches:write needs a contributor to send for");
    }
    let asks = new.scopes.contains(Scope::ProfilesQuery) || new.scopes.contains(Scope::ArchiveQuery);
    if asks == new.purposes.is_empty() {
        return invalid(
            "profiles:query, archive:query and purposes go together: name the purposes of the agreement",
        );
    }
    if new.scopes.contains(Scope::ProfilesExplain) && !new.scopes.contains(Scope::ProfilesQuery) {
        return invalid("profiles:explain goes with profiles:query: an explanation comes with a profile");
    }
    let word = |purpose: &String| {
        (1..=64).contains(&purpose.len())
            && purpose.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if !new.purposes.iter().all(word) {
        return invalid("a purpose is a word such as CREDIT_APPLICATION");
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    if (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::unprocessable(
        "name-invalid",
        "a name has 1 to 200 characters, none of them control characters",
    ))
}

/// A violated unique constraint, by its name, as a conflict.
fn taken(error: sqlx::Error, constraint: &str, code: &'static str, public: &'static str) -> Error {
    match error.as_database_error().and_then(|error| error.constraint()) {
        Some(violated) if violated == constraint => Error::conflict(code, public),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(scopes: &str, contributor: bool, purposes: &[&str]) -> NewClient {
        NewClient {
            name: "acme".into(),
            contributor_id: contributor.then(|| ContributorId(uuid::Uuid::nil())),
            scopes: scopes.parse().unwrap(),
            purposes: purposes.iter().copied().map(str::to_owned).collect(),
            credential: NewCredential::Secret,
        }
    }

    #[test]
    fn scopes_purposes_and_contributor_must_fit_each_other() {
        let purpose = ["CREDIT_APPLICATION"];
        assert!(check_client(&client("batches:write batches:read", true, &[])).is_ok());
        assert!(check_client(&client("profiles:query", false, &purpose)).is_ok());
        let refused = [
            client("", false, &[]),
            client("batches:write", false, &[]),
            client("profiles:query", false, &[]),
            client("profiles:explain", false, &[]),
            client("archive:query", false, &[]),
            client("batches:read", true, &purpose),
            client("profiles:query", false, &["credit application"]),
            NewClient { name: "two\nlines".into(), ..client("admin", false, &[]) },
        ];
        for new in refused {
            assert!(matches!(check_client(&new), Err(Error::Unprocessable { .. })), "{new:?}");
        }
    }

    #[test]
    fn slugs_are_plain_words() {
        let check = |slug: &str| {
            let new = NewContributor { slug: slug.into(), name: "Acme".into(), terms: Terms::default() };
            check_contributor(&new).is_ok()
        };
        assert!(check("demo-bnpl") && check("2c"));
        for slug in ["", "a", "-a", "Demo", "a_b", "a/b", "é2", &"a".repeat(64)] {
            assert!(!check(slug), "{slug}");
        }
    }
}
