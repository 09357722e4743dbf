//! Ranges of a file, and memory between them, as a response body.
//!
//! Over a connection that can, the system moves the bytes from the page cache to the socket
//! ([`crate::file_queue`]); over any other they are read into buffers that are used again. What is in the
//! page cache is taken on the spot without waiting (`RWF_NOWAIT`); only a miss goes to a blocking thread,
//! which also asks the system to read ahead. The file is never mapped, so one that shrinks cuts the
//! connection and nothing worse.

mod buffer;
mod read;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::JoinHandle;

use self::buffer::Buffer;
use self::read::{fill_page_cache, read_waiting};
use crate::file_queue::{FileQueue, STRETCH_BYTES_MAX, STRETCH_BYTES_MIN};

/// Bytes the system is asked to have ready after a miss.
const READ_AHEAD_BYTES: u64 = 8 << 20;

/// Where a body's connection queues stretches of files; known once the response is on its way, and only
/// if the connection has such a queue. It goes from the body to the connection in the response's extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlet(Arc<OnceLock<Arc<FileQueue>>>);

impl Outlet {
    pub(crate) fn open(&self, files: Arc<FileQueue>) {
        // A response is sent over one connection, so this is the first and only time.
        self.0.get_or_init(|| files);
    }
}

/// A part of a [`FileBody`].
#[derive(Debug, Clone)]
pub enum FilePart {
    /// These bytes.
    Memory(Bytes),
    /// Those of the file.
    Range(Range<u64>),
}

impl FilePart {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => length(bytes),
            Self::Range(range) => range.end.saturating_sub(range.start),
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Parts of a file, and memory.
///
/// A file that ends early, or a failed read, is an error and never a short body.
#[derive(Debug)]
pub struct FileBody {
    file: Arc<File>,
    /// None of them is empty.
    parts: VecDeque<FilePart>,
    left_bytes: u64,
    /// What of the file is known to be in the page cache.
    cached: Range<u64>,
    /// Cleared when the file system cannot read without waiting.
    can_try: bool,
    pending: Option<JoinHandle<io::Result<Next>>>,
    outlet: Outlet,
}

impl FileBody {
    /// The bytes of `file` from `range.start` up to, not including, `range.end`.
    pub fn new(file: Arc<File>, range: Range<u64>) -> Self {
        Self::of_parts(file, [FilePart::Range(range)])
    }

    /// The parts, one after the other.
    pub fn of_parts(file: Arc<File>, parts: impl IntoIterator<Item = FilePart>) -> Self {
        let parts: VecDeque<_> = parts.into_iter().filter(|part| part.len() > 0).collect();
        let left_bytes = parts.iter().map(FilePart::len).fold(0, u64::saturating_add);
        let (can_try, pending, outlet) = (true, None, Outlet::default());
        Self { file, parts, left_bytes, cached: 0..0, can_try, pending, outlet }
    }

    /// A response with these bytes, and no headers yet. Where the connection can, the system sends what is of
    /// the file.
    pub fn into_response(self) -> Response<axum::body::Body> {
        let outlet = self.outlet.clone();
        let mut response = Response::new(axum::body::Body::new(self));
        response.extensions_mut().insert(outlet);
        response
    }

    /// Reads what the page cache has at `offset`; `None` when that is nothing.
    fn try_read(&mut self, space: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if !self.can_try {
            return Ok(None);
        }
        let space = &mut [IoSliceMut::new(space)];
        match rustix::io::preadv2(&self.file, space, offset, ReadWriteFlags::NOWAIT) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => Ok(Some(read)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {
                self.can_try = false;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where the next bytes go as a stretch, and how many, if they can go so at all.
    fn stretch(&self, range: &Range<u64>) -> Option<(&FileQueue, usize)> {
        let left_bytes = range.end.saturating_sub(range.start);
        let bytes = usize::try_from(left_bytes).unwrap_or(usize::MAX).min(STRETCH_BYTES_MAX);
        let files = self.outlet.0.get().filter(|_| self.can_try && bytes >= STRETCH_BYTES_MIN)?;
        Some((files, bytes))
    }

    /// What is looked for in the page cache at once: of the ranges from `offset` on, all that would fit in one
    /// stretch.
    fn window(&self, offset: u64) -> Range<u64> {
        let longest = offset.saturating_add(u64::try_from(STRETCH_BYTES_MAX).unwrap_or(u64::MAX));
        let mut end = offset;
        for part in &self.parts {
            match part {
                FilePart::Memory(_) => {}
                FilePart::Range(range) if !(offset..=end).contains(&range.start) => break,
                FilePart::Range(range) => end = range.end.min(longest),
            }
            if end == longest {
                break;
            }
        }
        offset..end
    }

    /// What the page cache has of the next bytes, which are at the beginning of `range`; `None` when that is
    /// nothing.
    fn try_next(&mut self, range: &Range<u64>) -> io::Result<Option<Next>> {
        if let Some((_, bytes)) = self.stretch(range) {
            let end = range.start.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            if !(self.cached.start <= range.start && end <= self.cached.end) {
                let window = self.window(range.start);
                // Both ends stand for the rest: a hole costs the thread a short wait, as it would in nginx.
                let is_cached = self.try_read(&mut [0], window.start)?.is_some()
                    && self.try_read(&mut [0], window.end.saturating_sub(1))?.is_some();
                if !is_cached {
                    return Ok(None);
                }
                self.cached = window;
            }
            return Ok(Some(Next::Stretch(bytes)));
        }
        let mut buffer = Buffer::take(range.end.saturating_sub(range.start));
        let read = self.try_read(buffer.space(), range.start)?;
        Ok(read.map(|read| {
            buffer.truncate(read);
            Next::Memory(buffer)
        }))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "one positioned read per connection, so bounded by the number of connections"
    )]
    fn next_on_a_thread(&mut self, range: &Range<u64>) -> JoinHandle<io::Result<Next>> {
        let (file, range) = (Arc::clone(&self.file), range.clone());
        let stretch = self.stretch(&range).map(|(_, bytes)| bytes);
        let window = self.window(range.start);
        if stretch.is_some() {
            self.cached = window.clone();
        }
        tokio::task::spawn_blocking(move || {
            // Only advice: where the system does not take it, reading is slower and nothing else.
            let ahead = NonZeroU64::new(READ_AHEAD_BYTES);
            let _: Result<(), Errno> = rustix::fs::fadvise(&file, range.start, ahead, Advice::WillNeed);
            match stretch {
                Some(bytes) => fill_page_cache(&file, window).map(|()| Next::Stretch(bytes)),
                None => read_waiting(&file, range.start, Buffer::take(range.end.saturating_sub(range.start)))
                    .map(Next::Memory),
            }
        })
    }

    fn deliver(&mut self, range: Range<u64>, next: Next) -> io::Result<Frame<Bytes>> {
        let data = match next {
            Next::Memory(buffer) => Bytes::from_owner(buffer),
            Next::Stretch(bytes) => self
                .stretch(&range)
                .and_then(|(files, _)| files.placeholder(&self.file, range.start, bytes))
                .ok_or_else(|| io::Error::other("the connection does not take a stretch of a file"))?,
        };
        let left = FilePart::Range(range.start.saturating_add(length(&data))..range.end);
        Ok(self.sent(left, data))
    }

    /// Takes `data` from the first part, of which `left` is left.
    fn sent(&mut self, left: FilePart, data: Bytes) -> Frame<Bytes> {
        self.left_bytes = self.left_bytes.saturating_sub(length(&data));
        self.parts.pop_front();
        if left.len() > 0 {
            self.parts.push_front(left);
        }
        Frame::data(data)
    }
}

/// The next bytes of a body, ready to go.
#[derive(Debug)]
enum Next {
    Memory(Buffer),
    /// So many bytes of the file itself.
    Stretch(usize),
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let range = match self.parts.front() {
            None => return Poll::Ready(None),
            Some(FilePart::Memory(bytes)) => {
                let mut left = bytes.clone();
                // Nothing as long as a stretch may be written while one waits.
                let data = left.split_to(left.len().min(STRETCH_BYTES_MIN - 1));
                return Poll::Ready(Some(Ok(self.sent(FilePart::Memory(left), data))));
            }
            Some(FilePart::Range(range)) => range.clone(),
        };
        if self.pending.is_none() {
            match self.try_next(&range) {
                Ok(Some(next)) => return Poll::Ready(Some(self.deliver(range, next))),
                Ok(None) => self.pending = Some(self.next_on_a_thread(&range)),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let Some(pending) = &mut self.pending else { return Poll::Pending };
        let outcome = ready!(Pin::new(pending).poll(cx));
        self.pending = None;
        let next = outcome.map_err(io::Error::other).and_then(|read| read);
        Poll::Ready(Some(next.and_then(|next| self.deliver(range, next))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}
