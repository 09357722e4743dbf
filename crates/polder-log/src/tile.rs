//! Tiles: the tree cut into files of 256 hashes that never change once they are full.
//!
//! Source: C2SP tlog-tiles (2026-07-22).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use polder_types::Sha256;

use crate::error::{Error, Result, malformed};
use crate::hash::node_hash;

/// Hashes in a full tile, and leaves in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Heights of the tree that one tile spans.
const TILE_HEIGHT: u8 = 8;
/// Highest level of tiles a tree of 2^63 leaves can have.
const TILE_LEVEL_MAX: u8 = 7;

/// A complete subtree: of 2^`height` leaves, the `index`-th of its height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// 0 is a leaf.
    pub height: u8,
    /// Counted from the left, from 0.
    pub index: u64,
}

impl Node {
    /// Where the hash of this node is kept, if it is kept and not computed: level, tile and place in it.
    pub fn kept(self) -> Option<(u8, u64, u64)> {
        let kept = self.height.is_multiple_of(TILE_HEIGHT);
        kept.then_some((self.height / TILE_HEIGHT, self.index / TILE_WIDTH, self.index % TILE_WIDTH))
    }
}

/// The name of a tile: `<level>/<index>` with `.p/<width>` while it is not full.
///
/// ```
/// use polder_log::TileId;
/// let tile: TileId = "0/x001/x234/067.p/5".parse().unwrap();
/// assert_eq!((tile.level, tile.index, tile.width), (0, 1_234_067, 5));
/// assert_eq!(tile.to_string(), "0/x001/x234/067.p/5");
/// assert!("0/x000/001".parse::<TileId>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 holds the hashes of leaves, level `n` the roots of full tiles of level `n` − 1.
    pub level: u8,
    /// Counted from the left, from 0.
    pub index: u64,
    /// Hashes in it, 1 to 256.
    pub width: u16,
}

impl TileId {
    /// The tile that holds a hash in a tree of `size` leaves, as wide as it then is; `None` beyond its end.
    pub fn holding(node: Node, size: u64) -> Option<Self> {
        let level = node.height / TILE_HEIGHT;
        // The place of the node's first hash among those of its level.
        let first = node.index.checked_shl(u32::from(node.height % TILE_HEIGHT))?;
        let index = first / TILE_WIDTH;
        let hashes = size.checked_shr(u32::from(level * TILE_HEIGHT)).unwrap_or(0);
        let width = hashes.saturating_sub(index * TILE_WIDTH).min(TILE_WIDTH);
        u16::try_from(width).ok().filter(|width| *width > 0).map(|width| Self { level, index, width })
    }
}

/// `1234067` as `x001/x234/067`, or for a partial tile followed by `.p/<width>`.
fn write_index(index: u64, width: u16, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    for (place, group) in groups.iter().enumerate().rev() {
        if place > 0 {
            write!(out, "x{group:03}/")?;
        } else {
            write!(out, "{group:03}")?;
        }
    }
    if u64::from(width) < TILE_WIDTH { write!(out, ".p/{width}") } else { Ok(()) }
}

impl fmt::Display for TileId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/", self.level)?;
        write_index(self.index, self.width, out)
    }
}

impl FromStr for TileId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || malformed("a tile's name", "it is not `<level>/<index>` or `<level>/<index>.p/<width>`");
        let (level, rest) = text.split_once('/').ok_or_else(wrong)?;
        let (index, width) = rest.split_once(".p/").unwrap_or((rest, "256"));
        let mut number = 0_u64;
        for group in index.split('/') {
            let digits = group.trim_start_matches('x').parse::<u64>().map_err(|_source| wrong())?;
            number = number.checked_mul(1000).and_then(|n| n.checked_add(digits)).ok_or_else(wrong)?;
        }
        let tile = Self {
            level: level.parse().map_err(|_source| wrong())?,
            index: number,
            width: width.parse().map_err(|_source| wrong())?,
        };
        let in_range = tile.level <= TILE_LEVEL_MAX && (1..=TILE_WIDTH).contains(&u64::from(tile.width));
        // Only one text names a tile.
        if in_range && tile.to_string() == text { Ok(tile) } else { Err(wrong()) }
    }
}

/// The name of a bundle of leaves: `<index>` with `.p/<width>` while it is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    /// Counted from the left, from 0.
    pub index: u64,
    /// Leaves in it, 1 to 256.
    pub width: u16,
}

impl fmt::Display for BundleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_index(self.index, self.width, out)
    }
}

impl FromStr for BundleId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let tile: TileId = format!("0/{text}").parse()?;
        Ok(Self { index: tile.index, width: tile.width })
    }
}

/// Leaves as C2SP's `tile/entries/<N>` gives them: each after its length in two bytes.
pub fn entry_bundle(leaves: &[[u8; crate::Leaf::BYTES]]) -> Vec<u8> {
    let length = u16::try_from(crate::Leaf::BYTES).unwrap_or(u16::MAX).to_be_bytes();
    leaves.iter().flat_map(|leaf| length.into_iter().chain(*leaf)).collect()
}

/// Where the hashes of complete subtrees come from.
pub trait Hashes {
    /// The hash of `node`, or `None` when it is not to be had.
    fn hash(&self, node: Node) -> Option<Sha256>;
}

/// Tiles in memory, from which the hash of every node between their levels is computed.
#[derive(Debug, Default)]
pub struct Tiles(BTreeMap<(u8, u64), Vec<u8>>);

impl Tiles {
    /// Adds the bytes of a tile, which may be wider than was asked for.
    pub fn insert(&mut self, level: u8, index: u64, hashes: Vec<u8>) {
        self.0.insert((level, index), hashes);
    }
}

impl Hashes for Tiles {
    fn hash(&self, node: Node) -> Option<Sha256> {
        let within = u32::from(node.height % TILE_HEIGHT);
        let first = node.index.checked_shl(within)?;
        let tile = self.0.get(&(node.height / TILE_HEIGHT, first / TILE_WIDTH))?;
        let start = usize::try_from(first % TILE_WIDTH).ok()?;
        let hashes = tile.chunks_exact(Sha256::BYTES).skip(start).take(1 << within);
        let mut hashes: Vec<Sha256> = hashes.filter_map(Sha256::from_slice).collect();
        if hashes.len() != 1 << within {
            return None;
        }
        while hashes.len() > 1 {
            let pairs = hashes.chunks_exact(2).filter_map(|pair| {
                let [left, right] = pair else { return None };
                Some(node_hash(left, right))
            });
            hashes = pairs.collect();
        }
        hashes.first().copied()
    }
}
