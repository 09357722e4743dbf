//! A tree that grows, kept in as many hashes as its size has bits.

use polder_types::Sha256;

use crate::error::{Result, malformed};
use crate::hash::{fold, node_hash};
use crate::tile::Node;

/// The complete subtrees of a tree, largest first: enough to append leaves and to know the root.
///
/// ```
/// use polder_log::{Frontier, leaf_hash};
/// let mut tree = Frontier::default();
/// for leaf in ["a", "b", "c"] {
///     tree.push(leaf_hash(leaf.as_bytes()), |_node, _hash| ());
/// }
/// let kept = Frontier::from_bytes(tree.size(), &tree.to_bytes()).unwrap();
/// assert_eq!((kept.size(), kept.root()), (3, tree.root()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Sha256>,
}

impl Frontier {
    /// Takes the subtrees of a tree of `size` leaves, largest first.
    ///
    /// # Errors
    /// When a tree of that size has another number of them.
    pub fn new(size: u64, peaks: Vec<Sha256>) -> Result<Self> {
        if u32::try_from(peaks.len()) == Ok(size.count_ones()) {
            Ok(Self { size, peaks })
        } else {
            Err(malformed("a frontier", "it has not as many hashes as its size asks for"))
        }
    }

    /// Reads [`Frontier::to_bytes`].
    ///
    /// # Errors
    /// When the length does not fit `size`.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self> {
        let hashes = bytes.chunks(Sha256::BYTES).map(Sha256::from_slice);
        let hashes: Option<Vec<Sha256>> = hashes.collect();
        Self::new(size, hashes.ok_or(malformed("a frontier", "it is cut off"))?)
    }

    /// The hashes one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.iter().flat_map(|peak| *peak.as_bytes()).collect()
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The complete subtrees, largest first.
    pub fn peaks(&self) -> &[Sha256] {
        &self.peaks
    }

    /// Appends a leaf and tells of every complete subtree that it makes, the leaf itself first.
    pub fn push(&mut self, leaf_hash: Sha256, mut made: impl FnMut(Node, Sha256)) {
        let mut node = Node { height: 0, index: self.size };
        let mut hash = leaf_hash;
        made(node, hash);
        while node.index & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node_hash(&left, &hash);
            node = Node { height: node.height + 1, index: node.index >> 1 };
            made(node, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Sha256 {
        fold(&self.peaks)
    }
}
