//! Logs of other hubs are kept here as long as the own one is, and go where snapshots stand for them.
//!
//! Whoever follows through this hub and is below what is kept begins with a snapshot, as at the origin: so the
//! parts of the two newest are fetched before anything goes.

use bytes::Bytes;
use polder_db::{FileKind, Log, LogFile, UpstreamState};
use polder_log::{Body, Data, EventType, Leaf, SnapshotHead, SnapshotPart, TILE_WIDTH, decode_part};

use super::keys::HUB;
use super::sources::SourceSet;
use crate::Hub;
use crate::error::{Error, Result};
use crate::log::due_after;

/// Snapshots that must stand for what goes.
const SNAPSHOTS: usize = 2;
/// Leaves looked through at a time.
const STRETCH: u64 = 16 * TILE_WIDTH;
/// Most leaves looked through for snapshots, back from the end, and such a part of the log.
const LOOKED_THROUGH_MIN: u64 = 50_000;
const LOOKED_THROUGH_PART: u64 = 2;
/// Under which index parts are kept until all of a snapshot are here; no snapshot is told of there.
const UNPLACED: u64 = 0;

impl Hub {
    /// Prunes the logs of all hubs that are followed; what is wrong with one is logged and holds up no other.
    pub(crate) async fn prune_mirrored_logs(&self) -> Result<()> {
        for upstream in self.db.list_upstreams().await? {
            if upstream.state == UpstreamState::Unfollowed {
                continue;
            }
            let pruned = async {
                let sources =
                    SourceSet::new(self.db.clone(), upstream.log, self.read_sources(upstream.log).await?);
                self.prune_mirrored_log(&sources).await
            };
            if let Err(error) = pruned.await {
                tracing::warn!(url = upstream.url, error = %error.chain(), "old events of a mirrored log stay");
            }
        }
        Ok(())
    }

    /// Stops keeping old events of a log that two snapshots stand for, of which the sources have the parts. Says how
    /// many.
    pub(super) async fn prune_mirrored_log(&self, sources: &SourceSet) -> Result<u64> {
        let Some(log) = self.db.log(sources.log()).await? else { return Ok(0) };
        if !self.is_old(&log).await? {
            return Ok(0);
        }
        self.take_snapshots(&log, sources).await?;
        self.prune_log(&log).await
    }

    /// Fetches the parts of the newest snapshots that are not here.
    async fn take_snapshots(&self, log: &Log, sources: &SourceSet) -> Result<()> {
        let held = self.log_snapshots(log.id, log.min_index, log.tree.size()).await?;
        let is_next_due = held.first().is_none_or(|newest| log.tree.size() >= due_after(*newest));
        if held.len() >= SNAPSHOTS && !is_next_due {
            return Ok(());
        }
        let mut failed = None;
        for (index, leaf) in self.newest_snapshot_events(log).await? {
            if !held.contains(&index)
                && let Err(error) = self.take_snapshot(log, index, leaf, sources).await
            {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn take_snapshot(&self, log: &Log, index: u64, leaf: Leaf, sources: &SourceSet) -> Result<()> {
        let body = Body::decode(&self.log_body(leaf.body_sha256).await?).map_err(Error::internal)?;
        let Data::Snapshot(SnapshotHead { parts, .. }) = &body.data else { return Ok(()) };
        for part in parts {
            let data = match self.snapshot_part(log.id, part.sha256).await? {
                Some(_held) => continue,
                None => self.ask_for_part(index, part, sources).await?,
            };
            self.db.put_log_file(log.id, part_file(part, UNPLACED, data)).await?;
        }
        // All are here: from now on this snapshot is given out.
        for part in parts {
            if let Some(data) = self.snapshot_part(log.id, part.sha256).await? {
                self.db.put_log_file(log.id, part_file(part, index, data)).await?;
            }
        }
        Ok(())
    }

    async fn ask_for_part(&self, index: u64, part: &SnapshotPart, sources: &SourceSet) -> Result<Bytes> {
        let sha256 = part.sha256;
        let data =
            sources.find("a part of a snapshot", sha256, |peer| peer.snapshot_part(index, sha256)).await?;
        decode_part(part, &data).map_err(|why| Error::invalid(format!("a part of a snapshot: {why}")))?;
        Ok(data)
    }

    /// The events of the newest snapshots, the newest first.
    async fn newest_snapshot_events(&self, log: &Log) -> Result<Vec<(u64, Leaf)>> {
        let (mut found, mut end) = (Vec::new(), log.checkpoint_size);
        let looked_through = LOOKED_THROUGH_MIN.max(end / LOOKED_THROUGH_PART);
        let begin = log.min_index.max(end.saturating_sub(looked_through));
        while end > begin && found.len() < SNAPSHOTS {
            let from = begin.max(end.saturating_sub(STRETCH));
            let leaves = self.db.log_leaves(log.id, from, end, STRETCH).await?;
            let snapshots = (from..).zip(leaves).filter(|(_, leaf)| leaf.kind == EventType::Snapshot);
            let snapshots: Vec<_> = snapshots.collect();
            found.extend(snapshots.into_iter().rev());
            end = from;
        }
        found.truncate(SNAPSHOTS);
        Ok(found)
    }
}

fn part_file(part: &SnapshotPart, index: u64, data: Bytes) -> LogFile {
    LogFile { owner: HUB, sha256: part.sha256, kind: FileKind::Snapshot, index, data }
}
