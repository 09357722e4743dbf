//! Beginning to follow a hub where a snapshot of its log was made, instead of at the first event.
//!
//! The event of the snapshot names subtrees of a tree before it. With the events from there up to that one they
//! must lead to what the origin signed: so event, subtrees and all the files that it names are the origin's. Rows
//! are loaded page by page, and last, in one write, the log goes on from the snapshot. Who is stopped before
//! that begins again, and fetches only what is not here yet.

mod edge;
mod rows;
#[cfg(test)]
mod tests;

use std::time::Duration;

use polder_db::Log;
use polder_log::{
    Checkpoint, Cursor, Data, EventType, EventsPage, Fault, Frontier, Leaf, Lie, Plan, SnapshotHead, Tiles,
    VerifierKey, open_body,
};
use polder_types::Sha256;

use super::peer::{Peer, PeerError};
use super::read::Reader;
use crate::Hub;
use crate::error::{Error, Result};

/// A log that has fewer events is read from its beginning.
const EVENTS_MIN: u64 = 20_000;

/// Most pages of events between where a snapshot is of and the event that tells of it.
const PAGES_MAX: usize = 64;

/// Why a snapshot is not begun with.
pub(super) enum Stop {
    /// The source does not answer, or has no such thing.
    Source(Error),
    /// What it answers is not what the origin signed.
    Fault(Fault),
    /// Something is wrong here.
    Here(Error),
}

impl Stop {
    fn source(peer: &dyn Peer, what: &str) -> Self {
        Self::Source(Error::unavailable(format!("`{}`: {what}", peer.name())))
    }
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Here(error.into())
    }
}

/// For what a peer answered.
fn asked(peer: &dyn Peer) -> impl FnOnce(PeerError) -> Stop {
    |error| Stop::Source(error.of(peer.name()))
}

fn malformed(error: polder_log::Error) -> Stop {
    Stop::Fault(error.into())
}

/// Events of a source that has them.
async fn events(peer: &dyn Peer, from: u64, limit: u64) -> Result<EventsPage, Stop> {
    let answer = peer.events(from, limit, Duration::ZERO).await.map_err(asked(peer))?;
    let answer = answer.ok_or_else(|| Stop::source(peer, "it does not have the event of its snapshot"))?;
    EventsPage::decode(&answer).map_err(malformed)
}

/// A snapshot that the origin has signed.
struct Snapshot {
    /// Where its event is.
    index: u64,
    head: SnapshotHead,
    tree: Frontier,
    /// What signs the log.
    key: VerifierKey,
}

impl Hub {
    /// Whether a log that nothing is here of is better begun with a snapshot.
    pub(super) async fn is_long(&self, peer: &dyn Peer) -> bool {
        matches!(peer.newest_snapshot().await, Ok(newest) if newest.size >= EVENTS_MIN)
    }

    /// Begins with the newest snapshot of a source, or goes on with it when the events that come next are no
    /// longer kept.
    pub(super) async fn begin_at_snapshot(&self, reader: &Reader, peer: &dyn Peer) -> Result<(), Stop> {
        let snapshot = self.signed_snapshot(reader, peer).await?;
        let log = &reader.log;
        tracing::info!(origin = %log.name, events = snapshot.head.size, "begins with a snapshot");
        self.load_keys(log, &snapshot, peer).await?;
        self.fetch_parts(log, &snapshot, peer).await?;
        self.load_parts(reader, &snapshot, peer).await?;
        self.start_after(reader, &snapshot, peer).await
    }

    async fn signed_snapshot(&self, reader: &Reader, peer: &dyn Peer) -> Result<Snapshot, Stop> {
        let (log, size) = (&reader.log, reader.cursor.tree.size());
        let newest = peer.newest_snapshot().await.map_err(asked(peer))?;
        if newest.index <= size {
            return Err(Stop::source(peer, &format!("it has no snapshot after event {size}")));
        }
        let page = events(peer, newest.index, 1).await?;
        let leaf = page.leaves.first().filter(|leaf| leaf.kind == EventType::Snapshot);
        let leaf = leaf.ok_or_else(|| Stop::source(peer, "what it calls its snapshot is none"))?;
        let body = match page.bodies.first() {
            Some(body) => body.clone().into(),
            None => peer.body(leaf.body_sha256).await.map_err(asked(peer))?,
        };
        let body = open_body(&log.name, leaf, &body)
            .map_err(|why| Stop::source(peer, &format!("the event of its snapshot: {why}")))?;
        let head = match &body.data {
            Data::Snapshot(head) if size < head.size && head.size <= newest.index => head.clone(),
            _ => return Err(Stop::source(peer, "its snapshot is of another place in the log")),
        };
        let tree = Frontier::new(head.size, head.peaks.clone()).map_err(malformed)?;
        let at = Cursor { tree: tree.clone(), held: None, ..reader.cursor.clone() };
        let (page, key) = self.lead_to(log, at, (newest.index, leaf), peer).await?;
        if size > 0 {
            let signed = Checkpoint::open(&page.checkpoint, &key).map_err(malformed)?.size;
            self.check_past(&reader.cursor, &page.checkpoint, signed, &key, peer).await?;
        }
        Ok(Snapshot { index: newest.index, head, tree, key })
    }

    /// Checks that the log leads from `at` to this leaf; the page that has it, and what signs the log.
    async fn lead_to(
        &self,
        log: &Log,
        mut at: Cursor,
        (index, leaf): (u64, &Leaf),
        peer: &dyn Peer,
    ) -> Result<(EventsPage, VerifierKey), Stop> {
        for _ in 0..PAGES_MAX {
            let page = events(peer, at.tree.size(), index + 1 - at.tree.size()).await?;
            let key = self.next_key(log, &page, peer).await?.unwrap_or_else(|| log.key.clone());
            let advanced = at.advance(&page, &key).map_err(Stop::Fault)?;
            at = advanced.cursor;
            match advanced.entries.last() {
                Some(last) if last.index < index => {}
                Some(last) if last.index == index && last.leaf == *leaf => return Ok((page, key)),
                _ => return Err(Stop::Fault(Lie::Place.into())),
            }
        }
        Err(Stop::source(peer, "too many events came before it told of its snapshot"))
    }

    /// Checks that what is signed now has what is here in its past.
    async fn check_past(
        &self,
        cursor: &Cursor,
        note: &str,
        signed: u64,
        key: &VerifierKey,
        peer: &dyn Peer,
    ) -> Result<(), Stop> {
        let plan = Plan::consistency(cursor.tree.size(), signed).map_err(malformed)?;
        let mut tiles = Tiles::default();
        for id in plan.tiles() {
            let tile = peer.tile(id).await.map_err(asked(peer))?;
            tiles.insert(id.level, id.index, tile.to_vec());
        }
        let proof = plan.path(&tiles).ok_or_else(|| Stop::source(peer, "its tiles are cut off"))?;
        let (first, checkpoint) = (cursor.tree.size(), note.to_owned());
        let page = EventsPage { first, checkpoint, proof, ..EventsPage::default() };
        cursor.advance(&page, key).map(drop).map_err(Stop::Fault)
    }

    async fn fetch_parts(&self, log: &Log, snapshot: &Snapshot, peer: &dyn Peer) -> Result<(), Stop> {
        for part in &snapshot.head.parts {
            if self.snapshot_part(log.id, part.sha256).await?.is_some() {
                continue;
            }
            let data = peer.snapshot_part(snapshot.index, part.sha256).await.map_err(asked(peer))?;
            polder_log::decode_part(part, &data).map_err(malformed)?;
            let file = polder_db::LogFile {
                owner: Sha256::new([0; 32]),
                sha256: part.sha256,
                kind: polder_db::FileKind::Snapshot,
                index: snapshot.index,
                data,
            };
            self.db.put_log_file(log.id, file).await?;
        }
        Ok(())
    }
}
