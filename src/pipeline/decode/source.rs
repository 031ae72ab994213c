//! The bytes of one batch as a blocking reader: fed by a channel, unpacked, digested, decompressed, capped.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Read};
use std::rc::Rc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Buf, Bytes};
use tokio::sync::mpsc::Receiver;

use super::Fault;
use crate::config::Limits;
use crate::domain::rules::Code;

/// Largest zstd window that we decode (RFC 8878 asks decoders for 8 MiB): bounds memory against hostile frames.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Small bodies may compress as well as they like; the ratio counts beyond this.
const RATIO_FREE_BYTES: u64 = 1 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// A piece of the stored object on its way from the store, or the end of it. A channel that closes without
/// [`Feed::End`] broke off.
#[derive(Debug)]
pub enum Feed {
    Bytes(Bytes),
    Broken(String),
    End,
}

/// Reads what the channel brings.
struct ChannelReader {
    feed: Receiver<Feed>,
    current: Bytes,
    ended: bool,
}

impl Read for ChannelReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.feed.blocking_recv() {
                Some(Feed::Bytes(bytes)) => self.current = bytes,
                Some(Feed::End) => self.ended = true,
                Some(Feed::Broken(why)) => return Err(Fault::BrokenOff(why).into_io()),
                None => return Err(Fault::BrokenOff("reading from the store was given up".into()).into_io()),
            }
        }
        let n = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}

/// The received bytes, counted and digested as they pass.
struct Received {
    inner: Box<dyn Read>,
    sha256: Context,
    bytes: u64,
}

impl Read for Received {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

/// One batch's bytes. Lives on one thread.
pub struct Source {
    received: Rc<RefCell<Received>>,
    content_encoding: String,
}

/// A second handle on the received bytes, so that a decoder may own one while the digest stays ours.
struct Handle(Rc<RefCell<Received>>);

impl Read for Handle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

impl Source {
    /// `stored_encoding` and `content_encoding` as the batch's row has them.
    pub fn new(feed: Receiver<Feed>, stored_encoding: &str, content_encoding: &str) -> Result<Source, Fault> {
        let stored = ChannelReader { feed, current: Bytes::new(), ended: false };
        let inner: Box<dyn Read> = match stored_encoding {
            "zstd" => unpacked(stored)?,
            _ => Box::new(stored),
        };
        let received = Received { inner, sha256: Context::new(&SHA256), bytes: 0 };
        Ok(Source {
            received: Rc::new(RefCell::new(received)),
            content_encoding: content_encoding.to_owned(),
        })
    }

    /// The content after decompression, capped in size and ratio.
    pub fn decoded(&self, limits: &Limits) -> Result<Box<dyn Read>, Fault> {
        let handle = BufReader::with_capacity(BUFFER_BYTES, Handle(Rc::clone(&self.received)));
        let inner: Box<dyn Read> = match self.content_encoding.as_str() {
            "gzip" => Box::new(flate2::bufread::MultiGzDecoder::new(handle)),
            "zstd" => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(handle)
                    .map_err(|error| Fault::Ours(error.to_string()))?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG_MAX)
                    .map_err(|error| Fault::Ours(error.to_string()))?;
                Box::new(decoder)
            }
            _ => return Ok(Box::new(handle)),
        };
        Ok(Box::new(Capped {
            inner,
            received: Rc::clone(&self.received),
            decoded: 0,
            max_bytes: limits.max_decoded_bytes,
            max_ratio: limits.max_ratio,
        }))
    }

    /// Reads what is left and compares the whole with the digest and length of the receipt. A difference
    /// means that the store does not give back what it was given: never the contributor's fault.
    pub fn verify(self, sha256: &[u8], bytes: u64) -> Result<(), Fault> {
        let mut received = self.received.borrow_mut();
        let mut rest = vec![0; BUFFER_BYTES];
        loop {
            match received.read(&mut rest) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(ours(&error)),
            }
        }
        let digest = received.sha256.clone().finish();
        if received.bytes == bytes && digest.as_ref() == sha256 {
            return Ok(());
        }
        Err(Fault::Ours("the stored object differs from the receipt in digest or length".into()))
    }
}

/// The bytes as received, of an object that we packed. An empty body was packed into no frame at all, which a
/// decoder takes for one that was cut off; that it should be empty is checked with the digest.
fn unpacked(stored: ChannelReader) -> Result<Box<dyn Read>, Fault> {
    let mut stored = BufReader::with_capacity(BUFFER_BYTES, stored);
    if stored.fill_buf().map_err(|error| ours(&error))?.is_empty() {
        return Ok(Box::new(std::io::empty()));
    }
    let decoder = zstd::stream::read::Decoder::with_buffer(stored);
    Ok(Box::new(decoder.map_err(|error| Fault::Ours(error.to_string()))?))
}

/// An error below the received bytes is always ours, whatever library reported it.
fn ours(error: &std::io::Error) -> Fault {
    match Fault::from_io(error) {
        fault @ (Fault::Ours(_) | Fault::BrokenOff(_) | Fault::Disk(_)) => fault,
        Fault::File { .. } => Fault::Ours("the stored object cannot be unpacked".into()),
    }
}

/// Stops a bomb while it is small.
struct Capped {
    inner: Box<dyn Read>,
    received: Rc<RefCell<Received>>,
    decoded: u64,
    max_bytes: u64,
    max_ratio: u64,
}

impl Read for Capped {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.decoded += n as u64;
        if self.decoded > self.max_bytes {
            let detail = format!("more than {} bytes after decompression", self.max_bytes);
            return Err(Fault::file(Code::F016, detail).into_io());
        }
        let received = self.received.borrow().bytes;
        if self.decoded > RATIO_FREE_BYTES && self.decoded > received.saturating_mul(self.max_ratio) {
            let detail = format!("more than {} decompressed bytes for each received byte", self.max_ratio);
            return Err(Fault::file(Code::F004, detail).into_io());
        }
        Ok(n)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    pub fn limits() -> Limits {
        Limits {
            max_batch_bytes: 1 << 30,
            max_decoded_bytes: 64 << 20,
            max_records: 1000,
            max_ratio: 100,
            max_line_bytes: 1 << 20,
            request_timeout: Duration::from_secs(30),
        }
    }

    /// A source over bytes, in pieces of an odd size.
    pub fn source(stored: &[u8], stored_encoding: &str, content_encoding: &str) -> Source {
        let pieces: Vec<Bytes> = stored.chunks(997).map(Bytes::copy_from_slice).collect();
        let (send, feed) = tokio::sync::mpsc::channel(pieces.len() + 1);
        for piece in pieces {
            send.try_send(Feed::Bytes(piece)).unwrap();
        }
        send.try_send(Feed::End).unwrap();
        Source::new(feed, stored_encoding, content_encoding).unwrap()
    }

    pub fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(source: &Source) -> Result<Vec<u8>, Fault> {
        let mut all = Vec::new();
        source.decoded(&limits())?.read_to_end(&mut all).map_err(|error| Fault::from_io(&error))?;
        Ok(all)
    }

    #[test]
    fn whatever_the_wrapping_the_content_comes_out_and_the_digest_is_of_what_was_sent() {
        assert_eq!(read_all(&source(b"", "zstd", "identity")).unwrap(), b"", "an empty body has no frame");
        let plain = b"one line\n".repeat(500);
        let sent = [
            (plain.clone(), "identity"),
            (gzip(&plain), "gzip"),
            ([gzip(&plain[..900]), gzip(&plain[900..])].concat(), "gzip"),
            (zstd::bulk::compress(&plain, 3).unwrap(), "zstd"),
        ];
        for (received, encoding) in sent {
            let stored = if encoding == "identity" {
                zstd::bulk::compress(&received, 1).unwrap()
            } else {
                received.clone()
            };
            let stored_encoding = if encoding == "identity" { "zstd" } else { "identity" };
            let source = source(&stored, stored_encoding, encoding);
            assert!(read_all(&source).unwrap() == plain, "{encoding}");
            let digest = aws_lc_rs::digest::digest(&SHA256, &received);
            source.verify(digest.as_ref(), received.len() as u64).unwrap();
        }
    }

    #[test]
    fn a_bomb_is_stopped_by_ratio_and_a_cut_file_is_the_senders_fault() {
        let bomb = gzip(&vec![b' '; 8 << 20]);
        let fault = read_all(&source(&bomb, "identity", "gzip")).unwrap_err();
        assert!(matches!(fault, Fault::File { code: Code::F004, .. }), "{fault}");
        let cut = gzip(&b"some text".repeat(100));
        let fault = read_all(&source(&cut[..cut.len() - 9], "identity", "gzip")).unwrap_err();
        assert!(matches!(fault, Fault::File { code: Code::F004, .. }), "{fault}");
    }

    #[test]
    fn a_store_that_breaks_off_or_changes_a_bit_is_our_fault() {
        let (send, feed) = tokio::sync::mpsc::channel(4);
        send.try_send(Feed::Bytes(Bytes::from_static(b"abc"))).unwrap();
        send.try_send(Feed::Broken("connection reset".into())).unwrap();
        let broken = Source::new(feed, "identity", "identity").unwrap();
        assert!(matches!(read_all(&broken), Err(Fault::BrokenOff(_))));
        let changed = source(b"abd", "identity", "identity");
        let digest = aws_lc_rs::digest::digest(&SHA256, b"abc");
        assert!(matches!(changed.verify(digest.as_ref(), 3), Err(Fault::Ours(_))));
    }
}
