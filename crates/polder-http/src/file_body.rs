//! Ranges of a file, and memory between them, as a response body.
//!
//! Over a connection that can, the system moves the bytes from the page cache to the socket
//! ([`crate::file_queue`]); over any other they are read into buffers that are used again. What is in the
//! page cache is taken on the spot without waiting (`RWF_NOWAIT`); only a miss goes to a blocking thread,
//! which also asks the system to read ahead. The file is never mapped, so one that shrinks cuts the
//! connection and nothing worse.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::JoinHandle;

use crate::file_queue::{FileQueue, STRETCH_BYTES_MAX, STRETCH_BYTES_MIN};

/// Bytes read at a time, and so the length of a pooled buffer.
const BUFFER_BYTES: usize = 256 << 10;
/// Buffers kept for use again: 16 MiB.
const POOLED_BUFFERS_MAX: usize = 64;
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

fn read_waiting(file: &File, offset: u64, mut buffer: Buffer) -> io::Result<Buffer> {
    let read = read_some(file, offset, buffer.space())?;
    buffer.truncate(read);
    Ok(buffer)
}

/// Reads bytes for no other use than that the page cache has them.
fn fill_page_cache(file: &File, mut range: Range<u64>) -> io::Result<()> {
    while !range.is_empty() {
        let read = read_some(file, range.start, Buffer::take(range.end - range.start).space())?;
        range.start = range.start.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// Reads at least one byte.
fn read_some(file: &File, offset: u64, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read_at(space, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Full-length buffers waiting for use, the last one used on top because it is still in the
/// processor's cache.
static POOL: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// Bytes of which the first `len` count. Goes back to the pool when dropped.
#[derive(Debug)]
struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
}

impl Buffer {
    /// A buffer for at most `wanted` bytes: from the pool, or small and new for a small read.
    fn take(wanted: u64) -> Self {
        let len = usize::try_from(wanted).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        let pooled = if len > BUFFER_BYTES / 4 {
            let mut pool = POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            pool.pop().or_else(|| Some(vec![0; BUFFER_BYTES].into()))
        } else {
            None
        };
        Self { bytes: pooled.unwrap_or_else(|| vec![0; len].into()), len }
    }

    fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() != BUFFER_BYTES {
            return;
        }
        let mut pool = POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if pool.len() < POOLED_BUFFERS_MAX {
            pool.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
    }

    fn file_of(content: &[u8]) -> Arc<File> {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content, 0).unwrap();
        Arc::new(file)
    }

    async fn collect(file: &Arc<File>, range: Range<u64>) -> io::Result<Vec<u8>> {
        Ok(FileBody::new(Arc::clone(file), range).collect().await?.to_bytes().to_vec())
    }

    #[tokio::test]
    async fn a_range_is_exactly_its_bytes() {
        let content = pattern(3 * BUFFER_BYTES + 17);
        let file = file_of(&content);
        let end = content.len();
        let edge = BUFFER_BYTES;
        for range in
            [0..end, 0..0, end..end, 0..1, end - 1..end, edge - 1..edge + 1, 1..edge + 1, 5..2 * edge + 5]
        {
            let bytes = u64::try_from(range.start).unwrap()..u64::try_from(range.end).unwrap();
            let body = FileBody::new(Arc::clone(&file), bytes.clone());
            assert_eq!(body.size_hint().exact(), Some(bytes.end - bytes.start));
            assert_eq!(collect(&file, bytes).await.unwrap(), content[range.clone()], "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_without_waiting_is_read_all_the_same() {
        let content = pattern(2 * BUFFER_BYTES + 3);
        let len = u64::try_from(content.len()).unwrap();
        let mut body = FileBody::new(file_of(&content), 0..len);
        body.can_try = false;
        assert_eq!(body.collect().await.unwrap().to_bytes(), content);
    }

    #[tokio::test]
    async fn a_file_that_ends_early_is_an_error_and_never_a_short_body() {
        for can_try in [true, false] {
            let file = file_of(&pattern(BUFFER_BYTES + 5));
            let mut body = FileBody::new(file, 0..u64::try_from(2 * BUFFER_BYTES).unwrap());
            body.can_try = can_try;
            let error = body.collect().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn buffers_come_back_and_are_not_mixed_up() {
        let contents: Vec<Vec<u8>> = (0..4_u8).map(|n| vec![n; BUFFER_BYTES * 2]).collect();
        let mut held = Vec::new();
        for content in &contents {
            let len = u64::try_from(content.len()).unwrap();
            let mut body = FileBody::new(file_of(content), 0..len);
            held.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        for (content, kept) in contents.iter().zip(&held) {
            assert_eq!(kept[..], content[..kept.len()]);
        }
        drop(held);
        let pooled = POOL.lock().unwrap().len();
        assert!((1..=POOLED_BUFFERS_MAX).contains(&pooled), "{pooled}");
    }
}
