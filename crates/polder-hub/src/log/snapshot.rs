//! Snapshots of the own log: the newest event of every repository and namespace, in files that one event
//! names, so that a new follower need not read all that was before.

use bytes::Bytes;
use polder_db::{Appended, FileKind, Log, LogAppend, LogFile};
use polder_log::{Data, EventType, PART_ROWS_MAX, SnapshotHead, SnapshotPart, SnapshotRow, encode_part};
use polder_types::Sha256;

use super::author::{Author, entry};
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// Rows read at a time; a part has as many pages as fit.
const PAGE: i64 = 1_000;

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
        // Nothing is appended while the lead is held: the rows are those of this very size.
        let log = self.db.log(held.log).await?.ok_or_else(|| Error::not_found("there is no log"))?;
        let parts = self.write_parts(&log).await?;
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
        Ok(size)
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
