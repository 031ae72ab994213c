//! What surrounds every handler, and the routes that need no batch: told through the whole router.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use etrplus::access::Scope;
use etrplus::access::registry::{NewClient, NewContributor, NewCredential, Registry};
use etrplus::app::{App, AppState};
use etrplus::commands::serve;
use etrplus::config::Config;
use etrplus::db::Db;
use etrplus::domain::contract::Terms;
use etrplus::http::routes::Routes;
use etrplus::http::{self, Authorized};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use utoipa_axum::routes;

use crate::support::database::{TestDatabase, fresh_database};
use crate::support::objects;

const URL: &str = "https://etrplus.example";

/// A server over a database of its own.
struct Api {
    app: Arc<App>,
    router: axum::Router,
    _database: TestDatabase,
}

struct Answer {
    status: u16,
    headers: ::http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// The configuration of a server on the database, read as from an environment.
async fn configuration(database_url: &str) -> Config {
    let s3 = objects::s3().await;
    let key = format!("1:{}", BASE64_STANDARD.encode([7u8; 32]));
    let variables = [
        ("DATABASE_URL", database_url),
        ("ETR_S3_BUCKET", &s3.bucket),
        ("ETR_S3_REGION", &s3.region),
        ("ETR_S3_ENDPOINT", s3.endpoint.as_deref().unwrap_or("")),
        ("ETR_S3_ACCESS_KEY_ID", &s3.access_key_id),
        ("ETR_S3_SECRET_ACCESS_KEY", s3.secret_access_key.expose_secret()),
        ("ETR_TOKEN_KEY", &key),
        ("ETR_SEAL_KEYS", &key),
        ("ETR_PUBLIC_URL", URL),
        ("ETR_REQUEST_SECONDS", "1"),
        ("ETR_SHUTDOWN_SECONDS", "1"),
        ("ETR_DB_CONNECTIONS", "6"),
    ];
    Config::from_variables(&variables.map(|(name, value)| (name.into(), value.into())).into()).unwrap()
}

/// The test's own Postgres is fast rather than durable, so the check of durability is left out.
async fn wire(config: Config) -> Arc<App> {
    let db = Db::connect(config.database_url(), config.db_connections).unwrap();
    serve::assemble(config, db).await.unwrap()
}

impl Api {
    async fn start() -> Api {
        let database = fresh_database().await;
        let app = wire(configuration(&database.url).await).await;
        let router = http::router(AppState(app.clone()));
        Api { app, router, _database: database }
    }

    /// The same server with routes of the test's own, inside the same layers.
    fn with_routes(mut self, routes: Routes) -> Api {
        self.router = http::surround(routes, AppState(self.app.clone()), CancellationToken::new());
        self
    }

    async fn send(&self, request: ::http::Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(::http::Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = ::http::Request::get(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn get_as(&self, token: &str, path: &str) -> Answer {
        let request = ::http::Request::get(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn client(&self, name: &str, scopes: &str) -> (String, String) {
        let registry = Registry {
            pool: &self.app.db.system,
            keys: &self.app.keys,
            clock: &self.app.clock,
            actor: "test",
        };
        let acme = NewContributor { slug: "acme".into(), name: "Acme Pay".into(), terms: Terms::default() };
        let acme = registry.ensure_contributor(&acme).await.unwrap();
        let new = NewClient {
            name: name.into(),
            contributor_id: scopes.contains("batches").then_some(acme),
            scopes: scopes.parse().unwrap(),
            purposes: Vec::new(),
            credential: NewCredential::Secret,
        };
        let issued = registry.create_client(&new).await.unwrap();
        self.app.issuer.refresh().await.unwrap();
        (issued.client_id.to_string(), issued.secret.unwrap().expose_secret().to_owned())
    }

    async fn ask_for_token(&self, id: &str, secret: &str, form: &str) -> Answer {
        let basic = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        let request = ::http::Request::post("/oauth/token")
            .header("authorization", format!("Basic {basic}"))
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    async fn token(&self, name: &str, scopes: &str) -> String {
        let (id, secret) = self.client(name, scopes).await;
        let answer = self.ask_for_token(&id, &secret, "grant_type=client_credentials").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

/// Who asks
#[utoipa::path(get, path = "/test/caller", tag = "test", responses((status = 200, description = "name")))]
async fn find_caller(Authorized(principal): Authorized) -> String {
    principal.client_name.to_string()
}

/// Panics
#[utoipa::path(get, path = "/test/panic", tag = "test", responses((status = 200, description = "never")))]
async fn panics() -> String {
    panic!("SYNTHETIC-SECRET")
}

/// Takes for ever
#[utoipa::path(get, path = "/test/forever", tag = "test", responses((status = 200, description = "never")))]
async fn waits_forever() {
    std::future::pending::<()>().await;
}

fn caller_routes() -> Routes {
    Routes::new().scoped(Scope::BatchesRead, routes!(find_caller))
}

#[tokio::test]
async fn every_refusal_is_a_problem_with_the_id_of_its_request() {
    let api = Api::start().await;
    let long = format!("/v1/limits?{}", "a".repeat(8192));
    let delete = ::http::Request::delete("/v1/limits").body(Body::empty()).unwrap();
    for (answer, status, code) in [
        (api.get("/v1/nothing-here").await, 404, "not-found"),
        (api.send(delete).await, 405, "method-not-allowed"),
        (api.get(&long).await, 414, "uri-too-long"),
    ] {
        assert_eq!((answer.status, answer.header("content-type")), (status, "application/problem+json"));
        let problem = answer.json();
        assert_eq!(problem["type"], format!("{URL}/problems#{code}"));
        assert_eq!(problem["instance"], format!("urn:uuid:{}", answer.header("x-request-id")));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        if status == 405 {
            assert_eq!(answer.header("allow"), "GET,HEAD");
        }
    }
    assert!(
        api.get("/problems").await.text().contains("id=\"uri-too-long\""),
        "the type leads to its explanation"
    );
}

#[tokio::test]
async fn a_panic_and_a_handler_without_end_are_problems_that_tell_nothing() {
    let api = Api::start().await;
    let api = api.with_routes(Routes::new().public(routes!(panics)).public(routes!(waits_forever)));
    let panicked = api.get("/test/panic").await;
    assert_eq!((panicked.status, panicked.json()["code"].as_str()), (500, Some("internal")));
    assert!(!panicked.text().contains("SYNTHETIC-SECRET"));
    let late = api.get("/test/forever").await;
    assert_eq!((late.status, late.json()["code"].as_str()), (503, Some("timed-out")));
    assert_eq!(late.header("retry-after"), "2");
}

#[tokio::test]
async fn a_scoped_route_opens_for_its_scope_alone() {
    let api = Api::start().await.with_routes(caller_routes());
    // The token endpoint is not among the test's routes: ask for tokens at the real router.
    let real = Api {
        router: http::router(AppState(api.app.clone())),
        app: api.app.clone(),
        _database: fresh_database().await,
    };
    let reader = real.token("reader", "batches:read").await;
    let operator = real.token("operator", "admin").await;

    let welcome = api.get_as(&reader, "/test/caller").await;
    assert_eq!((welcome.status, welcome.text().as_str()), (200, "reader"));

    let nobody = api.get("/test/caller").await;
    assert_eq!((nobody.status, nobody.json()["code"].as_str()), (401, Some("unauthenticated")));
    assert_eq!(nobody.header("www-authenticate"), "Bearer realm=\"etrplus\"");

    let forged = api.get_as(&format!("{reader}x"), "/test/caller").await;
    assert_eq!(forged.status, 401);
    assert_eq!(forged.header("www-authenticate"), "Bearer realm=\"etrplus\", error=\"invalid_token\"");

    let other = api.get_as(&operator, "/test/caller").await;
    assert_eq!((other.status, other.json()["code"].as_str()), (403, Some("missing-scope")));
    assert!(other.header("www-authenticate").contains("scope=\"batches:read\""));
}

#[tokio::test]
async fn a_route_tells_its_scope_in_the_document() {
    let document = caller_routes().document(utoipa::openapi::OpenApi::default());
    let document: Value = serde_json::to_value(document).unwrap();
    let operation = &document["paths"]["/test/caller"]["get"];
    assert_eq!(operation["security"][0]["oauth2"][0], "batches:read");
    assert!(operation["responses"]["401"].is_object() && operation["responses"]["403"].is_object());
}

#[tokio::test]
async fn tokens_are_given_to_those_who_show_who_they_are() {
    let api = Api::start().await;
    let (id, secret) = api.client("sender", "batches:write batches:read").await;

    let answer = api.ask_for_token(&id, &secret, "grant_type=client_credentials&scope=batches:read").await;
    let token = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!((&token["token_type"], &token["scope"]), (&"Bearer".into(), &"batches:read".into()));
    assert!(token["expires_in"].as_u64().is_some_and(|seconds| seconds <= 300));
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));

    for (form, status, error) in [
        ("grant_type=password", 400, "unsupported_grant_type"),
        ("scope=batches:read", 400, "invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        ("grant_type=client_credentials&scope=admin", 400, "invalid_scope"),
    ] {
        let answer = api.ask_for_token(&id, &secret, form).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{form}");
    }

    // A wrong secret and a client that does not exist cannot be told apart.
    let form = "grant_type=client_credentials";
    let wrong = api.ask_for_token(&id, "wrong", form).await;
    let unknown = api.ask_for_token("00000000-0000-0000-0000-000000000001", "wrong", form).await;
    let without_id = |answer: &Answer| answer.text().replace(answer.header("x-request-id"), "");
    assert_eq!((wrong.status, wrong.json()["error"].as_str()), (401, Some("invalid_client")));
    assert_eq!(without_id(&wrong), without_id(&unknown));
    assert!(wrong.header("www-authenticate").starts_with("Basic "));
}

#[tokio::test]
async fn keys_and_metadata_are_public_and_agree() {
    let api = Api::start().await;
    let metadata = api.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["issuer"], URL);
    let jwks = metadata["jwks_uri"].as_str().and_then(|uri| uri.strip_prefix(URL)).unwrap();
    assert_eq!(api.get(jwks).await.json()["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(metadata["token_endpoint"], format!("{URL}/oauth/token"));
}

#[tokio::test]
async fn rules_contract_and_limits_are_data() {
    let api = Api::start().await;
    let rules = api.get("/v1/rules").await.json();
    assert_eq!(rules["rules"].as_array().map(Vec::len), Some(141));
    let asked = api.get("/v1/rules?family=P&dataset=account_snapshot").await.json();
    assert_eq!(asked["rules"].as_array().map(Vec::len), Some(19));
    assert_eq!(api.get("/v1/rules?family=Q").await.status, 400);
    let rule = api.get("/v1/rules/X007").await;
    assert_eq!(rule.json()["code"], "X007");
    assert_eq!(rule.json()["example"]["breaks"]["rows"][0]["dpd"], 12);
    assert_eq!(rule.json()["base_records"]["account_snapshot"]["dpd"], 0);
    assert_eq!(api.get("/v1/rules/X999").await.status, 404);
    for dataset in ["account_snapshot", "repayment_event", "application"] {
        let schema = api.get(&format!("/v1/datasets/{dataset}/schema")).await;
        assert_eq!(schema.header("content-type"), "application/schema+json");
        assert_eq!(schema.json()["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema.json()["title"], dataset);
    }
    assert_eq!(api.get("/v1/datasets/salaries/schema").await.status, 404);
    let limits = api.get("/v1/limits").await.json();
    assert_eq!(limits["request"]["max_seconds"], 1, "what is told is what is configured");
}

#[tokio::test]
async fn a_rule_is_a_page_for_people_and_is_fetched_once() {
    let api = Api::start().await;
    let page = api.get_with("/v1/rules/X007", &[("accept", "text/html,*/*;q=0.8")]).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(page.header("vary"), "accept");
    for part in ["Overdue amount and days past due disagree", "Amaun tertunggak", "dpd: 12, overdue: 0"] {
        assert!(page.text().contains(part), "{part}");
    }
    assert!(!page.text().contains("<script") && !page.text().contains("://"), "{}", page.text());

    for path in ["/v1/rules", "/v1/rules/X007"] {
        let tag = api.get(path).await.header("etag").to_owned();
        assert_ne!(tag, page.header("etag"), "data and page are two things");
        let again = api.get_with(path, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status, again.text()), (304, String::new()), "{path}");
    }
}

#[tokio::test]
async fn the_docs_load_nothing_from_elsewhere() {
    let api = Api::start().await;
    assert_eq!(api.get("/docs").await.header("location"), "/docs/");
    let index = api.get("/docs/").await;
    assert!(!index.text().contains("://"), "{}", index.text());
    assert!(index.header("content-security-policy").contains("script-src 'self'"));
    for file in ["swagger-ui-bundle.js", "swagger-ui.css", "swagger-initializer.js"] {
        assert_eq!(api.get(&format!("/docs/{file}")).await.status, 200, "{file}");
    }
    assert_eq!(api.get("/docs/nothing.js").await.status, 404);
    assert_eq!(api.get("/openapi.json").await.text(), http::document_text());
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let database = fresh_database().await;
    let config = configuration(&database.url).await;
    let app = wire(config.clone()).await;
    let ready = Api { router: http::router(AppState(app.clone())), app, _database: database };
    assert_eq!(ready.get("/readyz").await.json()["status"], "ready");

    let mut without_bucket = config;
    without_bucket.s3.bucket = "no-such-bucket".into();
    let app = wire(without_bucket).await;
    let broken = Api { router: http::router(AppState(app.clone())), app, _database: fresh_database().await };
    let answer = broken.get("/readyz").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("not-ready")));
    assert_eq!(answer.json()["errors"][0]["pointer"], "checks/object-store");
    assert_eq!(broken.get("/healthz").await.status, 200, "a missing bucket is no reason to restart");
}

#[tokio::test]
async fn a_server_is_reachable_over_tcp_and_leaves_when_told() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    let database = fresh_database().await;
    let app = wire(configuration(&database.url).await).await;
    let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, metrics_address) = (api.local_addr().unwrap(), metrics.local_addr().unwrap());
    let stop = CancellationToken::new();
    let listeners = http::Listeners { api, metrics: Some(metrics) };
    let server = tokio::spawn(http::run_server(app, listeners, stop.clone()));

    assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 200 "));
    let metrics = ask(metrics_address, "/metrics").await;
    assert!(
        metrics.contains("etr_http_requests_total{method=\"GET\",route=\"/readyz\",status=\"200\"}"),
        "{metrics}"
    );
    assert!(metrics.contains("etr_db_connections{pool=\"system\""), "{metrics}");
    assert!(ask(address, "/metrics").await.starts_with("HTTP/1.1 404 "), "metrics are not for everybody");

    stop.cancel();
    tokio::time::timeout(Duration::from_secs(3), server).await.expect("stops").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
