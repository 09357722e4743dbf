//! Memory for what is read, used again and again.

use std::sync::{Mutex, PoisonError};

/// Bytes read at a time, and so the length of a pooled buffer.
pub(super) const BUFFER_BYTES: usize = 256 << 10;
/// Buffers kept for use again: 16 MiB.
pub(super) const POOLED_BUFFERS_MAX: usize = 64;

/// Full-length buffers waiting for use, the last one used on top because it is still in the
/// processor's cache.
pub(super) static POOL: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// Bytes of which the first `len` count. Goes back to the pool when dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
}

impl Buffer {
    /// A buffer for at most `wanted` bytes: from the pool, or small and new for a small read.
    pub(super) fn take(wanted: u64) -> Self {
        let len = usize::try_from(wanted).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        let pooled = if len > BUFFER_BYTES / 4 {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            pool.pop().or_else(|| Some(vec![0; BUFFER_BYTES].into()))
        } else {
            None
        };
        Self { bytes: pooled.unwrap_or_else(|| vec![0; len].into()), len }
    }

    pub(super) fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }

    pub(super) fn truncate(&mut self, len: usize) {
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
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOLED_BUFFERS_MAX {
            pool.push(std::mem::take(&mut self.bytes));
        }
    }
}
