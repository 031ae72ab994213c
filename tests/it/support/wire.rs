//! A contributor's system as it is outside: HTTP over sockets, a key for each submission, patience.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::stream;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::app::Answer;

type Body = BoxBody<Bytes, Infallible>;

/// A client's credentials and the servers that it knows.
#[derive(Clone)]
pub struct WireClient {
    http: Client<HttpConnector, Body>,
    servers: Arc<Vec<SocketAddr>>,
    basic: String,
    token: String,
    next: usize,
}

/// What a server said yes to.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    pub batch_id: String,
    /// The receipt's claims.
    pub claims: Value,
    /// How often it was sent.
    pub tries: u32,
}

/// How long a client waits for an answer before it sends again.
const PATIENCE: Duration = Duration::from_secs(10);

impl WireClient {
    pub fn new(servers: &[SocketAddr], client_id: &str, client_secret: &str) -> WireClient {
        WireClient {
            http: Client::builder(TokioExecutor::new()).build_http(),
            servers: Arc::new(servers.to_vec()),
            basic: BASE64_STANDARD.encode(format!("{client_id}:{client_secret}")),
            token: String::new(),
            next: 0,
        }
    }

    /// One request to one server; `None` when the connection broke or nothing came.
    pub async fn try_once(&self, server: SocketAddr, mut request: Request<Body>) -> Option<Answer> {
        let path = request.uri().path_and_query().unwrap().to_string();
        *request.uri_mut() = format!("http://{server}{path}").parse::<Uri>().unwrap();
        let exchange = async {
            let response = self.http.request(request).await.ok()?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.ok()?.to_bytes().to_vec();
            Some(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(PATIENCE, exchange).await.ok().flatten()
    }

    /// The next server in turn.
    fn server(&mut self) -> SocketAddr {
        self.next += 1;
        self.servers[self.next % self.servers.len()]
    }

    /// Gets a token from whichever server answers.
    pub async fn sign_in(&mut self) {
        loop {
            let request = Request::post("/oauth/token")
                .header("authorization", format!("Basic {}", self.basic))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(whole(Bytes::from_static(b"grant_type=client_credentials")))
                .unwrap();
            let server = self.server();
            match self.try_once(server, request).await {
                Some(answer) if answer.status == StatusCode::OK => {
                    self.token = answer.json()["access_token"].as_str().unwrap().to_owned();
                    return;
                }
                Some(answer) => assert_eq!(answer.status.as_u16(), 503, "{}", answer.text()),
                None => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn get(&self, server: SocketAddr, path: &str) -> Option<Answer> {
        let request = Request::get(path).header("authorization", format!("Bearer {}", self.token));
        self.try_once(server, request.body(whole(Bytes::new())).unwrap()).await
    }

    pub async fn post_json(&self, server: SocketAddr, path: &str, body: &Value) -> Option<Answer> {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(whole(Bytes::from(body.to_string())));
        self.try_once(server, request.unwrap()).await
    }

    /// One attempt at a submission, the body in two halves with a pause between them.
    pub async fn send(
        &self,
        server: SocketAddr,
        key: &str,
        query: &str,
        body: &Bytes,
        pause: Duration,
    ) -> Option<Answer> {
        let request = Request::post(format!("/v1/batches?{query}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", key)
            .body(halves(body, pause));
        self.try_once(server, request.unwrap()).await
    }

    /// Sends the same content under the same key until it is acknowledged.
    pub async fn submit(&mut self, key: &str, query: &str, body: &Bytes, pause: Duration) -> Acknowledged {
        for tries in 1.. {
            let server = self.server();
            let wait = match self.send(server, key, query, body, pause).await {
                Some(answer) if answer.status == StatusCode::ACCEPTED => return acknowledged(&answer, tries),
                // Still in flight somewhere, or thought to be.
                Some(answer) if answer.status == StatusCode::CONFLICT => {
                    assert_eq!(answer.json()["code"], "idempotency-key-in-flight", "{}", answer.text());
                    200
                }
                Some(answer) => {
                    assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
                    100
                }
                None => 30,
            };
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        unreachable!("it is sent until it is acknowledged")
    }
}

fn acknowledged(answer: &Answer, tries: u32) -> Acknowledged {
    let answer = answer.json();
    let receipt = answer["receipt"].as_str().unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(receipt.split('.').nth(1).unwrap()).unwrap();
    Acknowledged {
        batch_id: answer["batch"]["id"].as_str().unwrap().to_owned(),
        claims: serde_json::from_slice(&claims).unwrap(),
        tries,
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).boxed()
}

fn halves(body: &Bytes, pause: Duration) -> Body {
    let (first, second) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
    let pieces = stream::unfold(vec![(pause, second), (Duration::ZERO, first)], |mut left| async {
        let (pause, piece) = left.pop()?;
        tokio::time::sleep(pause).await;
        Some((Ok(Frame::data(piece)), left))
    });
    StreamBody::new(pieces).boxed()
}
