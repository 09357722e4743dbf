//! Stretches of files that the system moves to a socket by itself (`sendfile`).
//!
//! hyper writes what a body hands it, and a body can hand it only memory. So the body hands it a
//! *placeholder*: memory that is never read, as long as the stretch it stands for, which the body has
//! put into the connection's [`FileQueue`] meanwhile. The connection knows a placeholder by its address
//! and sends the stretch in its stead. Should a placeholder ever be copied on its way, so that its
//! address is lost, the copy is long and of zeros, which heads of responses are not, and what bodies have in
//! memory is short: it is refused and the connection cut.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Longest stretch: one that fills hyper's buffer, so that it is sent before the next is asked for.
pub(crate) const STRETCH_BYTES_MAX: usize = 512 << 10;
/// Shortest stretch. Nothing of a body that is written while a stretch waits may be as long.
pub(crate) const STRETCH_BYTES_MIN: usize = 16 << 10;

/// Zeroed by the system when first touched, which never happens.
static PLACEHOLDER: LazyLock<Bytes> = LazyLock::new(|| vec![0; STRETCH_BYTES_MAX].into());

fn is_placeholder(data: &[u8]) -> bool {
    PLACEHOLDER.as_ptr_range().contains(&data.as_ptr())
}

/// A piece of a file that is next on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) left_bytes: usize,
    is_begun: bool,
}

/// The stretches of one connection whose placeholders were handed out, in their order.
#[derive(Debug, Default)]
pub struct FileQueue(Mutex<VecDeque<Stretch>>);

/// How a piece of memory is to be written.
#[derive(Debug)]
pub(crate) enum Written {
    /// As it is.
    Memory,
    /// By sending this stretch.
    File(Stretch),
}

impl FileQueue {
    fn stretches(&self) -> MutexGuard<'_, VecDeque<Stretch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a stretch and hands out its placeholder. `None` for one that is too short or too long.
    pub(crate) fn placeholder(&self, file: &Arc<File>, offset: u64, bytes: usize) -> Option<Bytes> {
        if !(STRETCH_BYTES_MIN..=STRETCH_BYTES_MAX).contains(&bytes) {
            return None;
        }
        let file = Arc::clone(file);
        self.stretches().push_back(Stretch { file, offset, left_bytes: bytes, is_begun: false });
        Some(PLACEHOLDER.slice(..bytes))
    }

    /// Says how `data`, which is next on the wire, is written.
    ///
    /// # Errors
    /// When `data` and the queue do not agree, so that what would be written is not what was meant.
    pub(crate) fn next(&self, data: &[u8]) -> io::Result<Written> {
        let stretches = self.stretches();
        let front = stretches.front();
        if is_placeholder(data) {
            return match front {
                Some(front) if front.left_bytes == data.len() => Ok(Written::File(front.clone())),
                _ => Err(io::Error::other("a placeholder stands for no stretch of a file")),
            };
        }
        match front {
            Some(front) if front.is_begun || (data.len() >= STRETCH_BYTES_MIN && data.contains(&0)) => {
                Err(io::Error::other("a placeholder was copied on its way to the connection"))
            }
            _ => Ok(Written::Memory),
        }
    }

    /// Takes note that `bytes` of the first stretch were sent.
    pub(crate) fn sent(&self, bytes: usize) {
        let mut stretches = self.stretches();
        if let Some(front) = stretches.front_mut() {
            front.is_begun = true;
            front.left_bytes = front.left_bytes.saturating_sub(bytes);
            front.offset = front.offset.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            if front.left_bytes == 0 {
                stretches.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_of_one() -> (FileQueue, Bytes) {
        let (queue, file) = (FileQueue::default(), Arc::new(tempfile::tempfile().unwrap()));
        let placeholder = queue.placeholder(&file, 7, STRETCH_BYTES_MIN).unwrap();
        (queue, placeholder)
    }

    #[test]
    fn a_placeholder_is_its_stretch_until_all_of_it_is_sent() {
        let (queue, mut placeholder) = queue_of_one();
        let long = format!("HTTP/1.1 200 OK\r\nlink: {}\r\n\r\n", "l".repeat(STRETCH_BYTES_MIN));
        for head in ["HTTP/1.1 200 OK\r\n\r\n", &long] {
            assert!(matches!(queue.next(head.as_bytes()).unwrap(), Written::Memory));
        }
        for (offset, sent) in [(7, 1), (8, STRETCH_BYTES_MIN - 1)] {
            let Written::File(stretch) = queue.next(&placeholder).unwrap() else { panic!("memory") };
            assert_eq!((stretch.offset, stretch.left_bytes), (offset, placeholder.len()));
            queue.sent(sent);
            placeholder = placeholder.slice(sent..);
        }
        assert!(matches!(queue.next(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap(), Written::Memory));
        assert!(matches!(queue.next(&vec![1; STRETCH_BYTES_MAX]).unwrap(), Written::Memory));
    }

    #[test]
    fn zeros_are_never_written_for_a_file() {
        let (queue, placeholder) = queue_of_one();
        let copied = Vec::from(&placeholder[..]);
        queue.next(&copied).unwrap_err();
        queue.next(&[b"HTTP/1.1 200 OK\r\n\r\n", &copied[..]].concat()).unwrap_err();
        queue.next(&placeholder[1..]).unwrap_err();
        queue.sent(1);
        queue.next(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err();
        FileQueue::default().next(&placeholder).unwrap_err();
    }

    #[test]
    fn a_stretch_is_neither_short_nor_longer_than_its_placeholder() {
        let (queue, file) = (FileQueue::default(), Arc::new(tempfile::tempfile().unwrap()));
        assert!(queue.placeholder(&file, 0, STRETCH_BYTES_MIN - 1).is_none());
        assert!(queue.placeholder(&file, 0, STRETCH_BYTES_MAX + 1).is_none());
    }
}
