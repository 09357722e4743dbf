//! Snapshots of the own log: the newest event of every repository and namespace, in files that one event
//! names, so that a new follower need not read all that was before.
//!
//! One is made beside the sequencer, of the log as it was at one moment; the log goes on meanwhile, and the
//! event that tells of it comes when it is made.

use bytes::Bytes;
use polder_db::{Appended, FileKind, Log, LogAppend, LogFile, LogHeads};
use polder_log::{
    Body, Data, EventType, PART_ROWS_MAX, SnapshotHead, SnapshotPart, SnapshotRow, encode_part,
};
use polder_types::Sha256;

use super::LogTip;
use super::author::{Author, entry};
use super::sequencer::RETRY;
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// Rows read at a time; a part has as many pages as fit.
const PAGE: i64 = 1_000;
/// Between two snapshots lie so many events at least, and such a part of the log.
const BETWEEN_MIN: u64 = 10_000;
const BETWEEN_PART: u64 = 8;
/// Most snapshots that are looked through for the newest.
const LOOKED_THROUGH: i64 = 8;

/// A snapshot in the making.
pub(crate) struct Making {
    heads: LogHeads,
    parts: Vec<SnapshotPart>,
}

impl Hub {
    /// Makes a snapshot whenever one is due, where the log is kept. Ends never; failures are logged and tried
    /// again.
    pub(crate) async fn keep_snapshots(&self) {
        let mut tip = self.own_log.tip.subscribe();
        loop {
            tip.mark_unchanged();
            if let Err(error) = self.snapshot_if_due().await {
                tracing::error!(error = %error.chain(), "cannot make a snapshot of the log");
                tokio::time::sleep(RETRY).await;
            } else if tip.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Makes a snapshot if the log has grown enough since the last.
    pub(crate) async fn snapshot_if_due(&self) -> Result<()> {
        let Some(held) = *self.own_log.lead.lock().await else { return Ok(()) };
        let size = self.own_log.tip.borrow().as_ref().map_or(0, |tip| tip.size);
        if size < held.next_snapshot {
            return Ok(());
        }
        match self.snapshot_log().await {
            // Nothing to make one of, or another node has the log by now.
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Conflict) => Ok(()),
            made => made.map(drop),
        }
    }

    /// Makes a snapshot of the own log as it is now, and lets the log tell of it; says at which index.
    ///
    /// # Errors
    /// [`Kind::Conflict`] while another node has the log; when something cannot be read or written.
    pub async fn snapshot_log(&self) -> Result<u64> {
        let _alone = self.own_log.making.lock().await;
        let mut making = self.begin_snapshot().await?;
        while self.make_part(&mut making).await? {}
        self.tell_snapshot(making).await
    }

    /// Begins to make one of the log as it is now.
    pub(crate) async fn begin_snapshot(&self) -> Result<Making> {
        let held = *self.own_log.lead.lock().await;
        let held = held.ok_or_else(not_kept)?;
        let heads = self.db.view_log_heads(held.log).await?;
        let heads = heads.ok_or_else(|| Error::not_found("there is no log"))?;
        Ok(Making { heads, parts: Vec::new() })
    }

    /// Writes the next part, if there are rows left.
    pub(crate) async fn make_part(&self, making: &mut Making) -> Result<bool> {
        let mut rows: Vec<SnapshotRow> = Vec::new();
        while rows.len() + usize::try_from(PAGE).unwrap_or(0) <= PART_ROWS_MAX {
            let page = making.heads.next(PAGE).await?;
            if page.is_empty() {
                break;
            }
            rows.extend(page.iter().map(|head| SnapshotRow::new(head.rid, head.index, &head.leaf)));
        }
        if rows.is_empty() {
            return Ok(false);
        }
        let (part, data) = encode_part(&rows).map_err(Error::internal)?;
        let log = making.heads.log();
        let file = LogFile {
            owner: Sha256::new([0; 32]),
            sha256: part.sha256,
            kind: FileKind::Snapshot,
            index: log.tree.size(),
            data: Bytes::from(data),
        };
        self.db.put_log_file(log.id, file).await?;
        making.parts.push(part);
        Ok(true)
    }

    /// Lets the log tell of one that is made.
    pub(crate) async fn tell_snapshot(&self, making: Making) -> Result<u64> {
        let Making { heads, parts } = making;
        let made_of = heads.log().clone();
        heads.close().await?;
        if parts.is_empty() {
            return Err(Error::not_found("the log tells of no repository yet"));
        }
        let (size, peaks) = (made_of.tree.size(), made_of.tree.peaks().to_vec());
        let mut lead = self.own_log.lead.lock().await;
        let held = lead.as_mut().filter(|held| held.log == made_of.id).ok_or_else(not_kept)?;
        let log = self.db.log(held.log).await?.ok_or_else(not_kept)?;
        let author = Author { log: log.name.clone(), keys: self.keys.namespaces() };
        let mut event = author.statement(EventType::Snapshot, self.clock.now())?;
        event.data = Data::Snapshot(SnapshotHead { size, peaks, parts });
        let body = event.seal(&[]).map_err(Error::internal)?;
        let append =
            LogAppend { sequenced: Some((held.lease, log.fact_seq)), ..log.append(vec![entry(&body)]) };
        if self.db.append_to_log(append).await? == Appended::Raced {
            return Err(Error::new(Kind::Conflict, "another node appends to the log"));
        }
        self.sign(log.id).await?;
        let index = log.tree.size();
        // Whoever dies before this has made none: until then nobody is told where it is.
        self.db.place_log_snapshot(log.id, size, index).await?;
        held.next_snapshot = due_after(index);
        tracing::info!(index, size, "made a snapshot of the log");
        Ok(index)
    }

    /// At which size of the log the next snapshot is due: the longer the log, the more one costs.
    pub(super) async fn next_snapshot(&self, log: &Log) -> Result<u64> {
        let made = self.log_snapshots(log.id, log.min_index, log.tree.size()).await?;
        Ok(due_after(made.first().copied().unwrap_or(0)))
    }

    /// The snapshots of a log of which the parts are here, the newest first: where their events are.
    pub(crate) async fn log_snapshots(&self, log: i64, min_index: u64, size: u64) -> Result<Vec<u64>> {
        let mut made = Vec::new();
        let found = self.db.log_snapshots(log, size, LOOKED_THROUGH).await?;
        for index in found.into_iter().filter(|index| *index >= min_index) {
            // Parts of one that was never finished have no event.
            let leaf = self.db.log_leaves(log, index, size, 1).await?;
            if leaf.first().is_some_and(|leaf| leaf.kind == EventType::Snapshot) {
                made.push(index);
            }
        }
        Ok(made)
    }

    /// Index of the newest snapshot of which the parts are here.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn newest_log_snapshot(&self, tip: &LogTip) -> Result<Option<u64>> {
        Ok(self.log_snapshots(tip.id, tip.min_index, tip.size).await?.first().copied())
    }

    /// Where what nobody needs to read any more of a log ends: a snapshot stands for it, and another
    /// one before that, for who is reading it now.
    pub(super) async fn needed_from(&self, log: &Log) -> Result<u64> {
        let made = self.log_snapshots(log.id, log.min_index, log.checkpoint_size).await?;
        let Some(index) = made.get(1).copied() else { return Ok(0) };
        let leaf = self.db.log_leaves(log.id, index, log.checkpoint_size, 1).await?;
        let Some(leaf) = leaf.first() else { return Ok(0) };
        // Whoever begins with it goes on where it is of, not where it was told of.
        let body = self.log_body(leaf.body_sha256).await?;
        Ok(match &Body::decode(&body).map_err(Error::internal)?.data {
            Data::Snapshot(head) => head.size,
            _ => 0,
        })
    }
}

fn not_kept() -> Error {
    Error::new(Kind::Conflict, "the log is not kept by this process")
}

/// When a snapshot is due after one at index `last`.
pub(crate) fn due_after(last: u64) -> u64 {
    last.saturating_add(BETWEEN_MIN.max(last / BETWEEN_PART))
}
