//! This hub's own log: what it says of its repositories to other hubs, in order and signed.

mod attest;
mod author;
mod checkpoint_file;
mod clone_proof;
mod epoch;
mod erase;
mod first;
mod kit;
mod origin;
mod pings;
mod prune;
mod read;
mod refill;
#[cfg(test)]
mod refill_moved_tests;
mod rotate;
mod sequencer;
mod snapshot;
mod tell_moves;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use polder_db::{Lease, Log};
use polder_log::LogName;
use tokio::sync::{Mutex, Notify, watch};

pub use origin::{FederationAbout, FederationOptions};
#[cfg(test)]
pub(crate) use prune::beat;
pub use read::{LOG_WAIT_MAX, PageQuery, SELECT_TERMS_MAX, Select, Term};
pub use rotate::LogKey;
pub(crate) use snapshot::due_after;

use crate::coalesced::Coalesced;

/// The end of a log, as it is given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTip {
    pub(crate) id: i64,
    pub(crate) is_own: bool,
    /// Which log.
    pub name: LogName,
    /// Leaves under the checkpoint.
    pub size: u64,
    /// The signed note.
    pub note: Arc<str>,
    /// The first leaf that is kept.
    pub min_index: u64,
}

impl LogTip {
    /// The end of a log, once something of it is signed.
    fn of(log: &Log) -> Option<Self> {
        let note = log.checkpoint.as_deref()?.into();
        Some(Self {
            id: log.id,
            is_own: log.is_own,
            name: log.name.clone(),
            size: log.checkpoint_size,
            note,
            min_index: log.min_index,
        })
    }
}

/// Most pages near the end that are shared among those who wait for them.
const PAGES_MAX: u64 = 16;
/// Whose page: which log, as long as it was, and what was asked.
type PageKey = (i64, u64, PageQuery);

/// What a process knows of the own log.
pub(crate) struct OwnLog {
    /// Rung when another epoch of it was begun; facts ring by themselves.
    pub(crate) bell: Notify,
    /// The end that is given out; whoever waits for more watches it.
    tip: watch::Sender<Option<LogTip>>,
    /// Changes whenever the log of another hub has grown here.
    mirrors: watch::Sender<u64>,
    pages: Coalesced<PageKey, Bytes>,
    pings: pings::Pings,
    /// Held while the log is appended to.
    lead: Mutex<Option<Lead>>,
    /// Held while a snapshot is made.
    making: Mutex<()>,
    /// By which the database tells this process from others.
    holder: i64,
}

/// The right to append, once it is known that nothing was rolled back.
#[derive(Debug, Clone, Copy)]
struct Lead {
    log: i64,
    lease: Lease,
    /// The size at which the next snapshot is due.
    next_snapshot: u64,
}

impl OwnLog {
    pub(crate) fn new(holder: i64) -> Self {
        Self {
            bell: Notify::new(),
            tip: watch::Sender::new(None),
            mirrors: watch::Sender::new(0),
            pages: Coalesced::new(PAGES_MAX),
            pings: pings::Pings::default(),
            lead: Mutex::new(None),
            making: Mutex::new(()),
            holder,
        }
    }
}
