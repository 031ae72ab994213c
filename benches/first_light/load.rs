//! Clients that ask again as soon as they are answered, one connection each, and how long every answer took.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Latencies of one round, and how long the round took.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    pub latencies: Vec<Duration>,
    pub elapsed: Duration,
}

impl Samples {
    /// Operations per second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// One client of a closed loop.
pub trait Client: Send + 'static {
    /// Does one operation; an error ends the measurement.
    fn once(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Lets all clients work for so long, and finish what they have begun then. They come back for the next round.
pub async fn closed_loop<C: Client>(clients: Vec<C>, limit: Duration) -> Result<(Vec<C>, Samples)> {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for mut client in clients {
        running.spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < limit {
                let sent = Instant::now();
                client.once().await?;
                latencies.push(sent.elapsed());
            }
            Ok::<_, anyhow::Error>((client, latencies))
        });
    }
    let (mut clients, mut samples) = (Vec::new(), Samples::default());
    while let Some(ended) = running.join_next().await {
        let (client, latencies) = ended.context("a client panicked")??;
        clients.push(client);
        samples.latencies.extend(latencies);
    }
    samples.elapsed = begun.elapsed();
    Ok((clients, samples))
}

/// A body in pieces of known length, none of them copied.
#[derive(Clone, Debug, Default)]
pub struct Pieces(VecDeque<Bytes>);

impl Pieces {
    pub fn new(pieces: impl IntoIterator<Item = Bytes>) -> Pieces {
        Pieces(pieces.into_iter().filter(|piece| !piece.is_empty()).collect())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// One HTTP/1.1 connection that is kept alive.
pub struct Connection {
    sender: http1::SendRequest<Pieces>,
    host: String,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Connection> {
        let socket = TcpStream::connect(address).await.context("cannot connect to the server")?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        // Its error is that of the request under way.
        tokio::spawn(connection);
        Ok(Connection { sender, host: address.to_string() })
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&mut self, mut request: Request<Pieces>) -> Result<(StatusCode, Bytes)> {
        request.headers_mut().insert(http::header::HOST, self.host.parse()?);
        self.sender.ready().await.context("the server closed the connection")?;
        let answer = self.sender.send_request(request).await.context("no answer")?;
        let status = answer.status();
        let body = answer.into_body().collect().await.context("half an answer")?.to_bytes();
        Ok((status, body))
    }

    /// The same where only one status will do.
    pub async fn expect(&mut self, status: StatusCode, request: Request<Pieces>) -> Result<Bytes> {
        let (found, body) = self.send(request).await?;
        if found != status {
            bail!("{found} where {status} was expected: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}
