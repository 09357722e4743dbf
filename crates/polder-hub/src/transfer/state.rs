//! What those who work on one transfer, and those who read along, share.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::ranges::Ranges;

/// How far a transfer is, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferProgress {
    /// Known to be good.
    pub good_bytes: u64,
    /// Of the whole object.
    pub size_bytes: u64,
    /// Received from sources, chunk lists included, since this process took it up.
    pub fetched_bytes: u64,
    /// Found in objects that were here.
    pub reused_bytes: u64,
}

/// How a transfer ended, as those who read along see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    UnderWay,
    /// The whole is what it should be.
    Whole,
    Failed,
}

/// One transfer.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) data: Arc<File>,
    pub(super) size_bytes: u64,
    good: Mutex<Ranges>,
    counts: Mutex<TransferProgress>,
    /// Where a reader waits.
    wish: Mutex<Option<u64>>,
    changed: watch::Sender<u64>,
    pub(super) ending: watch::Sender<Ending>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(data: Arc<File>, size_bytes: u64, good: Ranges) -> Self {
        Self {
            data,
            size_bytes,
            good: Mutex::new(good),
            counts: Mutex::default(),
            wish: Mutex::default(),
            changed: watch::Sender::new(0),
            ending: watch::Sender::new(Ending::UnderWay),
        }
    }

    /// Writes bytes that are good to their place.
    pub(super) fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.data.write_all_at(bytes, offset)?;
        self.mark_good(offset, offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
        Ok(())
    }

    /// The bytes that are there are good.
    pub(super) fn mark_good(&self, start: u64, end: u64) {
        held(&self.good).insert(start, end);
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    pub(super) fn is_good(&self, start: u64, end: u64) -> bool {
        held(&self.good).contains(start, end)
    }

    pub(super) fn good_end(&self, start: u64) -> u64 {
        held(&self.good).end_from(start)
    }

    pub(super) fn good_bytes(&self) -> u64 {
        held(&self.good).bytes()
    }

    /// As stored.
    pub(super) fn encode(&self) -> Vec<u8> {
        held(&self.good).encode()
    }

    /// Forgets that anything is good.
    pub(super) fn restart(&self) {
        *held(&self.good) = Ranges::default();
    }

    pub(super) fn count_fetched(&self, bytes: usize) {
        let mut counts = held(&self.counts);
        counts.fetched_bytes = counts.fetched_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(super) fn count_reused(&self, bytes: u64) {
        let mut counts = held(&self.counts);
        counts.reused_bytes = counts.reused_bytes.saturating_add(bytes);
    }

    pub(super) fn progress(&self) -> TransferProgress {
        TransferProgress { good_bytes: self.good_bytes(), size_bytes: self.size_bytes, ..*held(&self.counts) }
    }

    pub(super) fn wish_for(&self, offset: u64) {
        *held(&self.wish) = Some(offset);
    }

    pub(super) fn take_wish(&self) -> Option<u64> {
        held(&self.wish).take()
    }

    /// Told whenever more bytes are good.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
