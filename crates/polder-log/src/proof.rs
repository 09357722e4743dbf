//! Proofs: that a leaf is in a tree, that one tree is the beginning of another.
//!
//! Source: RFC 6962 §2.1.1 and §2.1.2 for what they hold, RFC 9162 §2.1.3.2 and §2.1.4.2 for how they are
//! checked. A consistency path here always begins with a hash of the old tree, which RFC 6962 leaves out
//! when the old size is a power of two: so a path alone gives both roots, and one that leads to a signed
//! root from another past is evidence against the signer.

use polder_types::Sha256;

use crate::error::{Result, malformed};
use crate::hash::{fold, node_hash};
use crate::tile::{Hashes, Node, TileId};

/// Most hashes in a path.
pub const PROOF_HASHES_MAX: usize = 65;

/// Which subtrees a proof is made of; knows nothing of how they are kept.
///
/// ```
/// use polder_log::{Frontier, Plan, TileId, Tiles, leaf_hash, inclusion_root};
/// let (mut tree, mut level_0) = (Frontier::default(), Vec::new());
/// for leaf in 0..10_u8 {
///     let hash = leaf_hash(&[leaf]);
///     level_0.extend(hash.as_bytes());
///     tree.push(hash, |_, _| ());
/// }
/// let plan = Plan::inclusion(3, 10).unwrap();
/// assert_eq!(plan.tiles(), ["0/000.p/10".parse::<TileId>().unwrap()]);
/// let mut tiles = Tiles::default();
/// tiles.insert(0, 0, level_0);
/// let path = plan.path(&tiles).unwrap();
/// assert_eq!(inclusion_root(leaf_hash(&[3]), 3, 10, &path), Ok(tree.root()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    size: u64,
    /// For each hash of the path, the complete subtrees that it folds.
    steps: Vec<Vec<Node>>,
}

impl Plan {
    /// That the leaf at `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn inclusion(index: u64, size: u64) -> Result<Self> {
        if index >= size {
            return Err(malformed("a proof", "the index is not in the tree"));
        }
        let mut steps = Vec::new();
        let (mut low, mut high) = (0, size);
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                steps.push(subtrees(middle, high));
                high = middle;
            } else {
                steps.push(subtrees(low, middle));
                low = middle;
            }
        }
        steps.reverse();
        Ok(Self { size, steps })
    }

    /// That the tree of `old` leaves is the beginning of the one of `size`.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn consistency(old: u64, size: u64) -> Result<Self> {
        if old > size {
            return Err(malformed("a proof", "the older tree is the larger one"));
        }
        let mut steps = Vec::new();
        if old == 0 || old == size {
            return Ok(Self { size, steps });
        }
        let (mut low, mut high) = (0, size);
        while old != high {
            let middle = low + split(high - low);
            if old <= middle {
                steps.push(subtrees(middle, high));
                high = middle;
            } else {
                steps.push(subtrees(low, middle));
                low = middle;
            }
        }
        steps.push(subtrees(low, high));
        steps.reverse();
        Ok(Self { size, steps })
    }

    /// The root of the tree of `size` leaves.
    pub fn root(size: u64) -> Self {
        Self { size, steps: vec![subtrees(0, size)] }
    }

    /// The complete subtrees it needs.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        self.steps.iter().flatten().copied()
    }

    /// The tiles that hold them, each once.
    pub fn tiles(&self) -> Vec<TileId> {
        let mut tiles: Vec<TileId> =
            self.nodes().filter_map(|node| TileId::holding(node, self.size)).collect();
        tiles.sort_unstable();
        tiles.dedup();
        tiles
    }

    /// The path, or `None` when a hash is not to be had.
    pub fn path(&self, hashes: &impl Hashes) -> Option<Vec<Sha256>> {
        let step = |step: &Vec<Node>| {
            let peaks: Option<Vec<Sha256>> = step.iter().map(|node| hashes.hash(*node)).collect();
            peaks.map(|peaks| fold(&peaks))
        };
        self.steps.iter().map(step).collect()
    }
}

/// The largest power of two below `leaves`, which are at least two.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).checked_ilog2().unwrap_or(0)
}

/// The complete subtrees of the leaves from `low` to before `high`, where a split of the tree begins.
fn subtrees(mut low: u64, high: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    while let Some(height) = (high - low).checked_ilog2() {
        nodes.push(Node { height: u8::try_from(height).unwrap_or(u8::MAX), index: low >> height });
        low += 1 << height;
    }
    nodes
}

/// The root of the tree of `size` leaves in which `path` leads from the leaf at `index`.
///
/// # Errors
/// When the path has another length than such a tree's.
pub fn inclusion_root(leaf_hash: Sha256, index: u64, size: u64, path: &[Sha256]) -> Result<Sha256> {
    let wrong = || malformed("an inclusion proof", "its length does not fit the tree");
    let (mut place, mut last) = (index, size.checked_sub(1).filter(|last| index <= *last).ok_or_else(wrong)?);
    let mut hash = leaf_hash;
    for step in path {
        if last == 0 {
            return Err(wrong());
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(step, &hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(hash) } else { Err(wrong()) }
}

/// The two roots, of `old` and of `size` leaves, that `path` connects; `0 < old < size`.
///
/// # Errors
/// When the path has another length than between such trees.
pub fn consistency_roots(old: u64, size: u64, path: &[Sha256]) -> Result<(Sha256, Sha256)> {
    let wrong = || malformed("a consistency proof", "its length does not fit the trees");
    let (Some((first, path)), true) = (path.split_first(), 0 < old && old < size) else {
        return Err(wrong());
    };
    let shared = (old - 1).trailing_ones();
    let (mut place, mut last) = ((old - 1) >> shared, (size - 1) >> shared);
    let (mut old_root, mut root) = (*first, *first);
    for step in path {
        if last == 0 {
            return Err(wrong());
        }
        if place & 1 == 1 || place == last {
            old_root = node_hash(step, &old_root);
            root = node_hash(step, &root);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, step);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok((old_root, root)) } else { Err(wrong()) }
}
