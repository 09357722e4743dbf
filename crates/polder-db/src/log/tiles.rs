//! Leaves and hashes, in bundles of 256.

use std::collections::BTreeMap;

use bytes::Bytes;
use polder_log::{Leaf, Node, Plan, TILE_WIDTH, Tiles};
use polder_types::Sha256;

use super::{Log, damaged, place};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Tx;
use crate::value::args;
use crate::{Db, Error, Result};

/// The level of bundles of leaves.
const LEAVES: i64 = -1;

statements! {
    TILE = "SELECT data FROM log_tile WHERE log = $1 AND level = $2 AND idx = $3";
    LEAF_BUNDLES = "SELECT idx, data FROM log_tile WHERE log = $1 AND level = -1 AND idx >= $2 AND idx <= $3 ORDER BY idx";
}

templates! {
    UPSERT_TILES(1) = "INSERT INTO log_tile (log, level, idx, data) VALUES ", "($1, ?, ?, ?)",
        " ON CONFLICT (log, level, idx) DO UPDATE SET data = excluded.data";
}

/// What an append adds to bundles, before the beginnings of those that are there already are read.
#[derive(Default)]
pub(super) struct Grown(BTreeMap<(i64, i64), Added>);

#[derive(Default)]
struct Added {
    /// Items of the bundle that are there already.
    before: u64,
    bytes: Vec<u8>,
}

impl Grown {
    pub(super) fn push_leaf(&mut self, index: u64, leaf: &Leaf) {
        self.push(LEAVES, index / TILE_WIDTH, index % TILE_WIDTH, &leaf.encode());
    }

    pub(super) fn push_hash(&mut self, node: Node, hash: &Sha256) {
        if let Some((level, index, within)) = node.kept() {
            self.push(i64::from(level), index, within, hash.as_bytes());
        }
    }

    fn push(&mut self, level: i64, index: u64, within: u64, item: &[u8]) {
        let new = || Added { before: within, bytes: Vec::new() };
        self.0.entry((level, place(index))).or_insert_with(new).bytes.extend_from_slice(item);
    }

    /// Writes every bundle that grew.
    pub(super) async fn store(self, tx: &mut Tx, log: i64) -> Result<()> {
        let mut rows = Vec::with_capacity(self.0.len());
        for ((level, index), added) in self.0 {
            let mut data = Vec::new();
            if added.before > 0 {
                let row = tx.row(TILE, args![log, level, index]).await?;
                data = row.map_or(Ok(Vec::new()), |row| row.read::<Vec<u8>>(0))?;
                let item = if level == LEAVES { Leaf::BYTES } else { Sha256::BYTES };
                if u64::try_from(data.len() / item) != Ok(added.before) {
                    return Err(missing_tile(level, index));
                }
            }
            data.extend(added.bytes);
            rows.push((level, index, Bytes::from(data)));
        }
        put(tx, log, &rows).await
    }
}

/// Writes bundles as they are: level, index and bytes.
pub(super) async fn put(tx: &mut Tx, log: i64, rows: &[(i64, i64, Bytes)]) -> Result<()> {
    for some in rows.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![log];
        for (level, index, data) in some {
            args.extend(args![*level, *index, data.clone()]);
        }
        tx.execute(UPSERT_TILES.statement(some.len()), args).await?;
    }
    Ok(())
}

fn missing_tile(level: i64, index: i64) -> Error {
    Error::Other { doing: "reading", subject: format!("tile {level}/{index} of a log"), source: None }
}

impl Db {
    /// At most `limit` leaves of a log from index `from` on, of those before `size`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_leaves(&self, log: i64, from: u64, size: u64, limit: u64) -> Result<Vec<Leaf>> {
        let end = size.min(from.saturating_add(limit));
        if from >= end {
            return Ok(Vec::new());
        }
        let (first, last) = (from / TILE_WIDTH, (end - 1) / TILE_WIDTH);
        let rows = self.rows(LEAF_BUNDLES, args![log, place(first), place(last)]).await?;
        let mut leaves = Vec::new();
        for row in rows {
            let (bundle, data): (i64, Vec<u8>) = (row.read(0)?, row.read(1)?);
            let start = u64::try_from(bundle).unwrap_or(0) * TILE_WIDTH;
            for (bytes, index) in data.chunks(Leaf::BYTES).zip(start..end) {
                if index < from {
                    continue;
                }
                if index != from + u64::try_from(leaves.len()).unwrap_or(u64::MAX) {
                    return Err(missing_tile(LEAVES, bundle));
                }
                leaves.push(Leaf::decode(bytes).map_err(|error| damaged("a leaf", error))?);
            }
        }
        let whole = u64::try_from(leaves.len()) == Ok(end - from);
        if whole { Ok(leaves) } else { Err(missing_tile(LEAVES, place(first))) }
    }

    /// The bytes of a bundle of leaves as it is now; it may be wider than some checkpoint says.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_bundle(&self, log: i64, index: u64) -> Result<Option<Vec<u8>>> {
        self.tile(log, LEAVES, place(index)).await
    }

    /// The bytes of a tile of hashes as it is now; it may be wider than some checkpoint says.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_tile(&self, log: i64, level: u8, index: u64) -> Result<Option<Vec<u8>>> {
        self.tile(log, i64::from(level), place(index)).await
    }

    async fn tile(&self, log: i64, level: i64, index: i64) -> Result<Option<Vec<u8>>> {
        self.row(TILE, args![log, level, index]).await?.map(|row| row.read(0)).transpose()
    }

    /// The path of a proof.
    ///
    /// # Errors
    /// When the database fails, or has not the tiles that the plan needs.
    pub async fn log_path(&self, log: i64, plan: &Plan) -> Result<Vec<Sha256>> {
        self.held_log_path(log, plan).await?.ok_or_else(|| missing_tile(0, 0))
    }

    /// The path of a proof, if the tiles that the plan needs are here: of what a log was begun after, they are
    /// not.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn held_log_path(&self, log: i64, plan: &Plan) -> Result<Option<Vec<Sha256>>> {
        let mut tiles = Tiles::default();
        for tile in plan.tiles() {
            if let Some(bytes) = self.log_tile(log, tile.level, tile.index).await? {
                tiles.insert(tile.level, tile.index, bytes);
            }
        }
        Ok(plan.path(&tiles))
    }

    /// The root that a log had at some size.
    ///
    /// # Errors
    /// As [`Db::log_path`].
    pub async fn log_root(&self, log: &Log, size: u64) -> Result<Option<Sha256>> {
        if size > log.tree.size() {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(polder_log::Frontier::default().root()));
        }
        Ok(self.log_path(log.id, &Plan::root(size)).await?.first().copied())
    }

    /// The complete subtrees of a log at some size, largest first.
    ///
    /// # Errors
    /// As [`Db::log_path`].
    pub async fn log_peaks(&self, log: i64, size: u64) -> Result<Vec<Sha256>> {
        let mut peaks = Vec::new();
        let mut start = 0;
        while let Some(height) = (size - start).checked_ilog2() {
            let node = Node { height: u8::try_from(height).unwrap_or(u8::MAX), index: start >> height };
            peaks.push(self.log_node(log, node, size).await?);
            start += 1 << height;
        }
        Ok(peaks)
    }

    async fn log_node(&self, log: i64, node: Node, size: u64) -> Result<Sha256> {
        use polder_log::{Hashes as _, TileId};
        let missing = || missing_tile(i64::from(node.height), place(node.index));
        let id = TileId::holding(node, size).ok_or_else(missing)?;
        let mut tiles = Tiles::default();
        tiles.insert(id.level, id.index, self.log_tile(log, id.level, id.index).await?.ok_or_else(missing)?);
        tiles.hash(node).ok_or_else(missing)
    }
}

/// Leaves of one bundle, in a write.
pub(super) async fn bundle(tx: &mut Tx, log: i64, index: i64) -> Result<Vec<Leaf>> {
    let Some(row) = tx.row(TILE, args![log, LEAVES, index]).await? else { return Ok(Vec::new()) };
    let data: Vec<u8> = row.read(0)?;
    let leaves: Result<Vec<Leaf>, _> = data.chunks(Leaf::BYTES).map(Leaf::decode).collect();
    leaves.map_err(|error| damaged("a leaf", error))
}
