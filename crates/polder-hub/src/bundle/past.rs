//! The past of a log whose first events are not kept any more: its newest snapshot, with which a follower begins.

use polder_db::{LogBody, LogHeadRow};
use polder_log::{Data, EventType, Plan, SnapshotHead, TILE_WIDTH, TileId};
use tokio::runtime::Handle;

use super::export::Export;
use super::row::{Key, Kind};
use crate::error::{Error, Kind as ErrorKind, Result};

impl Export {
    /// Writes the newest snapshot, and what a follower who begins with it asks for; where the events begin that
    /// this needs, and which one tells of it.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] while there is none.
    pub(super) fn snapshot(&mut self) -> Result<(u64, u64)> {
        let runtime = Handle::current();
        let newest = runtime.block_on(self.hub.newest_log_snapshot(&self.tip))?;
        let index =
            newest.ok_or_else(|| Error::not_found("the log has no snapshot of what is not kept of it"))?;
        let leaf = runtime.block_on(self.hub.db.log_leaves(self.tip.id, index, self.tip.size, 1))?;
        let leaf = leaf.first().filter(|leaf| leaf.kind == EventType::Snapshot);
        let body = leaf.map(|leaf| self.body(leaf.body_sha256)).transpose()?.flatten();
        let Some(Data::Snapshot(head)) = body.map(|body| body.data.clone()) else {
            return Err(Error::not_found("the event of the newest snapshot is not here"));
        };
        (self.say)(&format!("snapshot of {} events", head.size));
        self.writer.put(Key::snapshot(), &index.to_be_bytes())?;
        for part in &head.parts {
            let data = runtime.block_on(self.hub.log_snapshot_part(&self.tip, part.sha256))?;
            self.writer.put(Key::of(Kind::SnapshotPart, part.sha256), &data)?;
        }
        self.tiles(&head)?;
        Ok((head.size - head.size % TILE_WIDTH, index))
    }

    /// The tiles at the right edge of the tree at the snapshot, and those that prove what the receiver has to be in
    /// the past of it.
    fn tiles(&mut self, head: &SnapshotHead) -> Result<()> {
        let (mut tiles, mut hashes) = (Vec::new(), head.size / TILE_WIDTH);
        for level in 1.. {
            if hashes == 0 {
                break;
            }
            let width = u16::try_from(hashes % TILE_WIDTH).map_err(Error::internal)?;
            if width > 0 {
                tiles.push(TileId { level, index: hashes / TILE_WIDTH, width });
            }
            hashes /= TILE_WIDTH;
        }
        if self.from > 0 {
            tiles.extend(Plan::consistency(self.from, self.tip.size).map_err(Error::internal)?.tiles());
        }
        for id in tiles {
            let tile = Handle::current().block_on(self.hub.log_tile(&self.tip, id))?;
            self.writer.put(Key::tile(id), &tile)?;
        }
        Ok(())
    }

    /// Writes what a snapshot only names: a body that is before all events here, and the operations of a namespace.
    pub(super) fn named_by_snapshot(&mut self, head: &LogHeadRow, first: u64) -> Result<()> {
        let runtime = Handle::current();
        if head.leaf.kind.is_namespace() {
            match runtime.block_on(self.hub.log_namespace(&self.tip, head.rid)) {
                Ok(chain) => self.writer.put(Key::of(Kind::Chain, head.rid), &chain)?,
                // It was begun after the end of the bundle.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let sha256 = head.leaf.body_sha256;
        if head.index < first
            && let LogBody::Held(body) = runtime.block_on(self.hub.db.log_body(sha256))?
        {
            self.writer.put(Key::of(Kind::Body, sha256), &body)?;
        }
        Ok(())
    }
}
