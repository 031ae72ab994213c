//! One TCP connection: what it is doing, how long it may, and the answers that hyper gives by itself.
//!
//! hyper's own header time-out also runs while a kept-alive connection is idle, and does not run while the
//! protocol is still being detected. So the bytes are watched here instead: a connection has [`HEADER_LIMIT`]
//! from its first byte to its request, and [`IDLE_LIMIT`] between requests.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::problem::{PROBLEM_JSON, Problem, ProblemKind};

/// From the first byte of a request (or the start of a connection) to the end of its header.
pub const HEADER_LIMIT: Duration = Duration::from_secs(10);
/// Between requests.
pub const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// How long a client may refuse to read an answer: the socket takes nothing, or HTTP/2 opens no window.
pub const WRITE_STALL_LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for the rest of a request's header.
    Header { since: Instant },
    /// So many requests are being served.
    Busy { requests: usize },
    /// Kept alive, nothing asked.
    Idle { since: Instant },
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    /// Set by the preface of HTTP/2, where bytes also carry pings and need not lead to a request.
    http2: bool,
    read_anything: bool,
    write_stalled_since: Option<Instant>,
    /// So many answers have bytes that the client has not asked for. Over HTTP/2 the socket does not tell: it
    /// stays writable while the client opens no window.
    answers_held: usize,
    answers_moved_at: Instant,
}

/// What a connection has to be closed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Nothing is lost by closing: let it end politely.
    Idle,
    /// A header or the reading of an answer takes too long.
    Slow,
}

/// What a connection is doing; shared by its bytes, its requests and its timer.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Mutex<State>>);

impl Activity {
    pub fn start() -> Activity {
        let now = Instant::now();
        let state = State {
            phase: Phase::Header { since: now },
            http2: false,
            read_anything: false,
            write_stalled_since: None,
            answers_held: 0,
            answers_moved_at: now,
        };
        Activity(Arc::new(Mutex::new(state)))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // A poisoned lock still holds a valid state: every change is a single assignment.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn bytes_arrived(&self, bytes: &[u8]) {
        self.with(|state| {
            if !state.read_anything {
                state.read_anything = true;
                state.http2 = bytes.starts_with(b"PRI");
            }
            if !state.http2 && matches!(state.phase, Phase::Idle { .. }) {
                state.phase = Phase::Header { since: Instant::now() };
            }
        });
    }

    /// A request begins; it ends when the returned guard is dropped.
    pub fn begin_request(&self) -> InFlight {
        self.with(|state| {
            let requests = if let Phase::Busy { requests } = state.phase { requests } else { 0 };
            state.phase = Phase::Busy { requests: requests + 1 };
        });
        InFlight(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.with(|state| matches!(state.phase, Phase::Busy { .. }))
    }

    fn write_progress(&self, stalled: bool) {
        self.with(|state| match (stalled, state.write_stalled_since) {
            (true, None) => state.write_stalled_since = Some(Instant::now()),
            (false, Some(_)) => state.write_stalled_since = None,
            _ => {}
        });
    }

    /// An answer has bytes for the client from now on, or has none any more.
    fn answer_held(&self, held: bool) {
        self.with(|state| {
            state.answers_held =
                if held { state.answers_held + 1 } else { state.answers_held.saturating_sub(1) };
            state.answers_moved_at = Instant::now();
        });
    }

    /// Whether a limit is reached, or else when to look again.
    pub fn overdue(&self, now: Instant) -> Result<Instant, Overdue> {
        let state = self.with(|state| *state);
        let (deadline, reason) = match (state.write_stalled_since, state.phase) {
            (Some(since), _) => (since + WRITE_STALL_LIMIT, Overdue::Slow),
            (None, Phase::Header { since }) => (since + HEADER_LIMIT, Overdue::Slow),
            (None, Phase::Idle { since }) => (since + IDLE_LIMIT, Overdue::Idle),
            (None, Phase::Busy { .. }) if state.answers_held > 0 => {
                (state.answers_moved_at + WRITE_STALL_LIMIT, Overdue::Slow)
            }
            (None, Phase::Busy { .. }) => return Ok(now + HEADER_LIMIT),
        };
        // Never sleep past the shortest limit: the phase may change meanwhile.
        if deadline <= now { Err(reason) } else { Ok(deadline.min(now + HEADER_LIMIT)) }
    }
}

/// A request being served, up to the last byte of its answer.
pub struct InFlight(Activity);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.phase = match state.phase {
                Phase::Busy { requests } if requests > 1 => Phase::Busy { requests: requests - 1 },
                _ => Phase::Idle { since: Instant::now() },
            };
        });
    }
}

/// An answer's body that keeps its request in flight, and tells whether the client takes it: hyper asks for the
/// next frame only when it can pass on the last one.
pub struct AnswerBody {
    inner: Body,
    in_flight: InFlight,
    /// Whether it is the client's turn.
    held: bool,
}

impl AnswerBody {
    pub fn new(inner: Body, in_flight: InFlight) -> AnswerBody {
        let mut answer = AnswerBody { inner, in_flight, held: false };
        answer.hold(true);
        answer
    }

    fn hold(&mut self, held: bool) {
        if self.held != held {
            self.held = held;
            self.in_flight.0.answer_held(held);
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.hold(false);
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.hold(false);
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        self.hold(matches!(frame, Some(Ok(_))));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The socket, watched. It also turns the bare answers that hyper gives to what it cannot parse into problems:
/// hyper offers no hook for them, but writes each as one small head with an empty body.
pub struct Wire {
    socket: TcpStream,
    activity: Activity,
    base_url: Arc<str>,
    /// Our text in place of a bare answer, and the length of what it stands for.
    substitute: Option<(Bytes, usize)>,
}

impl Wire {
    pub fn new(socket: TcpStream, activity: Activity, base_url: Arc<str>) -> Wire {
        Wire { socket, activity, base_url, substitute: None }
    }

    fn poll_substitute(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some((text, stands_for)) = &mut self.substitute {
            if text.is_empty() {
                let written = *stands_for;
                self.substitute = None;
                return Poll::Ready(Ok(written));
            }
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, text))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            text.advance(written);
        }
        Poll::Ready(Ok(0))
    }

    fn substitutes(&mut self, bytes: &[u8]) -> bool {
        if self.substitute.is_none() && !self.activity.is_busy() {
            let kind = bare_answer(bytes);
            self.substitute = kind.map(|kind| (problem_answer(kind, &self.base_url), bytes.len()));
        }
        self.substitute.is_some()
    }
}

/// The kind of problem behind an answer of hyper's own. Answers of ours with these statuses have a body.
fn bare_answer(bytes: &[u8]) -> Option<ProblemKind> {
    let head = std::str::from_utf8(bytes).ok().filter(|_| bytes.len() < 256)?;
    let (version, rest) = head.split_once(' ')?;
    if !version.starts_with("HTTP/1.")
        || !head.ends_with("\r\n\r\n")
        || !head.contains("content-length: 0\r\n")
    {
        return None;
    }
    match rest.get(..3)? {
        "400" => Some(ProblemKind::BadRequest),
        "414" => Some(ProblemKind::UriTooLong),
        "431" => Some(ProblemKind::HeadersTooLarge),
        _ => None,
    }
}

fn problem_answer(kind: ProblemKind, base_url: &str) -> Bytes {
    let detail = match kind {
        ProblemKind::BadRequest => "The request is not well-formed HTTP/1.1.",
        _ => "The request line or the header fields are larger than the server reads.",
    };
    let body = Problem::new(kind).detail(detail).render(base_url, None);
    let status: StatusCode = kind.status();
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or(""),
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer.into()
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.bytes_arrived(&buf.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = if self.substitutes(buf) {
            self.poll_substitute(cx)
        } else {
            Pin::new(&mut self.socket).poll_write(cx, buf)
        };
        self.activity.write_progress(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        if let Some(first) = first.filter(|first| self.substitutes(first)) {
            return self.poll_write(cx, first);
        }
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.activity.write_progress(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_header_has_ten_seconds_and_a_quiet_connection_sixty() {
        let activity = Activity::start();
        let start = Instant::now();
        assert!(activity.overdue(start + 9 * SECOND).is_ok());
        assert_eq!(activity.overdue(start + 11 * SECOND), Err(Overdue::Slow));

        let request = activity.begin_request();
        assert!(activity.overdue(start + 3600 * SECOND).is_ok(), "a request being served has its own limits");
        drop(request);
        assert!(activity.overdue(start + 59 * SECOND).is_ok());
        assert_eq!(activity.overdue(start + 61 * SECOND), Err(Overdue::Idle));

        activity.bytes_arrived(b"G");
        assert_eq!(
            activity.overdue(start + 11 * SECOND),
            Err(Overdue::Slow),
            "the next header counts from its first byte"
        );
    }

    #[test]
    fn pings_neither_start_a_header_nor_keep_an_idle_http2_connection_alive() {
        let activity = Activity::start();
        activity.bytes_arrived(b"PRI * HTTP/2.0");
        let two = (activity.begin_request(), activity.begin_request());
        drop(two.0);
        assert!(activity.is_busy(), "one of two requests is still served");
        drop(two.1);
        activity.bytes_arrived(b"ping");
        let now = Instant::now();
        assert!(activity.overdue(now + 59 * SECOND).is_ok());
        assert_eq!(activity.overdue(now + 61 * SECOND), Err(Overdue::Idle));
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_off() {
        let activity = Activity::start();
        let _request = activity.begin_request();
        activity.write_progress(true);
        activity.write_progress(true);
        let now = Instant::now();
        assert_eq!(activity.overdue(now + 61 * SECOND), Err(Overdue::Slow));
        activity.write_progress(false);
        assert!(activity.overdue(now + 61 * SECOND).is_ok());
    }

    #[tokio::test]
    async fn a_client_that_opens_no_window_is_cut_off_and_one_that_waits_for_us_is_not() {
        use http_body_util::BodyExt;

        let activity = Activity::start();
        activity.bytes_arrived(b"PRI * HTTP/2.0");
        let chunk: Result<Bytes, std::convert::Infallible> = Ok(Bytes::from_static(b"part"));
        let slow = futures::StreamExt::chain(futures::stream::iter([chunk]), futures::stream::pending());
        let mut answer = AnswerBody::new(Body::from_stream(slow), activity.begin_request());
        let later = || Instant::now() + 61 * SECOND;
        assert_eq!(activity.overdue(later()), Err(Overdue::Slow), "nobody asked for the first frame");

        answer.frame().await.unwrap().unwrap();
        assert_eq!(activity.overdue(later()), Err(Overdue::Slow), "nobody asked for more");
        assert!(futures::poll!(answer.frame()).is_pending());
        assert!(activity.overdue(later()).is_ok(), "the next frame is ours to make");
        drop(answer);
        assert_eq!(activity.overdue(later()), Err(Overdue::Idle));
    }
}
