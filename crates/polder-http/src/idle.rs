//! Cutting peers that stand still: a request body that stops coming, a response nobody reads.
//!
//! A transfer of any length is fine as long as it moves, so nothing here bounds a total.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::rest::Rest;

/// Bytes that must pass in every window that is spent waiting; less counts as standing still.
const WINDOW_BYTES_MIN: usize = 16 << 10;

/// Measures one direction of a transfer. Only time spent waiting for the peer can make it fail.
#[derive(Debug)]
struct Pace {
    window: Duration,
    waiting_since: Option<Instant>,
    passed_bytes: usize,
    // Left running when bytes pass: arming a timer for every chunk costs more than a rare early wake.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    fn new(window: Duration) -> Self {
        Self { window, waiting_since: None, passed_bytes: 0, alarm: None }
    }

    fn passed(&mut self, bytes: usize) {
        self.passed_bytes = self.passed_bytes.saturating_add(bytes);
        if self.passed_bytes >= WINDOW_BYTES_MIN {
            self.waiting_since = None;
            self.passed_bytes = 0;
        }
    }

    /// Called when the peer is not ready: fails when it has not been for the whole window, else sees
    /// to it that the task is woken when the window ends.
    fn wait(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let now = Instant::now();
        let deadline = *self.waiting_since.get_or_insert(now) + self.window;
        if now >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.as_mut().poll(cx).is_ready() {
            alarm.as_mut().reset(deadline);
            if alarm.as_mut().poll(cx).is_ready() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}

/// A request body that fails with [`io::ErrorKind::TimedOut`] when its sender stands still.
#[derive(Debug)]
pub(crate) struct IdleBody<B: Body> {
    /// Until it is dropped.
    inner: Option<B>,
    pace: Pace,
    has_ended: bool,
    rest: Arc<Rest<B>>,
}

impl<B: Body> IdleBody<B> {
    /// Gives the sender `window` for every 16 KiB. When it is dropped before its end, the body is left to `rest`.
    pub(crate) fn new(inner: B, window: Duration, rest: Arc<Rest<B>>) -> Self {
        Self { inner: Some(inner), pace: Pace::new(window), has_ended: false, rest }
    }
}

impl<B> Body for IdleBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Pending => match self.pace.wait(cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Some(Err(error))),
            },
            Poll::Ready(None) => {
                self.has_ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.pace.passed(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<B: Body> Drop for IdleBody<B> {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take().filter(|inner| !self.has_ended && !inner.is_end_stream()) {
            self.rest.leave(inner);
        }
    }
}

/// A connection whose writes fail with [`io::ErrorKind::TimedOut`] when its reader stands still.
#[derive(Debug)]
pub(crate) struct IdleWriter<T> {
    inner: T,
    pace: Pace,
}

impl<T> IdleWriter<T> {
    /// Gives the reader `window` for every 16 KiB. The window must be long enough for a slow reader to
    /// empty a third of the socket's buffer, because the system does not wake us before that.
    pub(crate) fn new(inner: T, window: Duration) -> Self {
        Self { inner, pace: Pace::new(window) }
    }

    fn paced(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Pending => match self.pace.wait(cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
            Poll::Ready(outcome) => {
                self.pace.passed(outcome.as_ref().copied().unwrap_or(0));
                Poll::Ready(outcome)
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for IdleWriter<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for IdleWriter<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, data);
        self.paced(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, data);
        self.paced(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
