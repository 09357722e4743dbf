//! Local row ids: 63-bit numbers made by the process that writes the row.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::Clock;

macro_rules! id_type {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }
    )*};
}

id_type! {
    /// A repository of this hub.
    RepoId,
    /// A user or an organisation of this hub.
    AccountId,
    /// An access token.
    TokenId,
    /// A trusted publisher.
    PublisherId,
    /// A stored pack; also names its file, if it has one.
    PackId,
    /// One incarnation of a large object; also names its file.
    BlobId,
    /// An outbox fact.
    EventId,
    /// A background job.
    JobId,
    /// A lock on a file.
    LockId,
    /// What happened in a discussion.
    DiscussionEventId,
    /// A large object that arrives in parts; also names the directory of its parts.
    UploadId,
    /// One received part of an upload; also names its file.
    PartId,
    /// An xorb that a client of Xet sent and no file has yet; also names its file.
    StagedXorbId,
    /// Bytes of a quota promised to an upload.
    ReservationId,
    /// A row of the audit log.
    AuditId,
    /// Someone's request to read a gated repository.
    AccessRequestId,
}

impl UploadId {
    /// What is promised to this upload: no two ids are the same, so it goes by the upload's own.
    pub fn reservation(self) -> ReservationId {
        ReservationId(self.0)
    }
}

impl StagedXorbId {
    /// What is promised to this xorb, as for an [`UploadId`].
    pub fn reservation(self) -> ReservationId {
        ReservationId(self.0)
    }
}

const NODE_BITS: u32 = 10;
const SEQUENCE_BITS: u32 = 12;
/// 2026-01-01T00:00:00Z; 41 bits of milliseconds from here last until 2095.
const EPOCH_MILLIS: i64 = 1_767_225_600_000;

/// Makes ids that grow with time and never repeat: milliseconds, then the node, then a count.
///
/// A clock that steps back does not matter while the process lives; across a restart the primary
/// key refuses a repeat.
#[derive(Debug)]
pub struct IdSource {
    clock: Clock,
    node: i64,
    last: AtomicI64,
}

impl IdSource {
    /// How many nodes can make ids at the same time.
    pub const NODES: u16 = 1 << NODE_BITS;

    /// Ids for `node` (only its low 10 bits count), which no other process has at the same time.
    pub fn new(clock: Clock, node: u16) -> Self {
        Self { clock, node: i64::from(node) & ((1 << NODE_BITS) - 1), last: AtomicI64::new(0) }
    }

    /// Goes on after `id`, whatever the clock says: it may stand where it stood when that was made.
    pub fn go_on_after(&self, id: i64) {
        // From the next millisecond on: whichever node that was, every id from here is greater.
        let next = (id >> (NODE_BITS + SEQUENCE_BITS)).saturating_add(1) << SEQUENCE_BITS;
        self.last.fetch_max(next - 1, Ordering::Relaxed);
    }

    /// The next id, greater than every one before it from this source.
    pub fn next(&self) -> i64 {
        let millis = (self.clock.now().0 - EPOCH_MILLIS).max(0);
        let fresh = millis << SEQUENCE_BITS;
        let step = |last: i64| Some(fresh.max(last + 1));
        let ticket = match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step) {
            Ok(last) | Err(last) => fresh.max(last + 1),
        };
        let (millis, sequence) = (ticket >> SEQUENCE_BITS, ticket & ((1 << SEQUENCE_BITS) - 1));
        (millis << (NODE_BITS + SEQUENCE_BITS)) | (self.node << SEQUENCE_BITS) | sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn ids_grow_even_when_the_clock_stands_still_or_steps_back() {
        let millis = Arc::new(AtomicI64::new(EPOCH_MILLIS + 5));
        let source = IdSource::new(Clock::Manual(Arc::clone(&millis)), 3);
        let mut last = 0;
        for round in 0..10_000 {
            if round == 5_000 {
                millis.store(EPOCH_MILLIS, Ordering::Relaxed);
            }
            let id = source.next();
            assert!(id > last);
            assert_eq!((id >> SEQUENCE_BITS) & 1023, 3);
            last = id;
        }
        // The next process, whose clock was set back.
        let next = IdSource::new(Clock::Manual(millis), 2);
        next.go_on_after(last);
        next.go_on_after(5);
        let id = next.next();
        assert!(id > last, "of another node even");
        assert_eq!((id >> SEQUENCE_BITS) & 1023, 2);
    }
}
