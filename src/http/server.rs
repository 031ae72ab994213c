//! The accept loop: from a listening socket to requests, with a limit on everything a client may draw out.
//!
//! `axum::serve` sets no timer and no limits, so connections are served on hyper directly: HTTP/1.1 and HTTP/2
//! with prior knowledge on one port. TLS ends in front of the server.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::connection::{Activity, AnswerBody, IDLE_LIMIT, InFlight, Overdue, Wire};
use super::{problem, wellformed};

/// Connections that one listener serves at once; more wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 4096;
/// Requests at once on one HTTP/2 connection.
pub const MAX_STREAMS: u32 = 100;
/// Largest header over HTTP/1.1, in bytes; hyper answers 431 beyond.
pub const MAX_HTTP1_HEADER_BYTES: usize = 64 << 10;
/// Largest header list over HTTP/2, in bytes; we answer 431 beyond.
pub const MAX_HTTP2_HEADER_BYTES: u32 = 16 << 10;
/// Where h2 refuses by itself, with a bare 431 or the end of the connection: above ours, so that what is a little
/// too large gets an answer that says so.
const HTTP2_HARD_HEADER_BYTES: u32 = 4 * MAX_HTTP2_HEADER_BYTES;
/// Most header fields over HTTP/1.1.
pub const MAX_HEADER_FIELDS: usize = 100;

/// Pause after an accept that failed for want of something of ours (file descriptors, memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a router on a listener until told to stop, then lets what is running finish.
pub struct Server {
    pub router: Router,
    /// How clients reach us: prefix of problem types in answers made before any routing.
    pub public_url: Arc<str>,
    /// How long requests may still run after the signal to stop.
    pub grace: Duration,
}

impl Server {
    /// Accepts until `shutdown`; returns when every connection has ended or the grace is over. Never fails: what
    /// goes wrong with a connection ends that connection.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) {
        let tracker = TaskTracker::new();
        let abort = CancellationToken::new();
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let shared = Arc::new(Shared {
            router: self.router,
            public_url: self.public_url,
            protocol: protocol(),
            shutdown: shutdown.clone(),
            abort: abort.clone(),
        });
        while let Some((socket, slot)) = next_connection(&listener, &slots, &shutdown).await {
            tracker.spawn(shared.clone().serve(socket, slot));
        }
        // New connections are refused from here on, which a load balancer understands.
        drop(listener);
        tracker.close();
        if timeout(self.grace, tracker.wait()).await.is_err() {
            tracing::warn!(
                connections = tracker.len(),
                "grace is over: closing connections with requests on them"
            );
            abort.cancel();
            tracker.wait().await;
        }
    }
}

/// Waits for a free slot, then for a connection; `None` once it is time to stop.
async fn next_connection(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepted = async {
        let slot = slots.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((socket, _)) => return Some((socket, slot)),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    // The next accept would fail as fast: wait for a connection to end instead of spinning.
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        connection = accepted => connection,
    }
}

/// The connection died before we took it; nothing is wrong here.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// What all connections of a listener share.
struct Shared {
    router: Router,
    public_url: Arc<str>,
    protocol: auto::Builder<TokioExecutor>,
    shutdown: CancellationToken,
    abort: CancellationToken,
}

impl Shared {
    /// Serves one connection to its end; the slot is free again when this returns.
    async fn serve(self: Arc<Self>, socket: TcpStream, _slot: OwnedSemaphorePermit) {
        // Answers are small and awaited: do not hold them back to fill a packet.
        if socket.set_nodelay(true).is_err() {
            return; // already gone
        }
        metrics::gauge!("etr_http_connections").increment(1);
        let activity = Activity::start();
        let wire = TokioIo::new(Wire::new(socket, activity.clone(), self.public_url.clone()));
        let service = service_fn(|request| answer(self.clone(), activity.begin_request(), request));
        let mut connection = pin!(self.protocol.serve_connection(wire, service));
        let mut stopping = false;
        let mut look_again = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = self.abort.cancelled() => break,
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "connection ended");
                    }
                    break;
                }
                () = self.shutdown.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(look_again) => match activity.overdue(Instant::now()) {
                    Ok(later) => look_again = later,
                    Err(Overdue::Slow) => {
                        metrics::counter!("etr_http_slow_connections_total").increment(1);
                        break;
                    }
                    Err(Overdue::Idle) => {
                        // Polite first; one that does not leave is cut off at the next look.
                        if stopping {
                            break;
                        }
                        stopping = true;
                        connection.as_mut().graceful_shutdown();
                        look_again = Instant::now() + Duration::from_secs(5);
                    }
                },
            }
        }
        metrics::gauge!("etr_http_connections").decrement(1);
    }
}

async fn answer(
    shared: Arc<Shared>,
    in_flight: InFlight,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let response = match wellformed::fault(&request) {
        Some(problem) => problem::respond(&problem, &shared.public_url, None),
        None => shared.router.clone().oneshot(request.map(Body::new)).await?,
    };
    Ok(response.map(|body| AnswerBody::new(body, in_flight)))
}

fn protocol() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The watch on the bytes is stricter; this one is behind it.
        .header_read_timeout(IDLE_LIMIT + Duration::from_secs(10))
        .max_buf_size(MAX_HTTP1_HEADER_BYTES)
        .max_headers(MAX_HEADER_FIELDS)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HTTP2_HARD_HEADER_BYTES)
        // Streams reset before we looked at them, and resets that we had to send: a client that makes many of
        // either is attacking (CVE-2023-44487 and its kin) and loses the connection.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        // Finds peers that vanished without a word.
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        // Enough for an upload at full speed, bounded per connection.
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(1 << 20)
        .max_send_buf_size(256 << 10);
    builder
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Running {
        address: SocketAddr,
        shutdown: CancellationToken,
        ended: tokio::task::JoinHandle<()>,
    }

    async fn start(grace: Duration) -> Running {
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/slow", post(|| async { sleep(Duration::from_millis(300)).await }))
            .route("/never", get(std::future::pending::<()>));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = Server { router, public_url: "https://etrplus.example".into(), grace };
        let ended = tokio::spawn(server.run(listener, shutdown.clone()));
        Running { address, shutdown, ended }
    }

    /// Sends bytes and reads until the server closes or has nothing more to say for half a second.
    async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // A server that refuses early may close before everything is written.
        let _ = socket.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_millis(500), socket.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn what_is_not_http_is_answered_with_a_problem() {
        let server = start(Duration::from_secs(1)).await;
        let oversized =
            format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(MAX_HTTP1_HEADER_BYTES));
        let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADER_FIELDS + 1));
        for (request, status, code) in [
            ("NOT HTTP AT ALL\r\n\r\n", "400", "bad-request"),
            ("GET / HTTP/1.1\r\nbad header\r\n\r\n", "400", "bad-request"),
            ("GET / HTTP/1.1\r\n\r\n", "400", "bad-request"),
            ("GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", "400", "bad-request"),
            (oversized.as_str(), "431", "headers-too-large"),
            (many.as_str(), "431", "headers-too-large"),
        ] {
            let answer = exchange(server.address, request.as_bytes()).await;
            let (head, body) =
                answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
            let problem: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(problem["code"], code);
            assert_eq!(problem["type"], format!("https://etrplus.example/problems#{code}"));
        }
    }

    #[tokio::test]
    async fn both_protocols_are_served_on_one_port_and_a_connection_is_reused() {
        let server = start(Duration::from_secs(1)).await;
        let twice = "GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
        assert_eq!(exchange(server.address, twice.as_bytes()).await.matches("hello").count(), 2);

        use hyper_util::client::legacy::Client;
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Body>();
        let uri = format!("http://{}/", server.address).parse().unwrap();
        let response = client.get(uri).await.unwrap();
        assert_eq!((response.version(), response.status()), (http::Version::HTTP_2, http::StatusCode::OK));
    }

    #[tokio::test]
    async fn a_stop_lets_a_running_request_finish_and_refuses_new_connections() {
        let server = start(Duration::from_secs(5)).await;
        let address = server.address;
        let running =
            tokio::spawn(async move { exchange(address, b"POST /slow HTTP/1.1\r\nhost: x\r\n\r\n").await });
        sleep(Duration::from_millis(100)).await;
        server.shutdown.cancel();
        let answer = running.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        assert!(answer.contains("connection: close"), "{answer}");
        timeout(Duration::from_secs(1), server.ended).await.expect("ends as soon as nothing runs").unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_request_that_never_ends_does_not_outlive_the_grace() {
        let server = start(Duration::from_millis(200)).await;
        let address = server.address;
        let running =
            tokio::spawn(async move { exchange(address, b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await });
        sleep(Duration::from_millis(50)).await;
        server.shutdown.cancel();
        timeout(Duration::from_secs(2), server.ended).await.expect("ends after the grace").unwrap();
        assert_eq!(running.await.unwrap(), "");
    }
}
