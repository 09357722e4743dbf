//! Snapshots of the own log: the newest event of every repository and namespace, in files that one event
//! names, so that a new follower need not read all that was before.

use bytes::Bytes;
use polder_db::{Appended, FileKind, Log, LogAppend, LogFile};
use polder_log::{Data, EventType, PART_ROWS_MAX, SnapshotHead, SnapshotPart, SnapshotRow, encode_part};
use polder_types::Sha256;

use super::author::{Author, entry};
use super::{Lead, LogTip};
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// Rows read at a time; a part has as many pages as fit.
const PAGE: i64 = 1_000;
/// Between two snapshots lie so many events at least, and such a part of the log.
const BETWEEN_MIN: u64 = 10_000;
const BETWEEN_PART: u64 = 8;
/// Most snapshots that are looked through for the newest.
const LOOKED_THROUGH: i64 = 8;

impl Hub {
    /// Makes a snapshot of the own log as it is now, and lets the log tell of it; says at which index.
    ///
    /// # Errors
    /// [`Kind::Conflict`] while another node has the log; when something cannot be read or written.
    pub async fn snapshot_log(&self) -> Result<u64> {
        let lead = self.own_log.lead.lock().await;
        let Some(held) = *lead else {
            return Err(Error::new(Kind::Conflict, "the log is not kept by this process"));
        };
        let made = self.snapshot(held).await?;
        made.ok_or_else(|| Error::not_found("the log tells of no repository yet"))
    }

    /// Makes a snapshot for the holder of the lead; `None` when there is nothing to make one of.
    pub(super) async fn snapshot(&self, held: Lead) -> Result<Option<u64>> {
        // Nothing is appended while the lead is held: the rows are those of this very size.
        let log = self.db.log(held.log).await?.ok_or_else(|| Error::not_found("there is no log"))?;
        let parts = self.write_parts(&log).await?;
        if parts.is_empty() {
            return Ok(None);
        }
        let size = log.tree.size();
        let author = Author { log: log.name.clone(), keys: self.keys.namespaces() };
        let mut event = author.statement(EventType::Snapshot, self.clock.now())?;
        event.data = Data::Snapshot(SnapshotHead { size, peaks: log.tree.peaks().to_vec(), parts });
        let body = event.seal(&[]).map_err(Error::internal)?;
        let sequenced = Some((held.lease, log.fact_seq));
        let append = LogAppend { sequenced, ..log.append(vec![entry(&body)]) };
        if self.db.append_to_log(append).await? == Appended::Raced {
            return Err(Error::new(Kind::Conflict, "another node appends to the log"));
        }
        self.sign(log.id).await?;
        tracing::info!(index = size, "made a snapshot of the log");
        Ok(Some(size))
    }

    /// At which size of the log the next snapshot is due: the longer the log, the more one costs.
    pub(super) async fn next_snapshot(&self, log: &Log) -> Result<u64> {
        let made = self.log_snapshots(log.id, log.min_index, log.tree.size()).await?;
        Ok(due_after(made.first().copied().unwrap_or(0)))
    }

    /// The snapshots of a log of which the parts are here, the newest first: where their events are.
    async fn log_snapshots(&self, log: i64, min_index: u64, size: u64) -> Result<Vec<u64>> {
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

    /// Where what nobody needs to read any more of the own log ends: a snapshot stands for it, and another
    /// one before that, for who is reading it now.
    pub(super) async fn needed_from(&self, log: &Log) -> Result<u64> {
        let made = self.log_snapshots(log.id, log.min_index, log.checkpoint_size).await?;
        Ok(made.get(1).copied().unwrap_or(0))
    }

    async fn write_parts(&self, log: &Log) -> Result<Vec<SnapshotPart>> {
        let (mut parts, mut rows, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let page = self.db.list_log_heads(log.id, after, PAGE).await?;
            let ended = page.is_empty();
            after = page.last().map(|head| head.rid);
            rows.extend(page.iter().map(|head| SnapshotRow::new(head.rid, head.index, &head.leaf)));
            let full = rows.len() + usize::try_from(PAGE).unwrap_or(0) > PART_ROWS_MAX;
            if !rows.is_empty() && (full || ended) {
                let (part, data) = encode_part(&rows).map_err(Error::internal)?;
                let file = LogFile {
                    owner: Sha256::new([0; 32]),
                    sha256: part.sha256,
                    kind: FileKind::Snapshot,
                    index: log.tree.size(),
                    data: Bytes::from(data),
                };
                self.db.put_log_file(log.id, file).await?;
                parts.push(part);
                rows.clear();
            }
            if ended {
                return Ok(parts);
            }
        }
    }
}

/// When a snapshot is due after one at index `last`.
pub(super) fn due_after(last: u64) -> u64 {
    last.saturating_add(BETWEEN_MIN.max(last / BETWEEN_PART))
}
