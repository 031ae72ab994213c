//! A whole eTR+ in this process: the router, the worker, a real Postgres and a real object store; time stands
//! still until a story moves it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{NaiveDate, TimeDelta};
use etrplus::access::agreement::{Agreements, NewConstant, NewOverride, Operator};
use etrplus::access::contracts::ContractDirectory;
use etrplus::access::registry::{NewClient, NewContributor, NewCredential, Registry};
use etrplus::access::{Scope, TokenIssuer};
use etrplus::app::{App, AppState};
use etrplus::clock::Clock;
use etrplus::config::Config;
use etrplus::domain::contract::{Dataset, Field, Terms};
use etrplus::domain::rules::{Code, Effect};
use etrplus::http::router;
use etrplus::ids::ContributorId;
use etrplus::jobs::{Wake, runner};
use etrplus::lake::Lake;
use etrplus::pipeline::footprints::Lookups;
use etrplus::privacy::Keyring;
use etrplus::privacy::random;
use etrplus::store::Store;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::database::{TestDatabase, fresh_database};
use super::objects;

/// When stories happen unless they say otherwise.
pub const NOW: &str = "2026-11-24T04:00:00Z";

pub struct TestApp {
    pub app: Arc<App>,
    pub router: Router,
    pub database: TestDatabase,
}

/// A client with a token in hand.
#[derive(Clone)]
pub struct Caller {
    pub client_id: String,
    pub client_secret: String,
    pub contributor_id: Option<ContributorId>,
    pub token: String,
    router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl TestApp {
    pub async fn start() -> TestApp {
        TestApp::start_with(|_| {}).await
    }

    /// A second process on the same database and store.
    pub async fn sibling(&self) -> Arc<App> {
        wire(self.app.config.clone(), self.app.clock.clone()).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> TestApp {
        TestApp::start_on(fresh_database().await, change).await
    }

    /// On a database that the story has in hand.
    pub async fn start_on(database: TestDatabase, change: impl FnOnce(&mut Config)) -> TestApp {
        let mut config = config(&database.url);
        config.s3 = objects::s3().await;
        // The bucket is everybody's; tables are this database's alone.
        config.lake.warehouse =
            format!("s3://{}/lake/{:x}", config.s3.bucket, random::uuid_v4().as_fields().0);
        change(&mut config);
        let app = wire(config, Clock::fixed(NOW.parse().unwrap())).await;
        let router = router(AppState(Arc::clone(&app)));
        TestApp { app, router, database }
    }

    pub fn registry(&self) -> Registry<'_> {
        Registry { pool: &self.app.db.system, keys: &self.app.keys, clock: &self.app.clock, actor: "test" }
    }

    /// A contributor's system that may write and read batches.
    pub async fn contributor(&self, slug: &str, terms: Terms) -> Caller {
        let new = NewContributor { slug: slug.into(), name: slug.to_uppercase(), terms };
        let contributor = self.registry().ensure_contributor(&new).await.unwrap();
        self.client(slug, Some(contributor), &[Scope::BatchesWrite, Scope::BatchesRead], &[]).await
    }

    /// An operator of the bureau; stories about four eyes have two.
    pub async fn operator(&self, name: &str) -> Caller {
        self.client(name, None, &[Scope::Admin], &[]).await
    }

    /// Two operators make a rule milder for a contributor, until June 2027.
    pub async fn soften(&self, slug: &str, code: Code, effect: Effect) {
        let new = NewOverride {
            code,
            effect,
            reason: "agreed for a story of the tests".into(),
            starts_on: None,
            expires_on: "2027-06-30".parse().unwrap(),
        };
        let [asks, agrees] = ["one", "two"].map(Operator::cli);
        let asked = self.agreements(&asks).request_override(slug, &new).await.unwrap();
        self.agreements(&agrees).approve_override(asked.agreed.override_id).await.unwrap();
    }

    /// Two operators let a constant stand in for a field of a contributor's dataset.
    pub async fn impute(&self, slug: &str, dataset: Dataset, field: Field, value: &str) {
        let reason = "agreed for a story of the tests".into();
        let new = NewConstant { dataset, field, value: value.into(), reason };
        let [asks, agrees] = ["one", "two"].map(Operator::cli);
        let asked = self.agreements(&asks).request_constant(slug, &new).await.unwrap();
        self.agreements(&agrees).approve_constant(asked.constant_id).await.unwrap();
    }

    pub fn agreements<'a>(&'a self, operator: &'a Operator) -> Agreements<'a> {
        Agreements { db: &self.app.db, clock: &self.app.clock, operator }
    }

    pub async fn risk_engine(&self) -> Caller {
        self.client("risk-engine", None, &[Scope::ProfilesQuery], &["CREDIT_APPLICATION"]).await
    }

    pub async fn client(
        &self,
        name: &str,
        contributor_id: Option<ContributorId>,
        scopes: &[Scope],
        purposes: &[&str],
    ) -> Caller {
        let new = NewClient {
            name: name.into(),
            contributor_id,
            scopes: scopes.iter().copied().collect(),
            purposes: purposes.iter().map(|purpose| (*purpose).to_owned()).collect(),
            credential: NewCredential::Secret,
        };
        let issued = self.registry().create_client(&new).await.unwrap();
        let mut caller = Caller {
            client_id: issued.client_id.to_string(),
            client_secret: issued.secret.unwrap().expose_secret().to_owned(),
            contributor_id,
            token: String::new(),
            router: self.router.clone(),
        };
        caller.renew_token().await;
        caller
    }

    /// Does all the work that is waiting, whatever comes of it; says how many attempts there were.
    pub async fn try_jobs(&self) -> usize {
        let mut attempts = 0;
        while runner::work_once(&self.app).await.unwrap() {
            attempts += 1;
        }
        attempts
    }

    /// Does all the work that is waiting; says how many batches there were. None of it may fail.
    pub async fn run_jobs(&self) -> usize {
        let done = self.try_jobs().await;
        let failed: Vec<String> =
            sqlx::query_scalar("/* test.failed */ SELECT last_error FROM jobs WHERE last_error IS NOT NULL")
                .fetch_all(&self.database.pool)
                .await
                .unwrap();
        assert!(failed.is_empty(), "a batch was not refined: {failed:?}");
        done
    }

    /// Makes a received batch one that every attempt has failed at.
    pub async fn bury(&self, batch: &str, cause: &str) {
        for statement in [
            "UPDATE jobs SET state = 'dead', attempts = 3, finished_at = now(), last_error = NULL WHERE batch_id = $1::uuid AND $2 <> ''",
            "UPDATE batches SET state = 'failed', failure = $2, settled_at = now() WHERE batch_id = $1::uuid",
        ] {
            sqlx::query(statement).bind(batch).bind(cause).execute(&self.database.pool).await.unwrap();
        }
    }

    /// Returns when a statement waits for what another transaction holds.
    pub async fn until_somebody_waits_for_a_lock(&self) {
        let waiting = "/* test.waiting */ SELECT EXISTS (SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock')";
        for _ in 0..400 {
            if sqlx::query_scalar(waiting).fetch_one(&self.database.pool).await.unwrap() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("nobody waits for a lock");
    }

    pub fn advance(&self, by: TimeDelta) {
        self.app.clock.advance(by);
    }

    /// Sends what must be received, lets a worker judge it, and reads the report.
    pub async fn judged(&self, caller: &Caller, submission: &Submission) -> Report {
        let id = caller.submit(submission).await;
        self.run_jobs().await;
        Report(caller.report(&id).await)
    }

    /// Sends what has to be published, confirmed where a rule holds it; the batch's id.
    pub async fn published(&self, caller: &Caller, submission: &Submission) -> String {
        let id = caller.submit(submission).await;
        self.run_jobs().await;
        if caller.batch(&id).await["state"] == "on_hold" {
            let explanation = serde_json::json!({"explanation": "the book is what it is"});
            caller.post_json(&format!("/v1/batches/{id}/confirm"), &explanation).await.expect(200);
            self.run_jobs().await;
        }
        assert_eq!(caller.batch(&id).await["state"], "published", "{:#}", caller.report(&id).await);
        id
    }

    /// How many rows of batches there are in each state.
    pub async fn batches_by_state(&self) -> BTreeMap<String, i64> {
        let counts: Vec<(String, i64)> =
            sqlx::query_as("/* test.states */ SELECT state, count(*) FROM batches GROUP BY state")
                .fetch_all(&self.database.pool)
                .await
                .unwrap();
        counts.into_iter().collect()
    }

    /// Sends without a client, or with headers of the story's own.
    pub async fn anybody(&self, request: Request<Body>) -> Answer {
        call(&self.router, request).await
    }
}

/// A contributor's terms that let any share of records be rejected, for stories about single records.
pub fn patient() -> Terms {
    Terms { reject_threshold_bps: 10_000, identity_threshold_bps: 10_000, ..Terms::default() }
}

/// A validation report with the questions that stories ask of it.
#[derive(Debug)]
pub struct Report(pub Value);

impl Report {
    pub fn id(&self) -> &str {
        self.0["batch"]["id"].as_str().unwrap()
    }

    pub fn state(&self) -> &str {
        self.0["batch"]["state"].as_str().unwrap()
    }

    pub fn count(&self, name: &str) -> i64 {
        self.0["batch"]["counts"][name].as_i64().unwrap_or_else(|| panic!("no {name}: {:#}", self.0))
    }

    /// Records per broken rule.
    pub fn rules(&self) -> BTreeMap<&str, i64> {
        let rules = self.0["rules"].as_array().unwrap();
        rules.iter().map(|rule| (rule["code"].as_str().unwrap(), rule["records"].as_i64().unwrap())).collect()
    }

    /// The first example of a broken rule.
    pub fn sample(&self, code: &str) -> &Value {
        let rules = self.0["rules"].as_array().unwrap();
        let rule = rules
            .iter()
            .find(|rule| rule["code"] == code)
            .unwrap_or_else(|| panic!("no {code}: {:#}", self.0));
        &rule["samples"][0]
    }

    /// Every record is accounted for once, and only a published batch has accepted ones.
    #[track_caller]
    pub fn assert_conservation(&self) {
        let parts = ["accepted", "rejected", "duplicate", "unprocessed"].map(|name| self.count(name));
        assert_eq!(self.count("received"), parts.iter().sum::<i64>(), "{:#}", self.0);
        let idle = if self.state() == "published" { "unprocessed" } else { "accepted" };
        assert_eq!(self.count(idle), 0, "{:#}", self.0);
    }
}

pub fn config(database_url: &str) -> Config {
    Config::from_variables(&configuration(database_url)).unwrap()
}

/// The variables of a server of the tests, but for its object store.
pub fn configuration(database_url: &str) -> BTreeMap<String, String> {
    let key = format!("1:{}", BASE64_STANDARD.encode([42_u8; 32]));
    [
        ("DATABASE_URL", database_url),
        ("ETR_S3_BUCKET", "unset"),
        ("ETR_S3_ACCESS_KEY_ID", "unset"),
        ("ETR_S3_SECRET_ACCESS_KEY", "unset"),
        ("ETR_TOKEN_KEY", &key),
        ("ETR_SEAL_KEYS", &key),
        ("ETR_DB_CONNECTIONS", "18"),
        ("ETR_PUBLIC_URL", "https://etrplus.example"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

pub async fn wire(config: Config, clock: Clock) -> Arc<App> {
    let db = etrplus::db::Db::connect(config.database_url(), config.db_connections).unwrap();
    let keys = Keyring::from_config(&config).unwrap();
    let issuer = TokenIssuer::load_or_create(&db.system, &keys, &clock, &config.public_url).await.unwrap();
    let store = Store::connect(&config.s3);
    let lake = Lake::open(&config.lake, &config.s3, &db.system, &clock).await.unwrap();
    let lookups = Lookups::start(db.system.clone(), clock.clone());
    let contracts = ContractDirectory::new(db.clone());
    Arc::new(App { config, clock, db, contracts, lake, store, keys, issuer, lookups, wake: Wake::default() })
}

/// Sends a request through a router in this process.
pub async fn call(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// A submission to be sent: sensible unless a story changes it.
#[derive(Clone)]
pub struct Submission {
    pub query: String,
    pub key: Option<String>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

impl Submission {
    /// A DELTA of October 2026 in NDJSON under a key of its own.
    pub fn ndjson(body: impl Into<Vec<u8>>) -> Submission {
        Submission {
            query: "dataset=account_snapshot&mode=DELTA&period_end=2026-10-31".into(),
            key: Some(format!("key-{}", NEXT_KEY.fetch_add(1, Ordering::Relaxed))),
            headers: vec![("content-type", "application/x-ndjson".into())],
            body: body.into(),
        }
    }

    pub fn csv(body: impl Into<Vec<u8>>) -> Submission {
        Submission { headers: vec![("content-type", "text/csv".into())], ..Submission::ndjson(body) }
    }

    pub fn period(self, mode: &str, period_end: NaiveDate) -> Submission {
        let query = format!("dataset=account_snapshot&mode={mode}&period_end={period_end}");
        Submission { query, ..self }
    }

    pub fn with(mut self, parameter: &str) -> Submission {
        self.query = format!("{}&{parameter}", self.query);
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Submission {
        self.headers.push((name, value.into()));
        self
    }

    pub fn key(mut self, key: &str) -> Submission {
        self.key = Some(key.into());
        self
    }
}

impl Caller {
    /// The same client, calling another process.
    pub fn at(&self, app: &Arc<App>) -> Caller {
        Caller { router: router(AppState(Arc::clone(app))), ..self.clone() }
    }

    pub async fn renew_token(&mut self) {
        self.ask_for_token("grant_type=client_credentials".to_owned()).await;
    }

    /// Gets a token for some of the client's scopes, separated by `+`.
    pub async fn renew_token_for(&mut self, scopes: &str) {
        self.ask_for_token(format!("grant_type=client_credentials&scope={scopes}")).await;
    }

    async fn ask_for_token(&mut self, form: String) {
        let basic = BASE64_STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret));
        let request = Request::post("/oauth/token")
            .header("authorization", format!("Basic {basic}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .unwrap();
        let answer = call(&self.router, request).await.expect(200).json();
        self.token = answer["access_token"].as_str().unwrap().to_owned();
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        call(&self.router, request.body(body.into()).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, &[], Body::empty()).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::GET, path, headers, Body::empty()).await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.request(Method::POST, path, &[], Body::empty()).await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        let body = serde_json::to_vec(body).unwrap();
        self.request(Method::POST, path, &[("content-type", "application/json")], body).await
    }

    pub async fn send(&self, submission: &Submission) -> Answer {
        self.send_body(submission, submission.body.clone().into()).await
    }

    /// Sends a submission with another body than its own, such as one that arrives in pieces.
    pub async fn send_body(&self, submission: &Submission, body: Body) -> Answer {
        let mut headers: Vec<(&str, &str)> =
            submission.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if let Some(key) = &submission.key {
            headers.push(("idempotency-key", key));
        }
        let path = format!("/v1/batches?{}", submission.query);
        self.request(Method::POST, &path, &headers, body).await
    }

    /// Sends what must be received, and says the batch's id.
    pub async fn submit(&self, submission: &Submission) -> String {
        self.send(submission).await.expect(202).json()["batch"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn batch(&self, id: &str) -> Value {
        self.get(&format!("/v1/batches/{id}")).await.expect(200).json()
    }

    pub async fn report(&self, id: &str) -> Value {
        self.get(&format!("/v1/batches/{id}/report")).await.expect(200).json()
    }

    /// Asks about a person as of a day.
    pub async fn ask(&self, id_number: &str, as_of: &str) -> Answer {
        self.post_json("/v1/profiles/query", &question(id_number, as_of)).await
    }
}

/// A question that policy allows.
pub fn question(id_number: &str, as_of: &str) -> Value {
    serde_json::json!({
        "subject": {"id_type": "NRIC", "id_number": id_number},
        "purpose": "CREDIT_APPLICATION",
        "consent": {
            "reference": "consent-1",
            "obtained_at": "2026-11-20T00:00:00Z",
            "expires_at": "2026-12-20T00:00:00Z",
        },
        "client_reference": "checkout-1",
        "as_of": as_of,
    })
}
