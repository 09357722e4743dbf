//! Between the async edges and blocking git code: bodies that come in, streams that go out.

use std::io::{self, BufReader, Read};
use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_core::Stream;
use polder_git::{Gunzip, Sink};
use polder_types::limits::{PACK_BYTES_MAX, PUSH_COMMAND_BYTES_MAX};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Hub;
use crate::admission::Place;
use crate::body_budget::Reserved;
use crate::error::{Error, Kind, Result};

/// A request body as it arrives.
pub type BodyStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
/// A response body as it is made; an `Err` cuts the connection.
pub type ByteStream = mpsc::Receiver<io::Result<Bytes>>;

/// How a request body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEncoding {
    /// As is.
    Identity,
    /// `Content-Encoding: gzip`, which git sends for fetch requests over 1 KiB.
    Gzip,
}

/// Chunks in flight between the maker of a response and its connection.
const CHUNKS_IN_FLIGHT_MAX: usize = 16;

/// How often is looked whether someone else waits while a client takes nothing.
const STALL_STEP: Duration = Duration::from_secs(1);

/// A channel for a response body. Must be called on a thread of the runtime.
pub(crate) fn response(place: Place) -> (ResponseSink, ByteStream) {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT_MAX);
    (ResponseSink { sender, place, runtime: Handle::current(), is_whole: false, is_cut: false }, receiver)
}

/// The sending end, used from a blocking thread: blocks while the client is slow, fails when it is gone.
///
/// Unless [`ResponseSink::finish`] was called, its end cuts the connection: whatever went wrong, the client
/// must not take what it has for the whole.
pub(crate) struct ResponseSink {
    sender: mpsc::Sender<io::Result<Bytes>>,
    place: Place,
    runtime: Handle,
    is_whole: bool,
    /// The client was given up: it is not waited for again.
    is_cut: bool,
}

impl ResponseSink {
    /// Says that everything was sent.
    pub(crate) fn finish(mut self) {
        self.is_whole = true;
    }

    /// Waits for a client that is slow: as long as it takes, or as others do not have to wait for it.
    fn send_slowly(&mut self, chunk: Bytes) -> io::Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            match self.runtime.block_on(timeout(STALL_STEP, self.sender.reserve())) {
                Ok(Ok(room)) => {
                    room.send(Ok(chunk));
                    return Ok(());
                }
                Ok(Err(gone)) => return Err(io::Error::new(io::ErrorKind::BrokenPipe, gone)),
                Err(_elapsed) => {
                    waited += STALL_STEP;
                    if waited >= self.place.stall_max() && self.place.is_wanted() {
                        metrics::counter!("polder_transfers_cut_total").increment(1);
                        self.is_cut = true;
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
            }
        }
    }
}

impl Sink for ResponseSink {
    fn send(&mut self, chunk: Bytes) -> io::Result<()> {
        if self.is_cut {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match self.sender.try_send(Ok(chunk)) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(Ok(chunk))) => self.send_slowly(chunk),
            Err(gone) => Err(io::Error::new(io::ErrorKind::BrokenPipe, gone)),
        }
    }
}

impl Drop for ResponseSink {
    fn drop(&mut self) {
        if !self.is_whole {
            let sender = self.sender.clone();
            // The client may take its time; no thread waits for it. It fails only when nobody listens.
            self.runtime.spawn(async move {
                let cut = io::Error::other("the response could not be completed");
                sender.send(Err(cut)).await.unwrap_or_default();
            });
        }
    }
}

/// Reads a body from a blocking thread.
pub(crate) struct BlockingBody {
    stream: BodyStream,
    runtime: Handle,
    chunk: Bytes,
}

impl BlockingBody {
    /// Must be made on a thread of the runtime; may be read from a blocking one.
    pub(crate) fn new(stream: BodyStream) -> Self {
        Self { stream, runtime: Handle::current(), chunk: Bytes::new() }
    }
}

impl Read for BlockingBody {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(next(&mut self.stream)) {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let count = out.len().min(self.chunk.len());
        self.chunk.split_to(count).copy_to_slice(out.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

/// A reader that fails where more than so many bytes come.
pub(crate) struct Bounded<'a> {
    inner: &'a mut dyn Read,
    left: u64,
    exceeded: bool,
}

impl<'a> Bounded<'a> {
    pub(crate) fn new(inner: &'a mut dyn Read, bytes_max: u64) -> Self {
        Self { inner, left: bytes_max, exceeded: false }
    }

    /// Whether more came than may.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        let left = self.left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX));
        self.exceeded |= left.is_none();
        self.left = left.ok_or_else(|| io::Error::other("more bytes than there is room for"))?;
        Ok(count)
    }
}

/// The next chunk of a body.
pub(crate) async fn next(stream: &mut BodyStream) -> Option<io::Result<Bytes>> {
    std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await
}

/// Most bytes of a compressed push: compressing one well never makes it larger.
const COMPRESSED_PUSH_BYTES_MAX: u64 = PACK_BYTES_MAX + PUSH_COMMAND_BYTES_MAX;

/// A reader of the decoded body of a push.
pub(crate) fn decoded(body: BlockingBody, encoding: BodyEncoding) -> Box<dyn Read + Send> {
    match encoding {
        BodyEncoding::Identity => Box::new(BufReader::with_capacity(64 << 10, body)),
        BodyEncoding::Gzip => {
            Box::new(BufReader::with_capacity(64 << 10, Gunzip::new(body, COMPRESSED_PUSH_BYTES_MAX)))
        }
    }
}

/// A whole body of a request or an answer in memory, counted as long as it is held.
pub struct HeldBody {
    bytes: Vec<u8>,
    _reserved: Reserved,
}

impl HeldBody {
    /// Bytes that were paid for.
    pub(crate) fn new(bytes: Vec<u8>, reserved: Reserved) -> Self {
        Self { bytes, _reserved: reserved }
    }
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Deref for HeldBody {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Hub {
    /// Collects and decodes a whole body of at most `bytes_max`, encoded or decoded.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] over the limit, [`Kind::Invalid`] when it is cut short or is not gzip,
    /// [`Kind::Unavailable`] when other requests have all the memory there is for bodies.
    pub async fn hold_body(
        &self,
        mut stream: BodyStream,
        encoding: BodyEncoding,
        bytes_max: u64,
    ) -> Result<HeldBody> {
        let too_large = || Error::new(Kind::TooLarge, format!("the request is over {bytes_max} bytes"));
        let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let mut reserved = self.bodies.open();
        let mut bytes = Vec::new();
        while let Some(chunk) = next(&mut stream).await {
            let mut chunk =
                chunk.map_err(|error| Error::invalid("the request body was cut short").caused_by(error))?;
            let length = bytes.len().saturating_add(chunk.remaining());
            if length > limit {
                return Err(too_large());
            }
            reserved.grow_to(length)?;
            bytes.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
        }
        if encoding == BodyEncoding::Identity {
            return Ok(HeldBody { bytes, _reserved: reserved });
        }
        // Decoding waits for nothing, so no more bodies than the runtime has threads are uncounted.
        let plain = polder_git::gunzip(&bytes, bytes_max)?;
        reserved.grow_to(plain.len())?;
        Ok(HeldBody { bytes: plain, _reserved: reserved })
    }
}
