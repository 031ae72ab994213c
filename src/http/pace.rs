//! Bodies that come too slowly are cut off, so that a slow sender cannot hold a slot for ever.
//!
//! A body must not stall, and after a grace must have arrived at the least rate on average ([`PACE`]). Only the time spent waiting for the sender counts: a server that is slow to read is not the
//! sender's fault.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// How fast a body must come.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Longest silence within a body.
    pub stall: Duration,
    /// Time that a body may take before its average rate counts.
    pub grace: Duration,
    /// Least bytes per second after the grace.
    pub min_rate: u64,
}

/// The pace that the server asks of every body.
pub const PACE: Pace =
    Pace { stall: Duration::from_secs(60), grace: Duration::from_secs(20), min_rate: 1024 };

/// The body came too slowly.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("The body stalled or arrived more slowly than 1 KiB a second.")]
pub struct TooSlow;

/// A request body that ends in [`TooSlow`] when its sender does not keep pace.
pub struct Paced {
    inner: Body,
    pace: Pace,
    received: u64,
    /// Time spent waiting for the sender so far.
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Paced {
    pub fn new(inner: Body, pace: Pace) -> Paced {
        Paced { inner, pace, received: 0, waited: Duration::ZERO, waiting: None }
    }

    /// How much longer this wait may last: until the stall limit, or until the average falls below the rate.
    fn patience(&self) -> Duration {
        let earned = self.pace.grace + Duration::from_millis(self.received * 1000 / self.pace.min_rate);
        earned.saturating_sub(self.waited).min(self.pace.stall)
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            if let Some((since, _)) = this.waiting.take() {
                this.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(frame.map(|result| result.map_err(Into::into)));
        }
        let patience = this.patience();
        let (_, timer) =
            this.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(patience))));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt, stream};
    use http_body_util::BodyExt;

    use super::*;

    /// The server's pace, a hundred times as strict.
    const STRICT: Pace =
        Pace { stall: Duration::from_millis(600), grace: Duration::from_millis(200), min_rate: 102_400 };

    /// A body of chunks of `size` bytes with ten milliseconds before each.
    fn drip(size: usize, chunks: usize) -> Paced {
        let stream = stream::iter(0..chunks).then(move |_| async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok::<_, Infallible>(Bytes::from(vec![b'x'; size]))
        });
        Paced::new(Body::from_stream(stream), STRICT)
    }

    #[tokio::test]
    async fn a_slow_but_steady_sender_is_heard_to_the_end() {
        let body = drip(8192, 50).collect().await.unwrap();
        assert_eq!(body.to_bytes().len(), 50 * 8192);
    }

    #[tokio::test]
    async fn a_trickle_is_cut_off_after_the_grace() {
        let started = Instant::now();
        let error = drip(1, 1000).collect().await.unwrap_err();
        assert!(error.is::<TooSlow>());
        assert!(started.elapsed() >= STRICT.grace, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn silence_is_cut_off_even_after_much_was_sent() {
        let head = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![0; 10 << 20]))]);
        let body = Paced::new(Body::from_stream(head.chain(stream::pending())), STRICT);
        let started = Instant::now();
        assert!(body.collect().await.unwrap_err().is::<TooSlow>());
        assert!(started.elapsed() >= STRICT.stall, "{:?}", started.elapsed());
    }
}
