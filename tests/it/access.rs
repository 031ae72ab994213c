//! Clients, tokens and keys against a real database: who gets in, who does not, and what is left behind.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use chrono::{DateTime, TimeDelta, Utc};
use etrplus::access::registry::{IssuedClient, NewClient, NewContributor, NewCredential, Registry};
use etrplus::access::{
    AuthenticatedClient, ClientDirectory, Credential, PublicKey, ReceiptClaims, Rotation, Scope, TokenIssuer,
};
use etrplus::clock::Clock;
use etrplus::config::VersionedKey;
use etrplus::domain::contract::{Dataset, Terms};
use etrplus::error::Error;
use etrplus::ids::{BatchId, ClientId, ContributorId};
use etrplus::privacy::{KeySource, Keyring, random};
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::support;

pub const URL: &str = "https://etr.example";

struct TestKeys;

impl KeySource for TestKeys {
    fn token_key(&self) -> VersionedKey {
        VersionedKey { version: 1, key: [1; 32].into() }
    }

    fn seal_keys(&self) -> Vec<VersionedKey> {
        vec![VersionedKey { version: 1, key: [2; 32].into() }]
    }
}

/// A bureau with one contributor, at an instant that stands still.
pub struct Bureau {
    pub pool: PgPool,
    pub keys: Keyring,
    pub clock: Clock,
    pub issuer: TokenIssuer,
    pub acme: ContributorId,
}

impl Bureau {
    pub async fn open() -> Bureau {
        let pool = support::database().await;
        let keys = Keyring::new(&TestKeys).unwrap();
        let clock = Clock::fixed("2026-11-24T01:00:00Z".parse().unwrap());
        let issuer = TokenIssuer::load_or_create(&pool, &keys, &clock, URL).await.unwrap();
        let registry = Registry { pool: &pool, keys: &keys, clock: &clock, actor: "test" };
        let acme = NewContributor { slug: "acme".into(), name: "Acme Pay".into(), terms: Terms::default() };
        let acme = registry.create_contributor(&acme).await.unwrap();
        Bureau { pool, keys, clock, issuer, acme }
    }

    pub fn registry(&self) -> Registry<'_> {
        Registry { pool: &self.pool, keys: &self.keys, clock: &self.clock, actor: "test" }
    }

    /// Another process on the same database.
    async fn another_node(&self) -> TokenIssuer {
        TokenIssuer::load_or_create(&self.pool, &self.keys, &self.clock, URL).await.unwrap()
    }

    fn sender(&self, name: &str) -> NewClient {
        NewClient {
            name: name.into(),
            contributor_id: Some(self.acme),
            scopes: "batches:write batches:read".parse().unwrap(),
            purposes: Vec::new(),
            credential: NewCredential::Secret,
        }
    }

    pub async fn client(&self, name: &str) -> IssuedClient {
        self.registry().create_client(&self.sender(name)).await.unwrap()
    }

    pub async fn keyed_client(&self, name: &str, key: PublicKey) -> ClientId {
        let new = NewClient { credential: NewCredential::PublicKey(key), ..self.sender(name) };
        self.registry().create_client(&new).await.unwrap().client_id
    }

    async fn log_in(&self, client: &IssuedClient) -> Result<AuthenticatedClient, Error> {
        log_in(&self.issuer, &client.client_id.to_string(), secret(client)).await
    }

    pub async fn token(&self, client: &IssuedClient) -> String {
        let client = self.log_in(client).await.unwrap();
        self.issuer.access_token(&client, None).unwrap().token
    }

    async fn audited(&self) -> Vec<(String, String)> {
        sqlx::query_as("/* test */ SELECT action, outcome FROM audit_entries ORDER BY entry_no")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }
}

fn secret(client: &IssuedClient) -> &str {
    client.secret.as_ref().unwrap().expose_secret()
}

async fn log_in(issuer: &TokenIssuer, client_id: &str, secret: &str) -> Result<AuthenticatedClient, Error> {
    issuer.authenticate(Credential::Basic { client_id, secret }).await
}

pub fn is_unauthenticated<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unauthenticated { .. }))
}

fn forbidden_code<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Forbidden { code, .. }) => code,
        _ => "not forbidden",
    }
}

fn receipt_claims(contributor_id: ContributorId) -> ReceiptClaims {
    ReceiptClaims {
        batch_id: BatchId(random::uuid_v4()),
        sha256: "00".repeat(32),
        bytes: 1,
        dataset: Dataset::AccountSnapshot,
        contributor_id,
        received_at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        idempotency_key: Some("2026-10".into()),
    }
}

#[tokio::test]
async fn a_secret_becomes_a_token_that_names_its_client_and_no_more() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await;
    let authenticated = bureau.log_in(&client).await.unwrap();

    let token = bureau.issuer.access_token(&authenticated, Some("batches:read")).unwrap();
    assert_eq!((token.expires_in, token.scope.to_string().as_str()), (300, "batches:read"));
    let principal = bureau.issuer.authorize(&token.token, Scope::BatchesRead).await.unwrap();
    assert_eq!((principal.client_id, principal.contributor_id), (client.client_id, Some(bureau.acme)));
    assert_eq!(&*principal.client_name, "acme-upload");
    let write = bureau.issuer.authorize(&token.token, Scope::BatchesWrite).await;
    assert_eq!(forbidden_code(&write), "missing-scope");

    for asked in ["admin", "batches:read admin", "batches:delete", ""] {
        let refused = bureau.issuer.access_token(&authenticated, Some(asked));
        assert!(matches!(refused, Err(Error::BadRequest { code: "invalid-scope", .. })), "{asked}");
    }

    // Once verified is not for ever verified.
    bureau.clock.advance(TimeDelta::seconds(299));
    assert!(bureau.issuer.verify(&token.token).is_ok());
    bureau.clock.advance(TimeDelta::seconds(1));
    assert!(is_unauthenticated(&bureau.issuer.verify(&token.token)));
    assert!(is_unauthenticated(&bureau.another_node().await.verify(&token.token)));
}

#[tokio::test]
async fn every_wrong_credential_is_refused_alike() {
    let bureau = Bureau::open().await;
    let (client, other) = (bureau.client("one").await, bureau.client("two").await);
    let id = client.client_id.to_string();
    let good = secret(&client).to_owned();
    let unknown = random::uuid_v4().to_string();
    let cases = [
        (id.as_str(), ""),
        (id.as_str(), secret(&other)),
        (id.as_str(), &good[..good.len() - 1]),
        (unknown.as_str(), good.as_str()),
        ("not-an-id", good.as_str()),
        ("", ""),
    ];
    for (client_id, secret) in cases {
        match log_in(&bureau.issuer, client_id, secret).await {
            Err(Error::Unauthenticated { internal }) => {
                assert_eq!(internal, "unknown client or wrong secret");
            }
            other => panic!("{client_id}: {other:?}"),
        }
    }
    assert!(bureau.log_in(&client).await.is_ok());
}

#[tokio::test]
async fn a_secret_changes_over_without_a_gap_and_never_three_live() {
    let bureau = Bureau::open().await;
    let first = bureau.client("acme-upload").await;
    let id = first.client_id;
    let second = bureau.registry().rotate_secret(id, TimeDelta::hours(24)).await.unwrap();
    assert!(bureau.log_in(&first).await.is_ok() && bureau.log_in(&second).await.is_ok());

    bureau.clock.advance(TimeDelta::hours(1));
    let third = bureau.registry().rotate_secret(id, TimeDelta::hours(24)).await.unwrap();
    assert!(is_unauthenticated(&bureau.log_in(&first).await), "the oldest ended when a third came");
    assert!(bureau.log_in(&second).await.is_ok() && bureau.log_in(&third).await.is_ok());

    bureau.clock.advance(TimeDelta::hours(24));
    assert!(is_unauthenticated(&bureau.log_in(&second).await));
    assert!(bureau.log_in(&third).await.is_ok());

    let now_alone = bureau.registry().rotate_secret(id, TimeDelta::zero()).await.unwrap();
    assert!(is_unauthenticated(&bureau.log_in(&third).await));
    assert!(bureau.log_in(&now_alone).await.is_ok());
}

#[tokio::test]
async fn a_revocation_reaches_every_process_and_stays() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await;
    let token = bureau.token(&client).await;
    let node = bureau.another_node().await;
    assert!(node.authorize(&token, Scope::BatchesRead).await.is_ok());

    bureau.registry().revoke_client(client.client_id).await.unwrap();
    assert!(is_unauthenticated(&bureau.log_in(&client).await), "no new token, at once");
    node.refresh().await.unwrap();
    assert!(is_unauthenticated(&node.authorize(&token, Scope::BatchesRead).await));

    let id = client.client_id;
    let again = bureau.registry().revoke_client(id).await;
    assert!(matches!(again, Err(Error::Conflict { code: "client-revoked", .. })));
    let rotated = bureau.registry().rotate_secret(id, TimeDelta::zero()).await;
    assert!(matches!(rotated, Err(Error::Conflict { code: "client-revoked", .. })));
    let unknown = bureau.registry().revoke_client(ClientId(random::uuid_v4())).await;
    assert!(matches!(unknown, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_running_process_learns_of_a_revocation_by_itself_and_stops_when_told() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await;
    let (token, node) = (bureau.token(&client).await, bureau.another_node().await);
    bureau.registry().revoke_client(client.client_id).await.unwrap();
    let stop = CancellationToken::new();
    let until_refused = async {
        while !is_unauthenticated(&node.authorize(&token, Scope::BatchesRead).await) {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(node.keep_fresh(stop.clone()), until_refused) };
    tokio::time::timeout(std::time::Duration::from_secs(10), both).await.unwrap();
}

#[tokio::test]
async fn a_client_made_after_the_last_reading_is_known_when_it_comes() {
    let bureau = Bureau::open().await;
    let node = bureau.another_node().await;
    let token = bureau.token(&bureau.client("brand-new").await).await;
    assert!(node.authorize(&token, Scope::BatchesWrite).await.is_ok());
}

#[tokio::test]
async fn a_suspended_contributor_reads_and_does_not_send() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await;
    let token = bureau.token(&client).await;
    bureau.registry().suspend_contributor("acme").await.unwrap();
    bureau.issuer.refresh().await.unwrap();
    let write = bureau.issuer.authorize(&token, Scope::BatchesWrite).await;
    assert_eq!(forbidden_code(&write), "contributor-suspended");
    assert!(bureau.issuer.authorize(&token, Scope::BatchesRead).await.is_ok());
    let again = bureau.registry().suspend_contributor("acme").await;
    assert!(matches!(again, Err(Error::Conflict { code: "contributor-suspended", .. })));
    assert!(matches!(bureau.registry().suspend_contributor("nobody").await, Err(Error::NotFound)));
}

#[tokio::test]
async fn what_is_known_of_clients_fails_closed_when_it_is_too_old() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await;
    let claims = bureau.issuer.verify(&bureau.token(&client).await).unwrap();
    let strict = ClientDirectory::load_with(&bureau.pool, std::time::Duration::ZERO).await.unwrap();
    let patient = ClientDirectory::load(&bureau.pool).await.unwrap();
    assert!(strict.principal_for(&claims).await.is_ok(), "too old, so it was read again");
    bureau.pool.close().await;
    assert!(matches!(strict.principal_for(&claims).await, Err(Error::DatabaseUnavailable(_))));
    assert!(patient.principal_for(&claims).await.is_ok(), "an outage of seconds refuses nobody");
}

#[tokio::test]
async fn processes_that_start_together_end_with_one_signing_key() {
    let pool = support::database().await;
    let keys = Keyring::new(&TestKeys).unwrap();
    let clock = Clock::fixed("2026-11-24T01:00:00Z".parse().unwrap());
    let starts = (0..4).map(|_| TokenIssuer::load_or_create(&pool, &keys, &clock, URL));
    let issuers = futures::future::try_join_all(starts).await.unwrap();
    let published: Vec<_> = issuers.iter().map(TokenIssuer::jwks).collect();
    assert_eq!(published[0]["keys"].as_array().unwrap().len(), 1);
    assert!(published.iter().all(|jwks| *jwks == published[0]), "{published:?}");
    assert!(published[0]["keys"][0].get("d").is_none());
}

#[tokio::test]
async fn a_planned_rotation_loses_no_token_and_no_receipt() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await;
    let node = bureau.another_node().await;
    let receipt = bureau.issuer.sign_receipt(&receipt_claims(bureau.acme)).unwrap();
    let old_kid = bureau.issuer.jwks()["keys"][0]["kid"].clone();

    let new_kid = bureau.issuer.rotate(Rotation::Planned, "test").await.unwrap();
    // Published now, signing later: a node that has not read the new key verifies what this one signs.
    assert!(node.verify(&bureau.token(&client).await).is_ok());
    assert_eq!(bureau.issuer.jwks()["keys"].as_array().unwrap().len(), 2);

    bureau.clock.advance(TimeDelta::minutes(9));
    let token_of_old_key = bureau.token(&client).await;
    bureau.clock.advance(TimeDelta::minutes(1));
    let token_of_new_key = bureau.token(&client).await;
    let header = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    assert_eq!(json!(header(&token_of_old_key)), old_kid);
    assert_eq!(header(&token_of_new_key), new_kid);
    node.refresh().await.unwrap();
    assert!(node.verify(&token_of_old_key).is_ok() && node.verify(&token_of_new_key).is_ok());

    bureau.clock.advance(TimeDelta::days(3650));
    assert_eq!(node.verify_receipt(&receipt).unwrap().claims.bytes, 1, "a receipt verifies for good");
}

#[tokio::test]
async fn a_compromised_key_stops_opening_doors_at_once() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await;
    let (token, node) = (bureau.token(&client).await, bureau.another_node().await);
    assert!(node.verify(&token).is_ok(), "and is remembered as verified");
    bureau.issuer.rotate(Rotation::Compromised, "test").await.unwrap();
    node.refresh().await.unwrap();
    for issuer in [&bureau.issuer, &node] {
        assert!(is_unauthenticated(&issuer.verify(&token)));
        assert!(issuer.verify(&bureau.token(&client).await).is_ok());
    }
}

#[tokio::test]
async fn a_process_that_cannot_read_the_new_key_does_not_go_on_with_the_old_one() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await;
    let node = bureau.another_node().await.with_max_staleness(std::time::Duration::ZERO);
    let token = bureau.token(&client).await;
    assert!(node.authorize(&token, Scope::BatchesRead).await.is_ok());

    // The key that takes over is sealed under a version that this process was not given.
    sqlx::query("/* test.spoil_keys */ UPDATE signing_keys SET sealed_private = '\\x09', retired_at = now()")
        .execute(&bureau.pool)
        .await
        .unwrap();
    let refused = node.authorize(&token, Scope::BatchesRead).await;
    assert!(matches!(refused, Err(Error::Crypto(_))), "{refused:?}");
}

#[tokio::test]
async fn a_receipt_verifies_with_nothing_but_the_published_jwks() {
    let bureau = Bureau::open().await;
    let claims = receipt_claims(bureau.acme);
    let receipt = bureau.issuer.sign_receipt(&claims).unwrap();

    // As a contributor would: any JOSE library, the JWKS, and the kid of the header.
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(bureau.issuer.jwks()).unwrap();
    let header = jsonwebtoken::decode_header(&receipt).unwrap();
    let jwk = jwks.find(&header.kid.unwrap()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    (rules.required_spec_claims, rules.validate_exp) = (["iss".to_owned()].into(), false);
    rules.set_issuer(&[URL]);
    let read = jsonwebtoken::decode::<serde_json::Value>(&receipt, &key, &rules).unwrap().claims;
    assert_eq!(header.typ.as_deref(), Some("receipt+jws"));
    assert_eq!(read["sha256"], json!(claims.sha256));
    assert_eq!(read["received_at"], json!("2026-09-21T14:13:20Z"));
    assert_eq!(bureau.issuer.verify_receipt(&receipt).unwrap().claims, claims);
}

#[tokio::test]
async fn names_are_unique_and_ensure_changes_nothing_but_the_secret() {
    let bureau = Bureau::open().await;
    let registry = bureau.registry();
    let acme = NewContributor { slug: "acme".into(), name: "Another".into(), terms: Terms::default() };
    let taken = registry.create_contributor(&acme).await;
    assert!(matches!(taken, Err(Error::Conflict { code: "slug-taken", .. })));
    assert_eq!(registry.ensure_contributor(&acme).await.unwrap(), bureau.acme);

    let new = bureau.sender("acme-upload");
    let first = registry.ensure_client(&new).await.unwrap();
    let taken = registry.create_client(&new).await;
    assert!(matches!(taken, Err(Error::Conflict { code: "client-name-taken", .. })));
    let second = registry.ensure_client(&new).await.unwrap();
    assert_eq!(first.client_id, second.client_id);
    assert!(is_unauthenticated(&bureau.log_in(&first).await));
    assert!(bureau.log_in(&second).await.is_ok());
}

#[tokio::test]
async fn terms_come_back_as_they_were_agreed() {
    let bureau = Bureau::open().await;
    let terms = Terms {
        datasets: vec![Dataset::AccountSnapshot],
        currencies: vec!["MYR".into(), "SGD".into()],
        products: Some(vec![etrplus::domain::contract::ProductType::BnplPlan]),
        open_window_months: 12,
        backfill_from: Some("2000-01-01".parse().unwrap()),
        reject_threshold_bps: 2000,
        identity_threshold_bps: 100,
        notice_attested_until: Some("2026-12-31".parse().unwrap()),
        retention_months: 12,
        ..Terms::default()
    };
    let new = NewContributor { slug: "bureau".into(), name: "Bureau".into(), terms: terms.clone() };
    let id = bureau.registry().create_contributor(&new).await.unwrap();
    let found = etrplus::db::contributors::find(&bureau.pool, id).await.unwrap().unwrap();
    assert_eq!((found.terms, found.suspended, found.slug.as_str()), (terms, false, "bureau"));
}

#[tokio::test]
async fn nobody_is_attested_for_ever() {
    let bureau = Bureau::open().await;
    let registry = bureau.registry();
    let new = NewContributor { slug: "bureau".into(), name: "Bureau".into(), terms: Terms::default() };
    let id = registry.create_contributor(&new).await.unwrap();
    let found = etrplus::db::contributors::find(&bureau.pool, id).await.unwrap().unwrap();
    let today = etrplus::domain::dates::business_date(registry.clock.now());
    assert_eq!(found.terms.notice_attested_until, today.checked_add_months(chrono::Months::new(12)));
}

#[tokio::test]
async fn each_deed_leaves_an_entry_and_no_secret_is_stored() {
    let bureau = Bureau::open().await;
    let client = bureau.client("acme-upload").await;
    let rotated = bureau.registry().rotate_secret(client.client_id, TimeDelta::hours(1)).await.unwrap();
    bureau.registry().revoke_client(client.client_id).await.unwrap();
    bureau.registry().suspend_contributor("acme").await.unwrap();
    let ok = |action: &str| (action.to_owned(), "ok".to_owned());
    let expected = [
        "signing_key.create",
        "contributor.create",
        "client.create",
        "client.rotate",
        "client.revoke",
        "contributor.suspend",
    ];
    assert_eq!(bureau.audited().await, expected.map(ok));

    let everything: String = sqlx::query_scalar(
        "/* test */ SELECT (SELECT string_agg(s::text, ' ') FROM client_secrets s) ||
                          (SELECT string_agg(a::text, ' ') FROM audit_entries a) ||
                          (SELECT string_agg(c::text, ' ') FROM clients c)",
    )
    .fetch_one(&bureau.pool)
    .await
    .unwrap();
    for secret in [secret(&client), secret(&rotated)] {
        assert!(!everything.contains(secret) && !everything.contains(&hex::encode(secret)));
    }
}

#[tokio::test]
async fn a_refused_deed_leaves_nothing_half_done() {
    let bureau = Bureau::open().await;
    bureau.client("acme-upload").await;
    let before = bureau.audited().await.len();
    assert!(bureau.registry().create_client(&bureau.sender("acme-upload")).await.is_err());
    let secrets: i64 = sqlx::query_scalar("/* test */ SELECT count(*) FROM client_secrets")
        .fetch_one(&bureau.pool)
        .await
        .unwrap();
    assert_eq!((secrets, bureau.audited().await.len()), (1, before));
}

#[tokio::test]
async fn the_audit_trail_cannot_be_changed() {
    let bureau = Bureau::open().await;
    for statement in [
        "/* test */ UPDATE audit_entries SET outcome = 'forged'",
        "/* test */ DELETE FROM audit_entries",
        "/* test */ TRUNCATE audit_entries",
    ] {
        let error = sqlx::query(statement).execute(&bureau.pool).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn a_contributors_session_sees_its_own_row_and_no_credentials() {
    let bureau = Bureau::open().await;
    let other = NewContributor { slug: "other".into(), name: "Other".into(), terms: Terms::default() };
    bureau.registry().create_contributor(&other).await.unwrap();
    bureau.client("acme-upload").await;

    let mut tx = bureau.pool.begin().await.unwrap();
    sqlx::query(
        "/* test */ SELECT set_config('etr.scope', 'none', true), set_config('etr.contributor_id', $1, true)",
    )
    .bind(bureau.acme.to_string())
    .execute(&mut *tx)
    .await
    .unwrap();
    let slugs: Vec<String> =
        sqlx::query_scalar("/* test */ SELECT slug FROM contributors").fetch_all(&mut *tx).await.unwrap();
    assert_eq!(slugs, ["acme"]);
    for hidden in [
        "/* test */ SELECT count(*) FROM clients",
        "/* test */ SELECT count(*) FROM client_secrets",
        "/* test */ SELECT count(*) FROM signing_keys",
        "/* test */ SELECT count(*) FROM audit_entries",
    ] {
        assert_eq!(sqlx::query_scalar::<_, i64>(hidden).fetch_one(&mut *tx).await.unwrap(), 0, "{hidden}");
    }
    let at: DateTime<Utc> = bureau.clock.now();
    let entry = etrplus::audit::Entry {
        at,
        actor_client: None,
        actor: "acme-upload",
        action: "batch.receive",
        object_kind: "batch",
        object_id: "1",
        outcome: "ok",
        detail: json!({}),
    };
    etrplus::audit::record(&mut *tx, &entry).await.unwrap();
    let promoted = sqlx::query("/* test */ UPDATE contributors SET reject_threshold_bps = 10000")
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(promoted.rows_affected(), 0, "nobody changes its own terms");
}
