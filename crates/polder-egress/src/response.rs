//! What another host answered.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep};

use crate::error::{Error, Kind};
use crate::places::Place;
use crate::url::Url;

/// Time of waiting over which the speed of a body is measured.
const PACE_WINDOW: Duration = Duration::from_secs(30);

/// The head of an answer, and its body to come.
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) url: Url,
    pub(crate) body: Body,
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The URL that answered, after redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Every header.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The text of a header, if it is text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, as a stream.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The whole body, of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] if it is longer; else as [`Body::chunk`].
    pub async fn bytes(self, bytes_max: usize) -> Result<Bytes, Error> {
        let mut body = self.body.at_most(u64::try_from(bytes_max).unwrap_or(u64::MAX));
        let mut whole = BytesMut::new();
        while let Some(chunk) = body.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

/// A body as it comes. Its host's place for a request is held until this is dropped.
pub struct Body {
    pub(crate) incoming: Incoming,
    pub(crate) host: String,
    pub(crate) left: u64,
    pub(crate) idle_max: Duration,
    pub(crate) pace: Pace,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) _place: Place,
}

/// A wait for the next bytes.
pub(crate) struct Waiting {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Body {
    /// The same body, an error after `bytes_max` more bytes.
    #[must_use]
    pub fn at_most(mut self, bytes_max: u64) -> Self {
        self.left = self.left.min(bytes_max);
        self
    }

    /// The next bytes, or `None` at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] past the bound, [`Kind::TimedOut`] when nothing or too little comes,
    /// [`Kind::BadAnswer`] when the body ends early.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The same, for streams.
    ///
    /// # Errors
    /// As [`Body::chunk`].
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                return self.poll_wait(cx);
            };
            let waited = self.waiting.take().map_or(Duration::ZERO, |waiting| waiting.since.elapsed());
            let Some(frame) = frame else { return Poll::Ready(Ok(None)) };
            let frame = frame.map_err(|source| {
                Error::new(Kind::BadAnswer, format!("`{}` broke off its answer", self.host)).caused_by(source)
            })?;
            let Ok(data) = frame.into_data() else { continue };
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            metrics::counter!("polder_egress_received_bytes_total").increment(length);
            self.left = self.left.checked_sub(length).ok_or_else(|| {
                Error::new(Kind::TooLarge, format!("`{}` sends more than it may", self.host))
            })?;
            if !self.pace.holds(waited, length) {
                let message = format!("`{}` sends too slowly", self.host);
                return Poll::Ready(Err(Error::new(Kind::TimedOut, message)));
            }
            if !data.is_empty() {
                return Poll::Ready(Ok(Some(data)));
            }
        }
    }

    /// Waits on, unless nothing came for too long.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let idle_max = self.idle_max;
        let begin = || Waiting { since: Instant::now(), timer: Box::pin(sleep(idle_max)) };
        std::task::ready!(self.waiting.get_or_insert_with(begin).timer.as_mut().poll(cx));
        Poll::Ready(Err(Error::new(Kind::TimedOut, format!("`{}` stopped sending", self.host))))
    }

    /// The body for code that may block, on a thread of the runtime's blocking pool.
    pub fn blocking(self, runtime: Handle) -> BlockingBody {
        BlockingBody { body: self, runtime, chunk: Bytes::new() }
    }
}

/// Whether a body comes fast enough. Only the time spent waiting for it counts: a reader may be slow.
pub(crate) struct Pace {
    slowest: u64,
    waited: Duration,
    came: u64,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { slowest: bytes_per_second, waited: Duration::ZERO, came: 0 }
    }

    fn holds(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.came = self.came.saturating_add(bytes);
        if self.waited < PACE_WINDOW {
            return true;
        }
        let least = self.slowest.saturating_mul(self.waited.as_secs());
        let held = self.came >= least;
        *self = Self::new(self.slowest);
        held
    }
}

/// A [`Body`] to read where blocking is allowed.
pub struct BlockingBody {
    body: Body,
    runtime: Handle,
    chunk: Bytes,
}

impl Read for BlockingBody {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() && !into.is_empty() {
            let next = self.runtime.block_on(self.body.chunk());
            self.chunk = next.map_err(io::Error::other)?.unwrap_or_default();
        }
        let length = self.chunk.len().min(into.len());
        if let Some(into) = into.get_mut(..length) {
            self.chunk.copy_to_slice(into);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_spent_waiting_makes_a_body_slow() {
        let mut pace = Pace::new(1_024);
        assert!(
            (0..1_000).all(|_| pace.holds(Duration::from_millis(1), 1)),
            "a second of waiting is not enough to tell"
        );
        assert!(pace.holds(Duration::from_secs(29), 30 << 10));
        assert!((0..29).all(|_| pace.holds(Duration::from_secs(1), 100)));
        assert!(!pace.holds(Duration::from_secs(1), 100), "100 bytes a second");
        assert!(Pace::new(0).holds(Duration::from_hours(1), 0));
    }
}
