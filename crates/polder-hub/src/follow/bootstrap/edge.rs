//! The right edge of the tree at a snapshot, without which it could not grow.

use std::time::Duration;

use bytes::Bytes;
use polder_db::LogStart;
use polder_log::{EventsPage, Frontier, Hashes as _, Leaf, Lie, Node, TILE_WIDTH, TileId, Tiles};
use polder_types::Sha256;

use super::super::peer::Peer;
use super::super::read::Reader;
use super::{Snapshot, Stop, asked, malformed};
use crate::Hub;

/// Leaves of a tile as a power of two.
const TILE_HEIGHT: u32 = TILE_WIDTH.trailing_zeros();

impl Hub {
    /// Lets the log go on from the snapshot, which is loaded. Nothing happens when another did so meanwhile.
    pub(super) async fn start_after(
        &self,
        reader: &Reader,
        snapshot: &Snapshot,
        peer: &dyn Peer,
    ) -> Result<(), Stop> {
        let base = whole_bundles(&snapshot.tree)?;
        let edge = edge_of(&base, peer).await?;
        let leaves = leaves_between(&base, &snapshot.tree, peer).await?;
        let (log, before, key) = (reader.log.id, reader.cursor.tree.clone(), snapshot.key.clone());
        self.db.start_log(LogStart { log, before, base, edge, leaves, key }).await?;
        Ok(())
    }
}

/// The tree of the whole bundles of a tree: its larger subtrees.
fn whole_bundles(tree: &Frontier) -> Result<Frontier, Stop> {
    let size = tree.size() - tree.size() % TILE_WIDTH;
    let count = usize::try_from(size.count_ones()).unwrap_or(usize::MAX);
    Frontier::new(size, tree.peaks().iter().take(count).copied().collect()).map_err(malformed)
}

/// The last tile of each level where it is not full, checked against the subtrees.
async fn edge_of(base: &Frontier, peer: &dyn Peer) -> Result<Vec<(TileId, Bytes)>, Stop> {
    let (mut edge, mut tiles) = (Vec::new(), Tiles::default());
    let mut hashes = base.size() >> TILE_HEIGHT;
    for level in 1.. {
        if hashes == 0 {
            break;
        }
        let (index, width) = (hashes / TILE_WIDTH, u16::try_from(hashes % TILE_WIDTH).unwrap_or(0));
        if width > 0 {
            let id = TileId { level, index, width };
            let tile = peer.tile(id).await.map_err(asked(peer))?;
            if tile.len() != usize::from(width) * Sha256::BYTES {
                return Err(Stop::source(peer, "a tile is not as long as it must be"));
            }
            tiles.insert(level, index, tile.to_vec());
            edge.push((id, tile));
        }
        hashes >>= TILE_HEIGHT;
    }
    let mut start = 0;
    for peak in base.peaks() {
        let height = (base.size() - start).checked_ilog2().unwrap_or(0);
        let node = Node { height: u8::try_from(height).unwrap_or(u8::MAX), index: start >> height };
        if tiles.hash(node) != Some(*peak) {
            return Err(Stop::Fault(Lie::Graft.into()));
        }
        start += 1 << height;
    }
    Ok(edge)
}

/// The leaves between the last whole bundle and the snapshot.
async fn leaves_between(base: &Frontier, end: &Frontier, peer: &dyn Peer) -> Result<Vec<Leaf>, Stop> {
    let (mut tree, mut leaves) = (base.clone(), Vec::new());
    while tree.size() < end.size() {
        let left = end.size() - tree.size();
        let answer = peer.events(tree.size(), left, Duration::ZERO).await.map_err(asked(peer))?;
        let page = EventsPage::decode(&answer.unwrap_or_default()).map_err(malformed)?;
        if page.leaves.is_empty() || page.first != tree.size() {
            return Err(Stop::Fault(Lie::Place.into()));
        }
        for leaf in page.leaves.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            tree.push(leaf.hash(), |_, _| ());
            leaves.push(leaf);
        }
    }
    if tree == *end { Ok(leaves) } else { Err(Stop::Fault(Lie::Graft.into())) }
}
