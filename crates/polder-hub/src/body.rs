//! Between the async edges and blocking git code: bodies that come in, streams that go out.

use std::io::{self, BufReader, Read};
use std::pin::Pin;

use bytes::{Buf as _, Bytes};
use futures_core::Stream;
use polder_git::{Gunzip, Sink};
use polder_types::limits::{PACK_BYTES_MAX, PUSH_COMMAND_BYTES_MAX};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

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

/// A channel for a response body.
pub(crate) fn response() -> (ResponseSink, ByteStream) {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT_MAX);
    (ResponseSink(sender), receiver)
}

/// The sending end; blocks while the client is slow, fails when it is gone.
pub(crate) struct ResponseSink(mpsc::Sender<io::Result<Bytes>>);

impl ResponseSink {
    /// Cuts the connection: the client must not take what it has for the whole.
    pub(crate) fn cut(&self, why: &str) {
        self.0.blocking_send(Err(io::Error::other(why.to_owned()))).unwrap_or_default();
    }
}

impl Sink for ResponseSink {
    fn send(&mut self, chunk: Bytes) -> io::Result<()> {
        self.0.blocking_send(Ok(chunk)).map_err(|gone| io::Error::new(io::ErrorKind::BrokenPipe, gone))
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

/// Collects and decodes a whole body of at most `max_bytes`, encoded or decoded.
///
/// # Errors
/// [`Kind::TooLarge`] over the limit, [`Kind::Invalid`] when it is cut short or is not gzip.
pub(crate) async fn collect(
    mut stream: BodyStream,
    encoding: BodyEncoding,
    max_bytes: u64,
) -> Result<Vec<u8>> {
    let too_large = || Error::new(Kind::TooLarge, format!("the request is over {max_bytes} bytes"));
    let limit = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    let mut body = Vec::new();
    while let Some(chunk) = next(&mut stream).await {
        let mut chunk =
            chunk.map_err(|error| Error::invalid("the request body was cut short").caused_by(error))?;
        if body.len().saturating_add(chunk.remaining()) > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
    }
    if encoding == BodyEncoding::Identity {
        return Ok(body);
    }
    Ok(polder_git::gunzip(&body, max_bytes)?)
}
