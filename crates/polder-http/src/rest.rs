//! What of a request's body nobody read before its answer.
//!
//! Whoever answers early cannot go on with the connection while the rest of the body is on its way, and says so. A
//! proxy that passes bodies on while they come (nginx with `proxy_request_buffering off`) does not pass that on: its
//! client sends the next request into a connection that ends. A small rest is therefore read away first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// Most bytes that are read away. What is larger may be what the client need not send.
const REST_BYTES_MAX: usize = 64 << 10;
/// How long that may take: some round trips around the world.
const REST_TIME_MAX: Duration = Duration::from_secs(2);

/// Where a body is left that is dropped before its end.
#[derive(Debug)]
pub(crate) struct Rest<B> {
    left: Mutex<Left<B>>,
    was_left: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Left<B> {
    Nothing,
    Body(B),
    /// The request is answered: what is left from now on is nobody's.
    TooLate,
}

impl<B> Rest<B> {
    /// `was_left` is set while a body is left, or was left behind.
    pub(crate) fn new(was_left: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(Left::Nothing), was_left })
    }

    pub(crate) fn leave(&self, body: B) {
        self.was_left.store(true, Ordering::Release);
        let mut left = self.left();
        if matches!(*left, Left::Nothing) {
            *left = Left::Body(body);
        }
    }

    /// Ends waiting for what may be left: the request is answered.
    pub(crate) fn end(&self) -> Option<B> {
        match std::mem::replace(&mut *self.left(), Left::TooLate) {
            Left::Body(body) => Some(body),
            Left::Nothing | Left::TooLate => None,
        }
    }

    fn left(&self) -> MutexGuard<'_, Left<B>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Rest<B> {
    /// Reads away what is left, if that is little and comes at once.
    pub(crate) async fn read_away(&self) {
        let Some(mut body) = self.end() else { return };
        let mut room = REST_BYTES_MAX;
        if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > room {
            return;
        }
        let reading = async {
            while let Some(frame) = body.frame().await {
                let bytes = frame.ok()?.data_ref().map_or(0, Bytes::len);
                room = room.checked_sub(bytes)?;
            }
            Some(())
        };
        if let Ok(Some(())) = timeout(REST_TIME_MAX, reading).await {
            self.was_left.store(false, Ordering::Release);
        }
    }
}
